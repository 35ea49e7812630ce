//! Which media sockets are looked at when: a wheel of twenty milliseconds, each socket once a round.
//!
//! A socket that wakes its reader costs the sender a wake-up for each packet and the reader two system calls; one that is
//! looked at each 20 ms costs one. Packets wait no longer than a jitter buffer would hold them, and keep the time
//! at which they came. A socket is looked at in the millisecond in which its call sends, while what belongs to that
//! call is at hand; one that never sends keeps the millisecond in which it was opened.

use std::time::{Duration, Instant};

use crate::units::MediaPort;

/// The millisecond of the 20 in which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(usize);

/// The wheel.
#[derive(Debug)]
pub struct Rounds {
    start: Instant,
    /// Milliseconds since the start that were gone through.
    done: u64,
    turns: [Vec<MediaPort>; TURNS],
}

const TURNS: usize = 20;

impl Rounds {
    /// An empty wheel that turns from now on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { start: now, done: 0, turns: std::array::from_fn(|_| Vec::new()) }
    }

    /// The turn of a moment.
    #[must_use]
    pub fn turn(&self, now: Instant) -> Turn {
        Turn(index(self.passed(now)))
    }

    /// Takes a port in.
    pub fn add(&mut self, port: MediaPort, turn: Turn) {
        if let Some(ports) = self.turns.get_mut(turn.0) {
            ports.push(port);
        }
    }

    /// When the next turn is that has a port; `None` while no port is open.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let mut turns = (1..=TURNS as u64).map(|step| self.done + step);
        let next = turns.find(|turn| self.turns.get(index(*turn)).is_some_and(|ports| !ports.is_empty()))?;
        Some(self.start + Duration::from_millis(next))
    }

    /// The ports of the next turn that has passed; give them back by [`Rounds::keep`]. After a standstill each turn
    /// comes once.
    pub fn take(&mut self, now: Instant) -> Option<(Turn, Vec<MediaPort>)> {
        let passed = self.passed(now);
        self.done = self.done.max(passed.saturating_sub(TURNS as u64));
        if self.done >= passed {
            return None;
        }
        self.done += 1;
        let turn = Turn(index(self.done));
        Some((turn, self.turns.get_mut(turn.0).map(std::mem::take).unwrap_or_default()))
    }

    /// Gives the ports of a turn back: `turn_of` says which turn a port has now, `None` when it was closed.
    pub fn keep(
        &mut self,
        turn: Turn,
        mut ports: Vec<MediaPort>,
        turn_of: impl Fn(MediaPort) -> Option<Turn>,
    ) {
        ports.retain(|&port| match turn_of(port) {
            Some(same) if same == turn => true,
            Some(other) => {
                self.add(port, other);
                false
            }
            None => false,
        });
        if let Some(place) = self.turns.get_mut(turn.0) {
            // Ports that were put here meanwhile.
            ports.append(place);
            *place = ports;
        }
    }

    fn passed(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

fn index(millis: u64) -> usize {
    usize::try_from(millis % TURNS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::units::test_start;

    const TURN: Duration = Duration::from_millis(1);

    /// Lets time pass until `end`, each port seen noted with its millisecond.
    fn turn_to(
        rounds: &mut Rounds,
        start: Instant,
        end: u64,
        turns: &HashMap<MediaPort, Turn>,
    ) -> Vec<(u64, u32)> {
        let mut seen = Vec::new();
        for millis in 0..=end {
            while let Some((turn, ports)) = rounds.take(start + TURN * u32::try_from(millis).expect("small"))
            {
                let here = ports.iter().filter(|port| turns.get(port) == Some(&turn));
                seen.extend(here.map(|port| (millis, port.0)));
                rounds.keep(turn, ports, |port| turns.get(&port).copied());
            }
        }
        seen
    }

    #[test]
    fn each_port_is_seen_once_in_a_round_in_its_own_millisecond() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        assert_eq!(rounds.due(), None);
        let mut turns = HashMap::new();
        for port in 0..40 {
            let turn = rounds.turn(start + TURN * port);
            rounds.add(MediaPort(port), turn);
            turns.insert(MediaPort(port), turn);
        }
        assert_eq!(rounds.due(), Some(start + TURN));
        let seen = turn_to(&mut rounds, start, 100, &turns);
        assert_eq!(seen.len(), 5 * 40);
        assert!(seen.iter().all(|(millis, port)| millis % 20 == u64::from(port % 20)));
    }

    #[test]
    fn a_port_that_moves_is_seen_in_its_new_millisecond_and_a_closed_one_no_more() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        let at = |millis| Turn(millis);
        for port in 0..3 {
            rounds.add(MediaPort(port), at(5));
        }
        let turns = HashMap::from([(MediaPort(0), at(5)), (MediaPort(1), at(7))]);
        let seen = turn_to(&mut rounds, start, 40, &turns);
        assert_eq!(seen, [(5, 0), (7, 1), (25, 0), (27, 1)]);
        assert_eq!(rounds.due(), Some(start + TURN * 45));
        turn_to(&mut rounds, start, 80, &HashMap::new());
        assert_eq!(rounds.due(), None);
    }

    #[test]
    fn after_a_standstill_each_turn_comes_once() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        rounds.add(MediaPort(1), Turn(3));
        let mut turns = 0;
        while let Some((turn, ports)) = rounds.take(start + Duration::from_secs(10)) {
            turns += 1;
            rounds.keep(turn, ports, |_| Some(Turn(3)));
        }
        assert_eq!(turns, TURNS);
    }
}
