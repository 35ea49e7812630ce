//! Requests seen lately and the answers they got, so that a copy gets the same answer and not a replay's
//! (the server's half of RFC 3261 §17.2.2, without its timers).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::header::Via;
use super::super::message::Request;

/// What makes two copies one request (RFC 3261 §17.2.3), whether or not the branch is unique by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    source: SocketAddr,
    sent_by: String,
    branch: String,
    call_id: String,
    cseq: u32,
}

impl Key {
    pub(super) fn of(request: &Request, via: &Via, source: SocketAddr) -> Option<Self> {
        Some(Self {
            source,
            sent_by: via.sent_by(),
            branch: via.branch().unwrap_or_default().to_owned(),
            call_id: request.headers.call_id().ok()?.to_owned(),
            cseq: request.headers.cseq().ok()?.number,
        })
    }
}

/// What is known of a request.
pub(super) enum Seen {
    Never,
    Pending,
    Answered(Bytes),
}

#[derive(Default)]
pub(super) struct Replies {
    known: HashMap<Key, Option<Bytes>>,
    order: VecDeque<(Instant, Key)>,
}

impl Replies {
    pub(super) fn find(&mut self, now: Instant, key: &Key) -> Seen {
        self.forget(now);
        match self.known.get(key) {
            None => Seen::Never,
            Some(None) => Seen::Pending,
            Some(Some(bytes)) => Seen::Answered(bytes.clone()),
        }
    }

    /// A request that is being looked at.
    pub(super) fn begin(&mut self, now: Instant, key: Key) {
        while self.order.len() >= MAX_KNOWN {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        if self.known.insert(key.clone(), None).is_none() {
            self.order.push_back((now, key));
        }
    }

    pub(super) fn answered(&mut self, now: Instant, key: Key, bytes: Bytes) {
        if !self.known.contains_key(&key) {
            self.begin(now, key.clone());
        }
        self.known.insert(key, Some(bytes));
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, _)) = self.order.front() {
            if now.saturating_duration_since(*since) < KEPT {
                return;
            }
            if let Some((_, key)) = self.order.pop_front() {
                self.known.remove(&key);
            }
        }
    }
}

/// RFC 3261 §17.2.2 timer J: 64 × T1.
const KEPT: Duration = Duration::from_secs(32);

/// Ours: some two megabytes at most.
const MAX_KNOWN: usize = 4_096;
