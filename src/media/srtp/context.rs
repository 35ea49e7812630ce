//! One direction of a session: keys derived from its master key, and the counters of its packets.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use super::keys::{Keying, Suite};
use super::replay::Window;
use crate::media::rtp::packet::Packet;
use crate::secret::Secret;

/// Why a packet is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Its tag is wrong, or it has none.
    Forged,
    /// It has come before, or is too old to know.
    Replayed,
}

/// Encrypts what we send.
pub(super) struct Sender {
    rtp: Keys,
    rtcp: Keys,
    /// Index of the last RTP packet of each source.
    sources: Sources,
    /// Of the next RTCP packet (RFC 3711 §3.4).
    report: u32,
}

/// Checks and decrypts what comes.
pub(super) struct Receiver {
    rtp: Keys,
    rtcp: Keys,
    sources: Sources,
    reports: Sources,
}

/// The windows of sources; only a packet with a right tag makes one.
#[derive(Default)]
struct Sources(SmallVec<[(u32, Window); 2]>);

/// Session keys of RTP or of RTCP.
struct Keys {
    cipher: Cipher,
    salt: Secret<[u8; SALT]>,
}

#[expect(clippy::large_enum_variant, reason = "nearly all calls use the large one")]
enum Cipher {
    /// Counter mode with a tag of so many octets.
    Cm {
        aes: EncryptingKey,
        mac: hmac::Key,
        tag: usize,
    },
    Gcm(LessSafeKey),
}

impl Sources {
    fn window(&self, ssrc: u32) -> Option<&Window> {
        self.0.iter().find(|(known, _)| *known == ssrc).map(|(_, window)| window)
    }

    fn take(&mut self, ssrc: u32, index: u64) {
        if let Some((_, window)) = self.0.iter_mut().find(|(known, _)| *known == ssrc) {
            window.take(index);
            return;
        }
        if self.0.len() == MOST_SOURCES {
            self.0.remove(0);
        }
        self.0.push((ssrc, Window::starting(index)));
    }
}

impl Sender {
    pub(super) fn new(keying: &Keying) -> Option<Self> {
        let [rtp, rtcp] = derive(keying)?;
        Some(Self { rtp, rtcp, sources: Sources::default(), report: 0 })
    }

    pub(super) fn protect(&mut self, packet: &mut Packet) -> Option<()> {
        let Layout { ssrc, seq, payload } = Layout::of(packet)?;
        let index = self.sources.window(ssrc).map_or(u64::from(seq), |window| window.index_of(seq));
        self.sources.take(ssrc, index);
        match &self.rtp.cipher {
            Cipher::Cm { aes, mac, tag } => {
                counter_mode(aes, self.rtp.counter(ssrc, index), packet.get_mut(payload..)?)?;
                let full = authenticate(mac, packet, &rollover(index));
                packet.extend_from_slice(full.as_ref().get(..*tag)?);
            }
            Cipher::Gcm(key) => {
                let nonce = self.rtp.nonce(ssrc, index);
                let (header, body) = packet.split_at_mut_checked(payload)?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body).ok()?;
                packet.extend_from_slice(tag.as_ref());
            }
        }
        Some(())
    }

    pub(super) fn protect_report(&mut self, packet: &mut Packet) -> Option<()> {
        let ssrc = word(packet, 4)?;
        // RFC 3711 §3.2.1: 2³¹ reports are more than any call sends; then there are none rather than a key stream twice.
        self.report = self.report.checked_add(1).filter(|index| *index < ENCRYPTED)?;
        let index = u64::from(self.report);
        let trailer = (ENCRYPTED | self.report).to_be_bytes();
        match &self.rtcp.cipher {
            Cipher::Cm { aes, mac, .. } => {
                counter_mode(aes, self.rtcp.counter(ssrc, index), packet.get_mut(REPORT_HEADER..)?)?;
                packet.extend_from_slice(&trailer);
                let full = authenticate(mac, packet, &[]);
                packet.extend_from_slice(full.as_ref().get(..REPORT_TAG)?);
            }
            Cipher::Gcm(key) => {
                let nonce = self.rtcp.report_nonce(ssrc, index);
                let (header, body) = packet.split_at_mut_checked(REPORT_HEADER)?;
                let aad = report_aad(header, trailer)?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body).ok()?;
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&trailer);
            }
        }
        Some(())
    }
}

impl Receiver {
    pub(super) fn new(keying: &Keying) -> Option<Self> {
        let [rtp, rtcp] = derive(keying)?;
        Some(Self { rtp, rtcp, sources: Sources::default(), reports: Sources::default() })
    }

    /// The length of the packet without its tag.
    pub(super) fn open(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let Layout { ssrc, seq, payload } = Layout::of(packet).ok_or(Rejected::Forged)?;
        let window = self.sources.window(ssrc);
        let index = window.map_or(u64::from(seq), |window| window.index_of(seq));
        let is_new = window.is_none_or(|window| window.is_new(index));
        if !is_new {
            return Err(Rejected::Replayed);
        }
        let length = match &self.rtp.cipher {
            Cipher::Cm { aes, mac, tag } => {
                let length =
                    packet.len().checked_sub(*tag).filter(|&n| n >= payload).ok_or(Rejected::Forged)?;
                let (body, sent) = packet.split_at_mut(length);
                check(&authenticate(mac, body, &rollover(index)), sent)?;
                counter_mode(aes, self.rtp.counter(ssrc, index), &mut body[payload..])
                    .ok_or(Rejected::Forged)?;
                length
            }
            Cipher::Gcm(key) => {
                let nonce = self.rtp.nonce(ssrc, index);
                let (header, body) = packet.split_at_mut_checked(payload).ok_or(Rejected::Forged)?;
                payload + open_gcm(key, nonce, header, body)?
            }
        };
        self.sources.take(ssrc, index);
        Ok(length)
    }

    /// The length of the report without index and tag.
    pub(super) fn open_report(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let forged = Rejected::Forged;
        let ssrc = word(packet, 4).ok_or(forged)?;
        let behind = match &self.rtcp.cipher {
            Cipher::Cm { .. } => REPORT_TAG,
            Cipher::Gcm(_) => 0,
        };
        let at = packet.len().checked_sub(behind + 4).filter(|&at| at >= REPORT_HEADER).ok_or(forged)?;
        let trailer = word(packet, at).ok_or(forged)?;
        let index = u64::from(trailer & !ENCRYPTED);
        // A report that is authentic but not encrypted is allowed (RFC 3711 §3.4); nobody agreed on it here.
        if trailer & ENCRYPTED == 0 {
            return Err(forged);
        }
        if self.reports.window(ssrc).is_some_and(|window| !window.is_new(index)) {
            return Err(Rejected::Replayed);
        }
        let length = match &self.rtcp.cipher {
            Cipher::Cm { aes, mac, .. } => {
                let (body, sent) = packet.split_at_mut(at + 4);
                check(&authenticate(mac, body, &[]), sent)?;
                let hidden = body.get_mut(REPORT_HEADER..at).ok_or(forged)?;
                counter_mode(aes, self.rtcp.counter(ssrc, index), hidden).ok_or(forged)?;
                at
            }
            Cipher::Gcm(key) => {
                let nonce = self.rtcp.report_nonce(ssrc, index);
                let (header, rest) = packet.split_at_mut(REPORT_HEADER);
                let aad = report_aad(header, trailer.to_be_bytes()).ok_or(forged)?;
                let body = rest.get_mut(..at - REPORT_HEADER).ok_or(forged)?;
                REPORT_HEADER + open_gcm(key, nonce, &aad, body)?
            }
        };
        self.reports.take(ssrc, index);
        Ok(length)
    }
}

impl Keys {
    /// RFC 3711 §4.1.1: (salt · 2¹⁶) ⊕ (SSRC · 2⁶⁴) ⊕ (index · 2¹⁶).
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut counter = [0; 16];
        counter[..SALT].copy_from_slice(self.salt.expose());
        xor(&mut counter[4..8], &ssrc.to_be_bytes());
        xor(&mut counter[8..14], &index.to_be_bytes()[2..]);
        counter
    }

    /// RFC 7714 §8.1: 0 ‖ SSRC ‖ rollover counter ‖ sequence number, ⊕ salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt.expose()[..12]);
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714 §9.1: 0 ‖ SSRC ‖ 0 ‖ index of 31 bits, ⊕ salt.
    fn report_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        self.nonce(ssrc, index)
    }
}

/// Where the parts of an RTP packet lie (RFC 3550 §5.1).
struct Layout {
    ssrc: u32,
    seq: u16,
    payload: usize,
}

impl Layout {
    fn of(packet: &[u8]) -> Option<Self> {
        let &[first, _, high, low, ..] = packet else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let mut payload = 12 + usize::from(first & 0x0F) * 4;
        if first & 0x10 != 0 {
            payload +=
                4 + usize::from(u16::from_be_bytes([*packet.get(payload + 2)?, *packet.get(payload + 3)?]))
                    * 4;
        }
        let ssrc = word(packet, 8)?;
        (payload <= packet.len()).then_some(Self { ssrc, seq: u16::from_be_bytes([high, low]), payload })
    }
}

/// RFC 3711 §4.3: session keys for RTP and for RTCP, by the counter mode under the master key.
fn derive(keying: &Keying) -> Option<[Keys; 2]> {
    let (master, salt) = keying.material().expose().split_at_checked(KEY)?;
    let master = aes(master)?;
    let of = |label: u8, length: usize| -> Option<Secret<Vec<u8>>> {
        let mut counter = [0; 16];
        // RFC 7714 §11: the shorter salt is filled up with zeros.
        counter.get_mut(..salt.len())?.copy_from_slice(salt);
        counter[7] ^= label;
        let mut derived = Secret::new(vec![0; length]);
        counter_mode(&master, counter, derived.expose_mut())?;
        Some(derived)
    };
    let keys = |first: u8, tag: usize| -> Option<Keys> {
        let (key, salt) = (of(first, KEY)?, of(first + 2, SALT)?);
        let cipher = match keying.suite {
            Suite::AeadAes128Gcm => {
                Cipher::Gcm(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.expose()).ok()?))
            }
            Suite::AesCm80 | Suite::AesCm32 => Cipher::Cm {
                aes: aes(key.expose())?,
                mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, of(first + 1, MAC_KEY)?.expose()),
                tag,
            },
        };
        Some(Keys { cipher, salt: Secret::new(<[u8; SALT]>::try_from(salt.expose().as_slice()).ok()?) })
    };
    Some([keys(0, keying.suite.tag())?, keys(3, REPORT_TAG)?])
}

fn aes(key: &[u8]) -> Option<EncryptingKey> {
    EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()
}

fn counter_mode(aes: &EncryptingKey, counter: [u8; 16], octets: &mut [u8]) -> Option<()> {
    let context = EncryptionContext::Iv128(FixedLength::from(counter));
    aes.less_safe_encrypt(octets, context).ok().map(drop)
}

fn authenticate(mac: &hmac::Key, packet: &[u8], then: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(mac);
    context.update(packet);
    context.update(then);
    context.sign()
}

/// In time that does not depend on where they differ.
fn check(full: &hmac::Tag, sent: &[u8]) -> Result<(), Rejected> {
    let right = full.as_ref().get(..sent.len()).is_some_and(|tag| tag.ct_eq(sent).into());
    if right { Ok(()) } else { Err(Rejected::Forged) }
}

/// The library wipes what it has decrypted when the tag is wrong, and another key may be tried then: so a copy is opened.
fn open_gcm(key: &LessSafeKey, nonce: Nonce, aad: &[u8], body: &mut [u8]) -> Result<usize, Rejected> {
    let mut copy: SmallVec<[u8; 256]> = SmallVec::from_slice(body);
    let opened = key.open_in_place(nonce, Aad::from(aad), &mut copy).map_err(|_| Rejected::Forged)?;
    let length = opened.len();
    body.get_mut(..length).ok_or(Rejected::Forged)?.copy_from_slice(opened);
    Ok(length)
}

fn report_aad(header: &[u8], trailer: [u8; 4]) -> Option<[u8; REPORT_HEADER + 4]> {
    let mut aad = [0; REPORT_HEADER + 4];
    aad.get_mut(..REPORT_HEADER)?.copy_from_slice(header.get(..REPORT_HEADER)?);
    aad.get_mut(REPORT_HEADER..)?.copy_from_slice(&trailer);
    Some(aad)
}

/// The rollover counter: the upper 32 bits of an index.
fn rollover(index: u64) -> [u8; 4] {
    let [.., a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

fn xor(into: &mut [u8], with: &[u8]) {
    into.iter_mut().zip(with).for_each(|(into, with)| *into ^= with);
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?))
}

/// Octets of an AES-128 key.
const KEY: usize = 16;
/// Octets of a session salt (RFC 3711 §4.1.1); Galois counter mode uses the first twelve.
const SALT: usize = 14;
/// Octets of a key for HMAC-SHA1 (RFC 3711 §5.2).
const MAC_KEY: usize = 20;
/// RFC 3711 §3.4: the header and the sender's SSRC stay readable.
const REPORT_HEADER: usize = 8;
/// RFC 4568 §6.2.2: ten octets also where RTP has four.
const REPORT_TAG: usize = 10;
/// The flag of an encrypted report, above its index of 31 bits.
const ENCRYPTED: u32 = 1 << 31;
/// Sources of one key that are remembered: a peer has one, at times a second for its keys.
const MOST_SOURCES: usize = 16;

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
