//! Where the calls of a flow test come from: what is counted by caller's number, trunk and altogether.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::auth::tally::{self, Counted, Tally};
use crate::auth::throttle::{Attempt, Lane, Throttle};
use crate::auth::velocity::{Seen, Velocity};
use crate::auth::{Lockout, Source, SourceLimit, SubjectKey};
use crate::units::UnixTime;

/// The counters; they stay from call to call.
#[derive(Default)]
pub(super) struct Places {
    /// Where the call that runs comes from.
    source: Source,
    tallies: HashMap<String, Tally>,
    velocity: Velocity,
}

impl Places {
    /// A call begins.
    pub(super) fn called(&mut self, now: UnixTime, source: Source) {
        self.source = source;
        if let Some(caller) = self.caller() {
            self.velocity.called(now, caller);
        }
    }

    /// Somebody asks for an account.
    pub(super) fn asked(&mut self, now: UnixTime, account: (SubjectKey, bool), limits: &Lockout) {
        let (caller, trunk) = (self.caller(), hash(&self.source.trunk));
        let _ = self.velocity.asked(now, caller, trunk, account, &limits.mining);
    }

    pub(super) fn seen(&self, now: UnixTime) -> Option<Seen> {
        Some(self.velocity.seen(now, &self.caller()?))
    }

    /// Who tries, at a person with these numbers on file.
    pub(super) fn lane(&self, numbers: &[String], limits: &Lockout) -> Lane {
        let own = self.source.caller.as_ref().map(|number| digits(number.expose()));
        let on_file = own.is_some_and(|own| numbers.iter().any(|number| digits(number) == own));
        self.source.lane(on_file, limits)
    }

    pub(super) fn locked(&self, now: UnixTime, limits: &Lockout) -> bool {
        let locked =
            |(name, _): &(String, SourceLimit)| self.tallies.get(name).is_some_and(|tally| tally.locked(now));
        self.of(limits).iter().any(locked)
    }

    pub(super) fn reserve(
        &mut self,
        throttle: &mut Throttle,
        now: UnixTime,
        attempt: Attempt,
        limits: &Lockout,
    ) -> Counted {
        let named = self.of(limits);
        let tally = |name: &String| self.tallies.get(name).cloned().unwrap_or_default();
        let mut counts: Vec<_> = named.iter().map(|(name, limit)| (tally(name), *limit)).collect();
        let counted = tally::reserve(throttle, &mut counts, now, attempt, limits);
        self.tallies.extend(named.into_iter().zip(counts).map(|((name, _), (tally, _))| (name, tally)));
        counted
    }

    /// The last attempt was right.
    pub(super) fn give_back(&mut self, at: UnixTime, limits: &Lockout) {
        for (name, limit) in self.of(limits) {
            if let Some(tally) = self.tallies.get_mut(&name) {
                tally.give_back(at, &limit);
            }
        }
    }

    fn of(&self, limits: &Lockout) -> Vec<(String, SourceLimit)> {
        let caller = self.source.caller.as_ref();
        let caller = caller.map(|number| (format!("caller {}", digits(number.expose())), limits.per_caller));
        let trunk = (format!("trunk {}", self.source.trunk), limits.per_trunk);
        caller.into_iter().chain([trunk, ("engine".to_owned(), limits.engine)]).collect()
    }

    fn caller(&self) -> Option<[u8; 32]> {
        self.source.caller.as_ref().map(|number| hash(&digits(number.expose())))
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
