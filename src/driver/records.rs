//! Keeps the records of calls that ended: one thread that writes them, so that no shard waits for a disk.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::os;
use super::vault::Vault;
use crate::call::CallRecord;
use crate::secret::Secret;

/// A record on its way to the store.
pub struct Record {
    /// The record.
    pub record: Box<CallRecord>,
    /// The caller's number, which is sealed.
    pub caller: Option<Secret<String>>,
}

/// The most records that may wait: every call of a full engine ending at once.
const PLACES: usize = 8192;

/// Starts the thread; it ends, everything written, when the last sender is gone.
///
/// # Errors
/// When the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "records are written by a thread of their own")]
pub fn start(vault: Arc<Vault>) -> io::Result<(SyncSender<Record>, JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(PLACES);
    let thread =
        std::thread::Builder::new().name("records".to_owned()).spawn(move || write(&vault, &receiver))?;
    Ok((sender, thread))
}

fn write(vault: &Vault, records: &Receiver<Record>) {
    while let Ok(first) = records.recv() {
        // Under a flood of short calls one commit each would keep the store from the callers who authenticate.
        let batch: Vec<Record> = std::iter::once(first).chain(records.try_iter().take(BATCH - 1)).collect();
        let mut texts = Vec::with_capacity(batch.len());
        for Record { record, caller } in &batch {
            match serde_json::to_string(record) {
                Ok(text) => texts.push((text, caller.as_ref())),
                Err(error) => tracing::error!(call = %record.call, %error, "a call record can't be kept"),
            }
        }
        if let Err(error) = vault.store_records(os::unix_now(), &texts) {
            let (count, first) = (texts.len(), batch.first().map(|first| first.record.call));
            tracing::error!(count, ?first, %error, "call records can't be kept");
        }
    }
}

/// Records of one commit at most.
const BATCH: usize = 256;
