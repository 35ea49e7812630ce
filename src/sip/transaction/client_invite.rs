//! The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2.
//!
//! ```text
//! Calling ──1xx──▶ Proceeding ──2xx──▶ Accepted ──M──▶ Terminated
//!    │ A: again        └──3xx–6xx──▶ Completed ──D──▶ Terminated
//!    └ B: Failed(TimedOut)             └ 3xx–6xx again: the ACK again
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Failure, Orders, Output, earlier};
use crate::sip::timers::{Backoff, TimerConfig};

/// One INVITE that we sent.
#[derive(Debug)]
pub struct ClientInvite {
    request: Bytes,
    reliable: bool,
    timers: TimerConfig,
    state: State,
    orders: Orders,
}

/// What happens to the transaction.
#[derive(Clone, Debug)]
pub enum Input {
    /// A 1xx response.
    Provisional,
    /// A 2xx response. Its ACK is the transaction user's.
    Success,
    /// A 3xx–6xx response, with the ACK of RFC 3261 §17.1.1.3 that answers it.
    Failure {
        /// The ACK, serialised.
        ack: Bytes,
    },
    /// A deadline may have come.
    Timeout,
    /// The transport could not deliver.
    TransportFailed,
    /// The user gives up: a cancelled INVITE got no final response (RFC 3261 §9.1).
    Abandon,
}

#[derive(Debug)]
enum State {
    /// `again` is timer A (unreliable transports only), `expiry` timer B.
    Calling {
        again: Option<Backoff>,
        expiry: Instant,
    },
    Proceeding,
    /// `linger` is timer D.
    Completed {
        ack: Bytes,
        linger: Instant,
    },
    /// `linger` is timer M.
    Accepted {
        linger: Instant,
    },
    Terminated,
}

impl ClientInvite {
    /// Sends the request.
    #[must_use]
    pub fn new(now: Instant, request: Bytes, reliable: bool, timers: TimerConfig) -> Self {
        let again = (!reliable).then(|| Backoff::start(now, timers.t1, None));
        let mut orders = Orders::default();
        orders.transmit(&request);
        let state = State::Calling { again, expiry: now + timers.give_up() };
        Self { request, reliable, timers, state, orders }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Provisional => self.provisional(),
            Input::Success => self.success(now),
            Input::Failure { ack } => self.failure(now, ack),
            Input::Timeout => self.timeout(now),
            Input::TransportFailed => self.transport_failed(),
            Input::Abandon => self.state = State::Terminated,
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

    /// Whether a 1xx has come and no final response yet: a CANCEL may be sent (RFC 3261 §9.1).
    #[must_use]
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    fn provisional(&mut self) {
        if matches!(self.state, State::Calling { .. } | State::Proceeding) {
            self.state = State::Proceeding;
            self.orders.push(Output::Deliver);
        }
    }

    fn success(&mut self, now: Instant) {
        match self.state {
            State::Calling { .. } | State::Proceeding => {
                self.state = State::Accepted { linger: now + self.timers.give_up() };
                self.orders.push(Output::Deliver);
            }
            // RFC 6026 §7.2: repeated and forked 2xx go to the user, who acknowledges each.
            State::Accepted { .. } => self.orders.push(Output::Deliver),
            State::Completed { .. } | State::Terminated => {}
        }
    }

    fn failure(&mut self, now: Instant, ack: Bytes) {
        match &self.state {
            State::Calling { .. } | State::Proceeding => {
                self.orders.transmit(&ack);
                self.orders.push(Output::Deliver);
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed { ack, linger: now + self.timers.timer_d(false) }
                };
            }
            State::Completed { ack, .. } => self.orders.transmit(ack),
            State::Accepted { .. } | State::Terminated => {}
        }
    }

    fn timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Calling { expiry, .. } if now >= *expiry => {
                self.orders.push(Output::Failed(Failure::TimedOut));
                self.state = State::Terminated;
            }
            State::Calling { again, .. } => {
                let due = again.as_mut().is_some_and(|again| again.fire(now));
                if due {
                    self.orders.transmit(&self.request);
                }
            }
            State::Completed { linger, .. } | State::Accepted { linger } if now >= *linger => {
                self.state = State::Terminated;
            }
            _ => {}
        }
    }

    fn transport_failed(&mut self) {
        match self.state {
            State::Calling { .. } | State::Proceeding => {
                self.orders.push(Output::Failed(Failure::Transport));
            }
            // The user has its final response; nothing more can come this way.
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
        self.state = State::Terminated;
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { again, expiry } => Some(earlier(again.as_ref().map(Backoff::next), *expiry)),
            State::Completed { linger, .. } | State::Accepted { linger } => Some(*linger),
            State::Proceeding | State::Terminated => None,
        }
    }
}
