//! Whoever started this process and looks after it: systemd, or another that speaks its protocol (`sd_notify(3)`,
//! `sd_listen_fds(3)`). It is told when the engine is ready, reloads and stops; it hears a watchdog's word while every
//! thread that carries calls turns; and it may hand over sockets that it bound.
//!
//! What is not there is not used: started from a shell, nothing of this happens.

mod notify;
mod sockets;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use notify::Notifier;
pub use sockets::{PassedError, PassedSockets};
pub use watchdog::Watchdog;

use super::os;
use super::pulse::Heart;

/// What the process is told at its start.
#[derive(Debug, Default)]
pub struct Supervisor {
    notifier: Option<Arc<Notifier>>,
    /// After so long without a word it is taken for dead.
    patience: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    #[must_use]
    pub fn of_environment() -> Self {
        let text = |name| std::env::var_os(name);
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Self {
            notifier: text("NOTIFY_SOCKET").and_then(|name| Notifier::to(&name)).map(Arc::new),
            patience: number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros),
        }
    }

    /// Calls are taken.
    pub fn ready(&self, status: &str) {
        // A line is a word of its own.
        let status = status.replace(char::is_control, " ");
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The application is loaded again; [`Supervisor::ready`] says when that is over.
    pub fn reloading(&self) {
        // `notify-reload` of systemd compares it with the time of its signal.
        let micros = os::monotonic().as_micros();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No new calls are taken; those that run may go on for so long, and must not be killed before.
    pub fn stopping(&self, within: Duration, calls: u64) {
        let micros = (within + FAREWELL).as_micros();
        self.say(&format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=no new calls are taken; {calls} running"
        ));
    }

    /// Begins to tell that all these turn, if anybody wants to know.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn watch(&self, hearts: Vec<Heart>) -> std::io::Result<Option<Watchdog>> {
        let wanted = self.notifier.clone().zip(self.patience);
        wanted
            .map(|(notifier, patience)| {
                Watchdog::start(patience / WORDS_IN_TIME, hearts, move || notifier.send("WATCHDOG=1"))
            })
            .transpose()
    }

    fn say(&self, words: &str) {
        if let Some(notifier) = &self.notifier {
            notifier.send(words);
        }
    }
}

/// Twice as many as `sd_watchdog_enabled(3)` asks for: each word tells of questions that were asked one step before.
const WORDS_IN_TIME: u32 = 4;
/// After the deadline of the calls: their farewells, and what is written last.
const FAREWELL: Duration = Duration::from_secs(30);
