//! The thread that writes recordings, and the way to it.
//!
//! A shard hands over a second at a time and never waits: when the mailbox is full, or the disk, the recording is
//! over and its call is told. Recordings that end are brought to the disk by this thread alone.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{RecordingConfig, RecordingError, Recordings, Writer};

use crate::call::{Recorded, RecordedPart, RecordingName};
use crate::driver::os;
use crate::driver::shard::{Mail, Mailbox};
use crate::units::CallId;

/// Told when what a call records can't be kept.
pub type Failed = Arc<dyn Fn(CallId, RecordingName) + Send + Sync>;

/// Something to be kept.
struct Job {
    call: CallId,
    recorded: Recorded,
    failed: Failed,
}

/// Hands what is recorded to the thread that writes it. Each shard has one.
pub struct Keeper {
    to: SyncSender<Job>,
    failed: Failed,
    /// Ends that found no place: without them a file would stay open.
    ends: Vec<Job>,
    losses: Losses,
}

/// The most seconds of recordings that may wait: 64 MB.
const PLACES: usize = 4096;
/// How often it is looked how much room is left.
const LOOK_EVERY: u32 = 256;

/// The sending side, before it is given to shards.
#[derive(Clone)]
pub struct Way(SyncSender<Job>);

impl Way {
    /// For a shard, which is told by its mailbox.
    #[must_use]
    pub fn of_shard(&self, mailbox: &Mailbox) -> Keeper {
        let mailbox = mailbox.clone();
        self.keeper(Arc::new(move |call, name| {
            // A full mailbox counts it; the call is told again with its next second.
            let _ = mailbox.send(Mail::RecordingFailed(call, name));
        }))
    }

    /// For somebody who is told by `failed`.
    #[must_use]
    pub fn keeper(&self, failed: Failed) -> Keeper {
        Keeper { to: self.0.clone(), failed, ends: Vec::new(), losses: Losses::default() }
    }
}

impl Keeper {
    /// Starts the thread; it ends, everything written, when the last keeper is gone.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(recordings: Recordings, config: &RecordingConfig) -> io::Result<(Way, JoinHandle<()>)> {
        Self::start_with(recordings, config, PLACES)
    }

    /// As [`Keeper::start`], with other bounds, for tests.
    ///
    /// # Errors
    /// As [`Keeper::start`].
    #[expect(clippy::disallowed_methods, reason = "recordings are written by a thread of their own")]
    pub fn start_with(
        recordings: Recordings,
        config: &RecordingConfig,
        places: usize,
    ) -> io::Result<(Way, JoinHandle<()>)> {
        let (to, jobs) = sync_channel(places);
        let (keep_free_mb, losses) = (config.keep_free_mb, Losses::default());
        let work = Work {
            recordings,
            keep_free_mb,
            open: HashMap::new(),
            looked: 0,
            losses,
            unnamed: Losses::default(),
        };
        let thread =
            std::thread::Builder::new().name("recordings".to_owned()).spawn(move || work.run(&jobs))?;
        Ok((Way(to), thread))
    }

    /// Has something kept. When there is no place for it, its call is told that the recording is over.
    pub fn keep(&mut self, call: CallId, recorded: Recorded) {
        while let Some(job) = self.ends.pop() {
            if let Err(TrySendError::Full(job)) = self.to.try_send(job) {
                self.ends.push(job);
                break;
            }
        }
        let job = Job { call, recorded, failed: Arc::clone(&self.failed) };
        if let Err(refused) = self.to.try_send(job) {
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = refused;
            let name = job.recorded.name.clone();
            if matches!(job.recorded.part, RecordedPart::Ended) {
                self.ends.push(job);
                return;
            }
            if let Some(count) = self.losses.count(os::now()) {
                tracing::error!(%call, recording = %name, count, "a recording is over: the disk does not keep up");
            }
            // What comes of it later is not the next piece, so the writer leaves it; should nothing come, this does.
            self.ends
                .push(Job { recorded: Recorded { name: name.clone(), part: RecordedPart::Lost }, ..job });
            (self.failed)(call, name);
        }
    }
}

/// When the disk is in trouble every recording is lost at once: the log is told of the first, then once a second how
/// many there were since. Each call is told of its own.
#[derive(Default)]
struct Losses {
    told: Option<Instant>,
    untold: u64,
}

impl Losses {
    /// Counts one; how many the log is to be told of now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < BETWEEN_TELLS) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// How many the log was not told of, at the end.
    fn rest(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.untold)).filter(|&count| count > 0)
    }
}

/// Between two lines of the log about the same trouble.
const BETWEEN_TELLS: Duration = Duration::from_secs(1);

/// The writing side.
struct Work {
    recordings: Recordings,
    keep_free_mb: u64,
    open: HashMap<RecordingName, Writer>,
    looked: u32,
    losses: Losses,
    /// Those of which what is there can't be named either, when the disk is in trouble.
    unnamed: Losses,
}

impl Work {
    fn run(mut self, jobs: &Receiver<Job>) {
        if let Err(error) = self.recordings.tidy() {
            tracing::error!(%error, "what a crash left of recordings can't be named");
        }
        while let Ok(Job { call, recorded: Recorded { name, part }, failed }) = jobs.recv() {
            if let Err(error) = self.keep(&name, part) {
                if let Some(count) = self.losses.count(os::now()) {
                    tracing::error!(%call, recording = %name, count, %error, "a recording is over: it can't be kept");
                }
                self.leave(&name);
                failed(call, name);
            }
        }
        let open: Vec<RecordingName> = self.open.keys().cloned().collect();
        for name in open {
            self.leave(&name);
        }
        for (losses, what) in [(&mut self.losses, "are over"), (&mut self.unnamed, "have no name yet")] {
            if let Some(count) = losses.rest() {
                tracing::error!(count, "more recordings {what}");
            }
        }
    }

    fn keep(&mut self, name: &RecordingName, part: RecordedPart) -> Result<(), RecordingError> {
        match part {
            RecordedPart::Begun { call, at } => {
                self.look()?;
                let writer = self.recordings.begin(name, call, at)?;
                self.open.insert(name.clone(), writer);
            }
            RecordedPart::Of(subject) => {
                if let Some(writer) = self.open.get_mut(name) {
                    writer.tie(subject)?;
                }
            }
            RecordedPart::Piece(piece) => {
                self.looked = self.looked.wrapping_add(1);
                if self.looked.is_multiple_of(LOOK_EVERY) {
                    self.look()?;
                }
                // One that was left is told again: its call may not have heard of it.
                let lost = || RecordingError::Lost(name.to_string());
                self.open.get_mut(name).ok_or_else(lost)?.piece(&piece)?;
            }
            RecordedPart::Ended => {
                if let Some(writer) = self.open.remove(name) {
                    writer.finish()?;
                }
            }
            RecordedPart::Lost => self.leave(name),
        }
        Ok(())
    }

    fn leave(&mut self, name: &RecordingName) {
        if let Some(writer) = self.open.remove(name)
            && let Err(error) = writer.leave()
            && let Some(count) = self.unnamed.count(os::now())
        {
            tracing::error!(recording = %name, count, %error, "a recording that was cut short has no name yet");
        }
    }

    /// Whether there is room for more. Where the system does not say, the disk does.
    fn look(&self) -> Result<(), RecordingError> {
        let folder: PathBuf = self.recordings.folder.path().to_owned();
        let at = if folder.exists() { folder.as_path() } else { folder.parent().unwrap_or(&folder) };
        let Ok(disk) = rustix::fs::statvfs(at) else { return Ok(()) };
        if disk.f_bavail.saturating_mul(disk.f_frsize) / (1 << 20) < self.keep_free_mb {
            return Err(RecordingError::NoRoom { folder, keep_free_mb: self.keep_free_mb });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    #[test]
    fn two_thousand_losses_in_half_a_second_are_one_line_and_a_later_one_tells_how_many() {
        let (start, mut losses) = (test_start(), Losses::default());
        let half: Vec<u64> =
            (0..2000_u64).filter_map(|n| losses.count(start + Duration::from_micros(n * 250))).collect();
        assert_eq!(half, [1]);
        assert_eq!(losses.count(start + Duration::from_millis(999)), None);
        assert_eq!(losses.count(start + Duration::from_secs(1)), Some(2001));
        assert_eq!(losses.count(start + Duration::from_secs(9)), Some(1));
        assert_eq!(losses.rest(), None);
        assert_eq!(losses.count(start + Duration::from_secs(9)), None);
        assert_eq!((losses.rest(), losses.rest()), (Some(1), None), "the last ones are told at the end");
    }
}
