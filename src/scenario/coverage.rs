//! Which blocks were entered and which outcomes taken, of all there are.

use std::collections::BTreeMap;

use crate::flow::document::Application;

use super::document::Covered;
use super::names::{Placed, all_steps, block_name, ways_on};
use super::seen::Seen;

/// What tests have walked through.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    blocks: BTreeMap<String, u64>,
    /// By block, label of the step and arm.
    outcomes: BTreeMap<(String, String, String), Outcome>,
}

/// One way on from a step.
#[derive(Clone, Debug)]
struct Outcome {
    taken: u64,
    verb: &'static str,
    /// The line of the step in its file.
    line: usize,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Reached.
    pub reached: usize,
    /// There are.
    pub all: usize,
}

impl Share {
    /// In whole percent, rounded down; 100 when there is nothing to reach.
    #[must_use]
    pub fn percent(self) -> u8 {
        let percent = (self.reached * 100).checked_div(self.all).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

impl Coverage {
    /// Nothing yet, of an application.
    #[must_use]
    pub fn of(app: &Application) -> Self {
        let name = |block: &crate::flow::document::Block| block_name(app, block.flow, &block.name);
        let blocks = app.blocks.iter().map(|block| (name(block), 0)).collect();
        let mut outcomes = BTreeMap::new();
        for Placed { block, label, step } in all_steps(app) {
            let (line, _) = step.place.line_and_column();
            for (arm, _) in ways_on(app, &step.kind) {
                let outcome = Outcome { taken: 0, verb: step.kind.verb(), line };
                outcomes.insert((block.clone(), label.clone(), arm), outcome);
            }
        }
        Self { blocks, outcomes }
    }

    /// Takes note of something that happened.
    pub fn note(&mut self, seen: &Seen) {
        match seen {
            Seen::Block(block) => {
                if let Some(count) = self.blocks.get_mut(block) {
                    *count += 1;
                }
            }
            Seen::Outcome { arm, block, step, .. } => {
                if let Some(outcome) = self.outcomes.get_mut(&(block.clone(), step.clone(), arm.clone())) {
                    outcome.taken += 1;
                }
            }
            _ => {}
        }
    }

    /// How much was reached.
    #[must_use]
    pub fn share(&self, what: Covered) -> Share {
        let counts: Vec<u64> = match what {
            Covered::Blocks => self.blocks.values().copied().collect(),
            Covered::Outcomes => self.outcomes.values().map(|outcome| outcome.taken).collect(),
        };
        Share { reached: counts.iter().filter(|count| **count > 0).count(), all: counts.len() }
    }

    /// What was not reached, as people read it.
    #[must_use]
    pub fn missing(&self, what: Covered) -> Vec<String> {
        match what {
            Covered::Blocks => {
                self.blocks.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.clone()).collect()
            }
            Covered::Outcomes => self
                .outcomes
                .iter()
                .filter(|(_, outcome)| outcome.taken == 0)
                .map(|((block, _, arm), Outcome { verb, line, .. })| {
                    format!("{block}: {arm} of `{verb}` in line {line}")
                })
                .collect(),
        }
    }
}
