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
    while let Ok(Record { record, caller }) = records.recv() {
        let call = record.call;
        let written = serde_json::to_string(&record).map_err(|error| error.to_string()).and_then(|text| {
            vault.store_record(os::unix_now(), &text, caller.as_ref()).map_err(|e| e.to_string())
        });
        if let Err(error) = written {
            tracing::error!(%call, error, "a call record can't be kept");
        }
    }
}
