//! What goes into the audit log. Pseudonymous: a subject is its key, a factor its name, never a value.

use serde::{Deserialize, Serialize};

use super::factor::voiceprint::{Finding, Joined};
use super::{FactorId, SubjectKey, Verdict};
use crate::units::CallId;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// In which call, if in one.
    pub call: Option<CallId>,
    /// About whom, if about one.
    pub subject: Option<SubjectKey>,
    /// What happened.
    pub kind: AuditKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AuditKind {
    /// A response was judged.
    Verified {
        /// Which factor.
        factor: FactorId,
        /// How.
        verdict: Verdict,
        /// The subject is locked after it.
        locked: bool,
    },
    /// Voices were compared. Neither scores nor anything of the voice.
    VoiceCompared {
        /// The model, with its hash.
        model: String,
        /// How many wrong speakers the policy accepts, such as `1%`.
        accept: String,
        /// How many utterances were heard.
        utterances: u8,
        /// What was found.
        finding: Finding,
        /// Whether the words sounded as if they were put together from recordings.
        #[serde(default)]
        joined: Joined,
        /// Who says so, where somebody was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joins: Option<String>,
    },
    /// The caller sounds like somebody who has deceived before.
    FraudsterHeard {
        /// The name of the entry on the list.
        entry: String,
    },
    /// Somebody's voice was put on the list of those who have deceived before.
    FraudsterListed {
        /// The name of the entry.
        entry: String,
        /// Why, in the admin's words.
        reason: String,
    },
    /// An entry was taken off that list.
    FraudsterRemoved {
        /// The name of the entry.
        entry: String,
    },
    /// A code, or a link to approve by, was handed over to be sent.
    Sent {
        /// For which factor.
        factor: FactorId,
    },
    /// A request was approved on its page, with the number of the call and a passkey.
    Approved {
        /// Of which factor.
        factor: FactorId,
    },
    /// Somebody with the link did not match the number, or had no passkey.
    ApprovalRefused {
        /// Of which factor.
        factor: FactorId,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// Somebody who was sent a link says that it is not they who call.
    ApprovalDenied {
        /// Of which factor.
        factor: FactorId,
    },
    /// A passkey signed with a counter that went back: there may be a copy of it.
    PasskeyCopied {
        /// Its name.
        passkey: String,
    },
    /// A link to enrol a factor by was sent.
    LinkSent {
        /// Which factor.
        factor: FactorId,
    },
    /// Somebody with such a link did not have the code that belongs to it, or what they made can't be kept.
    LinkRefused {
        /// Which factor.
        factor: FactorId,
        /// Why.
        why: String,
    },
    /// A call was handed to an agent with this proof.
    HandedOff {
        /// The level, `none` when nothing was proved.
        level: String,
        /// To whom.
        agent: String,
    },
    /// A flow's `audit` step.
    Noted {
        /// Its name, from the flow file.
        name: String,
        /// Public facts only.
        facts: Vec<(String, String)>,
    },
    /// A subject was added or changed.
    SubjectStored,
    /// What is on file of a subject was changed.
    ContactChanged {
        /// What, by name; never the value.
        what: Vec<String>,
    },
    /// A subject's key and rows were destroyed.
    SubjectErased,
    /// An admin lifted a subject's lock.
    SubjectUnlocked {
        /// Why, in the admin's words; nothing personal.
        #[serde(default)]
        reason: String,
    },
    /// So many failures came from one place that nothing from there is judged for a while.
    PlaceLocked {
        /// `caller`, `trunk` or `engine`.
        place: String,
        /// The trunk that the last failure came by.
        trunk: String,
    },
    /// One place asked for so many accounts that somebody seems to try which there are.
    Mining {
        /// `caller` or `trunk`.
        place: String,
        /// The trunk.
        trunk: String,
        /// How many.
        accounts: u32,
    },
    /// A factor for duress was used: the caller is not free.
    Duress {
        /// Which.
        factor: FactorId,
    },
    /// A factor was enrolled, replacing an earlier one of its kind.
    Enrolled {
        /// Which factor.
        factor: FactorId,
    },
    /// A factor was handed out; it counts from its first right code on.
    Offered {
        /// Which factor.
        factor: FactorId,
    },
    /// A caller wanted to enrol a factor and was refused: the rules, a lock, or there was one.
    EnrolmentRefused {
        /// Which factor.
        factor: FactorId,
    },
    /// A factor was taken from a subject.
    Removed {
        /// Which factor.
        factor: FactorId,
    },
    /// A token for the API was made or given another end.
    TokenKept {
        /// Its name.
        token: String,
        /// The name of the program that has it.
        holder: String,
        /// What it may do.
        scopes: Vec<String>,
        /// Until when, in milliseconds since 1970.
        until: i64,
    },
    /// A token for the API was revoked.
    TokenRevoked {
        /// Its name.
        token: String,
        /// The name of the program that had it.
        holder: String,
    },
    /// Somebody saw in clear what is masked for others.
    SeenInClear {
        /// What.
        what: String,
        /// Who.
        by: String,
        /// Why, in their words.
        reason: String,
    },
    /// A secret is typed, or the caller proves who they are: nothing of the call may be recorded by anybody.
    RecordingPaused,
    /// The call may be recorded again.
    RecordingResumed,
    /// A backup was put back: what was written after it is lost.
    Restored {
        /// When the backup was made.
        of: String,
    },
    /// What was past its time was removed.
    RetentionApplied {
        /// What, as `countersign.yaml` calls it.
        class: String,
        /// How many of them.
        removed: u64,
        /// All of them were older than this.
        older_than: String,
    },
    /// There is a new master key or pepper.
    KeyRotated {
        /// `master` or `pepper`.
        key: String,
        /// The one in use until now.
        before: String,
        /// The one in use from now on.
        id: String,
    },
    /// A key that nothing needed any more was destroyed.
    KeyRetired {
        /// `master` or `pepper`.
        key: String,
        /// Which.
        id: String,
        /// Enrolments that were past their time and went with it.
        voided: u64,
    },
    /// An agent's password was set.
    AgentPassword {
        /// The agent.
        agent: String,
    },
}
