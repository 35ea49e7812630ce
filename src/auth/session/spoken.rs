//! Factors that are heard: what was said goes to the judge, and what is in doubt is asked for once more.

use std::time::Instant;

use super::course::{Asked, Course};
use super::{AuthSession, Outcome, Output, State};
use crate::auth::factor::voiceprint::MOST_UTTERANCES;
use crate::auth::{Meeting, Question, Response, Said, Spoken};

/// Who was not taken for the subject so often proves it another way: a cold does not go by asking again.
const MOST_OTHER: u8 = 2;

impl AuthSession {
    /// The caller has said something, perhaps several things. What they said before counts beside it.
    pub(super) fn spoken(&mut self, said: Vec<Said>) {
        let Some(subject) = self.subject.clone() else { return };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { course, mut asked } if asked.factor.meeting() == Meeting::Spoken => {
                let response = Response::Spoken(Spoken { said: asked.hear(said), consent: String::new() });
                let factor = asked.factor;
                let ask = self.ask(Question::Verify { subject, factor, response, call: self.call });
                self.state = State::Verifying { ask, course, asked };
            }
            other => self.state = other,
        }
    }

    /// What is asked for can't be given: nobody can hear the caller, or they would rather not speak.
    pub(super) fn unable(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { course, asked } => self.set_aside(now, course, asked.factor),
            other => self.state = other,
        }
    }

    /// It was not the subject's voice, or not surely.
    pub(super) fn not_the_voice(
        &mut self,
        now: Instant,
        mut course: Course,
        mut asked: Asked,
        in_doubt: bool,
    ) {
        let enough = if in_doubt {
            self.outputs.push_back(Output::Unsure);
            asked.heard_again() >= MOST_UTTERANCES
        } else {
            self.failures = self.failures.saturating_add(1);
            self.other_voice = self.other_voice.saturating_add(1);
            let tries_left = self.tries_left();
            if tries_left == 0 {
                return self.finish(Outcome::Insufficient);
            }
            self.outputs.push_back(Output::Rejected { tries_left, expired: false });
            asked = Asked::keyed(asked.factor);
            self.other_voice >= MOST_OTHER
        };
        if !enough {
            return self.challenge(now, course, asked);
        }
        course.leave(asked.factor, Outcome::Insufficient);
        self.without(now, course, asked.factor);
    }
}
