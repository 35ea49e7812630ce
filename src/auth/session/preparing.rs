//! What has to be there before a factor can be asked for: a code that is sent, questions that are chosen.

use std::time::Instant;

use super::course::{Asked, Course};
use super::{AuthSession, Outcome, Output, Preparing};
use crate::auth::{FactorId, Meeting, Prepared};

impl AuthSession {
    pub(super) fn prepared(
        &mut self,
        now: Instant,
        course: Course,
        factor: FactorId,
        why: Preparing,
        what: Prepared,
    ) {
        match (what, factor.meeting()) {
            (Prepared::Locked, _) => self.finish(Outcome::Locked),
            (Prepared::Sent { match_number }, Meeting::Sent) => {
                if matches!(why, Preparing::Again(_)) {
                    self.outputs.push_back(Output::Resent);
                }
                self.challenge(now, course, Asked::sent_to(factor, match_number));
            }
            (Prepared::Questions(questions), Meeting::Asked) if !questions.is_empty() => {
                let asked = Asked::questions(factor, questions).with(self.told.clone());
                self.challenge(now, course, asked);
            }
            (other, _) => self.not_prepared(now, course, factor, why, &other),
        }
    }

    /// What was sent before still counts, if it is not too old; else the factor can't be used now.
    pub(super) fn not_prepared(
        &mut self,
        now: Instant,
        mut course: Course,
        factor: FactorId,
        why: Preparing,
        what: &Prepared,
    ) {
        match why {
            Preparing::Again(asked) => {
                self.outputs.push_back(Output::NotResent);
                self.challenge(now, course, asked);
            }
            Preparing::Expired if matches!(what, Prepared::Exhausted | Prepared::TooSoon) => {
                course.leave(factor, Outcome::Expired);
                self.without(now, course, factor);
            }
            Preparing::First | Preparing::Expired => self.set_aside(now, course, factor),
        }
    }
}
