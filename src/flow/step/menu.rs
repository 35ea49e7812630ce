//! `menu`: choices by key.

use super::{Reader, Spec, next};
use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Menu, MenuOption, StepKind, VarId, scalar};
use crate::units::Digit;

pub(super) const SPEC: Spec = Spec {
    verb: "menu",
    summary: "Offers choices by key.",
    fields: &[
        ("into", "the variable that gets the value of the choice"),
        ("options", "the choices: `{key: \"1\", value: balance, goto: block, when: condition}`"),
        ("give_up", "where to go after the last try"),
    ],
    outcomes: &["chosen", "give_up"],
    needs_caller: true,
    input: true,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let into = step.get("into").map(|node| step.build.var(node));
    let node = step.need("options");
    let nodes = node.map(fields::items).unwrap_or_default();
    let var = into.flatten();
    let mut options = Vec::new();
    let mut complete = true;
    let mut keys: Vec<(Vec<Digit>, &fields::Node)> = Vec::new();
    for node in &nodes {
        let option = option(step, node, var, &mut keys);
        complete &= option.is_some();
        options.extend(option);
    }
    if node.is_some() && nodes.is_empty() {
        step.error("E114", &step.place.clone(), "a menu has options", "write `options:` and a list of them");
    }
    clashes(step, &keys);
    let input = step.input(&[]);
    let mut arms = step.arms(&["give_up"], &["chosen"])?.into_iter();
    let (give_up, chosen) = (next(&mut arms), next(&mut arms));
    if matches!(into, Some(None)) || !complete || options.is_empty() {
        return None;
    }
    Some(StepKind::Menu(Menu { prompt: prompt?, into: var, options, input, chosen, give_up }))
}

fn option<'n>(
    step: &mut Reader<'_, '_, 'n>,
    node: &'n fields::Node,
    into: Option<VarId>,
    keys: &mut Vec<(Vec<Digit>, &'n fields::Node)>,
) -> Option<MenuOption> {
    let fields = Fields::of(node, "an option", step.build.findings)?;
    let key = fields.need("key", "an option", step.build.findings)?;
    let digits = sequence(step, key)?;
    keys.push((digits.clone(), key));
    if let Some((words, _)) = fields.pairs.iter().find(|(key, _)| key.text() == "words") {
        fields::not_yet(&words.place, "`words` (spoken choices)", step.build.findings);
    }
    let value = match (fields.get("value"), into) {
        (None, _) => None,
        (Some(value), None) => {
            step.error("E114", &value.place, "a value needs a variable to go to", "add `into: variable` to the menu");
            return None;
        }
        (Some(value), Some(into)) => {
            let shared = step.build.shared;
            Some(step.build.literal(value, &shared.var(into)?.ty)?)
        }
    };
    let when = match fields.get("when") {
        Some(node) => Some(step.build.condition(node)?),
        None => None,
    };
    let rest = fields.without(&["key", "value", "words", "when"]);
    let arm = match rest.pairs.is_empty() {
        true => None,
        false => Some(step.build.arm_of(&rest)?),
    };
    Some(MenuOption { keys: digits, value, when, arm })
}

/// One key, or several digits in a row.
fn sequence(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<Vec<Digit>> {
    let text = fields::text(node, "a key", step.build.findings)?;
    if let Some(digit) = scalar::digit(&text) {
        return Some(vec![digit]);
    }
    let digits: Option<Vec<Digit>> =
        text.chars().map(|c| Digit::from_char(c).filter(|_| c.is_ascii_digit())).collect();
    match digits.filter(|digits| (1..=4).contains(&digits.len())) {
        Some(digits) => Some(digits),
        None => {
            let help = "keys are \"0\" to \"9\", star, hash, A to D; digits may be up to four in a row";
            fields::wrong(node, format!("no telephone has the key `{text}`"), help, step.build.findings);
            None
        }
    }
}

fn clashes(step: &mut Reader<'_, '_, '_>, keys: &[(Vec<Digit>, &fields::Node)]) {
    for (at, (later, node)) in keys.iter().enumerate() {
        for (earlier, first) in &keys[..at] {
            let (code, message, help) = if earlier == later {
                ("E160", format!("two options have the key `{}`", node.text()), "give one of them another key")
            } else if earlier.starts_with(later) || later.starts_with(earlier) {
                let message = format!("`{}` and `{}` begin alike: the longer one can't be typed", first.text(), node.text());
                ("E161", message, "use keys of one length")
            } else {
                continue;
            };
            let diagnostic = Diagnostic::error(code, Some(node.place.clone()), message)
                .help(help)
                .related(first.place.clone(), "first here");
            step.build.findings.push(diagnostic);
        }
    }
    if keys.len() > 5 {
        let place = step.place.clone();
        step.build.warn("W163", &place, format!("{} choices: callers remember about five", keys.len()), "make a menu of menus");
    }
}
