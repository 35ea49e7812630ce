//! The vault: answers the core's questions about people, against the store.
//!
//! Three rules hold everywhere here. An attempt is committed as a failure before its response is judged,
//! and turned into a success after. A subject that does not exist costs the same work as one that does: a
//! stand-in's enrolment is opened and judged in its place. Nothing is accepted whose audit record is not on
//! the disk.

mod admin;
mod amending;
mod approvals;
mod codes;
mod contact;
mod duress;
mod enrol;
mod erasing;
mod fraudsters;
mod handing_out;
mod hearing;
mod judging;
mod limits;
mod links;
mod looking;
mod memory;
mod offer;
mod pages;
mod passkeys;
mod questions;
mod records;
mod rotation;
mod sending;
mod stand_in;
mod tokens;
mod upkeep;
mod verifying;
mod voices;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ed25519_dalek::SigningKey;
use thiserror::Error;

use super::audit_log::{self, AuditError, AuditLog};
use super::keys::{DATABASE_FILE, Keys, KeysError};
use super::os::Calendar;
use super::page_address::PageAddress;
use super::recordings::Recordings;
use super::seal::{self, Key, Label, SealError, keyed_hash};
use super::sender::Courier;
use super::store::sqlite::SqliteStore;
use super::store::{Change, Identifier, Store, StoreError, SubjectRow};
use super::voices::Voices;
use crate::auth::factor::{JudgeError, foreign, password, pin};
use crate::auth::{
    Answer, AuditEvent, Claim, FactorId, Identified, Policy, Question, Source, SubjectKey, SubjectRef,
};
use crate::secret::Secret;
use crate::units::UnixTime;

use verifying::Asked;

pub use admin::{ImportError, NewSubject, Profile, Shown};
pub use approvals::{Approval, Approved};
pub use contact::{Changed, ContactChange, OrderedBy};
use erasing::{OWN_KEY, Wrapping};
pub use fraudsters::Fraudster;
pub use handing_out::{Counts, NewFob};
pub use limits::AlarmCounts;
pub use links::{Begun, Finished, LinkShown, NewLink};
pub use looking::Looker;
pub use passkeys::{Ceremony, PasskeyShown};
pub use records::{FirstOrder, StoredCall};
use rotation::Peppers;
pub use rotation::{KeyInUse, PEPPER_TIME};
pub use sending::{OnFile, Writing};
use stand_in::StandIn;
pub use tokens::{Holder, Token};
pub(crate) use upkeep::copy_audit;
pub use upkeep::{export_audit, verify_audit, verify_audit_with};
pub use voices::{Consent, Known};

/// The vault of a deployment.
pub struct Vault {
    store: Box<dyn Store>,
    audit: AuditLog,
    policy: RwLock<Arc<Policy>>,
    courier: RwLock<Option<Arc<dyn Courier>>>,
    voices: RwLock<Option<Arc<Voices>>>,
    data: PathBuf,
    deployment: String,
    peppers: RwLock<Arc<Peppers>>,
    lookup: Key,
    ghosts: Key,
    records: Key,
    agents: Key,
    memory: Key,
    orders: Key,
    places: limits::Places,
    /// What codes that are sent are kept under.
    codes: Key,
    /// Where the pages are.
    page: RwLock<Option<PageAddress>>,
    tokens: Key,
    /// Opened in the place of an agent's credentials that are not there.
    no_agent: Vec<u8>,
    wrapping: Wrapping,
    recordings: Recordings,
    token: SigningKey,
    audit_key: SigningKey,
    calendar: Calendar,
    turns: Vec<Mutex<()>>,
    stand_in: StandIn,
}

/// Why the vault does not open, or refuses an admin's order.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The key files.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database or the audit log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An enrolment can't be used.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The database was made with another key.
    #[error(
        "the {name} key {path} is not the one that the database was made with (the file has id {found}, the database \
         wants {wanted})\n  help: put the right key file back from your backup"
    )]
    WrongKey {
        /// Which key.
        name: &'static str,
        /// Its file.
        path: std::path::PathBuf,
        /// The id in the file.
        found: String,
        /// The id that the database names.
        wanted: String,
    },
    /// No such subject.
    #[error("there is no subject `{id}`\n  help: `countersign subject show` lists them")]
    NoSubject {
        /// As asked for.
        id: String,
    },
    /// The caller has not proved enough for it.
    #[error("a new telephone number or mail address needs the policy's highest level")]
    NotProved,
    /// The policy does not use the factor.
    #[error("the policy has no factor `{0}`")]
    NoFactor(FactorId),
    /// The PIN is not a good one.
    #[error(transparent)]
    Pin(#[from] pin::Refusal),
    /// An answer can't be kept.
    #[error(transparent)]
    Answer(#[from] crate::auth::factor::questions::Refusal),
    /// A hash of another system can't be taken over.
    #[error(transparent)]
    Foreign(#[from] foreign::ForeignError),
    /// The password is not a good one.
    #[error(transparent)]
    Password(#[from] password::Refusal),
    /// The audit log's checkpoints.
    #[error(transparent)]
    Checkpoint(crate::driver::audit_log::checkpoint::CheckpointError),
    /// A field of a subject can't be used.
    #[error("{0}")]
    Field(&'static str),
}

/// The one tenant of this version; bound into hashes and sealed values.
pub(crate) const TENANT: &str = "default";
/// What the audit log's key is derived for.
const AUDIT_KEY: &str = "audit log";
/// Verifications of one subject take turns; subjects are spread over so many.
const TURNS: usize = 256;

impl Vault {
    /// Opens the vault of a data folder: checks the keys against the database and the audit log's tail.
    ///
    /// # Errors
    /// [`VaultError`]: what is wrong, where, and what to do.
    pub fn open(data: &Path, keys: &Keys) -> Result<Self, VaultError> {
        let store = SqliteStore::open(&data.join(DATABASE_FILE))?;
        Self::with_store(data, keys, Box::new(store))
    }

    /// Opens keys and vault of a data folder, making both at the first run.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_data(data: &Path) -> Result<Self, VaultError> {
        Self::open(data, &Keys::open(data)?)
    }

    /// As [`Vault::open`], over another store. The audit log stays a file in `data`.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn with_store(data: &Path, keys: &Keys, store: Box<dyn Store>) -> Result<Self, VaultError> {
        let peppers = Arc::new(rotation::checked(store.as_ref(), keys)?);
        let wrapping = Wrapping {
            tenant: erasing::tenant_key(store.as_ref(), &keys.derive("tenant keys"))?,
            shares: keys.shares(),
        };
        let audit = AuditLog::new(data, keys.derive(AUDIT_KEY));
        store.correct_head(&mut |head| audit.reconcile(head))?;
        let policy = Arc::new(Policy::default());
        let stand_in = StandIn::make(&wrapping, peppers.current())?;
        let agents = keys.derive("agents");
        let no_agent = records::no_agent(&agents)?;
        let vault = Self {
            store,
            audit,
            policy: RwLock::new(policy),
            courier: RwLock::default(),
            voices: RwLock::default(),
            data: data.to_owned(),
            deployment: keys.root().id.clone(),
            peppers: RwLock::new(peppers),
            lookup: keys.derive("look-up"),
            ghosts: keys.derive("ghosts"),
            records: keys.derive("call records"),
            agents,
            memory: keys.derive("memory"),
            orders: keys.derive("orders"),
            places: limits::Places::new(keys.derive("places")),
            codes: keys.derive("codes"),
            page: RwLock::new(None),
            tokens: keys.derive("tokens"),
            no_agent,
            wrapping,
            recordings: Recordings::of(data, keys),
            token: keys.token().clone(),
            audit_key: keys.audit().clone(),
            calendar: Calendar::default(),
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            stand_in,
        };
        if let Some(seen) = vault.audit.last_at() {
            vault.calendar.seen(seen);
        }
        vault.bring_up(vault.calendar.now())?;
        Ok(vault)
    }

    /// Uses the limits and factors of an application's policy from now on.
    pub fn set_policy(&self, policy: Arc<Policy>) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// The policy in use.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What time it is for the people it knows.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The recordings of calls.
    #[must_use]
    pub const fn recordings(&self) -> &Recordings {
        &self.recordings
    }

    /// The key that tokens for agents are signed with.
    #[must_use]
    pub const fn token_key(&self) -> &SigningKey {
        &self.token
    }

    /// The key that the audit log's checkpoints are signed with.
    #[must_use]
    pub const fn audit_key(&self) -> &SigningKey {
        &self.audit_key
    }

    /// Answers one question. Takes as long as its work takes: call it from a worker.
    #[must_use]
    pub fn answer(&self, now: UnixTime, question: Question) -> Answer {
        self.answer_by(now, &self.policy(), question)
    }

    /// As [`Vault::answer`], by the policy of the version that the asking call runs, for a call from nowhere.
    #[must_use]
    pub fn answer_by(&self, now: UnixTime, policy: &Policy, question: Question) -> Answer {
        self.answer_for(now, policy, &Source::default(), question)
    }

    /// As [`Vault::answer_by`], for a call from there.
    #[must_use]
    pub fn answer_for(&self, now: UnixTime, policy: &Policy, source: &Source, question: Question) -> Answer {
        match question {
            Question::Identify { claim } => {
                let found = self.identify(&claim);
                self.note_identified(now, policy, source, &found);
                Answer::Identified(found)
            }
            Question::Suspect { said, call } => {
                match logged("suspect", self.answer_suspect(now, &said, call)) {
                    Ok(suspected) => Answer::Suspected(suspected),
                    Err(_) => Answer::Unavailable,
                }
            }
            Question::Velocity => Answer::Velocity(self.seen(now, source)),
            Question::Enrolled { subject } => {
                Answer::Enrolled(self.usable(now, policy, source, subject.key()))
            }
            Question::Prepare { subject, factor: FactorId::Questions, .. } => {
                Answer::Prepared(self.prepare_questions(now, policy, source, subject.key()))
            }
            Question::Prepare { subject, factor, call, again } => {
                let asked = Asked { subject: subject.key(), factor, source, call };
                self.prepare(now, policy, &asked, again)
            }
            Question::Verify { subject, factor, response, call } => {
                let asked = Asked { subject: subject.key(), factor, source, call };
                self.verify(now, policy, &asked, &response)
            }
            Question::Enrol { grant, factor, secret, replace } => {
                self.enrol_in_call(now, policy, &grant, factor, &secret, replace)
            }
            Question::Amend { grant, amendment } => self.amend_in_call(now, policy, &grant, &amendment),
            Question::Remember { whose, name, value } => self.remember(now, &whose, &name, &value),
            Question::Recall { whose, name } => self.recall(now, &whose, &name),
            Question::Audit(event) => {
                let written = self.audited(now, Change::Nothing, &[event]);
                Answer::Audited(logged("audit", written).is_ok())
            }
        }
    }

    fn identify(&self, claim: &Claim) -> Identified {
        let (kind, value) = match claim {
            Claim::Account(account) => (Identifier::Account, account.expose()),
            Claim::CallerNumber(number) => (Identifier::Phone, number.expose()),
            Claim::SubjectId(id) => (Identifier::Id, id),
        };
        let hash = self.lookup_hash(kind, value);
        let Ok(found) = logged("identify", self.store.find(kind, &hash)) else {
            return Identified::Unavailable;
        };
        // A ghost's name is made for everybody, and somebody's profile is opened for a ghost: the same work.
        let ghost = self.ghost(kind, &hash);
        let nobody = SubjectRef::new(ghost, ghost.to_string());
        let key = match found.as_slice() {
            [] => ghost,
            [key] => *key,
            _ => return Identified::Many,
        };
        let Ok((row, real)) = logged("identify", self.row_or_next(key)) else {
            return Identified::Unavailable;
        };
        let Ok(profile) = logged("identify", self.profile_or_next(&row, real)) else {
            return Identified::Unavailable;
        };
        let somebody = SubjectRef::new(row.key, profile.id.as_str());
        if real { Identified::One(somebody) } else { Identified::None(nobody) }
    }

    fn ghost(&self, kind: Identifier, hash: &[u8; 32]) -> SubjectKey {
        let hash = keyed_hash(&self.ghosts, &[kind.name().as_bytes(), hash]);
        let mut key = [0; 16];
        key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        SubjectKey(key)
    }

    /// Work on one subject takes turns.
    fn turn(&self, subject: SubjectKey) -> Option<MutexGuard<'_, ()>> {
        let turn = self.turns.get(usize::from(subject.0[0]) % TURNS);
        turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn own_key(&self, row: &SubjectRow) -> Result<Key, SealError> {
        seal::open_key(&self.wrapping.key(row.key)?, subject_label(&row.key, OWN_KEY), &row.wrapped_key)
    }

    fn seal_enrolment(
        &self,
        subject: SubjectKey,
        factor: FactorId,
        data: &Secret<Vec<u8>>,
    ) -> Result<Vec<u8>, VaultError> {
        let row = self.store.subject(subject)?.ok_or(StoreError::Row)?;
        Ok(seal::seal(&self.own_key(&row)?, enrolment_label(&subject, factor), data.expose())?)
    }

    fn audited(&self, now: UnixTime, change: Change<'_>, events: &[AuditEvent]) -> Result<bool, StoreError> {
        self.store.audited(change, &mut |head, _| self.audit.append(head, now, events))
    }

    /// What `work` changes is recorded as done by this name.
    pub fn acting_as<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        audit_log::acting_as(name, work)
    }

    fn lookup_hash(&self, kind: Identifier, value: &str) -> [u8; 32] {
        let value = Secret::new(admin::normalised(kind, value));
        let parts = [TENANT.as_bytes(), kind.name().as_bytes(), value.expose().as_bytes()];
        keyed_hash(&self.lookup, &parts)
    }
}

pub(crate) const fn subject_label<'a>(key: &'a SubjectKey, kind: &'static str) -> Label<'a> {
    Label { tenant: TENANT, owner: &key.0, kind }
}

const fn enrolment_label(key: &SubjectKey, factor: FactorId) -> Label<'_> {
    Label { tenant: TENANT, owner: &key.0, kind: factor.name() }
}

/// Logs why something failed; errors here carry no personal data.
fn logged<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, E> {
    result.inspect_err(|error| tracing::error!(what, %error, "the vault can't answer"))
}

impl From<AuditError> for VaultError {
    fn from(error: AuditError) -> Self {
        Self::Store(StoreError::Audit(error))
    }
}
