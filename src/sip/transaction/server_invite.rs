//! The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1.
//!
//! ```text
//! Proceeding ──3xx–6xx──▶ Completed ──ACK──▶ Confirmed ──I──▶ Terminated
//!     │                      │ G: again, T1 doubling to T2
//!     │                      └ H: Failed(TimedOut)
//!     └──2xx──▶ Accepted ──L──▶ Terminated      (2xx are sent again by the session, not here)
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Class, Failure, Orders, Output, earlier};
use crate::sip::timers::{Backoff, TimerConfig};

/// One INVITE that we received.
#[derive(Debug)]
pub struct ServerInvite {
    reliable: bool,
    timers: TimerConfig,
    state: State,
    orders: Orders,
}

/// What happens to the transaction.
#[derive(Clone, Debug)]
pub enum Input {
    /// The INVITE came again.
    Retransmission,
    /// The user responds.
    Respond {
        /// The class of the response.
        class: Class,
        /// The response, serialised.
        response: Bytes,
    },
    /// An ACK that belongs to this transaction.
    Ack,
    /// A deadline may have come.
    Timeout,
    /// The transport could not deliver.
    TransportFailed,
}

#[derive(Debug)]
enum State {
    Proceeding {
        last: Bytes,
    },
    /// `again` is timer G (unreliable transports only), `expiry` timer H.
    Completed {
        response: Bytes,
        again: Option<Backoff>,
        expiry: Instant,
    },
    /// `linger` is timer I.
    Confirmed {
        linger: Instant,
    },
    /// `linger` is timer L.
    Accepted {
        linger: Instant,
    },
    Terminated,
}

impl ServerInvite {
    /// Answers 100 at once: the flow may take longer than the 200 ms that RFC 3261 §17.2.1 allows.
    #[must_use]
    pub fn new(trying: Bytes, reliable: bool, timers: TimerConfig) -> Self {
        let mut orders = Orders::default();
        orders.transmit(&trying);
        Self { reliable, timers, state: State::Proceeding { last: trying }, orders }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Retransmission => self.retransmission(),
            Input::Respond { class, response } => self.respond(now, class, response),
            Input::Ack => self.ack(now),
            Input::Timeout => self.timeout(now),
            Input::TransportFailed => self.transport_failed(),
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

    fn retransmission(&mut self) {
        match &self.state {
            State::Proceeding { last: response } | State::Completed { response, .. } => {
                self.orders.transmit(response);
            }
            // RFC 6026 §7.1: absorbed.
            State::Accepted { .. } | State::Confirmed { .. } | State::Terminated => {}
        }
    }

    fn respond(&mut self, now: Instant, class: Class, response: Bytes) {
        match (&self.state, class) {
            (State::Proceeding { .. }, Class::Provisional) => {
                self.orders.transmit(&response);
                self.state = State::Proceeding { last: response };
            }
            (State::Proceeding { .. }, Class::Success) => {
                self.orders.transmit(&response);
                self.state = State::Accepted { linger: now + self.timers.give_up() };
            }
            (State::Proceeding { .. }, Class::Failure) => {
                self.orders.transmit(&response);
                let again =
                    (!self.reliable).then(|| Backoff::start(now, self.timers.t1, Some(self.timers.t2)));
                let expiry = now + self.timers.give_up();
                self.state = State::Completed { response, again, expiry };
            }
            // RFC 6026 §7.1: the session repeats its 2xx through the transaction.
            (State::Accepted { .. }, Class::Success) => self.orders.transmit(&response),
            _ => {}
        }
    }

    fn ack(&mut self, now: Instant) {
        match self.state {
            State::Completed { .. } => {
                let linger = self.timers.linger(self.reliable);
                self.state = if linger.is_zero() {
                    State::Terminated
                } else {
                    State::Confirmed { linger: now + linger }
                };
            }
            State::Accepted { .. } => self.orders.push(Output::Deliver),
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => {}
        }
    }

    fn timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Completed { expiry, .. } if now >= *expiry => {
                self.orders.push(Output::Failed(Failure::TimedOut));
                self.state = State::Terminated;
            }
            State::Completed { response, again, .. } => {
                let due = again.as_mut().is_some_and(|again| again.fire(now));
                if due {
                    self.orders.transmit(response);
                }
            }
            State::Confirmed { linger } | State::Accepted { linger } if now >= *linger => {
                self.state = State::Terminated;
            }
            _ => {}
        }
    }

    fn transport_failed(&mut self) {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => {
                self.orders.push(Output::Failed(Failure::Transport));
                self.state = State::Terminated;
            }
            // Nothing is owed any more, or the session above notices the missing ACK.
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { again, expiry, .. } => {
                Some(earlier(again.as_ref().map(Backoff::next), *expiry))
            }
            State::Confirmed { linger } | State::Accepted { linger } => Some(*linger),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }
}
