//! Who calls come from and go to, as the settings name them: agents' phones, and what holds for them and trunks together.

use rustls::pki_types::ServerName;
use serde::Deserialize;

use super::outward::ServerConfig;
use super::{AgentConfig, Config, TrunkConfig};
use crate::media::{CodecList, MediaTerms, SrtpPolicy};
use crate::sip::locate::Hop;
use crate::sip::{AccessList, Network, Transport, Uri};

/// Where agents' phones may be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PhonesConfig {
    /// Addresses or networks from which a registration is considered.
    #[serde(default)]
    pub from: Vec<String>,
    /// Whether phones are challenged with SHA-256 beside MD5 (RFC 8760). There are phones in use, baresip 1.0
    /// among them, that give up on a challenge that names an algorithm they do not know.
    #[serde(default)]
    pub sha256: bool,
    /// The codecs that are offered to agents' phones, the preferred first: `PCMU`, `PCMA`, `G722`, `L16`, `opus`.
    #[serde(default)]
    pub codecs: CodecList,
    /// Whether phones may send comfort noise in place of silence.
    #[serde(default)]
    pub comfort_noise: bool,
    /// Whether media with agents' phones is encrypted: `off`, `required`.
    #[serde(default)]
    pub srtp: SrtpPolicy,
    /// Keys may travel in signalling that others on the way can read.
    #[serde(default)]
    pub srtp_keys_in_clear: bool,
    /// The names of `transfers` that a phone may put callers through to by REFER; none when left out.
    #[serde(default)]
    pub transfer_to: Vec<String>,
    /// Whether phones register over TLS only, and those of a fixed address are called over it.
    #[serde(default)]
    pub tls: bool,
}

impl PhonesConfig {
    /// What is settled about the media of agents' phones.
    #[must_use]
    pub fn terms(&self) -> MediaTerms {
        let Self { codecs, comfort_noise, srtp, srtp_keys_in_clear, .. } = *self;
        MediaTerms { codecs, comfort_noise, srtp, srtp_keys_in_clear, ..MediaTerms::default() }
    }
}

impl Config {
    /// The networks of trunks that a caller's number may be told. Those that can't be read were told when the settings were.
    #[must_use]
    pub fn trusted_networks(&self) -> AccessList {
        let trusted = self.trunks.iter().filter(|trunk| trunk.is_trusted());
        let entries = trusted.map(|trunk| (trunk.name.as_str(), trunk.addresses.as_slice()));
        AccessList::parse(entries).unwrap_or_default()
    }

    /// The codecs that prompts are encoded for: all that any call may have.
    #[must_use]
    pub fn codecs(&self) -> CodecList {
        let lists = self.trunks.iter().map(|trunk| &trunk.codecs).chain([&self.phones.codecs]);
        lists.flat_map(|list| list.as_slice().iter().copied()).collect()
    }
}

/// Keys of encrypted media must not go where others read them unless somebody decided so.
pub(super) fn check_srtp(config: &Config) -> Result<(), String> {
    let trunks = config
        .trunks
        .iter()
        .filter(|trunk| !trunk.tls)
        .map(|trunk| (format!("the trunk `{}`", trunk.name), trunk.terms(), trunk.addresses.as_slice()));
    let phones = ("`phones`".to_owned(), config.phones.terms(), config.phones.from.as_slice());
    let phones = Some(phones).filter(|_| !config.phones.tls);
    for (whose, terms, addresses) in trunks.chain(phones) {
        let is_here = |text: &str| text.parse().is_ok_and(|network: Network| network.is_loopback());
        let beyond = addresses.iter().find(|address| !is_here(address));
        if let Some(address) = beyond
            && terms.srtp != SrtpPolicy::Off
            && !terms.srtp_keys_in_clear
        {
            return Err(format!(
                "{whose}: SRTP takes its keys from the signalling, which is not encrypted on its way to {address}\n  \
                 help: say `tls: true` and let them come over TLS (`sip.tls`); where that network is yours alone (a VPN, a \
                 private line), `srtp_keys_in_clear: true` will do; otherwise leave `srtp` out"
            ));
        }
    }
    check_srtp_out(config)?;
    check_srtp_agents(config)
}

/// Whether others can read what is told to this address: it is not called over TLS, and not on this machine.
fn others_read(uri: &Uri) -> bool {
    let is_here = Hop::literal(uri).is_some_and(|hop| hop.remote.ip().is_loopback());
    Transport::of_uri(uri) != Some(Transport::Tls) && !is_here
}

/// The same for agents with an address of their own.
fn check_srtp_agents(config: &Config) -> Result<(), String> {
    let phones = &config.phones;
    if phones.srtp != SrtpPolicy::Required || phones.srtp_keys_in_clear {
        return Ok(());
    }
    let in_clear = |agent: &&AgentConfig| {
        let uri = agent.sip.as_ref().and_then(|uri| Uri::parse(uri.as_bytes()));
        uri.is_some_and(|uri| uri.as_sip().is_some() && others_read(&uri))
    };
    config.agents.iter().find(in_clear).map_or(Ok(()), |agent| {
        Err(format!(
            "`phones` has `srtp: required`, but the agent `{}` is not called over TLS: the keys of the media would stand in \
             clear\n  help: write `;transport=tls` behind the address of `sip`; where that network is yours alone (a VPN, a \
             private line), `srtp_keys_in_clear: true` will do",
            agent.name
        ))
    })
}

/// The same for the keys that we tell a carrier's servers: an offer of ours is encrypted where it must be.
fn check_srtp_out(config: &Config) -> Result<(), String> {
    let open = |trunk: &&TrunkConfig| trunk.srtp == SrtpPolicy::Required && !trunk.srtp_keys_in_clear;
    for trunk in config.trunks.iter().filter(open) {
        let mut servers = trunk.out.iter().flat_map(|out| &out.servers);
        let in_clear = |server: &&ServerConfig| server.next_hop().as_ref().is_some_and(others_read);
        if let Some(server) = servers.find(in_clear) {
            return Err(format!(
                "the trunk `{}` has {}, but its server {} is not called over TLS: the keys of the media would stand in clear\n  \
                 help: write `;transport=tls` behind it; where that network is yours alone (a VPN, a private line), \
                 `srtp_keys_in_clear: true` will do",
                trunk.name,
                trunk.as_said("srtp", "srtp: required"),
                server.uri
            ));
        }
    }
    Ok(())
}

/// A phone puts callers through to whom the settings name.
pub(super) fn check_transfers(config: &Config) -> Result<(), String> {
    let unknown = config.phones.transfer_to.iter().find(|name| !config.transfers.contains_key(*name));
    unknown.map_or(Ok(()), |name| {
        Err(format!(
            "`phones.transfer_to` names `{name}`, which is not among `transfers`\n  help: write `{name}` and its SIP address \
             below `transfers`, or take it out of the list"
        ))
    })
}

/// What is to come over TLS needs somebody who speaks it.
pub(super) fn check_tls(config: &Config) -> Result<(), String> {
    let add = "help: give `sip.tls` an address, a certificate and its key";
    if config.sip.tls.is_none() {
        if let Some(trunk) = config.trunks.iter().find(|trunk| trunk.tls) {
            return Err(format!(
                "the trunk `{}` has {}, but no TLS is spoken here\n  {add}",
                trunk.name,
                trunk.as_said("tls", "tls: true")
            ));
        }
        if config.phones.tls {
            return Err(format!("`phones` has `tls: true`, but no TLS is spoken here\n  {add}"));
        }
        let calls = config.senders.iter().filter_map(|sender| sender.call.as_ref());
        let hops = calls.flat_map(|call| &call.routes).map(|route| &route.by);
        let servers = config.recording.servers.iter().map(|server| &server.uri);
        let trunks = config.trunks.iter().filter_map(|trunk| trunk.out.as_ref());
        let servers = servers.chain(trunks.flat_map(|out| &out.servers).map(|server| &server.uri));
        let over_tls = |uri: &&String| {
            Uri::parse(uri.as_bytes()).as_ref().and_then(Transport::of_uri) == Some(Transport::Tls)
        };
        if let Some(uri) = config.transfers.values().chain(hops).chain(servers).find(over_tls) {
            return Err(format!("`{uri}` is called over TLS, which is not spoken here\n  {add}"));
        }
    }
    for trunk in config.trunks.iter().filter(|trunk| !trunk.certificate.is_empty()) {
        let whose = format!("the trunk `{}` has a `certificate`", trunk.name);
        let clients = config.sip.tls.as_ref().and_then(|tls| tls.clients.as_ref());
        if let Some(name) = trunk.certificate.iter().find(|name| ServerName::try_from(name.as_str()).is_err())
        {
            return Err(format!(
                "{whose} `{name}`, which is no name\n  help: write a host name, such as sip.example.com"
            ));
        }
        if !trunk.tls || clients.is_none() {
            return Err(format!(
                "{whose}, which nobody asks it for\n  help: say `tls: true` beside it, and name in `sip.tls.clients` the \
                 authorities whose certificates are taken"
            ));
        }
    }
    let fixed = config.agents.iter().filter_map(|agent| agent.sip.as_ref());
    let unspoken = |uri: &&String| {
        Uri::parse(uri.as_bytes())
            .is_some_and(|uri| uri.as_sip().is_some() && Transport::of_uri(&uri).is_none())
    };
    if let Some(uri) = config.transfers.values().chain(fixed).find(unspoken) {
        return Err(format!(
            "`{uri}` names a transport by which nobody is called from here\n  help: write `udp`, `tcp` or `tls`; a phone that \
             speaks WebSocket registers, and needs no address"
        ));
    }
    let called = |agent: &AgentConfig| Uri::parse(agent.sip.as_ref()?.as_bytes());
    for agent in &config.agents {
        let Some(over) = called(agent).as_ref().and_then(Transport::of_uri) else { continue };
        if over == Transport::Tls && config.sip.tls.is_none() {
            return Err(format!(
                "the agent `{}` is called over TLS, which is not spoken here\n  {add}",
                agent.name
            ));
        }
        if over != Transport::Tls && config.phones.tls {
            return Err(format!(
                "the agent `{}` is called over {over}, while `phones` has `tls: true`\n  help: write `;transport=tls` behind \
                 the address of `sip`",
                agent.name
            ));
        }
    }
    Ok(())
}
