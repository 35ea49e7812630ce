//! What begins something waits for its shard in places of its own: few, not for long, and no trunk has all of them.
//!
//! Who floods takes half of what is there at most, two who flood a third each, and so on: a trunk may have as many places
//! as are free, and no more. So one that comes anew always finds some (dynamic thresholds, as switches share their buffers).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::units::{Place, Places};

/// The places before one shard.
pub struct Beginnings {
    all: Places,
    /// By the trunk's name.
    shares: HashMap<String, Places>,
}

/// One of them, since when.
#[derive(Debug)]
pub struct Beginning {
    _place: Place,
    /// Among those of its trunk.
    share: Place,
    since: Instant,
}

/// The places in all: a trunk alone has half of them, as many as take about a tenth of a second (`benches/setups.rs`).
pub(super) const PLACES: usize = 512;
/// Of many that wait, those that waited longer are refused: after T1 (500 ms, RFC 3261 §17.1.1.1) their senders ask again, and
/// who is served after that was served for nothing.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// What waited while its shard stood still for a moment is late with nobody else's loss: these many are served all the same.
const FEW: usize = 16;

impl Beginnings {
    /// Empty, for trunks of these names.
    #[must_use]
    pub fn new<'a>(trunks: impl IntoIterator<Item = &'a str>) -> Self {
        let shares = trunks.into_iter().map(|trunk| (trunk.to_owned(), Places::new(PLACES))).collect();
        Self { all: Places::new(PLACES), shares }
    }

    /// A place for one more of this trunk; `None`: as many of its wait as may.
    #[must_use]
    pub fn take(&self, now: Instant, trunk: &str) -> Option<Beginning> {
        let share = self.shares.get(trunk)?;
        if share.taken() >= PLACES.saturating_sub(self.all.taken()) {
            return None;
        }
        Some(Beginning { _place: self.all.take()?, share: share.take()?, since: now })
    }
}

impl Beginning {
    /// Whether it waited too long, among many of its trunk: who asks for few is not refused for those of another.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) > LONGEST_WAIT && self.share.taken() > FEW
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::units::test_start;

    #[test]
    fn however_many_a_trunk_asks_for_the_next_one_finds_places() {
        let (now, beginnings) = (test_start(), Beginnings::new(["first", "second", "third"]));
        let mut waiting = VecDeque::new();
        let flood = |trunk, waiting: &mut VecDeque<_>| {
            waiting.extend(std::iter::from_fn(|| Some((trunk, beginnings.take(now, trunk)?))).take(PLACES));
        };
        let count = |trunk, waiting: &VecDeque<(&str, Beginning)>| {
            waiting.iter().filter(|(other, _)| *other == trunk).count()
        };
        flood("first", &mut waiting);
        assert_eq!(waiting.len(), PLACES / 2);
        assert!(beginnings.take(now, "nobody").is_none());
        for turn in 0..10 * PLACES {
            waiting.pop_front();
            flood("first", &mut waiting);
            if turn > PLACES {
                flood("second", &mut waiting);
            }
            if turn % 8 == 0 {
                let of_third = beginnings.take(now, "third").expect("it asks for few");
                waiting.push_back(("third", of_third));
            }
        }
        let shares = ["first", "second"].map(|trunk| count(trunk, &waiting));
        assert!(shares.iter().all(|share| (120..=180).contains(share)), "{shares:?}");
        // Nobody asks any more: all comes back.
        waiting.clear();
        flood("third", &mut waiting);
        assert_eq!(waiting.len(), PLACES / 2);
    }

    #[test]
    fn of_many_that_wait_those_that_waited_long_are_late() {
        let (start, beginnings) = (test_start(), Beginnings::new(["carrier", "another"]));
        let mut held: Vec<Beginning> =
            std::iter::from_fn(|| beginnings.take(start, "carrier")).take(FEW + 1).collect();
        let last = held.pop().expect("one");
        assert!(!last.is_late(start + LONGEST_WAIT));
        assert!(last.is_late(start + LONGEST_WAIT + Duration::from_millis(1)));
        let other = beginnings.take(start, "another").expect("a place");
        assert!(!other.is_late(start + Duration::from_secs(9)));
        // Few wait: whatever held up the shard, there is time for them now.
        held.pop();
        assert!(!last.is_late(start + Duration::from_secs(9)));
    }
}
