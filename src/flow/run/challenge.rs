//! What is asked for to prove something: the remark before it, and the keys beside it.

use std::time::Instant;

use crate::auth::{self, Challenge, FactorId};
use crate::flow::document::{Input, Prompt};
use crate::flow::step::Proving;
use crate::units::Digit;

use super::asking::{Asking, What};
use super::collect::Expect;
use super::{FlowRun, State};

/// What is said before the next question of an authentication, once.
#[derive(Clone, Copy)]
pub(super) enum Remark {
    /// The last response was not accepted; so many more may be wrong.
    Rejected(u32),
    /// What had been sent was too old.
    Expired(u32),
    /// It was sent again.
    Resent,
    /// It is not sent again.
    NotResent,
    /// A way can't be used now.
    Instead,
    /// What was said leaves a doubt.
    Unsure,
}

impl Remark {
    /// What an authentication tells, if it is for the caller.
    pub(super) const fn of(output: &auth::Output) -> Option<Self> {
        match output {
            auth::Output::Rejected { tries_left, expired: false } => Some(Self::Rejected(*tries_left)),
            auth::Output::Rejected { tries_left, expired: true } => Some(Self::Expired(*tries_left)),
            auth::Output::Resent => Some(Self::Resent),
            auth::Output::NotResent => Some(Self::NotResent),
            auth::Output::SetAside(_) => Some(Self::Instead),
            auth::Output::Unsure => Some(Self::Unsure),
            _ => None,
        }
    }

    pub(super) const fn tries_left(self) -> Option<u32> {
        match self {
            Self::Rejected(left) | Self::Expired(left) => Some(left),
            Self::Resent | Self::NotResent | Self::Instead | Self::Unsure => None,
        }
    }

    /// Its prompt. Words that do not tell why, where something was wrong.
    pub(super) fn prompt<'a>(self, step: &Proving<'a>) -> Option<&'a Prompt> {
        let failed = |left: u32| step.failed_last.filter(|_| left == 1).unwrap_or(step.failed);
        match self {
            Self::Rejected(left) => Some(failed(left)),
            Self::Expired(left) => step.ways.expired.as_ref().or(Some(failed(left))),
            Self::Resent => step.ways.resent.as_ref(),
            Self::NotResent => step.ways.not_resent.as_ref(),
            Self::Instead => step.ways.instead.as_ref(),
            Self::Unsure => step.ways.unsure.as_ref(),
        }
    }
}

/// What a caller can wish in the place of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// What was sent did not come.
    Again,
    /// Another way.
    Another,
}

impl Wish {
    /// By its name in traces.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Another => "another",
        }
    }
}

impl FlowRun {
    pub(super) fn ask_factor(&mut self, now: Instant, step: &Proving<'_>, challenge: Challenge) {
        let (min, max) = (usize::from(*challenge.digits.start()), usize::from(*challenge.digits.end()));
        let expect = Expect::Digits { min, max, end: Some(Digit::HASH) };
        let wishes = [
            (step.ways.again_key.filter(|_| challenge.sent), Wish::Again),
            (step.ways.another_key.filter(|_| challenge.another), Wish::Another),
        ];
        let wishes = wishes.into_iter().filter_map(|(key, wish)| Some((key?, wish))).collect();
        let first = if challenge.sent { step.input.first.max(step.ways.wait) } else { step.input.first };
        let aloud = self.app.policy.factor(challenge.factor).is_some_and(|used| used.spoken);
        let remark = self.remark.take();
        let what = What::Factor { challenge, remark, wishes, voice: None };
        let asking = Asking::new(what, expect, step.input, true).waiting(first).aloud(aloud);
        self.start_asking(now, asking);
    }

    /// Has the caller choose a factor by the keys that the step gives them.
    pub(super) fn ask_method(&mut self, now: Instant, input: &Input, methods: Vec<(Digit, FactorId)>) {
        let keys = methods.iter().map(|(key, _)| vec![*key]).collect();
        let remark = self.remark.take();
        let what = What::Method { methods, remark };
        self.start_asking(now, Asking::new(what, Expect::Keys(keys), input, false));
    }

    /// The caller has pressed a key that is no response.
    pub(super) fn wished(&mut self, now: Instant, wish: Wish) {
        self.keys.clear();
        self.set_secure(false);
        self.state = State::Proving;
        let input = match wish {
            Wish::Again => auth::Input::Again,
            Wish::Another => auth::Input::Another,
        };
        self.auth.handle(now, input);
        self.follow_auth(now);
    }
}
