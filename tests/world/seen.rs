//! What a test says and looks at: noise that is known again, what happened in a world, its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::Clip;
use countersign::call::CallSettings;
use countersign::engine::{EngineConfig, Limits, TrunkRules, Vouching};
use countersign::routing::{self, Agent, AgentName, Contact, Queue, Switchboard};
use countersign::sip::stir::NumberPlan;
use countersign::sip::{AccessList, EndpointConfig};
use countersign::units::Entropy;

use super::{Manner, STRANGER, World, agent_address, uri_of};

/// An engine of one trunk, the callers'.
pub fn engine_config(settings: CallSettings, limits: Limits) -> EngineConfig {
    EngineConfig {
        endpoint: EndpointConfig::default(),
        lineup: Arc::new(settings).into(),
        trunks: trunks(),
        rules: HashMap::from([(Arc::from("carrier"), rules())]),
        vouching: Vouching { own: Vec::new(), patience: Duration::from_millis(1500) },
        limits,
    }
}

/// Everybody in the callers' network.
fn trunks() -> AccessList {
    let mut trunks = AccessList::new();
    trunks.allow("10.0.1.0/24".parse().expect("a network"), "carrier");
    trunks
}

/// The trunk's word on who calls counts; it writes British numbers. Its callers are looked into when somebody signed for them.
fn rules() -> TrunkRules {
    let numbers = NumberPlan::of_country("44").expect("a country");
    TrunkRules { trusted: true, verified: true, numbers, ..TrunkRules::default() }
}

/// Noise of some seconds, the same for the same seed: it correlates with nothing but itself.
pub fn noise(seed: u8, seconds: usize) -> Arc<Clip> {
    let mut entropy = Entropy::from_seed([seed; 32]);
    let samples: Vec<i16> = (0..seconds * 8000)
        .map(|_| i16::try_from(entropy.below(16_000)).expect("below 2^15") - 8000)
        .collect();
    Arc::new(Clip::from_pcm(&samples))
}

/// How well the best matching part of what was heard fits what was said: 1 is a copy.
pub fn correlation(said: &Clip, heard: &[i16]) -> f64 {
    let said = said.pcm();
    let part = said.get(8000..24_000).unwrap_or_default();
    countersign::audio::correlate(part, heard).map_or(0.0, |found| found.score)
}

impl World {
    /// An agent whose phone a test plays by hand, as [`STRANGER`]; the telephone of the target `branch` is of this manner.
    pub fn agent_by_hand(&mut self, branch: Manner) -> usize {
        let (queue, name) = (routing::QueueName::from("agents"), AgentName::from("hand"));
        let agents = vec![Agent::new(name.clone(), vec![queue.clone()])];
        let config = routing::SwitchboardConfig::default();
        self.desk = Switchboard::new(config, vec![Queue::new(queue, 50)], agents);
        let contact = Contact::new(uri_of(STRANGER), None);
        self.desk.handle(self.now, routing::Input::AgentUp(name, contact));
        self.drain_desk();
        self.phone(agent_address(0), branch)
    }

    /// Whether some call has its two legs joined.
    pub fn is_joined(&self) -> bool {
        self.phones.iter().any(|phone| {
            phone.lines.iter().any(|line| line.headers.is_some() && line.connected && line.ended.is_none())
        }) && self.engine.active().ports > 1
    }

    /// Every phone gives up every call, one after the other.
    pub fn hang_up_everywhere(&mut self) {
        for phone in 0..self.phones.len() {
            while self.phones[phone].current().is_some() {
                self.hang_up(phone);
                self.run_for(Duration::from_secs(40));
            }
        }
    }

    /// The events of all records, as JSON.
    pub fn what_happened(&self) -> String {
        self.records
            .iter()
            .map(|record| serde_json::to_string(record).expect("a record is JSON"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
