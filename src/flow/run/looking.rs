//! `lookup`: asking a service, with something to hear when it takes long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::document::{Application, Class, Enquiry, VarId};
use crate::secret::Secret;
use crate::units::AskId;

use super::exit::Exit;
use super::io::{Lookup, LookupReply, Name, Question};
use super::trace::TraceEvent;
use super::values::Value;
use super::{FlowRun, Life, State};

/// A question to a service under way.
pub(super) struct LookingUp {
    pub(super) ask: AskId,
    since: Instant,
    deadline: Instant,
    /// When to say that it takes a moment.
    say_at: Option<Instant>,
    /// The answer, kept until that is said.
    reply: Option<LookupReply>,
}

impl LookingUp {
    pub(crate) fn timeout_at(&self) -> Option<Instant> {
        match self.reply {
            Some(_) => None,
            None => Some(self.say_at.map_or(self.deadline, |say| say.min(self.deadline))),
        }
    }
}

impl FlowRun {
    /// Asks what the step that runs wants to know, or orders what it wants done.
    pub(crate) fn look_up(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let Some(step) = self.enquiry(&app) else { return self.fail(now, "a step that asks no service") };
        let grant = match &step.level {
            None => None,
            Some(level) => match self.grant_of(now, level) {
                Some(grant) => Some(grant),
                None => {
                    // The checks before a call let no path come here without the level; but it may have
                    // grown too old since, and the machine does not rely on the checks.
                    self.trace(TraceEvent::Protected { level: Name::from(level.as_str()) });
                    return self.take(now, Exit::Outcome("unavailable"));
                }
            },
        };
        let scope = self.scope(now);
        let mut arguments = Vec::with_capacity(step.give.len());
        for (name, expr) in &step.give {
            match scope.value(expr).as_text() {
                Some(text) => arguments.push((name.clone(), text)),
                None => return self.take(now, Exit::Outcome("unavailable")),
            }
        }
        let idempotency = step.card.as_ref().map(|_| {
            // The same order has the same name until it is answered; the next one has another.
            let name = step.idempotency.as_ref().and_then(|expr| scope.value(expr).as_text());
            format!("{}-{}", name.unwrap_or_else(|| self.facts.call.to_string()), self.payments + 1)
        });
        let card = step.card.as_ref().and_then(|name| Some((name.clone(), Box::new(self.card.take()?))));
        if step.card.is_some() && card.is_none() {
            return self.take(now, Exit::Outcome("unavailable"));
        }
        let lookup = Lookup {
            service: step.service.clone(),
            call: step.call.clone(),
            arguments,
            card,
            idempotency,
            grant,
            timeout: step.timeout,
            cache: step.cache,
            spool: step.spool,
        };
        let call = app.services.service(&lookup.service).and_then(|service| service.call(&lookup.call));
        if lookup.grant.is_some() && call.is_some_and(|call| !lookup.permitted(&app, call)) {
            // Whoever answers would refuse it too; here it can be told why.
            let (service, call) = (Name::from(step.service.as_str()), Name::from(step.call.as_str()));
            let result = "refused: not the proven customer";
            self.trace(TraceEvent::Service { service, call, result, took: Duration::ZERO });
            if step.card.is_some() {
                self.card_wiped();
            }
            return self.take(now, Exit::Outcome("unavailable"));
        }
        let ask = self.ask(Question::Lookup(lookup));
        let speaks = step.while_waiting.is_some() && self.life == Life::Caller && self.answered;
        self.state = State::LookingUp(Box::new(LookingUp {
            ask,
            since: now,
            deadline: now + step.timeout,
            say_at: speaks.then(|| now + A_MOMENT),
            reply: None,
        }));
    }

    fn enquiry<'a>(&self, app: &'a Application) -> Option<&'a Enquiry> {
        self.current(app)?.node().enquiry()
    }

    fn has_outcome(&self, app: &Application, name: &'static str) -> bool {
        self.current(app).is_some_and(|step| step.node().arm(Exit::Outcome(name)).is_some())
    }

    /// How old a level may be: what the `require` before it has said.
    pub(super) fn max_age_of(&self, level: &LevelName) -> Option<Duration> {
        self.required.as_ref().filter(|(required, _)| required == level).and_then(|(_, max_age)| *max_age)
    }

    pub(crate) fn looked_up(&mut self, now: Instant, reply: LookupReply) {
        self.trace_service(now, reply.name());
        match &mut self.state {
            // Let "one moment please" end: a word cut in the middle sounds like a fault.
            State::LookingUp(looking) if self.playing.is_some() => looking.reply = Some(reply),
            _ => self.use_reply(now, reply),
        }
    }

    pub(crate) fn waiting_said(&mut self, now: Instant) {
        let State::LookingUp(looking) = &mut self.state else { return };
        if let Some(reply) = looking.reply.take() {
            self.use_reply(now, reply);
        }
    }

    pub(crate) fn lookup_timeout(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let State::LookingUp(looking) = &mut self.state else { return };
        if looking.reply.is_some() {
            return;
        }
        if looking.deadline <= now {
            self.stop_playing();
            self.trace_service(now, "late");
            return self.use_reply(now, LookupReply::Unavailable);
        }
        if looking.say_at.is_none_or(|say| say > now) {
            return;
        }
        looking.say_at = None;
        if let Some(prompt) = self.enquiry(&app).and_then(|step| step.while_waiting.as_ref()) {
            let clips = self.announce(now, std::slice::from_ref(prompt));
            self.start_playing(clips, false);
        }
    }

    /// Tells what came of a question, and how long it took.
    fn trace_service(&mut self, now: Instant, result: &'static str) {
        let app = Arc::clone(&self.app);
        if let State::LookingUp(looking) = &self.state
            && let Some(step) = self.enquiry(&app)
        {
            let (service, call) = (Name::from(step.service.as_str()), Name::from(step.call.as_str()));
            let took = now.saturating_duration_since(looking.since);
            self.trace(TraceEvent::Service { service, call, result, took });
        }
    }

    fn use_reply(&mut self, now: Instant, reply: LookupReply) {
        let app = Arc::clone(&self.app);
        let Some(step) = self.enquiry(&app) else { return };
        if let Some(frame) = self.frames.last() {
            self.clear_results(frame.flow);
        }
        let pays = step.card.is_some();
        if pays {
            self.card_wiped();
        }
        let exit = match reply {
            LookupReply::Found(fields) => match self.keep_reply(now, &step.reply, &fields) {
                Exit::Outcome("ok") if pays => Exit::Outcome("paid"),
                exit => exit,
            },
            LookupReply::NotFound => Exit::Outcome("not_found"),
            LookupReply::Declined if self.has_outcome(&app, "declined") => Exit::Outcome("declined"),
            LookupReply::Many | LookupReply::Declined | LookupReply::Unavailable => {
                Exit::Outcome("unavailable")
            }
        };
        if matches!(exit, Exit::Outcome("paid" | "declined")) {
            // Where nobody knows, a second order must be taken for the same.
            self.payments = self.payments.saturating_add(1);
        }
        self.take(now, exit);
    }

    /// Stores the fields. A field that lacks, or is not what the service declares, makes the whole reply
    /// useless: a balance that can't be read must not be spoken as nothing.
    fn keep_reply(&mut self, now: Instant, reply: &[(String, VarId)], fields: &[(String, String)]) -> Exit {
        let mut values = Vec::with_capacity(reply.len());
        for (name, var) in reply {
            let text = fields.iter().find(|(field, _)| field == name).map(|(_, text)| text);
            let variable = self.app.var(*var);
            let value =
                text.zip(variable).and_then(|(text, variable)| Value::text(text).into_type(&variable.ty));
            let secret = variable.is_some_and(|variable| variable.class >= Class::Secret);
            match value {
                Some(value) if secret => {
                    let text = value.as_text().unwrap_or_default();
                    values.push((*var, Value::Secret(Secret::new(text))));
                }
                Some(value) => values.push((*var, value)),
                None => {
                    self.trace_service(now, "useless");
                    return Exit::Outcome("unavailable");
                }
            }
        }
        for (var, value) in values {
            self.store(var, value);
        }
        Exit::Outcome("ok")
    }
}

/// Shorter than a caller takes for a fault, longer than most answers take.
const A_MOMENT: Duration = Duration::from_millis(600);
