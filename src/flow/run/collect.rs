//! The one model of typed input: three timers, an expectation, tries.
//!
//! ```text
//!   prompt …………|<—— first ——>|                 no key in time: NoInput
//!               |   k <—between—> k <—between—>|  silence after keys: what is typed counts, or NoMatch
//!                   |<—————— total ——————>|     however busily the caller types
//! ```
//!
//! `first` runs from the end of the prompt, `between` from each key, `total` from the first key (which may
//! interrupt the prompt). What is typed when a timer ends the entry counts only if it is complete: silence is a
//! result of its own and never leaves through the success exit. A [`Collect`] knows no prompts and no
//! outcomes of steps: whoever owns it plays, feeds keys and asks [`Collect::fail`] what a failure means.

use std::time::{Duration, Instant};

use crate::secret::Secret;
use crate::units::Digit;

/// What one input step takes, and how long it waits for it.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What can be typed.
    pub expect: Expect,
    /// From the prompt's end to the first key.
    pub first: Duration,
    /// From one key to the next.
    pub between: Duration,
    /// From the first key to the end of the entry.
    pub total: Duration,
    /// How many failures, of either sort, end the step.
    pub tries: u32,
}

/// What can be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A number of `min` to `max` digits, ended by `end`, by its length or by silence.
    Digits {
        /// The fewest.
        min: usize,
        /// The most; reaching it ends the entry.
        max: usize,
        /// The key that ends it.
        end: Option<Digit>,
    },
    /// One of these sequences of keys, most of them one key long.
    Keys(Vec<Vec<Digit>>),
}

/// What came of a key or a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    More,
    /// A number is complete: [`Collect::take`] it. `by_end` tells whether the ending key was pressed.
    Filled {
        /// Whether the ending key was pressed.
        by_end: bool,
    },
    /// This one of [`Expect::Keys`].
    Chosen(usize),
    /// The caller was silent.
    NoInput,
    /// What was typed does not fit.
    NoMatch,
}

/// The two ways to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Silence.
    NoInput,
    /// Keys that do not fit.
    NoMatch,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again, after this rung (from 0) of the ladder of its sort.
    Again(usize),
    /// No try is left.
    GiveUp,
}

/// One input step under way.
pub struct Collect {
    rules: Rules,
    /// As many keys as an entry can have, so that what is typed never moves and leaves a copy behind.
    room: usize,
    typed: Secret<String>,
    listening: Option<Instant>,
    keyed: Option<Keyed>,
    no_input: u32,
    no_match: u32,
}

/// When the keys of an entry came.
#[derive(Clone, Copy)]
struct Keyed {
    first: Instant,
    last: Instant,
}

impl Collect {
    /// Waits for a prompt to be played, its timers stopped.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let room = match &rules.expect {
            Expect::Digits { max, .. } => max + 1,
            Expect::Keys(sequences) => sequences.iter().map(Vec::len).max().unwrap_or(0) + 1,
        };
        let typed = Secret::new(String::with_capacity(room));
        Self { rules, room, typed, listening: None, keyed: None, no_input: 0, no_match: 0 }
    }

    /// Waits so long for the first key.
    pub(super) const fn wait(&mut self, first: Duration) {
        self.rules.first = first;
    }

    /// A prompt begins (again): timers stop, what was typed is forgotten.
    pub fn prompting(&mut self) {
        self.forget();
        self.listening = None;
        self.keyed = None;
    }

    /// The prompt is over: silence counts from now.
    pub fn listening(&mut self, now: Instant) {
        self.listening.get_or_insert(now);
    }

    /// Silence counts from now, if it counts at all.
    pub(super) fn listen_anew(&mut self, now: Instant) {
        self.listening = self.listening.map(|_| now);
    }

    /// Whether the key can be part of what is expected, as far as it has been typed.
    #[must_use]
    pub fn wants(&self, key: Digit) -> bool {
        match &self.rules.expect {
            Expect::Digits { end, .. } => key.as_char().is_ascii_digit() || *end == Some(key),
            Expect::Keys(sequences) => {
                let typed = self.typed.expose().len();
                sequences.iter().any(|keys| self.begins(keys) && keys.get(typed) == Some(&key))
            }
        }
    }

    /// Whether part of an entry is typed.
    #[must_use]
    pub fn typing(&self) -> bool {
        self.keyed.is_some()
    }

    /// A key, also while the prompt plays.
    pub fn key(&mut self, now: Instant, key: Digit) -> Heard {
        let first = self.keyed.map_or(now, |keyed| keyed.first);
        self.keyed = Some(Keyed { first, last: now });
        match &self.rules.expect {
            Expect::Digits { end, .. } if *end == Some(key) => self.complete(true),
            Expect::Digits { max, .. } => {
                if !key.as_char().is_ascii_digit() {
                    return Heard::NoMatch;
                }
                let max = *max;
                self.typed.expose_mut().push(key.as_char());
                if self.typed.expose().len() >= max { self.complete(false) } else { Heard::More }
            }
            Expect::Keys(_) => {
                self.typed.expose_mut().push(key.as_char());
                self.choose(false)
            }
        }
    }

    /// When a timer ends the wait; `None` while the prompt plays and no key has come.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.keyed {
            Some(Keyed { first, last }) => Some((last + self.rules.between).min(first + self.rules.total)),
            None => Some(self.listening? + self.rules.first),
        }
    }

    /// The time is `now`: whether a timer has ended the wait.
    pub fn timeout(&mut self, now: Instant) -> Heard {
        match self.deadline() {
            Some(deadline) if deadline <= now => {}
            _ => return Heard::More,
        }
        match (&self.rules.expect, self.keyed) {
            (_, None) => Heard::NoInput,
            (Expect::Digits { .. }, Some(_)) => self.complete(false),
            (Expect::Keys(_), Some(_)) => self.choose(true),
        }
    }

    /// Counts a failure and tells what follows.
    pub fn fail(&mut self, miss: Miss) -> Next {
        self.forget();
        let count = match miss {
            Miss::NoInput => &mut self.no_input,
            Miss::NoMatch => &mut self.no_match,
        };
        *count += 1;
        let rung = usize::try_from(*count - 1).unwrap_or(usize::MAX);
        if self.failures() >= self.rules.tries { Next::GiveUp } else { Next::Again(rung) }
    }

    /// How many failures there were.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.no_input + self.no_match
    }

    /// What was typed. The collector is empty afterwards.
    #[must_use]
    pub fn take(&mut self) -> Secret<String> {
        std::mem::replace(&mut self.typed, Secret::new(String::with_capacity(self.room)))
    }

    fn complete(&mut self, by_end: bool) -> Heard {
        let Expect::Digits { min, .. } = &self.rules.expect else { return Heard::NoMatch };
        if self.typed.expose().len() >= *min { Heard::Filled { by_end } } else { Heard::NoMatch }
    }

    /// The sequence that is typed, once no longer one can follow or the caller has paused.
    fn choose(&self, paused: bool) -> Heard {
        let Expect::Keys(sequences) = &self.rules.expect else { return Heard::NoMatch };
        let typed = self.typed.expose().len();
        let longer = sequences.iter().any(|keys| keys.len() > typed && self.begins(keys));
        let exact = sequences.iter().position(|keys| keys.len() == typed && self.begins(keys));
        match exact {
            _ if longer && !paused => Heard::More,
            Some(index) => Heard::Chosen(index),
            None => Heard::NoMatch,
        }
    }

    fn begins(&self, keys: &[Digit]) -> bool {
        let typed = self.typed.expose();
        keys.len() >= typed.len() && typed.chars().zip(keys).all(|(typed, key)| typed == key.as_char())
    }

    fn forget(&mut self) {
        self.typed = Secret::new(String::with_capacity(self.room));
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
