//! Puts a deployment together: settings, keys, store, application, recordings, sockets, threads.
//!
//! Everything that can fail fails before the first thread starts, with what, where and what to do; then the
//! threads start, each with what it owns.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use super::application::{self, ApplicationError, ApplicationSource, Loaded};
use super::config::{Config, ConfigError};
use super::edge::{self, Edge, EdgeError, Listeners, Readers};
use super::gate::Gate;
use super::house::{self, House};
use super::keys::{Keys, KeysError};
use super::os;
use super::outside::ShardOutside;
use super::records;
use super::services::{PoolSize, ServicePool, ServicesFrom};
use super::shard::{self, Mail, Mailbox, ShardSettings};
use super::vault::{Vault, VaultError};
use super::vault_pool::{self, VaultPool};
use crate::call::{CallLimits, CallSettings};
use crate::engine::{Engine, EngineConfig, Limits};
use crate::routing::{Agent, AgentName, Contact, Queue, QueueName, Switchboard, SwitchboardConfig};
use crate::sip::digest::Algorithm;
use crate::sip::registrar::{Registrar, RegistrarConfig};
use crate::sip::timers::TimerConfig;
use crate::sip::{AccessError, AccessList, EndpointConfig};

/// What to serve and where.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// The application.
    pub application: ApplicationSource,
    /// The SIP address, for UDP and TCP; port 0 lets the system choose.
    pub sip: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// How many shards.
    pub shards: usize,
    /// The media ports of all shards together.
    pub rtp_ports: RangeInclusive<u16>,
    /// Agents beside those of `countersign.yaml`, each with its fixed SIP address.
    pub more_agents: Vec<(String, String)>,
    /// SIP's timers; the defaults are those of RFC 3261.
    pub sip_timers: TimerConfig,
    /// Who answers for services.
    pub services: ServicesFrom,
}

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
    /// The application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The SIP address.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The application hands callers to something that the settings do not have.
    #[error(
        "{path}: the application uses the {what} `{name}`, which is not there\n  help: add it under `{section}:`"
    )]
    Unknown {
        /// The settings file.
        path: PathBuf,
        /// `queue` or `transfer target`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The section of the settings.
        section: &'static str,
    },
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
    /// What was loaded.
    pub application: Loaded,
    /// The store, for those who serve beside calls.
    pub vault: Arc<Vault>,
    edge: Edge,
    mailboxes: Vec<Mailbox>,
    shards: Vec<JoinHandle<()>>,
    house: SyncSender<house::Mail>,
    house_thread: JoinHandle<()>,
    records_thread: JoinHandle<()>,
}

/// Starts a deployment.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub fn start(settings: &ServeSettings) -> Result<Deployment, StartError> {
    let loaded = application::load(&settings.application)?;
    Config::write_default(&settings.data, &loaded.application.queues())?;
    let config = Config::read(&settings.data)?;
    check_names(settings, &config, &loaded)?;
    let access = Access::read(settings, &config)?;
    // The address before the keys: a port in use must leave nothing half made.
    let listeners = Listeners::bind(settings.sip)?;
    let keys = Keys::open(&settings.data)?;
    let vault = Arc::new(Vault::open(&settings.data, &keys)?);
    vault.set_policy(Arc::clone(&loaded.application.policy));
    // Fewer descriptors than calls need would show as refused calls, later.
    os::raise_descriptor_limit();
    let parts = Parts { settings, config: &config, access, loaded: &loaded, vault: &vault };
    parts.start_threads(listeners)
}

/// Who may send what, as the settings say it.
struct Access {
    trunks: AccessList,
    phones: AccessList,
}

impl Access {
    fn read(settings: &ServeSettings, config: &Config) -> Result<Self, StartError> {
        let path = settings.data.join(Config::FILE);
        let wrong = |source| StartError::Access { path: path.clone(), source };
        let trunks = config.trunks.iter().map(|trunk| (trunk.name.as_str(), trunk.addresses.as_slice()));
        Ok(Self {
            trunks: AccessList::parse(trunks).map_err(wrong)?,
            phones: AccessList::parse([("phones", config.phones.from.as_slice())]).map_err(wrong)?,
        })
    }
}

struct Parts<'a> {
    settings: &'a ServeSettings,
    config: &'a Config,
    access: Access,
    loaded: &'a Loaded,
    vault: &'a Arc<Vault>,
}

impl Parts<'_> {
    fn start_threads(&self, listeners: Listeners) -> Result<Deployment, StartError> {
        let local = listeners.local;
        let shards = self.settings.shards.max(1);
        let mut entropy = os::entropy().map_err(|source| system("randomness", source))?;
        let gate = self.gate(&entropy.hex(6), shards);
        let suffixes: Vec<String> = (0..shards).map(|shard| gate.call_id_suffix(shard)).collect();
        let pool = VaultPool::start(self.vault, vault_pool::WORKERS, vault_pool::QUEUE)
            .map_err(|source| system("threads", source))?;
        let pool = Arc::new(pool);
        let services = ServicePool::start(self.settings.services.source(), PoolSize::default())
            .map_err(|source| system("threads", source))?;
        let services = Arc::new(services);
        let (records, records_thread) =
            records::start(Arc::clone(self.vault)).map_err(|source| system("threads", source))?;
        let (house_sender, house_mail) = house::mailbox();
        let prepared: Vec<_> = (0..shards)
            .map(|_| shard::prepare())
            .collect::<Result<_, _>>()
            .map_err(|e| system("a poll", e))?;
        let (mailboxes, prepared): (Vec<Mailbox>, Vec<_>) = prepared.into_iter().unzip();
        let readers = Readers { shards: mailboxes.clone(), house: house_sender.clone() };
        let edge = edge::start(listeners, gate, readers).map_err(|source| system("threads", source))?;
        let calls = Arc::new(self.call_settings(local));
        let mut threads = Vec::new();
        for (number, (prepared, suffix)) in prepared.into_iter().zip(suffixes).enumerate() {
            let engine_config = EngineConfig {
                endpoint: EndpointConfig {
                    call_id_suffix: suffix,
                    timers: self.settings.sip_timers,
                    ..EndpointConfig::default()
                },
                lineup: Arc::clone(&calls).into(),
                trunks: self.access.trunks.clone(),
                traced: self.traced(),
                limits: Limits { calls: self.config.limits.calls.div_ceil(shards), ..Limits::default() },
            };
            let outside = ShardOutside {
                shard: number,
                edge: edge.clone(),
                pool: Arc::clone(&pool),
                records: records.clone(),
                services: Arc::clone(&services),
                house: house_sender.clone(),
                mailbox: mailboxes.get(number).cloned(),
            };
            let shard_settings = ShardSettings {
                number,
                shards,
                rtp_ports: self.settings.rtp_ports.clone(),
                bind: local.ip(),
            };
            let engine = Engine::new(engine_config, entropy.fork());
            let thread = shard::start(prepared, shard_settings, engine, Box::new(outside));
            threads.push(thread.map_err(|source| system("threads", source))?);
        }
        let house = House {
            switchboard: self.switchboard(),
            registrar: Registrar::new(self.registrar_config(), os::now(), entropy.fork()),
            vault: Arc::clone(self.vault),
            shards: mailboxes.clone(),
            edge: edge.clone(),
        };
        let house_thread = house::start(house, house_mail).map_err(|source| system("threads", source))?;
        for (name, uri) in self.fixed_agents() {
            // The mailbox is empty: there is room for every agent of a settings file.
            let up = house::Mail::AgentUp(AgentName::from(name.as_str()), Contact::new(uri, None));
            let _ = house_sender.try_send(up);
        }
        Ok(Deployment {
            sip: local,
            application: self.loaded.clone(),
            vault: Arc::clone(self.vault),
            edge,
            mailboxes,
            shards: threads,
            house: house_sender,
            house_thread,
            records_thread,
        })
    }

    fn gate(&self, token: &str, shards: usize) -> Gate {
        let Access { trunks, phones } = &self.access;
        Gate::new(trunks.clone(), phones.clone(), token.to_owned(), shards)
    }

    fn registrar_config(&self) -> RegistrarConfig {
        let mut config = RegistrarConfig::default();
        if !self.config.phones.sha256 {
            config.algorithms = vec![Algorithm::Md5];
        }
        config
    }

    fn traced(&self) -> HashSet<Arc<str>> {
        let traced = self.config.trunks.iter().filter(|trunk| trunk.trace);
        traced.map(|trunk| Arc::from(trunk.name.as_str())).collect()
    }

    fn call_settings(&self, local: SocketAddr) -> CallSettings {
        let limits = &self.config.limits;
        let targets = self.config.transfers.iter();
        CallSettings {
            application: Arc::clone(&self.loaded.application),
            application_hash: Arc::clone(&self.loaded.hash),
            clips: Arc::clone(&self.loaded.clips) as _,
            targets: targets.map(|(name, uri)| (name.clone(), Contact::new(uri.clone(), None))).collect(),
            signer: self.vault.token_key().clone(),
            epoch: os::epoch(),
            listen: local,
            limits: CallLimits {
                ring: limits.ring(),
                max_duration: Duration::from_secs(limits.call_minutes.saturating_mul(60)),
                media_silence: Duration::from_secs(limits.silence_seconds),
                ..CallLimits::default()
            },
        }
    }

    fn switchboard(&self) -> Switchboard {
        let queues = self
            .config
            .queues
            .iter()
            .map(|(name, queue)| Queue::new(QueueName::from(name.as_str()), queue.places));
        let all: Vec<QueueName> =
            self.config.queues.keys().map(|name| QueueName::from(name.as_str())).collect();
        let configured = self.config.agents.iter().map(|agent| {
            let queues = agent.queues.iter().map(|queue| QueueName::from(queue.as_str())).collect();
            Agent::new(AgentName::from(agent.name.as_str()), queues)
        });
        let more = self.settings.more_agents.iter();
        let more = more.map(|(name, _)| Agent::new(AgentName::from(name.as_str()), all.clone()));
        Switchboard::new(SwitchboardConfig::default(), queues.collect(), configured.chain(more).collect())
    }

    fn fixed_agents(&self) -> Vec<(String, String)> {
        let configured = self.config.agents.iter();
        let fixed = configured.filter_map(|agent| Some((agent.name.clone(), agent.sip.clone()?)));
        fixed.chain(self.settings.more_agents.iter().cloned()).collect()
    }
}

/// A queue or a transfer target that only the application knows would fail a caller, not the admin.
fn check_names(settings: &ServeSettings, config: &Config, loaded: &Loaded) -> Result<(), StartError> {
    let path = settings.data.join(Config::FILE);
    let unknown = |what, name: &str, section| StartError::Unknown {
        path: path.clone(),
        what,
        name: name.to_owned(),
        section,
    };
    for name in loaded.application.queues() {
        if !config.queues.contains_key(&*name) {
            return Err(unknown("queue", &name, "queues"));
        }
    }
    for name in loaded.application.transfer_targets() {
        if !name.starts_with("sip:") && !config.transfers.contains_key(&*name) {
            return Err(unknown("transfer target", &name, "transfers"));
        }
    }
    Ok(())
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
        } else if !self.edge.is_running() {
            Some("the SIP edge")
        } else {
            None
        }
    }

    /// Takes no new calls from now on; those that run go on.
    pub fn drain(&self) {
        for mailbox in &self.mailboxes {
            // A full mailbox: `stop` follows and ends the shard in any case.
            let _ = mailbox.send(Mail::Drain);
        }
    }

    /// Ends every call and every thread.
    pub fn stop(self) {
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
        self.edge.close();
        // The shards held the senders: what they recorded last is being written now.
        let _ = self.records_thread.join();
    }
}
