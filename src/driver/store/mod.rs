//! Where subjects, enrolments, counters, agents and call records are kept. One trait; a store is a file
//! here and a line in the contract tests (`tests/store_contract.rs`).
//!
//! A store sees sealed values and keyed hashes only. Every change that the audit log must tell of goes
//! through [`Store::audited`], which commits the change and the log's new head together.

mod counters;
mod enrolments;
pub mod letters;
pub mod memory;
pub mod pages;
pub mod requests;
pub mod sqlite;
mod subjects;
mod tables;
pub mod tokens;
mod upkeep;

use std::path::PathBuf;

use thiserror::Error;

use self::letters::LetterStore;
use self::pages::Pages;
pub use self::requests::{RequestId, RequestRow};
use self::tokens::{TokenRow, TokenStore};

use super::audit_log::{AuditError, Head};
use crate::auth::tally::{Counted, Tally};
use crate::auth::throttle::{Attempt, Throttle};
use crate::auth::{FactorId, Lockout, SourceLimit, SubjectKey};
use crate::units::UnixTime;

/// What a subject can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// Its identifier in services.
    Id,
    /// Its account number.
    Account,
    /// Its telephone number, which others may share.
    Phone,
}

impl Identifier {
    /// Its name in rows and keyed hashes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Account => "account",
            Self::Phone => "phone",
        }
    }
}

/// One subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// Its pseudonym.
    pub key: SubjectKey,
    /// Its own key, wrapped.
    pub wrapped_key: Vec<u8>,
    /// Its profile, sealed.
    pub profile: Vec<u8>,
    /// Keyed hashes to find it by.
    pub identifiers: Vec<(Identifier, [u8; 32])>,
}

/// One enrolled factor of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRow {
    /// Whose.
    pub subject: SubjectKey,
    /// Which factor.
    pub factor: FactorId,
    /// Its data, sealed.
    pub data: Vec<u8>,
    /// The pepper that it was made with.
    pub key_id: String,
    /// The last accepted time step of a one-time code.
    pub last_step: Option<u64>,
}

/// A call's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// When it was stored.
    pub at: UnixTime,
    /// Without the caller's number.
    pub record: String,
    /// A keyed hash of the caller's number.
    pub caller_hash: Option<[u8; 32]>,
    /// The number, sealed.
    pub caller: Option<Vec<u8>>,
}

/// An order to a service that was not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// To which service.
    pub service: String,
    /// When it was kept.
    pub at: UnixTime,
    /// What is ordered, sealed.
    pub sealed: Vec<u8>,
}

/// A place that failures are counted for: under a keyed hash, by this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The hash.
    pub key: [u8; 32],
    /// The limit.
    pub limit: SourceLimit,
}

/// An attempt that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whether it may be judged, and what it has locked.
    pub counted: Counted,
    /// The subject's counters before it.
    pub before: Throttle,
    /// When.
    pub at: UnixTime,
    /// The places that it was counted for.
    pub places: Vec<Place>,
}

/// Rows past their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Calls' records of before then.
    Calls(UnixTime),
    /// The callers' numbers in records of before then.
    Callers(UnixTime),
    /// What was to be remembered until then at most.
    Memories(UnixTime),
    /// Requests that ended before then.
    Requests(UnixTime),
    /// What was handed out before then.
    Offers(UnixTime),
}

/// Writes the audit record of so many removed rows behind the given head.
pub type AppendCount<'a> = dyn FnMut(&Head, u64) -> Result<Head, AuditError> + 'a;

/// What is kept of an erased subject's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The number as an owner of what is remembered.
    pub owner: [u8; 32],
    /// Only what was to be remembered until then: of before the erasure.
    pub until: UnixTime,
    /// The number as a caller.
    pub caller: [u8; 32],
    /// Only of calls whose record was stored by then.
    pub at: UnixTime,
}

/// A change that is committed together with its audit record.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// Only the record.
    Nothing,
    /// The attempt was right: give the reservation back. Takes no effect when the one-time code's step
    /// is not after the last accepted one.
    Succeed {
        /// Whose attempt.
        subject: SubjectKey,
        /// With which factor.
        factor: FactorId,
        /// The reservation.
        reserved: &'a Reservation,
        /// The data that was judged: takes no effect when other data is kept meanwhile. `None`: whatever is kept.
        of: Option<&'a [u8]>,
        /// The step of the one-time code.
        step: Option<u64>,
        /// New data for the enrolment, made with today's cost.
        renewed: Option<Vec<u8>>,
        /// The pepper that the new data was made with, when it is another.
        key_id: Option<String>,
    },
    /// A code that was sent was right: it never is again, and the reservation is given back. Takes no effect
    /// when it was right before, is too old, or is not the newest of its subject and factor.
    Spend {
        /// Whose attempt.
        subject: SubjectKey,
        /// With which factor.
        factor: FactorId,
        /// The code's request.
        request: RequestId,
        /// Now.
        now: UnixTime,
        /// The reservation.
        reserved: &'a Reservation,
    },
    /// A code that was sent is never right any more.
    Burn {
        /// Whose.
        subject: SubjectKey,
        /// Of which factor.
        factor: FactorId,
        /// The code's request.
        request: RequestId,
        /// Now.
        now: UnixTime,
    },
    /// A request was approved on its page. Takes no effect a second time, or when it is too old.
    Approve {
        /// Which.
        request: RequestId,
        /// Now.
        now: UnixTime,
    },
    /// The attempt was right, and nothing that is kept is used up by it: give the reservation back. Takes no effect
    /// when there is no such subject.
    Admit {
        /// Whose attempt.
        subject: SubjectKey,
        /// With which factor.
        factor: FactorId,
        /// The reservation.
        reserved: &'a Reservation,
    },
    /// The attempt was wrong, but what is kept of the enrolment changes. Takes no effect when there is none.
    Renew {
        /// Whose enrolment.
        subject: SubjectKey,
        /// Of which factor.
        factor: FactorId,
        /// The data that was judged: takes no effect when other data is kept meanwhile.
        of: &'a [u8],
        /// The new data.
        data: Vec<u8>,
    },
    /// New subjects with what they have enrolled, all or none.
    AddSubjects {
        /// The subjects.
        subjects: &'a [SubjectRow],
        /// Their enrolments.
        enrolments: &'a [EnrolmentRow],
    },
    /// What is on file of a subject is another: its profile and what it is found by. Codes that were sent to it
    /// are not good any more. Takes no effect when there is none.
    Update(&'a SubjectRow),
    /// A subject's key and rows go. Takes no effect when there is none.
    Erase(SubjectKey),
    /// A subject's lock is lifted and its failures are forgotten.
    Unlock(SubjectKey),
    /// A factor is enrolled, replacing what was.
    Enrol(&'a EnrolmentRow),
    /// A factor was handed out, in the place of what was before: it counts from its first right code on.
    Offer {
        /// The enrolment, as it will be.
        row: &'a EnrolmentRow,
        /// When it was.
        at: UnixTime,
    },
    /// The first code was wrong, but what is kept of the factor that was handed out changes; its time stays.
    /// Takes no effect when it was taken back, or another was handed out.
    RenewOffer {
        /// To whom it was handed out.
        subject: SubjectKey,
        /// Which factor.
        factor: FactorId,
        /// The data that was judged: takes no effect when other data is kept meanwhile.
        of: &'a [u8],
        /// The new data.
        data: Vec<u8>,
    },
    /// The first right code of a factor that was handed out: it is enrolled, and the attempt is given back.
    /// Takes no effect when it is not the one that was handed out.
    Confirm {
        /// The enrolment as it was handed out, apart from its last step.
        row: &'a EnrolmentRow,
        /// The counters before the reservation.
        before: &'a Throttle,
    },
    /// A factor is not enrolled any more. Takes no effect when it was not.
    Remove {
        /// Whose.
        subject: SubjectKey,
        /// Which factor.
        factor: FactorId,
    },
    /// Tokens for the API, new ones and changed ones.
    KeepTokens(&'a [TokenRow]),
    /// A token gets another end, and another takes its place. Takes no effect when what is kept of the first has
    /// changed meanwhile.
    RotateToken {
        /// The token, as it was read.
        before: &'a TokenRow,
        /// The same with its new end.
        after: &'a TokenRow,
        /// The new one.
        new: &'a TokenRow,
    },
    /// Enrolments of these factors that were made with a pepper that is void go.
    Void {
        /// The pepper.
        key_id: &'a str,
        /// The factors.
        factors: &'a [FactorId],
    },
    /// An agent's sealed credentials.
    SetAgent {
        /// The agent.
        name: &'a str,
        /// The credentials.
        sealed: &'a [u8],
    },
}

/// Writes the audit record behind the given head. Told whether the change took effect.
pub type Append<'a> = dyn FnMut(&Head, bool) -> Result<Head, AuditError> + 'a;

/// Why a store did not do it. Nothing was changed then.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file is not a database, or a damaged one.
    #[error(
        "the database {path} can't be read: {cause}\n  help: it is damaged or not a Countersign database; put it back from \
         your backup, or move it away to start with an empty one"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: String,
    },
    /// Made by a later version.
    #[error(
        "the database {path} was made by a newer Countersign (schema {found}; this one knows {known})\n  help: use the newer \
         version"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// An identifier or account belongs to another subject.
    #[error("this {} belongs to another subject already", .0.name())]
    Taken(Identifier),
    /// The audit log did not take the record.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Somebody reads the database for so long that old copies of pages stay in its log.
    #[error(
        "another process reads the database: traces of what was removed stay in its log until it ends\n  help: end it and run \
         this again"
    )]
    Busy,
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Failed(#[from] rusqlite::Error),
    /// A row is not what was written.
    #[error("the database has a row that can't be read")]
    Row,
}

/// The trait. Every method is one transaction.
pub trait Store: LetterStore + TokenStore + Pages + Send + Sync {
    /// A small value by name.
    ///
    /// # Errors
    /// [`StoreError`], as for all methods.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps a small value unless there is one; returns what is kept.
    fn keep_meta(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// A subject by its pseudonym.
    fn subject(&self, key: SubjectKey) -> Result<Option<SubjectRow>, StoreError>;
    /// Subjects with this identifier, two at most: more make no difference.
    fn find(&self, kind: Identifier, hash: &[u8; 32]) -> Result<Vec<SubjectKey>, StoreError>;
    /// All subjects, in the order of their pseudonyms.
    fn subjects(&self) -> Result<Vec<SubjectKey>, StoreError>;
    /// The first subject from this pseudonym on, around the end; `None` when there is no subject.
    fn nearest(&self, key: SubjectKey) -> Result<Option<SubjectKey>, StoreError>;

    /// What a subject has enrolled.
    fn enrolled(&self, subject: SubjectKey) -> Result<Vec<FactorId>, StoreError>;
    /// One enrolment.
    fn enrolment(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError>;

    /// What was handed out and has not been proved to have arrived.
    fn offered(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError>;

    /// A subject's counters.
    fn throttle(&self, subject: SubjectKey) -> Result<Throttle, StoreError>;
    /// The failures of a place.
    fn tally(&self, place: &Place) -> Result<Tally, StoreError>;
    /// Counts an attempt as a failure of its subject and of these places, and commits that.
    fn reserve(
        &self,
        subject: SubjectKey,
        now: UnixTime,
        attempt: Attempt,
        limits: &Lockout,
        places: &[Place],
    ) -> Result<Reservation, StoreError>;

    /// The newest code that was sent to a subject for a factor.
    fn request(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<RequestRow>, StoreError>;
    /// The request whose page has this address, as a keyed hash.
    fn linked(&self, link: &[u8; 32]) -> Result<Option<RequestRow>, StoreError>;
    /// Keeps a code that was sent in the place of the one before; what nobody asks about any more goes.
    fn keep_request(&self, row: &RequestRow, now: UnixTime) -> Result<(), StoreError>;

    /// Makes a change and writes its audit record; both or neither. Returns whether the change took effect.
    fn audited(&self, change: Change<'_>, append: &mut Append<'_>) -> Result<bool, StoreError>;
    /// The audit log's head.
    fn audit_head(&self) -> Result<Head, StoreError>;
    /// Lets `work` correct the head while no other writer can append.
    fn correct_head(
        &self,
        work: &mut dyn FnMut(Head) -> Result<Head, AuditError>,
    ) -> Result<Head, StoreError>;

    /// Keeps a value of an owner by name until then, in the place of what was kept; what is past its time goes.
    fn remember(
        &self,
        owner: &[u8; 32],
        name: &[u8; 32],
        sealed: &[u8],
        now: UnixTime,
        until: UnixTime,
    ) -> Result<(), StoreError>;
    /// A kept value, unless its time is past.
    fn recall(&self, owner: &[u8; 32], name: &[u8; 32], now: UnixTime)
    -> Result<Option<Vec<u8>>, StoreError>;
    /// Removes everything that is kept of an owner.
    fn forget(&self, owner: &[u8; 32]) -> Result<(), StoreError>;

    /// Keeps an order behind those of its service; not when `most` of them are kept already.
    fn keep_order(&self, order: &OrderRow, most: u32) -> Result<bool, StoreError>;
    /// The order of each service that was kept first, with its number, by the names of the services.
    fn first_orders(&self) -> Result<Vec<(i64, OrderRow)>, StoreError>;
    /// An order is done with.
    fn drop_order(&self, number: i64) -> Result<(), StoreError>;

    /// An agent's sealed credentials.
    fn agent(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps calls' records: all, or none.
    fn add_calls(&self, calls: &[CallRow]) -> Result<(), StoreError>;
    /// The last `limit` calls, newest first.
    fn calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError>;
    /// Calls whose name (`call` in the record) begins so, two at most: more make no difference.
    fn calls_named(&self, beginning: &str) -> Result<Vec<CallRow>, StoreError>;
    /// Puts a small value in the place of what was kept under that name.
    fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError>;
    /// Puts subjects' keys, wrapped anew, in the place of those that are kept; all or none.
    fn rewrap(&self, keys: &[(SubjectKey, Vec<u8>)]) -> Result<(), StoreError>;
    /// How many enrolments of each factor were made with this pepper.
    fn key_uses(&self, key_id: &str) -> Result<Vec<(FactorId, u64)>, StoreError>;
    /// Removes what is kept of these numbers' owners: what was remembered, and the numbers in calls' records.
    fn forget_traces(&self, traces: &[Trace]) -> Result<(), StoreError>;

    /// How many rows are past their time.
    fn due(&self, old: Old) -> Result<u64, StoreError>;
    /// Removes rows past their time, `most` at once, with an audit record when there were any; says how many.
    fn sweep(&self, old: Old, most: u32, append: &mut AppendCount<'_>) -> Result<u64, StoreError>;

    /// Leaves no trace of deleted rows in the files.
    fn scrub(&self) -> Result<(), StoreError>;
}
