//! `stir:` of the settings: whose certificates callers' numbers are verified by, and what our own calls are signed with.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::cache::Keep;
use super::fetch::Network;
use super::key::Key;
use super::pool::Verifier;
use super::trust::{TrustFiles, text};
use crate::driver::config::Config;
use crate::driver::secrets::{SecretError, Secrets};
use crate::driver::services::http::Failure;
use crate::engine::Vouching;
use crate::sip::stir::{
    Attest, Attestation, CertificateUrl, Chain, Number, NumberPlan, Signer as _, Signing,
    UnreadableFingerprint,
};
use crate::units::Epoch;

/// `stir:` of the settings. Paths are relative to the data folder.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StirConfig {
    /// How callers' numbers are verified, on trunks with `stir: true`.
    #[serde(default)]
    pub verify: Option<VerifyConfig>,
    /// What calls of our own are signed with.
    #[serde(default)]
    pub sign: Option<SignConfig>,
}

/// `stir.verify` of the settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct VerifyConfig {
    /// The authorities whose certificates count (the STI-CA list), in PEM. Read again when it changes.
    pub authorities: PathBuf,
    /// Certificates that count no more: the SHA-256 of one in each line. Read again when it changes.
    #[serde(default)]
    pub revoked: Option<PathBuf>,
    /// How long a caller waits for it at most, in milliseconds.
    #[serde(default = "default_wait")]
    pub wait_ms: u64,
    /// Numbers that lead here beside the one that was dialled, with + and their country code.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// The authorities of the servers that certificates are fetched from; the system's when left out.
    #[serde(default)]
    pub servers: Option<PathBuf>,
    /// Certificates that are not fetched: the address that calls name, and the file that it stands for.
    #[serde(default)]
    pub pinned: BTreeMap<String, PathBuf>,
}

/// `stir.sign` of the settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// Where others fetch our certificate.
    pub certificate: String,
    /// The same certificate as a file: whether the key is its own is looked at before the first call.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Its key, by its name under `secrets:`.
    pub key: String,
    /// By level, the beginnings of the numbers that we vouch for so far.
    #[serde(default)]
    pub attest: BTreeMap<String, Vec<String>>,
    /// The level of all other numbers; calls from them are not signed when it is left out.
    #[serde(default)]
    pub others: Option<String>,
    /// The number that shows where a caller is put through to a telephone.
    #[serde(default)]
    pub number: Option<String>,
    /// Whether the caller's own number shows there, with what was signed for it and a `div` of ours.
    #[serde(default)]
    pub forward: bool,
    /// The country code of numbers that are written without one.
    #[serde(default)]
    pub country: Option<String>,
}

const fn default_wait() -> u64 {
    1500
}

/// Why callers' numbers can't be verified, or calls not signed, as the settings say.
#[derive(Debug, Error)]
pub enum StirError {
    /// A file can't be read.
    #[error("cannot read {path}: {source}\n  help: check `{key}`, and that this user may read the file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It holds none.
    #[error(
        "{path} holds no certificate in PEM that can be an authority\n  help: `stir.verify.authorities` names the list of STI-CAs that the policy administrator of your country publishes"
    )]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// A line is no fingerprint.
    #[error(
        "{path}, line {line}: {source}\n  help: openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE tells it"
    )]
    Fingerprint {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u32,
        /// What is wrong.
        source: UnreadableFingerprint,
    },
    /// A value of the settings.
    #[error("`{key}`: {what}\n  help: {help}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        help: &'static str,
    },
    /// The key can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret is no key.
    #[error(
        "the secret `{0}` is no key on P-256 in PEM\n  help: calls are signed with ES256: openssl ecparam -name prime256v1 -genkey -noout"
    )]
    NoKey(String),
    /// They do not belong together.
    #[error(
        "the secret `{key}` is not the key of {path}\n  help: name the key that this certificate was made for: nobody would believe a call signed with another"
    )]
    Unfit {
        /// The secret's name.
        key: String,
        /// The certificate.
        path: PathBuf,
    },
    /// The way to certificates.
    #[error("certificates can't be fetched: {0}")]
    NoWay(String),
    /// The system gave no threads.
    #[error("the operating system did not give threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// Shorter, nothing comes from far away; longer, callers hang up (RFC 3261: a caller's side asks again after 500 ms).
const WAITS: std::ops::RangeInclusive<u64> = 100..=5000;

impl StirConfig {
    /// What is wrong with it, beside what is wrong with its files.
    ///
    /// # Errors
    /// [`StirError::Value`].
    pub fn check(&self, config: &Config) -> Result<(), StirError> {
        let value = |key, what: String, help| Err(StirError::Value { key, what, help });
        for trunk in &config.trunks {
            let whose = || format!("the trunk `{}`", trunk.name);
            if trunk.stir && self.verify.is_none() {
                let what = format!("{} has `stir: true`, and there is no list of authorities", whose());
                return value("stir.verify", what, "write `stir: {verify: {authorities: sti-ca.pem}}`");
            }
            if trunk.stir && trunk.verstat {
                let what = format!("{} has it beside `verstat: true`", whose());
                return value(
                    "stir",
                    what,
                    "either the carrier's word counts, or what is found here: leave one out",
                );
            }
        }
        if let Some(verify) = &self.verify {
            if !WAITS.contains(&verify.wait_ms) {
                let what = format!("{} is not from 100 to 5000", verify.wait_ms);
                return value(
                    "stir.verify.wait_ms",
                    what,
                    "callers wait meanwhile, and hear nothing: write 1500",
                );
            }
            verify.own()?;
            for url in verify.pinned.keys() {
                certificate_url("stir.verify.pinned", url)?;
            }
        }
        self.sign.as_ref().map_or(Ok(()), |sign| sign.plan().map(drop))
    }
}

fn certificate_url(key: &'static str, url: &str) -> Result<CertificateUrl, StirError> {
    CertificateUrl::parse(url).map_err(|_| StirError::Value {
        key,
        what: format!("`{url}` is not fetched from"),
        help: "write https://, a host name, port 443 or 8443 if any, and a path: no address, no user, no query",
    })
}

fn number(key: &'static str, text: &str) -> Result<Number, StirError> {
    let digits = text.strip_prefix('+').and_then(Number::canonical);
    digits.ok_or_else(|| StirError::Value {
        key,
        what: format!("`{text}` is no number"),
        help: "write + and the country code first, such as \"+441632960000\"",
    })
}

impl VerifyConfig {
    fn own(&self) -> Result<Vec<Number>, StirError> {
        self.numbers.iter().map(|text| number("stir.verify.numbers", text)).collect()
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }
}

/// What is settled before there is a key.
struct Plan {
    certificate: CertificateUrl,
    attest: Attest,
    number: Option<Number>,
    plan: NumberPlan,
}

impl SignConfig {
    fn plan(&self) -> Result<Plan, StirError> {
        let level = |key, name: &str| {
            Attestation::from_name(name).ok_or_else(|| StirError::Value {
                key,
                what: format!("`{name}` is no level"),
                help: "the levels are A (the number is ours or our customer's), B (the caller is known), C (neither)",
            })
        };
        let mut rules = Vec::new();
        for (name, beginnings) in &self.attest {
            let level = level("stir.sign.attest", name)?;
            for text in beginnings {
                rules.push((number("stir.sign.attest", text)?, level));
            }
        }
        let others = self.others.as_deref().map(|name| level("stir.sign.others", name)).transpose()?;
        if rules.is_empty() && others.is_none() {
            return Err(StirError::Value {
                key: "stir.sign.attest",
                what: "no number is vouched for".to_owned(),
                help: "write `attest: {A: [\"+441632960\"]}` with the beginnings of your own numbers",
            });
        }
        let plan = self.country.as_deref().map(|code| {
            NumberPlan::of_country(code).ok_or_else(|| StirError::Value {
                key: "stir.sign.country",
                what: format!("`{code}` is no country code"),
                help: "write one, such as \"+44\"",
            })
        });
        Ok(Plan {
            certificate: certificate_url("stir.sign.certificate", &self.certificate)?,
            attest: Attest::new(rules, others),
            number: self.number.as_deref().map(|text| number("stir.sign.number", text)).transpose()?,
            plan: plan.transpose()?.unwrap_or_default(),
        })
    }
}

/// What engines are told of it.
pub(in crate::driver) fn vouching(config: &Config) -> Vouching {
    let Some(verify) = &config.stir.verify else { return Vouching::default() };
    Vouching {
        // What can't be used was told when the settings were read.
        own: verify.own().unwrap_or_default(),
        patience: verify.patience(),
    }
}

/// Who looks into callers' numbers; `None` where nobody does.
pub(in crate::driver) fn verifier(
    data: &Path,
    config: &StirConfig,
    epoch: Epoch,
) -> Result<Option<Arc<Verifier>>, StirError> {
    let Some(verify) = &config.verify else { return Ok(None) };
    let revoked = verify.revoked.as_ref().map(|path| data.join(path));
    let trust = TrustFiles::read(data.join(&verify.authorities), revoked)?;
    let servers =
        verify.servers.as_ref().map(|path| text(&data.join(path), "stir.verify.servers")).transpose()?;
    let mut pinned = HashMap::new();
    for (url, path) in &verify.pinned {
        let pem = text(&data.join(path), "stir.verify.pinned")?;
        Chain::read(pem.as_bytes()).map_err(|reason| StirError::Value {
            key: "stir.verify.pinned",
            what: format!("{}: {}", path.display(), reason.text()),
            help: "name a file with the signer's certificate in PEM, those above it after it",
        })?;
        pinned.insert(url.clone(), pem.into_bytes());
    }
    let network = Network::new(servers.as_deref(), pinned)
        .map_err(|error: Failure| StirError::NoWay(error.to_string()))?;
    let verifier = Verifier::start(Box::new(network), trust, epoch, verify.patience(), Keep::default())?;
    Ok(Some(Arc::new(verifier)))
}

/// What calls of our own are signed with; `None` where they are not.
pub(in crate::driver) fn signing(
    data: &Path,
    config: &StirConfig,
    secrets: &Secrets,
) -> Result<Option<Arc<Signing>>, StirError> {
    let Some(sign) = &config.sign else { return Ok(None) };
    let Plan { certificate, attest, number, plan } = sign.plan()?;
    let key = Key::read(&secrets.find(&sign.key)?).ok_or_else(|| StirError::NoKey(sign.key.clone()))?;
    if let Some(path) = &sign.file {
        let path = data.join(path);
        let pem = text(&path, "stir.sign.file")?;
        let chain = Chain::read(pem.as_bytes()).map_err(|reason| StirError::Value {
            key: "stir.sign.file",
            what: format!("{}: {}", path.display(), reason.text()),
            help: "name the file with your certificate in PEM, those above it after it",
        })?;
        let fits = key.sign(b"fits").is_some_and(|signature| chain.has_signed("fits", &signature));
        if !fits {
            return Err(StirError::Unfit { key: sign.key.clone(), path });
        }
    }
    let forward = sign.forward;
    Ok(Some(Arc::new(Signing { certificate, attest, forward, number, plan, signer: Arc::new(key) })))
}
