//! The switchboard: waiting callers on one side, agents on the other.
//!
//! First in, first out within a priority; the agent who has been free longest gets the next call. An
//! agent who does not answer is paused, so that one forgotten phone does not hold up the line. The
//! switchboard places no call: it offers, and is told what came of the offer. Everything is bounded: the
//! places of a queue, and the time that an offer may stay unanswered.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::agent::{Agent, AgentState, Contact};
use super::io::{Input, OfferResult, Output, SwitchboardConfig};
use super::name::{AgentName, QueueName};
use super::queue::{Entry, Queue};
use crate::units::CallId;

/// Queues and agents of one deployment.
#[derive(Debug)]
pub struct Switchboard {
    config: SwitchboardConfig,
    pub(super) queues: HashMap<QueueName, Queue>,
    pub(super) agents: Vec<Agent>,
    out: VecDeque<Output>,
}

impl Switchboard {
    /// Starts with these queues and agents; all agents are out until `AgentUp`.
    #[must_use]
    pub fn new(config: SwitchboardConfig, queues: Vec<Queue>, agents: Vec<Agent>) -> Self {
        let queues = queues.into_iter().map(|queue| (queue.name.clone(), queue)).collect();
        Self { config, queues, agents, out: VecDeque::new() }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        debug_assert!(self.out.is_empty(), "law 2: outputs are drained before the next input");
        match input {
            Input::Enqueue { call, queue, priority, skill } => {
                self.enqueue(&queue, Entry { call, priority, skill, joined: now, offered_to: None });
            }
            Input::Leave(call) => self.leave(now, call),
            Input::AgentUp(name, contact) => self.agent_up(now, &name, contact),
            Input::AgentDown(name) => self.agent_down(&name),
            Input::OfferResult { call, agent, result } => self.offer_result(now, call, &agent, result),
            Input::Released { agent, call } => self.released(now, &agent, call),
            Input::Roster(roster) => self.change(roster),
            Input::Timeout => self.expire(now),
        }
        self.match_up(now);
    }

    /// The next order; `Timeout` when there is none.
    pub fn poll(&mut self) -> Output {
        self.out.pop_front().unwrap_or_else(|| Output::Timeout(self.next_wake()))
    }

    /// Callers waiting or being offered, over all queues.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.entries.len()).sum()
    }

    /// The state of an agent, for display.
    #[must_use]
    pub fn agent_state(&self, name: &AgentName) -> Option<&AgentState> {
        self.agents.iter().find(|agent| agent.name == *name).map(|agent| &agent.state)
    }

    fn enqueue(&mut self, queue: &QueueName, entry: Entry) {
        let call = entry.call;
        let known = self.queues.values().any(|queue| queue.position(call).is_some());
        let Some(line) = self.queues.get_mut(queue).filter(|line| !known && line.entries.len() < line.places)
        else {
            self.out.push_back(Output::Full(call));
            return;
        };
        line.insert(entry);
        self.announce(queue);
    }

    fn leave(&mut self, now: Instant, call: CallId) {
        let Some(name) = self.queue_of(call) else { return };
        let offered =
            self.queues.get_mut(&name).and_then(|line| line.remove(call)).and_then(|e| e.offered_to);
        if let Some(agent) = offered {
            // The caller went while the phone rang: the agent did nothing wrong.
            self.set_free(now, &agent, call, Duration::ZERO);
        }
        self.announce(&name);
    }

    fn agent_up(&mut self, now: Instant, name: &AgentName, contact: Contact) {
        if let Some(agent) = self.agent_mut(name) {
            agent.contact = Some(contact);
            if matches!(agent.state, AgentState::Out) {
                agent.state = AgentState::Free { since: now };
            }
        }
    }

    fn agent_down(&mut self, name: &AgentName) {
        if let Some(agent) = self.agent_mut(name) {
            agent.contact = None;
            // A conversation or an offer runs on: its own end reports back.
            if matches!(agent.state, AgentState::Free { .. } | AgentState::Paused { .. }) {
                agent.state = AgentState::Out;
            }
        }
    }

    fn offer_result(&mut self, now: Instant, call: CallId, name: &AgentName, result: OfferResult) {
        let offered = matches!(
            self.agent_mut(name).map(|agent| &agent.state),
            Some(AgentState::Offered { call: offered, .. }) if *offered == call
        );
        if !offered {
            return;
        }
        if result == OfferResult::Answered {
            let queue = self.queue_of(call);
            if let Some(queue) = queue {
                if let Some(line) = self.queues.get_mut(&queue) {
                    line.remove(call);
                }
                self.announce(&queue);
            }
            if let Some(agent) = self.agent_mut(name) {
                agent.state = AgentState::Talking { call };
            }
            return;
        }
        let pause = self.config.pause;
        self.set_free(now, name, call, pause);
        if let Some(line) = self.queue_of(call).and_then(|queue| self.queues.get_mut(&queue)) {
            line.take_back(call);
        }
    }

    fn released(&mut self, now: Instant, name: &AgentName, call: CallId) {
        let wrap_up = self.config.wrap_up;
        self.set_free(now, name, call, wrap_up);
    }

    fn expire(&mut self, now: Instant) {
        let stale: Vec<(CallId, AgentName)> = self
            .agents
            .iter()
            .filter_map(|agent| match agent.state {
                AgentState::Offered { call, until } if until <= now => Some((call, agent.name.clone())),
                _ => None,
            })
            .collect();
        for (call, agent) in stale {
            self.offer_result(now, call, &agent, OfferResult::Failed);
        }
        for agent in &mut self.agents {
            if matches!(agent.state, AgentState::Paused { until } if until <= now) {
                agent.state = AgentState::Free { since: now };
            }
        }
    }

    /// Offers waiting callers to free agents, longest free first.
    fn match_up(&mut self, now: Instant) {
        while let Some((agent_index, queue, call)) = self.next_pair() {
            let until = now + self.config.offer_life;
            let Some(agent) = self.agents.get_mut(agent_index) else { return };
            let Some(contact) = agent.contact.clone() else { return };
            agent.state = AgentState::Offered { call, until };
            let name = agent.name.clone();
            if let Some(line) = self.queues.get_mut(&queue) {
                line.offer(call, name.clone());
            }
            self.out.push_back(Output::Offer { call, agent: name, contact });
        }
    }

    fn next_pair(&self) -> Option<(usize, QueueName, CallId)> {
        let mut free: Vec<(Instant, usize)> = self
            .agents
            .iter()
            .enumerate()
            .filter_map(|(index, agent)| match agent.state {
                AgentState::Free { since } if agent.contact.is_some() => Some((since, index)),
                _ => None,
            })
            .collect();
        free.sort_unstable();
        for (_, index) in free {
            let agent = self.agents.get(index)?;
            let mut first: Option<(&Entry, &QueueName)> = None;
            for name in &agent.queues {
                let waiting = self.queues.get(name).and_then(|queue| queue.first_waiting(agent));
                if let Some(entry) = waiting
                    && first.is_none_or(|(best, _)| entry.goes_before(best))
                {
                    first = Some((entry, name));
                }
            }
            if let Some((entry, queue)) = first {
                return Some((index, queue.clone(), entry.call));
            }
        }
        None
    }

    fn set_free(&mut self, now: Instant, name: &AgentName, call: CallId, pause: Duration) {
        let Some(agent) = self.agent_mut(name) else { return };
        if agent.state.call() != Some(call) {
            return;
        }
        agent.state = match (&agent.contact, pause.is_zero()) {
            (None, _) => AgentState::Out,
            (Some(_), true) => AgentState::Free { since: now },
            (Some(_), false) => AgentState::Paused { until: now + pause },
        };
    }

    /// Tells every caller of a queue the place that changed.
    fn announce(&mut self, queue: &QueueName) {
        if let Some(line) = self.queues.get_mut(queue) {
            for (call, place) in line.changed_places() {
                self.out.push_back(Output::Place(call, place));
            }
        }
    }

    fn queue_of(&self, call: CallId) -> Option<QueueName> {
        self.queues.values().find(|queue| queue.position(call).is_some()).map(|queue| queue.name.clone())
    }

    fn agent_mut(&mut self, name: &AgentName) -> Option<&mut Agent> {
        self.agents.iter_mut().find(|agent| agent.name == *name)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.agents
            .iter()
            .filter_map(|agent| match agent.state {
                AgentState::Offered { until, .. } | AgentState::Paused { until } => Some(until),
                _ => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::name::Skill;
    use crate::units::test_start;

    fn drain(board: &mut Switchboard) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match board.poll() {
                Output::Offer { call, agent, .. } => seen.push(format!("offer {} to {agent}", call.0)),
                Output::Place(call, place) => seen.push(format!("place {} = {place}", call.0)),
                Output::Full(call) => seen.push(format!("full {}", call.0)),
                Output::Timeout(_) => return seen,
            }
        }
    }

    fn board(agents: &[&str], places: usize) -> Switchboard {
        let queue = QueueName::from("general");
        let agents =
            agents.iter().map(|name| Agent::new(AgentName::from(*name), vec![queue.clone()])).collect();
        Switchboard::new(SwitchboardConfig::default(), vec![Queue::new(queue, places)], agents)
    }

    fn step(board: &mut Switchboard, now: Instant, input: Input) -> Vec<String> {
        board.handle(now, input);
        drain(board)
    }

    fn join(call: u64) -> Input {
        Input::Enqueue { call: CallId(call), queue: QueueName::from("general"), priority: 0, skill: None }
    }

    fn up(name: &str) -> Input {
        Input::AgentUp(AgentName::from(name), Contact::new(format!("sip:{name}@192.0.2.1"), None))
    }

    fn result(call: u64, agent: &str, result: OfferResult) -> Input {
        Input::OfferResult { call: CallId(call), agent: AgentName::from(agent), result }
    }

    #[test]
    fn callers_wait_in_line_and_the_first_goes_first() {
        let now = test_start();
        let mut board = board(&["ana"], 10);
        assert_eq!(step(&mut board, now, join(1)), ["place 1 = 1"]);
        assert_eq!(step(&mut board, now, join(2)), ["place 2 = 2"]);
        assert_eq!(step(&mut board, now, up("ana")), ["offer 1 to ana"]);
        assert_eq!(step(&mut board, now, result(1, "ana", OfferResult::Answered)), ["place 2 = 1"]);
        let released = Input::Released { agent: AgentName::from("ana"), call: CallId(1) };
        assert_eq!(step(&mut board, now, released), ["offer 2 to ana"]);
    }

    #[test]
    fn an_agent_who_does_not_answer_is_paused_and_the_next_one_is_tried() {
        let now = test_start();
        let mut board = board(&["ana", "ben"], 10);
        step(&mut board, now, up("ana"));
        step(&mut board, now + Duration::from_secs(1), up("ben"));
        assert_eq!(step(&mut board, now, join(1)), ["place 1 = 1", "offer 1 to ana"]);
        assert_eq!(step(&mut board, now, result(1, "ana", OfferResult::NoAnswer)), ["offer 1 to ben"]);
        assert!(step(&mut board, now, result(1, "ben", OfferResult::Busy)).is_empty());
        let later = now + Duration::from_secs(20);
        assert_eq!(step(&mut board, later, Input::Timeout), ["offer 1 to ana"]);
    }

    #[test]
    fn a_caller_who_leaves_while_the_phone_rings_frees_the_agent_at_once() {
        let now = test_start();
        let mut board = board(&["ana"], 10);
        step(&mut board, now, up("ana"));
        step(&mut board, now, join(1));
        step(&mut board, now, join(2));
        assert_eq!(step(&mut board, now, Input::Leave(CallId(1))), ["place 2 = 1", "offer 2 to ana"]);
        // The late result of the first offer means nothing any more.
        assert!(step(&mut board, now, result(1, "ana", OfferResult::Answered)).is_empty());
        assert_eq!(board.waiting(), 1);
    }

    #[test]
    fn a_full_or_unknown_queue_says_so() {
        let now = test_start();
        let mut board = board(&[], 1);
        step(&mut board, now, join(1));
        assert_eq!(step(&mut board, now, join(2)), ["full 2"]);
        let unknown =
            Input::Enqueue { call: CallId(3), queue: QueueName::from("sales"), priority: 0, skill: None };
        assert_eq!(step(&mut board, now, unknown), ["full 3"]);
    }

    #[test]
    fn an_offer_without_a_result_is_taken_back() {
        let now = test_start();
        let mut board = board(&["ana", "ben"], 10);
        step(&mut board, now, up("ana"));
        step(&mut board, now, join(1));
        let later = now + Duration::from_secs(120);
        assert!(step(&mut board, later, Input::Timeout).is_empty());
        assert_eq!(step(&mut board, later, up("ben")), ["offer 1 to ben"]);
    }

    #[test]
    fn an_agent_whose_registration_ended_gets_no_call_after_the_conversation() {
        let now = test_start();
        let mut board = board(&["ana"], 10);
        step(&mut board, now, up("ana"));
        step(&mut board, now, join(1));
        step(&mut board, now, result(1, "ana", OfferResult::Answered));
        step(&mut board, now, Input::AgentDown(AgentName::from("ana")));
        step(&mut board, now, join(2));
        let released = Input::Released { agent: AgentName::from("ana"), call: CallId(1) };
        assert!(step(&mut board, now, released).is_empty());
        assert_eq!(board.agent_state(&AgentName::from("ana")), Some(&AgentState::Out));
    }

    #[test]
    fn a_higher_priority_goes_before() {
        let now = test_start();
        let mut board = board(&["ana"], 10);
        step(&mut board, now, join(1));
        let urgent =
            Input::Enqueue { call: CallId(2), queue: QueueName::from("general"), priority: 5, skill: None };
        assert_eq!(step(&mut board, now, urgent), ["place 2 = 1", "place 1 = 2"]);
        assert_eq!(step(&mut board, now, up("ana")), ["offer 2 to ana"]);
    }

    #[test]
    fn a_caller_who_needs_a_skill_waits_for_an_agent_who_has_it() {
        let now = test_start();
        let queue = QueueName::from("general");
        let agent = |name: &str, skills: &[&str]| {
            let skills = skills.iter().map(|skill| Skill::from(*skill)).collect();
            Agent::new(AgentName::from(name), vec![queue.clone()]).with_skills(skills)
        };
        let agents =
            vec![agent("ana", &["lang:en-GB"]), agent("bea", &["lang:es-ES", "cards"]), agent("all", &["*"])];
        let mut board =
            Switchboard::new(SwitchboardConfig::default(), vec![Queue::new(queue.clone(), 9)], agents);
        let wants = |call, skill: &str| Input::Enqueue {
            call: CallId(call),
            queue: queue.clone(),
            priority: 0,
            skill: Some(Skill::from(skill)),
        };
        step(&mut board, now, up("ana"));
        step(&mut board, now, wants(1, "lang:es-ES"));
        let offered = |board: &Switchboard, name: &str| {
            board.agent_state(&AgentName::from(name)).and_then(AgentState::call)
        };
        assert_eq!(offered(&board, "ana"), None, "she speaks no Spanish");
        step(&mut board, now, join(2));
        assert_eq!(offered(&board, "ana"), Some(CallId(2)), "who needs no skill is not held up");
        step(&mut board, now, up("bea"));
        assert_eq!(offered(&board, "bea"), Some(CallId(1)));
        step(&mut board, now, wants(3, "welding"));
        step(&mut board, now, up("all"));
        assert_eq!(offered(&board, "all"), Some(CallId(3)));
    }
}
