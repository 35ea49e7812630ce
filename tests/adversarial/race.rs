//! Bar 1: 64 uses at once of everything that is right once, over several vaults of one data folder, as `serve` and
//! commands beside it are: what takes turns within one process does not between them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use countersign::auth::factor::hotp::{self, Fob};
use countersign::auth::factor::totp::Parameters;
use countersign::auth::{
    Answer, Enrolment, FactorId, Grant, Policy, Prepared, Question, SubjectKey, SubjectRef, Verdict,
};
use countersign::driver::keys::{DATABASE_FILE, Keys};
use countersign::driver::os;
use countersign::driver::page_address::PageAddress;
use countersign::driver::sender::{Channel, Courier, Letter, LetterId, Refused};
use countersign::driver::store::Store;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::vault::{Approved, Begun, Counts, Finished, NewFob, Vault};
use countersign::secret::Secret;
use countersign::units::{CallId, UnixTime};

use crate::authenticator::{Authenticator, Signed};
use crate::heedless::Heedless;
use crate::rounds;
use crate::vault_world::{
    ACCOUNT, Folder, PIN, add_customer, boundless, grant, later, secret, subject, verify,
};

/// Uses of one secret at once.
const USES: usize = 64;
/// Vaults that they are spread over.
const VAULTS: usize = 4;
const CALL: CallId = CallId(7);
const HOST: &str = "calls.example.com";
const SEED: &[u8] = b"12345678901234567890";

/// Keeps the last letter.
#[derive(Default)]
struct Desk(Mutex<String>);

impl Courier for Desk {
    fn send(&self, _: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        letter.text.expose().clone_into(&mut self.0.lock().expect("whole"));
        Ok(LetterId([1; 16]))
    }

    fn pretend(&self, _: UnixTime, _: Channel, _: SubjectKey) -> Result<LetterId, Refused> {
        Ok(LetterId([2; 16]))
    }
}

impl Desk {
    fn code(&self) -> String {
        self.0.lock().expect("whole").chars().filter(char::is_ascii_digit).collect()
    }

    /// The end of the address of the page.
    fn link(&self) -> String {
        let text = self.0.lock().expect("whole");
        let rest = text.split('#').nth(1).expect("an address");
        rest.split(' ').next().unwrap_or_default().to_owned()
    }
}

struct World {
    /// Dropped before their folder.
    vaults: Vec<Vault>,
    desk: Arc<Desk>,
    app: (Parameters, Secret<Vec<u8>>),
    device: Mutex<Authenticator>,
    who: SubjectRef,
    grant: Arc<Grant>,
    recovery: Mutex<Vec<Secret<String>>>,
    _folder: Folder,
}

/// All factors with something that is right once, and limits that nobody reaches.
fn policy() -> Arc<Policy> {
    let used = [
        FactorId::Pin,
        FactorId::Totp,
        FactorId::Hotp,
        FactorId::Recovery,
        FactorId::OtpSms,
        FactorId::OtpEmail,
        FactorId::OtpCall,
        FactorId::Push,
    ];
    Arc::new(Policy { factors: used.map(FactorId::defaults).into(), ..Policy::clone(&boundless()) })
}

impl World {
    fn new(store: fn(&Path) -> Box<dyn Store>) -> Self {
        let folder = Folder::new();
        let keys = Keys::open(folder.path()).expect("keys");
        let desk = Arc::new(Desk::default());
        let open = |_| {
            let vault = Vault::with_store(folder.path(), &keys, store(folder.path())).expect("opens");
            vault.set_policy(policy());
            vault.set_courier(Arc::clone(&desk) as Arc<dyn Courier>);
            vault.set_page(PageAddress::parse("https://calls.example.com").expect("an address"));
            vault
        };
        let vaults: Vec<Vault> = (0..VAULTS).map(open).collect();
        let app = add_customer(&vaults[0]);
        let device = Mutex::new(passkey(&vaults[0], &desk));
        let who = subject(&vaults[0], ACCOUNT);
        let grant = Arc::new(grant(&vaults[0], policy(), PIN).expect("proved"));
        give_fob(&vaults[0], Counts::AtOnce);
        Self { vaults, desk, app, device, who, grant, recovery: Mutex::default(), _folder: folder }
    }

    fn vault(&self) -> &Vault {
        &self.vaults[0]
    }

    fn sent(&self, now: UnixTime, factor: FactorId) -> Option<String> {
        let question = Question::Prepare { subject: self.who.clone(), factor, call: CALL, again: false };
        match self.vault().answer(now, question) {
            Answer::Prepared(Prepared::Sent { match_number }) => match_number,
            other => panic!("{factor}: {other:?}"),
        }
    }

    /// The digits that the page shows after its approval.
    fn approved(&self, vault: &Vault, now: UnixTime, number: &str, signed: &Signed) -> Option<String> {
        match vault.approve(now, &self.desk.link(), number, &signed.parts()).expect("answers") {
            Approved::Digits(digits) => Some(digits.expose().clone()),
            _ => None,
        }
    }

    /// What the passkey signs for the page of the last link.
    fn signed(&self, now: UnixTime) -> Signed {
        let begun = self.vault().begin_approval(now, &self.desk.link()).expect("answers").expect("begun");
        self.device.lock().expect("whole").sign(&begun.challenge)
    }

    /// As many of the uses at once as were right.
    fn at_once(&self, right: &Use<'_>) -> u32 {
        let (barrier, accepted) = (Barrier::new(USES), AtomicU32::new(0));
        os::together(USES, |number| {
            barrier.wait();
            accepted.fetch_add(u32::from(right(&self.vaults[number % VAULTS])), Ordering::Relaxed);
        });
        accepted.into_inner()
    }

    /// A response to a factor.
    fn response(&self, now: UnixTime, factor: FactorId, response: String) -> Use<'_> {
        let who = &self.who;
        Box::new(move |vault| {
            let (verdict, _) = verify(vault, now, who, factor, &response);
            assert!(matches!(verdict, Verdict::Accept | Verdict::Reject), "{factor}: {verdict:?}");
            verdict == Verdict::Accept
        })
    }

    /// The first code of what was handed out.
    fn first_code(&self, now: UnixTime, factor: FactorId, code: String) -> Use<'_> {
        Box::new(move |vault| {
            let (grant, secret) = (Arc::clone(&self.grant), secret(&code));
            let question = Question::Enrol { grant, factor, secret: secret.into(), replace: true };
            vault.answer(now, question) == Answer::Enrolment(Enrolment::Done)
        })
    }
}

/// One use of a secret in one of the vaults: whether it was right.
type Use<'a> = Box<dyn Fn(&Vault) -> bool + Sync + 'a>;
/// A new secret for a round, and its use.
type Single = for<'a> fn(&'a World, u64, UnixTime) -> Use<'a>;

/// A passkey of the customer, enrolled by a link.
fn passkey(vault: &Vault, desk: &Desk) -> Authenticator {
    let (device, now) = (Authenticator::new(HOST), later(Duration::ZERO));
    let sent = vault.send_link(now, "C1", FactorId::Push, Channel::Sms).expect("sent");
    let link = desk.link();
    let Begun::Passkey(begun) = vault.begin_link(now, &link, &sent.code).expect("answers") else {
        panic!("the code is right");
    };
    let made = device.register(&begun.challenge);
    assert_eq!(vault.finish_passkey(now, &link, &made.parts()).expect("answers"), Finished::Done);
    device
}

fn give_fob(vault: &Vault, counts: Counts) {
    let fob = NewFob { id: "C1".into(), seed: Secret::new(SEED.to_vec()), counter: 0 };
    assert!(vault.enrol_hotp(later(Duration::ZERO), &[fob], counts).is_ok());
}

fn press(counter: u64) -> String {
    Fob::of(&hotp::defaults()).code(&Secret::new(SEED.to_vec()), counter).expose().clone()
}

/// Everything that is right once.
const SINGLE: [(&str, Single); 11] = [
    ("authenticator code", |world, _, now| {
        let (parameters, seed) = &world.app;
        world.response(now, FactorId::Totp, parameters.code(seed, parameters.step_at(now)).expose().clone())
    }),
    ("key fob code", |world, round, now| world.response(now, FactorId::Hotp, press(round))),
    ("recovery code", |world, _, now| {
        let mut codes = world.recovery.lock().expect("whole");
        if codes.is_empty() {
            *codes = world.vault().enrol_recovery(now, "C1").expect("made");
        }
        world.response(now, FactorId::Recovery, codes.pop().expect("some are left").expose().clone())
    }),
    ("code by SMS", |world, _, now| {
        world.sent(now, FactorId::OtpSms);
        world.response(now, FactorId::OtpSms, world.desk.code())
    }),
    ("code by mail", |world, _, now| {
        world.sent(now, FactorId::OtpEmail);
        world.response(now, FactorId::OtpEmail, world.desk.code())
    }),
    ("code by telephone", |world, _, now| {
        world.sent(now, FactorId::OtpCall);
        world.response(now, FactorId::OtpCall, world.desk.code())
    }),
    ("approval on a page", |world, _, now| {
        let number = world.sent(now, FactorId::Push).expect("a number");
        let signed = world.signed(now);
        Box::new(move |vault| world.approved(vault, now, &number, &signed).is_some())
    }),
    ("digits of a page", |world, _, now| {
        let number = world.sent(now, FactorId::Push).expect("a number");
        let digits = world.approved(world.vault(), now, &number, &world.signed(now)).expect("approved");
        world.response(now, FactorId::Push, digits)
    }),
    ("first code of an authenticator", |world, _, now| {
        let (parameters, seed) = world.vault().offer_totp(now, "C1").expect("handed out");
        let code = parameters.code(&seed, parameters.step_at(now)).expose().clone();
        world.first_code(now, FactorId::Totp, code)
    }),
    ("first code of a key fob", |world, _, now| {
        give_fob(world.vault(), Counts::FromFirstCode);
        world.first_code(now, FactorId::Hotp, press(0))
    }),
    ("rotation of a token", |world, _, now| {
        let day = Duration::from_secs(24 * 3600);
        let (token, _) = world.vault().make_token(now, "console", &[], day).expect("made");
        Box::new(move |vault| vault.rotate_token(now, &token.id, day, Duration::ZERO).is_ok())
    }),
];

/// Successes of each round, by how many there were.
fn race(world: &World, single: Single, rounds: Range<u32>) -> BTreeMap<u32, u32> {
    let mut successes = BTreeMap::new();
    for round in rounds {
        // A day apart, so that nobody's failures of a day grow without end.
        let now = later(Duration::from_secs(u64::from(round) * 25 * 3600));
        let right = single(world, u64::from(round), now);
        *successes.entry(world.at_once(&right)).or_default() += 1;
    }
    successes
}

fn sqlite(data: &Path) -> SqliteStore {
    SqliteStore::open(&data.join(DATABASE_FILE)).expect("opens")
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever runs all rounds wants to see how many they were")]
fn bar_1_of_64_uses_at_once_of_one_secret_one_is_right() {
    let rounds = rounds(2, 1_000);
    os::together(SINGLE.len(), |number| {
        let (name, single) = SINGLE[number];
        let world = World::new(|data| Box::new(sqlite(data)));
        let successes = race(&world, single, 0..rounds);
        println!("{name}: {rounds} rounds of {USES} uses, rounds by their successes: {successes:?}");
        assert_eq!(successes, BTreeMap::from([(1, rounds)]), "{name}");
    });
}

#[test]
fn bar_1_control_a_store_that_looks_first_and_writes_then_lets_two_through() {
    for (name, single) in SINGLE {
        let world = World::new(|data| Box::new(Heedless(sqlite(data))));
        let found = (0..20)
            .any(|round| race(&world, single, round..round + 1).keys().any(|successes| *successes > 1));
        assert!(found, "{name}: twenty times nothing was used twice");
    }
    // And what is not used up is right each time.
    let world = World::new(|data| Box::new(sqlite(data)));
    let pin: Single = |world, _, now| world.response(now, FactorId::Pin, PIN.to_owned());
    assert_eq!(race(&world, pin, 0..1), BTreeMap::from([(64, 1)]));
}
