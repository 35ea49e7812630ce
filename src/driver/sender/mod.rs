//! Senders: how a code, a notice or a link leaves the engine for the address on file.
//!
//! Whoever has something to send hands a [`Letter`] to the [`Courier`], which never waits for a network: it queues
//! or refuses. The [`PostOffice`] is the courier of a deployment: it holds the budgets, tries the senders of a
//! channel in the order of the settings, and keeps what became of each letter. A sender is a file here, a line
//! in `senders!`, and a row of the contract tests below.
//!
//! What a letter says and to whom is secret: it reaches a provider and nothing else. No error here has room for
//! it.

mod budget;
mod call;
mod development;
mod letter;
mod line;
mod mail;
mod office;
mod outcome;
mod profile;
mod profile_report;
mod push_webhook;
mod signed;
mod smpp;
mod sms_http;
mod smtp;
mod web;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use thiserror::Error;

pub use budget::{Budget, Budgets, LettersConfig, LettersError, PerDay, PerHourAndDay, Scope};
pub use letter::{Channel, Courier, Letter, LetterId, Purpose, Refused, Shown};
pub use office::{PostError, PostOffice};
pub use outcome::{Accepted, Code, NotTaken, Report, ReportRefused, Status};

use super::dialler::Dialler;
use super::secrets::Secrets;
use crate::flow::document::Breaker;

/// Something that hands letters to a provider. Called by several threads at once.
pub trait Sender: Send + Sync {
    /// Hands a letter over. May wait, until `deadline` at most.
    ///
    /// # Errors
    /// Why it was not taken. Never what it says, nor to whom.
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken>;

    /// What a provider tells later, over the web: its signature is checked first.
    ///
    /// # Errors
    /// When it is not from the provider, or not to be read.
    fn report(&self, _told: &Told<'_>) -> Result<Vec<Report>, ReportRefused> {
        Err(ReportRefused::Unexpected)
    }

    /// The letters that it shows in place of sending them.
    fn shown(&self) -> Option<Vec<Shown>> {
        None
    }
}

/// What came over the web for a sender.
pub struct Told<'a> {
    /// What stands behind the `?` of the address, as it was sent.
    pub query: &'a str,
    /// The headers, names in any case.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl Told<'_> {
    /// A header, when it is there once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = found.next()?;
        found.next().is_none().then_some(first.1.as_str())
    }
}

/// Takes what a provider tells later over the sender's own connection.
pub type Reports = Arc<dyn Fn(Report) + Send + Sync>;

/// What a sender is made with.
#[derive(Clone)]
pub struct Tools {
    /// Its name in the settings.
    pub name: String,
    /// Where secrets are found by name.
    pub secrets: Arc<Secrets>,
    /// Takes reports.
    pub reports: Reports,
    /// Makes calls.
    pub dialler: Arc<Dialler>,
}

/// The settings of one kind of sender.
pub trait SenderSettings {
    /// The channels that it serves.
    fn channels(&self) -> Vec<Channel>;

    /// Tells whether they can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    fn check(&self) -> Result<(), Unusable>;

    /// The secrets that it needs, by name.
    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether it shows letters to people here in place of sending them.
    fn shows(&self) -> bool {
        false
    }

    /// Whether its own connection brings word of deliveries.
    fn tells_itself(&self) -> bool {
        false
    }

    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable>;
}

/// Why settings of a sender can't be used: what, and what to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what}\n  help: {help}")]
pub struct Unusable {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}

impl Unusable {
    fn new(what: impl Into<String>, help: &'static str) -> Self {
        Self { what: what.into(), help }
    }
}

/// Tells whether the `server` of a setting can be one.
fn a_host(server: &str) -> Result<(), Unusable> {
    let host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    if server.is_empty() || !server.chars().all(host) {
        let help = "write the name of the server alone; its port is `port`";
        return Err(Unusable::new("`server` is no name of a host", help));
    }
    Ok(())
}

/// Makes [`SenderConfig`] from the list of senders. Each module has a `Settings` with [`SenderSettings`] and an
/// `EXAMPLE` of them.
macro_rules! senders {
    ($($(#[$doc:meta])* $kind:ident,)+) => {
        /// One sender of `senders:` in `countersign.yaml`.
        #[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
        #[serde(deny_unknown_fields)]
        pub struct SenderConfig {
            /// Its name in logs and for `countersign senders test`.
            pub name: String,
            /// How long one letter may take.
            #[serde(default = "default_timeout")]
            pub timeout_seconds: u64,
            $($(#[$doc])* #[serde(default)] pub $kind: Option<$kind::Settings>,)+
        }

        /// The kinds of senders, each with an example of its settings.
        pub const KINDS: &[(&str, &str)] = &[$((stringify!($kind), $kind::EXAMPLE),)+];

        impl SenderConfig {
            /// The settings of every kind that is named.
            fn kinds(&self) -> Vec<(&'static str, &dyn SenderSettings)> {
                let mut named: Vec<(&'static str, &dyn SenderSettings)> = Vec::new();
                $(if let Some(settings) = &self.$kind { named.push((stringify!($kind), settings)); })+
                named
            }
        }
    };
}

senders! {
    /// Prints letters on the terminal in place of sending them.
    development,
    /// Short messages and spoken calls over a provider's HTTP interface.
    sms_http,
    /// Short messages straight to a carrier by SMPP.
    smpp,
    /// Mail.
    smtp,
    /// Messages to devices, by a request to whoever brings them there.
    push_webhook,
    /// Calls of the engine's own, over a route to a carrier.
    call,
}

const fn default_timeout() -> u64 {
    10
}

/// Why a sender of the settings can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SenderError {
    /// No kind, or several.
    #[error("the sender `{name}` has {count} kinds\n  help: write one of {kinds} below its name")]
    Kind {
        /// Its name.
        name: String,
        /// How many.
        count: usize,
        /// The kinds there are.
        kinds: String,
    },
    /// No name, or one that breaks lines of logs.
    #[error("`{0}` is no name of a sender\n  help: write 1 to 40 letters, digits, `-` or `_`")]
    Name(String),
    /// Two of one name.
    #[error("the sender `{0}` is listed twice\n  help: give each sender a name of its own")]
    Twice(String),
    /// A time that helps nobody.
    #[error("`timeout_seconds` of the sender `{name}` is {seconds}\n  help: write 1 to 120")]
    Timeout {
        /// Its name.
        name: String,
        /// What was written.
        seconds: u64,
    },
    /// Its own settings.
    #[error("the sender `{name}`: {why}")]
    Settings {
        /// Its name.
        name: String,
        /// Why.
        why: Unusable,
    },
    /// The budgets and countries.
    #[error(transparent)]
    Letters(#[from] LettersError),
}

impl SenderConfig {
    /// Its kind by name, with the settings of it.
    fn settings(&self) -> Result<(&'static str, &dyn SenderSettings), SenderError> {
        let kinds = self.kinds();
        match kinds.as_slice() {
            [one] => Ok(*one),
            several => Err(SenderError::Kind {
                name: self.name.clone(),
                count: several.len(),
                kinds: KINDS.iter().map(|(kind, _)| format!("`{kind}:`")).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Its kind by name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.settings().map_or("none", |(kind, _)| kind)
    }

    /// The channels that it serves.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        self.settings().map(|(_, settings)| settings.channels()).unwrap_or_default()
    }

    /// Whether it shows letters to people here in place of sending them.
    #[must_use]
    pub fn shows(&self) -> bool {
        self.settings().is_ok_and(|(_, settings)| settings.shows())
    }

    /// Whether its own connection brings word of deliveries.
    #[must_use]
    pub fn tells_itself(&self) -> bool {
        self.settings().is_ok_and(|(_, settings)| settings.tells_itself())
    }

    /// The secrets that it needs, by name.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        self.settings().map(|(_, settings)| settings.secrets()).unwrap_or_default()
    }

    /// How long one letter may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// When it is left alone after failures.
    fn breaker() -> Breaker {
        Breaker::default()
    }

    /// Tells whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), SenderError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=40).contains(&self.name.len()) || !self.name.chars().all(plain) {
            return Err(SenderError::Name(self.name.clone()));
        }
        if !(1..=120).contains(&self.timeout_seconds) {
            return Err(SenderError::Timeout { name: self.name.clone(), seconds: self.timeout_seconds });
        }
        let (_, settings) = self.settings()?;
        settings.check().map_err(|why| SenderError::Settings { name: self.name.clone(), why })
    }

    /// Makes it, outside of an engine: it can't call anybody.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(&self, secrets: &Arc<Secrets>, reports: Reports) -> Result<Box<dyn Sender>, SenderError> {
        self.open_with(secrets, reports, &Arc::default())
    }

    /// Makes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open_with(
        &self,
        secrets: &Arc<Secrets>,
        reports: Reports,
        dialler: &Arc<Dialler>,
    ) -> Result<Box<dyn Sender>, SenderError> {
        let (secrets, dialler) = (Arc::clone(secrets), Arc::clone(dialler));
        let tools = Tools { name: self.name.clone(), secrets, reports, dialler };
        let (_, settings) = self.settings()?;
        settings.open(tools).map_err(|why| SenderError::Settings { name: self.name.clone(), why })
    }
}

/// Checks all senders and what they may send.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(senders: &[SenderConfig], letters: &LettersConfig) -> Result<(), SenderError> {
    letters.check()?;
    let mut names = std::collections::BTreeSet::new();
    for sender in senders {
        sender.check()?;
        if !names.insert(sender.name.as_str()) {
            return Err(SenderError::Twice(sender.name.clone()));
        }
        // Where nothing is really sent, nothing costs.
        let telephone =
            sender.channels().iter().any(|channel| matches!(channel, Channel::Sms | Channel::Call));
        if telephone && !sender.shows() && letters.countries.is_empty() {
            return Err(LettersError::NoCountry(sender.name.clone()).into());
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "contract_tests.rs"]
mod tests;
