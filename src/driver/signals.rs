//! SIGINT, SIGTERM and SIGHUP, as something that a thread can wait for.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM: end.
    Stop,
    /// SIGHUP: load the application again.
    Reload,
}

/// Signals that came and were not waited for yet.
#[derive(Debug)]
pub struct Signals(Receiver<Signal>);

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
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            loop {
                let came = tokio::select! {
                    _ = interrupt.recv() => Signal::Stop,
                    _ = terminate.recv() => Signal::Stop,
                    _ = hangup.recv() => Signal::Reload,
                };
                // More signals than anybody waits for say nothing new.
                let _ = sender.try_send(came);
            }
        });
    })?;
    Ok(Signals(receiver))
}

impl Signals {
    /// Waits at most `limit` for a signal. A watcher that is gone can't tell of signals any more: that counts
    /// as one to stop.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> Option<Signal> {
        match self.0.recv_timeout(limit) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Signal::Stop),
        }
    }
}
