//! Profiles: what is usual with carriers of one style, for all that a trunk does not say itself.
//!
//! A profile can only say what [`Usual`] has: nothing of whom we believe, of what is told to whom, or of where calls may come
//! from and go to.

use std::fmt;

use serde::Deserialize;

use super::outward::{Dial, RegisterConfig, ServerConfig};
use super::{Config, TrunkConfig};
use crate::audio::Codec;
use crate::flow::document::nearest;
use crate::media::{CodecList, SrtpPolicy};

/// A style of carriers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum Profile {
    /// It knows us by our address.
    Address,
    /// It knows us by our registration.
    Registration,
    /// It writes numbers as they are dialled in its country.
    National,
    /// An exchange of the house.
    House,
    /// Both show a certificate.
    MutualTls,
}

/// What a profile may say: with this type it can say nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct Usual {
    pub(super) codecs: Option<CodecList>,
    pub(super) srtp: Option<SrtpPolicy>,
    pub(super) tls: Option<bool>,
    pub(super) dial: Option<Dial>,
    pub(super) register: Option<RegisterConfig>,
    pub(super) options_seconds: Option<u64>,
}

/// What a trunk of a profile can't do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Addresses,
    Country,
    Certificate,
    Login,
    /// Its servers, where it has any, are called over TLS.
    ServersOverTls,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Address, Self::Registration, Self::National, Self::House, Self::MutualTls];

    /// Its name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Registration => "registration",
            Self::National => "national",
            Self::House => "house",
            Self::MutualTls => "mutual-tls",
        }
    }

    /// Whom it is for.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Address => {
                "a carrier that knows us by our address and writes numbers with + and country code"
            }
            Self::Registration => "a carrier that we register with and that wants a password for calls",
            Self::National => {
                "a carrier that knows us by our address and writes numbers as they are dialled in its country"
            }
            Self::House => {
                "an exchange or session border controller of the house, over TLS, its media encrypted"
            }
            Self::MutualTls => {
                "a service across the internet, over TLS, where each side shows its certificate"
            }
        }
    }

    /// What it says of a trunk that does not say it: keys and values as they would be written.
    #[must_use]
    pub fn says(self) -> Vec<(&'static str, String)> {
        self.usual().settings()
    }

    pub(super) fn usual(self) -> Usual {
        let over_tls = Usual { tls: Some(true), srtp: Some(SrtpPolicy::Required), ..Usual::default() };
        match self {
            Self::Address => Usual { dial: Some(Dial::Plus), options_seconds: Some(30), ..Usual::default() },
            // Half a minute without a packet, and many a firewall lets no more in (the usual time of Linux is 30 s).
            Self::Registration => Usual {
                register: Some(RegisterConfig::default()),
                options_seconds: Some(20),
                ..Usual::default()
            },
            Self::National => {
                Usual { dial: Some(Dial::National), options_seconds: Some(30), ..Usual::default() }
            }
            // Nearby: what is down is noticed sooner, and the telephones there have more than the telephone band.
            Self::House => Usual {
                codecs: Some([Codec::G722, Codec::Pcma, Codec::Pcmu].into_iter().collect()),
                options_seconds: Some(10),
                ..over_tls
            },
            Self::MutualTls => Usual { options_seconds: Some(30), ..over_tls },
        }
    }

    /// The settings that it needs, in words.
    #[must_use]
    pub fn needs(self) -> Vec<&'static str> {
        self.needed().iter().map(|need| need.what()).collect()
    }

    const fn needed(self) -> &'static [Need] {
        match self {
            Self::Address => &[Need::Addresses],
            Self::Registration => &[Need::Addresses, Need::Login],
            Self::National => &[Need::Addresses, Need::Country],
            Self::House => &[Need::Addresses, Need::ServersOverTls],
            Self::MutualTls => &[Need::Addresses, Need::Certificate, Need::ServersOverTls],
        }
    }
}

impl Need {
    const fn what(self) -> &'static str {
        match self {
            Self::Addresses => "`addresses`",
            Self::Country => "`country`",
            Self::Certificate => "`certificate`",
            Self::Login => "`out.login`",
            Self::ServersOverTls => "`out.servers` that are called over TLS",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Addresses => {
                "write the addresses that its calls come from, such as `addresses: [\"192.0.2.0/28\"]`; others get 403"
            }
            Self::Country => "write the country code of its national numbers, such as `country: \"+44\"`",
            Self::Certificate => {
                "write the names that its certificate is for, such as `certificate: [sip.carrier.example]`, and the authorities \
                 that are believed into `sip.tls.clients`"
            }
            Self::Login => "write `out: {login: {user: NAME, password: NAME-OF-A-SECRET}}`",
            Self::ServersOverTls => {
                "write `;transport=tls` behind them, such as \"sip:sbc.carrier.example;transport=tls\""
            }
        }
    }

    fn is_met(self, trunk: &TrunkConfig) -> bool {
        let out = trunk.out.as_ref();
        match self {
            Self::Addresses => !trunk.addresses.is_empty(),
            Self::Country => trunk.country.is_some(),
            Self::Certificate => !trunk.certificate.is_empty() || !trunk.tls,
            Self::Login => out.is_some_and(|out| out.login.is_some() || out.register.is_none()),
            Self::ServersOverTls => {
                !trunk.tls || !out.iter().flat_map(|out| &out.servers).any(ServerConfig::is_in_clear)
            }
        }
    }
}

/// What a trunk lacks for its profile.
pub(super) fn check(config: &Config) -> Result<(), String> {
    for trunk in &config.trunks {
        let Some(profile) = trunk.profile else { continue };
        if let Some(need) = profile.needed().iter().find(|need| !need.is_met(trunk)) {
            let (name, what, help) = (&trunk.name, need.what(), need.help());
            return Err(format!(
                "the trunk `{name}` has the profile `{profile}` ({}), which needs {what}\n  help: {help}",
                profile.what()
            ));
        }
    }
    Ok(())
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Profile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if let Some(profile) = Self::ALL.into_iter().find(|profile| profile.name() == name) {
            return Ok(profile);
        }
        let names = Self::ALL.map(Self::name);
        let all = names.map(|name| format!("`{name}`")).join(", ");
        let meant = nearest(&name, names).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        // One line: it is shown at its place in the file.
        Err(format!(
            "there is no profile `{name}`; help: {meant}there are {all}, and `countersign trunk profiles` tells what each sets"
        ))
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
