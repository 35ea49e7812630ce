//! What the operating system knows and the core is told: the two clocks, randomness, the descriptor limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::clock::Watch;
use crate::units::{Entropy, Epoch, UnixTime};

/// Monotonic time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the core")]
pub fn now() -> Instant {
    Instant::now()
}

/// What the system's monotonic clock shows: for whoever compares it with a time of their own.
#[must_use]
pub fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

/// Calendar time.
#[must_use]
pub fn unix_now() -> UnixTime {
    UnixTime(i64::try_from(since_the_epoch().as_millis()).unwrap_or(i64::MAX))
}

/// Calendar time as finely as the system has it: what the kernel's times of arrival are compared with.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the core")]
pub fn since_the_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A calendar that can be moved: what time it is for the people that a vault knows. Real calls never move it;
/// a rehearsal of flow tests does.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// Milliseconds ahead of the system's.
    ahead: Arc<AtomicI64>,
    /// Milliseconds that the system's was set by, as far as this process knows.
    stepped: Arc<AtomicI64>,
    watch: Arc<Watch>,
}

impl Calendar {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime(self.system().0.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }

    fn system(&self) -> UnixTime {
        UnixTime(unix_now().0.saturating_add(self.stepped.load(Ordering::Relaxed)))
    }

    /// What it shows, unless the system's clock was set lately: nothing may be decided by such a time.
    #[must_use]
    pub fn trusted(&self) -> Option<UnixTime> {
        self.watch.look(now(), self.system()).then(|| self.now())
    }

    /// The system's clock has shown this time before.
    pub(super) fn seen(&self, time: UnixTime) {
        self.watch.doubt(now(), self.system(), time);
    }

    /// As if somebody had set the system's clock by so many milliseconds: for tests of what becomes of it.
    pub fn step_system(&self, millis: i64) {
        self.stepped.fetch_add(millis, Ordering::Relaxed);
    }

    /// Moves it to a time.
    pub fn set(&self, time: UnixTime) {
        self.ahead.store(time.0.saturating_sub(unix_now().0), Ordering::Relaxed);
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }
}

/// Both clocks at one moment.
#[must_use]
pub fn epoch() -> Epoch {
    Epoch { instant: now(), unix: unix_now() }
}

/// Fills `bytes` from the operating system's random source.
///
/// # Errors
/// When the source fails; nothing that needs randomness may go on then.
pub fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(|error| std::io::Error::other(error.to_string()))
}

/// A seeded generator for a part of the core.
///
/// # Errors
/// As [`fill_random`].
pub fn entropy() -> std::io::Result<Entropy> {
    let mut seed = [0_u8; 32];
    fill_random(&mut seed)?;
    Ok(Entropy::from_seed(seed))
}

/// Raises the soft limit of open descriptors to the hard limit and returns it: a call needs two for each
/// of its legs.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Leaves no copy of this process's memory on a disk when it breaks, and lets no other program of the same user read
/// it. Who is root still can.
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // A system that refuses leaves the process as it was.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Lets the other threads go before this one: for work that may take its time while media must not. Where
/// priority belongs to whole processes nothing happens.
pub fn step_back() {
    // A system that refuses leaves a thread like the others.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(STEP_BACK);
}

/// As [`step_back`], as far as it goes: for work that may take seconds, and of which nothing but its own caller waits.
pub fn step_far_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(19);
}

/// Half of what there is: media comes first, yet no PIN starves.
#[cfg(target_os = "linux")]
const STEP_BACK: i32 = 10;

/// Waits, where nothing else depends on it: a command that looks for changed files.
#[expect(
    clippy::disallowed_methods,
    reason = "a command that watches files has nothing to wait for but time"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Does the same on several threads, each told its number, and waits for all.
pub fn together(threads: usize, work: impl Fn(usize) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for number in 0..threads {
            scope.spawn(move || work(number));
        }
    });
}
