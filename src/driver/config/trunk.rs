//! A trunk: a carrier's addresses, from which calls come, and its servers, by which calls go out. As it is written, and as it
//! is meant: what it does not say its profile says, or else what is usual.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use serde::Deserialize;

use super::outward::{Dial, LoginConfig, OutwardConfig, RegisterConfig, ServerConfig};
use super::profile::Usual;
use super::{CallBounds, Profile};
use crate::driver::gate::Demand;
use crate::media::{CodecList, InbandKeys, MediaTerms, SrtpPolicy};
use crate::sip::stir::NumberPlan;

/// A trunk: a carrier's addresses, from which calls come, and its servers, by which calls go out.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "Written")]
pub struct TrunkConfig {
    /// Its name in records.
    pub name: String,
    /// The style of its carrier, which says what the trunk does not.
    pub profile: Option<Profile>,
    /// Addresses or networks (`192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`).
    pub addresses: Vec<String>,
    /// How many calls it may bring in.
    pub inward: CallBounds,
    /// How calls go out; none do when left out.
    pub out: Option<OutwardConfig>,
    /// Whether a test caller may be told what happens in its call: prompts, outcomes, levels; never a value.
    pub trace: bool,
    /// Whether its word counts on who calls and how the call came there (P-Asserted-Identity, Diversion, History-Info,
    /// User-to-User), and whether a caller's number may be told to it.
    pub trusted: bool,
    /// Whether its word counts on how a caller's number was verified (STIR/SHAKEN): `verstat` beside the asserted
    /// identity, and the level in `Attestation-Info` or `P-Attestation-Indicator`.
    pub verstat: bool,
    /// Whether callers' numbers are verified here, by what is signed in the Identity header (STIR/SHAKEN).
    pub stir: bool,
    /// The country code of the numbers that it writes without one: callers' numbers and dialled ones get it.
    pub country: Option<String>,
    /// The codecs that calls may have, the preferred first: `PCMU`, `PCMA`, `G722`, `L16`, `opus`.
    pub codecs: CodecList,
    /// Whether the carrier may send comfort noise in place of silence.
    pub comfort_noise: bool,
    /// When keys are listened for in the audio: `auto` (from callers without telephone-events), `always`, `off`.
    pub inband_keys: InbandKeys,
    /// Whether media is encrypted, by keys in the session description: `off`, `optional`, `required`.
    pub srtp: SrtpPolicy,
    /// Keys may travel in signalling that others on the way can read.
    pub srtp_keys_in_clear: bool,
    /// Only what comes over TLS is of this trunk.
    pub tls: bool,
    /// The names that its certificate is for, one of which it must show.
    pub certificate: Vec<String>,
    /// Who said what of this.
    said: Said,
}

/// Which settings of a trunk were written, and which its profile says; the others are as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    written: Vec<&'static str>,
    by_profile: Vec<&'static str>,
}

/// A setting of a trunk, as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key below the trunk: `tls`, `out.dial`.
    pub key: &'static str,
    /// As it would be written.
    pub value: String,
    /// Who said so.
    pub from: Origin,
}

/// Who said what a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The settings.
    Written,
    /// The trunk's profile.
    Profile,
    /// Nobody: it is as usual.
    Usual,
}

impl TrunkConfig {
    /// What of it only a restart applies: not how many calls it may have, nor who said so.
    pub(in crate::driver) fn waiting(mut self) -> Self {
        (self.inward, self.said) = (CallBounds::default(), Said::default());
        if let Some(out) = &mut self.out {
            (out.calls, out.per_second) = (None, None);
        }
        self
    }

    /// What its profile says, in words; `None` without one.
    #[must_use]
    pub fn profile_told(&self) -> Option<String> {
        let profile = self.profile?;
        let says = |setting: Setting| {
            (setting.from == Origin::Profile).then(|| format!("`{}: {}`", setting.key, setting.value))
        };
        let says: Vec<String> = self.settings().into_iter().filter_map(says).collect();
        let says = if says.is_empty() { "nothing that is not written".to_owned() } else { says.join(", ") };
        Some(format!("the profile `{profile}` of the trunk `{}` says {says}", self.name))
    }

    /// A setting as it is in force, for a message: whoever did not write it is told who did.
    pub(super) fn as_said(&self, key: &str, text: &str) -> String {
        match self.profile {
            Some(profile) if self.said.by_profile.contains(&key) => {
                format!("`{text}` (of its profile `{profile}`)")
            }
            _ => format!("`{text}`"),
        }
    }

    /// All settings that are in force.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        // Whole, so that no setting is forgotten.
        let Self {
            name: _,
            profile: _,
            said,
            addresses,
            inward: CallBounds { calls, per_second },
            out,
            trace,
            trusted,
            verstat,
            stir,
            country,
            codecs,
            comfort_noise,
            inband_keys,
            srtp,
            srtp_keys_in_clear,
            tls,
            certificate,
        } = self;
        let mut rows = vec![
            ("addresses", words(addresses)),
            ("country", country.as_ref().map_or_else(none, words)),
            ("trace", trace.to_string()),
            ("trusted", trusted.to_string()),
            ("verstat", verstat.to_string()),
            ("stir", stir.to_string()),
            ("tls", tls.to_string()),
            ("certificate", words(certificate)),
            ("srtp", srtp.name().to_owned()),
            ("srtp_keys_in_clear", srtp_keys_in_clear.to_string()),
            ("codecs", list(codecs.as_slice().iter().map(|codec| codec.name()))),
            ("comfort_noise", comfort_noise.to_string()),
            ("inband_keys", inband_keys.name().to_owned()),
            ("in.calls", number(*calls)),
            ("in.per_second", number(*per_second)),
        ];
        rows.extend(out.iter().flat_map(OutwardConfig::settings));
        let from = |key| match key {
            key if said.written.contains(&key) => Origin::Written,
            key if said.by_profile.contains(&key) => Origin::Profile,
            _ => Origin::Usual,
        };
        rows.into_iter().map(|(key, value)| Setting { key, value, from: from(key) }).collect()
    }

    /// What is demanded of a message beside the address that it comes from.
    #[must_use]
    pub const fn demand(&self) -> Demand {
        Demand { tls: self.tls, certificate: !self.certificate.is_empty() }
    }

    /// Whether its word on who calls counts: one that says how a number was verified says whose it is.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted || self.verstat
    }

    /// How it writes numbers.
    #[must_use]
    pub fn plan(&self) -> NumberPlan {
        self.country.as_deref().and_then(NumberPlan::of_country).unwrap_or_default()
    }

    /// The names that prove, in a certificate, to be this trunk.
    pub fn certificate_names(&self) -> impl Iterator<Item = (ServerName<'static>, Arc<str>)> {
        let trunk: Arc<str> = self.name.as_str().into();
        let names = self.certificate.iter().filter_map(|name| ServerName::try_from(name.clone()).ok());
        names.map(move |name| (name, Arc::clone(&trunk)))
    }

    /// What is settled about the media of its calls.
    #[must_use]
    pub fn terms(&self) -> MediaTerms {
        let Self { codecs, comfort_noise, inband_keys, srtp, srtp_keys_in_clear, .. } = *self;
        MediaTerms { codecs, comfort_noise, inband_keys, srtp, srtp_keys_in_clear, ..MediaTerms::default() }
    }
}

impl OutwardConfig {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let Self {
            servers,
            carries,
            from,
            dial,
            domain,
            login,
            register,
            options_seconds,
            calls,
            per_second,
        } = self;
        let server = |server: &ServerConfig| match (server.priority, server.weight) {
            (1, 1) => words(&server.uri),
            (priority, weight) => {
                format!("{{uri: {}, priority: {priority}, weight: {weight}}}", words(&server.uri))
            }
        };
        let login = login
            .as_ref()
            .map(|login| format!("{{user: {}, password: {}}}", words(&login.user), words(&login.password)));
        vec![
            ("out.servers", list(servers.iter().map(server))),
            ("out.carries", words(carries)),
            ("out.from", from.as_ref().map_or_else(none, words)),
            ("out.dial", dial.name().to_owned()),
            ("out.domain", domain.as_ref().map_or_else(none, words)),
            ("out.login", login.unwrap_or_else(none)),
            ("out.register", register.as_ref().map_or_else(none, registration)),
            ("out.options_seconds", options_seconds.to_string()),
            ("out.calls", number(*calls)),
            ("out.per_second", number(*per_second)),
        ]
    }
}

impl Usual {
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let Self { codecs, srtp, tls, dial, register, options_seconds } = self;
        let rows = [
            ("tls", tls.map(|tls| tls.to_string())),
            ("srtp", srtp.map(|srtp| srtp.name().to_owned())),
            (
                "codecs",
                codecs.as_ref().map(|codecs| list(codecs.as_slice().iter().map(|codec| codec.name()))),
            ),
            ("out.dial", dial.map(|dial| dial.name().to_owned())),
            ("out.register", register.as_ref().map(registration)),
            ("out.options_seconds", options_seconds.map(|seconds| seconds.to_string())),
        ];
        rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

fn registration(register: &RegisterConfig) -> String {
    let RegisterConfig { user, expires_seconds } = register;
    let user = user.as_ref().map(|user| format!("user: {}, ", words(user))).unwrap_or_default();
    format!("{{{user}expires_seconds: {expires_seconds}}}")
}

fn none() -> String {
    "none".to_owned()
}

fn number(number: Option<usize>) -> String {
    number.map_or_else(none, |number| number.to_string())
}

fn list(of: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let all: Vec<String> = of.into_iter().map(|one| one.as_ref().to_owned()).collect();
    format!("[{}]", all.join(", "))
}

/// Text, or a list of it, as YAML has it: in quotes.
fn words(of: impl serde::Serialize) -> String {
    serde_json::to_string(&of).unwrap_or_default().replace("\",\"", "\", \"")
}

/// A trunk as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    profile: Option<Profile>,
    addresses: Option<Vec<String>>,
    #[serde(default, rename = "in")]
    inward: CallBounds,
    out: Option<WrittenOut>,
    trace: Option<bool>,
    trusted: Option<bool>,
    verstat: Option<bool>,
    stir: Option<bool>,
    country: Option<String>,
    codecs: Option<CodecList>,
    comfort_noise: Option<bool>,
    inband_keys: Option<InbandKeys>,
    srtp: Option<SrtpPolicy>,
    srtp_keys_in_clear: Option<bool>,
    tls: Option<bool>,
    certificate: Option<Vec<String>>,
}

/// Its `out` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOut {
    servers: Vec<ServerConfig>,
    carries: Option<Vec<String>>,
    from: Option<String>,
    dial: Option<Dial>,
    domain: Option<String>,
    login: Option<LoginConfig>,
    /// `null` takes back what the profile says.
    #[serde(default, deserialize_with = "some")]
    register: Option<Option<RegisterConfig>>,
    options_seconds: Option<u64>,
    calls: Option<usize>,
    per_second: Option<usize>,
}

/// What is there, even if it is nothing.
fn some<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Seconds from one OPTIONS to the next where nobody says how many.
const OPTIONS_SECONDS: u64 = 30;

impl Said {
    /// What is written, else what the profile says.
    fn or_profile<T>(&mut self, key: &'static str, written: Option<T>, profile: Option<T>) -> Option<T> {
        match (&written, &profile) {
            (Some(_), _) => self.written.push(key),
            (None, Some(_)) => self.by_profile.push(key),
            (None, None) => {}
        }
        written.or(profile)
    }

    /// What is written of a setting of which profiles say nothing.
    fn own<T>(&mut self, key: &'static str, written: Option<T>) -> Option<T> {
        self.or_profile(key, written, None)
    }
}

impl From<Written> for TrunkConfig {
    fn from(written: Written) -> Self {
        let usual = written.profile.map(Profile::usual).unwrap_or_default();
        let mut said = Said::default();
        let inward = CallBounds {
            calls: said.own("in.calls", written.inward.calls),
            per_second: said.own("in.per_second", written.inward.per_second),
        };
        Self {
            name: written.name,
            profile: written.profile,
            addresses: said.own("addresses", written.addresses).unwrap_or_default(),
            inward,
            trace: said.own("trace", written.trace).unwrap_or_default(),
            trusted: said.own("trusted", written.trusted).unwrap_or_default(),
            verstat: said.own("verstat", written.verstat).unwrap_or_default(),
            stir: said.own("stir", written.stir).unwrap_or_default(),
            country: said.own("country", written.country),
            codecs: said.or_profile("codecs", written.codecs, usual.codecs).unwrap_or_default(),
            comfort_noise: said.own("comfort_noise", written.comfort_noise).unwrap_or_default(),
            inband_keys: said.own("inband_keys", written.inband_keys).unwrap_or_default(),
            srtp: said.or_profile("srtp", written.srtp, usual.srtp).unwrap_or_default(),
            srtp_keys_in_clear: said
                .own("srtp_keys_in_clear", written.srtp_keys_in_clear)
                .unwrap_or_default(),
            tls: said.or_profile("tls", written.tls, usual.tls).unwrap_or_default(),
            certificate: said.own("certificate", written.certificate).unwrap_or_default(),
            out: written.out.map(|out| out.settle(&mut said, usual)),
            said,
        }
    }
}

impl WrittenOut {
    fn settle(self, said: &mut Said, usual: Usual) -> OutwardConfig {
        let register = said.or_profile("out.register", self.register, usual.register.map(Some));
        let options = said.or_profile("out.options_seconds", self.options_seconds, usual.options_seconds);
        OutwardConfig {
            servers: said.own("out.servers", Some(self.servers)).unwrap_or_default(),
            carries: said.own("out.carries", self.carries).unwrap_or_default(),
            from: said.own("out.from", self.from),
            dial: said.or_profile("out.dial", self.dial, usual.dial).unwrap_or_default(),
            domain: said.own("out.domain", self.domain),
            login: said.own("out.login", self.login),
            register: register.flatten(),
            options_seconds: options.unwrap_or(OPTIONS_SECONDS),
            calls: said.own("out.calls", self.calls),
            per_second: said.own("out.per_second", self.per_second),
        }
    }
}
