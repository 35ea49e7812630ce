//! Certificates that sign calls (RFC 8226): read, and held against the authorities that are trusted.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime as PkiTime};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::Reason;
use super::der::{self, BIT_STRING, Der, INTEGER, OCTET_STRING, OID, SEQUENCE, context};
use super::number::Number;
use super::tn_auth::TnAuthList;
use crate::units::UnixTime;

/// The certificate of a signer with those between it and its authority, as they were fetched. Nothing of it is verified.
pub struct Chain {
    leaf: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
    /// The point of its key.
    key: Vec<u8>,
    entitles: TnAuthList,
}

/// Certificates of one chain at most.
const MAX_CHAIN: usize = 8;

/// 1.3.6.1.5.5.7.1.26, TNAuthList (RFC 8226 §9).
const TN_AUTH_LIST: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 26];
/// 1.3.6.1.5.5.7.1.27 and .33: constraints on claims (RFC 8226 §8, RFC 9118), which are not understood here.
const CLAIM_CONSTRAINTS: [&[u8]; 2] = [&[0x2b, 6, 1, 5, 5, 7, 1, 27], &[0x2b, 6, 1, 5, 5, 7, 1, 33]];
/// 1.2.840.10045.2.1 and 1.2.840.10045.3.1.7: an elliptic key on P-256 (RFC 5480 §2.1.1).
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P_256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// RFC 8226 §4 and ATIS-1000080 know elliptic curves only.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[webpki::aws_lc_rs::ECDSA_P256_SHA256, webpki::aws_lc_rs::ECDSA_P384_SHA384];

impl Chain {
    /// Reads what was fetched: PEM, the signer's first, or one certificate in DER.
    ///
    /// # Errors
    /// [`Reason::CertificateUnreadable`], [`Reason::NotEntitled`].
    pub fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let broken = Reason::CertificateUnreadable;
        let mut all = if bytes.first() == Some(&SEQUENCE) {
            vec![CertificateDer::from(bytes.to_vec())]
        } else {
            let read =
                CertificateDer::pem_slice_iter(bytes).take(MAX_CHAIN + 1).collect::<Result<Vec<_>, _>>();
            read.map_err(|_| broken)?
        };
        if all.is_empty() || all.len() > MAX_CHAIN {
            return Err(broken);
        }
        let leaf = all.remove(0);
        EndEntityCert::try_from(&leaf).map_err(|_| broken)?;
        let parts = Parts::of(&leaf).ok_or(broken)?;
        let key = parts.key().ok_or(broken)?.to_vec();
        let entitles = parts.entitles()?.ok_or(Reason::NotEntitled)?;
        Ok(Self { leaf, between: all, key, entitles })
    }

    /// Whether its holder may sign for a call of `orig` now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, trust: &Trust, now: UnixTime, orig: &Number) -> Result<(), Reason> {
        let certificate = EndEntityCert::try_from(&self.leaf).map_err(|_| Reason::CertificateUnreadable)?;
        let seconds = u64::try_from(now.seconds()).map_err(|_| Reason::CertificateExpired)?;
        let now = PkiTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let usage = KeyUsage::client_auth();
        let path = certificate
            .verify_for_usage(ALGORITHMS, &trust.anchors, &self.between, now, usage, None, None)
            .map_err(|error| reason(&error))?;
        let between: Vec<_> = path.intermediate_certificates().map(webpki::Cert::der).collect();
        if [&self.leaf].into_iter().chain(&between).any(|der| trust.revoked.contains(&Fingerprint::of(der))) {
            return Err(Reason::Revoked);
        }
        // RFC 9060 §4: whoever delegates numbers delegates none that it has not.
        let mut above = Vec::new();
        for der in &between {
            above.extend(Parts::of(der).ok_or(Reason::CertificateUnreadable)?.entitles()?);
        }
        if above.iter().chain([&self.entitles]).all(|list| list.covers(orig)) {
            Ok(())
        } else {
            Err(Reason::NotEntitled)
        }
    }

    /// Whether its holder signed this.
    #[must_use]
    pub fn has_signed(&self, text: &str, signature: &[u8; 64]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key);
        key.verify(text.as_bytes(), signature).is_ok()
    }

    /// What it entitles to.
    #[must_use]
    pub const fn entitles(&self) -> &TnAuthList {
        &self.entitles
    }
}

fn reason(error: &webpki::Error) -> Reason {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Reason::CertificateExpired,
        Error::BadDer | Error::BadDerTime | Error::CaUsedAsEndEntity => Reason::CertificateUnreadable,
        _ => Reason::Untrusted,
    }
}

/// What `webpki` does not show of a certificate (RFC 5280 §4.1).
struct Parts<'a> {
    public_key: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Der::new(der::only(certificate, SEQUENCE)?);
        let mut fields = Der::new(outer.expect(SEQUENCE)?);
        fields.optional(context(0));
        fields.expect(INTEGER)?;
        // Algorithm, issuer, validity, subject.
        for _ in 0..4 {
            fields.expect(SEQUENCE)?;
        }
        let public_key = fields.expect(SEQUENCE)?;
        let mut extensions: &[u8] = &[];
        while let Some((tag, content)) = fields.next() {
            if tag == context(3) {
                extensions = der::only(content, SEQUENCE)?;
            }
        }
        fields.is_empty().then_some(Self { public_key, extensions })
    }

    /// The point of a key on P-256, uncompressed.
    fn key(&self) -> Option<&'a [u8]> {
        let mut fields = Der::new(self.public_key);
        let mut kind = Der::new(fields.expect(SEQUENCE)?);
        let right = kind.expect(OID)? == EC_KEY && kind.expect(OID)? == P_256;
        let (unused, point) = fields.expect(BIT_STRING)?.split_first()?;
        (right && *unused == 0 && point.len() == 65).then_some(point)
    }

    /// Its TNAuthList, when it has one.
    fn entitles(&self) -> Result<Option<TnAuthList>, Reason> {
        let mut all = Der::new(self.extensions);
        let mut found = None;
        while !all.is_empty() {
            let mut fields = Der::new(all.expect(SEQUENCE).ok_or(Reason::CertificateUnreadable)?);
            let name = fields.expect(OID).ok_or(Reason::CertificateUnreadable)?;
            if CLAIM_CONSTRAINTS.contains(&name) {
                return Err(Reason::NotEntitled);
            }
            if name == TN_AUTH_LIST {
                // Critical or not: it is understood.
                fields.optional(BOOLEAN);
                let content = fields.expect(OCTET_STRING).ok_or(Reason::CertificateUnreadable)?;
                let list = TnAuthList::parse(content).ok_or(Reason::NotEntitled)?;
                if found.replace(list).is_some() {
                    return Err(Reason::CertificateUnreadable);
                }
            }
        }
        Ok(found)
    }
}

const BOOLEAN: u8 = 0x01;

/// Whose certificates count.
#[derive(Clone, Default)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    revoked: HashSet<Fingerprint>,
}

impl Trust {
    /// The authorities (the STI-CA list), and the certificates that count no more. `None` when no certificate of
    /// `authorities` can be an authority.
    #[must_use]
    pub fn new(
        authorities: &[CertificateDer<'static>],
        revoked: impl IntoIterator<Item = Fingerprint>,
    ) -> Option<Self> {
        let anchors: Result<Vec<_>, _> = authorities
            .iter()
            .map(|der| anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned()))
            .collect();
        let anchors = anchors.ok().filter(|anchors| !anchors.is_empty())?;
        Some(Self { anchors, revoked: revoked.into_iter().collect() })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} authorities, {} revoked)", self.anchors.len(), self.revoked.len())
    }
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// What stands for a fingerprint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")]
pub struct UnreadableFingerprint;

impl Fingerprint {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = UnreadableFingerprint;

    fn from_str(text: &str) -> Result<Self, UnreadableFingerprint> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| UnreadableFingerprint)?;
        octets.try_into().map(Self).map_err(|_| UnreadableFingerprint)
    }
}
