//! `confirm`: yes or no.

use std::time::Instant;

use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Arm, Input, Prompt};
use crate::flow::run::FlowRun;
use crate::units::Digit;
use super::yes_no::YesNo;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "confirm",
    summary: "Asks a question that is answered by yes or no. Silence is never a yes.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::optional("keys", Shape::KeyMap("\"yes\" or \"no\""), "which keys mean \"yes\" and \"no\"; 1 and 2 when left out"),
        FieldSpec::optional("words", Shape::Map("\"yes\" or \"no\"", &Shape::Text), "phrases of the catalogues that mean \"yes\" and \"no\", beside the usual words, where the engine has a recogniser: `{\"yes\": do_it_words, \"no\": leave_it_words}`"),
        FieldSpec::optional("give_up", Shape::Arm, "where to go after the last try; here or below `outcome`"),
    ],
    outcomes: &["yes", "no", "give_up"],
    needs_caller: true,
    input: true,
    example: r#"- confirm: transfer_confirm
  outcome:
    "yes": continue
    "no": {goto: transfer_cancelled}
    give_up: {goto: transfer_cancelled}
"#,
    read,
};

/// `confirm`
#[derive(Debug)]
pub struct Confirm {
    /// The question.
    pub prompt: Prompt,
    /// Its keys and words.
    pub answers: YesNo,
    /// Timers and ladders.
    pub input: Input,
    /// After yes.
    pub yes: Arm,
    /// After no.
    pub no: Arm,
    /// After the last try.
    pub give_up: Arm,
}

impl Node for Confirm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("yes".into(), &self.yes), ("no".into(), &self.no), ("give_up".into(), &self.give_up)]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        vec![&self.prompt]
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(true)
    }

    fn wants_key(&self, key: Digit) -> bool {
        self.answers.keys().any(|own| own == key)
    }

    fn waits(&self, _outcome: &str) -> bool {
        true
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.begin_asking(now);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let (mut yes_keys, mut no_keys): (Vec<Digit>, Vec<Digit>) = (Vec::new(), Vec::new());
    if let Some(node) = step.get("keys") {
        for (key, value) in Fields::of(node, "`keys`", step.build.findings)?.pairs {
            let digit = fields::digit(key, step.build.findings);
            let yes = fields::choice(value, "keys", &[("yes", true), ("no", false)], step.build.findings);
            match (digit, yes) {
                (Some(digit), Some(true)) => yes_keys.push(digit),
                (Some(digit), Some(false)) => no_keys.push(digit),
                _ => {}
            }
        }
        if yes_keys.is_empty() || no_keys.is_empty() {
            let help = "write `keys: {\"1\": \"yes\", \"2\": \"no\"}`";
            let missing = Diagnostic::error("E114", Some(node.place.clone()), "both answers need a key").help(help);
            step.build.findings.push(missing);
            return None;
        }
    } else {
        yes_keys.extend(Digit::from_char('1'));
        no_keys.extend(Digit::from_char('2'));
    }
    let answers = YesNo::read(step, ["yes", "no"], (yes_keys, no_keys), "`words` of `confirm`")?;
    let input = step.input(&[]);
    let mut arms = step.arms(&["yes", "no", "give_up"], &[])?.into_iter();
    let (yes, no, give_up) = (next(&mut arms), next(&mut arms), next(&mut arms));
    if let (Arm::Goto(one), Arm::Goto(other)) = (&yes, &no)
        && one == other
    {
        let place = step.place.clone();
        step.build.warn("W131", &place, "yes and no lead to the same block", "ask nothing, or let them go different ways");
    }
    Some(StepKind::Confirm(Confirm { prompt: prompt?, answers, input, yes, no, give_up }))
}
