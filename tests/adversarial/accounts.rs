//! A vault with accounts of customers, and beside each one that nobody has: what timing compares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use countersign::auth::factor::totp::Parameters;
use countersign::auth::{
    Answer, Attestation, FactorId, Lockout, Policy, Question, Source, SubjectKey, SubjectRef,
};
use countersign::driver::dialler::Dialler;
use countersign::driver::keys::DATABASE_FILE;
use countersign::driver::os;
use countersign::driver::secrets::Secrets;
use countersign::driver::sender::{
    Channel, Courier, Letter, LetterId, LettersConfig, PerDay, PerHourAndDay, PostOffice, Refused,
    SenderConfig,
};
use countersign::driver::store::Store;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::vault::{Counts, NewFob, Vault};
use countersign::driver::vault_pool::{Asker, VaultPool};
use countersign::secret::Secret;
use countersign::units::{CallId, UnixTime};

use crate::statistic::{Times, trials};
use crate::timing::{PIN, other};
use crate::vault_world::{Folder, boundless, customer, later, secret, subject};

/// Accounts of each class: what one account's row in the database costs is not what its class costs.
const ACCOUNTS: u64 = 8;
const CALL: CallId = CallId(7);
/// Every key fob's.
pub(crate) const SEED: &[u8] = b"12345678901234567890";

/// Whoever takes letters.
struct Nobody;

impl Courier for Nobody {
    fn send(&self, _: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        drop(letter);
        Ok(LetterId([1; 16]))
    }

    fn pretend(&self, _: UnixTime, _: Channel, _: SubjectKey) -> Result<LetterId, Refused> {
        Ok(LetterId([2; 16]))
    }
}

/// A vault with accounts, and accounts that nobody has.
pub(crate) struct World {
    pub(crate) vault: Arc<Vault>,
    policy: Arc<Policy>,
    source: Source,
    pub(crate) known: Vec<(SubjectRef, Parameters, Secret<Vec<u8>>)>,
    pub(crate) unknown: Vec<(SubjectRef, String)>,
    post: Option<Arc<PostOffice>>,
    folder: Folder,
}

pub(crate) fn account(number: u64) -> String {
    format!("5523{number:04}")
}

/// Accounts that nobody has, one for each that somebody has: the one whose row is worked on in their place. What one
/// row costs by its place in the database is the same for both classes then, and no part of what is asked.
fn neighbours(
    folder: &Folder,
    vault: &Vault,
    known: &[(SubjectRef, Parameters, Secret<Vec<u8>>)],
) -> Vec<(SubjectRef, String)> {
    let store = SqliteStore::open(&folder.file(DATABASE_FILE)).expect("opens");
    let mut found: Vec<Option<(SubjectRef, String)>> = vec![None; known.len()];
    for account in (0..1_000_000).map(|number| format!("98{number:06}")) {
        let ghost = subject(vault, &account);
        let next = store.nearest(ghost.key()).expect("reads");
        if let Some(at) = known.iter().position(|(known, ..)| Some(known.key()) == next) {
            found[at].get_or_insert((ghost, account));
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.into_iter().map(|found| found.expect("everybody is next to somebody who is not there")).collect()
}

impl World {
    pub(crate) fn new(limits: Lockout) -> Self {
        let folder = Folder::in_memory();
        let vault = Arc::new(folder.vault());
        let used = [
            FactorId::Pin,
            FactorId::Password,
            FactorId::Totp,
            FactorId::Hotp,
            FactorId::Recovery,
            FactorId::OtpSms,
        ];
        let policy =
            Policy { factors: used.map(FactorId::defaults).into(), lockout: limits, ..Policy::default() };
        let policy = Arc::new(policy);
        vault.set_policy(Arc::clone(&policy));
        vault.set_courier(Arc::new(Nobody));
        let now = later(Duration::ZERO);
        let enrolled = |number| {
            let id = format!("C{number}");
            let mut new = customer(&id, &account(number));
            new.profile.phone = format!("+44163296{number:04}");
            new.pin = Some(secret(PIN));
            assert!(vault.add_subjects(now, &[new]).is_ok());
            vault.enrol_password(now, &id, &secret("Tinker-Lampe 7")).expect("enrolled");
            vault.enrol_recovery(now, &id).expect("enrolled");
            let fob = NewFob { id: id.clone(), seed: Secret::new(SEED.to_vec()), counter: 0 };
            assert!(vault.enrol_hotp(now, &[fob], Counts::AtOnce).is_ok());
            let (parameters, seed) = vault.enrol_totp(now, &id).expect("enrolled");
            (subject(&vault, &account(number)), parameters, seed)
        };
        let known: Vec<_> = (0..ACCOUNTS).map(enrolled).collect();
        let unknown = neighbours(&folder, &vault, &known);
        let source = Source {
            caller: Some(secret("+15551234567")),
            trunk: "carrier".into(),
            attestation: None::<Attestation>,
            doubted: false,
        };
        Self { vault, policy, source, known, unknown, post: None, folder }
    }

    pub(crate) fn boundless() -> Self {
        let mut limits = boundless().lockout;
        (limits.mining.accounts_per_caller, limits.mining.unknown_per_trunk) = (u32::MAX, u32::MAX);
        Self::new(limits)
    }

    /// With a post office in the place of somebody who throws letters away.
    pub(crate) fn with_post() -> Self {
        let mut world = Self::boundless();
        let config: SenderConfig = serde_json::from_value(serde_json::json!({
            "name": "kept", "development": {"print": false}
        }))
        .expect("settings");
        let most = PerHourAndDay { hour: u32::MAX, day: u32::MAX };
        let letters = LettersConfig {
            address: most,
            subject: PerDay { day: u32::MAX },
            engine: most,
            ..LettersConfig::default()
        };
        let secrets = Arc::new(Secrets::new(world.folder.path(), BTreeMap::new()));
        let dialler = Dialler::start().expect("starts");
        let post = PostOffice::open(&world.vault, (&[config], &letters), &secrets, &dialler).expect("opens");
        world.vault.set_courier(Arc::clone(&post) as Arc<dyn Courier>);
        world.post = Some(post);
        world
    }

    pub(crate) fn ask(&self, now: UnixTime, question: Question) -> Answer {
        self.vault.answer_for(now, &self.policy, &self.source, question)
    }

    /// As calls ask.
    pub(crate) fn pool(&self, beat: Duration) -> VaultPool {
        VaultPool::start(&self.vault, 1, 2, beat).expect("threads")
    }

    pub(crate) fn pooled(&self, pool: &VaultPool, question: Question) -> Option<Answer> {
        let (to, told) = sync_channel(1);
        let asker = Asker { policy: Some(Arc::clone(&self.policy)), source: self.source.clone() };
        pool.submit(question, asker, Box::new(move |answer| drop(to.try_send(answer)))).expect("room");
        told.recv().ok()
    }

    pub(crate) fn who(&self, known: bool, number: u64) -> SubjectRef {
        let at = usize::try_from(number).expect("few");
        if known { self.known[at].0.clone() } else { self.unknown[at].0.clone() }
    }

    /// The times of a question's two classes. `ask` is told the class, which account, and when.
    pub(crate) fn times(
        &self,
        count: u32,
        ask: impl Fn(bool, u64, UnixTime) -> (UnixTime, Question),
    ) -> Times {
        let mut random = os::entropy().expect("randomness");
        let prepare = |first, number: u32| {
            // Two hours apart: what a day or an hour has room for is never used up.
            let now = later(Duration::from_secs(u64::from(number) * 7_200));
            ask(first, random.below(ACCOUNTS), now)
        };
        trials(count, prepare, |(now, question)| self.ask(now, question))
    }

    /// Of known accounts (or of unknown ones) with a wrong response to a factor.
    pub(crate) fn wrong(&self, factor: FactorId, count: u32) -> Times {
        self.times(count, |known, number, now| (now, verify(self.who(known, number), factor, &other(factor))))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(post) = &self.post {
            post.close();
        }
        let _ = &self.folder;
    }
}

pub(crate) fn verify(subject: SubjectRef, factor: FactorId, response: &str) -> Question {
    Question::Verify { subject, factor, response: secret(response).into(), call: CALL }
}

pub(crate) fn prepare(subject: SubjectRef) -> Question {
    Question::Prepare { subject, factor: FactorId::OtpSms, call: CALL, again: false }
}
