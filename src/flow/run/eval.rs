//! What an expression is worth at a moment of a call.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{AuthSession, LevelName};
use crate::flow::ClipKey;
use crate::flow::document::risk::Assessment;
use crate::flow::document::{Application, Language, LanguageId, LevelRef, Passed, Prompt};
use crate::flow::expr::{CompareOp, Expr, Field, Order};
use crate::flow::prompt::{render, written};

use super::facts::CallFacts;
use super::io::Pass;
use super::values::Value;

/// Everything that an expression may look at.
pub(crate) struct Scope<'a> {
    pub(crate) app: &'a Application,
    pub(crate) slots: &'a [Value],
    pub(crate) facts: &'a CallFacts,
    pub(crate) auth: &'a AuthSession,
    pub(crate) now: Instant,
    pub(crate) language: LanguageId,
    pub(crate) place: Option<u32>,
    pub(crate) tries_left: Option<u32>,
    pub(crate) match_number: Option<&'a str>,
    /// Random digits to be spoken.
    pub(super) spoken_digits: Option<&'a str>,
    pub(crate) answer: Option<&'a str>,
    pub(crate) risk: Option<&'a Assessment>,
    /// The caller is not free.
    pub(crate) duress: bool,
}

impl Scope<'_> {
    /// The value of an expression.
    pub(crate) fn value(&self, expr: &Expr) -> Value {
        match expr {
            Expr::Literal(literal) => Value::from(literal),
            Expr::Var(var) => self.slots.get(var.index()).cloned().unwrap_or(Value::Nothing),
            Expr::Field(field) => self.field(*field),
            Expr::Not(inner) => Value::Truth(!self.holds(inner)),
            Expr::And(left, right) => Value::Truth(self.holds(left) && self.holds(right)),
            Expr::Or(left, right) => Value::Truth(self.holds(left) || self.holds(right)),
            Expr::Compare { op, by, left, right } => {
                Value::Truth(self.compare(*op, *by, &self.value(left), &self.value(right)))
            }
            Expr::In { item, list } => {
                let item = self.value(item);
                Value::Truth(list.iter().any(|literal| item.equals(&Value::from(literal))))
            }
            Expr::IsSet(item) => Value::Truth(!matches!(self.value(item), Value::Nothing)),
            Expr::Sum { op, left, right } => self.value(left).sum(*op, &self.value(right)),
            Expr::Filtered { item, filter } => self.value(item).filtered(*filter),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, expr: &Expr) -> bool {
        self.value(expr).holds()
    }

    /// The recordings that say a prompt in the caller's language.
    pub(crate) fn render(&self, prompt: &Prompt) -> Vec<ClipKey> {
        let tag = self.app.language(self.language).unwrap_or_default();
        let heard = self.facts.abilities.speech && self.facts.knows(tag);
        let pieces =
            if heard { prompt.to_who_is_heard(self.language) } else { prompt.in_language(self.language) };
        render(pieces, tag, |expr| self.value(expr))
    }

    /// A prompt as text to be read, in every language of the application.
    pub(crate) fn written(&self, prompt: &Prompt) -> Vec<(String, String)> {
        let in_language = |(at, language): (u8, &Language)| {
            let text = written(self.app, prompt, LanguageId(at), &language.tag, |expr| self.value(expr));
            (language.tag.clone(), text)
        };
        (0_u8..).zip(&self.app.languages).map(in_language).collect()
    }

    /// The level that a step names; `None` when an expression gives none.
    pub(crate) fn level(&self, level: &LevelRef) -> Option<LevelName> {
        match level {
            LevelRef::Named(name) => Some(name.clone()),
            LevelRef::From(expr) => Some(LevelName::from(self.value(expr).as_text()?.as_str())),
        }
    }

    /// What an agent or the audit log is told. What is not set is left out, and so is a secret, and the number of a
    /// caller who wants it kept from others (RFC 3323 §4.3).
    pub(crate) fn pass(&self, passed: &[Passed]) -> Pass {
        let kept = self.facts.from.as_deref().filter(|_| self.facts.journey.private);
        let told = |passed: &Passed| {
            let value = self.value(&passed.expr).as_text()?;
            (kept != Some(&*value)).then(|| (passed.name.clone(), value))
        };
        Pass { values: passed.iter().filter_map(told).collect() }
    }

    fn field(&self, field: Field) -> Value {
        let number = |number: Option<u32>| number.map_or(Value::Nothing, |n| Value::Number(i64::from(n)));
        let text = |text: Option<&str>| text.map_or(Value::Nothing, Value::text);
        match field {
            Field::CallId => Value::text(&self.facts.call.to_string()),
            Field::CallFrom => text(self.facts.from.as_deref()),
            Field::CallTo => Value::text(&self.facts.to),
            Field::CallAnonymous => Value::Truth(self.facts.from.is_none()),
            Field::Language => text(self.app.language(self.language)),
            Field::AuthLevel => Value::text(&self.auth.level(self.now).to_string()),
            Field::AuthFactors => {
                Value::List(self.auth.factors().iter().map(|(factor, _)| Arc::from(factor.name())).collect())
            }
            Field::AuthAge => self
                .auth
                .age(self.now)
                .and_then(|age| i64::try_from(age.as_secs()).ok())
                .map_or(Value::Nothing, Value::Number),
            Field::AuthRecoveryLeft => number(self.auth.codes_left().map(u32::from)),
            Field::CustomerId => text(self.auth.subject().map(crate::auth::SubjectRef::id)),
            Field::TriesLeft => number(self.tries_left),
            Field::MatchNumber => text(self.match_number),
            Field::SpokenDigits => text(self.spoken_digits),
            Field::Answer => text(self.answer),
            Field::QueuePlace => number(self.place),
            Field::CallAttestation => {
                Value::text(self.facts.signals.attestation.map_or("none", super::facts::Attestation::name))
            }
            Field::CallVerstat => Value::text(self.facts.signals.number.verstat.unwrap_or("none")),
            Field::CallVerstatReason => text(self.facts.signals.number.reason),
            Field::CallPrivate => Value::Truth(self.facts.journey.private),
            Field::CallUserToUser => text(self.facts.journey.user_to_user.as_deref()),
            Field::CallDiversions => number(self.facts.journey.diversions),
            Field::CallFirstCalled => text(self.facts.journey.first_called.as_deref()),
            Field::CallDivertedBy => text(self.facts.journey.diverted_by.as_deref()),
            Field::CallDiversionReason => text(self.facts.journey.diversion_reason),
            Field::RiskScore => number(self.risk.map(|risk| risk.score)),
            Field::RiskBand => text(self.risk.map(|risk| &*risk.band)),
            Field::RiskReasons => self.risk.map_or(Value::Nothing, |risk| Value::List(risk.reasons.clone())),
            Field::RiskDuress => Value::Truth(self.duress),
            Field::AccountsPerCaller => number(self.facts.signals.accounts_per_caller_1h),
            Field::CallsPerCaller => number(self.facts.signals.calls_per_caller_1h),
            Field::VoiceFraudster => self.facts.signals.known_fraudster.map_or(Value::Nothing, Value::Truth),
            Field::VoiceJoined => self.facts.signals.joined_voice.map_or(Value::Nothing, Value::Truth),
            Field::VoiceSynthetic => number(self.facts.signals.synthetic_voice.map(u32::from)),
        }
    }

    fn compare(&self, op: CompareOp, by: Order, left: &Value, right: &Value) -> bool {
        if matches!(left, Value::Nothing) || matches!(right, Value::Nothing) {
            return op == CompareOp::NotEqual;
        }
        let order = match by {
            Order::Level => Some(self.rank(left).cmp(&self.rank(right))),
            Order::Value => left.order(right),
        };
        match op {
            CompareOp::Equal => left.equals(right),
            CompareOp::NotEqual => !left.equals(right),
            CompareOp::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            CompareOp::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            CompareOp::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            CompareOp::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }

    /// The place of a level in the policy; `None`, which is below all, for `none`.
    fn rank(&self, level: &Value) -> Option<usize> {
        self.app.policy.rank(&LevelName::from(level.as_text()?.as_str()))
    }
}
