//! What is to be seen of an application.

use std::collections::{BTreeMap, BTreeSet};

use super::text::shortened;
use crate::flow::certain_levels;
use crate::flow::document::scalar::digit_name;
use crate::flow::document::{Always, Application, Arm, Block, BlockId, FlowId, LevelRef, Step, StepKind};

/// All that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The application's title.
    pub title: String,
    /// The levels, lowest first.
    pub levels: Vec<String>,
    /// What holds everywhere, a line each.
    pub notes: Vec<String>,
    /// The main flow, then each sub-flow.
    pub panels: Vec<Panel>,
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// Its name, for people.
    pub title: String,
    /// Its blocks, where it begins and how it ends.
    pub boxes: Vec<Box>,
    /// The jumps between them.
    pub jumps: Vec<Jump>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Box {
    /// What it is.
    pub shape: Shape,
    /// The block's name, how it is reached, or the outcome.
    pub title: String,
    /// What its steps do, a line each.
    pub lines: Vec<String>,
    /// Jumps that are told and not drawn, for they would be everywhere.
    pub chips: Vec<Chip>,
    /// The level that is certain at its start: 0 for none, 1 for the lowest.
    pub level: usize,
    /// The level that something in it needs.
    pub guard: Option<String>,
}

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A block.
    Block,
    /// How the flow is entered.
    Start,
    /// How a sub-flow ends.
    End,
}

/// A jump that is told in its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The block that it leads to.
    pub to: String,
    /// When it is taken.
    pub when: Vec<String>,
}

/// A jump that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Index of the box where it begins.
    pub from: usize,
    /// Index of the box that it leads to.
    pub to: usize,
    /// When it is taken; empty for always.
    pub when: Vec<String>,
}

/// Lines that are shown of a block; the rest is counted.
const MOST_LINES: usize = 7;

impl Picture {
    /// What is to be seen of an application.
    #[must_use]
    pub fn of(app: &Application) -> Self {
        let certain = certain_levels(app);
        let everywhere = everywhere(app);
        let ids = (0..app.flows.len()).filter_map(|at| u32::try_from(at).ok()).map(FlowId);
        let panels = ids.filter_map(|flow| {
            let drawing = Drawing { app, flow, certain: &certain, everywhere: &everywhere };
            drawing.panel()
        });
        Self {
            title: if app.title.is_empty() { app.id.clone() } else { app.title.clone() },
            levels: app.policy.levels.iter().map(|level| level.name.to_string()).collect(),
            notes: notes(app),
            panels: panels.collect(),
        }
    }
}

/// Blocks that `always` keys and errors lead to: jumps to them are told in the block.
fn everywhere(app: &Application) -> BTreeSet<BlockId> {
    let keys = app.always.iter().filter_map(|key| match key.does {
        Always::Goto(block) => Some(block),
        Always::Repeat => None,
    });
    keys.chain(app.when_error).collect()
}

fn notes(app: &Application) -> Vec<String> {
    let mut out = Vec::new();
    for key in &app.always {
        let name = digit_name(key.key);
        out.push(match key.does {
            Always::Repeat => format!("{name} says it again"),
            Always::Goto(block) => format!("{name} leads to {} from any question", name_of(app, block)),
        });
    }
    out
}

fn name_of(app: &Application, block: BlockId) -> &str {
    app.block(block).map_or("?", |block| &*block.name)
}

struct Drawing<'a> {
    app: &'a Application,
    flow: FlowId,
    certain: &'a BTreeMap<BlockId, usize>,
    everywhere: &'a BTreeSet<BlockId>,
}

/// The jumps of one block, each target once, in the order in which they are met.
#[derive(Default)]
struct Ways(Vec<(Target, Vec<String>)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Block(BlockId),
    Outcome(usize),
}

impl Ways {
    fn add(&mut self, target: Target, when: &str) {
        let at = self.0.iter().position(|(known, _)| *known == target).unwrap_or_else(|| {
            self.0.push((target, Vec::new()));
            self.0.len() - 1
        });
        if let Some((_, whens)) = self.0.get_mut(at)
            && !when.is_empty()
            && !whens.iter().any(|known| known == when)
        {
            whens.push(when.to_owned());
        }
    }
}

impl Drawing<'_> {
    fn panel(&self) -> Option<Panel> {
        let flow = self.app.flow(self.flow)?;
        let mut boxes = Vec::new();
        let mut jumps = Vec::new();
        let blocks: Vec<(BlockId, &Block)> =
            (0..).map(BlockId).zip(&self.app.blocks).filter(|(_, block)| block.flow == self.flow).collect();
        for (id, how) in self.starts(flow.entry) {
            if let Some(to) = blocks.iter().position(|(block, _)| *block == id) {
                boxes.push(pill(Shape::Start, how));
                jumps.push((boxes.len() - 1, Target::Block(id), Vec::new(), to));
            }
        }
        let first = boxes.len();
        let outcomes = first + blocks.len();
        let place = |target: Target| match target {
            Target::Block(id) => blocks.iter().position(|(block, _)| *block == id).map(|at| first + at),
            Target::Outcome(at) => Some(outcomes + at),
        };
        for (at, (id, block)) in blocks.iter().enumerate() {
            let mut ways = Ways::default();
            for step in &block.steps {
                self.ways(step, "", &mut ways);
            }
            let mut drawn = self.block(*id, block);
            for (target, when) in ways.0 {
                match target {
                    Target::Block(to) if self.everywhere.contains(&to) && to != *id => {
                        drawn.chips.push(Chip { to: name_of(self.app, to).to_owned(), when });
                    }
                    target => jumps.push((first + at, target, when, 0)),
                }
            }
            boxes.push(drawn);
        }
        if self.flow != FlowId::MAIN {
            boxes.extend(flow.outcomes.iter().map(|outcome| pill(Shape::End, outcome.to_string())));
        }
        let jumps = jumps.into_iter().filter_map(|(from, target, when, _)| {
            place(target).filter(|to| *to < boxes.len()).map(|to| Jump { from, to, when })
        });
        let jumps = jumps.collect();
        let title = if self.flow == FlowId::MAIN { "main flow".to_owned() } else { flow.name.to_string() };
        Some(Panel { title, boxes, jumps })
    }

    /// Where the flow is entered, and how.
    fn starts(&self, entry: BlockId) -> Vec<(BlockId, String)> {
        if self.flow != FlowId::MAIN {
            return vec![(entry, "run".to_owned())];
        }
        let mut out = vec![(entry, "a call".to_owned())];
        for key in &self.app.always {
            if let Always::Goto(block) = key.does {
                out.push((block, format!("key {}", digit_name(key.key))));
            }
        }
        out.extend(self.app.when_error.map(|block| (block, "an error".to_owned())));
        out.extend(self.app.when_hangup.map(|block| (block, "the caller has hung up".to_owned())));
        out
    }

    fn block(&self, id: BlockId, block: &Block) -> Box {
        let mut lines: Vec<String> = Vec::new();
        let mut guard: Option<usize> = None;
        for step in &block.steps {
            self.line(step, &mut lines, &mut guard);
        }
        if lines.len() > MOST_LINES {
            let more = lines.len() - (MOST_LINES - 1);
            lines.truncate(MOST_LINES - 1);
            lines.push(format!("and {more} more"));
        }
        Box {
            shape: Shape::Block,
            title: block.name.to_string(),
            lines,
            chips: Vec::new(),
            level: self.certain.get(&id).copied().unwrap_or(0),
            guard: guard
                .and_then(|rank| self.app.policy.levels.get(rank))
                .map(|level| level.name.to_string()),
        }
    }

    /// What a step does, and what its arms do.
    fn line(&self, step: &Step, lines: &mut Vec<String>, guard: &mut Option<usize>) {
        let node = step.kind.node();
        let needed = match &step.kind {
            StepKind::Require(require) => self.level(&require.level),
            _ => node.protected().cloned(),
        };
        *guard = (*guard).max(needed.and_then(|level| self.app.policy.rank(&level)));
        lines.extend(self.said(step).filter(|line| !lines.contains(line)));
        for (_, arm) in step.kind.arms() {
            if let Arm::Step(step) = arm {
                self.line(step, lines, guard);
            }
        }
    }

    fn level(&self, level: &LevelRef) -> Option<crate::auth::LevelName> {
        match level {
            LevelRef::Named(name) => Some(name.clone()),
            LevelRef::From(_) => None,
        }
    }

    fn said(&self, step: &Step) -> Option<String> {
        let node = step.kind.node();
        let verb = step.kind.verb();
        let level = |level: &LevelRef| match level {
            LevelRef::Named(name) => name.to_string(),
            LevelRef::From(expr) => self.app.print(expr),
        };
        let what = match &step.kind {
            StepKind::Goto(_) | StepKind::Return(_) | StepKind::Decide(_) | StepKind::Answer(_) => {
                return None;
            }
            StepKind::Require(require) => level(&require.level),
            StepKind::Authenticate(auth) => level(&auth.level),
            StepKind::Run(run) => {
                let name = self.app.flow(run.flow).map(|flow| flow.name.to_string()).unwrap_or_default();
                let given: Vec<String> = run.with.iter().map(|(_, expr)| self.app.print(expr)).collect();
                if given.is_empty() { name } else { format!("{name} ({})", given.join(", ")) }
            }
            StepKind::Set(set) => {
                let names = set.0.iter().filter_map(|(var, _)| self.app.var(*var));
                names.map(|var| var.name.to_string()).collect::<Vec<_>>().join(", ")
            }
            StepKind::Queue(queue) => queue.name.clone(),
            StepKind::Audit(audit) => audit.event.clone(),
            StepKind::Transfer(transfer) => transfer.name.clone(),
            StepKind::Hours(hours) => hours.calendar.clone(),
            StepKind::Play(play) => play.clip.as_str().to_owned(),
            StepKind::Hangup(_) => return Some("hang up".to_owned()),
            _ if node.title() != verb => node.title(),
            kind => kind.prompts().first().map(|prompt| prompt.key.to_string()).unwrap_or_default(),
        };
        Some(format!("{verb} {what}").trim().to_owned())
    }

    /// Where a step leads; `when` says on which outcome the step itself runs.
    fn ways(&self, step: &Step, when: &str, ways: &mut Ways) {
        let condition = step.when.as_ref().map(|when| shortened(&self.app.print(when)));
        let when = condition.as_deref().unwrap_or(when);
        match &step.kind {
            StepKind::Goto(to) => ways.add(Target::Block(to.0), when),
            StepKind::Return(leave) => ways.add(Target::Outcome(usize::from(leave.outcome.0)), when),
            kind => {
                for (outcome, arm) in kind.arms() {
                    let label = self.label(kind, &outcome);
                    match arm {
                        Arm::Continue => {}
                        Arm::Goto(to) => ways.add(Target::Block(*to), &label),
                        Arm::Return(leave) => ways.add(Target::Outcome(usize::from(leave.outcome.0)), &label),
                        Arm::Step(step) => self.ways(step, &label, ways),
                    }
                }
            }
        }
    }

    /// An outcome, as people call it.
    fn label(&self, kind: &StepKind, outcome: &str) -> String {
        match kind {
            StepKind::Decide(decide) => {
                let case = outcome.strip_prefix("case ").and_then(|at| at.parse::<usize>().ok());
                let case = case.and_then(|at| decide.cases.get(at.checked_sub(1)?));
                shortened(&case.map_or_else(|| outcome.to_owned(), |(when, _)| self.app.print(when)))
            }
            StepKind::Menu(menu) => {
                let options = menu.options.iter().zip(kind.arms());
                let option =
                    options.into_iter().find(|(_, (name, _))| *name == outcome).map(|(option, _)| option);
                let key = outcome.strip_prefix("key ").unwrap_or(outcome);
                match option.and_then(|option| option.value.as_ref()) {
                    Some(value) => format!("{key} {}", value),
                    None => key.replace('_', " "),
                }
            }
            StepKind::Run(run) => {
                let number = outcome.strip_prefix("outcome ").and_then(|at| at.parse::<usize>().ok());
                let flow = self.app.flow(run.flow);
                let name = number.and_then(|at| flow.and_then(|flow| flow.outcomes.get(at.checked_sub(1)?)));
                name.map_or_else(|| outcome.to_owned(), ToString::to_string).replace('_', " ")
            }
            StepKind::Require(require) => match &require.level {
                LevelRef::Named(name) => format!("below {name}"),
                LevelRef::From(_) => "below".to_owned(),
            },
            _ => outcome.replace('_', " "),
        }
    }
}

fn pill(shape: Shape, title: String) -> Box {
    Box { shape, title, lines: Vec::new(), chips: Vec::new(), level: 0, guard: None }
}
