//! SIGINT and SIGTERM, as something that a thread can wait for.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Signals that came and were not waited for yet.
#[derive(Debug)]
pub struct Signals(Receiver<()>);

/// Starts watching.
///
/// # Errors
/// When the system gives no thread or takes no handler.
#[expect(clippy::disallowed_methods, reason = "signals are watched by a thread")]
pub fn watch() -> io::Result<Signals> {
    let (sender, receiver) = sync_channel(16);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(entered);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                // More signals than anybody waits for say nothing new.
                let _ = sender.try_send(());
            }
        });
    })?;
    Ok(Signals(receiver))
}

impl Signals {
    /// Waits for a signal.
    pub fn wait(&self) {
        // A watcher that is gone can't tell of signals any more: then the default action has its way.
        let _ = self.0.recv();
    }

    /// Waits at most `limit`; whether a signal came.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> bool {
        !matches!(self.0.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
    }
}
