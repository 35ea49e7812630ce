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
    /// SIP over WebSocket; none when left out.
    #[serde(default)]
    pub websocket: Option<SipWebSocketConfig>,
    /// How patient the engine is with those who are neither trunks nor phones.
    #[serde(default)]
    pub strangers: StrangersConfig,
}

impl SipConfig {
    /// Finds what does not fit together.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(websocket) = &self.websocket else { return Ok(()) };
        if websocket.listen.is_none() && websocket.secure.is_none() {
            return Err("`sip.websocket` listens nowhere\n  help: give it `listen` (ws:) or `secure` (wss:), an address and a \
                        port each"
                .to_owned());
        }
        if websocket.secure.is_some() && self.tls.is_none() {
            return Err("`sip.websocket.secure` needs a certificate, and no TLS is spoken here\n  help: give `sip.tls` an \
                        address, a certificate and its key: they serve both"
                .to_owned());
        }
        let wrong = websocket.origins.iter().find(|origin| !is_origin(origin));
        wrong.map_or(Ok(()), |origin| {
            Err(format!(
                "`sip.websocket.origins` has `{origin}`, which is no origin\n  help: write what a browser says of the page: \
                 https://phones.example.com, with a port when it has one and nothing behind it"
            ))
        })
    }
}

/// RFC 6454 §6.2: a scheme, a host, perhaps a port.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
        !host.is_empty() && host.chars().all(named)
    })
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

/// `sip.websocket` of the settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SipWebSocketConfig {
    /// Where it is spoken in clear (`ws:`).
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// Where it is spoken over TLS (`wss:`), with the files of `sip.tls`.
    #[serde(default)]
    pub secure: Option<SocketAddr>,
    /// Whose pages may, such as `https://phones.example.com`; without any no browser may, and programs may all the same.
    #[serde(default)]
    pub origins: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::driver::config::Config;

    #[test]
    fn a_websocket_listens_somewhere_and_knows_its_pages() {
        let parse = |text: &str| Config::parse(Path::new("x"), text).map_err(|error| error.to_string());
        let tls = "tls: {listen: \"192.0.2.1:5061\", certificate: a, key: b}";
        for (websocket, part) in [
            ("origins: []", "listens nowhere"),
            ("secure: \"192.0.2.1:7443\"", "needs a certificate"),
            ("listen: \"192.0.2.1:5066\", origins: [\"https://a.example/\"]", "is no origin"),
            ("listen: \"192.0.2.1:5066\", origins: [\"*\"]", "is no origin"),
        ] {
            let error = parse(&format!("sip: {{websocket: {{{websocket}}}}}\n")).expect_err(part);
            assert!(error.contains(part) && error.contains("help:"), "{error}");
        }
        let both = "secure: \"192.0.2.1:7443\", origins: [\"https://a.example:8443\"]";
        parse(&format!("sip: {{{tls}, websocket: {{{both}}}}}\n")).expect("valid");
    }
}
