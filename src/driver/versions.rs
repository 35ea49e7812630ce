//! Which versions of the application a deployment serves, and how one takes the other's place.
//!
//! A version is loaded and checked aside, whole, by whoever asks for it; no call waits for that. Then every
//! shard is told to give it to new calls, and it counts as applied when every shard has said that it does.
//! Calls that run keep the version they began with; it goes from memory with the last of them.

mod draining;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::application::{self, ApplicationSource, Loaded};
use super::config::Config;
use super::edge::{Edge, EdgeCounters};
use super::house;
use super::not_reloaded::wait_for_restart;
use super::os;
use super::secrets::Secrets;
use super::sender::Shown;
use super::shard::{Mail, Mailbox};
use super::site::{Site, check_names};
use super::speech::Speech;
use super::trunks::{self, Explained, Trunks};
use super::turns::Turns;
use super::vault::{AlarmCounts, Vault};

use crate::call::CallSettings;
use crate::diagnostic::Diagnostic;
use crate::engine::{Canary, Lineup, Served};
use crate::routing::{AgentName, Contact};
use crate::units::UnixTime;

pub use super::not_reloaded::ReloadError;
pub use draining::Drain;

/// The versions of a deployment.
pub struct Versions {
    site: Site,
    links: Links,
    /// The settings at the start: what only a restart applies is as they say.
    started: Config,
    /// One change at a time, each whole; nobody waits for long while a version is loaded.
    turns: Turns,
    state: Mutex<State>,
}

/// The ways to the parts that have to know.
pub(super) struct Links {
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) house: SyncSender<house::Mail>,
    pub(super) vault: Arc<Vault>,
    pub(super) edge: Edge,
}

/// What is served now.
#[derive(Clone)]
struct State {
    running: InUse,
    canary: Option<(InUse, u8)>,
    config: Config,
    drain: Option<Drain>,
    refused: Option<RefusedReload>,
}

/// A version that new calls get.
#[derive(Clone)]
pub struct InUse {
    /// The application.
    pub loaded: Loaded,
    /// What its calls share.
    pub settings: Arc<CallSettings>,
    /// Since when.
    pub since: UnixTime,
}

/// A reload that did not come to be.
#[derive(Clone, Debug)]
pub struct RefusedReload {
    /// When.
    pub at: UnixTime,
    /// Why, as it was told.
    pub why: String,
}

/// A change of what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The running version is loaded again, or another folder takes its place.
    Reload(Option<ApplicationSource>),
    /// So many of a hundred new calls get another version; without a folder the one on trial stays.
    Canary {
        /// The other version.
        from: Option<ApplicationSource>,
        /// Of a hundred.
        percent: u8,
    },
    /// All new calls get the version on trial.
    Promote,
    /// No new call gets the version on trial any more.
    Back,
}

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What new calls get.
    pub running: InUseName,
    /// The hash of what they got before.
    pub before: Arc<str>,
    /// What some of them get, and how many of a hundred.
    pub canary: Option<(InUseName, u8)>,
    /// Warnings of the check.
    pub warnings: Vec<Diagnostic>,
    /// What else the admin should know.
    pub notes: Vec<String>,
}

/// A version by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUseName {
    /// The `id` of its main flow.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The hash of its files.
    pub hash: Arc<str>,
}

/// A version that was loaded and checked, with the settings that it was checked with.
struct Fresh {
    loaded: Loaded,
    config: Config,
}

impl Versions {
    pub(super) fn new(site: Site, links: Links, config: Config, loaded: Loaded, lineup: &Lineup) -> Self {
        let running = InUse { loaded, settings: Arc::clone(&lineup.running), since: os::unix_now() };
        let started = config.clone();
        let state = State { running, canary: None, config, drain: None, refused: None };
        Self { site, links, started, turns: Turns::default(), state: Mutex::new(state) }
    }

    /// Makes a change. Takes as long as loading an application takes; other changes need not wait for that.
    ///
    /// # Errors
    /// [`ReloadError`]; everything is served as before then.
    pub fn apply(&self, change: Change) -> Result<Applied, ReloadError> {
        let made = self.in_turn(change);
        match &made {
            Ok(applied) => {
                self.state().refused = None;
                let (hash, canary) = (&applied.running.hash, applied.canary.as_ref());
                let canary = canary.map(|(name, percent)| format!("{} for {percent} %", name.hash));
                tracing::info!(%hash, before = %applied.before, canary, "new calls get this version");
            }
            Err(error) => {
                let mut state = self.state();
                let hash = Arc::clone(&state.running.loaded.hash);
                tracing::warn!("a reload is refused; version {hash} runs on\n{error}");
                if error.is_about_a_version() {
                    state.refused = Some(RefusedReload { at: os::unix_now(), why: error.to_string() });
                }
            }
        }
        made
    }

    /// Loads what a change names, and makes it when it is its turn.
    fn in_turn(&self, change: Change) -> Result<Applied, ReloadError> {
        let turn = self.turns.ask();
        let fresh = self.load(&change)?;
        turn.make(TURN, || self.make(change, fresh)).unwrap_or(Err(ReloadError::Overtaken))
    }

    fn make(&self, change: Change, fresh: Option<Fresh>) -> Result<Applied, ReloadError> {
        let mut next = self.state().clone();
        if next.drain.is_some() {
            return Err(ReloadError::Draining);
        }
        let before = Arc::clone(&next.running.loaded.hash);
        let mut notes = Vec::new();
        let mut warnings = Vec::new();
        match (change, fresh) {
            (Change::Reload(_), Some(fresh)) => {
                let stays = next.canary.as_ref().map(|(canary, _)| canary);
                (next.running, next.config) = self.fits(fresh, stays, &mut notes)?;
                warnings.clone_from(&next.running.loaded.warnings);
            }
            (Change::Canary { percent, .. }, Some(fresh)) => {
                let (canary, config) = self.fits(fresh, Some(&next.running), &mut notes)?;
                warnings.clone_from(&canary.loaded.warnings);
                (next.canary, next.config) = (Some((canary, percent)), config);
            }
            (Change::Canary { percent, .. }, None) => {
                next.canary.as_mut().ok_or(ReloadError::NoCanary)?.1 = percent;
            }
            (Change::Promote, _) => {
                let (canary, _) = next.canary.take().ok_or(ReloadError::NoCanary)?;
                next.running = InUse { since: os::unix_now(), ..canary };
            }
            (Change::Back, _) => drop(next.canary.take().ok_or(ReloadError::NoCanary)?),
            (Change::Reload(_), None) => return Err(ReloadError::Embedded),
        }
        // Before any call can need them.
        self.site.secrets.moved(next.config.secrets.clone());
        self.tell(&next)?;
        let name = |version: &InUse| version.name();
        let canary = next.canary.as_ref().map(|(canary, percent)| (canary.name(), *percent));
        let applied = Applied { running: name(&next.running), before, canary, warnings, notes };
        self.links.vault.set_policy(Arc::clone(&next.running.loaded.application.policy));
        self.site.trunks.bound(&next.config.trunks);
        let mut state = self.state();
        // Draining may have begun meanwhile.
        next.drain = state.drain;
        *state = next;
        Ok(applied)
    }

    /// Loads and checks the version that a change names, with the settings as they are in the file now. Nobody waits
    /// for it but whoever asked.
    fn load(&self, change: &Change) -> Result<Option<Fresh>, ReloadError> {
        let source = match change {
            Change::Canary { percent, .. } if *percent > 100 => return Err(ReloadError::Percent(*percent)),
            Change::Reload(None) => self.state().running.loaded.source.clone(),
            Change::Reload(Some(source)) | Change::Canary { from: Some(source), .. } => source.clone(),
            Change::Canary { from: None, .. } | Change::Promote | Change::Back => return Ok(None),
        };
        if self.state().drain.is_some() {
            return Err(ReloadError::Draining);
        }
        if matches!(source, ApplicationSource::Embedded(_)) {
            return Err(ReloadError::Embedded);
        }
        let loaded = application::load_with(&source, &Speech::of(&self.site.data)?)?;
        let config = Config::read(&self.site.data)?;
        check_names(&self.site.data, &config, &loaded.application)?;
        Secrets::new(&self.site.data, config.secrets.clone()).check(&loaded.application)?;
        Ok(Some(Fresh { loaded, config }))
    }

    /// The version, if what is served beside it can go on with its settings.
    fn fits(
        &self,
        fresh: Fresh,
        stays: Option<&InUse>,
        notes: &mut Vec<String>,
    ) -> Result<(InUse, Config), ReloadError> {
        let Fresh { loaded, config } = fresh;
        // A queue that went from the settings may be needed by the version that stays.
        if let Some(other) = stays {
            check_names(&self.site.data, &config, &other.loaded.application)?;
        }
        notes.extend(wait_for_restart(&config, &self.started));
        let locations = self.site.locate(&config, &loaded.application);
        let settings = Arc::new(self.site.call_settings(&config, &loaded, locations as _));
        Ok((InUse { loaded, settings, since: os::unix_now() }, config))
    }

    /// Has every part serve `next`; when one does not say so, all go back.
    fn tell(&self, next: &State) -> Result<(), ReloadError> {
        let now = self.state().clone();
        let mut silent = Vec::new();
        if next.config != now.config && !self.tell_house(&next.config, &now.config) {
            silent.push("the switchboard".to_owned());
        }
        if silent.is_empty() {
            silent = self.tell_shards(&next.lineup());
        }
        if silent.is_empty() {
            return Ok(());
        }
        // Mail is read in order: whoever reads the first late reads the second after it.
        self.tell_house(&now.config, &next.config);
        self.tell_shards(&now.lineup());
        Err(ReloadError::NotConfirmed(silent))
    }

    /// Which shards do not say in time that they serve it.
    fn tell_shards(&self, lineup: &Lineup) -> Vec<String> {
        let deadline = os::now() + PATIENCE;
        let waiting: Vec<_> = (0_usize..)
            .zip(&self.links.mailboxes)
            .map(|(number, mailbox)| {
                let (done, told) = sync_channel(1);
                let sent = mailbox.deliver(Mail::Reload { lineup: lineup.clone(), done }, deadline);
                (number, sent.then_some(told))
            })
            .collect();
        let confirmed = |served: &Served| {
            served.running == lineup.running.application_hash
                && served.canary.as_ref() == lineup.canary.as_ref().map(|on| &on.settings.application_hash)
        };
        let silent = waiting.into_iter().filter_map(|(number, told)| {
            let left = deadline.saturating_duration_since(os::now());
            let served = told.and_then(|told| told.recv_timeout(left).ok());
            (!served.is_some_and(|served| confirmed(&served))).then(|| format!("shard {number}"))
        });
        silent.collect()
    }

    fn tell_house(&self, config: &Config, before: &Config) -> bool {
        let house = &self.links.house;
        let fixed = self.site.fixed_agents(config);
        let gone = self.site.fixed_agents(before).into_iter();
        let gone = gone.filter(|(name, _)| !fixed.iter().any(|(other, _)| other == name));
        let mut told = house.try_send(house::Mail::Roster(self.site.roster(config))).is_ok();
        for (name, _) in gone {
            told &= house.try_send(house::Mail::AgentDown(AgentName::from(name.as_str()))).is_ok();
        }
        for (name, uri) in &fixed {
            let contact = Contact::new(uri.clone(), None);
            told &= house.try_send(house::Mail::AgentUp(AgentName::from(name.as_str()), contact)).is_ok();
        }
        told
    }

    /// What new calls get.
    #[must_use]
    pub fn running(&self) -> InUse {
        self.state().running.clone()
    }

    /// What some of the new calls get, and how many of a hundred.
    #[must_use]
    pub fn canary(&self) -> Option<(InUse, u8)> {
        self.state().canary.clone()
    }

    /// The last change that was refused, if none was made since.
    #[must_use]
    pub fn refused(&self) -> Option<RefusedReload> {
        self.state().refused.clone()
    }

    /// What each shard serves; `None` for one that does not say so in time.
    #[must_use]
    pub fn served(&self) -> Vec<Option<Served>> {
        let deadline = os::now() + ANSWER;
        let asked: Vec<_> = self
            .links
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (to, told) = sync_channel(1);
                mailbox.send(Mail::Report(to)).ok().map(|()| told)
            })
            .collect();
        let left = || deadline.saturating_duration_since(os::now());
        asked.into_iter().map(|told| told.and_then(|told| told.recv_timeout(left()).ok())).collect()
    }

    /// Alarms since the start.
    #[must_use]
    pub fn alarms(&self) -> AlarmCounts {
        self.links.vault.alarms()
    }

    /// What was turned away at the SIP sockets since the start.
    #[must_use]
    pub fn edge(&self) -> &EdgeCounters {
        self.links.edge.counters()
    }

    /// Who waits and who serves; `None` when the switchboard does not say so in time.
    #[must_use]
    pub fn house(&self) -> Option<house::Report> {
        let (to, told) = sync_channel(1);
        self.links.house.try_send(house::Mail::Report(to)).ok()?;
        told.recv_timeout(ANSWER).ok()
    }

    /// The trunks by which calls go out.
    #[must_use]
    pub fn trunks(&self) -> &Trunks {
        &self.site.trunks
    }

    /// Where a call goes, by the settings that are in use.
    #[must_use]
    pub fn explain_route(&self, from: &str, to: &str) -> Explained {
        let config = self.state().config.clone();
        trunks::explain(&config, &self.site.trunks, from, to)
    }

    /// The letters that a development sender was given; `None` where letters are really sent.
    #[must_use]
    pub fn shown_letters(&self) -> Option<Vec<Shown>> {
        self.links.vault.courier()?.shown()
    }

    /// The store.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.links.vault
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.site.data.clone()
    }

    /// The SIP address, and when the deployment was started.
    #[must_use]
    pub fn listens(&self) -> (std::net::SocketAddr, Instant) {
        (self.site.listen.plain, self.site.epoch.instant)
    }

    /// Calls that run.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let calls = |mailbox: &Mailbox| mailbox.counters().calls.load(Ordering::Relaxed);
        self.links.mailboxes.iter().map(calls).sum()
    }

    /// Calls that ended since the start.
    #[must_use]
    pub fn ended(&self) -> u64 {
        let ended = |mailbox: &Mailbox| mailbox.counters().ended.load(Ordering::Relaxed);
        self.links.mailboxes.iter().map(ended).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lineup(&self) -> Lineup {
        let canary = self.canary.as_ref();
        Lineup {
            running: Arc::clone(&self.running.settings),
            canary: canary.map(|(canary, percent)| Canary {
                settings: Arc::clone(&canary.settings),
                percent: *percent,
            }),
        }
    }
}

impl InUse {
    /// Its names.
    #[must_use]
    pub fn name(&self) -> InUseName {
        let application = &self.loaded.application;
        let (id, title) = (application.id.clone(), application.title.clone());
        InUseName { id, title, hash: Arc::clone(&self.loaded.hash) }
    }
}

/// How long a change waits for those that were asked for before it. A large application takes seconds.
const TURN: Duration = Duration::from_secs(10);
/// A shard that serves calls reads its mail thousands of times in this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait for a part that is asked for figures.
const ANSWER: Duration = Duration::from_secs(2);
