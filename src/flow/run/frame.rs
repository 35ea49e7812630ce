//! Where a run stands: the flow, the block in it, the step, and the arms that lead to the step that runs.

use super::exit::Exit;
use crate::flow::document::{Application, Arm, BlockId, FlowId, Step};

/// Where a flow or sub-flow stands.
pub(super) struct Frame {
    pub(super) flow: FlowId,
    pub(super) block: BlockId,
    pub(super) index: usize,
    /// From the block's step to the one that runs: the exits whose arms are steps themselves.
    pub(super) path: Vec<Exit>,
}

impl Frame {
    pub(super) const fn at(flow: FlowId, block: BlockId) -> Self {
        Self { flow, block, index: 0, path: Vec::new() }
    }

    /// The place of the step that runs in its block: `3`, or `3.ok` for the step of an arm.
    pub(super) fn label(&self, app: &Application) -> String {
        let mut label = (self.index + 1).to_string();
        let mut step = app.block(self.block).and_then(|block| block.steps.get(self.index));
        for exit in &self.path {
            let Some(outer) = step else { break };
            label.push('.');
            label.push_str(&exit.arm_name(app, &outer.kind));
            step = match outer.kind.node().arm(*exit) {
                Some(Arm::Step(inner)) => Some(inner),
                _ => None,
            };
        }
        label
    }

    /// The step that runs.
    pub(super) fn step<'a>(&self, app: &'a Application) -> Option<&'a Step> {
        let mut step = app.block(self.block)?.steps.get(self.index)?;
        for exit in &self.path {
            match step.kind.node().arm(*exit)? {
                Arm::Step(inner) => step = inner,
                _ => return None,
            }
        }
        Some(step)
    }
}
