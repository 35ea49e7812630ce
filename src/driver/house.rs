//! The house: one thread that owns what all shards share: the switchboard and the registrar.
//!
//! Shards and the edge talk to it by one bounded mailbox; it talks to shards by theirs.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;

use super::edge::Edge;
use super::os;
use super::pulse::Pulse;
use super::shard::{self, Mailbox};
use super::vault::Vault;
use crate::routing::{
    AgentName, AgentView, Contact, DeskEvent, DeskRequest, Input, Output, QueueView, Roster, Switchboard,
};
use crate::sip::Path;
use crate::sip::registrar::{self, Registrar};
use crate::units::{CallId, Place, Places, Table};

/// What the house is told.
pub enum Mail {
    /// A REGISTER.
    Sip {
        /// How it came.
        path: Path,
        /// The message.
        bytes: Bytes,
        /// Its place among the registrations that wait.
        place: Place,
    },
    /// A connection is gone.
    TransportFailed(Path),
    /// A shard's word about one of its calls.
    Desk {
        /// The shard.
        shard: usize,
        /// What it says.
        request: DeskRequest,
    },
    /// An agent with a fixed address is there.
    AgentUp(AgentName, Contact),
    /// An agent's address is fixed no longer.
    AgentDown(AgentName),
    /// These are the queues and agents from now on.
    Roster(Roster),
    /// Tell of queues and agents.
    Report(SyncSender<Report>),
    /// Answer, to show that the house turns.
    Pulse(Pulse),
    /// Close.
    Stop,
}

/// Who waits and who serves, at a moment.
pub struct Report {
    /// The queues.
    pub queues: Vec<QueueView>,
    /// The agents.
    pub agents: Vec<AgentView>,
}

const MAILBOX_PLACES: usize = 8192;
/// Registrations that may wait in the mailbox. A flood of them must not take the room of the desk: an agent
/// whose `Released` is lost would count as talking for ever.
const REGISTRATIONS_WAITING: usize = 1024;

/// Room for the registrations that may wait.
#[must_use]
pub fn registrations() -> Places {
    Places::new(REGISTRATIONS_WAITING)
}

/// The mailbox, made before the thread runs so that others can be given it first.
#[must_use]
pub fn mailbox() -> (SyncSender<Mail>, Receiver<Mail>) {
    sync_channel(MAILBOX_PLACES)
}

/// Everything the house works with.
pub struct House {
    /// Queues and agents.
    pub switchboard: Switchboard,
    /// Agents' phones.
    pub registrar: Registrar,
    /// Where phones' credentials lie.
    pub vault: Arc<Vault>,
    /// The shards.
    pub shards: Vec<Mailbox>,
    /// The way out.
    pub edge: Edge,
}

/// Starts the house's thread.
///
/// # Errors
/// When the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "the house is a thread")]
pub fn start(house: House, mail: Receiver<Mail>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("house".to_owned()).spawn(move || {
        Running { house, shard_of: Table::default(), board_wake: None, registrar_wake: None }.run(&mail);
    })
}

struct Running {
    house: House,
    /// Which shard a waiting or talking call lives on.
    shard_of: Table<CallId, usize>,
    board_wake: Option<Instant>,
    registrar_wake: Option<Instant>,
}

impl Running {
    fn run(mut self, mail: &Receiver<Mail>) {
        loop {
            let wake = [self.board_wake, self.registrar_wake].into_iter().flatten().min();
            let received = match wake {
                None => mail.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => mail.recv_timeout(at.saturating_duration_since(os::now())),
            };
            let now = os::now();
            match received {
                Ok(Mail::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Mail::Sip { path, bytes, place }) => {
                    drop(place);
                    self.house.registrar.handle(now, registrar::Input::Received { path, message: bytes });
                }
                Ok(Mail::TransportFailed(path)) => {
                    self.house.registrar.handle(now, registrar::Input::TransportFailed(path));
                }
                Ok(Mail::Desk { shard, request }) => self.desk(now, shard, request),
                Ok(Mail::AgentUp(name, contact)) => {
                    self.house.switchboard.handle(now, Input::AgentUp(name, contact));
                    self.drain_switchboard();
                }
                Ok(Mail::AgentDown(name)) => {
                    self.house.switchboard.handle(now, Input::AgentDown(name));
                    self.drain_switchboard();
                }
                Ok(Mail::Roster(roster)) => {
                    self.house.switchboard.handle(now, Input::Roster(roster));
                    self.drain_switchboard();
                }
                Ok(Mail::Report(to)) => {
                    let board = &self.house.switchboard;
                    let report = Report { queues: board.queue_views(), agents: board.agent_views() };
                    // Whoever asked and did not wait does not want it any more.
                    let _ = to.try_send(report);
                }
                Ok(Mail::Pulse(pulse)) => pulse.beat(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.due(now);
        }
    }

    fn due(&mut self, now: Instant) {
        if self.registrar_wake.is_some_and(|at| at <= now) {
            self.house.registrar.handle(now, registrar::Input::Timeout);
        }
        self.drain_registrar(now);
        if self.board_wake.is_some_and(|at| at <= now) {
            self.house.switchboard.handle(now, Input::Timeout);
            self.drain_switchboard();
        }
    }

    fn desk(&mut self, now: Instant, shard: usize, request: DeskRequest) {
        let call = request.call();
        let over = matches!(request, DeskRequest::Leave { .. } | DeskRequest::Released { .. });
        if matches!(request, DeskRequest::Enqueue { .. }) {
            self.shard_of.insert(call, shard);
        }
        self.house.switchboard.handle(now, request.into());
        self.drain_switchboard();
        if over {
            self.shard_of.remove(&call);
        }
    }

    fn drain_switchboard(&mut self) {
        loop {
            let (call, event) = match self.house.switchboard.poll() {
                Output::Offer { call, agent, contact } => (call, DeskEvent::Offer { agent, contact }),
                Output::Place(call, place) => (call, DeskEvent::Place(place)),
                Output::Full(call) => (call, DeskEvent::Full),
                Output::Timeout(at) => {
                    self.board_wake = at;
                    return;
                }
            };
            let full = matches!(event, DeskEvent::Full);
            if let Some(mailbox) = self.shard_of.get(&call).and_then(|shard| self.house.shards.get(*shard)) {
                // A full mailbox is counted there; an offer without a result is taken back in time.
                let _ = mailbox.send(shard::Mail::Desk(call, event));
            }
            if full {
                self.shard_of.remove(&call);
            }
        }
    }

    fn drain_registrar(&mut self, now: Instant) {
        let mut answers = Vec::new();
        loop {
            match self.house.registrar.poll() {
                registrar::Output::Transmit { path, bytes } => self.house.edge.send(&path, &bytes),
                registrar::Output::Lookup { ask, user } => {
                    let stored = self.house.vault.agent_ha1(&user);
                    answers.push(registrar::Input::Credential { ask, stored });
                }
                registrar::Output::Registered { user, contact, path, .. } => {
                    let contact = Contact::new(contact.to_string(), Some(path));
                    self.house
                        .switchboard
                        .handle(now, Input::AgentUp(AgentName::from(user.as_str()), contact));
                    self.drain_switchboard();
                }
                registrar::Output::Unregistered { user } => {
                    self.house.switchboard.handle(now, Input::AgentDown(AgentName::from(user.as_str())));
                    self.drain_switchboard();
                }
                registrar::Output::Timeout(at) => {
                    self.registrar_wake = at;
                    let Some(answer) = answers.pop() else { return };
                    self.house.registrar.handle(now, answer);
                }
            }
        }
    }
}
