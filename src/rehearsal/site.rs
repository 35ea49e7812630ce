//! One deployment of a rehearsal: a data folder of its own, people enrolled, services that answer from the
//! fixture, an agent.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::agent::Agent;
use super::call::{LiveCall, Played};
use super::post::{Post, is_open};
use crate::auth::factor::totp::Parameters;
use crate::auth::{Answer, Claim, FactorId, Identified, Question, QuestionId, SubjectRef};
use crate::driver::application::ApplicationSource;
use crate::driver::config::Config;
use crate::driver::messages::Messages;
use crate::driver::os;
use crate::driver::sender::{Channel, Courier};
use crate::driver::serve::{self, Deployment, ServeSettings};
use crate::driver::services::{ServiceSource, ServicesFrom};
use crate::driver::vault::{Counts, NewFob, NewSubject, Profile, VaultError};
use crate::flow::document::Application;
use crate::flow::run::{Attestation, Lookup, LookupReply};
use crate::phone::PhoneConfig;
use crate::scenario::document::{CallScript, Expect, Fixture, Person, Seer, Test, TestFile};
use crate::scenario::{Leaks, Problem, Services};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// A deployment to be called.
pub(super) struct Site {
    deployment: Option<Deployment>,
    settings: ServeSettings,
    folder: Scratch,
    pub(super) people: Vec<Enrolled>,
    pub(super) services: Arc<Answering>,
    pub(super) agent: Agent,
    pub(super) post: Arc<Post>,
    /// Whether a caller who is asked for a message leaves one.
    pub(super) speaks: bool,
    leaks: RefCell<Leaks>,
    /// One-time codes that were pressed: each counts once.
    pub(super) used: RefCell<Vec<String>>,
    rtp: std::ops::RangeInclusive<u16>,
}

/// Somebody who is on file, with what proves it.
pub(super) struct Enrolled {
    pub(super) person: Person,
    /// Who that is to the vault.
    pub(super) subject: SubjectRef,
    pub(super) generator: Option<(Parameters, Secret<Vec<u8>>)>,
    /// A key fob, and the counter of its next code.
    pub(super) fob: Option<(Secret<Vec<u8>>, Cell<u64>)>,
    /// Recovery codes that are left.
    pub(super) codes: RefCell<Vec<Secret<String>>>,
}

/// The fixture's services, as a deployment asks them.
pub(super) struct Answering(Mutex<Services>);

impl Answering {
    pub(super) fn with<T>(&self, does: impl FnOnce(&mut Services) -> T) -> T {
        does(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServiceSource for Answering {
    fn answer(&self, application: &Application, lookup: &Lookup, deadline: Instant) -> LookupReply {
        let (delay, reply) = self.with(|services| services.answer(application, lookup));
        let now = os::now();
        os::pause(delay.min(deadline.saturating_duration_since(now)));
        if now + delay > deadline { LookupReply::Unavailable } else { reply }
    }
}

/// A folder that is gone when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Media ports: each worker its own stretch, one half for the deployment, the other for phones.
const PORTS: u16 = 41_000;
const PORTS_EACH: u16 = 120;
/// People whose fixture gives them no account or number get one that nobody else has.
const SPARE_ACCOUNT: u32 = 90_000_000;

/// A jump of the calendar that may open or close something.
const ANOTHER_HOUR: Duration = Duration::from_secs(10 * 60);

/// What a subject has by an address alone; a fixture says who has it.
const BY_ADDRESS: [FactorId; 4] = [FactorId::OtpSms, FactorId::OtpEmail, FactorId::OtpCall, FactorId::Number];

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Site {
    pub(super) fn open(
        folder: &Path,
        app: &Application,
        file: &TestFile,
        fixture: &Fixture,
        worker: usize,
    ) -> Result<Self, String> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let data =
            std::env::temp_dir().join(format!("countersign-rehearsal-{}-{number}", std::process::id()));
        let scratch = Scratch(data.clone());
        let first = PORTS + PORTS_EACH * u16::try_from(worker).unwrap_or(0);
        let (half, last) = (first + PORTS_EACH / 2, first + PORTS_EACH - 1);
        let phones = half..=last;
        let config = PhoneConfig { wants_trace: false, ..PhoneConfig::loopback("agent", phones.clone()) };
        let agent = Agent::new(config)?;
        settings_file(&data, app, fixture, &agent.uri)?;
        let services = Arc::new(Answering(Mutex::new(Services::new(fixture))));
        let settings = ServeSettings {
            more_agents: vec![("agent".to_owned(), agent.uri.clone())],
            services: ServicesFrom::StandIn(Arc::clone(&services) as Arc<dyn ServiceSource>),
            ..ServeSettings::on_loopback(ApplicationSource::Folder(folder.to_owned()), data, first..=half - 1)
        };
        let deployment = serve::start_at(&settings, Some(file.clock)).map_err(|why| why.to_string())?;
        let post = Arc::new(Post::new(fixture, deployment.vault.courier()));
        deployment.vault.set_courier(Arc::clone(&post) as Arc<dyn Courier>);
        let people = enrol(&deployment, &fixture.people)?;
        let message = fixture.facts.get("message").map_or("saved", String::as_str);
        if message == "failed" {
            no_messages(&settings.data).map_err(|why| why.to_string())?;
        }
        Ok(Self {
            deployment: Some(deployment),
            settings,
            folder: scratch,
            people,
            services,
            agent,
            post,
            leaks: RefCell::new(Leaks::new(&file.never_leaks)),
            speaks: message != "empty",
            used: RefCell::default(),
            rtp: phones,
        })
    }

    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// The calendar between two calls. Opening hours belong to a deployment's start, so one that is to see
    /// another hour begins anew, over the same data.
    pub(super) fn advance(&mut self, by: Duration) -> Result<(), String> {
        let Some(deployment) = self.deployment.take() else { return Ok(()) };
        if by < ANOTHER_HOUR {
            deployment.vault.calendar().advance(by);
            self.deployment = Some(deployment);
            return Ok(());
        }
        let then = deployment.vault.calendar().now().plus(by);
        deployment.stop();
        let again = serve::start_at(&self.settings, Some(then)).map_err(|why| why.to_string())?;
        self.post = Arc::new(self.post.before(again.vault.courier()));
        again.vault.set_courier(Arc::clone(&self.post) as Arc<dyn Courier>);
        self.deployment = Some(again);
        Ok(())
    }

    /// Makes a call.
    pub(super) fn play(&self, call: &CallScript, after: &[Expect]) -> Result<Played, String> {
        let user = call.from.as_deref().unwrap_or("anonymous");
        let config = PhoneConfig::loopback(user, self.rtp.clone());
        let config = call.attestation.map(Attestation::name).into_iter().fold(config, PhoneConfig::vouched);
        LiveCall::make(self, config, call)?.play(call, after)
    }

    /// Looks through a record or a trace.
    pub(super) fn look(&self, place: &str, text: &str) {
        self.leaks.borrow_mut().look(Seer::Records, place, text);
    }

    /// What was seen that must not be.
    pub(super) fn leaked(&self, file: &TestFile, test: &Test) -> Vec<Problem> {
        let leaks = self.leaks.borrow();
        let found = leaks.found().iter();
        let found = found.filter_map(|(at, place)| Some((*at, file.never_leaks.get(*at)?, place)));
        found
            .map(|(at, leak, place)| super::problem(leak.place.clone(), &leak.seen(at, &test.name, place)))
            .collect()
    }

    pub(super) fn close(mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop();
        }
        let _ = &self.folder;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop();
        }
    }
}

/// No message can be kept: where their folder was there is a file.
fn no_messages(data: &Path) -> std::io::Result<()> {
    let folder = data.join(Messages::FOLDER);
    fs::remove_dir_all(&folder)?;
    fs::write(folder, "")
}

/// Calls come from this machine and are traced; queues are those of the application; targets are the agent; letters
/// are kept here.
fn settings_file(data: &Path, app: &Application, fixture: &Fixture, agent: &str) -> Result<(), String> {
    let places = if fixture.facts.get("queue").is_some_and(|state| state == "full") { 0 } else { 100 };
    let queues = app.queues().into_iter();
    let queues: serde_json::Map<String, serde_json::Value> =
        queues.map(|name| (name, serde_json::json!({"places": places}))).collect();
    let targets = app.transfer_targets().into_iter().filter(|name| !name.starts_with("sip:"));
    let transfers: serde_json::Map<String, serde_json::Value> =
        targets.map(|name| (name, agent.into())).collect();
    let sends = fixture.facts.get("notify").is_none_or(|state| state != "failed");
    let senders: Vec<serde_json::Value> = sends
        .then(|| Channel::ALL.into_iter().filter(|channel| is_open(fixture, *channel)))
        .map(|open| open.map(Channel::name).collect::<Vec<_>>())
        .filter(|open| !open.is_empty())
        .map(|open| {
            serde_json::json!({"name": "rehearsal", "development": {"print": false, "channels": open}})
        })
        .into_iter()
        .collect();
    let settings = serde_json::json!({
        "trunks": [{"name": "rehearsal", "addresses": ["127.0.0.1"], "trace": true, "verstat": true}],
        "queues": queues,
        "agents": [],
        "transfers": transfers,
        "senders": senders,
        "letters": {"address": {"hour": 10_000, "day": 10_000}, "subject": {"day": 10_000}},
    });
    // JSON is YAML.
    let write = || {
        fs::create_dir_all(data)?;
        fs::write(data.join(Config::FILE), settings.to_string())
    };
    write().map_err(|why| format!("{}: {why}", data.display()))
}

fn enrol(deployment: &Deployment, people: &[Person]) -> Result<Vec<Enrolled>, String> {
    let now = deployment.vault.calendar().now();
    let mut subjects = Vec::new();
    for (at, person) in (0_u32..).zip(people) {
        let spare = SPARE_ACCOUNT + at;
        let proof = |factor: FactorId| {
            let own = person.factors.iter().find(|(own, _)| *own == factor);
            own.map(|(_, proof)| proof.expose().clone())
        };
        let pin = person.factors.iter().find(|(factor, _)| *factor == FactorId::Pin);
        subjects.push(NewSubject {
            profile: Profile {
                id: person.id.clone(),
                account: person.account.clone().unwrap_or_else(|| spare.to_string()),
                phone: person
                    .phones
                    .first()
                    .cloned()
                    .or(proof(FactorId::OtpSms))
                    .unwrap_or_else(|| format!("+449{spare}")),
                name: String::new(),
                language: person.language.clone().unwrap_or_default(),
                email: proof(FactorId::OtpEmail).unwrap_or_default(),
                declined: BY_ADDRESS.into_iter().filter(|factor| proof(*factor).is_none()).collect(),
            },
            pin: pin.map(|(_, pin)| pin.clone()),
            pin_hash: None,
        });
    }
    deployment.vault.add_subjects(now, &subjects).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("the vault refuses somebody of the fixture: {}", errors.join("; "))
    })?;
    let mut out = Vec::new();
    for person in people {
        let refused = |why: VaultError| why.to_string();
        let subject = subject(deployment, &person.id).ok_or("somebody of the fixture is not on file")?;
        let mut one = Enrolled {
            person: person.clone(),
            subject: subject.clone(),
            generator: None,
            fob: None,
            codes: RefCell::default(),
        };
        for (factor, proof) in &person.factors {
            match factor {
                FactorId::Password => {
                    deployment.vault.enrol_password(now, &person.id, proof).map_err(refused)?;
                }
                FactorId::Totp => {
                    one.generator = Some(deployment.vault.enrol_totp(now, &person.id).map_err(refused)?);
                }
                FactorId::Hotp => {
                    one.fob = Some((fob(deployment, now, person, proof, Counts::AtOnce)?, Cell::new(0)))
                }
                FactorId::Questions => {
                    let answers = kept_answers(deployment, proof);
                    deployment.vault.enrol_questions(now, &person.id, &answers).map_err(refused)?;
                }
                FactorId::Recovery => {
                    let codes = deployment.vault.enrol_recovery(now, &person.id).map_err(refused)?;
                    let left = proof.expose().split_whitespace().count();
                    one.codes = RefCell::new(used_up(deployment, now, &subject, codes, left));
                }
                // A PIN came with the subject; the others need nothing that is theirs.
                _ => {}
            }
        }
        for (factor, written) in &person.offered {
            match factor {
                FactorId::Totp => {
                    one.generator = Some(deployment.vault.offer_totp(now, &person.id).map_err(refused)?);
                }
                _ => {
                    let seed = fob(deployment, now, person, written, Counts::FromFirstCode)?;
                    one.fob = Some((seed, Cell::new(0)));
                }
            }
        }
        out.push(one);
    }
    Ok(out)
}

/// The answers that are kept; what a service tells is known to the caller only.
fn kept_answers(deployment: &Deployment, written: &Secret<String>) -> Vec<(QuestionId, Secret<String>)> {
    let policy = deployment.vault.policy();
    let list = policy.factor(FactorId::Questions).map(|used| used.questions.list.clone()).unwrap_or_default();
    let parts = written.expose().split(';').filter_map(|part| part.split_once('='));
    let answers =
        parts.map(|(id, answer)| (QuestionId::from(id.trim()), Secret::new(answer.trim().to_owned())));
    answers.filter(|(id, _)| list.iter().any(|(kept, _)| kept == id)).collect()
}

/// Who somebody is to the vault.
fn subject(deployment: &Deployment, id: &str) -> Option<SubjectRef> {
    let claim = Claim::SubjectId(id.to_owned());
    let now = deployment.vault.calendar().now();
    match deployment.vault.answer(now, Question::Identify { claim }) {
        Answer::Identified(Identified::One(subject)) => Some(subject),
        _ => None,
    }
}

/// Uses a list of recovery codes until as many are left as the fixture writes.
fn used_up(
    deployment: &Deployment,
    now: UnixTime,
    subject: &SubjectRef,
    mut codes: Vec<Secret<String>>,
    left: usize,
) -> Vec<Secret<String>> {
    while codes.len() > left {
        let Some(response) = codes.pop() else { break };
        let (subject, factor, call) = (subject.clone(), FactorId::Recovery, CallId(0));
        let _ = deployment
            .vault
            .answer(now, Question::Verify { subject, factor, response: response.into(), call });
    }
    codes
}

/// Gives somebody a fob with a seed made of what the fixture writes.
fn fob(
    deployment: &Deployment,
    now: UnixTime,
    person: &Person,
    written: &Secret<String>,
    counts: Counts,
) -> Result<Secret<Vec<u8>>, String> {
    let seed = Secret::new(Sha256::digest(written.expose().as_bytes()).to_vec());
    let new = NewFob { id: person.id.clone(), seed: seed.clone(), counter: 0 };
    deployment.vault.enrol_hotp(now, &[new], counts).map_err(|errors| format!("no fob: {errors:?}"))?;
    Ok(seed)
}
