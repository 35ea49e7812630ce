//! Authentication: claims, factors, levels, policy, grants. Knows neither SIP nor audio.
//!
//! A caller makes a [`Claim`] (who they say they are), which proves nothing. [`AuthSession`] then asks for
//! factors until a [`Policy`] level is reached; it is the only maker of a [`Grant`], which a protected step
//! needs. Slow work (look-up, hashing, counting failures) leaves as a [`Question`] and comes back as an
//! [`Answer`] from the vault in `driver`, which uses the pure rules here: [`factor::pin`],
//! [`factor::totp`], [`throttle`].

pub mod ask;
pub mod assurance;
pub mod audit;
pub mod claim;
pub mod factor;
pub mod lockout;
pub mod policy;
pub mod response;
pub mod session;
pub mod source;
pub mod tally;
pub mod throttle;
pub mod token;
pub mod velocity;
pub mod verdict;
pub mod webauthn;

pub use ask::{
    Amendment, Answer, Enrolment, Identified, Poor, Prepared, Question, QuestionId, Refused, Whose,
};
pub use assurance::{AssuranceLevel, LevelName};
pub use audit::{AuditEvent, AuditKind};
pub use claim::{Claim, SubjectKey, SubjectRef};
pub use factor::{FactorId, FactorKind, Meeting};
pub use lockout::{Guesses, Lockout, Mining, OwnerBy, SourceLimit, SubjectLimit};
pub use policy::{Duress, FactorPolicy, LevelPolicy, Policy};
pub use response::{Response, Said, Spoken, Words};
pub use session::{AuthSession, Challenge, Choose, Grant, Input, Outcome, Output};
pub use source::{Attestation, Source};
pub use verdict::Verdict;
