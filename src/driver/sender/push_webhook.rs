//! Push: a signed request to whoever brings messages to devices. What goes to a device is up to them.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, Code, NotTaken, Report, ReportRefused};
use super::{Sender, SenderSettings, Told, Tools, Unusable, profile_report, signed, web};
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::secret::Secret;

/// `push_webhook:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it goes.
    pub url: String,
    /// What it is signed with, by its name under `secrets:`.
    pub secret: String,
}

pub(super) const EXAMPLE: &str =
    "{name: app, push_webhook: {url: \"https://push.example/send\", secret: push/key}}";

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::Push]
    }

    fn check(&self) -> Result<(), Unusable> {
        if !web::is_url(&self.url) {
            let help = "write https://…, or http://… on a private network";
            return Err(Unusable::new("`url` is no address", help));
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.secret]
    }

    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable> {
        let agent = web::agent(&self.url);
        Ok(Box::new(PushWebhook { settings: self.clone(), agent, secrets: tools.secrets }))
    }
}

struct PushWebhook {
    settings: Settings,
    agent: Option<Agent>,
    secrets: Arc<Secrets>,
}

impl PushWebhook {
    fn secret(&self) -> Option<Secret<String>> {
        let found = self.secrets.find(&self.settings.secret);
        found.inspect_err(|error| tracing::error!(%error, "a sender's secret can't be had")).ok()
    }
}

impl Sender for PushWebhook {
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken> {
        let secret = self.secret().ok_or(NotTaken::Secret)?;
        let agent = self.agent.as_ref().ok_or(NotTaken::Tls)?;
        let now = os::unix_now();
        let body = web::json(&json!({
            "id": id.to_string(),
            "to": letter.to.expose(),
            "title": letter.title,
            "text": letter.text.expose(),
            "language": letter.language,
            "purpose": letter.purpose.name(),
            "until": letter.until.seconds(),
        }));
        let headers = [
            (signed::TIMESTAMP, Secret::new(now.seconds().to_string())),
            (signed::SIGNATURE, Secret::new(signed::sign(&secret, now.seconds(), body.bytes.expose()))),
        ];
        let (status, reply) = web::post(agent, &self.settings.url, &headers, &body, deadline)?;
        match status {
            200..=299 => {
                let reply: Value = serde_json::from_slice(&reply).unwrap_or(Value::Null);
                let reference =
                    reply["id"].as_str().filter(|id| id.len() <= 128 && !id.contains(char::is_control));
                Ok(Accepted { reference: reference.map(str::to_owned), delivered: false })
            }
            404 | 410 | 422 => Err(NotTaken::Address(Code::Http(status))),
            status => Err(web::refused(status)),
        }
    }

    fn report(&self, told: &Told<'_>) -> Result<Vec<Report>, ReportRefused> {
        let secret = self.secret().ok_or(ReportRefused::Secret)?;
        profile_report::own(&secret, told, os::unix_now()).map(|report| report.into_iter().collect())
    }
}
