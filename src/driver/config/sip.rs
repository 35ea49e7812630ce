//! How SIP comes in beside UDP and TCP.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// `sip:` of the settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SipConfig {
    /// SIP over TLS; none when left out.
    #[serde(default)]
    pub tls: Option<SipTlsConfig>,
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
