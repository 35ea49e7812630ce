//! The limits on being wrong: what a policy's `lockout` says.

use std::time::Duration;

use super::policy::PolicyError;
use super::throttle::Lane;

/// Limits on failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// In one call, over all factors and subjects.
    pub per_call: u32,
    /// For one subject, over all factors and calls.
    pub per_subject: SubjectLimit,
    /// What may be guessed at one subject in a day.
    pub guesses: Guesses,
    /// From one caller's number, over all subjects.
    pub per_caller: SourceLimit,
    /// From one trunk, over all callers.
    pub per_trunk: SourceLimit,
    /// Over everything.
    pub engine: SourceLimit,
    /// When somebody seems to try which accounts there are.
    pub mining: Mining,
    /// Consecutive failures of one factor of one subject until it must be enrolled again.
    pub hard_stop: u32,
}

/// Limits on one subject's failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectLimit {
    /// So many failures …
    pub failures: u32,
    /// … in so long …
    pub within: Duration,
    /// … lock for so long.
    pub lock: Duration,
    /// Each further failure while the window is full doubles the lock.
    pub growing: bool,
}

/// What may be guessed at one subject within 24 hours, whatever is guessed at. A guess at one of 10ⁿ codes is
/// right once in 10ⁿ times: ten of them are right once in 10ⁿ⁻¹ days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// So many altogether …
    pub per_day: u32,
    /// … of which so many are kept for the owner.
    pub for_owner: u32,
    /// Who counts as the owner before anything is proved.
    pub owner: OwnerBy,
}

/// Who counts as a subject's owner for the tries that are kept for them. It proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerBy {
    /// Who calls from the number on file, unless the network says that it does not know them.
    #[default]
    NumberOnFile,
    /// Who calls from the number on file with attestation A.
    AttestedNumber,
}

impl Guesses {
    /// How many who tries like this can take at most.
    #[must_use]
    pub const fn of(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Open => self.per_day.saturating_sub(self.for_owner),
            Lane::Owner => self.per_day,
        }
    }
}

impl Default for Guesses {
    fn default() -> Self {
        Self { per_day: 10, for_owner: 3, owner: OwnerBy::default() }
    }
}

/// A limit on failures that come from one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimit {
    /// So many failures …
    pub failures: u32,
    /// … in so long …
    pub within: Duration,
    /// … and nothing from there is judged for so long.
    pub lock: Duration,
}

/// When somebody seems to try which accounts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mining {
    /// One number asks for so many accounts …
    pub accounts_per_caller: u32,
    /// … or one trunk for so many that nobody has …
    pub unknown_per_trunk: u32,
    /// … within this time.
    pub within: Duration,
}

impl Default for Mining {
    fn default() -> Self {
        Self { accounts_per_caller: 6, unknown_per_trunk: 60, within: Duration::from_secs(3600) }
    }
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            per_call: 3,
            per_subject: SubjectLimit {
                failures: 5,
                within: Duration::from_secs(24 * 3600),
                lock: Duration::from_secs(30 * 60),
                growing: true,
            },
            guesses: Guesses::default(),
            per_caller: source(8, 3600, 3600),
            per_trunk: source(300, 600, 600),
            engine: source(1000, 600, 300),
            mining: Mining::default(),
            // NIST SP 800-63B-4 §3.2.2: no more than 100 consecutive failures.
            hard_stop: 100,
        }
    }
}

const fn source(failures: u32, within: u64, lock: u64) -> SourceLimit {
    SourceLimit { failures, within: Duration::from_secs(within), lock: Duration::from_secs(lock) }
}

impl Lockout {
    /// What does not hold together.
    pub(super) fn problems(&self) -> Vec<PolicyError> {
        let Self { per_call, per_subject, guesses, per_caller, per_trunk, engine, mining, hard_stop } = *self;
        let mut found = Vec::new();
        let places = [per_caller, per_trunk, engine];
        let numbers = [
            per_call,
            per_subject.failures,
            hard_stop,
            mining.accounts_per_caller,
            mining.unknown_per_trunk,
            guesses.per_day,
        ];
        let times = [per_subject.within, per_subject.lock, mining.within];
        if numbers.contains(&0)
            || times.iter().any(Duration::is_zero)
            || places
                .iter()
                .any(|place| place.failures == 0 || place.within.is_zero() || place.lock.is_zero())
        {
            found.push(PolicyError::Limits);
        } else if guesses.for_owner >= guesses.per_day {
            found.push(PolicyError::NothingForOthers);
        }
        let locks = [per_subject.lock, per_caller.lock, per_trunk.lock, engine.lock];
        if locks.into_iter().any(|lock| lock > LONGEST_LOCK) {
            found.push(PolicyError::LocksForEver);
        }
        // A failure that is forgotten before the next call locks nobody.
        let windows = [per_subject.within, per_caller.within, per_trunk.within, engine.within];
        if windows.into_iter().any(|within| !within.is_zero() && within < SHORTEST_WINDOW) {
            found.push(PolicyError::NeverLocks);
        }
        found
    }
}

/// A lock of more than a week is none that ends by itself.
pub const LONGEST_LOCK: Duration = Duration::from_secs(7 * 24 * 3600);
/// The shortest time that failures are counted over.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(60);
