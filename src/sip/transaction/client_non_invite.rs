//! The non-INVITE client transaction: RFC 3261 §17.1.2.
//!
//! ```text
//! Trying ──1xx──▶ Proceeding ──final──▶ Completed ──K──▶ Terminated
//!   │ E: again, T1 doubling to T2   │ E: again, every T2
//!   └─────────── F: Failed(TimedOut) ┘
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Class, Failure, Orders, Output, earlier};
use crate::sip::timers::{Backoff, TimerConfig};

/// One request other than INVITE and ACK that we sent.
#[derive(Debug)]
pub struct ClientNonInvite {
    request: Bytes,
    reliable: bool,
    timers: TimerConfig,
    state: State,
    orders: Orders,
}

/// What happens to the transaction.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A response of this class.
    Response(Class),
    /// A deadline may have come.
    Timeout,
    /// The transport could not deliver.
    TransportFailed,
}

#[derive(Debug)]
enum State {
    /// Trying and, once a 1xx has come, Proceeding: `again` is timer E, `expiry` timer F.
    Open {
        proceeding: bool,
        again: Option<Backoff>,
        expiry: Instant,
    },
    /// `linger` is timer K.
    Completed {
        linger: Instant,
    },
    Terminated,
}

impl ClientNonInvite {
    /// Sends the request.
    #[must_use]
    pub fn new(now: Instant, request: Bytes, reliable: bool, timers: TimerConfig) -> Self {
        let again = (!reliable).then(|| Backoff::start(now, timers.t1, Some(timers.t2)));
        let mut orders = Orders::default();
        orders.transmit(&request);
        let state = State::Open { proceeding: false, again, expiry: now + timers.give_up() };
        Self { request, reliable, timers, state, orders }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Response(class) => self.response(now, class),
            Input::Timeout => self.timeout(now),
            Input::TransportFailed => {
                if matches!(self.state, State::Open { .. }) {
                    self.orders.push(Output::Failed(Failure::Transport));
                }
                self.state = State::Terminated;
            }
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        self.orders.pop().unwrap_or_else(|| Output::Timeout(self.deadline()))
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    fn response(&mut self, now: Instant, class: Class) {
        let State::Open { proceeding, again, .. } = &mut self.state else { return };
        self.orders.push(Output::Deliver);
        if class == Class::Provisional {
            // RFC 3261 §17.1.2.2: from Proceeding on, timer E is T2; the one that runs is not restarted.
            if !*proceeding && let Some(again) = again {
                again.hold(self.timers.t2);
            }
            *proceeding = true;
            return;
        }
        let linger = self.timers.linger(self.reliable);
        self.state =
            if linger.is_zero() { State::Terminated } else { State::Completed { linger: now + linger } };
    }

    fn timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Open { expiry, .. } if now >= *expiry => {
                self.orders.push(Output::Failed(Failure::TimedOut));
                self.state = State::Terminated;
            }
            State::Open { again, .. } => {
                let due = again.as_mut().is_some_and(|again| again.fire(now));
                if due {
                    self.orders.transmit(&self.request);
                }
            }
            State::Completed { linger } if now >= *linger => self.state = State::Terminated,
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Open { again, expiry, .. } => Some(earlier(again.as_ref().map(Backoff::next), *expiry)),
            State::Completed { linger } => Some(*linger),
            State::Terminated => None,
        }
    }
}
