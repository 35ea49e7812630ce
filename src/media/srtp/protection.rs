//! Whether a session's packets are encrypted. Once they are to be, nothing leaves or enters in clear.

use std::time::Instant;

use super::{Crypto, Srtp};
use crate::media::rtp::packet::Packet;

/// The protection of one session.
#[derive(Default)]
pub enum Protection {
    /// None was agreed on.
    #[default]
    Plain,
    /// By these keys.
    Srtp(Box<Srtp>),
    /// Agreed on, but the keys were refused by the cryptographic library: silence, rather than clear media.
    Broken,
}

impl Protection {
    /// More than an Ethernet frame holds; what is longer is no packet of ours.
    pub const MAX_DATAGRAM: usize = 2048;

    /// Takes what was negotiated.
    pub fn agree(&mut self, now: Instant, crypto: Option<&Crypto>) {
        let Some(crypto) = crypto else {
            *self = Self::Plain;
            return;
        };
        if let Self::Srtp(srtp) = self
            && srtp.rekey(now, crypto).is_some()
        {
            return;
        }
        *self = Srtp::new(crypto).map_or(Self::Broken, |srtp| Self::Srtp(Box::new(srtp)));
    }

    /// Nothing is encrypted.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Checks and decrypts a datagram; `None` when it is dropped.
    pub fn open<'a>(
        &mut self,
        now: Instant,
        datagram: &[u8],
        report: bool,
        room: &'a mut [u8; Self::MAX_DATAGRAM],
    ) -> Option<&'a [u8]> {
        let Self::Srtp(srtp) = self else { return None };
        let packet = room.get_mut(..datagram.len())?;
        packet.copy_from_slice(datagram);
        if report { srtp.open_report(now, packet) } else { srtp.open(now, packet) }
    }

    /// Encrypts an RTP packet; `None` when it must not leave.
    #[must_use]
    pub fn seal(&mut self, packet: &mut Packet) -> Option<()> {
        match self {
            Self::Plain => Some(()),
            Self::Srtp(srtp) => srtp.protect(packet),
            Self::Broken => None,
        }
    }

    /// Encrypts an RTCP packet; `None` when it must not leave.
    #[must_use]
    pub fn seal_report(&mut self, packet: &mut Packet) -> Option<()> {
        match self {
            Self::Plain => Some(()),
            Self::Srtp(srtp) => srtp.protect_report(packet),
            Self::Broken => None,
        }
    }

    /// Packets with a wrong tag.
    #[must_use]
    pub fn forged(&self) -> u64 {
        self.srtp().map_or(0, |srtp| srtp.forged)
    }

    /// Packets that had come before.
    #[must_use]
    pub fn replayed(&self) -> u64 {
        self.srtp().map_or(0, |srtp| srtp.replayed)
    }

    const fn srtp(&self) -> Option<&Srtp> {
        match self {
            Self::Srtp(srtp) => Some(srtp),
            Self::Plain | Self::Broken => None,
        }
    }
}
