//! Checkpoints: how far the log reached, signed, kept in a second place.
//!
//! ```text
//! {"seq":4711,"chain":"…","at":"…","deployment":"…","key":"…","signature":"…"}
//! ```
//!
//! Whoever can put the whole data folder back to an earlier day can't put back what lies elsewhere: a log that is
//! shorter than a checkpoint says, or has another record in its place, was rolled back or made anew. The signing
//! key (`audit.key`) is another than that of agents' tokens.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;

use super::{Head, rfc3339};
use crate::units::UnixTime;

/// A line that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the last record.
    pub seq: u64,
    /// Its MAC.
    pub chain: String,
    /// When.
    pub at: String,
    /// Of which deployment.
    pub deployment: String,
}

/// Why the log and its checkpoints do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The signature is not that of the key.
    #[error("line {line} of the checkpoints is not signed by this deployment's audit key, or was changed")]
    Signature {
        /// From 1.
        line: usize,
    },
    /// Another deployment's.
    #[error("line {line} of the checkpoints is of another deployment ({found})")]
    Deployment {
        /// From 1.
        line: usize,
        /// Whose.
        found: String,
    },
    /// The log is shorter than it was.
    #[error(
        "the log was rolled back: it ends with record {has}, and a checkpoint of {at} has seen record {seq}\n  help: if a backup \
         was put back, records {next} to {seq} are lost; otherwise find out who could write to the data folder"
    )]
    RolledBack {
        /// The last record.
        has: u64,
        /// The one after it.
        next: u64,
        /// The one that was seen.
        seq: u64,
        /// When.
        at: String,
    },
    /// Another record stands in its place.
    #[error(
        "record {seq} is not the one that a checkpoint of {at} has seen: the log was rolled back and written anew"
    )]
    Differs {
        /// Which.
        seq: u64,
        /// When it was seen.
        at: String,
    },
    /// There is none.
    #[error("there is no checkpoint in it")]
    Empty,
}

/// A line for the second place.
pub(crate) fn sign(key: &SigningKey, deployment: &str, head: &Head, at: UnixTime) -> String {
    let public = data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
    let (seq, chain, at) = (head.seq, &head.mac, rfc3339(at));
    let body = format!(
        "{{\"seq\":{seq},\"chain\":\"{chain}\",\"at\":\"{at}\",\"deployment\":\"{deployment}\",\"key\":\"{public}\""
    );
    let signature = data_encoding::HEXLOWER.encode(&key.sign(signed(&body).as_bytes()).to_bytes());
    format!("{body},\"signature\":\"{signature}\"}}")
}

/// What is signed: nothing else that the key signs can begin so.
fn signed(body: &str) -> String {
    format!("countersign audit checkpoint\n{body}")
}

/// Reads the lines, all of them signed by this key for this deployment. A last line that was cut off is left out.
pub(crate) fn read(
    text: &str,
    key: &VerifyingKey,
    deployment: &str,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut all = Vec::new();
    for (line, text) in (1..).zip(whole.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let found = verified(text, key).ok_or(CheckpointError::Signature { line })?;
        if found.deployment != deployment {
            return Err(CheckpointError::Deployment { line, found: found.deployment });
        }
        all.push(found);
    }
    if all.is_empty() { Err(CheckpointError::Empty) } else { Ok(all) }
}

fn verified(line: &str, key: &VerifyingKey) -> Option<Checkpoint> {
    let (body, signature) = line.strip_suffix("\"}")?.split_once(",\"signature\":\"")?;
    let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).ok()?;
    let signature = Signature::from_slice(&signature).ok()?;
    key.verify_strict(signed(body).as_bytes(), &signature).ok()?;
    let json: serde_json::Value = serde_json::from_str(&format!("{body}}}")).ok()?;
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    Some(Checkpoint {
        seq: json["seq"].as_u64()?,
        chain: text("chain")?,
        at: text("at")?,
        deployment: text("deployment")?,
    })
}

/// Compares the checkpoints with the records of a log; told of each record in order.
pub(crate) struct Comparing {
    wanted: BTreeMap<u64, Checkpoint>,
    /// Checkpoints that a record fits.
    pub(crate) fitting: usize,
    /// The first that none fits.
    pub(crate) wrong: Option<CheckpointError>,
    /// Records were seen from here on; what lies before was past its time.
    first: Option<u64>,
    last: u64,
}

impl Comparing {
    pub(crate) fn new(all: Vec<Checkpoint>) -> Self {
        let wanted = all.into_iter().map(|one| (one.seq, one)).collect();
        Self { wanted, fitting: 0, wrong: None, first: None, last: 0 }
    }

    pub(crate) fn record(&mut self, seq: u64, mac: &str) {
        self.first.get_or_insert(seq);
        self.last = seq;
        match self.wanted.get(&seq) {
            Some(one) if one.chain == mac => self.fitting += 1,
            Some(one) if self.wrong.is_none() => {
                self.wrong = Some(CheckpointError::Differs { seq, at: one.at.clone() });
            }
            _ => {}
        }
    }

    /// How many checkpoints fit; those of records that are past their time count.
    pub(crate) fn end(self) -> Result<usize, CheckpointError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if let Some((seq, one)) = self.wanted.last_key_value().filter(|(seq, _)| **seq > self.last) {
            let (has, next, seq, at) = (self.last, self.last + 1, *seq, one.at.clone());
            return Err(CheckpointError::RolledBack { has, next, seq, at });
        }
        let first = self.first.unwrap_or(0);
        Ok(self.fitting + self.wanted.range(..first).count())
    }
}
