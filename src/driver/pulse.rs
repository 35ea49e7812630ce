//! Whether a thread still turns: it is asked, and answers when it comes by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A question to one thread; the asker keeps one end.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// The thread came by.
    pub fn beat(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    #[must_use]
    pub fn has_beaten(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One thread's pulse, felt again and again.
pub struct Heart {
    /// Puts the question to the thread; `false`: it has no room for it.
    ask: Box<dyn Fn(Pulse) -> bool + Send>,
    asked: Option<Pulse>,
}

impl Heart {
    /// Felt by `ask`.
    #[must_use]
    pub fn new(ask: impl Fn(Pulse) -> bool + Send + 'static) -> Self {
        Self { ask: Box::new(ask), asked: None }
    }

    /// Whether the last question was answered. Where none waits for its answer, another is asked.
    fn is_alive(&mut self) -> bool {
        if self.asked.is_none() {
            let pulse = Pulse::default();
            self.asked = (self.ask)(pulse.clone()).then_some(pulse);
        }
        self.asked.as_ref().is_some_and(Pulse::has_beaten)
    }
}

/// Whether all of them answered what they were asked last; then all are asked anew.
pub fn all_alive(hearts: &mut [Heart]) -> bool {
    let silent = hearts.iter_mut().map(Heart::is_alive).filter(|alive| !alive).count();
    let alive = silent == 0;
    if alive {
        for heart in hearts {
            heart.asked = None;
            heart.is_alive();
        }
    }
    alive
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    fn thread() -> (Heart, Receiver<Pulse>) {
        let (to, mail) = sync_channel(1);
        (Heart::new(move |pulse| to.try_send(pulse).is_ok()), mail)
    }

    #[test]
    fn one_that_does_not_come_by_or_has_no_room_is_not_alive() {
        let ((first, quick), (second, slow)) = (thread(), thread());
        let mut hearts = [first, second];
        assert!(!all_alive(&mut hearts), "nobody was asked before");
        for mail in [&quick, &slow] {
            mail.recv().expect("asked").beat();
        }
        assert!(all_alive(&mut hearts));
        quick.recv().expect("asked").beat();
        assert!(!all_alive(&mut hearts) && !all_alive(&mut hearts), "one is missing");
        assert!(quick.try_recv().is_err(), "who has answered is not asked before the others have");
        slow.recv().expect("asked once").beat();
        assert!(all_alive(&mut hearts), "late, and yet");
        // The mailbox of a thread that is gone.
        drop(slow);
        quick.recv().expect("asked").beat();
        assert!(!all_alive(&mut hearts));
    }
}
