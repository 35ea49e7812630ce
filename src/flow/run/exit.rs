//! The exits of steps: every way that a step can be left.

use std::borrow::Cow;

use crate::flow::document::{Application, OutcomeId, StepKind};

/// How a step was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By an outcome that has this name in a flow.
    Outcome(&'static str),
    /// By an option of a menu.
    Chosen(usize),
    /// By a case of `decide`.
    Case(usize),
    /// By no case of `decide`.
    Otherwise,
    /// By an outcome of the sub-flow that ran.
    Returned(OutcomeId),
    /// By the `else` of `require`.
    Lacking,
}

/// The arm of a menu whose choice is the caller's own, whichever it is.
pub(crate) const UNTOLD: &str = "a key";

impl Exit {
    /// Its name in a trace; `None` for what is no outcome there.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Outcome(name) => Some(name),
            Self::Chosen(_) => Some("chosen"),
            Self::Lacking => Some("lacking"),
            Self::Case(_) | Self::Otherwise | Self::Returned(_) => None,
        }
    }

    /// What the arm is called that it takes, one name for every way on: `key 1`, `case 2`, `ok`.
    pub(crate) fn arm_name<'s>(self, app: &'s Application, step: &'s StepKind) -> Cow<'s, str> {
        let at = |at: usize| step.arms().into_iter().nth(at).map(|(name, _)| name);
        match (self, step) {
            (Self::Outcome(name), _) => name.into(),
            (Self::Chosen(_), StepKind::Menu(menu)) if menu.personal => UNTOLD.into(),
            (Self::Chosen(option), _) => at(option).unwrap_or_default(),
            (Self::Case(case), _) => at(case).unwrap_or_default(),
            (Self::Otherwise, _) => "otherwise".into(),
            (Self::Lacking, _) => "else".into(),
            (Self::Returned(outcome), StepKind::Run(run)) => {
                let flow = app.flow(run.flow);
                let name = flow.and_then(|flow| flow.outcomes.get(usize::from(outcome.0)));
                name.map_or(Cow::Borrowed(""), |name| Cow::Borrowed(name.as_ref()))
            }
            (Self::Returned(_), _) => "".into(),
        }
    }
}
