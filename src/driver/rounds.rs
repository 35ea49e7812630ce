//! Which media sockets are looked at when: a wheel of twenty milliseconds, each socket once a round.
//!
//! A socket that wakes its reader costs the sender a wake-up for each packet and the reader two system calls; one that is
//! looked at each 20 ms costs one. Packets wait no longer than a jitter buffer would hold them, and keep the time
//! at which they came. The call's own packets leave in the same millisecond, while what belongs to the call is at hand.
//!
//! A shard with few calls wakes seldom: a turn is filled before the next one is opened. One with many has all twenty
//! turns, and they stay even.

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
const TURN: Duration = Duration::from_millis(1);
/// Ports of a turn before another is opened: they take a quarter of its millisecond, as measured by `benches/calls.rs`.
const FULL: usize = 64;

impl Rounds {
    /// An empty wheel that turns from now on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { start: now, done: 0, turns: std::array::from_fn(|_| Vec::new()) }
    }

    /// Takes a port in, and says when its turn is: at this moment, and each 20 ms before and after.
    pub fn add(&mut self, port: MediaPort) -> Instant {
        let filling = self.turns.iter().map(Vec::len).filter(|ports| *ports < FULL).max();
        let emptiest = self.turns.iter().map(Vec::len).min();
        let wanted = filling.or(emptiest).unwrap_or(0);
        let turn = self.turns.iter().position(|ports| ports.len() == wanted).unwrap_or(0);
        if let Some(ports) = self.turns.get_mut(turn) {
            ports.push(port);
        }
        self.start + TURN * u32::try_from(turn).unwrap_or(0)
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
        let passed = now.saturating_duration_since(self.start).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.done = self.done.max(passed.saturating_sub(TURNS as u64));
        if self.done >= passed {
            return None;
        }
        self.done += 1;
        let turn = Turn(index(self.done));
        Some((turn, self.turns.get_mut(turn.0).map(std::mem::take).unwrap_or_default()))
    }

    /// Gives the ports of a turn back, without those that were closed.
    pub fn keep(&mut self, turn: Turn, mut ports: Vec<MediaPort>, is_open: impl Fn(MediaPort) -> bool) {
        ports.retain(|&port| is_open(port));
        if let Some(place) = self.turns.get_mut(turn.0) {
            // Ports that were put here meanwhile.
            ports.append(place);
            *place = ports;
        }
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

    /// Lets time pass until `end`, each open port seen noted with its millisecond.
    fn turn_to(rounds: &mut Rounds, start: Instant, end: u32, open: &[MediaPort]) -> Vec<(u32, MediaPort)> {
        let mut seen = Vec::new();
        for millis in 0..=end {
            while let Some((turn, ports)) = rounds.take(start + TURN * millis) {
                seen.extend(ports.iter().filter(|port| open.contains(port)).map(|port| (millis, *port)));
                rounds.keep(turn, ports, |port| open.contains(&port));
            }
        }
        seen
    }

    fn ports(count: u32) -> Vec<MediaPort> {
        (0..count).map(MediaPort).collect()
    }

    #[test]
    fn each_port_is_seen_once_in_a_round_at_the_time_it_was_given() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        assert_eq!(rounds.due(), None);
        let all = ports(2000);
        let beats: HashMap<MediaPort, Instant> = all.iter().map(|&port| (port, rounds.add(port))).collect();
        assert_eq!(rounds.due(), Some(start + TURN));
        let seen = turn_to(&mut rounds, start, 100, &all);
        assert_eq!(seen.len(), 5 * 2000);
        assert!(seen.iter().all(|(millis, port)| start + TURN * (millis % 20) == beats[port]));
        let shares: Vec<usize> = rounds.turns.iter().map(Vec::len).collect();
        assert_eq!(shares, [100; TURNS], "many are spread evenly");
    }

    #[test]
    fn few_ports_share_few_turns_and_fill_up_what_others_left() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        let mut open = ports(130);
        for &port in &open {
            rounds.add(port);
        }
        let count = |rounds: &Rounds| rounds.turns.iter().map(Vec::len).filter(|ports| *ports > 0).count();
        assert_eq!(count(&rounds), 3);
        // Every second one goes.
        open.retain(|port| port.0 % 2 == 0);
        turn_to(&mut rounds, start, 40, &open);
        for port in 200..263 {
            rounds.add(MediaPort(port));
            open.push(MediaPort(port));
        }
        assert_eq!(count(&rounds), 3);
        turn_to(&mut rounds, start + TURN * 41, 40, &[]);
        assert_eq!(rounds.due(), None);
    }

    #[test]
    fn after_a_standstill_each_turn_comes_once() {
        let start = test_start();
        let mut rounds = Rounds::new(start);
        rounds.add(MediaPort(1));
        let mut turns = 0;
        while let Some((turn, ports)) = rounds.take(start + Duration::from_secs(10)) {
            turns += 1;
            rounds.keep(turn, ports, |_| true);
        }
        assert_eq!(turns, TURNS);
    }
}
