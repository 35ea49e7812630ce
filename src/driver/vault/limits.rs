//! What is counted beside a subject's own failures: failures by caller's number, trunk and altogether, how many
//! accounts one place asks for; and the alarms that come of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::verifying::{Asked, Settled};
use super::{TENANT, Vault, VaultError, admin, logged};
use crate::auth::throttle::{Admission, Attempt, Lane};
use crate::auth::velocity::{Alarm, Seen, Velocity};
use crate::auth::{AuditEvent, AuditKind, Identified, Lockout, Policy, Source, SubjectKey, Verdict};
use crate::driver::seal::{Key, keyed_hash};
use crate::driver::store::{Change, Identifier, Place, Reservation, StoreError};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What the vault counts by place.
pub(super) struct Places {
    /// What numbers and trunks are hashed with.
    key: Key,
    velocity: Mutex<Velocity>,
    /// For the status.
    alarms: Alarms,
}

/// Alarms since the start.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    subjects_locked: AtomicU64,
    places_locked: AtomicU64,
    mining: AtomicU64,
    duress: AtomicU64,
    denied: AtomicU64,
    copied: AtomicU64,
}

/// Alarms since the start, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmCounts {
    /// Subjects that failures have locked.
    pub subjects_locked: u64,
    /// Callers' numbers, trunks or the whole that failures have locked.
    pub places_locked: u64,
    /// Times that somebody seemed to try which accounts there are.
    pub mining: u64,
    /// PINs of people under duress.
    pub duress: u64,
    /// Links that somebody was sent who did not call.
    pub denied: u64,
    /// Passkeys of which there may be a copy.
    pub copied: u64,
}

/// An attempt that was counted.
pub(super) struct Counting {
    pub(super) reserved: Reservation,
    /// Whether it may be judged.
    pub(super) may: bool,
    /// How many codes are right for it, where that is fewer than usual.
    pub(super) fewer: Option<u32>,
    /// Whether who tries is locked out with it counted as a failure.
    pub(super) locked: bool,
    /// The places that it closed.
    closed: Vec<&'static str>,
}

impl Places {
    pub(super) fn new(key: Key) -> Self {
        Self { key, velocity: Mutex::default(), alarms: Alarms::default() }
    }

    fn hash(&self, kind: &str, value: &str) -> [u8; 32] {
        keyed_hash(&self.key, &[TENANT.as_bytes(), kind.as_bytes(), value.as_bytes()])
    }

    fn caller(&self, source: &Source) -> Option<[u8; 32]> {
        let number = source.caller.as_ref()?;
        let number = Secret::new(admin::normalised(Identifier::Phone, number.expose()));
        Some(self.hash("caller", number.expose()))
    }

    /// Where a failure from this source counts: name and place.
    pub(super) fn of(&self, source: &Source, limits: &Lockout) -> Vec<(&'static str, Place)> {
        let caller = self.caller(source).map(|key| ("caller", Place { key, limit: limits.per_caller }));
        let trunk = Place { key: self.hash("trunk", &source.trunk), limit: limits.per_trunk };
        let engine = Place { key: self.hash("engine", ""), limit: limits.engine };
        caller.into_iter().chain([("trunk", trunk), ("engine", engine)]).collect()
    }
}

impl Vault {
    /// A call begins.
    pub fn called(&self, now: UnixTime, source: &Source) {
        if let Some(caller) = self.places.caller(source) {
            self.velocity().called(now, caller);
        }
    }

    /// Alarms since the start.
    #[must_use]
    pub fn alarms(&self) -> AlarmCounts {
        let Alarms { subjects_locked, places_locked, mining, duress, denied, copied } = &self.places.alarms;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AlarmCounts {
            subjects_locked: read(subjects_locked),
            places_locked: read(places_locked),
            mining: read(mining),
            duress: read(duress),
            denied: read(denied),
            copied: read(copied),
        }
    }

    /// Somebody was sent a link who did not call.
    pub(super) fn ring_denied(&self) {
        self.places.alarms.denied.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("somebody says that it is not they who call; the audit log names the call");
    }

    /// There may be a copy of a passkey.
    pub(super) fn ring_copied(&self) {
        self.places.alarms.copied.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("a passkey's counter went back: there may be a copy of it; the audit log names whose");
    }

    /// How many codes were guessed at one subject within the last day.
    ///
    /// # Errors
    /// When there is no such subject or the store fails.
    pub fn guesses(&self, now: UnixTime, id: &str) -> Result<u32, VaultError> {
        let row = self.required(id)?;
        Ok(self.store.throttle(row.key)?.guesses(now))
    }

    /// What is known of a caller's number; nothing of one that hides it.
    pub(super) fn seen(&self, now: UnixTime, source: &Source) -> Option<Seen> {
        Some(self.velocity().seen(now, &self.places.caller(source)?))
    }

    /// Somebody asks for an account: rings when they ask for too many.
    pub(super) fn asked_for(
        &self,
        now: UnixTime,
        policy: &Policy,
        source: &Source,
        account: (SubjectKey, bool),
    ) -> Result<(), StoreError> {
        let (caller, trunk) = (self.places.caller(source), self.places.hash("trunk", &source.trunk));
        let alarm = self.velocity().asked(now, caller, trunk, account, &policy.lockout.mining);
        let (place, accounts) = match alarm {
            None => return Ok(()),
            Some(Alarm::Caller(accounts)) => ("caller", accounts),
            Some(Alarm::Trunk(accounts)) => ("trunk", accounts),
        };
        self.places.alarms.mining.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(trunk = %source.trunk, place, accounts, "somebody tries which accounts there are");
        let kind = AuditKind::Mining { place: place.into(), trunk: source.trunk.to_string(), accounts };
        self.audited(now, Change::Nothing, &[AuditEvent { call: None, subject: None, kind }])?;
        Ok(())
    }

    /// Who was identified, or nobody: counted for the place it was asked from.
    pub(super) fn note_identified(
        &self,
        now: UnixTime,
        policy: &Policy,
        source: &Source,
        found: &Identified,
    ) {
        let account = match found {
            Identified::One(subject) => (subject.key(), true),
            Identified::None(ghost) => (ghost.key(), false),
            Identified::Many | Identified::Unavailable => return,
        };
        // An alarm that can't be written keeps nobody from calling: it is in the log of the program.
        let _ = logged("mining", self.asked_for(now, policy, source, account));
    }

    /// Who tries: anybody, or somebody who calls from the number on file.
    fn lane(&self, subject: SubjectKey, source: &Source, limits: &Lockout) -> Result<Lane, StoreError> {
        let (row, real) = self.row_or_next(subject)?;
        let number =
            source.caller.as_ref().map(|number| self.lookup_hash(Identifier::Phone, number.expose()));
        let on_file = number.is_some_and(|hash| row.identifiers.contains(&(Identifier::Phone, hash)));
        Ok(source.lane(real && on_file, limits))
    }

    /// Whether who calls from there is locked out of a subject now.
    pub(super) fn locked_out(
        &self,
        now: UnixTime,
        policy: &Policy,
        source: &Source,
        subject: SubjectKey,
    ) -> Result<bool, StoreError> {
        let lane = self.lane(subject, source, &policy.lockout)?;
        let mut shut = false;
        for (_, place) in self.places.of(source, &policy.lockout) {
            shut |= self.store.tally(&place)?.locked(now);
        }
        Ok((shut && lane == Lane::Open) || self.store.throttle(subject)?.locked_in(now, lane))
    }

    /// Counts an attempt as a failure wherever it counts, before it is judged.
    pub(super) fn reserve(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
    ) -> Result<Counting, StoreError> {
        let Asked { subject, factor, source, .. } = *asked;
        let lane = self.lane(subject, source, &policy.lockout)?;
        let attempt = Attempt::of(policy, factor, lane);
        let (names, places): (Vec<_>, Vec<_>) = self.places.of(source, &policy.lockout).into_iter().unzip();
        let reserved = self.store.reserve(subject, now, attempt, &policy.lockout, &places)?;
        let may = reserved.counted.admission.may();
        let fewer = match reserved.counted.admission {
            Admission::Reserved { codes } if codes < attempt.codes => Some(codes),
            _ => None,
        };
        let locked = reserved.counted.locked || !may;
        let closed = reserved.counted.closed.iter().filter_map(|at| names.get(*at).copied()).collect();
        Ok(Counting { reserved, may, fewer, locked, closed })
    }

    /// What the audit log is told of a response, with the alarms that came of it.
    pub(super) fn events(&self, asked: &Asked<'_>, counting: &Counting, settled: Settled) -> Vec<AuditEvent> {
        let Asked { subject, factor, source, call } = *asked;
        let about = |kind| AuditEvent { call: Some(call), subject: Some(subject), kind };
        let mut events = vec![about(Self::verified(factor, settled))];
        if settled.forced {
            events.push(about(self.forced(call, factor)));
        }
        if settled.verdict == Verdict::Accept {
            return events;
        }
        if counting.may && settled.locked {
            self.places.alarms.subjects_locked.fetch_add(1, Ordering::Relaxed);
        }
        for place in &counting.closed {
            self.places.alarms.places_locked.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(trunk = %source.trunk, place, "too many failures: nothing from there is judged for a while");
            let (place, trunk) = ((*place).to_owned(), source.trunk.to_string());
            events.push(about(AuditKind::PlaceLocked { place, trunk }));
        }
        events
    }

    pub(super) fn count_duress(&self) {
        self.places.alarms.duress.fetch_add(1, Ordering::Relaxed);
    }

    fn velocity(&self) -> std::sync::MutexGuard<'_, Velocity> {
        // Counters of a signal: what a panic left half counted harms nobody.
        self.places.velocity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
