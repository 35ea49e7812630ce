//! Retention: what is past its time is removed, every day, and the audit log says what was.
//!
//! Each class of data has a time in `countersign.yaml` (`retention:`). A time is `90d`, or `forever`. Nothing is
//! removed while the clock can't be trusted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::config::{Config, ConfigError};
use super::messages::{MessageError, Messages};
use super::os;
use super::recordings::RecordingError;
use super::speech;
use super::vault::{Vault, VaultError};
use crate::units::UnixTime;

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many days.
    Days(u32),
    /// Until somebody says otherwise.
    Forever,
}

/// `retention:` of the settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Records of calls.
    pub call_records: Keep,
    /// The callers' numbers in them.
    pub caller_numbers: Keep,
    /// Messages that callers left.
    pub messages: Keep,
    /// Recordings of calls.
    pub recordings: Keep,
    /// Choices that are remembered of callers, after the last time.
    pub remembered: Keep,
    /// Codes and approvals that were sent, after their end.
    pub requests: Keep,
    /// Factors that were handed out and whose first code never came.
    pub handed_out: Keep,
    /// The audit log: a year at least.
    pub audit: Keep,
    /// Speech that no version used.
    pub speech: Keep,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            call_records: Keep::Days(400),
            caller_numbers: Keep::Days(180),
            messages: Keep::Days(90),
            recordings: Keep::Days(90),
            remembered: Keep::Days(400),
            requests: Keep::Days(1),
            handed_out: Keep::Days(30),
            audit: Keep::Days(800),
            speech: Keep::Days(90),
        }
    }
}

/// PCI DSS 4.0.1, 10.5.1: twelve months at least.
const AUDIT_LEAST: u32 = 366;

/// What may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Records of calls.
    CallRecords,
    /// The numbers in them.
    CallerNumbers,
    /// Messages.
    Messages,
    /// Recordings of calls.
    Recordings,
    /// What is remembered of callers.
    Remembered,
    /// Codes and approvals.
    Requests,
    /// Factors that wait for their first code.
    HandedOut,
    /// The audit log.
    Audit,
    /// Speech.
    Speech,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::CallRecords,
        Self::CallerNumbers,
        Self::Messages,
        Self::Recordings,
        Self::Remembered,
        Self::Requests,
        Self::HandedOut,
        Self::Audit,
        Self::Speech,
    ];

    /// Its name in the settings and the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallRecords => "call_records",
            Self::CallerNumbers => "caller_numbers",
            Self::Messages => "messages",
            Self::Recordings => "recordings",
            Self::Remembered => "remembered",
            Self::Requests => "requests",
            Self::HandedOut => "handed_out",
            Self::Audit => "audit",
            Self::Speech => "speech",
        }
    }

    /// How long it is kept.
    #[must_use]
    pub const fn keep(self, config: &RetentionConfig) -> Keep {
        match self {
            Self::CallRecords => config.call_records,
            Self::CallerNumbers => config.caller_numbers,
            Self::Messages => config.messages,
            Self::Recordings => config.recordings,
            Self::Remembered => config.remembered,
            Self::Requests => config.requests,
            Self::HandedOut => config.handed_out,
            Self::Audit => config.audit,
            Self::Speech => config.speech,
        }
    }
}

impl RetentionConfig {
    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        match self.audit {
            Keep::Days(days) if days < AUDIT_LEAST => Some(format!(
                "retention.audit: the audit log is kept for {AUDIT_LEAST} days at least\n  help: write `audit: 400d`, or \
                 `forever`"
            )),
            _ => None,
        }
    }
}

impl Keep {
    /// What is older than this is past its time.
    #[must_use]
    pub fn before(self, now: UnixTime) -> Option<UnixTime> {
        match self {
            Self::Forever => None,
            Self::Days(days) => {
                let millis = i64::from(days) * 24 * 3600 * 1000;
                Some(UnixTime(now.0.saturating_sub(millis)))
            }
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "{days}d"),
            Self::Forever => f.write_str("forever"),
        }
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
        days.filter(|days| *days > 0)
            .map(Self::Days)
            .ok_or_else(|| serde::de::Error::custom("write days, such as `90d`, or `forever`"))
    }
}

/// What of a class was removed, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The class.
    pub class: Class,
    /// How long it is kept.
    pub keep: Keep,
    /// How many of them.
    pub removed: u64,
}

/// Why nothing was removed, or not all.
#[derive(Debug, Error)]
pub enum SweepError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store or the audit log.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The messages.
    #[error(transparent)]
    Messages(#[from] MessageError),
    /// The recordings.
    #[error(transparent)]
    Recordings(#[from] RecordingError),
    /// The folder of speech.
    #[error("{path}: {source}")]
    Speech {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Removes what is past its time, or with `dry` says what would be.
///
/// # Errors
/// The first class that fails; those before it are done.
pub fn sweep(
    data: &Path,
    vault: &Vault,
    messages: &Messages,
    now: UnixTime,
    dry: bool,
) -> Result<Vec<Swept>, SweepError> {
    let path = data.join(Config::FILE);
    let config = if path.exists() { Config::read(data)?.retention } else { RetentionConfig::default() };
    let mut all = Vec::new();
    for class in Class::ALL {
        let keep = class.keep(&config);
        let Some(before) = keep.before(now) else {
            all.push(Swept { class, keep, removed: 0 });
            continue;
        };
        let removed = match (class, dry) {
            (Class::Speech, _) => {
                let folder = data.join(speech::FOLDER);
                speech::prune(&folder, before, dry)
                    .map_err(|source| SweepError::Speech { path: folder, source })?
            }
            (Class::Messages | Class::Recordings, _) => {
                let removed = match class {
                    Class::Messages => messages.sweep(before, dry)?,
                    _ => vault.recordings().sweep(before, dry)?,
                };
                if !dry && removed > 0 {
                    vault.note_sweep(now, class, before, removed)?;
                }
                removed
            }
            (_, true) => vault.due(class, before)?,
            (_, false) => vault.sweep(now, class, before)?,
        };
        all.push(Swept { class, keep, removed });
    }
    Ok(all)
}

/// Sweeps every day until it is dropped.
pub(super) struct Sweeper {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The first time: when the rush of a start is over.
const FIRST: Duration = Duration::from_secs(5 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Sweeper {
    #[expect(clippy::disallowed_methods, reason = "the sweeper is a thread that mostly waits")]
    pub(super) fn start(data: PathBuf, vault: Arc<Vault>, messages: Arc<Messages>) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let work = move || run(&data, &vault, &messages, &stopped);
        let thread = std::thread::Builder::new().name("retention".to_owned()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(data: &Path, vault: &Vault, messages: &Messages, stopped: &Receiver<()>) {
    os::step_back();
    let mut wait = FIRST;
    while matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
        wait = DAY;
        let swept = match vault.calendar().trusted() {
            Some(now) => sweep(data, vault, messages, now, false).map_err(|error| error.to_string()),
            None => Err("the clock can't be trusted".to_owned()),
        };
        match swept {
            Ok(swept) => {
                for Swept { class, removed, .. } in swept.iter().filter(|swept| swept.removed > 0) {
                    tracing::info!(class = class.name(), removed, "what is past its time is removed");
                }
            }
            Err(error) => {
                tracing::error!(%error, "what is past its time can't be removed; tried again in an hour");
                wait = Duration::from_secs(3600);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_forever_and_the_audit_log_is_kept_a_year() {
        let read = |text: &str| serde_saphyr::from_str::<RetentionConfig>(text);
        let config = read("call_records: 30d\nmessages: forever\n").expect("reads");
        assert_eq!((config.call_records, config.messages), (Keep::Days(30), Keep::Forever));
        assert_eq!(config.audit, RetentionConfig::default().audit);
        assert!(config.problem().is_none());
        for wrong in ["call_records: 30", "messages: 0d", "audit: 1y", "calls: 30d"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("audit: 90d").expect("reads").problem().is_some_and(|why| why.contains("help:")));
        assert_eq!(Keep::Days(1).before(UnixTime(86_400_001)), Some(UnixTime(1)));
        assert_eq!(Keep::Forever.before(UnixTime(0)), None);
    }
}
