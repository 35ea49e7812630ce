//! The letters that wait: each until it is due, one sender never in all hands.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::letter::{Letter, LetterId};
use super::outcome::NotTaken;
use crate::driver::os;

/// A letter on its way.
pub(super) struct Job {
    pub(super) id: LetterId,
    pub(super) letter: Letter,
    /// After this it is of no use.
    pub(super) until: Instant,
    /// When it is tried next.
    pub(super) due: Instant,
    /// How often it was tried.
    pub(super) tries: u32,
    /// The place of the sender that tries next, among those of its channel.
    pub(super) next: usize,
    /// Why the last one did not take it.
    pub(super) last: Option<NotTaken>,
}

/// How much waits and runs at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) queue: usize,
    /// Workers that one sender may hold.
    pub(super) per_sender: usize,
}

/// The line.
pub(super) struct Line {
    size: Size,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Job>,
    /// Places that are promised.
    promised: usize,
    /// By the place of the sender: letters in its hands.
    busy: HashMap<usize, usize>,
    /// Until then letters that were never tried are still handed over; no letter is taken any more.
    closing: Option<Instant>,
}

/// What a worker does next.
pub(super) enum Next {
    /// Hands the letter to the sender at this place.
    Deliver(Box<Job>, usize),
    /// Nobody may send it any more.
    Over(Box<Job>),
    /// Ends.
    End,
}

/// A place in the line; given back when it is not used.
pub(super) struct Place<'a>(&'a Line);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().promised -= 1;
    }
}

/// When every sender of a channel is left alone or busy: until one may be asked again.
const NOBODY: Duration = Duration::from_millis(250);

impl Line {
    pub(super) fn new(size: Size) -> Self {
        Self { size, state: Mutex::default(), wake: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let mut state = self.state();
        if state.closing.is_some() || state.waiting.len() + state.promised >= self.size.queue {
            return None;
        }
        state.promised += 1;
        drop(state);
        Some(Place(self))
    }

    /// Puts a letter into its place.
    pub(super) fn put(&self, place: Place<'_>, job: Job) {
        self.back(job);
        drop(place);
    }

    /// Puts a letter back, which was in the line before.
    pub(super) fn back(&self, job: Job) {
        self.state().waiting.push(job);
        self.wake.notify_one();
    }

    /// Wakes a worker for nothing: for a letter that is pretended.
    pub(super) fn nudge(&self, place: Place<'_>) {
        drop(self.state());
        self.wake.notify_one();
        drop(place);
    }

    /// A sender's hands are free again.
    pub(super) fn done(&self, sender: usize) {
        let mut state = self.state();
        if let Some(busy) = state.busy.get_mut(&sender) {
            *busy = busy.saturating_sub(1);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Takes no more letters. Those that were never tried are handed over within `grace`.
    pub(super) fn close(&self, grace: Duration) {
        self.state().closing.get_or_insert(os::now() + grace);
        self.wake.notify_all();
    }

    /// The letters that are left when all workers have ended.
    pub(super) fn left(&self) -> Vec<Job> {
        std::mem::take(&mut self.state().waiting)
    }

    /// Waits for a letter that is due and for which `choose` finds a sender; `choose` is told the letter and
    /// whether the sender at a place has hands to spare.
    pub(super) fn next(&self, choose: impl Fn(&Job, &dyn Fn(usize) -> bool) -> Option<usize>) -> Next {
        let mut state = self.state();
        loop {
            let now = os::now();
            if state.closing.is_some_and(|at| at <= now || !state.waiting.iter().any(|job| job.tries == 0)) {
                return Next::End;
            }
            if let Some(at) = state.waiting.iter().position(|job| job.until <= now) {
                return Next::Over(Box::new(state.waiting.swap_remove(at)));
            }
            let per_sender = self.size.per_sender;
            let mut found = None;
            let State { waiting, busy, .. } = &mut *state;
            for (at, job) in waiting.iter_mut().enumerate().filter(|(_, job)| job.due <= now) {
                let free = |sender: usize| busy.get(&sender).is_none_or(|count| *count < per_sender);
                match choose(job, &free) {
                    Some(sender) => {
                        found = Some((at, sender));
                        break;
                    }
                    None => job.due = now + NOBODY,
                }
            }
            if let Some((at, sender)) = found {
                *state.busy.entry(sender).or_default() += 1;
                return Next::Deliver(Box::new(state.waiting.swap_remove(at)), sender);
            }
            let next = state.waiting.iter().map(|job| job.due.min(job.until)).chain(state.closing).min();
            state = match next {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = at.saturating_duration_since(os::now());
                    self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
