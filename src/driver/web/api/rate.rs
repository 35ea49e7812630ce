//! How much each may ask: an allowance that fills up again as time goes by.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An allowance.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver::web) struct Allowance {
    /// What comes back in a second.
    pub(in crate::driver::web) per_second: f64,
    /// What there is at most.
    pub(in crate::driver::web) at_once: f64,
}

/// What is left of an allowance, as it was at a time.
#[derive(Clone, Copy)]
struct Left {
    left: f64,
    at: Instant,
}

/// The allowances of many. Bounded: when as many as may be are known, strangers share one.
pub(in crate::driver::web) struct Rates<K> {
    allowance: Allowance,
    known: Mutex<Known<K>>,
}

struct Known<K> {
    each: HashMap<K, Left>,
    others: Option<Left>,
}

/// Who has an allowance of its own.
const MOST: usize = 10_000;

impl<K: Hash + Eq + Clone> Rates<K> {
    pub(in crate::driver::web) fn new(allowance: Allowance) -> Self {
        Self { allowance, known: Mutex::new(Known { each: HashMap::new(), others: None }) }
    }

    /// Takes so much of what one has.
    ///
    /// # Errors
    /// How long to wait, when that is not there. Nothing is left then of an allowance that is asked for more.
    pub(in crate::driver::web) fn take(&self, who: &K, now: Instant, cost: f64) -> Result<(), Duration> {
        let Allowance { per_second, at_once } = self.allowance;
        let full = Left { left: at_once, at: now };
        let at = |left: &Left| {
            let gained = now.saturating_duration_since(left.at).as_secs_f64() * per_second;
            (left.left + gained).min(at_once)
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.each.len() >= MOST && !known.each.contains_key(who) {
            // Who has all of its allowance again is as good as unknown.
            known.each.retain(|_, left| at(left) < at_once);
        }
        let own = known.each.len() < MOST || known.each.contains_key(who);
        let entry = match own {
            true => known.each.entry(who.clone()).or_insert(full),
            false => known.others.get_or_insert(full),
        };
        let there = at(entry);
        if there < cost {
            *entry = Left { left: if cost > 1.0 { 0.0 } else { there }, at: now };
            return Err(Duration::from_secs_f64((cost - there) / per_second));
        }
        *entry = Left { left: there - cost, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::os;

    const ALLOWANCE: Allowance = Allowance { per_second: 2.0, at_once: 4.0 };

    #[test]
    fn an_allowance_is_spent_and_comes_back() {
        let rates = Rates::new(ALLOWANCE);
        let now = os::now();
        let taken = (0..9).filter(|_| rates.take(&"a", now, 1.0).is_ok()).count();
        assert_eq!(taken, 4);
        assert_eq!(rates.take(&"a", now, 1.0), Err(Duration::from_millis(500)));
        assert!(rates.take(&"b", now, 1.0).is_ok());
        let later = now + Duration::from_secs(1);
        assert_eq!((0..9).filter(|_| rates.take(&"a", later, 1.0).is_ok()).count(), 2);
    }

    #[test]
    fn strangers_share_one_allowance_when_too_many_are_known() {
        let rates = Rates::new(ALLOWANCE);
        let now = os::now();
        (0..MOST).for_each(|number| assert!(rates.take(&number, now, 1.0).is_ok()));
        let taken = (MOST..MOST + 100).filter(|number| rates.take(number, now, 1.0).is_ok()).count();
        assert_eq!(taken, 4);
        let later = now + Duration::from_secs(60);
        assert!((MOST..MOST + 100).all(|number| rates.take(&number, later, 1.0).is_ok()));
    }
}
