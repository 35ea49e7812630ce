//! `split`: some callers go one way, the others another, by chance.

use std::time::Instant;

use crate::diagnostic::Diagnostic;
use crate::flow::document::Arm;
use crate::flow::document::fields::{self, Fields};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "split",
    summary: "Sends each call to one of some blocks by chance, so many of a hundred to each: for trying out a new way with a few callers. The percents add up to 100.",
    argument: Shape::Map("a block of this flow", &Shape::Count { min: 1, max: 99 }),
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- split: {new_menu: 10, old_menu: 90}
"#,
    read,
};

/// `split`
#[derive(Debug)]
pub struct Split {
    /// Where to, with the percents; they add up to 100.
    pub ways: Vec<Way>,
}

/// One way of a [`Split`].
#[derive(Debug)]
pub struct Way {
    /// The name of the block.
    pub name: String,
    /// How many of a hundred calls take it.
    pub percent: u8,
    /// The jump to it.
    pub arm: Arm,
}

impl Node for Split {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.ways.iter().map(|way| (way.name.clone().into(), &way.arm)).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Case(at) => self.ways.get(at).map(|way| &way.arm),
            _ => None,
        }
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        let drawn = run.chance(100);
        let mut below = 0;
        let at = self.ways.iter().position(|way| {
            below += u64::from(way.percent);
            drawn < below
        });
        let Some(at) = at else {
            return run.fail(now, "a split that does not add up");
        };
        run.take(now, Exit::Case(at));
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let mut ways = Vec::new();
    let written = Fields::of(step.argument, "`split`", step.build.findings)?;
    let mut complete = true;
    for (key, value) in &written.pairs {
        let block = step.build.block(key);
        let percent = fields::count(value, "percent", 1..=99, step.build.findings);
        match block.zip(percent) {
            Some((block, percent)) => {
                ways.push(Way { name: key.text().to_owned(), percent, arm: Arm::Goto(block) });
            }
            None => complete = false,
        }
    }
    let sum: u32 = ways.iter().map(|way| u32::from(way.percent)).sum();
    if complete && sum != 100 {
        let place = step.argument.place.clone();
        let diagnostic = Diagnostic::error("E124", Some(place), format!("the percents add up to {sum}, not to 100"))
            .label("of a hundred calls each goes somewhere")
            .help("write `{new_menu: 10, old_menu: 90}`, for example");
        step.build.findings.push(diagnostic);
        return None;
    }
    complete.then_some(StepKind::Split(Split { ways }))
}
