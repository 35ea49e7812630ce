//! What a shard can't do itself: sends SIP through the edge, asks the vault's pool and the services, has
//! messages sent, talks to the house, keeps records.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;

use super::dialler::Dialler;
use super::edge::Edge;
use super::house;
use super::messages::Keeper;
use super::notices::Notices;
use super::recognition::Ears;
use super::recordings;
use super::records::Records;
use super::services::ServicePool;
use super::shard::{Asking, Mail, Mailbox, Outside};
use super::stir::Verifier;
use super::vault::Vault;
use super::vault_pool::{Asker, VaultPool};
use crate::auth::{self, Source};
use crate::call::{CallRecord, News, Recorded, Ticket};
use crate::engine::Vouch;
use crate::flow::run::{Answer, Question};
use crate::routing::DeskRequest;
use crate::secret::Secret;
use crate::sip::Path;
use crate::sip::stir::Reason;
use crate::units::{AskId, CallId, HearingId};
use crate::voice::{Hearing, Utterance};

/// The outside of one shard.
pub struct ShardOutside {
    /// Its number.
    pub shard: usize,
    /// SIP.
    pub edge: Edge,
    /// Questions of authentication.
    pub pool: Arc<VaultPool>,
    /// Those with sounds to measure.
    pub voices: Arc<VaultPool>,
    /// Who counts calls.
    pub vault: Arc<Vault>,
    /// Records.
    pub records: Records,
    /// Questions to services.
    pub services: Arc<ServicePool>,
    /// Who looks into callers' numbers.
    pub verifier: Option<Arc<Verifier>>,
    /// Messages that callers leave.
    pub messages: Keeper,
    /// What is recorded of calls; `None` where nothing is.
    pub recordings: Option<recordings::Keeper>,
    /// Who understands what callers say.
    pub ears: Arc<Ears>,
    /// What `notify` steps send.
    pub notices: Notices,
    /// Who has calls of the engine's own made.
    pub dialler: Arc<Dialler>,
    /// The switchboard.
    pub house: SyncSender<house::Mail>,
    /// Where answers go.
    pub mailbox: Option<Mailbox>,
}

impl Outside for ShardOutside {
    fn turn_away(&mut self, path: &Path, bytes: &Bytes) {
        self.edge.turn_away(*path, bytes);
    }

    fn sip(&mut self, path: &Path, bytes: &Bytes) {
        self.edge.send(path, bytes);
    }

    fn begun(&mut self, source: &Source) {
        self.vault.called(self.vault.calendar().now(), source);
    }

    fn vouch(&mut self, call: CallId, vouch: Box<Vouch>) {
        let Some(mailbox) = self.mailbox.clone() else { return };
        let reply = move |verdict| {
            // Whoever waits at the door is let in by the clock then, as not verified.
            let _ = mailbox.send(Mail::Vouched(call, verdict));
        };
        match &self.verifier {
            Some(verifier) => verifier.submit(vouch, Box::new(reply)),
            None => reply(Reason::Busy.into()),
        }
    }

    fn ask(&mut self, call: CallId, by: Asking, ask: AskId, question: Question) {
        let Asking { version, source } = by;
        let Some(mailbox) = self.mailbox.clone() else { return };
        let reply = move |answer| {
            if mailbox.send(Mail::Answer { call, ask, answer }).is_err() {
                // Counted there; the flow gives the question up in its own time, as unavailable (law 4).
                tracing::debug!(%call, "an answer found the shard's mailbox full");
            }
        };
        match question {
            Question::Auth(question) => {
                let refused = reply.clone();
                let reply = Box::new(move |answer| reply(Answer::Auth(answer)));
                let asker = Asker { policy: Some(Arc::clone(&version.application.policy)), source };
                let pool = if question.has_sounds() { &self.voices } else { &self.pool };
                if pool.submit(question, asker, reply).is_err() {
                    // Law 4: a full queue answers, and lifts nobody.
                    refused(Answer::Auth(auth::Answer::Unavailable));
                }
            }
            Question::Message(message) => {
                let reply = Box::new(move |kept| reply(Answer::Message(kept)));
                self.messages.submit(call, message, reply);
            }
            Question::Notify(notice) => {
                let reply = Box::new(move |sent| reply(Answer::Notified(sent)));
                self.notices.submit(call, notice, reply);
            }
            Question::Lookup(lookup) => {
                let reply = Box::new(move |answer| reply(Answer::Lookup(answer)));
                self.services.submit(Arc::clone(&version.application), lookup, reply);
            }
        }
    }

    fn recognise(&mut self, call: CallId, id: HearingId, sound: Arc<Utterance>, hearing: Arc<Hearing>) {
        let Some(mailbox) = self.mailbox.clone() else { return };
        let reply = move |answer| {
            // A full mailbox is counted there; the flow waits for no answer longer than it may.
            let _ = mailbox.send(Mail::Heard { call, id, answer });
        };
        self.ears.recognise(sound, hearing, Arc::new(reply));
    }

    fn recording(&mut self, call: CallId, recorded: Recorded) {
        match &mut self.recordings {
            Some(keeper) => keeper.keep(call, recorded),
            None => {
                // It was switched off between the call's first step and this one.
                if let Some(mailbox) = &self.mailbox {
                    let _ = mailbox.send(Mail::RecordingFailed(call, recorded.name));
                }
            }
        }
    }

    fn desk(&mut self, request: DeskRequest) {
        let call = request.call();
        if self.house.try_send(house::Mail::Desk { shard: self.shard, request }).is_err() {
            tracing::warn!(%call, "the switchboard's mailbox is full");
            if let Some(mailbox) = &self.mailbox {
                // The caller must not wait for somebody who never heard of them.
                let _ = mailbox.send(Mail::Desk(call, crate::routing::DeskEvent::Full));
            }
        }
    }

    fn told(&mut self, ticket: Ticket, news: News) {
        self.dialler.told(ticket, news);
    }

    fn record(&mut self, record: Box<CallRecord>, caller: Option<Secret<String>>) {
        let call = record.call;
        if !self.records.keep(record, caller) {
            tracing::error!(%call, "a call record is lost: the store does not keep up");
        }
    }
}
