//! The end of a deployment: no new calls, and time for those that run.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::{PATIENCE, Versions};
use crate::driver::os;
use crate::driver::shard::Mail;

/// No new calls are taken, and those that run may go on for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long.
    pub within: Duration,
}

impl Versions {
    /// Takes no new calls from now on; those that run go on.
    pub fn drain(&self, within: Duration) {
        self.state().drain = Some(Drain { within });
        let deadline = os::now() + PATIENCE;
        let asked: Vec<_> = self
            .links
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (done, told) = sync_channel(1);
                mailbox.deliver(Mail::Drain(done), deadline);
                told
            })
            .collect();
        // From then on `calls` tells of every call that was let in.
        for told in asked {
            let _ = told.recv_timeout(deadline.saturating_duration_since(os::now()));
        }
    }

    /// How long calls that run may go on, where nobody says it otherwise.
    #[must_use]
    pub fn farewell(&self) -> Duration {
        Duration::from_secs(self.state().config.limits.drain_seconds)
    }

    /// Whether new calls are taken no more.
    #[must_use]
    pub fn draining(&self) -> Option<Drain> {
        self.state().drain
    }
}
