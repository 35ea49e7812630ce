//! Short messages, and calls that speak, over a provider's HTTP interface.
//!
//! `signed` is our own: any body that a template makes, signed. The others are in the style of what providers
//! publish: Twilio's Messages and Calls, Vonage's SMS API (a form) and Messages API (JSON).

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use ureq::Agent;

use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, NotTaken, Report, ReportRefused};
use super::profile::{self, Profile};
use super::{Sender, SenderSettings, Told, Tools, Unusable, web};
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::secret::Secret;

/// `sms_http:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whose interface it is.
    pub profile: Profile,
    /// Where it is; the provider's own when left out.
    #[serde(default)]
    pub url: Option<String>,
    /// The account: Twilio's account SID, Vonage's API key.
    #[serde(default)]
    pub account: String,
    /// Whom messages come from: a number with + or a name.
    #[serde(default)]
    pub from: String,
    /// The secret, by its name under `secrets:`: what requests are signed with, or the account's token.
    pub secret: String,
    /// What reports are signed with, where that is another secret.
    #[serde(default)]
    pub report_secret: Option<String>,
    /// Where the provider sends reports: this engine's own address.
    #[serde(default)]
    pub callback: Option<String>,
    /// `signed` only: `sms` or `call`.
    #[serde(default = "sms")]
    pub channel: Channel,
    /// `signed` only: the body, with `{to}`, `{text}`, `{from}`, `{id}`, `{language}`, `{purpose}`, `{callback}`.
    #[serde(default)]
    pub body: Option<String>,
    /// `signed` only: how the body is written.
    #[serde(default)]
    pub format: Format,
    /// `signed` only: the field of the reply that has the provider's name of the letter.
    #[serde(default = "id")]
    pub reference: String,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// What is filled in are strings of JSON.
    #[default]
    Json,
    /// What is filled in is percent-encoded.
    Form,
}

const fn sms() -> Channel {
    Channel::Sms
}

fn id() -> String {
    "id".to_owned()
}

pub(super) const EXAMPLE: &str = "{name: texts, sms_http: {profile: signed, url: \"https://sms.example/send\", \
                                  from: Bank, secret: sms/key}}";

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        vec![self.profile.channel().unwrap_or(self.channel)]
    }

    fn check(&self) -> Result<(), Unusable> {
        let wrong = |what: &str, help| Err(Unusable::new(what, help));
        match &self.url {
            None if self.profile.url(&self.account).is_none() => {
                return wrong("`url` is not there", "write the provider's address: https://…");
            }
            Some(url) if !web::is_url(url) => {
                return wrong("`url` is no address", "write https://…, or http://… on a private network");
            }
            _ => {}
        }
        if self.callback.as_ref().is_some_and(|url| !web::is_url(url)) {
            return wrong(
                "`callback` is no address",
                "write the address that the provider reaches this engine at",
            );
        }
        let plain = |text: &str| text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !plain(&self.account) || !plain(&self.from) {
            return wrong(
                "`account` or `from` has other characters than ASCII, or more than 64",
                "correct it",
            );
        }
        if self.profile != Profile::Signed && (self.account.is_empty() || self.from.is_empty()) {
            return wrong(
                "`account` or `from` is not there",
                "write both: your account's name and your number",
            );
        }
        if self.profile != Profile::Signed && (self.body.is_some() || self.format != Format::Json) {
            return wrong("`body` and `format` are for the profile `signed`", "take them out");
        }
        if !matches!(self.channel, Channel::Sms | Channel::Call) {
            return wrong("`channel` is neither sms nor call", "write sms or call");
        }
        match &self.body {
            Some(body) if !body.contains("{text}") || !body.contains("{to}") => {
                wrong("`body` does not hold both {to} and {text}", "write both into it")
            }
            _ => Ok(()),
        }
    }

    fn secrets(&self) -> Vec<&str> {
        std::iter::once(self.secret.as_str()).chain(self.report_secret.as_deref()).collect()
    }

    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable> {
        let url = self.url.clone().or_else(|| self.profile.url(&self.account));
        let url = url.ok_or_else(|| Unusable::new("`url` is not there", "write the provider's address"))?;
        let agent = web::agent(&url);
        Ok(Box::new(SmsHttp { settings: self.clone(), url, agent, secrets: tools.secrets }))
    }
}

struct SmsHttp {
    settings: Settings,
    url: String,
    agent: Option<Agent>,
    secrets: Arc<Secrets>,
}

impl SmsHttp {
    fn secret(&self, name: &str) -> Option<Secret<String>> {
        self.secrets
            .find(name)
            .inspect_err(|error| tracing::error!(%error, "a sender's secret can't be had"))
            .ok()
    }
}

impl Sender for SmsHttp {
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken> {
        let secret = self.secret(&self.settings.secret).ok_or(NotTaken::Secret)?;
        let agent = self.agent.as_ref().ok_or(NotTaken::Tls)?;
        let request = profile::request(&self.settings, &secret, id, letter, os::unix_now())?;
        let (status, body) = web::post(agent, &self.url, &request.headers, &request.body, deadline)?;
        profile::taken(&self.settings, status, &body)
    }

    fn report(&self, told: &Told<'_>) -> Result<Vec<Report>, ReportRefused> {
        let name = self.settings.report_secret.as_ref().unwrap_or(&self.settings.secret);
        let secret = self.secret(name).ok_or(ReportRefused::Secret)?;
        super::profile_report::read(&self.settings, &secret, told, os::unix_now())
    }
}
