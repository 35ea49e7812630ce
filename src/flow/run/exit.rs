//! The exits of steps: every way that a step can be left.

use crate::flow::document::OutcomeId;

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
}
