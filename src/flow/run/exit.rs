//! The exits of steps: every outcome of every verb, and the arm that each takes.

use crate::flow::document::{Arm, Class, OutcomeId, StepKind};

/// How a step was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Finished,
    Filled,
    Chosen(usize),
    Yes,
    No,
    GiveUp,
    Case(usize),
    Otherwise,
    Returned(OutcomeId),
    One,
    None,
    Many,
    Unavailable,
    Reached,
    Insufficient,
    NotEnrolled,
    Locked,
    Lacking,
    Ok,
    NotFound,
    Joined,
    Timeout,
    Full,
    Done,
    Busy,
    NoAnswer,
    Refused,
    Failed,
}

impl Exit {
    /// Its name in a flow; `None` for what is no outcome there.
    pub(super) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Finished => "finished",
            Self::Filled => "filled",
            Self::Chosen(_) => "chosen",
            Self::Yes => "yes",
            Self::No => "no",
            Self::GiveUp => "give_up",
            Self::One => "one",
            Self::None => "none",
            Self::Many => "many",
            Self::Unavailable => "unavailable",
            Self::Reached => "reached",
            Self::Insufficient => "insufficient",
            Self::NotEnrolled => "not_enrolled",
            Self::Locked => "locked",
            Self::Lacking => "lacking",
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Joined => "joined",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::Done => "done",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Case(_) | Self::Otherwise | Self::Returned(_) => return None,
        })
    }

    /// The arm that a step takes by this exit; `None` when it has none of that kind.
    pub(super) fn arm(self, step: &StepKind) -> Option<&Arm> {
        Some(match (step, self) {
            (StepKind::Play(step), Self::Finished) => &step.finished,
            (StepKind::Play(step), Self::Failed) => &step.failed,
            (StepKind::Ask(step), Self::Filled) => &step.filled,
            (StepKind::Ask(step), Self::GiveUp) => &step.give_up,
            (StepKind::Menu(step), Self::Chosen(option)) => {
                step.options.get(option).and_then(|option| option.arm.as_ref()).unwrap_or(&step.chosen)
            }
            (StepKind::Menu(step), Self::GiveUp) => &step.give_up,
            (StepKind::Confirm(step), Self::Yes) => &step.yes,
            (StepKind::Confirm(step), Self::No) => &step.no,
            (StepKind::Confirm(step), Self::GiveUp) => &step.give_up,
            (StepKind::Decide(step), Self::Case(case)) => &step.cases.get(case)?.1,
            (StepKind::Decide(step), Self::Otherwise) => &step.otherwise,
            (StepKind::Run(step), Self::Returned(outcome)) => step.arms.get(usize::from(outcome.0))?,
            (StepKind::Identify(step), Self::One) => &step.one,
            (StepKind::Identify(step), Self::None) => &step.none,
            (StepKind::Identify(step), Self::Many) => &step.many,
            (StepKind::Identify(step), Self::Unavailable) => &step.unavailable,
            (StepKind::Authenticate(step), Self::Reached) => &step.reached,
            (StepKind::Authenticate(step), Self::Insufficient) => &step.insufficient,
            (StepKind::Authenticate(step), Self::NotEnrolled) => &step.not_enrolled,
            (StepKind::Authenticate(step), Self::Locked) => &step.locked,
            (StepKind::Authenticate(step), Self::Unavailable) => &step.unavailable,
            (StepKind::Require(step), Self::Lacking) => step.otherwise.as_ref()?,
            (StepKind::Lookup(step), Self::Ok) => &step.ok,
            (StepKind::Lookup(step), Self::NotFound) => step.not_found.as_ref().unwrap_or(&step.unavailable),
            (StepKind::Lookup(step), Self::Unavailable) => &step.unavailable,
            (StepKind::Queue(step), Self::Joined) => &step.joined,
            (StepKind::Queue(step), Self::Timeout) => &step.timeout,
            (StepKind::Queue(step), Self::Full) => &step.full,
            (StepKind::Transfer(step), Self::Done) => &step.done,
            (StepKind::Transfer(step), Self::Busy) => &step.busy,
            (StepKind::Transfer(step), Self::NoAnswer) => &step.no_answer,
            (StepKind::Transfer(step), Self::Refused) => &step.refused,
            (StepKind::Transfer(step), Self::Failed) => &step.failed,
            _ => return None,
        })
    }
}

/// Whether a step needs a caller who is there.
pub(super) const fn faces_caller(step: &StepKind) -> bool {
    matches!(
        step,
        StepKind::Answer
            | StepKind::Say(_)
            | StepKind::Play(_)
            | StepKind::ChooseLanguage(_)
            | StepKind::Notice(_)
            | StepKind::Ask(_)
            | StepKind::Menu(_)
            | StepKind::Confirm(_)
            | StepKind::Authenticate(_)
            | StepKind::Queue(_)
            | StepKind::Transfer(_)
    )
}

/// Whether a step takes keys that were typed ahead (`true`), forgets them (`false`), or is indifferent.
pub(super) fn takes_keys(step: &StepKind) -> Option<bool> {
    match step {
        StepKind::Ask(ask) => Some(ask.class < Class::Secret),
        StepKind::Menu(_) | StepKind::Confirm(_) | StepKind::ChooseLanguage(_) => Some(true),
        StepKind::Authenticate(_)
        | StepKind::Goto(_)
        | StepKind::Run(_)
        | StepKind::Return(_)
        | StepKind::Queue(_)
        | StepKind::Transfer(_)
        | StepKind::Hangup(_) => Some(false),
        _ => None,
    }
}
