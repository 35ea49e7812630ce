//! How SIP comes in beside UDP and TCP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::sip::strangers::Patience;

/// `sip:` of the settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SipConfig {
    /// Who is asked where names lead, such as `192.0.2.53` or `127.0.0.1:5353`; the system's servers when left out.
    #[serde(default)]
    pub dns: Vec<DnsServer>,
    /// SIP over TLS; none when left out.
    #[serde(default)]
    pub tls: Option<SipTlsConfig>,
    /// How patient the engine is with those who are neither trunks nor phones.
    #[serde(default)]
    pub strangers: StrangersConfig,
}

/// `sip.strangers` of the settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct StrangersConfig {
    /// Refusals that one source gets in a second; what is beyond them gets no answer.
    pub per_second: u32,
    /// Messages beyond them after which a source is banned.
    pub ban_after: u32,
    /// Minutes that a ban lasts.
    pub ban_minutes: u64,
}

impl Default for StrangersConfig {
    fn default() -> Self {
        let Patience { per_second, ban_after, ban, .. } = Patience::default();
        Self { per_second, ban_after, ban_minutes: ban.as_secs() / 60 }
    }
}

impl StrangersConfig {
    /// The same as the edge has it.
    #[must_use]
    pub fn patience(&self) -> Patience {
        let Self { per_second, ban_after, ban_minutes } = *self;
        // Nobody ever banned, or banned for ever, would be a slip.
        let ban = Duration::from_secs(ban_minutes.clamp(1, 7 * 24 * 60) * 60);
        Patience { per_second: per_second.max(1), ban_after: ban_after.max(1), ban, ..Patience::default() }
    }
}

/// A server of the DNS: an address, with a port when it is not 53.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct DnsServer(pub SocketAddr);

impl TryFrom<String> for DnsServer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let alone = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        text.parse().or_else(|_| alone()).map(Self).map_err(|_| {
            format!("`{text}` is no address of a DNS server\n  help: write one such as 192.0.2.53 or \"[2001:db8::53]:53\"")
        })
    }
}

/// `sip.tls` of the settings. Paths are relative to the data folder.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SipTlsConfig {
    /// Where; the port is 5061 as a rule.
    pub listen: SocketAddr,
    /// The certificate and those between it and its authority, in PEM. Shown to whoever connects, and to whom we connect.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of the certificates that whoever connects must show; nobody is asked for one when left out.
    #[serde(default)]
    pub clients: Option<PathBuf>,
    /// The authorities of the certificates of those to whom we connect; the system's when left out.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
}
