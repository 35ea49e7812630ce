//! Recording servers in the settings, and what would send a caller's voice where others hear it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::RecordingConfig;
use crate::call::{Health, RecordingPlace, RecordingPlan, RecordingServer};
use crate::media::SrtpPolicy;
use crate::sip::{Transport, Uri};

/// Where recordings go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Into `recordings/`.
    Files,
    /// To a recording server.
    Servers,
    /// Both.
    Both,
    /// To a recording server, and into `recordings/` from the moment that none has it.
    ServersElseFiles,
}

/// What a recording server is told of a caller's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Its last three digits.
    #[default]
    Masked,
    /// All of it.
    Clear,
}

/// A recording server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Its SIP address: `sip:recorder@192.0.2.5:5060;transport=tcp`.
    pub uri: String,
    /// Whether the voices are encrypted, by keys in the session description: `off`, `required`.
    #[serde(default)]
    pub srtp: SrtpPolicy,
    /// Keys may travel in signalling that others on the way can read.
    #[serde(default)]
    pub srtp_keys_in_clear: bool,
    /// Voices may travel where others on the way can hear them.
    #[serde(default)]
    pub voice_in_clear: bool,
    /// What it is told of callers' numbers: `masked`, `clear`.
    #[serde(default)]
    pub numbers: Numbers,
}

/// Why recording servers can't be used.
#[derive(Debug, Error)]
pub enum ServerError {
    /// No address that can be called.
    #[error(
        "recording: `{0}` is no address of a recording server\n  help: write it as `sip:recorder@192.0.2.5:5060;transport=tcp`: \
         an IP address, over `tls`, `tcp` or `udp`"
    )]
    Address(String),
    /// The voice would go in clear.
    #[error(
        "recording: the voices of callers would go to {0} so that others on the way can hear them\n  help: where that network is \
         yours alone (a VPN, a private line), say `voice_in_clear: true`; otherwise `srtp: required`"
    )]
    VoiceInClear(String),
    /// The keys would go in clear.
    #[error(
        "recording: SRTP takes its keys from the signalling, which is not encrypted on its way to {0}\n  help: where that network \
         is yours alone (a VPN, a private line), say `srtp_keys_in_clear: true`; otherwise call it over TLS, by `;transport=tls`"
    )]
    KeysInClear(String),
    /// Encryption that nobody can offer.
    #[error("recording: {0}: `srtp` is `off` or `required` for a recording server, since it is we who offer")]
    Optional(String),
    /// Servers are to record, and there are none.
    #[error(
        "recording: `to` names servers, and there are none\n  help: list one under `servers:`, or write `to: files`"
    )]
    NoServers,
    /// More than a call can try in a sensible time.
    #[error(
        "recording: there are more than {MOST_SERVERS} recording servers\n  help: name those that calls are to try"
    )]
    TooMany,
}

impl ServerConfig {
    fn server(&self) -> Result<RecordingServer, ServerError> {
        let wrong = || ServerError::Address(self.uri.clone());
        let uri = Uri::parse(self.uri.as_bytes()).ok_or_else(wrong)?;
        let sip = uri.as_sip().ok_or_else(wrong)?;
        let ip = sip.host.ip().filter(|ip| !ip.is_unspecified() && !ip.is_multicast()).ok_or_else(wrong)?;
        let over = Transport::of_uri(&uri).ok_or_else(wrong)?;
        let name = SocketAddr::new(ip, sip.port.unwrap_or(over.default_port())).to_string();
        match self.srtp {
            SrtpPolicy::Optional => return Err(ServerError::Optional(name)),
            SrtpPolicy::Off if !ip.is_loopback() && !self.voice_in_clear => {
                return Err(ServerError::VoiceInClear(name));
            }
            SrtpPolicy::Required
                if over != Transport::Tls && !ip.is_loopback() && !self.srtp_keys_in_clear =>
            {
                return Err(ServerError::KeysInClear(name));
            }
            SrtpPolicy::Off | SrtpPolicy::Required => {}
        }
        let numbers_in_clear = self.numbers == Numbers::Clear;
        Ok(RecordingServer {
            name: Arc::from(name.as_str()),
            uri,
            srtp: self.srtp,
            stays_here: self.srtp == SrtpPolicy::Off && !self.voice_in_clear,
            numbers_in_clear,
            health: Health::default(),
        })
    }
}

impl RecordingConfig {
    /// Where calls are recorded.
    ///
    /// # Errors
    /// [`ServerError`], with what to do.
    pub fn plan(&self) -> Result<RecordingPlan, ServerError> {
        if self.servers.len() > MOST_SERVERS {
            return Err(ServerError::TooMany);
        }
        let servers = self.servers.iter().map(ServerConfig::server).collect::<Result<Vec<_>, _>>()?;
        let place = match self.to {
            Some(Place::Files) => RecordingPlace::Files,
            Some(Place::Servers) => RecordingPlace::Servers,
            Some(Place::ServersElseFiles) => RecordingPlace::ServersElseFiles,
            Some(Place::Both) => RecordingPlace::Both,
            None if servers.is_empty() => RecordingPlace::Files,
            None => RecordingPlace::Both,
        };
        if place.uses_servers() && servers.is_empty() {
            return Err(ServerError::NoServers);
        }
        Ok(RecordingPlan { place, servers })
    }
}

/// A server that says nothing costs five seconds of a recording.
const MOST_SERVERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<RecordingPlan, String> {
        let config: RecordingConfig = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        config.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn a_voice_goes_in_clear_to_this_machine_only_unless_the_settings_say_so() {
        let server =
            |rest: &str| plan(&format!("servers: [{{uri: \"sip:rec@192.0.2.5;transport=tcp\"{rest}}}]"));
        for (rest, wanted) in [
            ("", "voice_in_clear: true"),
            (", srtp: required", "srtp_keys_in_clear: true"),
            (", srtp: optional", "`off` or `required`"),
            (", voice_in_claer: true", "voice_in_claer"),
        ] {
            let error = server(rest).expect_err(rest);
            assert!(error.contains(wanted), "{rest}: {error}");
        }
        assert_eq!(
            server(", voice_in_clear: true").expect("decided").servers[0].name.as_ref(),
            "192.0.2.5:5060"
        );
        assert!(server(", srtp: required, srtp_keys_in_clear: true").is_ok());
        let by_tls = plan("servers: [{uri: \"sip:rec@192.0.2.5;transport=tls\", srtp: required}]")
            .expect("nobody reads the keys");
        assert_eq!(by_tls.servers[0].name.as_ref(), "192.0.2.5:5061");
        assert!(plan("servers: [{uri: \"sip:127.0.0.1:5070\"}]").is_ok(), "nobody else hears it");
    }

    #[test]
    fn an_address_that_no_call_could_reach_is_an_error() {
        for uri in [
            "recorder",
            "sip:rec@recorder.example",
            "sips:rec@127.0.0.1;transport=udp",
            "sip:127.0.0.1;transport=sctp",
            "sip:0.0.0.0",
            "tel:+15550100",
        ] {
            let error = plan(&format!("servers: [{{uri: \"{uri}\"}}]")).expect_err(uri);
            assert!(error.contains(uri) && error.contains("help:"), "{error}");
        }
    }

    #[test]
    fn where_recordings_go_follows_what_there_is_unless_it_is_written() {
        let one = "servers: [{uri: \"sip:127.0.0.1:5070\"}]";
        for (text, place) in [
            ("{}".to_owned(), RecordingPlace::Files),
            (one.to_owned(), RecordingPlace::Both),
            (format!("to: servers\n{one}"), RecordingPlace::Servers),
            (format!("to: servers_else_files\n{one}"), RecordingPlace::ServersElseFiles),
            (format!("to: files\n{one}"), RecordingPlace::Files),
        ] {
            assert_eq!(plan(&text).expect("a plan").place, place, "{text}");
        }
        assert!(plan("to: servers").expect_err("none").contains("list one under `servers:`"));
        assert!(plan("to: nowhere").is_err());
    }
}
