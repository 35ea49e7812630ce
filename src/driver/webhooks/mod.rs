//! Webhooks: what happens is told to other programs, signed, at least once.
//!
//! There is no queue: the audit log and the call records are one already, sealed and on the disk before anything is
//! spoken. Each webhook has a place in both; it moves on when its server has taken what is there. A server that is
//! away for a while misses nothing, and no crash can lose an event.
//!
//! Signed as <https://www.standardwebhooks.com> has it: HMAC-SHA256 over `id.timestamp.body`.

mod event;
mod follower;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use ureq::http::Uri;

use super::secrets::{SecretError, Secrets};
use super::vault::{Vault, VaultError};
use crate::driver::os;
use event::{CALL_ENDED, Event};
use follower::{Follower, Way};

/// A webhook.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where events are sent: `https://…`.
    pub url: String,
    /// Which: the events of the audit log by their names, and `call_ended`; `"*"` is all.
    pub events: Vec<String>,
    /// The name of the secret that they are signed with, among `secrets`.
    pub secret: String,
    /// The server is in a private network or on this machine, where `http://` is allowed too.
    #[serde(default)]
    pub private: bool,
}

/// Why webhooks can't be used.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The address.
    #[error(
        "the webhook `{0}` has no address that can be used\n  help: write `https://host/path`; `http://` needs `private: true` \
         and a server in a private network"
    )]
    Url(String),
    /// An event that there is not.
    #[error(
        "the webhook `{url}` wants the event `{event}`, which there is not\n  help: use {CALL_ENDED}, \"*\", or one of {known}"
    )]
    Event {
        /// The webhook.
        url: String,
        /// The event.
        event: String,
        /// Those that there are.
        known: String,
    },
    /// None, or two for the same.
    #[error(
        "the webhook `{0}` wants no events, or is there twice\n  help: name its events once, such as `events: [\"*\"]`"
    )]
    Same(String),
    /// Too many.
    #[error("there are more than {MOST} webhooks\n  help: let one program pass events on to others")]
    TooMany,
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret is too short.
    #[error(
        "the secret `{0}` is too short to sign with\n  help: make one: echo whsec_$(head -c 32 /dev/urandom | base64)"
    )]
    Short(String),
    /// No way to servers.
    #[error(
        "there are no certificate authorities on this system\n  help: install its package (ca-certificates)"
    )]
    Authorities,
    /// The store.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The system.
    #[error("the operating system gives no thread: {0}")]
    Thread(#[from] io::Error),
}

/// What outside recorders are told: nothing may be recorded now, and it may again.
const RECORDER: [&str; 2] = ["recording_paused", "recording_resumed"];

/// Whether there is somebody who records calls outside, and is to be told when to pause.
#[must_use]
pub fn tell_recorders(all: &[WebhookConfig]) -> bool {
    all.iter().any(WebhookConfig::is_of_recorder)
}

/// Webhooks at once: each has a thread.
const MOST: usize = 16;

impl WebhookConfig {
    /// Whether all of them can be used.
    ///
    /// # Errors
    /// The first that can't.
    pub fn check(all: &[Self]) -> Result<(), WebhookError> {
        if all.len() > MOST {
            return Err(WebhookError::TooMany);
        }
        let mut seen = BTreeSet::new();
        all.iter().try_for_each(|hook| {
            hook.address()?;
            if hook.events.is_empty() || !seen.insert(&hook.url) {
                return Err(WebhookError::Same(hook.url.clone()));
            }
            hook.events.iter().try_for_each(|name| {
                let (url, event) = (hook.url.clone(), name.clone());
                event::check(name).map_err(|known| WebhookError::Event { url, event, known })
            })
        })
    }

    fn address(&self) -> Result<Uri, WebhookError> {
        let wrong = || WebhookError::Url(self.url.clone());
        let uri: Uri = self.url.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str();
        let fits = scheme == Some("https") || (scheme == Some("http") && self.private);
        let named = uri.host().is_some_and(|host| !host.is_empty());
        // What stands before an @ would be a secret in the settings and in every error.
        let plain = !self.url.contains('@');
        if fits && named && plain { Ok(uri) } else { Err(wrong()) }
    }

    /// Whether a recorder is to be told when to pause: it asks for that by name, since it costs two records each time.
    fn is_of_recorder(&self) -> bool {
        self.events.iter().any(|name| RECORDER.contains(&name.as_str()))
    }

    fn wants(&self, kind: &str) -> bool {
        self.events.iter().any(|name| name == "*" || name == kind)
    }
}

/// How patient webhooks are.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before an event is sent again for the first time; then twice as long each time.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How old an event may get.
    pub age: Duration,
    /// How often new events are looked for.
    pub look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(600),
            age: Duration::from_secs(3 * 24 * 3600),
            look: Duration::from_secs(1),
        }
    }
}

/// Told to stop, sooner than the wait that it interrupts is over.
#[derive(Default)]
struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Waits; whether it was told to stop.
    fn wait(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(told, time, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The webhooks of a deployment; they end when this is dropped.
pub struct Webhooks {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts them.
    ///
    /// # Errors
    /// [`WebhookError`]: which, and what to do.
    pub fn start(
        all: &[WebhookConfig],
        vault: &Arc<Vault>,
        secrets: &Arc<Secrets>,
        patience: Patience,
    ) -> Result<Self, WebhookError> {
        WebhookConfig::check(all)?;
        let stop = Arc::new(Stop::default());
        let follower = |hook: &WebhookConfig| {
            let way = Way::of(hook, secrets)?;
            // A pause that comes late is none.
            let look = if hook.is_of_recorder() { patience.look.min(AT_ONCE) } else { patience.look };
            Follower::new(way, Arc::clone(vault), Patience { look, ..patience })
        };
        let followers = all.iter().map(follower).collect::<Result<Vec<_>, WebhookError>>()?;
        let mut started = Self { stop, threads: Vec::new() };
        for follower in followers {
            let thread = spawn(follower, &started.stop)?;
            started.threads.push(thread);
        }
        Ok(started)
    }
}

/// How often it is looked for what recorders are told: well within the prompt that asks for a secret.
const AT_ONCE: Duration = Duration::from_millis(100);

#[expect(
    clippy::disallowed_methods,
    reason = "each webhook is a thread: one that is slow keeps no other waiting"
)]
fn spawn(follower: Follower, stop: &Arc<Stop>) -> io::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    Builder::new().name("webhook".to_owned()).spawn(move || follower.run(&stop))
}

/// What is being sent may end within this time.
const GRACE: Duration = Duration::from_secs(2);

impl Drop for Webhooks {
    fn drop(&mut self) {
        *self.stop.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        let until = os::now() + GRACE;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && os::now() < until {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            // One that waits for a server longer is left to its own timeout; it sends nothing more.
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!("a webhook's thread ended badly");
            }
        }
    }
}

/// Sends an event of the kind `test` to a webhook, once.
///
/// # Errors
/// Why it was not taken.
pub fn test(hook: &WebhookConfig, secrets: &Arc<Secrets>) -> Result<(), String> {
    WebhookConfig::check(std::slice::from_ref(hook)).map_err(|error| error.to_string())?;
    let way = Way::of(hook, secrets).map_err(|error| error.to_string())?;
    way.send(&Event::test(os::unix_now())).map_err(|error| error.to_string())
}
