//! What the threads of a deployment are made with, out of its settings.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;

use super::access::Access;
use super::{Parts, StartError, system};
use crate::driver::config::TrunkConfig;
use crate::driver::edge::{self, Edge, Listeners, Readers};
use crate::driver::gate::Gate;
use crate::driver::house::{self, House};
use crate::driver::os;
use crate::driver::recordings::{Keeper, Way};
use crate::driver::shard::{self, Mailbox, Prepared, ShardSettings};
use crate::driver::stir;
use crate::driver::trunks::watch::{self, Watch};
use crate::driver::vault_pool::{self, VaultPool};
use crate::driver::versions::Links;
use crate::engine::{EngineConfig, Limits, Lineup, TrunkRules};
use crate::routing::{AgentName, Contact, Queue, Switchboard, SwitchboardConfig};
use crate::sip::EndpointConfig;
use crate::sip::digest::Algorithm;
use crate::sip::registrar::{Registrar, RegistrarConfig};
use crate::units::Entropy;

/// The way to who watches trunks, and its thread.
pub(super) type Watching = (SyncSender<watch::Mail>, JoinHandle<()>);

/// The mailboxes of as many shards, and their inner ends.
pub(super) fn prepared(shards: usize) -> Result<(Vec<Mailbox>, Vec<Prepared>), StartError> {
    let prepared: Result<Vec<_>, _> = (0..shards).map(|_| shard::prepare()).collect();
    Ok(prepared.map_err(|source| system("a poll", source))?.into_iter().unzip())
}

impl Parts<'_> {
    /// Who reads the sockets.
    pub(super) fn edge(
        &self,
        listeners: Listeners,
        gate: Gate,
        readers: Readers,
    ) -> Result<Edge, StartError> {
        let (names, patience) = (Arc::clone(&self.site.names), self.config.sip.strangers.patience());
        edge::start(listeners, gate, readers, names, patience).map_err(|source| system("threads", source))
    }

    /// The vault's workers, with room for so many questions that wait.
    pub(super) fn vault_pool(&self, workers: usize, queue: usize) -> Result<Arc<VaultPool>, StartError> {
        let started = VaultPool::start(&self.vault, workers, queue, vault_pool::BEAT);
        Ok(Arc::new(started.map_err(|source| system("threads", source))?))
    }

    /// Who writes recordings.
    pub(super) fn recorder(&self) -> Result<(Way, JoinHandle<()>), StartError> {
        let started = Keeper::start(self.vault.recordings().clone(), &self.config.recording);
        started.map_err(|source| system("threads", source))
    }

    /// The switchboard and the registrar.
    pub(super) fn house(&self, shards: Vec<Mailbox>, edge: Edge, entropy: Entropy) -> House {
        let roster = self.site.roster(&self.config);
        let queues = roster.queues.into_iter().map(|(name, places)| Queue::new(name, places)).collect();
        House {
            switchboard: Switchboard::new(SwitchboardConfig::default(), queues, roster.agents),
            registrar: Registrar::new(self.registrar_config(), os::now(), entropy),
            vault: Arc::clone(&self.vault),
            shards,
            edge,
        }
    }

    /// Whom the versions ask and tell.
    pub(super) fn links(&self, mailboxes: &[Mailbox], house: &SyncSender<house::Mail>, edge: &Edge) -> Links {
        let (mailboxes, house, edge) = (mailboxes.to_vec(), house.clone(), edge.clone());
        Links { mailboxes, house, vault: Arc::clone(&self.vault), edge }
    }

    /// Who watches the trunks by which calls go out; `None` where none do.
    pub(super) fn watch(
        &self,
        (edge, suffix): (Edge, String),
        entropy: Entropy,
        (sender, mail): (SyncSender<watch::Mail>, Receiver<watch::Mail>),
    ) -> Result<Option<Watching>, StartError> {
        let trunks = Arc::clone(&self.site.trunks);
        if !trunks.are_there() {
            return Ok(None);
        }
        trunks.watched_by(sender.clone());
        let endpoint = self.endpoint_config(suffix);
        let watch = Watch { trunks, secrets: Arc::clone(&self.site.secrets), edge, endpoint };
        let thread = watch::start(watch, entropy, mail).map_err(|source| system("threads", source))?;
        Ok(Some((sender, thread)))
    }

    fn endpoint_config(&self, call_id_suffix: String) -> EndpointConfig {
        EndpointConfig { call_id_suffix, timers: self.settings.sip_timers, ..EndpointConfig::default() }
    }

    pub(super) fn announce_fixed_agents(&self, house_sender: &SyncSender<house::Mail>) {
        for (name, uri) in self.site.fixed_agents(&self.config) {
            // The mailbox is empty: there is room for every agent of a settings file.
            let up = house::Mail::AgentUp(AgentName::from(name.as_str()), Contact::new(uri, None));
            let _ = house_sender.try_send(up);
        }
    }

    pub(super) fn engine_config(
        &self,
        call_id_suffix: String,
        lineup: Lineup,
        shards: usize,
    ) -> EngineConfig {
        EngineConfig {
            endpoint: self.endpoint_config(call_id_suffix),
            lineup,
            trunks: self.access.trunks.clone(),
            rules: self.config.trunks.iter().map(|trunk| self.rules(trunk)).collect(),
            vouching: stir::vouching(&self.config),
            limits: Limits { calls: self.config.limits.calls.div_ceil(shards), ..Limits::default() },
        }
    }

    pub(super) fn shard_settings(&self, number: usize, shards: usize, bind: IpAddr) -> ShardSettings {
        ShardSettings { number, shards, rtp_ports: self.settings.rtp_ports.clone(), bind }
    }

    pub(super) fn gate(&self, token: &str, shards: usize) -> Gate {
        let Access { trunks, phones } = &self.access;
        let demands = self.config.trunks.iter().map(|trunk| (trunk.name.clone(), trunk.demand()));
        Gate::new(trunks.clone(), phones.clone(), token.to_owned(), shards)
            .demanding(demands.collect(), self.config.phones.tls)
    }

    fn registrar_config(&self) -> RegistrarConfig {
        let mut config = RegistrarConfig::default();
        if !self.config.phones.sha256 {
            config.algorithms = vec![Algorithm::Md5];
        }
        config
    }

    fn rules(&self, trunk: &TrunkConfig) -> (Arc<str>, TrunkRules) {
        let rules = TrunkRules {
            traced: trunk.trace,
            attests: trunk.verstat,
            trusted: trunk.is_trusted(),
            verified: trunk.stir && self.config.stir.verify.is_some(),
            numbers: trunk.plan(),
            media: trunk.terms(),
            admission: self.site.trunks.admission(&trunk.name),
        };
        (trunk.name.as_str().into(), rules)
    }
}
