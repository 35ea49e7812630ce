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
/// Of many that wait, those that waited longer are late: after T1 (500 ms, RFC 3261 §17.1.1.1) their senders ask again, and
/// who is served after that was served for nothing.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// For so long all that a shard takes may be late before any is refused. What came while it stood still for a moment is
/// served in less, all of it.
const INTERVAL: Duration = Duration::from_millis(200);
/// Who asks for these few is not refused for those of another.
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

/// Whether what a shard takes is late, one after the other: a queue that does not go down is a bad one, a long one alone is
/// not (CoDel, RFC 8289 §4.1).
#[derive(Debug, Default)]
pub struct Lateness(Option<Late>);

#[derive(Debug)]
struct Late {
    first: Instant,
    last: Instant,
}

impl Lateness {
    /// Whether what is taken now is to be refused: it is late, all before it were for longer than is well, and many of its
    /// trunk wait.
    pub fn refuses(&mut self, now: Instant, beginning: &Beginning) -> bool {
        if now.saturating_duration_since(beginning.since) <= LONGEST_WAIT {
            self.0 = None;
            return false;
        }
        let late = self.0.get_or_insert(Late { first: now, last: now });
        // Nothing was taken for long: it stands still again.
        if now.saturating_duration_since(late.last) > INTERVAL {
            late.first = now;
        }
        late.last = now;
        now.saturating_duration_since(late.first) > INTERVAL && beginning.share.taken() > FEW
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

    /// Serves what waits, one after the other; how many were refused.
    fn serve(
        lateness: &mut Lateness,
        waiting: &mut VecDeque<Beginning>,
        (from, each): (Instant, Duration),
        mut meanwhile: impl FnMut(Instant, &mut VecDeque<Beginning>),
    ) -> usize {
        let (mut now, mut refused) = (from, 0);
        while let Some(next) = waiting.pop_front() {
            refused += usize::from(lateness.refuses(now, &next));
            drop(next);
            now += each;
            meanwhile(now, waiting);
        }
        refused
    }

    #[test]
    fn what_came_while_a_shard_stood_still_is_served() {
        let (start, beginnings) = (test_start(), Beginnings::new(["carrier"]));
        let mut lateness = Lateness::default();
        for (again, stood) in
            [(0, 300), (1, 600), (2, 5_000), (60, 5_000)].map(|(m, ms)| (60 * m, Duration::from_millis(ms)))
        {
            let from = start + Duration::from_secs(again);
            let mut waiting: VecDeque<_> =
                std::iter::from_fn(|| beginnings.take(from, "carrier")).take(PLACES).collect();
            assert_eq!(waiting.len(), PLACES / 2);
            let pace = (from + stood, Duration::from_micros(500));
            assert_eq!(serve(&mut lateness, &mut waiting, pace, |_, _| ()), 0, "{stood:?}");
        }
    }

    #[test]
    fn of_many_those_are_refused_that_wait_long_and_do_not_become_fewer() {
        let (start, beginnings) = (test_start(), Beginnings::new(["carrier", "another"]));
        let mut lateness = Lateness::default();
        let mut waiting: VecDeque<_> =
            std::iter::from_fn(|| beginnings.take(start, "carrier")).take(PLACES).collect();
        // A slow one, and for each that is served another one comes.
        let mut left = 2_000;
        let pace = (start, Duration::from_millis(2));
        let refused = serve(&mut lateness, &mut waiting, pace, |now, waiting| {
            left -= 1;
            if left > 0 {
                waiting.extend(beginnings.take(now, "carrier"));
            }
        });
        // All but those before it was late for the interval, and the few at the end.
        assert!((1_990..2_050).contains(&refused), "{refused}");
        // Whoever asks for few is served, however long that took.
        let late = start + Duration::from_secs(60);
        let many: VecDeque<_> = std::iter::from_fn(|| beginnings.take(start, "carrier")).take(40).collect();
        let few = beginnings.take(start, "another").expect("a place");
        let told: Vec<bool> =
            (0..5).map(|n| lateness.refuses(late + n * INTERVAL * 3 / 4, &many[0])).collect();
        assert_eq!(told, [false, false, true, true, true]);
        assert!(!lateness.refuses(late + INTERVAL * 15 / 4, &few));
        // One that is in time ends it.
        let now = late + INTERVAL * 4;
        let fresh = beginnings.take(now, "carrier").expect("a place");
        assert!(!lateness.refuses(now, &fresh) && !lateness.refuses(now, &many[0]));
    }
}
