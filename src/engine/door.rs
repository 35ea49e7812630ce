//! Callers at the door: their number is being looked into. Each waits a bounded time and is let in then, whatever came
//! of it; what was not verified by then is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sip::stir::Candidate;
use crate::sip::stir::{Number, NumberPlan, Presented, Verdict, examine};
use crate::sip::{Incoming, Path, SessionId, Uri};
use crate::units::{CallId, Place, Table, UnixTime};

/// How callers' numbers are looked into, and how long that may take.
#[derive(Clone, Debug, Default)]
pub struct Vouching {
    /// Numbers that lead here beside the one that was dialled.
    pub own: Vec<Number>,
    /// How long a caller waits for it at most.
    pub patience: Duration,
}

/// What is to be looked into: the certificates of these, and whether they came before.
#[derive(Debug)]
pub struct Vouch {
    /// What is left to be shown.
    pub candidate: Candidate,
    /// The Call-ID that it came with.
    pub call_id: Box<str>,
}

/// What comes of a first look.
pub(super) enum Look {
    /// It is settled; `None`: nobody looks into it.
    Settled(Option<Verdict>),
    /// It takes certificates.
    Vouch(Box<Vouch>),
}

/// A caller who waits.
pub(super) struct Waiting {
    pub(super) session: SessionId,
    pub(super) path: Path,
    pub(super) trunk: Arc<str>,
    pub(super) invite: Box<Incoming>,
    /// Among the calls of its trunk.
    pub(super) place: Option<Place>,
}

/// Those who wait.
#[derive(Default)]
pub(super) struct Door {
    waiting: Table<CallId, Waiting>,
}

impl Vouching {
    /// Looks at what an INVITE presents, as far as that needs no certificate.
    pub(super) fn look(&self, plan: &NumberPlan, invite: &Incoming, identity: &Uri, now: UnixTime) -> Look {
        let Incoming { headers, request_uri, to, .. } = invite;
        let Some(presented) = Presented::of(headers, identity, request_uri, &to.uri, plan) else {
            return Look::Settled(Some(Verdict::Absent));
        };
        match examine(&presented, &self.own, now) {
            Ok(candidate) => Look::Vouch(Box::new(Vouch { candidate, call_id: presented.call_id().into() })),
            Err(reason) => Look::Settled(Some(reason.into())),
        }
    }

    /// Until when a caller waits who comes now.
    pub(super) fn until(&self, now: Instant) -> Instant {
        now + self.patience
    }
}

impl Door {
    pub(super) fn wait(&mut self, id: CallId, waiting: Waiting) {
        self.waiting.insert(id, waiting);
    }

    /// Takes one who waits no longer; `None`: nobody of that name waits.
    pub(super) fn take(&mut self, id: CallId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }

    /// All of them.
    pub(super) fn empty(&mut self) -> Vec<(CallId, Waiting)> {
        self.waiting.drain().collect()
    }

    pub(super) fn has(&self, id: CallId) -> bool {
        self.waiting.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
