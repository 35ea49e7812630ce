//! One webhook: follows the audit log and the call records from its place on, and sends what it is to tell.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use ureq::Agent;
use zeroize::Zeroizing;

use super::event::Event;
use super::{Patience, Stop, WebhookConfig, WebhookError};
use crate::driver::os;
use crate::driver::secrets::{SecretError, Secrets};
use crate::driver::services::http::{self, Failure, Reach};
use crate::driver::vault::{Vault, VaultError};
use crate::units::UnixTime;

/// The way to a webhook's server.
pub(super) struct Way {
    hook: WebhookConfig,
    agent: Agent,
    secrets: Arc<Secrets>,
}

/// Why an event was not taken.
#[derive(Debug, Error)]
pub(super) enum NotTaken {
    /// The secret is not there any more.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is too short now.
    #[error("the secret is too short to sign with")]
    Short,
    /// The server.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// How long one sending may take: the server should note the event and work on it later.
const SENDING: Duration = Duration::from_secs(10);
/// What is read at once.
const PAGE: u32 = 50;
/// 192 bits, the least that Standard Webhooks takes.
const SHORTEST: usize = 24;

impl Way {
    pub(super) fn of(hook: &WebhookConfig, secrets: &Arc<Secrets>) -> Result<Self, WebhookError> {
        let uri = hook.address()?;
        let reach = if hook.private { Reach::Private } else { Reach::Public };
        let with_tls = uri.scheme_str() == Some("https");
        let agent =
            http::agent_within(reach, with_tls, None, None, "*/*").map_err(|_| WebhookError::Authorities)?;
        let way = Self { hook: hook.clone(), agent, secrets: Arc::clone(secrets) };
        way.key().map_err(|error| match error {
            NotTaken::Secret(error) => WebhookError::Secret(error),
            _ => WebhookError::Short(hook.secret.clone()),
        })?;
        Ok(way)
    }

    /// What is signed with: the secret, or what stands in base64 behind `whsec_`.
    fn key(&self) -> Result<Zeroizing<Vec<u8>>, NotTaken> {
        let secret = self.secrets.find(&self.hook.secret)?;
        let text = secret.expose();
        let key = match text.strip_prefix("whsec_") {
            Some(encoded) => data_encoding::BASE64.decode(encoded.as_bytes()).unwrap_or_default(),
            None => text.as_bytes().to_vec(),
        };
        if key.len() < SHORTEST { Err(NotTaken::Short) } else { Ok(Zeroizing::new(key)) }
    }

    fn signature(&self, event: &Event, timestamp: i64) -> Result<String, NotTaken> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key()?).map_err(|_| NotTaken::Short)?;
        mac.update(format!("{}.{timestamp}.{}", event.id, event.body).as_bytes());
        Ok(format!("v1,{}", data_encoding::BASE64.encode(&mac.finalize().into_bytes())))
    }

    /// Sends an event once.
    pub(super) fn send(&self, event: &Event) -> Result<(), NotTaken> {
        let timestamp = os::unix_now().seconds();
        let signature = self.signature(event, timestamp)?;
        let request = self.agent.post(&self.hook.url).config().timeout_global(Some(SENDING)).build();
        let sent = request
            .header("content-type", "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .send(event.body.as_bytes());
        // What the server says beside its status is of no use, and not read.
        let status = sent.map_err(|error| http::failure(&error))?.status();
        if status.is_success() { Ok(()) } else { Err(Failure::Status(status.as_u16()).into()) }
    }
}

/// How far a webhook has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The last record of the audit log.
    audit: u64,
    /// The last call.
    call: i64,
}

/// A webhook at work.
pub(super) struct Follower {
    way: Way,
    vault: Arc<Vault>,
    patience: Patience,
    name: String,
    place: Place,
}

impl Follower {
    /// At the place that it left, or, for a new one, behind everything that there is.
    pub(super) fn new(way: Way, vault: Arc<Vault>, patience: Patience) -> Result<Self, WebhookError> {
        let digest = Sha256::digest(way.hook.url.as_bytes());
        let name = format!("webhook {}", data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()));
        let kept = vault.note(&name)?.and_then(|kept| serde_json::from_slice(&kept).ok());
        let place = match kept {
            Some(place) => place,
            None => {
                let call = vault.calls_before(None, 1)?.first().map_or(0, |(number, _)| *number);
                Place { audit: vault.audit_seq()?, call }
            }
        };
        let follower = Self { way, vault, patience, name, place };
        follower.keep()?;
        Ok(follower)
    }

    fn keep(&self) -> Result<(), VaultError> {
        let place = serde_json::to_vec(&self.place).unwrap_or_default();
        self.vault.set_note(&self.name, &place)
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self, stop: &Stop) {
        while !stop.wait(self.patience.look) {
            if let Err(error) = self.round(stop) {
                tracing::error!(url = %self.way.hook.url, %error, "a webhook can't go on; it tries again");
                if stop.wait(self.patience.first) {
                    return;
                }
            }
        }
    }

    /// Sends what is new.
    fn round(&mut self, stop: &Stop) -> Result<(), VaultError> {
        let before = self.place;
        for line in self.vault.audit_after(self.place.audit, usize::try_from(PAGE).unwrap_or(0))? {
            let Some((seq, event)) = Event::of_record(&line) else { continue };
            if !self.tell(&event, stop, |place| place.audit = seq)? {
                return Ok(());
            }
        }
        for (number, call) in self.vault.calls_after(self.place.call, PAGE)? {
            let event = Event::of_call(number, &call);
            let moved = |place: &mut Place| place.call = number;
            match event {
                Some(event) if !self.tell(&event, stop, moved)? => return Ok(()),
                Some(_) => {}
                None => moved(&mut self.place),
            }
        }
        if self.place == before { Ok(()) } else { self.keep() }
    }

    /// Sends an event until it is taken or too old, and moves on; `false` when it was told to stop before.
    fn tell(&mut self, event: &Event, stop: &Stop, moved: impl Fn(&mut Place)) -> Result<bool, VaultError> {
        if !self.way.hook.wants(&event.kind) {
            // The place is kept when something was sent, or at the end of the round.
            moved(&mut self.place);
            return Ok(true);
        }
        let mut pause = self.patience.first;
        while let Err(error) = self.way.send(event) {
            let (url, kind, id) = (&self.way.hook.url, &event.kind, &event.id);
            if is_old(event.at, self.patience.age) {
                tracing::error!(%url, %kind, %id, %error, "an event is too old and dropped: its webhook does not take it");
                break;
            }
            tracing::warn!(%url, %kind, %id, %error, "a webhook does not take an event; it is sent again later");
            if stop.wait(pause) {
                return Ok(false);
            }
            pause = (pause * 2).min(self.patience.longest);
        }
        moved(&mut self.place);
        self.keep()?;
        Ok(true)
    }
}

fn is_old(at: UnixTime, age: Duration) -> bool {
    os::unix_now().since(at) > age
}
