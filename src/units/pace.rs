//! How many may begin in a second: in none more, wherever it begins. What counts by the clock's seconds, or gives back at once
//! what was saved up, lets twice as many through within one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What began within the last second, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    begun: VecDeque<Instant>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    /// One more begins now, if fewer than `most` did within the second before. As many instants are kept as `most` says.
    ///
    /// # Errors
    /// How long it is until one may; nothing began then.
    pub fn take(&mut self, now: Instant, most: usize) -> Result<(), Duration> {
        // Threads that take turns may have read the clock in another order.
        let now = self.begun.back().map_or(now, |last| now.max(*last));
        let age = |begun: &Instant| now.saturating_duration_since(*begun);
        while self.begun.front().is_some_and(|first| age(first) >= SECOND) {
            self.begun.pop_front();
        }
        let Some(beyond) = self.begun.len().checked_sub(most) else {
            self.begun.push_back(now);
            return Ok(());
        };
        Err(self.begun.get(beyond).map_or(SECOND, |until| SECOND.saturating_sub(age(until))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Entropy, test_start};

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn two_bursts_about_the_turn_of_a_second_are_one() {
        let (start, mut pace) = (test_start(), Pace::default());
        let burst = |pace: &mut Pace, at| (0..9).filter(|_| pace.take(start + at, 3).is_ok()).count();
        assert_eq!(burst(&mut pace, millis(990)), 3);
        assert_eq!(burst(&mut pace, millis(1010)), 0);
        assert_eq!(pace.take(start + millis(1500), 3), Err(millis(490)));
        assert_eq!(burst(&mut pace, millis(1990)), 3);
        assert_eq!(pace.take(start + millis(1990), 0), Err(Duration::from_secs(1)));
    }

    #[test]
    fn no_second_has_more_and_none_is_refused_while_fewer_began() {
        let (start, mut entropy) = (test_start(), Entropy::from_seed([7; 32]));
        for most in [1, 2, 5, 40] {
            let (mut pace, mut now, mut begun) = (Pace::default(), start, Vec::new());
            for _ in 0..2_000 {
                now += millis(entropy.below(60));
                let within = begun.iter().filter(|at: &&Instant| now.duration_since(**at) < SECOND).count();
                let took = pace.take(now, most);
                assert_eq!(took.is_ok(), within < most, "{within} of {most}");
                match took {
                    Ok(()) => begun.push(now),
                    Err(wait) => {
                        assert!(pace.clone().take(now + wait, most).is_ok());
                        assert!(pace.clone().take(now + wait - millis(1), most).is_err());
                    }
                }
            }
            assert!(begun.len() > most && pace.begun.len() <= most);
        }
    }

    #[test]
    fn another_bound_holds_at_once_for_what_began_before_it() {
        let (start, mut pace) = (test_start(), Pace::default());
        assert!((0..8).all(|ms| pace.take(start + millis(ms * 100), 8).is_ok()));
        // Six of the eight must be a second old.
        assert_eq!(pace.take(start + millis(800), 2), Err(millis(800)));
        assert!(pace.take(start + millis(800), 9).is_ok());
    }
}
