//! `identify`, `authenticate` and `require`: from a claim to a level.
//!
//! The run collects what a challenge asks for and hands it to the [`AuthSession`](crate::auth::AuthSession);
//! it never learns whether a subject exists, and can't raise a level itself. While a factor is typed keys
//! are a secret: [`Output::Secure`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{
    self, Challenge, Claim, Duress, FactorId, Grant, Identified, LevelName, Outcome, QuestionId,
};
use crate::flow::document::{Authenticate, Identify, IdentifyBy, Require, StepKind, SubjectService};
use crate::flow::expr::Expr;
use crate::secret::Secret;
use crate::units::{AskId, Digit};

use super::challenge::Remark;
use super::exit::Exit;
use super::io::{Answer, Lookup, LookupReply, Name, Output, Question};
use super::trace::TraceEvent;
use super::values::Value;
use super::{FlowRun, News, State, Waiting};

impl FlowRun {
    pub(crate) fn identify(&mut self, now: Instant, step: &Identify) {
        let claim = match step.by {
            IdentifyBy::CallerId => {
                self.facts.from.clone().map(|number| Claim::CallerNumber(Secret::new(number)))
            }
            IdentifyBy::Account(var) => {
                let typed = self.slots.get(var.index()).and_then(super::values::Value::as_text);
                typed.map(|account| Claim::Account(Secret::new(account)))
            }
        };
        let Some(claim) = claim else { return self.take(now, Exit::Outcome("none")) };
        match &step.service {
            Some(service) => self.ask_who(now, service, step.same_reply),
            None => self.claim(now, claim, step.same_reply),
        }
    }

    fn claim(&mut self, now: Instant, claim: Claim, same_reply: bool) {
        let ask = self.ask(Question::Auth(auth::Question::Identify { claim }));
        let deadline = now + VAULT_TIME;
        self.state = State::Identifying { ask, deadline, same_reply };
    }

    /// Asks a service who it is. Whoever it does not know is claimed all the same, as somebody who is not
    /// there: the same questions in the same order, and a ghost that is the same every time.
    fn ask_who(&mut self, now: Instant, service: &SubjectService, same_reply: bool) {
        let scope = self.scope(now);
        let given = |(name, expr): &(String, Expr)| Some((name.clone(), scope.value(expr).as_text()?));
        let Some(arguments) = service.give.iter().map(given).collect::<Option<Vec<_>>>() else {
            return self.take(now, Exit::Outcome("none"));
        };
        let values: Vec<&str> = arguments.iter().map(|(_, value)| value.as_str()).collect();
        // No subject has an identifier with spaces in it.
        let nobody = Secret::new(format!("{} {} {}", service.service, service.call, values.join(" ")));
        let lookup = Lookup::new(&service.service, &service.call, arguments, service.timeout);
        let ask = self.ask(Question::Lookup(lookup));
        let (field, deadline) = (service.field.clone(), now + service.timeout);
        self.wait(Box::new(AskingWho { ask, deadline, field, nobody, same_reply }));
    }

    pub(crate) fn identified(&mut self, now: Instant, answer: auth::Answer, same_reply: bool) {
        let exit = match answer {
            auth::Answer::Identified(Identified::One(subject)) => {
                self.claimed(now, subject);
                Exit::Outcome("one")
            }
            auth::Answer::Identified(Identified::None(ghost)) => {
                // A ghost goes on as a subject would. Without `same_reply` it only replaces an earlier
                // claim, so that what was claimed last is what counts.
                if same_reply || self.auth.subject().is_some() {
                    self.claimed(now, ghost);
                }
                Exit::Outcome("none")
            }
            auth::Answer::Identified(Identified::Many) => Exit::Outcome("many"),
            _ => Exit::Outcome("unavailable"),
        };
        self.take(now, exit);
    }

    fn claimed(&mut self, now: Instant, subject: auth::SubjectRef) {
        if self.auth.subject().is_some_and(|held| held.key() != subject.key()) {
            self.forget_overheard();
        }
        self.auth.claimed(subject);
        while !matches!(self.auth.poll(), auth::Output::Idle) {}
        self.required = None;
        self.trace_level(now);
    }

    pub(crate) fn authenticate(&mut self, now: Instant, step: &Authenticate) {
        let Some(level) = self.scope(now).level(&step.level) else {
            return self.fail(now, "no level to authenticate to");
        };
        let level = self.needed(level);
        let offer = step.offer.iter().copied().filter(|factor| !self.blocked(*factor)).collect();
        let choose = step.choose;
        self.answers_are(now, &step.answers);
        self.prove(now, auth::Input::Begin { level, offer, choose });
    }

    /// Tells the judge what a service said that answers should be; what is not known is told to nobody.
    pub(crate) fn answers_are(&mut self, now: Instant, answers: &[(QuestionId, Expr)]) {
        let scope = self.scope(now);
        let told = |(question, expr): &(QuestionId, Expr)| {
            let right = match scope.value(expr) {
                Value::Secret(right) => right,
                other => Secret::new(other.as_text()?),
            };
            Some((question.clone(), right))
        };
        let told = answers.iter().filter_map(told).collect();
        self.auth.answers_are(told);
    }

    /// Has the authentication begin, and what was typed before forgotten.
    pub(crate) fn prove(&mut self, now: Instant, begin: auth::Input) {
        self.keys.clear();
        self.remark = None;
        self.state = State::Proving;
        self.auth.handle(now, begin);
        self.follow_auth(now);
    }

    /// The caller has chosen how to prove it.
    pub(super) fn method_chosen(&mut self, now: Instant, factor: Option<FactorId>) {
        let Some(factor) = factor else { return self.fail(now, "a factor that was not on offer") };
        self.state = State::Proving;
        self.auth.handle(now, auth::Input::Chosen(factor));
        self.follow_auth(now);
    }

    /// The caller has set a factor of theirs.
    pub(crate) fn factor_changed(&mut self, factor: FactorId) {
        self.auth.changed(factor);
    }

    /// Permission for what a level protects, by what the last `require` said of its age; `None` when it is
    /// not held. The checks before a call let no path come here without the level; but it may have grown too
    /// old since, and the machine does not rely on the checks.
    pub(crate) fn granted(&mut self, now: Instant, level: &LevelName) -> Option<Grant> {
        let grant = self.grant_of(now, level);
        if grant.is_none() {
            self.trace(TraceEvent::Protected { level: Name::from(level.as_str()) });
        }
        grant
    }

    /// What the authentication permits. Under duress the policy may say that nothing protected is done.
    pub(crate) fn grant_of(&self, now: Instant, level: &LevelName) -> Option<Grant> {
        let grant = self.auth.grant(now, level, self.max_age_of(level));
        grant.filter(|_| !(self.duress && self.app.policy.duress == Some(Duress::Nothing)))
    }

    /// Carries out what the authentication orders, until it waits.
    pub(super) fn follow_auth(&mut self, now: Instant) {
        let mut challenge: Option<Challenge> = None;
        let mut choice: Option<Vec<FactorId>> = None;
        let mut done = None;
        loop {
            let output = self.auth.poll();
            self.remark = Remark::of(&output).or(self.remark);
            match output {
                auth::Output::Ask(ask, question) => {
                    self.auth_asks.push((ask, now + VAULT_TIME));
                    self.emit(Output::Ask(ask, Question::Auth(question)));
                }
                auth::Output::Choose(among) => choice = Some(among),
                auth::Output::Challenge(next) => challenge = Some(next),
                auth::Output::Done(outcome) => done = Some(outcome),
                auth::Output::Rejected { .. }
                | auth::Output::Unsure
                | auth::Output::Resent
                | auth::Output::NotResent
                | auth::Output::SetAside(_) => {}
                auth::Output::Idle => break,
            }
        }
        self.trace_level(now);
        if let Some(outcome) = done {
            self.set_secure(false);
            let app = Arc::clone(&self.app);
            let exit = match self.current(&app) {
                Some(StepKind::Verify(step)) => verified(outcome, step.expired.is_some()),
                _ => exit_of(outcome),
            };
            self.take(now, exit);
        } else if let Some(challenge) = challenge {
            self.begin_challenge(now, challenge);
        } else if let Some(among) = choice {
            self.begin_choice(now, &among);
        }
    }

    /// What the caller typed goes to the judge.
    pub(crate) fn respond(&mut self, now: Instant, response: Secret<String>) {
        self.set_secure(false);
        self.state = State::Proving;
        self.auth.handle(now, auth::Input::Response(response));
        self.follow_auth(now);
    }

    /// The caller gives no response.
    pub(crate) fn abandon(&mut self, now: Instant) {
        self.state = State::Proving;
        self.auth.handle(now, auth::Input::Abandon);
        self.follow_auth(now);
    }

    /// The run goes elsewhere: the authentication under way ends, and nobody listens to how.
    pub(crate) fn abandon_auth(&mut self, now: Instant) {
        self.auth_asks.clear();
        self.auth.handle(now, auth::Input::Abandon);
        while !matches!(self.auth.poll(), auth::Output::Idle) {}
    }

    pub(crate) fn auth_answered(&mut self, now: Instant, ask: AskId, answer: auth::Answer) {
        let Some(at) = self.auth_asks.iter().position(|(asked, _)| *asked == ask) else { return };
        self.auth_asks.swap_remove(at);
        self.duress |= answer == auth::Answer::Forced;
        if let auth::Answer::Voice { joined, .. } = answer {
            let known = &mut self.facts.signals.joined_voice;
            *known = joined.known().map(|joined| joined || *known == Some(true)).or(*known);
        }
        let answer = answer.known();
        self.auth.handle(now, auth::Input::Answer(ask, answer));
        self.follow_auth(now);
    }

    /// A vault that does not answer in time is unavailable, which raises no level (law 4).
    pub(crate) fn give_up_auth_asks(&mut self, now: Instant) {
        while let Some((ask, _)) = self.auth_asks.iter().find(|(_, until)| *until <= now).copied() {
            self.auth_answered(now, ask, auth::Answer::Unavailable);
        }
    }

    pub(crate) fn require(&mut self, now: Instant, step: &Require) {
        let level = self.scope(now).level(&step.level);
        let held =
            |level: &LevelName| self.auth.grant(now, &self.needed(level.clone()), step.max_age).is_some();
        match level.filter(held) {
            Some(level) => {
                self.required = Some((level, step.max_age));
                self.next_step();
            }
            None if step.otherwise.is_some() => self.take(now, Exit::Lacking),
            None => self.fail(now, "the level that a step requires is not held"),
        }
    }

    fn trace_level(&mut self, now: Instant) {
        let level = self.auth.level(now).to_string();
        if self.traced_level.as_deref().unwrap_or("none") != level {
            let factors = self.auth.factors().iter().map(|(factor, _)| Name::from(factor.name())).collect();
            self.trace(TraceEvent::Level { level: Name::from(level.as_str()), factors });
            self.traced_level = Some(level);
        }
    }

    fn begin_challenge(&mut self, now: Instant, challenge: Challenge) {
        let app = Arc::clone(&self.app);
        match self.current(&app).and_then(|step| step.node().proving()) {
            Some(step) if challenge.factor.meeting() == auth::Meeting::Spoken => {
                self.ask_voice(now, &step, challenge);
            }
            Some(step) => self.ask_factor(now, &step, challenge),
            None => self.fail(now, "a challenge without a step that wants it"),
        }
    }

    /// A factor's key is its place in the offer, whatever else is enrolled: the same for every caller.
    fn begin_choice(&mut self, now: Instant, among: &[FactorId]) {
        let app = Arc::clone(&self.app);
        let Some(StepKind::Authenticate(step)) = self.current(&app) else {
            return self.fail(now, "a choice without a step that wants it");
        };
        let key = |at: usize| Digit::from_char(char::from_digit(u32::try_from(at + 1).ok()?, 10)?);
        let offered = step.offer.iter().enumerate().filter(|(_, factor)| among.contains(factor));
        let methods = offered.filter_map(|(at, factor)| Some((key(at)?, *factor))).collect();
        self.ask_method(now, &step.input, methods);
    }
}

/// A service was asked who it is.
struct AskingWho {
    ask: AskId,
    deadline: Instant,
    field: String,
    /// The identifier of nobody, made of what was asked.
    nobody: Secret<String>,
    same_reply: bool,
}

impl Waiting for AskingWho {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        let reply = match news {
            News::Answer(ask, Answer::Lookup(reply)) if ask == self.ask => reply,
            News::Timeout => LookupReply::Unavailable,
            _ => return run.wait(self),
        };
        let id = match reply {
            LookupReply::Found(fields) => {
                let found = fields.into_iter().find(|(name, _)| *name == self.field);
                found.map(|(_, id)| id).filter(|id| !id.trim().is_empty())
            }
            LookupReply::NotFound => Some(self.nobody.expose().clone()),
            LookupReply::Many => return run.take(now, Exit::Outcome("many")),
            LookupReply::Declined | LookupReply::Unavailable => None,
        };
        match id {
            Some(id) => run.claim(now, Claim::SubjectId(id), self.same_reply),
            // A reply without an identifier is no reply.
            None => run.take(now, Exit::Outcome("unavailable")),
        }
    }
}

const fn verified(outcome: Outcome, expires: bool) -> Exit {
    match outcome {
        Outcome::Reached => Exit::Outcome("passed"),
        Outcome::Expired if expires => Exit::Outcome("expired"),
        Outcome::Insufficient | Outcome::Expired => Exit::Outcome("failed"),
        other => exit_of(other),
    }
}

const fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Reached => Exit::Outcome("reached"),
        Outcome::Insufficient | Outcome::Expired => Exit::Outcome("insufficient"),
        Outcome::NotEnrolled => Exit::Outcome("not_enrolled"),
        Outcome::Locked => Exit::Outcome("locked"),
        Outcome::Unavailable => Exit::Outcome("unavailable"),
    }
}

/// Hashing takes a tenth of a second; a vault that takes this long is out of order.
pub(crate) const VAULT_TIME: Duration = Duration::from_secs(10);
