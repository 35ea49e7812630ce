//! PINs that came hashed from another system: bcrypt, PBKDF2 with SHA-256, salted SHA-256.
//!
//! A foreign hash is not kept. At import argon2id with the pepper is run over it, and what is kept is that,
//! with the foreign scheme's salt and cost in front: a stolen database is no easier to guess against than
//! with PINs of our own. At the first right use the PIN is hashed as our own are, and the rest is thrown
//! away.

use blowfish::Blowfish;
use data_encoding::{BASE64, BASE64_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE, Specification};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256};

use super::JudgeError;
use crate::secret::Secret;

/// How the other system hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `$2b$12$…`
    Bcrypt {
        /// The logarithm of the rounds.
        cost: u8,
        /// The salt.
        salt: [u8; 16],
    },
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2 {
        /// The rounds.
        rounds: u32,
        /// The length of the hash.
        length: u8,
        /// The salt.
        salt: Vec<u8>,
    },
    /// One SHA-256 over salt and PIN.
    Sha256 {
        /// The salt comes after the PIN.
        after: bool,
        /// The salt.
        salt: Vec<u8>,
    },
}

/// A hash of another system: its scheme and what came out.
pub struct ForeignHash {
    /// How it was made.
    pub scheme: Scheme,
    /// What came out.
    pub output: Secret<Vec<u8>>,
}

/// Why a foreign hash can't be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// None of the known spellings.
    #[error(
        "this is no hash that can be taken over: `$2b$…` (bcrypt), `$pbkdf2-sha256$…` or `pbkdf2_sha256$…`, \
         `sha256$salt$hex` (salt before the PIN) or `sha256-after$salt$hex`"
    )]
    Unknown,
    /// A spelling that is known, with something wrong in it.
    #[error("the hash is damaged: its salt, cost or length can't be")]
    Damaged,
    /// It would take too long to judge.
    #[error("the hash costs too much for a call: bcrypt up to cost 13, PBKDF2 up to 1,000,000 rounds")]
    Cost,
}

/// A quarter of a second to a second of one core.
const MOST_BCRYPT: u8 = 13;
const MOST_ROUNDS: u32 = 1_000_000;
const LONGEST_SALT: usize = 64;

/// Reads a hash as other systems write it.
///
/// # Errors
/// When it is none, or costs too much.
pub fn read(text: &Secret<String>) -> Result<ForeignHash, ForeignError> {
    let text = text.expose().trim();
    let found = match text.split('$').collect::<Vec<_>>().as_slice() {
        ["", "2a" | "2b" | "2y", cost, rest] => bcrypt_hash(cost, rest),
        ["", "pbkdf2-sha256", cost, salt, hash] => {
            let plain = |text: &str| BASE64_NOPAD.decode(text.replace('.', "+").as_bytes()).ok();
            let rounds = cost.strip_prefix("i=").unwrap_or(cost);
            // A PHC string may name the length of its hash too.
            pbkdf2_hash(rounds.split(',').next().unwrap_or(rounds), plain(salt), plain(hash))
        }
        ["pbkdf2_sha256", rounds, salt, hash] => {
            pbkdf2_hash(rounds, Some(salt.as_bytes().to_vec()), BASE64.decode(hash.as_bytes()).ok())
        }
        ["sha256", salt, hash] => sha256_hash(false, salt, hash),
        ["sha256-after", salt, hash] => sha256_hash(true, salt, hash),
        _ => return Err(ForeignError::Unknown),
    };
    let hash = found.ok_or(ForeignError::Damaged)?;
    let too_much = match &hash.scheme {
        Scheme::Bcrypt { cost, .. } => *cost > MOST_BCRYPT,
        Scheme::Pbkdf2 { rounds, .. } => *rounds > MOST_ROUNDS,
        Scheme::Sha256 { .. } => false,
    };
    if too_much { Err(ForeignError::Cost) } else { Ok(hash) }
}

fn bcrypt_hash(cost: &str, rest: &str) -> Option<ForeignHash> {
    let (salt, hash) = rest.split_at_checked(22)?;
    let salt = <[u8; 16]>::try_from(bcrypt_base64()?.decode(salt.as_bytes()).ok()?).ok()?;
    let output = Secret::new(bcrypt_base64()?.decode(hash.as_bytes()).ok()?);
    let cost = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    let fits = output.expose().len() == BCRYPT_BYTES;
    fits.then_some(ForeignHash { scheme: Scheme::Bcrypt { cost, salt }, output })
}

fn pbkdf2_hash(rounds: &str, salt: Option<Vec<u8>>, hash: Option<Vec<u8>>) -> Option<ForeignHash> {
    let (salt, output) = (salt?, Secret::new(hash?));
    let length = u8::try_from(output.expose().len()).ok().filter(|length| (16..=64).contains(length))?;
    let rounds = rounds.parse().ok().filter(|rounds| *rounds > 0)?;
    let fits = !salt.is_empty() && salt.len() <= LONGEST_SALT;
    fits.then_some(ForeignHash { scheme: Scheme::Pbkdf2 { rounds, length, salt }, output })
}

fn sha256_hash(after: bool, salt: &str, hash: &str) -> Option<ForeignHash> {
    let salt = match salt.strip_prefix("hex:") {
        Some(hex) => HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?,
        None => salt.as_bytes().to_vec(),
    };
    let output = Secret::new(HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).ok()?);
    let fits = salt.len() <= LONGEST_SALT && output.expose().len() == 32;
    fits.then_some(ForeignHash { scheme: Scheme::Sha256 { after, salt }, output })
}

impl Scheme {
    /// What the other system would have kept of this PIN. Always the whole work.
    #[must_use]
    pub fn compute(&self, pin: &Secret<String>) -> Secret<Vec<u8>> {
        let pin = pin.expose().as_bytes();
        match self {
            Self::Bcrypt { cost, salt } => bcrypt(*cost, salt, pin),
            Self::Pbkdf2 { rounds, length, salt } => {
                let mut out = Secret::new(vec![0; usize::from(*length)]);
                pbkdf2_hmac::<Sha256>(pin, salt, *rounds, out.expose_mut());
                out
            }
            Self::Sha256 { after, salt } => {
                let parts: [&[u8]; 2] = if *after { [pin, salt] } else { [salt, pin] };
                Secret::new(Sha256::new().chain_update(parts[0]).chain_update(parts[1]).finalize().to_vec())
            }
        }
    }

    /// As text, in which there is no `|`.
    #[must_use]
    pub fn encode(&self) -> String {
        let hex = |salt: &[u8]| HEXLOWER.encode(salt);
        match self {
            Self::Bcrypt { cost, salt } => format!("bcrypt,{cost},{}", hex(salt)),
            Self::Pbkdf2 { rounds, length, salt } => format!("pbkdf2-sha256,{rounds},{length},{}", hex(salt)),
            Self::Sha256 { after: false, salt } => format!("sha256,{}", hex(salt)),
            Self::Sha256 { after: true, salt } => format!("sha256-after,{}", hex(salt)),
        }
    }

    /// From text.
    ///
    /// # Errors
    /// When it is not what [`Scheme::encode`] writes.
    pub fn decode(text: &str) -> Result<Self, JudgeError> {
        let hex = |salt: &str| HEXLOWER.decode(salt.as_bytes()).ok();
        let read = || {
            Some(match text.split(',').collect::<Vec<_>>().as_slice() {
                ["bcrypt", cost, salt] => {
                    let cost = cost.parse().ok().filter(|cost| *cost <= MOST_BCRYPT)?;
                    Self::Bcrypt { cost, salt: hex(salt)?.try_into().ok()? }
                }
                ["pbkdf2-sha256", rounds, length, salt] => {
                    let rounds = rounds.parse().ok().filter(|rounds| *rounds <= MOST_ROUNDS)?;
                    Self::Pbkdf2 { rounds, length: length.parse().ok()?, salt: hex(salt)? }
                }
                ["sha256", salt] => Self::Sha256 { after: false, salt: hex(salt)? },
                ["sha256-after", salt] => Self::Sha256 { after: true, salt: hex(salt)? },
                _ => return None,
            })
        };
        read().ok_or(JudgeError)
    }
}

/// Of the 24 bytes that bcrypt makes the last is not kept, by anybody, since 1999.
const BCRYPT_BYTES: usize = 23;

/// bcrypt as its authors describe it (Provos and Mazières, USENIX 1999, §4): the key schedule of Blowfish
/// with salt and key, 2^cost times, then 64 times over a fixed text. The key ends with a zero byte.
fn bcrypt(cost: u8, salt: &[u8; 16], pin: &[u8]) -> Secret<Vec<u8>> {
    let mut key = Secret::new(pin.to_vec());
    key.expose_mut().push(0);
    // The key has 72 bytes at most; a PIN never has as many.
    key.expose_mut().truncate(72);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, key.expose());
    for _ in 0..1_u32 << cost.min(MOST_BCRYPT) {
        state.bc_expand_key(key.expose());
        state.bc_expand_key(salt);
    }
    let mut out = Secret::new(Vec::with_capacity(24));
    for pair in TEXT.chunks_exact(2) {
        let mut halves = [pair[0], pair[1]];
        for _ in 0..64 {
            halves = state.bc_encrypt(halves);
        }
        out.expose_mut().extend(halves.iter().flat_map(|half| half.to_be_bytes()));
    }
    out.expose_mut().truncate(BCRYPT_BYTES);
    out
}

/// `OrpheanBeholderScryDoubt`
const TEXT: [u32; 6] = [0x4f72_7068, 0x6561_6e42, 0x6568_6f6c, 0x6465_7253, 0x6372_7944, 0x6f75_6274];

/// bcrypt's own alphabet for base 64.
fn bcrypt_base64() -> Option<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn known(hash: &str, secret_text: &str) -> bool {
        let Ok(hash) = read(&secret(hash)) else { panic!("readable: {hash}") };
        let Ok(again) = Scheme::decode(&hash.scheme.encode()) else { panic!("written") };
        assert_eq!(again, hash.scheme);
        hash.scheme.compute(&secret(secret_text)).matches(hash.output.expose())
    }

    #[test]
    fn hashes_of_other_systems_know_their_secret() {
        // Made by libxcrypt and by Python's hashlib.
        for hash in [
            "$2b$06$abcdefghijklmnopqrstuuF1kXKck9p/JeaeLX/h/iHSuVuQY05sK",
            "$2y$06$abcdefghijklmnopqrstuuF1kXKck9p/JeaeLX/h/iHSuVuQY05sK",
            "$pbkdf2-sha256$i=29000,l=32$TmFDbE5hQ2xOYUNsTmFDbA$1sYMBbmFGyu4BZRpAP5NUXfbCVfhxq0ZcMazzZqF2fU",
            "$pbkdf2-sha256$29000$TmFDbE5hQ2xOYUNsTmFDbA$1sYMBbmFGyu4BZRpAP5NUXfbCVfhxq0ZcMazzZqF2fU",
            "pbkdf2_sha256$26000$seasalt$GWsVLxiuQfbBXnvf7Lq0QMOqfxDr9oy64S8bW7SU8hc=",
            "sha256$pepperless$ebb9f2c0f7071da3a317a842ab6e71da92514b6d1cebb5519516598277125df2",
            "sha256-after$hex:00ff10$3394d6538777c9733e1a8cb17e3f337f83f2a06330c1efbe599efb915d6f9ab1",
        ] {
            assert!(known(hash, "80421537"), "{hash}");
            assert!(!known(hash, "80421538"), "{hash}");
        }
    }

    #[test]
    fn what_is_no_hash_or_too_dear_is_refused() {
        let read = |text: &str| read(&secret(text)).err();
        for text in ["", "80421537", "$1$salt$hash", "md5$salt$00", "$argon2id$v=19$m=1,t=1,p=1$x$y"] {
            assert_eq!(read(text), Some(ForeignError::Unknown), "{text}");
        }
        for text in
            ["$2b$06$short", "$2b$xx$abcdefghijklmnopqrstuuF1kXKck9p/JeaeLX/h/iHSuVuQY05sK", "sha256$salt$00"]
        {
            assert_eq!(read(text), Some(ForeignError::Damaged), "{text}");
        }
        for text in [
            "$2b$14$abcdefghijklmnopqrstuuF1kXKck9p/JeaeLX/h/iHSuVuQY05sK",
            "pbkdf2_sha256$1000001$seasalt$GWsVLxiuQfbBXnvf7Lq0QMOqfxDr9oy64S8bW7SU8hc=",
        ] {
            assert_eq!(read(text), Some(ForeignError::Cost), "{text}");
        }
    }
}
