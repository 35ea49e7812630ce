//! `risk`: the signals that are there now.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::FactorId;
use crate::flow::document::risk::Signal;
use crate::flow::expr::Expr;

use super::FlowRun;
use super::eval::Scope;
use super::io::Name;
use super::trace::TraceEvent;
use super::values::Value;

impl FlowRun {
    pub(crate) fn assess(&mut self, now: Instant, extra: &[Signal]) {
        let app = Arc::clone(&self.app);
        let Some(risk) = &app.risk else { return self.fail(now, "no policy on risk") };
        let scope = self.scope(now);
        let found = risk.assess(extra, |signal| known(&scope, &signal.when) == Some(true));
        self.trace(TraceEvent::Risk {
            score: found.score,
            band: Name::from(&found.band),
            reasons: found.reasons.iter().map(Name::from).collect(),
        });
        self.risk = Some(found);
        self.next_step();
    }

    /// Whether a factor proves nothing for now.
    pub(crate) fn blocked(&self, factor: FactorId) -> bool {
        self.risk.as_ref().is_some_and(|risk| risk.blocked.contains(&factor))
    }
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
