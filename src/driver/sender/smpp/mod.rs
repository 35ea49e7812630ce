//! SMPP 3.4: short messages straight to a carrier. One bound transceiver, kept up and bound again when it is lost;
//! receipts come by the same connection.

mod pdu;
mod session;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::pdu::Address;
use self::session::{Order, Session};
use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, NotTaken};
use super::{Sender, SenderSettings, Tools, Unusable, a_host};
use crate::driver::os;

/// `smpp:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The carrier's host.
    pub server: String,
    /// Its port; 2775, or 3550 with TLS, when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// Whether the connection is TLS. Without it only private networks are connected to, such as a VPN's.
    #[serde(default = "yes")]
    pub tls: bool,
    /// Certificate authorities in PEM, in place of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whom to bind as.
    pub system_id: String,
    /// The password, by its name under `secrets:`: 8 characters at most.
    pub password: String,
    /// What kind of system this is, if the carrier wants to know.
    #[serde(default)]
    pub system_type: String,
    /// The kind of service, if the carrier has several.
    #[serde(default)]
    pub service_type: String,
    /// Whom messages come from: a number with +, a short number, or a name of 11 characters.
    pub from: String,
    /// Parts of messages in a second.
    #[serde(default = "ten")]
    pub per_second: u16,
    /// Parts that wait for the carrier's answer.
    #[serde(default = "ten")]
    pub window: u16,
    /// Between two questions whether the other side is there.
    #[serde(default = "half_a_minute")]
    pub enquire_seconds: u64,
}

const fn yes() -> bool {
    true
}

const fn ten() -> u16 {
    10
}

const fn half_a_minute() -> u64 {
    30
}

pub(super) const EXAMPLE: &str = "{name: carrier, smpp: {server: smsc.example, system_id: bank, password: smpp/password, \
                                  from: Bank}}";

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::Sms]
    }

    fn check(&self) -> Result<(), Unusable> {
        let wrong = |what: &str, help| Err(Unusable::new(what, help));
        a_host(&self.server)?;
        let plain = |text: &str, most| text.len() <= most && text.chars().all(|c| (' '..='~').contains(&c));
        if self.system_id.is_empty() || !plain(&self.system_id, 15) {
            return wrong(
                "`system_id` has 1 to 15 characters of ASCII",
                "write the name that the carrier gave you",
            );
        }
        if !plain(&self.system_type, 12) || !plain(&self.service_type, 5) {
            return wrong(
                "`system_type` or `service_type` is too long",
                "write at most 12 and 5 characters of ASCII",
            );
        }
        let digits = self.from.trim_start_matches('+');
        let number = !digits.is_empty() && digits.len() <= 20 && digits.chars().all(|c| c.is_ascii_digit());
        if !number && (self.from.is_empty() || !plain(&self.from, 11) || self.from.starts_with('+')) {
            return wrong(
                "`from` is neither a number nor a name",
                "write +44…, a short number, or 1 to 11 characters",
            );
        }
        if !(1..=1000).contains(&self.per_second) || !(1..=100).contains(&self.window) {
            return wrong("`per_second` or `window` is out of bounds", "write 1 to 1000 and 1 to 100");
        }
        if !(5..=600).contains(&self.enquire_seconds) {
            return wrong("`enquire_seconds` is out of bounds", "write 5 to 600");
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.password]
    }

    fn tells_itself(&self) -> bool {
        true
    }

    #[expect(clippy::disallowed_methods, reason = "a bound connection is a thread")]
    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable> {
        let (orders, taken) = sync_channel(QUEUE);
        let session = Session::new(self.clone(), tools, taken);
        let thread = Builder::new().name("smpp".to_owned()).spawn(move || session.run());
        let thread = thread
            .map_err(|error| Unusable::new(format!("no thread: {error}"), "check the limits (ulimit -a)"))?;
        Ok(Box::new(Smpp { settings: self.clone(), orders: Some(orders), thread: Some(thread) }))
    }
}

/// Letters that wait for the connection: more than the post office's hands.
const QUEUE: usize = 64;

struct Smpp {
    settings: Settings,
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Sender for Smpp {
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken> {
        let reference = id.0.first().copied().unwrap_or(0);
        let parts = text::parts(letter.text.expose(), reference).ok_or(NotTaken::Unfit)?;
        let (answer, answered) = sync_channel(1);
        let order = Order {
            letter: id,
            from: Address::of(&self.settings.from),
            to: Arc::new(Address::of(letter.to.expose())),
            parts: Arc::new(parts),
            valid: letter.until.since(os::unix_now()),
            deadline,
            answer,
        };
        let orders = self.orders.as_ref().ok_or(NotTaken::Connect)?;
        orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Timeout,
            TrySendError::Disconnected(_) => NotTaken::Connect,
        })?;
        // The session answers at the deadline at the latest; a moment more for its answer.
        let left = deadline.saturating_duration_since(os::now()) + Duration::from_millis(500);
        answered.recv_timeout(left).unwrap_or(Err(NotTaken::Timeout))
    }
}

impl Drop for Smpp {
    /// Unbinds.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a connection by SMPP ended badly");
        }
    }
}
