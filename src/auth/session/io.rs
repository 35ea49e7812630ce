//! What an authentication is told and what it orders.

use std::ops::RangeInclusive;

use crate::auth::{Answer, FactorId, LevelName, Question, QuestionId, Said};
use crate::secret::Secret;
use crate::units::AskId;

/// Who chooses among the factors that bring a caller nearer to a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choose {
    /// The first in the order of the offer.
    #[default]
    Policy,
    /// The caller, where there is more than one.
    Caller,
    /// The strongest: no weak one before another, possession before knowledge.
    StrongestFirst,
}

/// What happens to an authentication.
pub enum Input {
    /// A flow wants a level by some of these factors, in this order of preference.
    Begin {
        /// The level.
        level: LevelName,
        /// What may be asked for.
        offer: Vec<FactorId>,
        /// Who chooses among them.
        choose: Choose,
    },
    /// A flow wants this factor proved now. It counts like any other attempt, and an accepted one is a
    /// proof like any other.
    Verify {
        /// The factor.
        factor: FactorId,
    },
    /// The caller chose one of those of [`Output::Choose`].
    Chosen(FactorId),
    /// The caller answered the challenge.
    Response(Secret<String>),
    /// The caller answered a challenge by speaking, or has spoken before.
    Spoken(Vec<Said>),
    /// The caller can't be heard, or would rather not speak: the next best factor takes its place.
    Unable,
    /// The caller did not get what was sent.
    Again,
    /// The caller wants to prove it another way.
    Another,
    /// The vault answered a question.
    Answer(AskId, Answer),
    /// The caller gives no answer: silence, hang-up, another wish. Counts no failure.
    Abandon,
}

/// What an authentication orders.
#[derive(Debug)]
pub enum Output {
    /// Ask the vault, and hand its answer back.
    Ask(AskId, Question),
    /// Have the caller choose one of these, and hand it back.
    Choose(Vec<FactorId>),
    /// Ask the caller.
    Challenge(Challenge),
    /// The last response was not accepted; another challenge follows, or a choice.
    Rejected {
        /// How many more may be wrong in this call.
        tries_left: u32,
        /// What had been sent was too old for any response to be right.
        expired: bool,
    },
    /// What the caller said leaves a doubt; the challenge follows once more, or another factor.
    Unsure,
    /// What the caller wanted sent again was; the challenge follows.
    Resent,
    /// It is not sent again: too soon, or often enough. The one before counts; the challenge follows.
    NotResent,
    /// This factor can't be used now; another way follows.
    SetAside(FactorId),
    /// It is over.
    Done(Outcome),
    /// Nothing more until the next input.
    Idle,
}

/// What to collect from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The factor.
    pub factor: FactorId,
    /// How many digits.
    pub digits: RangeInclusive<u8>,
    /// How many responses may still be wrong in this call.
    pub tries_left: u32,
    /// The number to be spoken, which the caller matches on the page that was sent.
    pub match_number: Option<String>,
    /// Which of the subject's questions.
    pub question: Option<QuestionId>,
    /// Something was sent: [`Input::Again`] has it sent again.
    pub sent: bool,
    /// There is another way: [`Input::Another`] takes it.
    pub another: bool,
}

/// How an authentication ends: the outcomes of a flow's `authenticate` step; those of `verify` say `passed`
/// for reached and `failed` for insufficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The level is held, or the factor was accepted.
    Reached,
    /// Too many wrong responses in this call, or none given.
    Insufficient,
    /// What was sent is too old, and no more may be sent.
    Expired,
    /// No offered and enrolled factors reach the level, or nobody was claimed.
    NotEnrolled,
    /// Too many failures over all calls.
    Locked,
    /// The vault can't answer, or no factor that is left can be used now.
    Unavailable,
}
