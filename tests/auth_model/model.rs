//! The model: what an authentication is, said as plainly as can be.

use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) vouched: bool,
    pub(super) subject: Option<u8>,
    pub(super) proved: BTreeMap<FactorId, u64>,
    pub(super) failures: u32,
    /// How often a voice was another's, and how often this one was in doubt.
    pub(super) other_voice: u32,
    pub(super) doubts: u32,
    pub(super) mode: Mode,
}

#[derive(Clone, Default)]
pub(super) enum Mode {
    #[default]
    Idle,
    Listing(Goal, Vec<FactorId>),
    Choosing(Goal, Vec<FactorId>, Vec<FactorId>),
    Preparing(Goal, Vec<FactorId>, FactorId, Why),
    Asking(Goal, Vec<FactorId>, FactorId),
    Judging(Goal, Vec<FactorId>, FactorId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    First,
    Again,
    Expired,
}

/// What is aimed at: a level, or [`ONE`] factor; who chooses; how it ends when nothing is left.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    level: &'static str,
    choose: Choose,
    without: Outcome,
}

impl Goal {
    pub(super) fn to(level: &'static str, choose: Choose) -> Self {
        Self { level, choose, without: Outcome::NotEnrolled }
    }
}

/// In the place of a level: the one factor on offer.
pub(super) const ONE: &str = "one";

impl Model {
    /// What counts for `strong`.
    pub(super) fn strong(&self) -> Vec<FactorId> {
        let fresh = self.proved.iter().filter(|(f, at)| self.now - **at <= FRESH && !is_weak(**f));
        fresh.map(|(f, _)| *f).collect()
    }

    pub(super) fn level(&self) -> &'static str {
        let strong = self.strong();
        if strong.iter().any(|one| strong.iter().any(|other| kind(*one) != kind(*other))) {
            "strong"
        } else if self.proved.is_empty() {
            "none"
        } else {
            "basic"
        }
    }

    pub(super) fn holds(&self, level: &str) -> bool {
        match level {
            "basic" => self.level() != "none",
            "strong" => self.level() == "strong",
            _ => false,
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) -> Vec<Seen> {
        self.mode = Mode::Idle;
        vec![Seen::Done(outcome)]
    }

    /// What brings the caller nearer.
    pub(super) fn helpful(&self, level: &str, left: &[FactorId]) -> Vec<FactorId> {
        let strong = self.strong();
        let new: Vec<FactorId> =
            left.iter().copied().filter(|f| !is_weak(*f) && !strong.contains(f)).collect();
        let differs = |f: &FactorId, from: &[FactorId]| from.iter().any(|other| kind(*other) != kind(*f));
        match level {
            ONE | "basic" => left.to_vec(),
            "strong" if strong.is_empty() => new.iter().copied().filter(|f| differs(f, &new)).collect(),
            "strong" => new.iter().copied().filter(|f| differs(f, &strong)).collect(),
            _ => vec![],
        }
    }

    pub(super) fn next(&mut self, goal: Goal, left: Vec<FactorId>, not: Option<FactorId>) -> Vec<Seen> {
        let mut helpful = self.helpful(goal.level, &left);
        if helpful.iter().any(|f| Some(*f) != not) {
            helpful.retain(|f| Some(*f) != not);
        }
        if goal.choose == Choose::Caller && helpful.len() > 1 {
            if helpful.contains(&FactorId::Number) {
                return self.turn(goal, left, FactorId::Number);
            }
            self.mode = Mode::Choosing(goal, left, helpful.clone());
            return vec![Seen::Choose(helpful)];
        }
        if goal.choose == Choose::StrongestFirst {
            helpful.sort_by_key(|f| (is_weak(*f), *f == FactorId::Voiceprint, *f == FactorId::Pin));
        }
        match helpful.first() {
            Some(factor) => self.turn(goal, left, *factor),
            None => self.end(goal.without),
        }
    }

    pub(super) fn turn(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId) -> Vec<Seen> {
        match factor {
            FactorId::Voiceprint => {
                self.doubts = 0;
                self.ask(goal, left, factor)
            }
            FactorId::Number => {
                self.mode = Mode::Judging(goal, left, factor);
                vec![Seen::AskVerify(self.subject.expect("claimed"), factor)]
            }
            _ if is_sent(factor) => self.prepare(goal, left, factor, Why::First),
            _ => self.ask(goal, left, factor),
        }
    }

    pub(super) fn prepare(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        why: Why,
    ) -> Vec<Seen> {
        self.mode = Mode::Preparing(goal, left, factor, why);
        vec![Seen::AskPrepare(self.subject.expect("claimed"), factor, why != Why::First)]
    }

    pub(super) fn aside(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        why: Outcome,
    ) -> Vec<Seen> {
        let left = left.into_iter().filter(|f| *f != factor).collect();
        let mut seen = if factor == FactorId::Number { vec![] } else { vec![Seen::SetAside(factor)] };
        seen.extend(self.next(Goal { without: why, ..goal }, left, None));
        seen
    }

    pub(super) fn ask(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId) -> Vec<Seen> {
        let another = self.helpful(goal.level, &left).iter().any(|f| *f != factor);
        self.mode = Mode::Asking(goal, left, factor);
        vec![Seen::Challenge(factor, TRIES - self.failures, another)]
    }

    pub(super) fn begin(&mut self, goal: Goal, offer: Vec<FactorId>) -> Vec<Seen> {
        match self.subject {
            None => self.end(Outcome::NotEnrolled),
            Some(_) if self.holds(goal.level) => self.end(Outcome::Reached),
            Some(_) if self.failures >= TRIES => self.end(Outcome::Insufficient),
            Some(subject) => {
                self.mode = Mode::Listing(goal, offer);
                vec![Seen::AskEnrolled(subject)]
            }
        }
    }

    pub(super) fn step(&mut self, event: &Event) -> Vec<Seen> {
        match event {
            Event::Wait(seconds) => {
                self.now += seconds;
                vec![]
            }
            Event::Claim(subject) => {
                if self.subject != Some(*subject) {
                    self.proved.clear();
                }
                self.subject = Some(*subject);
                if matches!(self.mode, Mode::Idle) { vec![] } else { self.end(Outcome::Insufficient) }
            }
            Event::Abandon if matches!(self.mode, Mode::Idle) => vec![],
            Event::Abandon => self.end(Outcome::Insufficient),
            Event::Begin { level, offer, choose } => self.begin(Goal::to(level, *choose), offer.clone()),
            Event::Verify(factor) => self.begin(Goal::to(ONE, Choose::Policy), vec![*factor]),
            Event::Chosen(factor) => match self.mode.clone() {
                Mode::Choosing(goal, left, among) if among.contains(factor) => self.turn(goal, left, *factor),
                _ => vec![],
            },
            Event::Respond => match (self.mode.clone(), self.subject) {
                (Mode::Asking(goal, left, factor), Some(subject)) => {
                    self.mode = Mode::Judging(goal, left, factor);
                    vec![Seen::AskVerify(subject, factor)]
                }
                _ => vec![],
            },
            Event::Unable => match self.mode.clone() {
                Mode::Asking(goal, left, factor) => self.aside(goal, left, factor, Outcome::Unavailable),
                _ => vec![],
            },
            Event::Again => match self.mode.clone() {
                Mode::Asking(goal, left, factor) if is_sent(factor) => {
                    self.prepare(goal, left, factor, Why::Again)
                }
                _ => vec![],
            },
            Event::Another => match self.mode.clone() {
                Mode::Asking(goal, mut left, factor)
                    if self.helpful(goal.level, &left).iter().any(|f| *f != factor) =>
                {
                    left.retain(|f| *f != factor);
                    left.push(factor);
                    self.next(goal, left, Some(factor))
                }
                _ => vec![],
            },
            Event::Answer(reply) => self.answered(reply),
            Event::Stale(_) => vec![],
        }
    }

    pub(super) fn answered(&mut self, reply: &Reply) -> Vec<Seen> {
        match (self.mode.clone(), reply) {
            (Mode::Listing(goal, offer), Reply::Enrolled(enrolled)) => {
                let shown = |f: &FactorId| self.vouched || *f != FactorId::Number;
                let left = offer.into_iter().filter(|f| enrolled.contains(f) && shown(f)).collect();
                self.next(goal, left, None)
            }
            (Mode::Listing(..), Reply::Refused(Refused::Locked)) => self.end(Outcome::Locked),
            (Mode::Listing(..), _) => self.end(Outcome::Unavailable),
            (Mode::Preparing(goal, left, factor, why), reply) => {
                self.prepared(goal, left, factor, why, reply)
            }
            (Mode::Judging(goal, left, factor), Reply::Verdict(verdict, locked, expired)) => {
                self.judged(goal, left, factor, (*verdict, *locked, *expired))
            }
            (Mode::Judging(goal, left, factor), _) => self.aside(goal, left, factor, Outcome::Unavailable),
            _ => vec![],
        }
    }

    pub(super) fn prepared(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        why: Why,
        reply: &Reply,
    ) -> Vec<Seen> {
        match (reply, why) {
            (Reply::Prepared(Prepared::Locked), _) => self.end(Outcome::Locked),
            (Reply::Prepared(Prepared::Sent { .. }), _) => {
                let mut seen = if why == Why::Again { vec![Seen::Resent] } else { vec![] };
                seen.extend(self.ask(goal, left, factor));
                seen
            }
            (_, Why::Again) => {
                let mut seen = vec![Seen::NotResent];
                seen.extend(self.ask(goal, left, factor));
                seen
            }
            (Reply::Prepared(Prepared::Exhausted | Prepared::TooSoon), Why::Expired) => {
                self.aside(goal, left, factor, Outcome::Expired)
            }
            _ => self.aside(goal, left, factor, Outcome::Unavailable),
        }
    }

    pub(super) fn judged(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        verdict: (Verdict, bool, bool),
    ) -> Vec<Seen> {
        match verdict {
            (Verdict::Accept, false, false) => {
                self.proved.insert(factor, self.now);
                if goal.level == ONE || self.holds(goal.level) {
                    return self.end(Outcome::Reached);
                }
                self.next(goal, left, None)
            }
            (Verdict::Unavailable, ..) => self.aside(goal, left, factor, Outcome::Unavailable),
            (_, true, _) => {
                self.failures += 1;
                self.end(Outcome::Locked)
            }
            _ if factor == FactorId::Number => self.aside(goal, left, factor, Outcome::Insufficient),
            (Verdict::Inconclusive, ..) if factor == FactorId::Voiceprint => {
                self.doubts += 1;
                let next = match self.doubts {
                    0..3 => self.ask(goal, left, factor),
                    _ => self.aside(goal, left, factor, Outcome::Insufficient),
                };
                [vec![Seen::Unsure], next].concat()
            }
            _ if factor == FactorId::Voiceprint => {
                (self.failures, self.other_voice, self.doubts) = (self.failures + 1, self.other_voice + 1, 0);
                if self.failures >= TRIES {
                    return self.end(Outcome::Insufficient);
                }
                let next = match self.other_voice {
                    0..2 => self.ask(goal, left, factor),
                    _ => self.aside(goal, left, factor, Outcome::Insufficient),
                };
                [vec![Seen::Rejected(TRIES - self.failures, false)], next].concat()
            }
            (_, _, expired) => {
                self.failures += 1;
                if self.failures >= TRIES {
                    return self.end(Outcome::Insufficient);
                }
                let mut seen = vec![Seen::Rejected(TRIES - self.failures, expired)];
                seen.extend(match expired && is_sent(factor) {
                    true => self.prepare(goal, left, factor, Why::Expired),
                    false => self.ask(goal, left, factor),
                });
                seen
            }
        }
    }
}
