//! `authenticatorData`: what the device says (§6.1).
//!
//! ```text
//! SHA-256 of the host (32) │ flags (1) │ counter (4) │ AT: AAGUID (16) │ length (2) │ id │ key (CBOR) │ ED: CBOR map
//! ```

use super::{LONGEST_ID, Refusal, key};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const COPYABLE: u8 = 0x08;
const COPIED: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// What the device says.
pub(super) struct AuthenticatorData<'a> {
    pub(super) host_hash: &'a [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    pub(super) credential: Option<Credential<'a>>,
}

/// A credential that was made.
pub(super) struct Credential<'a> {
    pub(super) id: &'a [u8],
    /// The key in COSE's form.
    pub(super) key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of it: nothing may stand behind it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        Self::split(bytes).ok_or(Refusal::AuthenticatorData)
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (host_hash, rest) = bytes.split_first_chunk::<32>()?;
        let ([flags], rest) = rest.split_first_chunk::<1>()?;
        let (counter, mut rest) = rest.split_first_chunk::<4>()?;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (_aaguid, behind) = rest.split_first_chunk::<16>()?;
            let (length, behind) = behind.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, behind) = behind.split_at_checked(length).filter(|_| length <= LONGEST_ID)?;
            let (key, behind) = behind.split_at_checked(key::map_length(behind)?)?;
            credential = Some(Credential { id, key });
            rest = behind;
        }
        if flags & EXTENSIONS != 0 {
            rest = rest.get(key::map_length(rest)?..)?;
        }
        rest.is_empty().then_some(Self {
            host_hash,
            flags: *flags,
            counter: u32::from_be_bytes(*counter),
            credential,
        })
    }

    pub(super) const fn is_present(&self) -> bool {
        self.flags & PRESENT != 0
    }

    pub(super) const fn is_verified(&self) -> bool {
        self.flags & VERIFIED != 0
    }

    pub(super) const fn is_copyable(&self) -> bool {
        self.flags & COPYABLE != 0
    }

    pub(super) const fn is_copied(&self) -> bool {
        self.flags & COPIED != 0
    }
}
