//! The questions that leave the core for the vault, and their answers.

use std::fmt;
use std::sync::Arc;

use super::factor::voiceprint::Joined;
use super::velocity::Seen;
use super::{AuditEvent, Claim, FactorId, Grant, Response, Said, SubjectKey, SubjectRef, Verdict};
use crate::secret::Secret;
use crate::units::CallId;

/// What the core asks of the vault.
#[derive(Clone)]
pub enum Question {
    /// Who is it that is claimed?
    Identify {
        /// The claim.
        claim: Claim,
    },
    /// Which factors can the subject use?
    Enrolled {
        /// The claimed subject.
        subject: SubjectRef,
    },
    /// Have what a factor needs before it can be asked for: a code sent, questions chosen.
    Prepare {
        /// The claimed subject.
        subject: SubjectRef,
        /// The factor.
        factor: FactorId,
        /// The call.
        call: CallId,
        /// The caller did not get it, or it is too old.
        again: bool,
    },
    /// Is this response right? A failure is counted and committed before the answer.
    Verify {
        /// The claimed subject.
        subject: SubjectRef,
        /// The factor that was asked for.
        factor: FactorId,
        /// What the caller keyed or said.
        response: Response,
        /// The call, for the audit log.
        call: CallId,
    },
    /// Keep this as a factor of the subject from now on, if the policy's rules let it be one.
    Enrol {
        /// Whose, in which call, and the proof that it is they who order it.
        grant: Arc<Grant>,
        /// The factor.
        factor: FactorId,
        /// What the caller keyed, twice the same; or said, several times.
        secret: Response,
        /// `true`: in the place of what is enrolled. `false`: only when nothing is.
        replace: bool,
    },
    /// Change what is on file of the subject.
    Amend {
        /// Whose, in which call, and the proof that it is they who order it.
        grant: Arc<Grant>,
        /// What.
        amendment: Amendment,
    },
    /// Keep a small value from this call to the next, in the place of what was kept by that name.
    Remember {
        /// Of whom.
        whose: Whose,
        /// Its name: public, of the application.
        name: String,
        /// The value: public.
        value: String,
    },
    /// What was kept by this name?
    Recall {
        /// Of whom.
        whose: Whose,
        /// Its name.
        name: String,
    },
    /// Is this the voice of somebody who has deceived before?
    Suspect {
        /// What the caller said, with their consent.
        said: Vec<Said>,
        /// The call, for the audit log.
        call: CallId,
    },
    /// How often has this number called lately, and for how many accounts has it asked?
    Velocity,
    /// Write this into the audit log.
    Audit(AuditEvent),
}

impl Question {
    /// Whether sounds come with it, which take long to measure.
    #[must_use]
    pub const fn has_sounds(&self) -> bool {
        matches!(
            self,
            Self::Suspect { .. }
                | Self::Verify { response: Response::Spoken(_), .. }
                | Self::Enrol { secret: Response::Spoken(_), .. }
        )
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identify { claim } => write!(f, "Identify({claim:?})"),
            Self::Enrolled { subject } => write!(f, "Enrolled({subject:?})"),
            Self::Prepare { subject, factor, again, .. } => {
                write!(f, "Prepare({subject:?}, {factor}{})", if *again { ", again" } else { "" })
            }
            Self::Verify { subject, factor, .. } => write!(f, "Verify({subject:?}, {factor})"),
            Self::Enrol { grant, factor, replace, .. } => {
                let what = if *replace { "Reset" } else { "Enrol" };
                write!(f, "{what}({:?}, {factor})", grant.subject())
            }
            Self::Amend { grant, amendment } => write!(f, "Amend({:?}, {amendment:?})", grant.subject()),
            Self::Remember { whose, name, .. } => write!(f, "Remember({whose:?}, {name})"),
            Self::Recall { whose, name } => write!(f, "Recall({whose:?}, {name})"),
            Self::Suspect { said, .. } => write!(f, "Suspect({} said)", said.len()),
            Self::Velocity => f.write_str("Velocity"),
            Self::Audit(event) => write!(f, "Audit({event:?})"),
        }
    }
}

/// What a subject has changed of what is on file of them. The values are personal: `Debug` leaves them out.
#[derive(Clone)]
pub enum Amendment {
    /// The telephone number, with its country code.
    Phone(Secret<String>),
    /// The mail address.
    Email(Secret<String>),
    /// They do not want to be asked for this any more.
    Without(FactorId),
}

impl Amendment {
    /// The factors that rest on it: they prove nothing new in the call in which it is changed.
    #[must_use]
    pub const fn factors(&self) -> &'static [FactorId] {
        match self {
            Self::Phone(_) => &[FactorId::OtpSms, FactorId::OtpCall, FactorId::Number],
            Self::Email(_) => &[FactorId::OtpEmail],
            Self::Without(_) => &[],
        }
    }
}

impl fmt::Debug for Amendment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(_) => f.write_str("phone"),
            Self::Email(_) => f.write_str("email"),
            Self::Without(factor) => write!(f, "without {factor}"),
        }
    }
}

/// Of whom something is remembered.
#[derive(Clone)]
pub enum Whose {
    /// Of a subject who has proved who they are.
    Subject(SubjectKey),
    /// Of whoever calls from this number.
    Number(Secret<String>),
}

impl fmt::Debug for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(key) => write!(f, "{key}"),
            Self::Number(_) => f.write_str("a number"),
        }
    }
}

/// What comes back. [`Answer::Unavailable`] may answer every question (a full pool, a worker that
/// died, a deadline that passed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Identify`].
    Identified(Identified),
    /// To [`Question::Enrolled`].
    Enrolled(Result<Vec<FactorId>, Refused>),
    /// To [`Question::Prepare`].
    Prepared(Prepared),
    /// To [`Question::Verify`].
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// The subject is locked now.
        locked: bool,
        /// What had been sent was too old for any response to be right.
        expired: bool,
        /// A recovery code was right: so many are left.
        left: Option<u8>,
    },
    /// To [`Question::Verify`] by a voice, where it was asked whether its words were put together. What the session may
    /// know of it says [`Answer::known`].
    Voice {
        /// The verdict.
        verdict: Verdict,
        /// The subject is locked now.
        locked: bool,
        /// Whether they were.
        joined: Joined,
    },
    /// To [`Question::Enrol`] and [`Question::Amend`].
    Enrolment(Enrolment),
    /// To [`Question::Remember`]: it is kept.
    Remembered,
    /// To [`Question::Recall`]; `None` when nothing is kept, or not any more.
    Recalled(Option<String>),
    /// To [`Question::Verify`]: accepted, by what says that the caller is not free. Whoever gives it to the
    /// session says [`Answer::known`] of it: nothing that the caller hears may differ.
    Forced,
    /// To [`Question::Suspect`].
    Suspected(bool),
    /// To [`Question::Velocity`]; `None` when the caller hides the number.
    Velocity(Option<Seen>),
    /// To [`Question::Audit`]: written and on disk, or not.
    Audited(bool),
    /// Nobody could answer.
    Unavailable,
}

impl Answer {
    /// What the session may know: a proof under duress is a proof, and of a voice the verdict counts.
    #[must_use]
    pub fn known(self) -> Self {
        match self {
            Self::Forced => {
                Self::Verdict { verdict: Verdict::Accept, locked: false, expired: false, left: None }
            }
            Self::Voice { verdict, locked, .. } => {
                Self::Verdict { verdict, locked, expired: false, left: None }
            }
            other => other,
        }
    }
}

/// Who a claim points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// One subject.
    One(SubjectRef),
    /// Nobody; go on with this ghost and fail like a real one.
    None(SubjectRef),
    /// More than one, as with a shared telephone.
    Many,
    /// The store can't say.
    Unavailable,
}

/// What was prepared. The same for somebody who does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// It is on its way, or was a moment ago to this call.
    Sent {
        /// The number that is spoken, to be matched on the page that was sent.
        match_number: Option<String>,
    },
    /// It was sent a moment ago, and is not sent again yet; that one still counts.
    TooSoon,
    /// These are asked.
    Questions(Vec<QuestionId>),
    /// As much as may be was sent, or there is nothing more to ask.
    Exhausted,
    /// The subject is locked.
    Locked,
    /// It can't be done.
    Unavailable,
}

/// The name of a question that only the subject can answer. Public: it says what is asked, never the answer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(Arc<str>);

impl QuestionId {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for QuestionId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of an enrolment, or of a change of what is on file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// It is kept, its audit record too; only it counts from now on.
    Done,
    /// The rules of the policy refuse it: too simple, a date, a number of the subject's own; no number or address at
    /// all; too little would be left to prove who they are.
    Refused,
    /// There is one already, and it was not to be replaced; what is on file is what was ordered.
    Exists,
    /// The subject is locked.
    Locked,
    /// A voice that can't be kept, and why: another utterance may do.
    Poor(Poor),
}

/// Why what was said is not enough to know somebody's voice by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poor {
    /// Too little speech.
    Short,
    /// Too soft.
    Soft,
    /// Overdriven.
    Loud,
    /// The background is too loud.
    Noisy,
    /// Not all of it sounds like one person.
    Others,
    /// Something was said by a recording.
    Copy,
}

/// Why factors are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many failures; the lock stands.
    Locked,
    /// The store can't say.
    Unavailable,
}
