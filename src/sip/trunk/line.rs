//! What is asked of one trunk's servers between calls: do they live, and our registration. Sans I/O: whoever owns it sends
//! what it orders and brings the answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::health::{Condition, Health, Pulse};
use super::registration::{Answer, Registered, Registration, RegistrationConfig};
use crate::sip::StatusCode;
use crate::sip::locate::{Hop, is_servers_fault};
use crate::units::Entropy;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// OPTIONS.
    Options(Hop),
    /// REGISTER.
    Register(Hop),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The trunk's servers are these now, the preferred first.
    Servers(Vec<Hop>),
    /// What came of a question; 408 when nothing did.
    Answered(Ask, Answer),
    /// A call found nobody there.
    CallFailed(Hop),
    /// The time has come.
    Timeout,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a question; a registration is asked for `expires`.
    Ask {
        /// Which.
        ask: Ask,
        /// For how long.
        expires: Duration,
    },
    /// Something is another way now.
    Changed(Change),
    /// Nothing more until then.
    Timeout(Option<Instant>),
}

/// What is another way now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A server lives.
    Up(Hop),
    /// A server does not.
    Down(Hop),
    /// We are registered there, for so long.
    Registered(Hop, Duration),
    /// We are not, or not again; asked again after the pause.
    NotRegistered(Hop, StatusCode, Duration),
    /// The registration has run out.
    RanOut,
}

/// One trunk's questions.
pub struct Line {
    pulse: Option<Pulse>,
    servers: Vec<(Hop, Health)>,
    registration: Option<Registration>,
    /// Where it was asked for last.
    registrar: Option<Hop>,
    /// Servers that failed since it was made last.
    tried: Vec<Hop>,
    out: VecDeque<Output>,
    entropy: Entropy,
}

impl Line {
    /// A trunk whose servers are not known yet. Without `pulse` nobody is asked whether they live.
    #[must_use]
    pub fn new(
        pulse: Option<Pulse>,
        registration: Option<RegistrationConfig>,
        now: Instant,
        entropy: Entropy,
    ) -> Self {
        Self {
            pulse,
            servers: Vec::new(),
            registration: registration.map(|config| Registration::new(config, now)),
            registrar: None,
            tried: Vec::new(),
            out: VecDeque::new(),
            entropy,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Servers(hops) => self.replace(now, &hops),
            Input::Answered(Ask::Options(hop), answer) => {
                self.told(now, hop, !is_servers_fault(answer.status), Health::answered);
            }
            Input::CallFailed(hop) => {
                self.told(now, hop, false, |health, now, _, pulse| health.call_failed(now, pulse));
            }
            Input::Answered(Ask::Register(hop), answer) => self.registered(now, hop, &answer),
            Input::Timeout => {}
        }
        self.due(now);
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        self.out.pop_front().unwrap_or_else(|| Output::Timeout(self.wake()))
    }

    /// The servers, the preferred first, and what is known of each.
    pub fn servers(&self) -> impl Iterator<Item = (Hop, Condition)> + '_ {
        self.servers.iter().map(|(hop, health)| (*hop, health.condition()))
    }

    /// Our registration, where it was asked for last, and how it stands; `None` where there is none to be.
    #[must_use]
    pub fn registration(&self) -> Option<(Option<Hop>, &Registration)> {
        self.registration.as_ref().map(|registration| (self.registrar, registration))
    }

    /// What a name led to may change: what is known of those that stay is kept.
    fn replace(&mut self, now: Instant, hops: &[Hop]) {
        let mut old = std::mem::take(&mut self.servers);
        for hop in hops {
            if self.servers.iter().any(|(other, _)| other == hop) {
                continue;
            }
            let at = old.iter().position(|(other, _)| other == hop);
            self.servers.push(at.map_or_else(|| (*hop, Health::new(now)), |at| old.swap_remove(at)));
        }
    }

    fn told(
        &mut self,
        now: Instant,
        hop: Hop,
        lives: bool,
        tell: impl FnOnce(&mut Health, Instant, bool, &Pulse) -> bool,
    ) {
        let Some(pulse) = self.pulse else { return };
        let Some((_, health)) = self.servers.iter_mut().find(|(other, _)| *other == hop) else { return };
        if tell(health, now, lives, &pulse) {
            let up = health.condition() == Condition::Up;
            self.out.push_back(Output::Changed(if up { Change::Up(hop) } else { Change::Down(hop) }));
            self.registrar_fell(now, hop, up);
        }
    }

    /// Calls come by the server that we are registered with: when it is gone, another one is asked now.
    fn registrar_fell(&mut self, now: Instant, hop: Hop, up: bool) {
        if up || self.registrar != Some(hop) {
            return;
        }
        let others = self.servers.iter().any(|(other, _)| *other != hop);
        if let Some(registration) = &mut self.registration {
            self.tried = vec![hop];
            registration.elsewhere(now, false);
            if others {
                registration.give_up(now);
            }
        }
    }

    fn registered(&mut self, now: Instant, hop: Hop, answer: &Answer) {
        // Whoever was given up may still answer.
        let Some(registration) = self.registration.as_mut().filter(|_| self.registrar == Some(hop)) else {
            return;
        };
        let pause = registration.answered(now, answer, &mut self.entropy);
        if answer.status.is_success() {
            self.tried.clear();
            if let Registered::Until(end) = registration.state() {
                self.out.push_back(Output::Changed(Change::Registered(hop, end - now)));
            }
        } else if let Some(pause) = pause {
            self.tried.push(hop);
            let more = self.servers.iter().any(|(other, _)| !self.tried.contains(other));
            if is_servers_fault(answer.status) && more {
                registration.elsewhere(now, true);
            } else {
                self.tried.clear();
                let change = Change::NotRegistered(hop, answer.status, pause);
                self.out.push_back(Output::Changed(change));
            }
        }
    }

    fn due(&mut self, now: Instant) {
        if let Some(pulse) = self.pulse {
            let overdue: Vec<Hop> = self
                .servers
                .iter()
                .filter(|(_, health)| health.is_overdue(now))
                .map(|(hop, _)| *hop)
                .collect();
            for hop in overdue {
                self.told(now, hop, false, Health::answered);
            }
            for (hop, health) in &mut self.servers {
                if health.ask(now, &pulse) {
                    let ask = Ask::Options(*hop);
                    self.out.push_back(Output::Ask { ask, expires: Duration::ZERO });
                }
            }
        }
        let hop = self.next_registrar();
        let Some(registration) = &mut self.registration else { return };
        if registration.runs_out(now) {
            self.out.push_back(Output::Changed(Change::RanOut));
        }
        if let Some(hop) = hop
            && registration.ask(now)
        {
            self.registrar = Some(hop);
            let expires = registration.expires();
            self.out.push_back(Output::Ask { ask: Ask::Register(hop), expires });
        }
    }

    /// The first that lives and has not failed; where none is left the first.
    fn next_registrar(&self) -> Option<Hop> {
        let untried = |hop: &Hop| !self.tried.contains(hop);
        // Whoever has our registration keeps it while they live.
        let kept = self.servers().find(|(hop, condition)| {
            Some(*hop) == self.registrar && *condition != Condition::Down && untried(hop)
        });
        let living = || {
            let mut all = self.servers();
            all.find(|(hop, condition)| *condition != Condition::Down && untried(hop))
        };
        let any = || self.servers().find(|(hop, _)| untried(hop)).or_else(|| self.servers().next());
        kept.or_else(living).or_else(any).map(|(hop, _)| hop)
    }

    fn wake(&self) -> Option<Instant> {
        let asked = self.pulse.is_some();
        let health = self.servers.iter().filter(|_| asked).map(|(_, health)| health.due());
        // Nobody can be asked while no server is known.
        let registration = self.registration.as_ref().filter(|_| !self.servers.is_empty());
        health.chain(registration.and_then(Registration::due)).min()
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
