//! The file of a recording: what stands where, and how it is sealed.
//!
//! ```text
//! octets      0 ┌──────────────────────────────────────────────────────────────┐
//!               │ magic, length of the head, head (JSON), zeros                │ never changes
//!           512 ├──────────────────────────────────────────────────────────────┤
//!               │ subjects, the file's own key wrapped with their shares       │ written anew when a subject is known
//!          1024 ├──────────────────────────────────────────────────────────────┤
//!               │ length, number, sealed chunk │ length, number, chunk │ …     │ a second each
//!               │ … │ length, number, last chunk: how long the recording is    │
//!               └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Every file has a key of its own, drawn when it begins. Chunks are sealed with ChaCha20-Poly1305 (RFC 8439) as in
//! STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online authenticated-encryption and its nonce-reuse
//! misuse-resistance", 2015): the nonce is the chunk's number and whether it is the last, the additional data is the
//! head's hash. So a chunk that was changed, left out, doubled, moved or taken from another file does not open, and a
//! file without its last chunk says that it was cut short.

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::auth::SubjectKey;
use crate::call::MOST_SUBJECTS;
use crate::driver::keys::Shares;
use crate::driver::seal::{self, Key, Label, SealError, keyed_hash};
use crate::driver::vault::TENANT;
use crate::media::recorder::{Piece, Sound};
use crate::secret::Secret;

/// The first octets of a file.
const MAGIC: &[u8; 8] = b"CSREC\0\x01\n";
/// Where the wrapped key stands: both parts of what precedes the chunks are one sector of a disk each, which is
/// written whole or not at all.
pub(super) const KEY_AT: usize = 512;
/// Where the chunks begin.
pub(super) const CHUNKS_AT: usize = 1024;
/// Length and number before a chunk.
pub(super) const FRAME: usize = 8;
/// A nonce, the key, and its tag.
const WRAPPED: usize = 24 + 32 + 16;
const TAG: usize = 16;
/// What is in a chunk: two sides of a second and a little.
pub(super) const LONGEST: usize = 64 * 1024;
/// The last chunk: the length of the recording.
pub(super) const LAST: usize = FRAME + 8 + TAG;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The recording's name.
    pub name: String,
    /// The call that it is of.
    pub call: String,
    /// When it began, in milliseconds since 1970.
    pub started: i64,
    /// How each side is encoded.
    pub codec: String,
    /// Octets of each side in a second.
    pub rate: u32,
}

/// The head as it stands in a file, with what it is known by.
pub(super) struct Bound {
    pub(super) octets: [u8; KEY_AT],
    hash: [u8; 32],
}

impl Head {
    /// `None` when it does not fit, which none of ours does.
    pub(super) fn write(&self) -> Option<Bound> {
        let json = serde_json::to_vec(self).ok()?;
        let mut octets = [0; KEY_AT];
        let (magic, rest) = octets.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        let (length, rest) = rest.split_at_mut(2);
        length.copy_from_slice(&u16::try_from(json.len()).ok()?.to_be_bytes());
        rest.get_mut(..json.len())?.copy_from_slice(&json);
        Some(Bound::of(octets))
    }

    pub(super) fn read(octets: [u8; KEY_AT]) -> Option<(Self, Bound)> {
        let rest = octets.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let json = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some((serde_json::from_slice(json).ok()?, Bound::of(octets)))
    }
}

impl Bound {
    fn of(octets: [u8; KEY_AT]) -> Self {
        Self { octets, hash: Sha256::digest(octets).into() }
    }
}

/// What wraps the keys of recordings.
pub(super) struct Wrapping<'a> {
    pub(super) recordings: &'a Key,
    pub(super) shares: &'a Shares,
}

/// Why a file's key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// A subject whose recording it is was erased.
    Erased,
    /// It was changed, or wrapped by another deployment.
    Changed,
}

impl Wrapping<'_> {
    /// Of all subjects together: one that is erased takes the key with it.
    fn key(&self, subjects: &[SubjectKey]) -> Option<Key> {
        let shares: Vec<Key> =
            subjects.iter().map(|subject| self.shares.share(*subject)).collect::<Option<_>>()?;
        let parts: Vec<&[u8]> = std::iter::once(b"recording".as_slice())
            .chain(shares.iter().map(|share| share.expose().as_slice()))
            .collect();
        Some(Secret::new(keyed_hash(self.recordings, &parts)))
    }

    /// The part of a file that holds its key.
    pub(super) fn wrap(
        &self,
        bound: &Bound,
        subjects: &[SubjectKey],
        own: &Key,
    ) -> Result<[u8; CHUNKS_AT - KEY_AT], SealError> {
        let mut part = [0; CHUNKS_AT - KEY_AT];
        let key = self.key(subjects).ok_or(SealError::Opening)?;
        let mut plain = vec![u8::try_from(subjects.len()).unwrap_or(u8::MAX)];
        plain.extend(subjects.iter().flat_map(|subject| subject.0));
        let owner = [bound.hash.as_slice(), &plain].concat();
        let wrapped = seal::seal(&key, label(&owner), own.expose())?;
        for (to, from) in part.iter_mut().zip(plain.iter().chain(&wrapped)) {
            *to = *from;
        }
        Ok(part)
    }

    /// The file's key, and of whom it is.
    pub(super) fn unwrap(
        &self,
        bound: &Bound,
        part: &[u8; CHUNKS_AT - KEY_AT],
    ) -> (Vec<SubjectKey>, Result<Key, NoKey>) {
        let count = usize::from(part[0]);
        let end = 1 + count * 16;
        let (Some(plain), Some(wrapped)) = (part.get(..end), part.get(end..end + WRAPPED)) else {
            return (Vec::new(), Err(NoKey::Changed));
        };
        let subjects: Vec<SubjectKey> = plain
            .get(1..)
            .unwrap_or_default()
            .as_chunks::<16>()
            .0
            .iter()
            .map(|key| SubjectKey(*key))
            .collect();
        if count > MOST_SUBJECTS {
            return (Vec::new(), Err(NoKey::Changed));
        }
        let Some(key) = self.key(&subjects) else { return (subjects, Err(NoKey::Erased)) };
        let owner = [bound.hash.as_slice(), plain].concat();
        let own = seal::open_key(&key, label(&owner), wrapped).map_err(|_| NoKey::Changed);
        (subjects, own)
    }
}

const fn label(owner: &[u8]) -> Label<'_> {
    Label { tenant: TENANT, owner, kind: "recording" }
}

/// Seals and opens the chunks of one file.
pub(super) struct Chunks {
    cipher: ChaCha20Poly1305,
    hash: [u8; 32],
}

impl Chunks {
    pub(super) fn new(own: &Key, bound: &Bound) -> Result<Self, SealError> {
        let cipher = ChaCha20Poly1305::new_from_slice(own.expose()).map_err(|_| SealError::Opening)?;
        Ok(Self { cipher, hash: bound.hash })
    }

    /// A chunk as it stands in the file.
    pub(super) fn seal(&self, number: u32, last: bool, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let payload = Payload { msg: plain, aad: &self.hash };
        let sealed = self.cipher.encrypt(&nonce(number, last), payload).map_err(|_| SealError::Opening)?;
        let length = u32::try_from(sealed.len()).map_err(|_| SealError::Opening)?.to_be_bytes();
        Ok([length.as_slice(), &number.to_be_bytes(), &sealed].concat())
    }

    /// Opens what stands behind length and number.
    pub(super) fn open(&self, number: u32, last: bool, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let payload = Payload { msg: sealed, aad: &self.hash };
        self.cipher.decrypt(&nonce(number, last), payload).ok().map(Secret::new)
    }
}

fn nonce(number: u32, last: bool) -> Nonce {
    let [a, b, c, d] = number.to_be_bytes();
    Nonce::from([0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(last)])
}

/// Length and number of the chunk that follows; `None` when there is no chunk of that length.
pub(super) fn frame(octets: [u8; FRAME]) -> Option<(usize, u32)> {
    let [a, b, c, d, e, f, g, h] = octets;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (TAG..=LONGEST + TAG).contains(&length).then_some((length, u32::from_be_bytes([e, f, g, h])))
}

const SILENCE: u8 = 0;
const AUDIO: u8 = 1;

/// A piece as it stands in a chunk.
pub(super) fn plain(piece: &Piece) -> Secret<Vec<u8>> {
    Secret::new(match &piece.sound {
        Sound::Silence(length) => [&[SILENCE], length.to_be_bytes().as_slice()].concat(),
        Sound::Audio { left, right } => [&[AUDIO], left.expose().as_slice(), right.expose()].concat(),
    })
}

/// What [`plain`] wrote, behind so many octets.
pub(super) fn piece(at: u64, plain: &[u8]) -> Option<Piece> {
    let (kind, rest) = plain.split_first()?;
    let sound = match *kind {
        SILENCE => Sound::Silence(u64::from_be_bytes(rest.try_into().ok()?)),
        AUDIO if rest.len().is_multiple_of(2) => {
            let (left, right) = rest.split_at(rest.len() / 2);
            Sound::Audio { left: Secret::new(left.to_vec()), right: Secret::new(right.to_vec()) }
        }
        _ => return None,
    };
    Some(Piece { at, sound })
}
