//! Brings signed checkpoints of the audit log to a second place, every so many records or so often.
//!
//! A place that can't be reached is told in the log and tried again; calls do not wait for it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::os;
use super::services::http;
use super::vault::Vault;

/// `audit.checkpoints` of `countersign.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// A file that lines are added to, on another disk or machine.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// An address that each is sent to by POST.
    #[serde(default)]
    pub url: Option<String>,
    /// After so many records …
    #[serde(default = "default_records")]
    pub every_records: u64,
    /// … or so many minutes, when there is a new record.
    #[serde(default = "default_minutes")]
    pub every_minutes: u64,
}

const fn default_records() -> u64 {
    1_000
}

const fn default_minutes() -> u64 {
    10
}

/// How often the log is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a place may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Signs and delivers until it is dropped; then once more.
pub(super) struct Signer {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Signer {
    #[expect(
        clippy::disallowed_methods,
        reason = "a second place may be slow: a thread of its own waits for it"
    )]
    pub(super) fn start(vault: Arc<Vault>, config: CheckpointConfig) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let work = move || Signing { vault, config, seen: 0, at: None, told: false }.run(&stopped);
        let thread = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Signing {
    vault: Arc<Vault>,
    config: CheckpointConfig,
    /// The last record of the last checkpoint.
    seen: u64,
    at: Option<Instant>,
    /// A failure was told already.
    told: bool,
}

impl Signing {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let over = !matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout));
            self.look(over);
            if over {
                return;
            }
        }
    }

    fn look(&mut self, over: bool) {
        let Ok(seq) = self.vault.audit_reached() else { return };
        let new = seq.saturating_sub(self.seen);
        let time = Duration::from_secs(self.config.every_minutes.saturating_mul(60));
        let old = self.at.is_none_or(|at| os::now().saturating_duration_since(at) >= time);
        if seq == 0 || new == 0 || !(over || old || new >= self.config.every_records.max(1)) {
            return;
        }
        let delivered = self.vault.checkpoint(os::unix_now()).map_err(|error| error.to_string());
        match delivered.and_then(|(seq, line)| self.deliver(&line).map(|()| seq)) {
            Ok(seq) => (self.seen, self.at, self.told) = (seq, Some(os::now()), false),
            Err(error) if !self.told => {
                tracing::error!(%error, "checkpoints of the audit log do not reach their second place");
                self.told = true;
            }
            Err(_) => {}
        }
    }

    fn deliver(&self, line: &str) -> Result<(), String> {
        if let Some(path) = &self.config.file {
            let append = || {
                let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
                file.write_all(format!("{line}\n").as_bytes())?;
                file.sync_all()
            };
            append().map_err(|error: io::Error| format!("{}: {error}", path.display()))?;
        }
        if let Some(url) = &self.config.url {
            let agent = http::agent(url.starts_with("https://"), None, None, "*/*")
                .map_err(|error| format!("the address of checkpoints: {error}"))?;
            let request = agent.post(url).header("Content-Type", "application/json");
            let sent = request.config().timeout_global(Some(PATIENCE)).build().send(line);
            let reply = sent.map_err(|error| format!("the address of checkpoints: {error}"))?;
            // A redirect stores nothing.
            if !reply.status().is_success() {
                return Err(format!("the address of checkpoints answers {}", reply.status().as_u16()));
            }
        }
        Ok(())
    }
}
