//! Keeps the records of calls that ended: one thread that writes them, so that no shard waits for a disk.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::os;
use super::vault::Vault;
use crate::call::CallRecord;
use crate::secret::Secret;
use crate::units::{Place, Places};

/// A record on its way to the store.
pub struct Record {
    /// The record.
    pub record: Box<CallRecord>,
    /// The caller's number, which is sealed.
    pub caller: Option<Secret<String>>,
    _place: Place,
}

/// The way of records to the store.
#[derive(Clone)]
pub struct Records {
    sender: SyncSender<Record>,
    waiting: Places,
}

impl Records {
    /// Has a record kept; `false`: it is lost, for more wait than there is room for.
    #[must_use]
    pub fn keep(&self, record: Box<CallRecord>, caller: Option<Secret<String>>) -> bool {
        let Some(place) = self.waiting.take() else { return false };
        self.sender.try_send(Record { record, caller, _place: place }).is_ok()
    }

    /// What tells whether the store keeps up.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog::of(self.waiting.clone())
    }
}

/// How many records wait.
#[derive(Clone)]
pub struct Backlog(Places);

impl Backlog {
    /// Those in these places.
    #[must_use]
    pub const fn of(waiting: Places) -> Self {
        Self(waiting)
    }

    /// Whether no call may begin, for each ends in a record: the rest of the places is for calls that run.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.0.taken() >= LONG
    }
}

/// The most records that may wait: every call of a full engine ending at once.
const PLACES: usize = 8192;
/// Records that may wait while new calls are taken: a disk that stands still for some seconds refuses nobody. The rest is for
/// calls that run.
pub(super) const LONG: usize = PLACES / 2;

/// Starts the thread; it ends, everything written, when the last sender is gone.
///
/// # Errors
/// When the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "records are written by a thread of their own")]
pub fn start(vault: Arc<Vault>) -> io::Result<(Records, JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(PLACES);
    let thread =
        std::thread::Builder::new().name("records".to_owned()).spawn(move || write(&vault, &receiver))?;
    Ok((Records { sender, waiting: Places::new(PLACES) }, thread))
}

fn write(vault: &Vault, records: &Receiver<Record>) {
    while let Ok(first) = records.recv() {
        // Under a flood of short calls one commit each would keep the store from the callers who authenticate.
        let batch: Vec<Record> = std::iter::once(first).chain(records.try_iter().take(BATCH - 1)).collect();
        let mut texts = Vec::with_capacity(batch.len());
        for Record { record, caller, .. } in &batch {
            match serde_json::to_string(record) {
                Ok(text) => texts.push((text, caller.as_ref())),
                Err(error) => tracing::error!(call = %record.call, %error, "a call record can't be kept"),
            }
        }
        let began = os::now();
        if let Err(error) = vault.store_records(os::unix_now(), &texts) {
            let (count, first) = (texts.len(), batch.first().map(|first| first.record.call));
            tracing::error!(count, ?first, %error, "call records can't be kept");
        }
        let took = os::now().saturating_duration_since(began);
        if took > SLOW {
            let (count, seconds) = (texts.len(), took.as_secs_f32());
            tracing::warn!(
                count,
                seconds,
                "the disk is slow to take call records; when {LONG} wait, no call begins"
            );
        }
    }
}

/// Whoever runs the engine is told of a commit that takes longer.
const SLOW: Duration = Duration::from_secs(1);
/// Records of one commit at most.
const BATCH: usize = 256;
