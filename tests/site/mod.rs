//! A whole site on loopback: a deployment in this process or the real program as a child, customers in its
//! vault, and telephones that are pumped by the test itself.
//!
//! Nothing here sleeps: a test waits for what a telephone is told, for at most a stated time.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

mod served;

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::audio::Clip;
use countersign::auth::factor::totp::Parameters;
use countersign::driver::application::ApplicationSource;
use countersign::driver::os;
use countersign::driver::recognition::EarsFrom;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::vault::{NewSubject, Profile, Vault};
use countersign::phone::{Phone, PhoneConfig, PhoneEvent};
use countersign::secret::Secret;
use countersign::sip::{EndCause, Headers, SessionId, StatusCode};
use countersign::units::{Digit, UnixTime};
use serde_json::Value;
pub(crate) use served::Served;

/// What nobody but the caller may learn.
pub(crate) const ACCOUNT: &str = "44110021";
pub(crate) const PIN: &str = "80421537";
/// An account that nobody has; its last digit is a right check digit.
pub(crate) const UNKNOWN_ACCOUNT: &str = "55230189";
/// The number on file; test callers call from others, so that they have to say who they are.
pub(crate) const PHONE_ON_FILE: &str = "+441632960101";
/// The longest wait for anything that should come at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// The longest wait for what comes after prompts.
pub(crate) const IN_TIME: Duration = Duration::from_secs(40);

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("countersign-site-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Media ports of one holder: each gets its own part of the tests' range, by turns.
pub(crate) fn rtp_ports() -> RangeInclusive<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 43_000;
    const PART: u32 = 100;
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) % 30;
    let first = u16::try_from(FIRST + turn * PART).expect("a port");
    first..=first + 99
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// An authenticator app.
pub(crate) struct Authenticator {
    parameters: Parameters,
    seed: Secret<Vec<u8>>,
}

impl Authenticator {
    pub(crate) fn code_at(&self, at: UnixTime) -> String {
        self.parameters.code(&self.seed, self.parameters.step_at(at)).expose().clone()
    }

    pub(crate) fn code(&self) -> String {
        self.code_at(os::unix_now())
    }

    pub(crate) fn step(&self) -> u64 {
        self.parameters.step_at(os::unix_now())
    }
}

/// Adds C1001 with [`ACCOUNT`], [`PIN`] and an authenticator app.
pub(crate) fn add_customer(vault: &Vault) -> Authenticator {
    let text = |text: &str| text.to_owned();
    let profile = Profile {
        id: text("C1001"),
        account: text(ACCOUNT),
        phone: text(PHONE_ON_FILE),
        name: text("Amelia Archer"),
        language: text("en-GB"),
        email: String::new(),
        declined: Vec::new(),
    };
    let now = os::unix_now();
    let added = vault.add_subjects(now, &[NewSubject { profile, pin: Some(secret(PIN)), pin_hash: None }]);
    assert!(added.is_ok(), "the customer is added");
    let (parameters, seed) = vault.enrol_totp(now, "C1001").expect("an authenticator app");
    Authenticator { parameters, seed }
}

/// A tone that glides from one pitch to another: like no other part of itself, and like no key.
pub(crate) fn glide(seconds: u32) -> Vec<i16> {
    let sample = |n: u32| {
        let t = f64::from(n) / 8000.0;
        #[expect(clippy::cast_possible_truncation, reason = "within 8000")]
        let sample = ((std::f64::consts::TAU * (300.0 + 300.0 * t) * t).sin() * 8000.0) as i16;
        sample
    };
    (0..seconds * 8000).map(sample).collect()
}

/// A deployment in this process.
pub(crate) struct Site {
    pub(crate) folder: Folder,
    pub(crate) deployment: Deployment,
}

impl Site {
    /// Serves the bank of the source tree.
    pub(crate) fn start(name: &str, agents: &[&Handset]) -> Self {
        Self::of(name, &root().join("flows/bank"), 1, agents)
    }

    /// Serves any application.
    pub(crate) fn of(name: &str, application: &Path, shards: usize, agents: &[&Handset]) -> Self {
        Self::in_folder(Folder::new(name), application, shards, agents)
    }

    /// Serves it with the settings that lie in a folder.
    pub(crate) fn in_folder(folder: Folder, application: &Path, shards: usize, agents: &[&Handset]) -> Self {
        let more_agents = agents.iter().zip(0..);
        let more_agents =
            more_agents.map(|(agent, n)| (format!("agent{n}"), format!("sip:agent@{}", agent.phone.address)));
        let more_agents = more_agents.collect();
        Self::serving(folder, application, |settings| ServeSettings { shards, more_agents, ..settings })
    }

    /// Serves an application whose callers somebody hears.
    pub(crate) fn heard_by(name: &str, application: &Path, ears: EarsFrom) -> Self {
        Self::serving(Folder::new(name), application, |settings| ServeSettings { ears, ..settings })
    }

    fn serving(
        folder: Folder,
        application: &Path,
        with: impl FnOnce(ServeSettings) -> ServeSettings,
    ) -> Self {
        let application = ApplicationSource::Folder(application.to_owned());
        let settings = ServeSettings::on_loopback(application, folder.path().to_owned(), rtp_ports());
        let deployment = serve::start(&with(settings)).unwrap_or_else(|error| panic!("{error}"));
        Self { folder, deployment }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:bank@{}", self.deployment.sip)
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.deployment.vault
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The real program.
pub(crate) fn countersign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).stdin(Stdio::null()).env_remove("COUNTERSIGN_LOG");
    command
}

/// Runs the real program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    countersign(arguments).output().expect("the program runs")
}

/// A telephone with what happened at it.
pub(crate) struct Handset {
    pub(crate) phone: Phone,
    pub(crate) session: Option<SessionId>,
    /// Whether it takes calls by itself.
    pub(crate) takes_calls: bool,
    /// What it says to calls that it refuses.
    pub(crate) refuses: Option<StatusCode>,
    pub(crate) answered: bool,
    pub(crate) heard: Vec<i16>,
    pub(crate) keys: Vec<Digit>,
    pub(crate) traces: Vec<Value>,
    pub(crate) headers: Option<Headers>,
    pub(crate) failed: Option<StatusCode>,
    pub(crate) ended: Option<EndCause>,
    pub(crate) plays_finished: usize,
    /// How many of the prompts were dealt with.
    prompts_read: usize,
}

impl Handset {
    pub(crate) fn new(user: &str) -> Self {
        let phone = Phone::new(PhoneConfig::loopback(user, rtp_ports())).expect("a telephone");
        Self {
            phone,
            session: None,
            takes_calls: false,
            refuses: None,
            answered: false,
            heard: Vec::new(),
            keys: Vec::new(),
            traces: Vec::new(),
            headers: None,
            failed: None,
            ended: None,
            plays_finished: 0,
            prompts_read: 0,
        }
    }

    /// One that takes every call.
    pub(crate) fn agent() -> Self {
        Self { takes_calls: true, ..Self::new("agent") }
    }

    pub(crate) fn dial(&mut self, uri: &str) {
        self.session = Some(self.phone.dial(uri).expect("dialled"));
        self.answered = false;
        self.failed = None;
        self.ended = None;
        self.traces.clear();
        self.heard.clear();
        self.prompts_read = 0;
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session.expect("a call")
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let digits: Vec<Digit> = keys.chars().filter_map(Digit::from_char).collect();
        assert_eq!(digits.len(), keys.len(), "keys only");
        self.phone.press(self.session(), &digits);
    }

    pub(crate) fn say(&mut self, clip: &Arc<Clip>) {
        let session = self.session();
        self.phone.play(session, vec![Arc::clone(clip)], false);
    }

    pub(crate) fn hang_up(&mut self) {
        let session = self.session();
        self.phone.hang_up(session);
    }

    /// The values of `field` in all trace events called `event`.
    pub(crate) fn traced(&self, event: &str, field: &str) -> Vec<String> {
        let of_kind = self.traces.iter().filter(|trace| trace["event"] == event);
        of_kind.filter_map(|trace| trace[field].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn prompts(&self) -> Vec<String> {
        self.traced("prompt", "prompt")
    }

    pub(crate) fn level(&self) -> String {
        self.traced("level", "level").pop().unwrap_or_else(|| "none".to_owned())
    }

    /// Whether an agent hears the caller.
    pub(crate) fn is_joined(&self) -> bool {
        self.traces.iter().any(|trace| trace["event"] == "joined")
    }

    /// Whether an unread prompt of that key plays; it is read then.
    fn reads(&mut self, prompt: &str) -> bool {
        let prompts = self.prompts();
        let unread = prompts.get(self.prompts_read..).unwrap_or_default();
        let Some(at) = unread.iter().position(|key| key == prompt) else { return false };
        self.prompts_read += at + 1;
        true
    }

    /// Lets things happen for a moment.
    pub(crate) fn pump(&mut self, slice: Duration) {
        let until = os::now() + slice;
        while let Some(event) = self.phone.next(until) {
            self.happened(event);
        }
    }

    fn happened(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::Incoming { session, headers } if self.takes_calls => {
                self.headers = Some(headers);
                self.session = Some(session);
                self.ended = None;
                self.phone.answer(session).expect("taken");
            }
            PhoneEvent::Incoming { session, headers } => {
                if let Some(status) = self.refuses {
                    self.headers = Some(headers);
                    self.phone.reject(session, status);
                }
            }
            PhoneEvent::Answered(_) => self.answered = true,
            PhoneEvent::Heard(_, samples) => self.heard.extend(samples),
            PhoneEvent::Digit(_, digit) => self.keys.push(digit),
            PhoneEvent::Trace(_, body) => {
                self.traces.push(serde_json::from_slice(&body).expect("JSON"));
            }
            PhoneEvent::PlayFinished(..) => self.plays_finished += 1,
            PhoneEvent::Failed(_, status) => self.failed = Some(status),
            PhoneEvent::Ended(session, cause) if self.session == Some(session) => self.ended = Some(cause),
            _ => {}
        }
    }
}

/// Telephones that run together.
pub(crate) struct Stage {
    pub(crate) handsets: Vec<Handset>,
}

/// How long each telephone is served at a turn: far below the 20 ms between packets.
const SLICE: Duration = Duration::from_millis(2);

impl Stage {
    pub(crate) fn new(handsets: Vec<Handset>) -> Self {
        Self { handsets }
    }

    /// Lets things happen until `done`; says whether it came to that within `limit`.
    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&[Handset]) -> bool) -> bool {
        let deadline = os::now() + limit;
        while !done(&self.handsets) {
            if os::now() >= deadline {
                return false;
            }
            for handset in &mut self.handsets {
                handset.pump(SLICE);
            }
        }
        true
    }

    /// Waits for the next prompt of that key at a telephone.
    pub(crate) fn hear(&mut self, who: usize, prompt: &str) {
        let deadline = os::now() + IN_TIME;
        while !self.handsets[who].reads(prompt) {
            assert!(
                os::now() < deadline && self.handsets[who].ended.is_none(),
                "waited for the prompt {prompt}, was told {:#?}",
                self.handsets[who].traces
            );
            for handset in &mut self.handsets {
                handset.pump(SLICE);
            }
        }
    }

    /// Waits until nothing more happens of what was keyed.
    pub(crate) fn settled(&mut self, who: usize) {
        let mut told = usize::MAX;
        while std::mem::replace(&mut told, self.handsets[who].traces.len()) != told {
            self.until(Duration::from_secs(4), |_| false);
        }
    }

    /// Waits for a prompt and answers it, into the middle of it as hurried callers do.
    pub(crate) fn answer(&mut self, who: usize, prompt: &str, keys: &str) {
        self.hear(who, prompt);
        self.handsets[who].press(keys);
    }

    /// From dialling to the main menu, as the holder of `account`.
    pub(crate) fn claim(&mut self, who: usize, uri: &str, account: &str) {
        self.handsets[who].dial(uri);
        self.answer(who, "choose_language", "1");
        self.answer(who, "account_number", &format!("{account}#"));
        self.answer(who, "account_heard", "1");
    }

    /// From the PIN, keyed once it is asked for, through the authenticator's code to the agent.
    pub(crate) fn proved_to_the_agent(&mut self, who: usize, app: &Authenticator) -> String {
        self.answer(who, "pin_please", &format!("{PIN}#"));
        self.hear(who, "totp_please");
        let code = app.code();
        self.handsets[who].press(&code);
        self.answer(who, "card_menu", "0");
        self.joined(who);
        code
    }

    /// Hangs up and waits until the call is over.
    pub(crate) fn hang_up(&mut self, who: usize) {
        self.handsets[who].hang_up();
        assert!(self.until(SOON, |all| all[who].ended.is_some()), "the call ends");
    }

    pub(crate) fn joined(&mut self, who: usize) {
        let joined = self.until(IN_TIME, |all| all[who].is_joined());
        assert!(joined, "an agent takes over: {:#?}", self.handsets[who].traces);
    }
}
