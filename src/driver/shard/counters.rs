//! What a shard counts and holds, for others to read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a shard that others may read.
#[derive(Debug, Default)]
pub struct ShardCounters {
    /// Calls that are running.
    pub calls: AtomicU64,
    /// Mail that found the mailbox full.
    pub mail_lost: AtomicU64,
    /// Media packets that a socket did not take.
    pub media_unsent: AtomicU64,
    /// Legs that got no media port.
    pub no_port: AtomicU64,
    /// Calls ended since the start.
    pub ended: AtomicU64,
    /// Pairs of media ports that are open.
    pub port_pairs: AtomicU64,
    /// SIP sessions, those that only wait for a farewell's answer included.
    pub sessions: AtomicU64,
    /// SIP transactions, those that only absorb repeats included.
    pub transactions: AtomicU64,
    /// Deadlines of calls, sessions and transactions.
    pub timers: AtomicU64,
    /// Media datagrams received.
    pub media_received: AtomicU64,
    /// Media datagrams sent.
    pub media_sent: AtomicU64,
}

/// What a shard holds at a moment: all zero when nothing is left of any call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Calls.
    pub calls: u64,
    /// Pairs of media ports.
    pub port_pairs: u64,
    /// SIP sessions.
    pub sessions: u64,
    /// SIP transactions.
    pub transactions: u64,
    /// Deadlines.
    pub timers: u64,
}

impl ShardCounters {
    /// What the shard held at the end of its last turn.
    #[must_use]
    pub fn held(&self) -> Held {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Held {
            calls: read(&self.calls),
            port_pairs: read(&self.port_pairs),
            sessions: read(&self.sessions),
            transactions: read(&self.transactions),
            timers: read(&self.timers),
        }
    }
}
