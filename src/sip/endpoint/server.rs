//! The server transactions of an endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Endpoint, SessionId, Waiter};
use crate::sip::invite_session::ServerId;
use crate::sip::transaction::key::TransactionKey;
use crate::sip::transaction::{
    Class, Failure, Output, ServerInvite, ServerInviteInput, ServerNonInvite, ServerNonInviteInput,
};
use crate::sip::{HeaderError, Method, Path, Request, Response, StatusCode};

/// One request that we answer.
#[derive(Debug)]
pub(super) struct Server {
    key: Arc<TransactionKey>,
    merge: Option<Arc<MergeKey>>,
    /// Whose share it is of.
    share: Option<IpAddr>,
    machine: Machine,
    /// Where responses go.
    pub(super) path: Path,
    pub(super) session: SessionId,
}

#[derive(Debug)]
enum Machine {
    Invite(ServerInvite),
    Other(ServerNonInvite),
}

/// What two copies of a request that came on different ways have in common (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq: u32,
    method: Box<str>,
}

impl MergeKey {
    pub(super) fn of(request: &Request) -> Result<Self, HeaderError> {
        let headers = &request.headers;
        Ok(Self {
            call_id: headers.call_id()?.into(),
            from_tag: headers.from()?.tag().unwrap_or_default().into(),
            cseq: headers.cseq()?.number,
            method: request.method.as_str().into(),
        })
    }
}

impl Endpoint {
    /// Begins the transaction of a new request; an INVITE gets its 100 at once.
    pub(super) fn begin_server(
        &mut self,
        now: Instant,
        request: &Request,
        key: TransactionKey,
        path: Path,
        session: SessionId,
    ) -> ServerId {
        self.next_id += 1;
        let id = ServerId(self.next_id);
        let reliable = path.transport.is_reliable();
        let timers = self.config.timers;
        let machine = if request.method == Method::Invite {
            let trying = Response::to(request, StatusCode::TRYING).write();
            Machine::Invite(ServerInvite::new(trying, reliable, timers))
        } else {
            Machine::Other(ServerNonInvite::new(now, reliable, timers))
        };
        let outside = request.headers.to().is_ok_and(|to| to.tag().is_none());
        let merge = if outside { MergeKey::of(request).ok().map(Arc::new) } else { None };
        if let Some(merge) = &merge {
            self.merging.insert(Arc::clone(merge), id);
        }
        let share = (!outside).then(|| path.remote.ip());
        if let Some(source) = share {
            self.shares.take(source);
        }
        let key = Arc::new(key);
        self.server_keys.insert(Arc::clone(&key), id);
        self.servers.insert(id, Box::new(Server { key, merge, share, machine, path, session }));
        self.settle_server(now, id);
        id
    }

    /// Sends a response in its transaction.
    pub(super) fn respond(&mut self, now: Instant, id: ServerId, response: &Response) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let class = Class::of(response.status.code());
        let response = response.write();
        match &mut server.machine {
            Machine::Invite(invite) => {
                invite.handle(now, ServerInviteInput::Respond { class, response });
            }
            Machine::Other(other) => {
                other.handle(now, ServerNonInviteInput::Respond { class, response });
            }
        }
        self.settle_server(now, id);
    }

    /// The request came again.
    pub(super) fn repeat(&mut self, now: Instant, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match &mut server.machine {
            Machine::Invite(invite) => invite.handle(now, ServerInviteInput::Retransmission),
            Machine::Other(other) => other.handle(now, ServerNonInviteInput::Retransmission),
        }
        self.settle_server(now, id);
    }

    /// An ACK matched the transaction; whether it is for the session.
    pub(super) fn server_ack(&mut self, now: Instant, id: ServerId) -> bool {
        if let Some(server) = self.servers.get_mut(&id)
            && let Machine::Invite(invite) = &mut server.machine
        {
            invite.handle(now, ServerInviteInput::Ack);
        }
        self.settle_server(now, id)
    }

    pub(super) fn server_timeout(&mut self, now: Instant, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match &mut server.machine {
            Machine::Invite(invite) => invite.handle(now, ServerInviteInput::Timeout),
            Machine::Other(other) => other.handle(now, ServerNonInviteInput::Timeout),
        }
        self.settle_server(now, id);
    }

    pub(super) fn server_transport_failed(&mut self, now: Instant, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match &mut server.machine {
            Machine::Invite(invite) => invite.handle(now, ServerInviteInput::TransportFailed),
            Machine::Other(other) => other.handle(now, ServerNonInviteInput::TransportFailed),
        }
        self.settle_server(now, id);
    }

    /// Does what the machine orders and takes it out when it is over. Whether it passes an ACK up.
    fn settle_server(&mut self, now: Instant, id: ServerId) -> bool {
        let mut deliver = false;
        let mut failed = None;
        loop {
            let Some(server) = self.servers.get_mut(&id) else { return deliver };
            let output = match &mut server.machine {
                Machine::Invite(invite) => invite.poll(),
                Machine::Other(other) => other.poll(),
            };
            match output {
                Output::Transmit(bytes) => {
                    let path = server.path;
                    self.transmit(path, bytes);
                }
                Output::Deliver => deliver = true,
                Output::Failed(failure) => failed = Some((failure, server.session)),
                Output::Timeout(at) => {
                    self.deadlines.set(&Waiter::Server(id), at);
                    break;
                }
            }
        }
        let over = self.servers.get(&id).is_some_and(|server| match &server.machine {
            Machine::Invite(invite) => invite.is_terminated(),
            Machine::Other(other) => other.is_terminated(),
        });
        if over {
            self.remove_server(id);
        }
        if let Some((failure, session)) = failed {
            if failure == Failure::TimedOut {
                self.counters.timed_out += 1;
            }
            self.with_session(now, session, |session, cx| session.server_failed(cx, id));
        }
        deliver
    }

    fn remove_server(&mut self, id: ServerId) {
        self.deadlines.set(&Waiter::Server(id), None);
        let Some(server) = self.servers.remove(&id) else { return };
        self.server_keys.remove(&server.key);
        if let Some(merge) = server.merge {
            self.merging.remove(&merge);
        }
        if let Some(source) = server.share {
            self.shares.give_back(source);
        }
    }
}
