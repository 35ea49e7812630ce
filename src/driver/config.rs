//! `countersign.yaml`: the site's own settings: who may send calls, which agents and queues there are.
//!
//! The file lies in the data folder and is written, with comments, at the first run. Unknown keys are
//! errors: a misspelled trunk must not silently take no calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::checkpoints::CheckpointConfig;
use super::recognition::RecognitionConfig;
use super::recordings::RecordingConfig;
use super::retention::RetentionConfig;
use super::secrets::SecretConfig;
use super::sender::{self, LettersConfig, SenderConfig};
use super::speech::SpeechConfig;
use super::stir::StirConfig;
use super::web::WebConfig;
use super::webhooks::WebhookConfig;
use peers::{check_srtp, check_tls, check_transfers};

pub use bounds::CallBounds;
pub use outward::{Destination, Dial, OutwardConfig, ServerConfig, by_trunk, next_hop};
pub use peers::PhonesConfig;
pub use profile::Profile;
pub use sip::{DnsServer, SipConfig, SipTlsConfig, SipWebSocketConfig, StrangersConfig};
pub use trunk::{Origin, Setting, TrunkConfig};

mod bounds;
mod outward;
mod peers;
mod profile;
mod sip;
mod trunk;

/// Why the settings can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error(
        "cannot read {path}: {source}\n  help: check that the file exists and that this user may read it"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file can't be written at first run.
    #[error("cannot write {path}: {source}\n  help: choose a folder this user may write to with --data DIR")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not valid.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
}

/// The site's settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How SIP comes in beside UDP and TCP.
    #[serde(default)]
    pub sip: SipConfig,
    /// Whether callers' numbers are verified, and calls of our own signed.
    #[serde(default)]
    pub stir: StirConfig,
    /// Who may send calls.
    #[serde(default)]
    pub trunks: Vec<TrunkConfig>,
    /// From where agents' phones may register.
    #[serde(default)]
    pub phones: PhonesConfig,
    /// The lines that callers wait in.
    #[serde(default)]
    pub queues: BTreeMap<String, QueueConfig>,
    /// The people (or machines) who take calls.
    #[serde(default)]
    pub agents: Vec<AgentConfig>,
    /// Names that a flow's `transfer` may use, each with its SIP address, or with a telephone number that a trunk carries.
    #[serde(default)]
    pub transfers: BTreeMap<String, String>,
    /// Who speaks what nobody recorded, in the order in which they are asked.
    #[serde(default)]
    pub speech: Vec<SpeechConfig>,
    /// Who understands what callers say.
    #[serde(default)]
    pub recognition: RecognitionConfig,
    /// Who sends codes, notices and links; of each channel, in the order in which they are tried.
    #[serde(default)]
    pub senders: Vec<SenderConfig>,
    /// How many letters may be sent, and to where.
    #[serde(default)]
    pub letters: LettersConfig,
    /// Where the secrets are that applications name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretConfig>,
    /// Where other programs and browsers reach the engine.
    #[serde(default)]
    pub web: WebConfig,
    /// Who is told what happens.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    /// What is recorded of calls.
    #[serde(default)]
    pub recording: RecordingConfig,
    /// Bounds.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How long what is kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// What becomes of the audit log.
    #[serde(default)]
    pub audit: AuditConfig,
}

/// `audit:` of the settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Where signed checkpoints go; nowhere when left out.
    #[serde(default)]
    pub checkpoints: Option<CheckpointConfig>,
}

/// A queue.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// How many callers may wait.
    #[serde(default = "default_places")]
    pub places: usize,
}

/// An agent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The name; also the user that the phone registers with.
    pub name: String,
    /// The queues served.
    pub queues: Vec<String>,
    /// What the agent can do, for queues that ask for a skill; `"*"` is everything.
    #[serde(default)]
    pub skills: Vec<String>,
    /// A fixed SIP address, for a phone that does not register.
    #[serde(default)]
    pub sip: Option<String>,
}

/// Bounds of this deployment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Calls at once, over all shards.
    pub calls: usize,
    /// Seconds that an agent's phone may ring.
    pub ring_seconds: u64,
    /// Minutes that a call may last.
    pub call_minutes: u64,
    /// Seconds without a media packet from the caller after which the call is ended.
    pub silence_seconds: u64,
    /// Seconds that running calls may go on when the engine is to end.
    pub drain_seconds: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { calls: 2000, ring_seconds: 20, call_minutes: 120, silence_seconds: 60, drain_seconds: 30 }
    }
}

impl LimitsConfig {
    /// How long an agent's phone may ring.
    #[must_use]
    pub const fn ring(&self) -> Duration {
        Duration::from_secs(self.ring_seconds)
    }
}

const fn default_places() -> usize {
    100
}

impl Config {
    /// The name of the file in the data folder.
    pub const FILE: &str = "countersign.yaml";

    /// Reads `countersign.yaml` of the data folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, the place and what to do.
    pub fn read(data: &FilePath) -> Result<Self, ConfigError> {
        let path = data.join(Self::FILE);
        let text = fs::read_to_string(&path)
            .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        Self::parse(&path, &text)
    }

    /// Writes the commented default file when there is none, with the queues that the application uses. Where
    /// nobody else can call (`alone`), letters are printed.
    ///
    /// # Errors
    /// [`ConfigError::Unwritable`].
    pub fn write_default(data: &FilePath, queues: &BTreeSet<String>, alone: bool) -> Result<(), ConfigError> {
        Self::write(data, default_text(queues, alone))
    }

    /// Writes settings for `serve --bench` if there are none: calls from loopback, as many as there is room for.
    ///
    /// # Errors
    /// [`ConfigError::Unwritable`].
    pub fn write_for_measuring(data: &FilePath, calls: usize) -> Result<(), ConfigError> {
        let text = format!(
            "# Settings of `countersign serve --bench`.\ntrunks:\n  - {{name: local, addresses: [127.0.0.0/8, \"::1\"]}}\n\
             limits: {{calls: {calls}}}\n"
        );
        Self::write(data, text)
    }

    fn write(data: &FilePath, text: String) -> Result<(), ConfigError> {
        let path = data.join(Self::FILE);
        if path.exists() {
            return Ok(());
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| ConfigError::Unwritable { path, source })
    }

    pub(super) fn parse(path: &FilePath, text: &str) -> Result<Self, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.to_owned(), message };
        let config: Self = serde_saphyr::from_str(text).map_err(|error| invalid(error.to_string()))?;
        for agent in &config.agents {
            if let Some(queue) = agent.queues.iter().find(|queue| !config.queues.contains_key(*queue)) {
                return Err(invalid(format!(
                    "agent `{}` serves the queue `{queue}`, which is not among the queues\n  help: add `{queue}: \
                     {{places: 100}}` under `queues:`, or correct the name",
                    agent.name
                )));
            }
        }
        config.speech.iter().try_for_each(SpeechConfig::check).map_err(|error| invalid(error.to_string()))?;
        config.recognition.check().map_err(|error| invalid(error.to_string()))?;
        profile::check(&config)
            .and_then(|()| check_tls(&config))
            .and_then(|()| config.sip.check())
            .and_then(|()| check_srtp(&config))
            .and_then(|()| check_transfers(&config))
            .and_then(|()| outward::check(&config))
            .map_err(invalid)?;
        config.stir.check(&config).map_err(|error| invalid(error.to_string()))?;
        config.recording.plan().map_err(|error| invalid(error.to_string()))?;
        config.web.check().map_err(|error| invalid(error.to_string()))?;
        WebhookConfig::check(&config.webhooks).map_err(|error| invalid(error.to_string()))?;
        sender::check(&config.senders, &config.letters).map_err(|error| invalid(error.to_string()))?;
        if let Some(problem) = config.retention.problem() {
            return Err(invalid(problem));
        }
        let mut trunks = BTreeSet::new();
        if let Some(twice) = config.trunks.iter().find(|trunk| !trunks.insert(trunk.name.as_str())) {
            return Err(invalid(format!(
                "the trunk `{}` is listed twice\n  help: put all its addresses under one name, or give each a name of its own",
                twice.name
            )));
        }
        let mut names: Vec<&str> = config.agents.iter().map(|agent| agent.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(invalid(format!(
                "the agent `{}` is listed twice\n  help: give each agent a name of their own",
                twice.first().copied().unwrap_or_default()
            )));
        }
        Ok(config)
    }
}

fn default_text(queues: &BTreeSet<String>, alone: bool) -> String {
    let general = BTreeSet::from(["general".to_owned()]);
    let names = if queues.is_empty() { &general } else { queues };
    let list: String = names.iter().map(|name| format!("  {name}: {{places: 100}}\n")).collect();
    let served = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let senders = if alone { SENDERS_ALONE } else { "senders: []\n" };
    DEFAULT_TEXT
        .replace("senders: []\n", senders)
        .replace("  general: {places: 100}\n", &list)
        .replace("queues: [general]", &format!("queues: [{served}]"))
}

const SENDERS_ALONE: &str = "senders:
  - {name: printed, development: {}}    # prints codes here, for trying things out: never for real callers
";

const DEFAULT_TEXT: &str = r#"# The site's own settings. Callers' flows lie elsewhere: in the application folder.

# Who may send calls. Everybody else gets the same refusal, whatever they dial.
trunks:
  - name: loopback
    addresses: ["127.0.0.0/8", "::1"]
    trace: true         # `countersign call` shows what happens in its call: for test callers only
#  - {name: carrier, profile: address, addresses: ["198.51.100.0/28"], in: {calls: 200, per_second: 10}}     # see `countersign trunk profiles`

# SIP over TLS, beside UDP and TCP. With `tls: true` a trunk (or `phones`) is heard over it only.
# sip:
#   tls: {listen: "192.0.2.1:5061", certificate: /etc/countersign/sip.pem, key: /etc/countersign/sip.key}     # read again when they change
#   websocket: {listen: "127.0.0.1:5066"}     # SIP over WebSocket, from programs; a browser's pages need their `origins` here

# From where agents' phones may register.
phones:
  from: ["127.0.0.0/8", "::1"]
  sha256: false         # true: SHA-256 is offered beside MD5; older phones then fail to register

# The lines that callers wait in; flows name them.
queues:
  general: {places: 100}

# Who takes calls. A phone registers with the agent's name and the password that
# `countersign agent password NAME` makes; or it has a fixed address: `sip: sip:name@192.0.2.7`.
agents:
  - {name: ana, queues: [general]}

# Names for a flow's `transfer`, each with its SIP address.
transfers: {}

# Who speaks the prompts that nobody recorded, when the application is loaded; each text once.
# speech:
#   - command: [espeak-ng, -v, "{voice}", --stdout]     # text by standard input, or as the argument "{text}"
#     voices: {en-GB: en-gb, es-ES: es}

# Who understands what callers say: without this, the model that `countersign models install whisper-tiny.en` brings.
# recognition: {workers: 2, queue: 32, ears: [{model: whisper-tiny.en}]}
# recognition: {ears: [{outside: {vosk: {url: "ws://127.0.0.1:2700"}, languages: [en]}}]}      # a server of yours, see docs/operating.md

# Who sends codes and notices to the addresses on file: see docs/senders.md. `development` prints them here in
# place of sending them, and is refused when anything listens beyond this machine.
senders: []
#  - {name: mail, smtp: {server: mail.example.com, from: no-reply@example.com, user: ivr, password: mail/password}}

# How many letters may be sent, and the beginnings of the telephone numbers that they may go to.
letters:
  countries: []         # such as ["+44"]; every other number is refused
  address: {hour: 5, day: 10}
  subject: {day: 15}
  engine: {hour: 500, day: 5000}

# Where the secrets are that services.yaml and senders name (`secret:crm/token`): a file that only this user may read, an
# environment variable, or a credential of systemd.
secrets: {}
#  crm/token: {file: /etc/countersign/crm-token}
#  pay/client: {credential: pay-client}

# Where other programs and browsers reach the engine: plain HTTP on 127.0.0.1 only; elsewhere with a certificate.
# web:
#   listen: 127.0.0.1:8080
#   certificate: /etc/countersign/site.pem      # read again when it changes
#   key: /etc/countersign/site.key
#   public: https://calls.example.com           # for `push` and links to enrol by: passkeys are bound to this host

# Who is told what happens, signed with a secret.
# webhooks:
#   - {url: "https://crm.example.com/countersign", events: [verified, call_ended], secret: crm/hook}

# What flows record of calls, sealed below `recordings/`; `enabled: false` records nothing, whatever flows say.
# recording:
#   keep_free_mb: 1024                                # below so much free room nothing is recorded
#   to: servers_else_files                            # or `files`, `servers`, `both`
#   servers:                                          # recording servers (SIPREC), in the order in which they are tried
#     - {uri: "sip:recorder@192.0.2.5;transport=tcp", voice_in_clear: true}

limits:
  calls: 2000           # at once; more are told to come back later
  ring_seconds: 20      # how long an agent's phone rings
  call_minutes: 120     # the longest call
  silence_seconds: 60   # a caller whose media stopped this long is gone
  drain_seconds: 30     # when the engine is to end, calls that run may go on for so long

# How long what is kept; `countersign retention show` tells what there is. These hold when they are left out.
# retention: {call_records: 400d, caller_numbers: 180d, messages: 90d, recordings: 90d, remembered: 400d, requests: 1d, audit: 800d, speech: 90d}

# Signed checkpoints of the audit log in a second place, on another disk or machine.
# audit:
#   checkpoints: {file: /mnt/elsewhere/countersign-checkpoints.jsonl, every_records: 1000, every_minutes: 10}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(FilePath::new("countersign.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_written_at_first_run_is_valid_and_takes_calls_from_loopback_only() {
        let queues = BTreeSet::from(["cards".to_owned(), "general".to_owned()]);
        let config = parse(&default_text(&queues, false)).expect("the default is valid");
        assert!(config.senders.is_empty());
        let alone = parse(&default_text(&queues, true)).expect("the default is valid");
        assert!(alone.senders.iter().all(SenderConfig::shows) && alone.senders.len() == 1);
        assert_eq!(config.agents[0].queues, ["cards", "general"]);
        assert_eq!(config.queues.len(), 2);
        assert_eq!(config.trunks.len(), 1);
        assert_eq!(config.trunks[0].addresses, ["127.0.0.0/8", "::1"]);
        assert_eq!(config.limits, LimitsConfig::default());
    }

    #[test]
    fn a_misspelled_key_is_an_error_with_its_place() {
        let error = parse("trunk:\n  - name: x\n").expect_err("unknown key");
        assert!(error.contains("countersign.yaml") && error.contains("trunk"), "{error}");
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn keys_of_encrypted_media_travel_readably_only_where_the_settings_say_so() {
        let trunk = |rest: &str| format!("trunks:\n  - {{name: x, addresses: [\"192.0.2.1\"], {rest}}}\n");
        for srtp in ["optional", "required"] {
            let error = parse(&trunk(&format!("srtp: {srtp}"))).expect_err("refused");
            assert!(error.contains("192.0.2.1") && error.contains("srtp_keys_in_clear: true"), "{error}");
            parse(&trunk(&format!("srtp: {srtp}, srtp_keys_in_clear: true"))).expect("decided");
        }
        parse("trunks:\n  - {name: x, addresses: [\"127.0.0.0/8\"], srtp: required}\n")
            .expect("nobody else reads it");
        parse(&trunk("srtp: off, inband_keys: always")).expect("plain");
        parse(&trunk("srtp: sometimes")).expect_err("no such setting");
    }

    #[test]
    fn what_is_to_come_or_go_over_tls_needs_somebody_who_speaks_it() {
        let tls = |more: &str| {
            format!(
                "sip: {{tls: {{listen: \"192.0.2.1:5061\", certificate: a, key: b{more}}}}}\nqueues: {{q: {{}}}}\n"
            )
        };
        let trunk = |rest: &str| format!("trunks:\n  - {{name: x, addresses: [\"192.0.2.1\"], {rest}}}\n");
        let agent = |uri: &str| format!("agents: [{{name: ana, queues: [q], sip: \"{uri}\"}}]\n");
        let queue = "queues: {q: {}}\n".to_owned();
        for (text, part) in [
            (trunk("tls: true"), "no TLS is spoken"),
            ("phones: {tls: true}\n".to_owned(), "no TLS is spoken"),
            (queue + &agent("sip:ana@192.0.2.3;transport=tls"), "`ana` is called over TLS"),
            ("transfers: {desk: \"sips:desk@192.0.2.3\"}\n".to_owned(), "`sips:desk@192.0.2.3`"),
            (tls("") + &trunk("tls: true, certificate: [sip.example]"), "nobody asks it for"),
            (tls(", clients: c") + &trunk("certificate: [sip.example]"), "nobody asks it for"),
            (tls(", clients: c") + &trunk("tls: true, certificate: [\"no name\"]"), "no name"),
            (tls("") + "phones: {tls: true}\n" + &agent("sip:ana@192.0.2.3"), "`ana` is called over UDP"),
            (
                "transfers: {desk: \"sip:desk@192.0.2.3;transport=ws\"}\n".to_owned(),
                "speaks WebSocket registers",
            ),
        ] {
            let error = parse(&text).expect_err(part);
            assert!(error.contains(part) && error.contains("help:"), "{error}");
        }
        parse(&(tls(", clients: c") + &trunk("tls: true, certificate: [sip.example], srtp: required")))
            .expect("keys of media are told over TLS only");
        parse(&(tls("") + "phones: {tls: true, srtp: required}\n" + &agent("sips:ana@192.0.2.3")))
            .expect("valid");
    }

    #[test]
    fn an_agent_of_an_unknown_queue_is_an_error_that_says_what_to_do() {
        let error = parse("agents:\n  - {name: ana, queues: [sales]}\n").expect_err("unknown queue");
        assert!(error.contains("`ana`") && error.contains("`sales`") && error.contains("help:"), "{error}");
    }

    #[test]
    fn an_agent_listed_twice_is_an_error() {
        let twice = "queues: {q: {}}\nagents:\n  - {name: ana, queues: [q]}\n  - {name: ana, queues: [q]}\n";
        assert!(parse(twice).expect_err("twice").contains("the agent `ana` is listed twice"));
        let twice = "trunks: [{name: a, addresses: [192.0.2.1], tls: true}, {name: a, addresses: [192.0.2.2]}]\n\
                     sip: {tls: {listen: \"192.0.2.9:5061\", certificate: a, key: b}}\n";
        assert!(parse(twice).expect_err("twice").contains("the trunk `a` is listed twice"));
    }
}
