//! Suites, master keys and the terms on which they are used.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::secret::Secret;
use crate::units::Entropy;

/// How packets are encrypted and authenticated (RFC 4568 §6.2, RFC 7714 §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in Galois counter mode, a tag of 16 octets.
    AeadAes128Gcm,
    /// AES-128 in counter mode, HMAC-SHA1 of 10 octets.
    AesCm80,
    /// AES-128 in counter mode, HMAC-SHA1 of 4 octets for RTP, 10 for RTCP.
    AesCm32,
}

impl Suite {
    /// All, the one we like best first. The short tag is last: a forger hits it once in four thousand million.
    pub const ALL: &'static [Self] = &[Self::AeadAes128Gcm, Self::AesCm80, Self::AesCm32];

    /// As it is written in `a=crypto`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// From `a=crypto`; names do not heed case (RFC 4568 §9.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of master key and master salt together.
    #[must_use]
    pub const fn material(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 28,
            Self::AesCm80 | Self::AesCm32 => 30,
        }
    }

    /// Octets that a tag adds to an RTP packet.
    #[must_use]
    pub const fn tag(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::AesCm80 => 10,
            Self::AesCm32 => 4,
        }
    }
}

/// The master key and salt of one direction.
#[derive(Clone)]
pub struct Keying {
    /// What they are for.
    pub suite: Suite,
    material: Arc<Secret<Vec<u8>>>,
}

impl Keying {
    /// `None` when the length is not the suite's.
    #[must_use]
    pub fn new(suite: Suite, material: Secret<Vec<u8>>) -> Option<Self> {
        (material.expose().len() == suite.material()).then(|| Self { suite, material: Arc::new(material) })
    }

    /// Key and salt, one behind the other.
    #[must_use]
    pub fn material(&self) -> &Secret<Vec<u8>> {
        &self.material
    }
}

impl PartialEq for Keying {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && self.material.matches(other.material.expose())
    }
}

impl Eq for Keying {}

impl fmt::Debug for Keying {
    /// The suite only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keying({})", self.suite.name())
    }
}

/// What an offer and its answer agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Of what we send.
    pub ours: Keying,
    /// Of what the peer sends.
    pub theirs: Keying,
}

/// Our master keys for a session: one for each suite, so that no two lines of an offer share one.
#[derive(Clone, Debug)]
pub struct OurKeys(Vec<Keying>);

impl OurKeys {
    /// New ones.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        let key = |&suite: &Suite| {
            let mut material = Secret::new(vec![0_u8; suite.material()]);
            for part in material.expose_mut().chunks_mut(4) {
                let random = entropy.next_u32().to_be_bytes();
                part.copy_from_slice(random.get(..part.len()).unwrap_or_default());
            }
            Keying::new(suite, material)
        };
        Self(Suite::ALL.iter().filter_map(key).collect())
    }

    /// All, as they are offered.
    pub fn all(&self) -> impl Iterator<Item = &Keying> {
        self.0.iter()
    }

    /// The one of a suite.
    #[must_use]
    pub fn of(&self, suite: Suite) -> Option<&Keying> {
        self.0.iter().find(|key| key.suite == suite)
    }
}

/// Whether media is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SrtpPolicy {
    /// Never: who offers nothing else is refused.
    #[default]
    Off,
    /// Who offers encrypted media gets it, and no other in that session; others get plain media. Our own offers are
    /// plain.
    Optional,
    /// Always: who offers plain media is refused.
    Required,
}

impl SrtpPolicy {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// Our side of [`SrtpPolicy`] in one session: where media may be encrypted, there are keys.
#[derive(Clone, Debug, Default)]
pub enum LocalSrtp {
    /// Never.
    #[default]
    Off,
    /// When the peer offers it.
    Optional(OurKeys),
    /// Always.
    Required(OurKeys),
}

impl LocalSrtp {
    /// With new keys, where there are to be any.
    #[must_use]
    pub fn draw(policy: SrtpPolicy, entropy: &mut Entropy) -> Self {
        match policy {
            SrtpPolicy::Off => Self::Off,
            SrtpPolicy::Optional => Self::Optional(OurKeys::draw(entropy)),
            SrtpPolicy::Required => Self::Required(OurKeys::draw(entropy)),
        }
    }

    /// From now on always, by the same keys: what was encrypted once is never plain again.
    pub fn insist(&mut self) {
        *self = match std::mem::take(self) {
            Self::Optional(keys) | Self::Required(keys) => Self::Required(keys),
            Self::Off => Self::Off,
        };
    }
}
