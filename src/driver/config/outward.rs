//! `out:` of a trunk: by which servers calls go out, to which numbers, who we are there.

use serde::Deserialize;

use super::{CallBounds, Config};
use crate::driver::numbers::{self, Barred, is_beginning};
use crate::sip::stir::NumberPlan;
use crate::sip::{Host, Transport, Uri};

/// `trunks[].out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutwardConfig {
    /// The carrier's servers.
    pub servers: Vec<ServerConfig>,
    /// The beginnings of the numbers that may be called by it, such as `+44`; none when left out.
    pub carries: Vec<String>,
    /// The number that calls by it show, with + and its country code.
    pub from: Option<String>,
    /// How the carrier wants numbers written: `plus`, `digits`, `national`.
    pub dial: Dial,
    /// The carrier's domain, where it has another than its servers' names.
    pub domain: Option<String>,
    /// Who we are where the carrier asks.
    pub login: Option<LoginConfig>,
    /// Whether we register with the carrier, so that it finds us.
    pub register: Option<RegisterConfig>,
    /// Seconds between two questions whether a server lives; 0: nobody is asked.
    pub options_seconds: u64,
    /// Calls by it at once.
    pub calls: Option<usize>,
    /// Calls by it that begin in one second.
    pub per_second: Option<usize>,
}

/// A server: its URI alone, or with its place in the order.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "Written")]
pub struct ServerConfig {
    /// An address, or a name that the DNS knows.
    pub uri: String,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Among those of one priority: how often it comes first.
    pub weight: u16,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Alone(String),
    Placed(Placed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placed {
    uri: String,
    priority: Option<u16>,
    weight: Option<u16>,
}

impl From<Written> for ServerConfig {
    fn from(written: Written) -> Self {
        let (uri, priority, weight) = match written {
            Written::Alone(uri) => (uri, None, None),
            Written::Placed(Placed { uri, priority, weight }) => (uri, priority, weight),
        };
        Self { uri, priority: priority.unwrap_or(1), weight: weight.unwrap_or(1) }
    }
}

/// How numbers are written for a carrier.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Dial {
    /// `+441632960001`.
    #[default]
    Plus,
    /// `441632960001`.
    Digits,
    /// As dialled in the trunk's `country`: `01632960001`, `0034911234567`.
    National,
}

/// `trunks[].out.login`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// The user name.
    pub user: String,
    /// The password, by its name under `secrets:`.
    pub password: String,
}

/// `trunks[].out.register`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RegisterConfig {
    /// Whose address it is that we register; the user of `login` when left out.
    #[serde(default)]
    pub user: Option<String>,
    /// How long a registration is asked for.
    #[serde(default = "default_expires")]
    pub expires_seconds: u64,
}

const fn default_expires() -> u64 {
    600
}

impl Default for RegisterConfig {
    fn default() -> Self {
        Self { user: None, expires_seconds: default_expires() }
    }
}

impl Dial {
    /// As it is written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plus => "plus",
            Self::Digits => "digits",
            Self::National => "national",
        }
    }
}

/// Whom a name of `transfers` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A SIP address.
    Address(String),
    /// A telephone, by the trunk that is named or the one that carries its number.
    Telephone {
        /// With + and its country code.
        number: String,
        /// The trunk.
        trunk: Option<String>,
    },
}

impl Destination {
    /// As it is written: `sip:desk@192.0.2.7`, `+441632960001`, `+441632960001 by trunk carrier`. `None` for a number that is
    /// none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with('+') {
            return Some(Self::Address(text.to_owned()));
        }
        let (number, trunk) = match text.split_once(" by ") {
            Some((number, by)) => (number, Some(by_trunk(by)?.to_owned())),
            None => (text, None),
        };
        Some(Self::Telephone { number: numbers::international(number)?, trunk })
    }

    /// As a URI: a trunk is named as RFC 4904 names a group of trunks.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Address(uri) => uri.clone(),
            Self::Telephone { number, trunk: None } => format!("tel:{number}"),
            Self::Telephone { number, trunk: Some(trunk) } => format!("tel:{number};tgrp={trunk}"),
        }
    }
}

/// The trunk that `by: trunk NAME` names.
#[must_use]
pub fn by_trunk(by: &str) -> Option<&str> {
    let name = by.strip_prefix("trunk ")?.trim();
    (!name.is_empty()).then_some(name)
}

impl OutwardConfig {
    fn check(&self, country: Option<&str>) -> Result<(), (String, &'static str)> {
        let wrong = |what: String, help| Err((what, help));
        if self.servers.is_empty() || self.servers.len() > MOST_SERVERS {
            return wrong(
                format!("`servers` has {}", self.servers.len()),
                "write one to eight, such as `servers: [\"sip:sbc.carrier.example\"]`",
            );
        }
        if let Some(server) = self.servers.iter().find(|server| server.next_hop().is_none()) {
            return wrong(
                format!("the server `{}` leads nowhere", server.uri),
                "write `sip:` and an address or a host name, such as \"sip:192.0.2.7:5062;transport=tls\"",
            );
        }
        if let Some(beginning) = self.carries.iter().find(|beginning| !is_beginning(beginning)) {
            return wrong(
                format!("`{beginning}` of `carries` is no beginning of telephone numbers"),
                "write + and the country code, such as \"+44\"",
            );
        }
        if let Some(from) = &self.from
            && numbers::international(from).as_ref() != Some(from)
        {
            return wrong(
                format!("`from: {from}` is no telephone number"),
                "write the number that calls, with + and its country code",
            );
        }
        if self.dial == Dial::National && country.and_then(NumberPlan::of_country).is_none() {
            return wrong(
                "`dial: national`, and no country is known".to_owned(),
                "write `country: \"+44\"` beside `out`",
            );
        }
        if self.domain.as_deref().is_some_and(|domain| Host::parse(domain).is_none()) {
            return wrong("`domain` is no host name".to_owned(), "write one such as carrier.example");
        }
        if self.register.is_some() && self.login.is_none() {
            return wrong(
                "`register`, and nobody who logs in".to_owned(),
                "write `login: {user: NAME, password: NAME-OF-A-SECRET}` beside it",
            );
        }
        let expires = self.register.as_ref().map_or(default_expires(), |register| register.expires_seconds);
        if !(60..=86_400).contains(&expires) {
            return wrong(format!("`expires_seconds` is {expires}"), "write 60 to 86400");
        }
        if self.options_seconds != 0 && !(5..=3_600).contains(&self.options_seconds) {
            return wrong(
                format!("`options_seconds` is {}", self.options_seconds),
                "write 5 to 3600, or 0 to ask nobody",
            );
        }
        Ok(())
    }

    /// How many calls go out by it.
    #[must_use]
    pub const fn bounds(&self) -> CallBounds {
        CallBounds { calls: self.calls, per_second: self.per_second }
    }
}

impl ServerConfig {
    /// Where it is.
    #[must_use]
    pub fn next_hop(&self) -> Option<Uri> {
        next_hop(&self.uri)
    }

    /// Whether it is called otherwise than over TLS. One that can't be called at all is told of elsewhere.
    pub(super) fn is_in_clear(&self) -> bool {
        self.next_hop().is_some_and(|hop| Transport::of_uri(&hop) != Some(Transport::Tls))
    }
}

/// A next hop as the settings write it.
#[must_use]
pub fn next_hop(text: &str) -> Option<Uri> {
    let uri = Uri::parse(text.as_bytes())?;
    let usable = uri.as_sip().is_some_and(|sip| !sip.secure && sip.user.is_none());
    (usable && Transport::of_uri(&uri).is_some()).then_some(uri)
}

const MOST_SERVERS: usize = 8;

/// Whatever goes out by a trunk goes by one that is there and carries it.
pub(super) fn check(config: &Config) -> Result<(), String> {
    for trunk in &config.trunks {
        let whose = format!("the trunk `{}`", trunk.name);
        let country = trunk.country.as_deref();
        if country.is_some_and(|code| NumberPlan::of_country(code).is_none()) {
            return Err(format!(
                "{whose}: `country` is no country code\n  help: write the one of its national numbers, such as \"+44\""
            ));
        }
        let wrong =
            |way: &str, (what, help): (String, String)| format!("{whose}, `{way}`: {what}\n  help: {help}");
        let none = "to take no calls of it, leave its `addresses` out";
        trunk.inward.check(none).map_err(|problem| wrong("in", problem))?;
        let Some(out) = &trunk.out else { continue };
        out.bounds()
            .check("to make no calls by it, leave `out` out")
            .map_err(|problem| wrong("out", problem))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if trunk.name.is_empty() || !trunk.name.chars().all(plain) {
            return Err(format!(
                "{whose}: routes name it, so its name may have letters, digits, `-`, `_` and `.` only\n  help: give it another one"
            ));
        }
        out.check(country).map_err(|(what, help)| wrong("out", (what, help.to_owned())))?;
    }
    for (name, text) in &config.transfers {
        let whose = format!("`transfers`: `{name}`");
        let destination = Destination::parse(text).ok_or_else(|| {
            format!("{whose}: `{text}` is no destination\n  help: write \"sip:desk@192.0.2.7\", \"+441632960001\" or \"+441632960001 by trunk carrier\"")
        })?;
        if let Destination::Telephone { number, trunk } = destination {
            carried(config, &whose, trunk.as_deref(), &number)?;
        }
    }
    for sender in &config.senders {
        let routes = sender.call.iter().flat_map(|call| &call.routes);
        for (route, trunk) in routes.filter_map(|route| Some((route, by_trunk(&route.by)?))) {
            for to in &route.to {
                carried(config, &format!("the sender `{}`", sender.name), Some(trunk), to)?;
            }
        }
    }
    Ok(())
}

/// Whether a trunk carries a number, or all that begin so.
fn carried(config: &Config, whose: &str, by: Option<&str>, number: &str) -> Result<(), String> {
    let out = config.trunks.iter().filter_map(|trunk| Some((trunk.name.as_str(), trunk.out.as_ref()?)));
    let mut barred = Barred::NotNamed;
    let mut there = false;
    for (_, out) in out.filter(|(name, _)| by.is_none_or(|by| by == *name)) {
        there = true;
        match numbers::allowed(&out.carries, number) {
            Ok(_) => return Ok(()),
            Err(why) if barred == Barred::NotNamed => barred = why,
            Err(_) => {}
        }
    }
    if let (Some(name), false) = (by, there) {
        return Err(format!(
            "{whose} goes by the trunk `{name}`, by which no calls go out\n  help: write `out: {{servers: [\"sip:…\"]}}` into that trunk, or correct the name"
        ));
    }
    let trunk = by.map_or_else(|| "no trunk".to_owned(), |name| format!("the trunk `{name}` does not"));
    let carries = by.map_or("carries", |_| "carry");
    Err(format!(
        "{whose}: {trunk} {carries} {number}: {barred}\n  help: add the beginning to `carries` of a trunk's `out`"
    ))
}

#[cfg(test)]
#[path = "outward_tests.rs"]
mod tests;
