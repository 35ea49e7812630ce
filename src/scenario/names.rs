//! The names of an application that a flow test may use.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::auth::FactorId;
use crate::flow::document::{Application, Arm, Class, FlowId, Prompt, Step, StepKind};
use crate::flow::expr::Type;
use crate::flow::run::exit::UNTOLD;

/// Everything in an application that has a name.
pub(super) struct Names {
    pub(super) prompts: BTreeSet<String>,
    pub(super) blocks: BTreeSet<String>,
    pub(super) outcomes: BTreeSet<String>,
    /// What a caller can choose: values of menus, blocks that options lead to, languages, `yes` and `no`.
    pub(super) choices: BTreeSet<String>,
    /// The fields of each call's reply.
    pub(super) calls: BTreeMap<String, Vec<String>>,
    pub(super) languages: BTreeSet<String>,
    pub(super) levels: BTreeSet<String>,
    pub(super) factors: Vec<FactorId>,
    /// Variables, and whether their class is public.
    pub(super) variables: BTreeMap<String, bool>,
    pub(super) queues: BTreeSet<String>,
    pub(super) targets: BTreeSet<String>,
    pub(super) events: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(app: &Application) -> Self {
        let mut names = Self {
            prompts: BTreeSet::new(),
            blocks: app.blocks.iter().map(|block| block_name(app, block.flow, &block.name)).collect(),
            outcomes: app.flows.iter().flat_map(|flow| &flow.outcomes).map(ToString::to_string).collect(),
            choices: ["yes", "no", "again", "another"].map(String::from).into(),
            calls: calls(app),
            languages: app.languages.iter().map(|language| language.tag.clone()).collect(),
            levels: app.policy.levels.iter().map(|level| level.name.to_string()).collect(),
            factors: app.policy.factors.iter().map(|factor| factor.factor).collect(),
            variables: BTreeMap::new(),
            queues: app.queues().into_iter().collect(),
            targets: app.transfer_targets().into_iter().collect(),
            events: BTreeSet::new(),
        };
        names.levels.insert("none".to_owned());
        names.choices.extend(names.languages.iter().cloned());
        names.choices.extend(names.factors.iter().map(|factor| factor.name().to_owned()));
        for var in &app.vars {
            names.variables.insert(var.name.to_string(), var.class == Class::Public);
            if let Type::Enum(words) = &var.ty {
                names.choices.extend(words.iter().map(ToString::to_string));
            }
        }
        for placed in all_steps(app) {
            names.step(app, placed.step);
        }
        names
    }

    fn step(&mut self, app: &Application, step: &Step) {
        let key = |prompt: &Prompt| prompt.key.to_string();
        self.prompts.extend(step.kind.prompts().into_iter().map(key));
        self.outcomes.extend(step.kind.arms().into_iter().map(|(name, _)| name.to_string()));
        match &step.kind {
            StepKind::ChooseLanguage(step) => self.prompts.extend(step.prompts.iter().map(|(_, p)| key(p))),
            StepKind::Play(step) => {
                self.prompts.insert(step.clip.as_str().to_owned());
            }
            StepKind::Audit(step) => {
                self.events.insert(step.event.clone());
            }
            StepKind::Menu(step) => {
                let blocks = step.options.iter().filter_map(|option| match option.arm {
                    Some(Arm::Goto(block)) => app.block(block),
                    _ => None,
                });
                self.choices.extend(blocks.map(|block| block.name.to_string()));
            }
            _ => {}
        }
    }
}

/// The prompts that ask questions: which of them a subject is asked differs from one to the next.
pub(crate) fn question_prompts(app: &Application) -> BTreeSet<String> {
    let steps = all_steps(app).into_iter();
    let asking = steps.filter_map(|placed| placed.step.kind.node().proving());
    asking.flat_map(|step| step.questions).map(|(_, prompt)| prompt.key.to_string()).collect()
}

fn calls(app: &Application) -> BTreeMap<String, Vec<String>> {
    let services = app.services.services.iter();
    let calls = services.flat_map(|service| service.calls.iter().map(move |call| (service, call)));
    calls
        .map(|(service, call)| {
            let fields = call.reply.iter().map(|field| field.name.clone()).collect();
            (format!("{}.{}", service.name, call.name), fields)
        })
        .collect()
}

/// The name of a block as a trace tells it: `sub.block` inside of a sub-flow.
pub(super) fn block_name(app: &Application, flow: FlowId, block: &str) -> String {
    match app.flow(flow) {
        Some(sub) if flow != FlowId::MAIN => format!("{}.{block}", sub.name),
        _ => block.to_owned(),
    }
}

/// A step with its place: the block's name and the step's label, as traces tell them.
pub(super) struct Placed<'a> {
    pub(super) block: String,
    pub(super) label: String,
    pub(super) step: &'a Step,
}

/// Every step of every block, those that stand in arms included.
pub(super) fn all_steps(app: &Application) -> Vec<Placed<'_>> {
    let mut out = Vec::new();
    for block in &app.blocks {
        let name = block_name(app, block.flow, &block.name);
        for (at, step) in block.steps.iter().enumerate() {
            with_arms(app, &name, (at + 1).to_string(), step, &mut out);
        }
    }
    out
}

fn with_arms<'a>(app: &Application, block: &str, label: String, step: &'a Step, out: &mut Vec<Placed<'a>>) {
    for (name, arm) in ways_on(app, &step.kind) {
        if let Arm::Step(inner) = arm {
            with_arms(app, block, format!("{label}.{name}"), inner, out);
        }
    }
    out.push(Placed { block: block.to_owned(), label, step });
}

/// The arms of a step by the names that traces give them: those of a `run` are the sub-flow's outcomes.
pub(super) fn ways_on<'a>(app: &Application, step: &'a StepKind) -> Vec<(String, &'a Arm)> {
    let arms = step.arms();
    let StepKind::Run(run) = step else {
        let untold = matches!(step, StepKind::Menu(menu) if menu.personal);
        let told = |name: Cow<'_, str>| match untold && name.starts_with("key ") {
            true => UNTOLD.to_owned(),
            false => name.into_owned(),
        };
        return arms.into_iter().map(|(name, arm)| (told(name), arm)).collect();
    };
    let outcomes = app.flow(run.flow).map(|flow| flow.outcomes.clone()).unwrap_or_default();
    outcomes.iter().map(ToString::to_string).zip(arms.into_iter().map(|(_, arm)| arm)).collect()
}
