//! Sends what `notify` steps say: finds the address on file, picks the text in the customer's language and hands
//! both to the courier. One thread behind a bounded queue, since a shard may not wait for a disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::sender::{Channel, Letter, Purpose, Refused};
use super::vault::Vault;
use crate::flow::run::Notify;
use crate::secret::Secret;
use crate::units::CallId;

/// Told whether a sender has the message in hand.
pub type Reply = Box<dyn FnOnce(bool) + Send>;

/// The way in. When the last one is gone, the thread ends.
#[derive(Clone)]
pub struct Notices(SyncSender<Job>);

struct Job {
    call: CallId,
    notice: Notify,
    reply: Reply,
}

/// Messages that wait.
const QUEUE: usize = 256;
/// A notice that can't be delivered within this time tells of something long over.
const OF_USE: Duration = Duration::from_secs(3600);

impl Notices {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "notices are sent by a thread of their own")]
    pub fn start(vault: Arc<Vault>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs): (_, Receiver<Job>) = sync_channel(QUEUE);
        let work = move || {
            for Job { call, notice, reply } in jobs {
                reply(send(&vault, call, &notice));
            }
        };
        Ok((Self(sender), Builder::new().name("notices".to_owned()).spawn(work)?))
    }

    /// Sends a message; `reply` is called once, at once when too many wait.
    pub fn submit(&self, call: CallId, notice: Notify, reply: Reply) {
        if let Err(back) = self.0.try_send(Job { call, notice, reply }) {
            tracing::error!(%call, "a message is not sent: too many wait");
            let (std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job)) =
                back;
            (job.reply)(false);
        }
    }
}

/// Whether a sender has it in hand. For a subject that does not exist the same is done and answered.
fn send(vault: &Vault, call: CallId, notice: &Notify) -> bool {
    let template = notice.template.as_str();
    let Some(courier) = vault.courier() else {
        tracing::warn!(%call, template, "a message is not sent: countersign.yaml has no senders");
        return false;
    };
    let subject = notice.subject.key();
    let on_file = match vault.on_file(subject) {
        Ok(on_file) => on_file,
        Err(error) => {
            tracing::error!(%call, template, %error, "a message is not sent: the address on file can't be read");
            return false;
        }
    };
    let now = vault.calendar().now();
    let ways = match notice.by.and_then(Channel::named) {
        Some(way) => vec![way],
        None => vec![Channel::Sms, Channel::Email, Channel::Push],
    };
    let mut last = Refused::NoSender;
    for channel in ways {
        let sent = match &on_file {
            None => courier.pretend(now, channel, subject),
            Some(on_file) => {
                let Some(to) = on_file.address(channel) else { continue };
                let Some((language, text)) = notice.text(&on_file.language) else { continue };
                let letter = Letter {
                    channel,
                    to,
                    subject,
                    language: language.to_owned(),
                    text: Secret::new(text.to_owned()),
                    code: None,
                    title: None,
                    purpose: Purpose::Notice,
                    until: now.plus(OF_USE),
                };
                courier.send(now, letter)
            }
        };
        match sent {
            Ok(letter) => {
                tracing::info!(%call, template, %letter, %channel, "a message is on its way");
                return true;
            }
            Err(why) => last = why,
        }
    }
    tracing::warn!(%call, template, why = %last, "a message is not sent");
    false
}
