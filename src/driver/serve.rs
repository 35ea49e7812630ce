//! Puts a deployment together: settings, keys, store, application, recordings, sockets, threads.
//!
//! Everything that can fail fails before the first thread starts, with what, where and what to do; then the
//! threads start, each with what it owns.

mod access;
mod hearts;
mod parts;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use thiserror::Error;

use super::application::{self, ApplicationError, ApplicationSource, Loaded};
use super::checkpoints::Signer;
use super::config::{Config, ConfigError};
use super::control::{self, Claim, Control, ControlError};
use super::dialler::Dialler;
use super::edge::{Edge, EdgeError, Listeners, Readers};
use super::house;
use super::keys::{Keys, KeysError};
use super::lacking;
use super::messages::{Keeper, MessageError, Messages};
use super::names::Names;
use super::notices::Notices;
use super::os;
use super::outside::ShardOutside;
use super::recognition::Ears;
use super::records;
use super::retention::Sweeper;
use super::secrets::{SecretError, Secrets};
use super::sender::{PostError, PostOffice};
use super::services::spool::{Patience, Spool, Spooler};
use super::services::{PoolSize, ServicePool};
use super::shard::{self, Mail, Mailbox};
use super::site::{Site, UnknownName, check_names};
use super::speech::Speech;
use super::stir::{self, StirError, Verifier};
use super::supervisor::PassedError;
use super::trunks::{Trunks, watch};
use super::vault::{Vault, VaultError};
use super::vault_pool;
use super::versions::{Applied, Change, ReloadError, Versions};
use super::web::{self, Door, Web, WebError};
use super::webhooks::{Patience as HookPatience, WebhookError, Webhooks};
use crate::call::Room;
use crate::engine::{Engine, Lineup};
use crate::sip::{AccessError, Listening};
use crate::units::{Epoch, UnixTime};
use access::{Access, bind};

pub use settings::ServeSettings;

/// Why a deployment can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address list in the settings.
    #[error("{path}: {source}\n  help: write addresses such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")]
    Access {
        /// The settings file.
        path: PathBuf,
        /// What is wrong.
        source: AccessError,
    },
    /// Signed numbers.
    #[error("stir: {0}")]
    Stir(#[from] StirError),
    /// The folder of messages.
    #[error("messages: {0}")]
    Messages(#[from] MessageError),
    /// The application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// A secret that the application names.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The senders.
    #[error("senders: {0}")]
    Post(#[from] PostError),
    /// The SIP address.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The listener for HTTP.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The application hands callers to something that the settings do not have.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Sockets that were handed over.
    #[error(transparent)]
    Passed(#[from] PassedError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Something the operating system did not give.
    #[error(
        "the operating system did not give {what}: {source}\n  help: check the limits of this user (ulimit -a)"
    )]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// A running deployment.
pub struct Deployment {
    /// The SIP address in use.
    pub sip: SocketAddr,
    /// All SIP addresses in use.
    pub listening: Listening,
    /// The versions of the application.
    pub versions: Arc<Versions>,
    /// The store, for those who serve beside calls.
    pub vault: Arc<Vault>,
    control: Control,
    web: Option<Web>,
    edge: Edge,
    mailboxes: Vec<Mailbox>,
    shards: Vec<JoinHandle<()>>,
    house: SyncSender<house::Mail>,
    house_thread: JoinHandle<()>,
    /// Who watches the trunks by which calls go out; `None` where none do.
    trunks: Option<parts::Watching>,
    records_thread: JoinHandle<()>,
    messages_thread: JoinHandle<()>,
    recordings_thread: JoinHandle<()>,
    notices_thread: JoinHandle<()>,
    dialler: Arc<Dialler>,
    post: Option<Arc<PostOffice>>,
    /// Tell others what happens, until the end.
    _webhooks: Webhooks,
    /// Sends orders that services did not take, until the end.
    _spooler: Option<Spooler>,
    /// Removes what is past its time.
    _sweeper: Sweeper,
    /// Signs checkpoints of the audit log.
    _signer: Option<Signer>,
}

/// Starts a deployment.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub fn start(settings: &ServeSettings) -> Result<Deployment, StartError> {
    start_at(settings, None)
}

/// Starts a deployment whose calendar begins at a time, for rehearsals.
///
/// # Errors
/// As [`start`].
pub fn start_at(settings: &ServeSettings, clock: Option<UnixTime>) -> Result<Deployment, StartError> {
    let loaded = application::load_with(&settings.application, &Speech::of(&settings.data)?)?;
    let alone = settings.sip.ip().to_canonical().is_loopback();
    Config::write_default(&settings.data, &loaded.application.queues(), alone)?;
    let config = Config::read(&settings.data)?;
    check_names(&settings.data, &config, &loaded.application)?;
    let secrets = Arc::new(Secrets::new(&settings.data, config.secrets.clone()));
    settings.services.check(&secrets, &loaded.application)?;
    let access = Access::read(settings, &config)?;
    let claim = Claim::of(&settings.data)?;
    // The address before the keys: a port in use must leave nothing half made.
    let servers: Vec<SocketAddr> = config.sip.dns.iter().map(|server| server.0).collect();
    let names =
        Names::start(&servers, config.sip.tls.is_some()).map_err(|source| system("threads", source))?;
    let trunks = Arc::new(Trunks::new(&config, &names));
    trunks.read_logins(&secrets)?;
    let listeners = bind(settings, &config)?;
    let door = Door::bind_with(&settings.data, &config.web, &settings.passed)?;
    settings.passed.all_taken()?;
    let keys = Keys::open(&settings.data)?;
    let vault = Arc::new(Vault::open(&settings.data, &keys)?);
    let listening = door.as_ref().map(|door| door.address).into_iter().chain(listeners.local.all());
    let dialler = Dialler::start().map_err(|source| system("threads", source))?;
    let post = PostOffice::of(&vault, &config, &secrets, &dialler, listening)?;
    let ears = Ears::open(&settings.ears, &config.recognition, &settings.data, &secrets);
    let ears = ears.map_err(|source| system("threads", source))?;
    ears.report(&loaded.application).tell();
    let messages = Arc::new(Messages::open(&settings.data, &keys)?);
    vault.set_policy(Arc::clone(&loaded.application.policy));
    // The settings were checked: an address that can't be one did not get here.
    if let Ok(Some(page)) = config.web.page() {
        vault.set_page(page);
    }
    lacking::tell(&loaded.application.policy, &config, (&vault, &settings.data));
    if let Some(clock) = clock {
        vault.calendar().set(clock);
    }
    let epoch = Epoch { instant: os::now(), unix: vault.calendar().now() };
    let signing = stir::signing(&settings.data, &config.stir, &secrets)?;
    let verifier = stir::verifier(&settings.data, &config.stir, epoch)?;
    let site = Site {
        names,
        trunks,
        data: settings.data.clone(),
        listen: listeners.local,
        phones: config.phones.terms(),
        carriers: Arc::new(config.trunks.iter().map(|trunk| (trunk.name.clone(), trunk.terms())).collect()),
        signer: vault.token_key().clone(),
        epoch,
        secrets,
        message_room: Room::default(),
        ears: Arc::new(ears),
        voices: vault.compares_voices(),
        more_agents: settings.more_agents.clone(),
        signing,
    };
    // Fewer descriptors than calls need would show as refused calls, later.
    os::raise_descriptor_limit();
    let webhooks = Webhooks::start(&config.webhooks, &vault, &site.secrets, HookPatience::default())?;
    let parts =
        Parts { settings, config, access, loaded, vault, site, messages, dialler, post, webhooks, verifier };
    parts.start_threads(listeners, door, claim)
}

struct Parts<'a> {
    settings: &'a ServeSettings,
    config: Config,
    access: Access,
    loaded: Loaded,
    vault: Arc<Vault>,
    site: Site,
    messages: Arc<Messages>,
    dialler: Arc<Dialler>,
    post: Option<Arc<PostOffice>>,
    webhooks: Webhooks,
    verifier: Option<Arc<Verifier>>,
}

impl Parts<'_> {
    /// Who signs checkpoints of the audit log, where the settings say so.
    fn signer(&self) -> Result<Option<Signer>, StartError> {
        let config = self.config.audit.checkpoints.clone();
        config.map(|config| Signer::start(Arc::clone(&self.vault), config)).transpose().map_err(no_thread)
    }

    fn start_threads(
        self,
        listeners: Listeners,
        door: Option<Door>,
        claim: Claim,
    ) -> Result<Deployment, StartError> {
        let local = listeners.local;
        let shards = self.settings.shards.max(1);
        let mut entropy = os::entropy().map_err(|source| system("randomness", source))?;
        let gate = self.gate(&entropy.hex(6), shards);
        let trunks_suffix = gate.trunks_suffix();
        let suffixes: Vec<String> = (0..shards).map(|shard| gate.call_id_suffix(shard)).collect();
        let pool = self.vault_pool(vault_pool::WORKERS, vault_pool::QUEUE)?;
        let voices = self.vault_pool(vault_pool::VOICE_WORKERS, vault_pool::VOICES)?;
        let spool = Spool::open(Arc::clone(&self.vault), Patience::default());
        let (source, real) = self.settings.services.source(&self.site.secrets, &spool);
        let services = ServicePool::start(source, PoolSize::default()).map_err(no_thread)?;
        let services = Arc::new(services);
        let (records, records_thread) = records::start(Arc::clone(&self.vault)).map_err(no_thread)?;
        let (messages, messages_thread) = Keeper::start(Arc::clone(&self.messages)).map_err(no_thread)?;
        let (recordings, recordings_thread) = self.recorder()?;
        let (notices, notices_thread) = Notices::start(Arc::clone(&self.vault)).map_err(no_thread)?;
        let (house_sender, house_mail) = house::mailbox();
        let (mailboxes, prepared) = parts::prepared(shards)?;
        let (trunks_sender, trunks_mail) = watch::mailbox();
        let readers = Readers {
            shards: mailboxes.clone(),
            house: house_sender.clone(),
            trunks: trunks_sender.clone(),
            records: records.backlog(),
        };
        let edge = self.edge(listeners, gate, readers)?;
        let locations = self.site.locate(&self.config, &self.loaded.application);
        let settings = self.site.call_settings(&self.config, &self.loaded, Arc::clone(&locations) as _);
        let lineup: Lineup = Arc::new(settings).into();
        let mut threads = Vec::new();
        for (number, (prepared, suffix)) in prepared.into_iter().zip(suffixes).enumerate() {
            let engine_config = self.engine_config(suffix, lineup.clone(), shards);
            let outside = ShardOutside {
                shard: number,
                edge: edge.clone(),
                pool: Arc::clone(&pool),
                voices: Arc::clone(&voices),
                vault: Arc::clone(&self.vault),
                records: records.clone(),
                messages: messages.clone(),
                recordings: mailboxes.get(number).map(|mailbox| recordings.of_shard(mailbox)),
                ears: Arc::clone(&self.site.ears),
                notices: notices.clone(),
                services: Arc::clone(&services),
                verifier: self.verifier.clone(),
                dialler: Arc::clone(&self.dialler),
                house: house_sender.clone(),
                mailbox: mailboxes.get(number).cloned(),
            };
            let shard_settings = self.shard_settings(number, shards, local.plain.ip());
            let engine = Engine::new(engine_config, entropy.fork());
            let thread = shard::start(prepared, shard_settings, engine, Box::new(outside));
            threads.push(thread.map_err(no_thread)?);
        }
        self.dialler.connect(edge.clone(), mailboxes.clone(), locations);
        let house = self.house(mailboxes.clone(), edge.clone(), entropy.fork());
        let house_thread = house::start(house, house_mail).map_err(no_thread)?;
        self.announce_fixed_agents(&house_sender);
        let trunks =
            self.watch((edge.clone(), trunks_suffix), entropy.fork(), (trunks_sender, trunks_mail))?;
        let links = self.links(&mailboxes, &house_sender, &edge);
        let signer = self.signer()?;
        let versions = Arc::new(Versions::new(self.site, links, self.config, self.loaded, &lineup));
        let control = control::start(claim, Arc::clone(&versions))?;
        let web = door.map(|door| door.open(web::mounts(&versions, &self.vault))).transpose();
        let web = web.map_err(no_thread)?;
        let known = Arc::clone(&versions);
        let current = Box::new(move || known.running().loaded.application);
        let spooler = real.map(|real| Spooler::start(spool, real, current)).transpose();
        let spooler = spooler.map_err(no_thread)?;
        let (data, vault) = (self.settings.data.clone(), Arc::clone(&self.vault));
        let sweeper = Sweeper::start(data, vault, self.messages).map_err(no_thread)?;
        Ok(Deployment {
            sip: local.plain,
            listening: local,
            versions,
            vault: self.vault,
            control,
            web,
            edge,
            mailboxes,
            shards: threads,
            house: house_sender,
            house_thread,
            trunks,
            records_thread,
            messages_thread,
            recordings_thread,
            notices_thread,
            dialler: self.dialler,
            post: self.post,
            _webhooks: self.webhooks,
            _spooler: spooler,
            _sweeper: sweeper,
            _signer: signer,
        })
    }
}

fn no_thread(source: std::io::Error) -> StartError {
    system("threads", source)
}

fn system(what: &'static str, source: std::io::Error) -> StartError {
    StartError::System { what, source }
}

impl Deployment {
    /// Calls that run.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.counters().calls.load(Ordering::Relaxed)).sum()
    }

    /// Calls that ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.counters().ended.load(Ordering::Relaxed)).sum()
    }

    /// The edge, for its counters.
    #[must_use]
    pub const fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The shards' mailboxes, for their counters.
    #[must_use]
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// Which part has ended though nobody stopped it: after a defect. What is left would answer callers with
    /// silence; only a new start helps.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        if self.shards.iter().any(JoinHandle::is_finished) {
            Some("a shard")
        } else if self.house_thread.is_finished() {
            Some("the switchboard")
        } else if self.records_thread.is_finished() {
            Some("the keeper of call records")
        } else if self.web.as_ref().is_some_and(Web::is_over) {
            Some("the listener for HTTP")
        } else if !self.edge.is_running() {
            Some("the SIP edge")
        } else {
            None
        }
    }

    /// Where HTTP is listened for.
    #[must_use]
    pub fn web(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(|web| web.address)
    }

    /// The application that new calls get.
    #[must_use]
    pub fn application(&self) -> Loaded {
        self.versions.running().loaded
    }

    /// Loads the application again, or another in its place: new calls get it, those that run keep theirs.
    ///
    /// # Errors
    /// [`ReloadError`]; everything is served as before then.
    pub fn reload(&self, from: Option<ApplicationSource>) -> Result<Applied, ReloadError> {
        self.versions.apply(Change::Reload(from))
    }

    /// Who sends letters, when the settings have senders.
    #[must_use]
    pub const fn post_office(&self) -> Option<&Arc<PostOffice>> {
        self.post.as_ref()
    }

    /// Takes no new calls from now on; those that run go on.
    pub fn drain(&self) {
        self.versions.drain(self.versions.farewell());
    }

    /// Ends every call and every thread.
    pub fn stop(self) {
        self.control.stop();
        if let Some(web) = self.web {
            web.stop();
        }
        for (mailbox, thread) in self.mailboxes.iter().zip(&self.shards) {
            let mut mail = Mail::Stop;
            while let Err(back) = mailbox.send(mail)
                && !thread.is_finished()
            {
                mail = *back;
                std::thread::yield_now();
            }
        }
        for shard in self.shards {
            // A shard that panicked has said so on its way out.
            let _ = shard.join();
        }
        let _ = self.house.send(house::Mail::Stop);
        let _ = self.house_thread.join();
        if let Some((mail, thread)) = self.trunks {
            let _ = mail.send(watch::Mail::Stop);
            let _ = thread.join();
        }
        self.edge.close();
        // The shards held the senders: what they recorded last is being written now.
        let _ = self.records_thread.join();
        let _ = self.messages_thread.join();
        let _ = self.recordings_thread.join();
        let _ = self.notices_thread.join();
        // What became of the last calls is told before the letters are.
        self.dialler.close();
        if let Some(post) = self.post {
            post.close();
        }
    }
}
