//! Whether a server lives: asked by OPTIONS (RFC 3261 §11) at an interval. One answer or one silence decides nothing.
//!
//! Any final response is a sign of life, but 503: whoever refuses OPTIONS is there.

use std::time::{Duration, Instant};

/// How often is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// From one question to the next.
    pub every: Duration,
    /// The next question after an answer that was not as expected: the sooner it is known.
    pub doubt: Duration,
    /// An answer that is not there by then does not come.
    pub patience: Duration,
}

/// Failures in a row after which a server is down, and answers in a row after which it is up again.
const IN_A_ROW: u8 = 2;

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Not asked yet, or not answered the first time: taken for alive.
    Untried,
    /// It lives.
    Up,
    /// It does not: it is tried last.
    Down,
}

/// A server's health.
#[derive(Clone, Debug)]
pub struct Health {
    condition: Condition,
    /// Answers in a row that say the contrary of the condition.
    against: u8,
    waits: Waits,
}

#[derive(Clone, Copy, Debug)]
enum Waits {
    /// To ask, until then.
    ToAsk(Instant),
    /// For the answer, until then.
    ForAnswer(Instant),
}

impl Health {
    /// Of a server that is to be asked at `first`.
    #[must_use]
    pub const fn new(first: Instant) -> Self {
        Self { condition: Condition::Untried, against: 0, waits: Waits::ToAsk(first) }
    }

    /// What is known.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// When something is to be done.
    #[must_use]
    pub const fn due(&self) -> Instant {
        match self.waits {
            Waits::ToAsk(at) | Waits::ForAnswer(at) => at,
        }
    }

    /// Whether it is to be asked now; it counts as asked then.
    pub fn ask(&mut self, now: Instant, pulse: &Pulse) -> bool {
        let due = matches!(self.waits, Waits::ToAsk(at) if at <= now);
        if due {
            self.waits = Waits::ForAnswer(now + pulse.patience);
        }
        due
    }

    /// Whether an answer is overdue.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        matches!(self.waits, Waits::ForAnswer(until) if until <= now)
    }

    /// It lives, or does not. Whether its condition is another one now. What comes later than it was waited for says
    /// nothing any more.
    pub fn answered(&mut self, now: Instant, lives: bool, pulse: &Pulse) -> bool {
        if !matches!(self.waits, Waits::ForAnswer(_)) {
            return false;
        }
        self.told(now, lives, pulse)
    }

    /// A call found nobody there: as good as a question without an answer.
    pub fn call_failed(&mut self, now: Instant, pulse: &Pulse) -> bool {
        // Of one that is down it is no news, and must not put off the next question.
        self.condition != Condition::Down && self.told(now, false, pulse)
    }

    fn told(&mut self, now: Instant, lives: bool, pulse: &Pulse) -> bool {
        let as_known = match self.condition {
            Condition::Up => lives,
            Condition::Down => !lives,
            Condition::Untried if lives => {
                self.condition = Condition::Up;
                self.against = 0;
                self.waits = Waits::ToAsk(now + pulse.every);
                return true;
            }
            Condition::Untried => false,
        };
        self.against = if as_known { 0 } else { self.against + 1 };
        let doubtful = self.against > 0 && self.against < IN_A_ROW;
        self.waits = Waits::ToAsk(now + if doubtful { pulse.doubt } else { pulse.every });
        let turns = self.against >= IN_A_ROW;
        if turns {
            self.against = 0;
            self.condition = if lives { Condition::Up } else { Condition::Down };
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    const PULSE: Pulse = Pulse {
        every: Duration::from_secs(30),
        doubt: Duration::from_secs(5),
        patience: Duration::from_secs(4),
    };

    /// Asks whenever it is due; gives back the condition after each answer, and when it was asked, in seconds.
    fn play(answers: &[bool]) -> Vec<(u64, Condition)> {
        let start = test_start();
        let mut health = Health::new(start);
        let ask = |lives: &bool| {
            let now = health.due();
            assert!(health.ask(now, &PULSE) && !health.ask(now, &PULSE));
            health.answered(now, *lives, &PULSE);
            ((now - start).as_secs(), health.condition())
        };
        answers.iter().map(ask).collect()
    }

    #[test]
    fn one_silence_decides_nothing_and_two_in_a_row_do() {
        use Condition::{Down, Untried, Up};
        assert_eq!(play(&[true, false, true, false]), [(0, Up), (30, Up), (35, Up), (65, Up)]);
        assert_eq!(play(&[true, false, false]), [(0, Up), (30, Up), (35, Down)]);
        assert_eq!(play(&[false, false]), [(0, Untried), (5, Down)]);
    }

    #[test]
    fn a_server_that_flaps_stays_down_until_it_answers_twice_in_a_row() {
        use Condition::{Down, Untried, Up};
        assert_eq!(
            play(&[false, false, true, false, true, true]),
            [(0, Untried), (5, Down), (35, Down), (40, Down), (70, Down), (75, Up)]
        );
    }

    #[test]
    fn what_comes_too_late_says_nothing() {
        let start = test_start();
        let mut health = Health::new(start);
        assert!(health.ask(start, &PULSE));
        let late = start + PULSE.patience;
        assert!(!health.is_overdue(start) && health.is_overdue(late));
        assert!(!health.answered(late, false, &PULSE));
        assert!(!health.answered(late, true, &PULSE), "nobody waits for it any more");
        assert_eq!((health.condition(), health.due()), (Condition::Untried, late + PULSE.doubt));
    }

    #[test]
    fn calls_that_find_nobody_count_too() {
        let start = test_start();
        let mut health = Health::new(start);
        assert!(health.ask(start, &PULSE) && health.answered(start, true, &PULSE));
        assert!(!health.call_failed(start, &PULSE));
        assert_eq!(health.due(), start + PULSE.doubt, "it is asked soon");
        assert!(health.call_failed(start, &PULSE));
        let due = health.due();
        assert!(!health.call_failed(start + PULSE.doubt, &PULSE));
        assert_eq!((health.condition(), health.due()), (Condition::Down, due), "and not later for that");
    }
}
