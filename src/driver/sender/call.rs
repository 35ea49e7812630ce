//! Calls of the engine's own: the code is told, digit by digit, to whoever answers the telephone on file and
//! presses a key. A mailbox presses none, so it never hears a code.
//!
//! A number is called by the route that fits it best, and by none when no route does. What becomes of the call is
//! the letter's fate: it is told once the telephone was found, and again when the call is over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, Code, NotTaken, Report, Status};
use super::{Sender, SenderSettings, Tools, Unusable};
use crate::audio::Clip;
use crate::auth::factor::otp;
use crate::call::{CodeCall, Fate, News, Script};
use crate::driver::config::{by_trunk, next_hop};
use crate::driver::dialler::{NotDialled, Tell};
use crate::driver::numbers::{international, is_beginning};
use crate::driver::os;
use crate::driver::prompts::{AudioLibrary, AudioSources};
use crate::driver::trunks::NoWay;
use crate::flow::ClipKey;
use crate::secret::Secret;
use crate::sip::locate::{Hop, is_servers_fault};
use crate::sip::trunk::Outward;
use crate::sip::{Credentials, Host, NameAddr, Path, StatusCode, Uri};

/// `call:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The number that calls, as telephones show it.
    pub from: String,
    /// Which numbers are called by which way.
    pub routes: Vec<Route>,
    /// The login at next hops that ask for one.
    #[serde(default)]
    pub user: String,
    /// Its password, by its name under `secrets:`.
    #[serde(default)]
    pub password: String,
    /// How long a telephone may ring.
    #[serde(default = "default_ring")]
    pub ring_seconds: u64,
    /// Calls at once.
    #[serde(default = "default_at_once")]
    pub at_once: usize,
    /// Recordings of your own of who calls, by language.
    #[serde(default)]
    pub who: BTreeMap<String, PathBuf>,
}

/// A way to some numbers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The beginnings of the numbers.
    pub to: Vec<String>,
    /// The next hop: an address, a name that the DNS knows, or `trunk NAME`.
    pub by: String,
}

pub(super) const EXAMPLE: &str =
    "{name: calls, call: {from: \"+441632960000\", routes: [{to: [\"+44\"], by: \"sip:192.0.2.7\"}]}}";

const fn default_ring() -> u64 {
    25
}

const fn default_at_once() -> usize {
    5
}

/// The languages that calls speak.
const LANGUAGES: [&str; 2] = ["en-GB", "es-ES"];

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::Call]
    }

    fn check(&self) -> Result<(), Unusable> {
        if international(&self.from).as_deref() != Some(self.from.as_str()) {
            let help = "write the number that calls, with + and its country code";
            return Err(Unusable::new("`from` is no telephone number", help));
        }
        if self.routes.is_empty() {
            let help =
                "write `routes: [{to: [\"+44\"], by: \"sip:192.0.2.7\"}]`: no number is called without one";
            return Err(Unusable::new("`routes` is empty", help));
        }
        self.routes.iter().try_for_each(Route::check)?;
        if self.user.is_empty() != self.password.is_empty() {
            let help = "write both, the password by its name under `secrets:`, or neither";
            return Err(Unusable::new("one of `user` and `password` is missing", help));
        }
        if !(5..=60).contains(&self.ring_seconds) {
            return Err(Unusable::new(
                format!("`ring_seconds` is {}", self.ring_seconds),
                "write 5 to 60: the caller waits meanwhile",
            ));
        }
        if !(1..=200).contains(&self.at_once) {
            return Err(Unusable::new(format!("`at_once` is {}", self.at_once), "write 1 to 200"));
        }
        if let Some(language) = self.who.keys().find(|language| !LANGUAGES.contains(&language.as_str())) {
            let help = "calls speak en-GB and es-ES; whoever has another language on file hears `language`'s nearest";
            return Err(Unusable::new(format!("`who` has the language `{language}`"), help));
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<&str> {
        if self.password.is_empty() { Vec::new() } else { vec![&self.password] }
    }

    fn tells_itself(&self) -> bool {
        true
    }

    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable> {
        let mut scripts = Vec::new();
        for language in LANGUAGES {
            let who = self.who.get(language).map(|path| own(&tools, path)).transpose()?;
            let script = script(language, who).ok_or_else(|| {
                Unusable::new(
                    format!("the recordings of {language} are not there"),
                    "install this version again",
                )
            })?;
            scripts.push((language, Arc::new(script)));
        }
        Ok(Box::new(Caller { settings: self.clone(), tools, scripts }))
    }
}

impl Route {
    fn check(&self) -> Result<(), Unusable> {
        if let Some(to) = self.to.iter().find(|to| !is_beginning(to)) {
            let help = "write how the numbers begin, with + and the country code, such as \"+44\"";
            return Err(Unusable::new(format!("`to: {to}` of a route is no beginning of a number"), help));
        }
        if self.to.is_empty() || (by_trunk(&self.by).is_none() && next_hop(&self.by).is_none()) {
            let help = "write `trunk` and its name, or `sip:` and an address or a host name, such as \"sip:192.0.2.7:5062;transport=tls\"";
            return Err(Unusable::new(format!("`by: {}` of a route leads nowhere", self.by), help));
        }
        Ok(())
    }
}

impl Settings {
    /// The route whose beginning fits a number best, and that beginning.
    #[must_use]
    pub fn route_of(&self, number: &str) -> Option<(&str, &Route)> {
        let beginnings =
            self.routes.iter().flat_map(|route| route.to.iter().map(move |to| (to.as_str(), route)));
        beginnings.filter(|(to, _)| number.starts_with(to)).max_by_key(|(to, _)| to.len())
    }
}

/// A recording of the deployment's own; its path is relative to the data folder.
fn own(tools: &Tools, path: &std::path::Path) -> Result<Arc<Clip>, Unusable> {
    let path = tools.secrets.folder().join(path);
    let help =
        "write the path of a WAV, MP3, Ogg Vorbis or FLAC file of up to 15 seconds that says who calls";
    let unusable = |why: String| Unusable::new(format!("`who`: {why}"), help);
    let (folder, name) = path.parent().zip(path.file_stem()).ok_or_else(|| unusable("no file".to_owned()))?;
    let key = ClipKey::new(&*name.to_string_lossy());
    let sources =
        AudioSources { folders: vec![folder.to_owned()], embedded: false, ..AudioSources::default() };
    let library = AudioLibrary::load(&sources, &BTreeSet::from([key.clone()]));
    let library = library.map_err(|problems| unusable(problems.iter().map(ToString::to_string).collect()))?;
    let clip = library.get(&key).cloned().ok_or_else(|| unusable("no recording".to_owned()))?;
    if clip.duration() > Duration::from_secs(15) {
        return Err(unusable(format!("it lasts {} s", clip.duration().as_secs())));
    }
    Ok(clip)
}

/// What is said in a language, out of the recordings inside the program.
fn script(language: &str, who: Option<Arc<Clip>>) -> Option<Script> {
    let digit = |digit: usize| format!("{language}/digits/{digit}");
    let word = |word: &str| format!("{language}/code_call_{word}");
    let words = ["who", "warn", "press", "code", "again", "bye"].map(word);
    let all = words.iter().cloned().chain((0..10).map(digit)).chain([PAUSE.to_owned()]);
    let wanted: BTreeSet<ClipKey> = all.map(ClipKey::new).collect();
    let sources = AudioSources { embedded: true, ..AudioSources::default() };
    let library = AudioLibrary::load(&sources, &wanted).ok()?;
    let clip = |name: String| library.get(&ClipKey::new(name)).cloned();
    let digits: Vec<Arc<Clip>> = (0..10).filter_map(|at| clip(digit(at))).collect();
    let pause = clip(PAUSE.to_owned())?;
    Some(Script {
        intro: vec![
            who.or_else(|| clip(word("who")))?,
            Arc::clone(&pause),
            clip(word("warn"))?,
            Arc::clone(&pause),
        ],
        press: clip(word("press"))?,
        code: clip(word("code"))?,
        digits: digits.try_into().ok()?,
        between: pause,
        again: clip(word("again"))?,
        bye: clip(word("bye"))?,
    })
}

/// Long enough to write a digit down.
const PAUSE: &str = "pause/long";

struct Caller {
    settings: Settings,
    tools: Tools,
    scripts: Vec<(&'static str, Arc<Script>)>,
}

impl Caller {
    fn credentials(&self) -> Result<Option<Credentials>, NotTaken> {
        if self.settings.user.is_empty() {
            return Ok(None);
        }
        let password = self.tools.secrets.find(&self.settings.password).map_err(|_| NotTaken::Secret)?;
        Ok(Some(Credentials { user: self.settings.user.clone(), password }))
    }

    /// The ways to a number, in the order in which they are tried: one for an address or a name, a server each for a trunk.
    fn line(&self, number: &str) -> Result<Line, NotTaken> {
        let (_, route) = self.settings.route_of(number).ok_or(NotTaken::NoRoute)?;
        let dialler = &self.tools.dialler;
        if let Some(trunk) = by_trunk(&route.by) {
            let show = Some(self.settings.from.as_str());
            let outward = dialler.by_trunk(number, trunk, show).ok_or(NotTaken::NoEngine)?;
            let outward = outward.map_err(|why| match why {
                NoWay::Full(_) | NoWay::TooFast(_) => NotTaken::Busy,
                NoWay::Nowhere(_) => NotTaken::NoAddress,
                NoWay::Unknown(_) | NoWay::Barred(_) => NotTaken::NoRoute,
            })?;
            let credentials = outward.credentials.clone();
            let credentials = credentials.map_or_else(|| self.credentials(), |own| Ok(Some(own)))?;
            return Ok(Line { ways: outward.ways.clone(), credentials, outward: Some(Arc::new(outward)) });
        }
        let next_hop = next_hop(&route.by).ok_or(NotTaken::NoRoute)?;
        let hop = dialler.hop(&next_hop).ok_or(NotTaken::NoAddress)?;
        let uri = at_hop(number, &next_hop, hop.remote);
        Ok(Line { ways: vec![(hop, uri)], credentials: self.credentials()?, outward: None })
    }

    /// What is said to somebody of this language.
    fn script(&self, language: &str) -> Option<Arc<Script>> {
        let primary = |text: &str| text.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let own = self.scripts.iter().find(|(of, _)| *of == language);
        let similar = || self.scripts.iter().find(|(of, _)| primary(of) == primary(language));
        own.or_else(similar).or(self.scripts.first()).map(|(_, script)| Arc::clone(script))
    }

    fn order(
        &self,
        (id, letter): (LetterId, &Letter),
        line: &Line,
        (hop, uri): (Hop, &Uri),
        found_until: Instant,
    ) -> Result<CodeCall, NotTaken> {
        let code = letter.code.as_ref().ok_or(NotTaken::Unfit)?;
        let digits = code.expose();
        if !(1..=usize::from(otp::LONGEST)).contains(&digits.len())
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(NotTaken::Unfit);
        }
        let number = international(letter.to.expose()).ok_or(NotTaken::Unfit)?;
        let dialler = &self.tools.dialler;
        let Hop { transport, remote } = hop;
        let local = dialler.local_for(remote, transport).ok_or(NotTaken::NoEngine)?;
        let life = letter.until.since(os::unix_now()).min(otp::LONGEST_LIFE);
        let host = Host::from(local.ip());
        let from = line.outward.as_ref().and_then(|outward| outward.from(host.clone()));
        let from = from.unwrap_or_else(|| NameAddr::new(Uri::sip(Some(&self.settings.from), host, None)));
        Ok(CodeCall {
            ticket: dialler.ticket(),
            by: self.tools.name.as_str().into(),
            letter: id.to_string(),
            trunk: line.outward.as_ref().map(|outward| Arc::clone(&outward.trunk)),
            path: Path { transport, local, remote, connection: None },
            uri: uri.clone(),
            from,
            credentials: line.credentials.clone(),
            number: Secret::new(number),
            script: self.script(&letter.language).ok_or(NotTaken::Unfit)?,
            code: code.clone(),
            found_until,
            ring: Duration::from_secs(self.settings.ring_seconds),
            until: os::now() + life,
        })
    }
}

/// How a number is called.
struct Line {
    ways: Vec<(Hop, Uri)>,
    credentials: Option<Credentials>,
    /// By a trunk: the call has its place there.
    outward: Option<Arc<Outward>>,
}

/// A number at the next hop, as that is named in the settings.
fn at_hop(number: &str, next_hop: &Uri, remote: SocketAddr) -> Uri {
    match next_hop.as_sip().map(|sip| (&sip.host, sip.port)) {
        Some((name @ Host::Name(_), port)) => Uri::sip(Some(number), name.clone(), port),
        _ => Uri::sip(Some(number), Host::from(remote.ip()), Some(remote.port())),
    }
}

/// The end of a call that is not found comes by itself; should it not, nobody waits for it.
const MARGIN: Duration = Duration::from_secs(1);

impl Sender for Caller {
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken> {
        let number = international(letter.to.expose()).ok_or(NotTaken::Unfit)?;
        let line = self.line(&number)?;
        let mut failed = NotTaken::NoAddress;
        for (hop, uri) in &line.ways {
            let order = self.order((id, letter), &line, (*hop, uri), deadline)?;
            let news = self.place(id, order, &line, deadline)?;
            let Some(News::Over(fate)) = news else {
                return news.map(|_| Accepted { reference: None, delivered: false }).ok_or(NotTaken::Timeout);
            };
            if fate == Fate::Told {
                return Ok(Accepted { reference: None, delivered: true });
            }
            failed = not_taken(fate);
            if !matches!(fate, Fate::NotPlaced(status) if is_servers_fault(status)) {
                break;
            }
            // The next server is called while there is time for it.
            self.tools.dialler.failed(*hop);
            if deadline.saturating_duration_since(os::now()) < MARGIN {
                break;
            }
        }
        Err(failed)
    }
}

impl Caller {
    /// Has a call made; gives back the first word of it, `None` when there is none in time.
    fn place(
        &self,
        id: LetterId,
        order: CodeCall,
        line: &Line,
        deadline: Instant,
    ) -> Result<Option<News>, NotTaken> {
        let (first, heard) = sync_channel(1);
        let reports = Arc::clone(&self.tools.reports);
        let mut first = Some(first);
        let outward = line.outward.clone();
        let tell: Tell = Box::new(move |news| {
            // As long as it may be told of, the call has its place on the trunk.
            let _held = &outward;
            // The first word is for whoever hands the letter over, the last for the letter's record.
            if first.take().is_some_and(|first| first.try_send(news).is_ok()) {
                return;
            }
            if let News::Over(fate) = news {
                reports(report(id, fate));
            }
        });
        self.tools.dialler.place(order, self.settings.at_once, tell).map_err(|why| match why {
            NotDialled::NoEngine => NotTaken::NoEngine,
            NotDialled::Full => NotTaken::Busy,
        })?;
        let patience = deadline.saturating_duration_since(os::now()) + MARGIN;
        match heard.recv_timeout(patience) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(NotTaken::Lost),
        }
    }
}

fn report(id: LetterId, fate: Fate) -> Report {
    let (status, why) = match fate {
        Fate::Told => (Status::Delivered, None),
        fate => (Status::Failed, Some(words(fate))),
    };
    Report { reference: String::new(), letter: Some(id), status, code: None, why }
}

/// What a call that nobody was told a code in comes to, for the letter.
fn not_taken(fate: Fate) -> NotTaken {
    match fate {
        Fate::NotPlaced(StatusCode::REQUEST_TIMEOUT) => NotTaken::Timeout,
        Fate::NotPlaced(status) => {
            let code = Code::Sip(status.code());
            match status.code() {
                401 | 403 | 407 => NotTaken::Credentials(code),
                // No such number, or not any more.
                404 | 410 | 484 | 604 => NotTaken::Address(code),
                _ => NotTaken::Provider(code),
            }
        }
        Fate::NoRoom => NotTaken::Busy,
        fate => NotTaken::NotTold(words(fate)),
    }
}

const fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Told => "the code was told",
        Fate::Busy => "the line is busy",
        Fate::NoAnswer => "nobody answered",
        Fate::Declined => "the call was declined",
        Fate::NoKey => "it was answered, and nobody pressed the key",
        Fate::HungUp => "they hung up before the code was told",
        Fate::Expired => "the code was too old before it was told",
        Fate::NotPlaced(_) => "the route did not take the call",
        Fate::NoRoom => "the engine was stopped",
        Fate::Broken => "the line broke",
    }
}
