//! Encrypted media: SRTP and SRTCP (RFC 3711, RFC 7714), keyed by the session description (SDES, RFC 4568).
//!
//! ```text
//! what comes:  packet → index from sequence number and rollover counter → seen already? → tag right? → decrypt
//! what goes:   packet → index → encrypt → tag
//! ```
//!
//! A packet that is forged or replayed is dropped and counted before anything else looks at it: it changes no state. After
//! a new key, packets of the old one that are still under way are taken for a moment. Keys are [`Secret`]s, wiped when
//! they are replaced; what is derived from them is wiped by the cryptographic library.
//!
//! [`Secret`]: crate::secret::Secret

mod context;
mod keys;
mod replay;
pub mod sdes;

mod protection;

use std::time::{Duration, Instant};

pub use context::Rejected;
pub use keys::{Crypto, Keying, LocalSrtp, OurKeys, SrtpPolicy, Suite};
pub use protection::Protection;

use super::rtp::packet::Packet;
use context::{Receiver, Sender};

/// Both directions of an encrypted session.
pub struct Srtp {
    crypto: Crypto,
    sender: Sender,
    receiver: Receiver,
    /// The receiver of the key before, and until when it counts.
    former: Option<(Receiver, Instant)>,
    /// Packets dropped because their tag was wrong.
    pub forged: u64,
    /// Packets dropped because they had come before, or are older than what is remembered.
    pub replayed: u64,
}

impl Srtp {
    /// Starts with what was agreed; `None` when the cryptographic library refuses the keys.
    #[must_use]
    pub fn new(crypto: &Crypto) -> Option<Self> {
        Some(Self {
            sender: Sender::new(&crypto.ours)?,
            receiver: Receiver::new(&crypto.theirs)?,
            crypto: crypto.clone(),
            former: None,
            forged: 0,
            replayed: 0,
        })
    }

    /// Takes what a later offer or answer agreed on. A key that is the same goes on counting where it is: starting over
    /// would encrypt two packets with one key stream (RFC 3711 §9.1).
    #[must_use]
    pub fn rekey(&mut self, now: Instant, crypto: &Crypto) -> Option<()> {
        if crypto.ours != self.crypto.ours {
            self.sender = Sender::new(&crypto.ours)?;
        }
        if crypto.theirs != self.crypto.theirs {
            let former = std::mem::replace(&mut self.receiver, Receiver::new(&crypto.theirs)?);
            self.former = Some((former, now + UNDER_WAY));
        }
        self.crypto = crypto.clone();
        Some(())
    }

    /// Encrypts a whole RTP packet in place.
    #[must_use]
    pub fn protect(&mut self, packet: &mut Packet) -> Option<()> {
        self.sender.protect(packet)
    }

    /// Encrypts a whole RTCP packet in place.
    #[must_use]
    pub fn protect_report(&mut self, packet: &mut Packet) -> Option<()> {
        self.sender.protect_report(packet)
    }

    /// Checks and decrypts an RTP packet in place; what is left of it.
    pub fn open<'a>(&mut self, now: Instant, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        self.open_with(now, packet, Receiver::open)
    }

    /// Checks and decrypts an RTCP packet in place; what is left of it.
    pub fn open_report<'a>(&mut self, now: Instant, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        self.open_with(now, packet, Receiver::open_report)
    }

    fn open_with<'a>(
        &mut self,
        now: Instant,
        packet: &'a mut [u8],
        open: impl Fn(&mut Receiver, &mut [u8]) -> Result<usize, Rejected>,
    ) -> Option<&'a [u8]> {
        if self.former.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.former = None;
        }
        let mut opened = open(&mut self.receiver, packet);
        // A tag that is wrong leaves the packet as it was.
        if let (Err(Rejected::Forged), Some((former, _))) = (&opened, &mut self.former) {
            opened = open(former, packet);
        }
        match opened {
            Ok(length) => packet.get(..length),
            Err(Rejected::Forged) => {
                self.forged = self.forged.saturating_add(1);
                None
            }
            Err(Rejected::Replayed) => {
                self.replayed = self.replayed.saturating_add(1);
                None
            }
        }
    }
}

/// Two seconds: the answer with the new key may be retransmitted (RFC 3261 T1), and packets wait in networks.
const UNDER_WAY: Duration = Duration::from_secs(2);

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
