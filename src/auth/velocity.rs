//! How often one number calls and how many accounts it asks for: within an hour, in memory, bounded.
//!
//! Numbers are keyed hashes here. What is counted is a signal, never a lock: a restart forgets it.

use std::collections::HashMap;
use std::time::Duration;

use super::{Mining, SubjectKey};
use crate::units::UnixTime;

/// The counters.
#[derive(Default)]
pub struct Velocity {
    callers: HashMap<[u8; 32], Caller>,
    trunks: HashMap<[u8; 32], Trunk>,
}

#[derive(Default)]
struct Caller {
    calls: Vec<UnixTime>,
    accounts: Vec<(SubjectKey, UnixTime)>,
    alarmed: Option<UnixTime>,
}

#[derive(Default)]
struct Trunk {
    unknown: Vec<(SubjectKey, UnixTime)>,
    alarmed: Option<UnixTime>,
}

/// What is known of a caller's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls within the hour, this one among them.
    pub calls: u32,
    /// Accounts asked for within the hour.
    pub accounts: u32,
}

/// Somebody seems to try which accounts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// One number asks for so many accounts.
    Caller(u32),
    /// One trunk asks for so many accounts that nobody has.
    Trunk(u32),
}

/// The time of the signals.
const HOUR: Duration = Duration::from_secs(3600);
/// Numbers that are kept: some 30 MB of them at most.
const MOST_CALLERS: usize = 20_000;
/// Trunks that are kept.
const MOST_TRUNKS: usize = 1_000;
/// Calls and accounts of one number that are kept: more are as suspect.
const MOST_OF_ONE: usize = 64;
/// Unknown accounts of one trunk that are kept.
const MOST_UNKNOWN: usize = 1_024;

impl Velocity {
    /// A call begins.
    pub fn called(&mut self, now: UnixTime, caller: [u8; 32]) {
        let caller = self.caller(now, caller);
        push(&mut caller.calls, now, MOST_OF_ONE);
    }

    /// A caller, a hidden one too, asks for an account that somebody has or nobody.
    pub fn asked(
        &mut self,
        now: UnixTime,
        caller: Option<[u8; 32]>,
        trunk: [u8; 32],
        (account, known): (SubjectKey, bool),
        limits: &Mining,
    ) -> Option<Alarm> {
        let within = |at: &UnixTime| now.since(*at) < limits.within.max(HOUR);
        let mut alarm = None;
        if let Some(caller) = caller {
            let caller = self.caller(now, caller);
            caller.accounts.retain(|(kept, at)| *kept != account && within(at));
            push(&mut caller.accounts, (account, now), MOST_OF_ONE);
            let count = caller.accounts.iter().filter(|(_, at)| now.since(*at) < limits.within).count();
            if rings(now, count, limits.accounts_per_caller, limits.within, &mut caller.alarmed) {
                alarm = Some(Alarm::Caller(number(count)));
            }
        }
        // Looked through for accounts that somebody has as well: the time must not tell which they are.
        let trunk = self.trunk(now, trunk);
        trunk.unknown.retain(|(kept, at)| *kept != account && within(at));
        if !known {
            push(&mut trunk.unknown, (account, now), MOST_UNKNOWN);
        }
        let count = trunk.unknown.iter().filter(|(_, at)| now.since(*at) < limits.within).count();
        if !known && rings(now, count, limits.unknown_per_trunk, limits.within, &mut trunk.alarmed) {
            alarm = alarm.or(Some(Alarm::Trunk(number(count))));
        }
        alarm
    }

    /// What is known of a number.
    #[must_use]
    pub fn seen(&self, now: UnixTime, caller: &[u8; 32]) -> Seen {
        let recent = |at: &UnixTime| now.since(*at) < HOUR;
        self.callers.get(caller).map_or_else(Seen::default, |caller| Seen {
            calls: number(caller.calls.iter().filter(|at| recent(at)).count()),
            accounts: number(caller.accounts.iter().filter(|(_, at)| recent(at)).count()),
        })
    }

    fn caller(&mut self, now: UnixTime, key: [u8; 32]) -> &mut Caller {
        let last = |caller: &Caller| {
            let accounts = caller.accounts.iter().map(|(_, at)| *at);
            caller.calls.iter().copied().chain(accounts).max()
        };
        make_room(&mut self.callers, key, MOST_CALLERS, now, last);
        let caller = self.callers.entry(key).or_default();
        caller.calls.retain(|at| now.since(*at) < HOUR);
        caller
    }

    fn trunk(&mut self, now: UnixTime, key: [u8; 32]) -> &mut Trunk {
        let last = |trunk: &Trunk| trunk.unknown.iter().map(|(_, at)| *at).max();
        make_room(&mut self.trunks, key, MOST_TRUNKS, now, last);
        self.trunks.entry(key).or_default()
    }
}

/// Lets go of those not heard of for long, then of the half heard of longest ago, when there are too many.
fn make_room<T>(
    kept: &mut HashMap<[u8; 32], T>,
    key: [u8; 32],
    most: usize,
    now: UnixTime,
    last: impl Fn(&T) -> Option<UnixTime>,
) {
    if kept.len() < most || kept.contains_key(&key) {
        return;
    }
    kept.retain(|_, one| last(one).is_some_and(|at| now.since(at) < HOUR));
    if kept.len() >= most {
        let mut times: Vec<_> = kept.values().map(&last).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().flatten();
        kept.retain(|_, one| last(one) > middle);
    }
}

fn push<T>(kept: &mut Vec<T>, one: T, most: usize) {
    if kept.len() >= most {
        kept.remove(0);
    }
    kept.push(one);
}

/// Once in a window.
fn rings(now: UnixTime, count: usize, limit: u32, within: Duration, alarmed: &mut Option<UnixTime>) -> bool {
    let fresh = alarmed.is_none_or(|at| now.since(at) >= within);
    let rings = fresh && number(count) >= limit;
    if rings {
        *alarmed = Some(now);
    }
    rings
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Mining = Mining { accounts_per_caller: 3, unknown_per_trunk: 4, within: HOUR };
    const MINUTE: i64 = 60_000;

    fn account(number: u8) -> SubjectKey {
        SubjectKey([number; 16])
    }

    #[test]
    fn accounts_count_once_and_calls_for_an_hour() {
        let (mut velocity, caller) = (Velocity::default(), [1; 32]);
        for minute in [0, 10, 20] {
            let now = UnixTime(minute * MINUTE);
            velocity.called(now, caller);
            assert_eq!(velocity.asked(now, Some(caller), [9; 32], (account(1), true), &LIMITS), None);
        }
        assert_eq!(velocity.seen(UnixTime(20 * MINUTE), &caller), Seen { calls: 3, accounts: 1 });
        assert_eq!(velocity.seen(UnixTime(65 * MINUTE), &caller), Seen { calls: 2, accounts: 1 });
        assert_eq!(velocity.seen(UnixTime(81 * MINUTE), &caller), Seen::default());
        assert_eq!(velocity.seen(UnixTime(0), &[2; 32]), Seen::default());
    }

    #[test]
    fn many_accounts_from_one_number_ring_once_in_the_window() {
        let (mut velocity, caller) = (Velocity::default(), Some([1; 32]));
        let mut ask = |minute: i64, number: u8| {
            velocity.asked(UnixTime(minute * MINUTE), caller, [9; 32], (account(number), true), &LIMITS)
        };
        assert_eq!((ask(0, 1), ask(1, 2), ask(2, 3)), (None, None, Some(Alarm::Caller(3))));
        assert_eq!((ask(3, 4), ask(61, 5)), (None, None));
        assert_eq!(ask(62, 6), Some(Alarm::Caller(3)), "an hour after the last");
    }

    #[test]
    fn accounts_that_nobody_has_ring_for_their_trunk_however_many_numbers_ask() {
        let mut velocity = Velocity::default();
        let mut rung = Vec::new();
        for number in 0..5 {
            let caller = (number % 2 == 0).then_some([number; 32]);
            let asked = (account(number), false);
            rung.extend(velocity.asked(UnixTime(0), caller, [9; 32], asked, &LIMITS));
        }
        assert_eq!(rung, [Alarm::Trunk(4)]);
    }

    #[test]
    fn it_stays_small_whoever_calls() {
        let mut velocity = Velocity::default();
        for number in 0..100_000_u32 {
            let mut caller = [0; 32];
            caller[..4].copy_from_slice(&number.to_be_bytes());
            velocity.called(UnixTime(i64::from(number)), caller);
        }
        assert!(velocity.callers.len() <= MOST_CALLERS);
        for number in 0..1000 {
            velocity.called(UnixTime(100_000 + number), [7; 32]);
        }
        assert_eq!(velocity.seen(UnixTime(101_000), &[7; 32]).calls, 64);
    }
}
