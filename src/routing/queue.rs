//! A queue: callers in the order in which they are to be served.

use std::collections::HashMap;
use std::time::Instant;

use super::agent::Agent;
use super::name::{AgentName, QueueName, Skill};
use crate::units::CallId;

/// A caller in a queue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The call.
    pub call: CallId,
    /// Higher goes first.
    pub priority: i32,
    /// What the agent must be able to do.
    pub skill: Option<Skill>,
    /// Since when the caller waits.
    pub joined: Instant,
    /// The agent whose phone rings for this caller.
    pub offered_to: Option<AgentName>,
}

impl Entry {
    /// Whether this caller is served before `other`.
    #[must_use]
    pub fn goes_before(&self, other: &Self) -> bool {
        self.priority > other.priority || (self.priority == other.priority && self.joined < other.joined)
    }
}

/// A queue with a bounded number of places.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// How many callers may wait.
    pub places: usize,
    /// The callers, next one first.
    pub(super) entries: Vec<Entry>,
    told: HashMap<CallId, u32>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(name: QueueName, places: usize) -> Self {
        Self { name, places, entries: Vec::new(), told: HashMap::new() }
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let at = self.entries.iter().position(|other| entry.goes_before(other)).unwrap_or(self.entries.len());
        self.entries.insert(at, entry);
    }

    pub(super) fn remove(&mut self, call: CallId) -> Option<Entry> {
        self.told.remove(&call);
        self.position(call).map(|at| self.entries.remove(at))
    }

    pub(super) fn position(&self, call: CallId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.call == call)
    }

    /// The first who waits for somebody like this agent.
    pub(super) fn first_waiting(&self, agent: &Agent) -> Option<&Entry> {
        let suits = |entry: &&Entry| entry.skill.as_ref().is_none_or(|skill| agent.has(skill));
        self.entries.iter().filter(|entry| entry.offered_to.is_none()).find(suits)
    }

    pub(super) fn offer(&mut self, call: CallId, agent: AgentName) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.call == call) {
            entry.offered_to = Some(agent);
        }
    }

    pub(super) fn take_back(&mut self, call: CallId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.call == call) {
            entry.offered_to = None;
        }
    }

    /// The callers whose place is not the one they were last told.
    pub(super) fn changed_places(&mut self) -> Vec<(CallId, u32)> {
        let mut changed = Vec::new();
        for (entry, place) in self.entries.iter().zip(1_u32..) {
            if self.told.insert(entry.call, place) != Some(place) {
                changed.push((entry.call, place));
            }
        }
        changed
    }
}
