//! What a deployment is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use crate::driver::application::ApplicationSource;
use crate::driver::recognition::EarsFrom;
use crate::driver::services::ServicesFrom;
use crate::driver::supervisor::PassedSockets;
use crate::sip::timers::TimerConfig;

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
    /// Who understands what callers say.
    pub ears: EarsFrom,
    /// Sockets that are bound already.
    pub passed: Arc<PassedSockets>,
}

impl ServeSettings {
    /// One shard on loopback, at a port that the system chooses, with nobody but whom `countersign.yaml` names.
    #[must_use]
    pub fn on_loopback(
        application: ApplicationSource,
        data: PathBuf,
        rtp_ports: RangeInclusive<u16>,
    ) -> Self {
        Self {
            application,
            sip: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data,
            shards: 1,
            rtp_ports,
            more_agents: Vec::new(),
            sip_timers: TimerConfig::default(),
            services: ServicesFrom::default(),
            ears: EarsFrom::default(),
            passed: Arc::default(),
        }
    }
}
