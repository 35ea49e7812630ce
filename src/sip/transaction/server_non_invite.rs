//! The non-INVITE server transaction: RFC 3261 §17.2.2.
//!
//! ```text
//! Trying ──1xx──▶ Proceeding ──final──▶ Completed ──J──▶ Terminated
//! ```
//! A repeated request gets the last response again; in Trying there is none yet.

use std::time::Instant;

use bytes::Bytes;

use super::{Class, Failure, Orders, Output};
use crate::sip::timers::TimerConfig;

/// One request other than INVITE and ACK that we received.
#[derive(Debug)]
pub struct ServerNonInvite {
    reliable: bool,
    timers: TimerConfig,
    state: State,
    orders: Orders,
}

/// What happens to the transaction.
#[derive(Clone, Debug)]
pub enum Input {
    /// The request came again.
    Retransmission,
    /// The user responds.
    Respond {
        /// The class of the response.
        class: Class,
        /// The response, serialised.
        response: Bytes,
    },
    /// A deadline may have come.
    Timeout,
    /// The transport could not deliver.
    TransportFailed,
}

#[derive(Debug)]
enum State {
    /// `expiry` bounds how long the user may take: the client gives up at timer F.
    Trying {
        expiry: Instant,
    },
    Proceeding {
        last: Bytes,
        expiry: Instant,
    },
    /// `linger` is timer J.
    Completed {
        response: Bytes,
        linger: Instant,
    },
    Terminated,
}

impl ServerNonInvite {
    /// Waits for the user's response.
    #[must_use]
    pub fn new(now: Instant, reliable: bool, timers: TimerConfig) -> Self {
        let state = State::Trying { expiry: now + timers.give_up() };
        Self { reliable, timers, state, orders: Orders::default() }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Retransmission => match &self.state {
                State::Proceeding { last: response, .. } | State::Completed { response, .. } => {
                    self.orders.transmit(response);
                }
                State::Trying { .. } | State::Terminated => {}
            },
            Input::Respond { class, response } => self.respond(now, class, response),
            Input::Timeout => self.timeout(now),
            Input::TransportFailed => {
                if !self.is_terminated() {
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

    fn respond(&mut self, now: Instant, class: Class, response: Bytes) {
        let (State::Trying { expiry } | State::Proceeding { expiry, .. }) = self.state else {
            // RFC 3261 §17.2.2: a second final response is discarded.
            return;
        };
        self.orders.transmit(&response);
        let linger = self.timers.timer_j(self.reliable);
        self.state = match class {
            Class::Provisional => State::Proceeding { last: response, expiry },
            Class::Success | Class::Failure if linger.is_zero() => State::Terminated,
            Class::Success | Class::Failure => State::Completed { response, linger: now + linger },
        };
    }

    fn timeout(&mut self, now: Instant) {
        match &self.state {
            State::Trying { expiry } | State::Proceeding { expiry, .. } if now >= *expiry => {
                self.orders.push(Output::Failed(Failure::TimedOut));
                self.state = State::Terminated;
            }
            State::Completed { linger, .. } if now >= *linger => self.state = State::Terminated,
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { expiry } | State::Proceeding { expiry, .. } => Some(*expiry),
            State::Completed { linger, .. } => Some(*linger),
            State::Terminated => None,
        }
    }
}
