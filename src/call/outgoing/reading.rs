//! How a code is told: the small flow of a call of our own.
//!
//! ```text
//! answered ─► who calls, the warning, "press 1" ─► nothing pressed ─► "press 1" … three times ─► hang up
//!                         │ 1
//!                         ▼
//!             the code, digit by digit, twice ─► "to hear it again, press 1" ─► goodbye
//!                         ▲                                  │ 1
//!                         └────────── twice at most ─────────┘
//! ```
//!
//! A mailbox presses nothing, so it never hears a code. When the code's life ends, what is being said is cut off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::io::{Fate, Script};
use crate::audio::Clip;
use crate::secret::Secret;
use crate::units::Digit;

/// What is to be done.
pub(super) enum Order {
    /// Nothing now.
    None,
    /// Say this, in place of what is being said.
    Say(Vec<Arc<Clip>>),
    /// Fall silent and hang up.
    HangUp(Fate),
}

/// Telling a code to whoever answered.
pub(super) struct Reading {
    script: Arc<Script>,
    code: Secret<String>,
    state: State,
    /// How often they were asked to press the key.
    asked: u8,
    /// How often the code was played, twice each.
    played: u8,
    /// The code was said in full at least once.
    told: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// They hear which key to press.
    Asking,
    /// They may press it.
    Waiting(Instant),
    /// They hear the code for the first time since they pressed the key.
    First,
    /// They hear it for the second time.
    Second,
    /// They may have it said again.
    Offering(Instant),
    /// The last words.
    Leaving,
}

/// The key: one that mailboxes do not send and that every telephone has.
const KEY: char = '1';
/// To find the keys of a telephone that is held to the ear.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often they are asked to press it: long enough for the longest greeting of a mailbox to be over.
const ASKED: u8 = 3;
/// How often they may hear the code, twice each time.
const PLAYED: u8 = 3;

impl Reading {
    /// Somebody, or something, answered.
    pub(super) fn begin(script: Arc<Script>, code: Secret<String>) -> (Self, Order) {
        let mut words = script.intro.clone();
        words.push(Arc::clone(&script.press));
        (Self { script, code, state: State::Asking, asked: 1, played: 0, told: false }, Order::Say(words))
    }

    /// Whether the code was said in full.
    pub(super) const fn told(&self) -> bool {
        self.told
    }

    /// They pressed a key.
    pub(super) fn pressed(&mut self, key: Digit) -> Order {
        let listens = matches!(self.state, State::Asking | State::Waiting(_) | State::Offering(_));
        if !listens || Digit::from_char(KEY) != Some(key) {
            return Order::None;
        }
        self.played += 1;
        self.state = State::First;
        Order::Say(self.words())
    }

    /// What was to be said is said.
    pub(super) fn finished(&mut self, now: Instant) -> Order {
        match self.state {
            State::Asking => self.state = State::Waiting(now + PATIENCE),
            State::First => {
                self.told = true;
                self.state = State::Second;
                let mut words = vec![Arc::clone(&self.script.between)];
                words.extend(self.words());
                if self.played < PLAYED {
                    words.push(Arc::clone(&self.script.again));
                }
                return Order::Say(words);
            }
            State::Second if self.played < PLAYED => self.state = State::Offering(now + PATIENCE),
            State::Second => return self.leave(),
            State::Leaving => return Order::HangUp(Fate::Told),
            State::Waiting(_) | State::Offering(_) => {}
        }
        Order::None
    }

    /// When something is due.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(until) | State::Offering(until) => Some(until),
            _ => None,
        }
    }

    /// It is due.
    pub(super) fn waited(&mut self) -> Order {
        match self.state {
            State::Waiting(_) if self.asked < ASKED => {
                self.asked += 1;
                self.state = State::Asking;
                Order::Say(vec![Arc::clone(&self.script.press)])
            }
            State::Waiting(_) => Order::HangUp(Fate::NoKey),
            State::Offering(_) => self.leave(),
            _ => Order::None,
        }
    }

    fn leave(&mut self) -> Order {
        self.state = State::Leaving;
        Order::Say(vec![Arc::clone(&self.script.bye)])
    }

    /// The code, with what is said before it.
    fn words(&self) -> Vec<Arc<Clip>> {
        let digits = self.code.expose().chars().filter_map(|c| c.to_digit(10));
        let digits = digits.filter_map(|digit| self.script.digits.get(usize::try_from(digit).ok()?));
        let spoken = digits.flat_map(|clip| [Arc::clone(&self.script.between), Arc::clone(clip)]);
        std::iter::once(Arc::clone(&self.script.code)).chain(spoken).collect()
    }
}
