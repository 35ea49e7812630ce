//! `risk`: the signals that are there now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{self, FactorId, LevelName};
use crate::flow::document::StepKind;
use crate::flow::document::risk::{Risk, RiskService, Signal};
use crate::flow::expr::{Expr, Field};
use crate::units::AskId;

use super::eval::Scope;
use super::exit::Exit;
use super::io::{Answer, Lookup, LookupReply, Name, Question};
use super::trace::TraceEvent;
use super::values::Value;
use super::{FlowRun, News, Waiting};

/// What the vault counts is in memory; who waits longer is told nothing of it.
const COUNTING_TIME: Duration = Duration::from_secs(2);
/// A network listens to what was said.
const COMPARING_TIME: Duration = Duration::from_secs(5);

impl FlowRun {
    /// Asks for what has to be asked for, and assesses the risk then.
    pub(crate) fn assess(&mut self, now: Instant, extra: &[Signal]) {
        let app = Arc::clone(&self.app);
        let Some(risk) = &app.risk else { return self.fail(now, "no policy on risk") };
        let counted = [Field::AccountsPerCaller, Field::CallsPerCaller];
        let counts = risk.looks_at(extra, &counted);
        let velocity = counts.then(|| self.ask(Question::Auth(auth::Question::Velocity)));
        let said = self.heard_with_consent();
        let listens = !said.is_empty() && risk.looks_at(extra, &[Field::VoiceFraudster]);
        let call = self.facts.call;
        let voice = listens.then(|| self.ask(Question::Auth(auth::Question::Suspect { said, call })));
        let service = risk.service.as_ref().and_then(|service| self.ask_score(now, service));
        let waits = risk.service.as_ref().filter(|_| service.is_some()).map(|service| service.timeout);
        let longest = waits.max(velocity.map(|_| COUNTING_TIME)).max(voice.map(|_| COMPARING_TIME));
        match longest {
            Some(longest) => {
                let deadline = now + longest;
                self.wait(Box::new(Assessing { velocity, voice, service, deadline, told: None }));
            }
            None => self.assessed(now, None),
        }
    }

    /// What is not known is not given, and then nobody is asked.
    fn ask_score(&mut self, now: Instant, service: &RiskService) -> Option<AskId> {
        let scope = self.scope(now);
        let given = |(name, expr): &(String, Expr)| Some((name.clone(), scope.value(expr).as_text()?));
        let arguments = service.give.iter().map(given).collect::<Option<Vec<_>>>()?;
        let lookup = Lookup::new(&service.service, &service.call, arguments, service.timeout);
        Some(self.ask(Question::Lookup(lookup)))
    }

    fn assessed(&mut self, now: Instant, told: Option<u32>) {
        let app = Arc::clone(&self.app);
        let (Some(risk), Some(StepKind::RiskStep(step))) = (&app.risk, self.current(&app)) else {
            return self.fail(now, "no risk to assess");
        };
        let scope = self.scope(now);
        let found = risk.assess(&step.signals, told, |signal| known(&scope, &signal.when) == Some(true));
        let route = step.route(&found.band);
        let leads = route.and_then(|at| step.routes.get(at)).map(|(_, block)| *block);
        let leads = leads.and_then(|block| app.block(block)).map(|block| format!("to {}", block.name));
        let actions = found.actions().into_iter().chain(leads);
        self.trace(TraceEvent::Risk {
            score: found.score,
            band: Name::from(&found.band),
            reasons: found.reasons.iter().map(Name::from).collect(),
            actions: actions.map(|action| Name::from(action.as_str())).collect(),
            observed: risk.observe,
        });
        let applied = if risk.observe { risk.calm() } else { found };
        self.risk = Some(applied);
        match route.filter(|_| !risk.observe) {
            Some(route) => self.take(now, Exit::Case(route)),
            None if step.routes.is_empty() => self.next_step(),
            None => self.take(now, Exit::Otherwise),
        }
    }

    /// Whether a factor proves nothing for now.
    pub(crate) fn blocked(&self, factor: FactorId) -> bool {
        self.risk.as_ref().is_some_and(|risk| risk.blocked.contains(&factor))
    }

    /// The level that the risk of the call asks for in the place of this one.
    pub(crate) fn needed(&self, level: LevelName) -> LevelName {
        self.risk.as_ref().map_or_else(|| level.clone(), |risk| risk.needed(&level))
    }
}

/// The vault or a service was asked.
struct Assessing {
    velocity: Option<AskId>,
    voice: Option<AskId>,
    service: Option<AskId>,
    deadline: Instant,
    told: Option<u32>,
}

impl Waiting for Assessing {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn told(mut self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        match news {
            News::Answer(ask, Answer::Auth(answer)) if Some(ask) == self.velocity => {
                self.velocity = None;
                if let auth::Answer::Velocity(Some(seen)) = answer {
                    run.facts.signals.accounts_per_caller_1h = Some(seen.accounts);
                    run.facts.signals.calls_per_caller_1h = Some(seen.calls);
                }
            }
            News::Answer(ask, Answer::Auth(answer)) if Some(ask) == self.voice => {
                self.voice = None;
                if let auth::Answer::Suspected(suspected) = answer {
                    run.facts.signals.known_fraudster = Some(suspected);
                }
            }
            News::Answer(ask, Answer::Lookup(reply)) if Some(ask) == self.service => {
                self.service = None;
                let app = Arc::clone(&run.app);
                self.told = app.risk.as_ref().and_then(|risk| points(risk, reply));
            }
            News::Timeout => return run.assessed(now, self.told),
            _ => return run.wait(self),
        }
        if self.velocity.is_none() && self.voice.is_none() && self.service.is_none() {
            run.assessed(now, self.told);
        } else {
            run.wait(self);
        }
    }
}

/// The points of a reply; `None` when it has none that could be used.
fn points(risk: &Risk, reply: LookupReply) -> Option<u32> {
    let LookupReply::Found(fields) = reply else { return None };
    let service = risk.service.as_ref()?;
    let (_, text) = fields.into_iter().find(|(name, _)| *name == service.field)?;
    let points: u32 = text.trim().parse().ok()?;
    Some(points.min(crate::flow::document::risk::MOST))
}

/// Whether a condition holds; `None` when that can't be told without what is not known.
fn known(scope: &Scope<'_>, expr: &Expr) -> Option<bool> {
    let is_set = |expr: &Expr| !matches!(scope.value(expr), Value::Nothing);
    match expr {
        Expr::Not(inner) => known(scope, inner).map(|holds| !holds),
        Expr::And(left, right) => match (known(scope, left), known(scope, right)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Expr::Or(left, right) => match (known(scope, left), known(scope, right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Expr::Compare { left, right, .. } => (is_set(left) && is_set(right)).then(|| scope.holds(expr)),
        Expr::In { item, .. } => is_set(item).then(|| scope.holds(expr)),
        Expr::IsSet(_) => Some(scope.holds(expr)),
        _ => is_set(expr).then(|| scope.holds(expr)),
    }
}
