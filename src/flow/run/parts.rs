//! Steps that ask for several things one after the other: a new PIN twice, a card's number, month and code.
//!
//! The step tells what each part is ([`Node::part`](crate::flow::step::Node::part)) and is told what was entered
//! ([`Node::entered`](crate::flow::step::Node::entered)); timers, ladders and tries of a part are those of every
//! input step. What was typed is kept until the step is left, and wiped then.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::Said;
use crate::flow::document::Prompt;
use crate::secret::Secret;

use super::FlowRun;
use super::asking::{Asking, What};
use super::collect::{Expect, Miss};

/// A part of what a step asks for.
pub(crate) struct Part<'s> {
    /// The question.
    pub(crate) prompt: &'s Prompt,
    /// What can be typed.
    pub(crate) expect: Expect,
    /// Whether it is a secret.
    pub(crate) secret: bool,
    /// What the question may say of what was entered before, as `answer`.
    pub(crate) answer: Option<String>,
}

/// What was entered for a part.
pub(crate) enum Entry {
    /// A number.
    Typed(Secret<String>),
    /// One of the sequences of keys.
    Chosen(usize),
}

/// What a step has collected so far.
#[derive(Default)]
pub(crate) struct Entered {
    /// By part.
    pub(crate) parts: Vec<Secret<String>>,
    /// What was said of it.
    pub(crate) said: Vec<Said>,
    /// How often it began again.
    pub(crate) failures: u8,
}

impl FlowRun {
    /// Asks for a part of the step that runs, after a remark of it.
    pub(crate) fn ask_part(&mut self, now: Instant, at: usize, remark: Option<&'static str>) {
        let app = Arc::clone(&self.app);
        let node = self.current(&app).map(|step| step.node());
        let asked = node.and_then(|node| Some((node.part(self, at)?, node.input()?)));
        let Some((part, input)) = asked else { return self.fail(now, "a step that has no such part") };
        let asking = Asking::new(What::Part { at, remark }, part.expect, input, part.secret);
        self.start_asking(now, asking);
    }

    /// A part was entered: the step goes on.
    pub(super) fn part_entered(&mut self, now: Instant, at: usize, entry: Entry) {
        let app = Arc::clone(&self.app);
        match self.current(&app) {
            Some(step) => step.node().entered(self, now, at, entry),
            None => self.fail(now, "no step to enter something for"),
        }
    }

    /// What was entered does not fit: the same part again, or the end of the tries.
    pub(crate) fn part_refused(&mut self, now: Instant) {
        self.miss(now, Miss::NoMatch);
    }

    /// What was entered so far.
    pub(crate) const fn entered(&mut self) -> &mut Entered {
        &mut self.entered
    }
}
