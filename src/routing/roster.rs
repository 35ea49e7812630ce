//! Queues and agents as the settings name them, when the settings change while callers wait.

use super::agent::{Agent, AgentState};
use super::name::QueueName;
use super::queue::Queue;
use super::switchboard::Switchboard;

/// The queues and agents that there are to be.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The queues, each with its places.
    pub queues: Vec<(QueueName, usize)>,
    /// The agents, each with the queues they serve.
    pub agents: Vec<Agent>,
}

/// A queue, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// How many callers wait in it.
    pub waiting: usize,
    /// How many may.
    pub places: usize,
}

/// An agent, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// The name.
    pub name: String,
    /// The queues served.
    pub queues: Vec<String>,
    /// `out`, `free`, `ringing`, `talking` or `paused`.
    pub state: &'static str,
}

impl Switchboard {
    /// New queues and agents come, known ones change. A queue that is no longer named stays as it is: callers
    /// may wait in it. An agent who is no longer named gets no further call; a conversation runs on.
    pub(super) fn change(&mut self, roster: Roster) {
        for (name, places) in roster.queues {
            self.queues.entry(name.clone()).or_insert_with(|| Queue::new(name, places)).places = places;
        }
        for agent in &mut self.agents {
            let named = roster.agents.iter().find(|named| named.name == agent.name);
            agent.queues = named.map(|named| named.queues.clone()).unwrap_or_default();
            agent.skills = named.map(|named| named.skills.clone()).unwrap_or_default();
        }
        for agent in roster.agents {
            if !self.agents.iter().any(|known| known.name == agent.name) {
                self.agents.push(agent);
            }
        }
    }

    /// All queues, by name.
    #[must_use]
    pub fn queue_views(&self) -> Vec<QueueView> {
        let view = |queue: &Queue| QueueView {
            name: queue.name.to_string(),
            waiting: queue.entries.len(),
            places: queue.places,
        };
        let mut views: Vec<QueueView> = self.queues.values().map(view).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The agents who serve a queue or talk, in the order of the settings.
    #[must_use]
    pub fn agent_views(&self) -> Vec<AgentView> {
        let here = |agent: &&Agent| !agent.queues.is_empty() || agent.state.call().is_some();
        let view = |agent: &Agent| AgentView {
            name: agent.name.to_string(),
            queues: agent.queues.iter().map(ToString::to_string).collect(),
            state: match agent.state {
                AgentState::Out => "out",
                AgentState::Free { .. } => "free",
                AgentState::Offered { .. } => "ringing",
                AgentState::Talking { .. } => "talking",
                AgentState::Paused { .. } => "paused",
            },
        };
        self.agents.iter().filter(here).map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentName, Contact, Input, OfferResult, Output, SwitchboardConfig};
    use super::*;
    use crate::units::{CallId, test_start};

    fn agent(name: &str, queues: &[&str]) -> Agent {
        Agent::new(AgentName::from(name), queues.iter().map(|queue| QueueName::from(*queue)).collect())
    }

    fn roster(queues: &[&str], agents: Vec<Agent>) -> Input {
        let queues = queues.iter().map(|queue| (QueueName::from(*queue), 10)).collect();
        Input::Roster(Roster { queues, agents })
    }

    fn offers(board: &mut Switchboard, input: Input) -> Vec<String> {
        board.handle(test_start(), input);
        let mut offers = Vec::new();
        loop {
            match board.poll() {
                Output::Offer { call, agent, .. } => offers.push(format!("{} to {agent}", call.0)),
                Output::Full(call) => offers.push(format!("{} full", call.0)),
                Output::Place(..) => {}
                Output::Timeout(_) => return offers,
            }
        }
    }

    fn up(name: &str) -> Input {
        Input::AgentUp(AgentName::from(name), Contact::new(format!("sip:{name}@192.0.2.1"), None))
    }

    fn join(call: u64, queue: &str) -> Input {
        Input::Enqueue { call: CallId(call), queue: QueueName::from(queue), priority: 0, skill: None }
    }

    #[test]
    fn a_queue_that_comes_with_new_settings_is_served_and_one_that_goes_keeps_its_callers() {
        let mut board = Switchboard::new(SwitchboardConfig::default(), Vec::new(), Vec::new());
        assert_eq!(offers(&mut board, join(1, "cards")), ["1 full"]);
        offers(&mut board, roster(&["cards"], Vec::new()));
        assert!(offers(&mut board, join(1, "cards")).is_empty());
        offers(&mut board, roster(&["general"], vec![agent("ana", &["general"])]));
        offers(&mut board, up("ana"));
        assert_eq!(board.waiting(), 1, "the caller still waits");
        assert_eq!(offers(&mut board, roster(&["cards"], vec![agent("ana", &["cards"])])), ["1 to ana"]);
    }

    #[test]
    fn an_agent_who_is_no_longer_named_ends_the_talk_and_gets_no_further_call() {
        let mut board = Switchboard::new(SwitchboardConfig::default(), Vec::new(), Vec::new());
        offers(&mut board, roster(&["cards"], vec![agent("ana", &["cards"])]));
        offers(&mut board, up("ana"));
        assert_eq!(offers(&mut board, join(1, "cards")), ["1 to ana"]);
        let (call, name) = (CallId(1), AgentName::from("ana"));
        let answered = Input::OfferResult { call, agent: name.clone(), result: OfferResult::Answered };
        offers(&mut board, answered);
        offers(&mut board, join(2, "cards"));
        offers(&mut board, roster(&["cards"], Vec::new()));
        assert_eq!(board.agent_views()[0].state, "talking");
        assert!(offers(&mut board, Input::Released { agent: name, call }).is_empty());
        assert!(board.agent_views().is_empty());
        assert_eq!(board.queue_views(), [QueueView { name: "cards".to_owned(), waiting: 1, places: 10 }]);
    }
}
