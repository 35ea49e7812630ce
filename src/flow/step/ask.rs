//! `ask`: collect digits.

use super::{Reader, Spec, next};
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Ask, Check, Class, Digits, Readback, StepKind};
use crate::flow::expr::{Field, Type};

pub(super) const SPEC: Spec = Spec {
    verb: "ask",
    summary: "Asks for digits and puts them into a variable.",
    fields: &[
        ("into", "the variable, of type digits, text or number"),
        ("digits", "how many: `{min: 8, max: 10, end: hash}` or `{exact: 6}`"),
        ("check", "`luhn`: the last digit is a check digit"),
        ("confirm", "`none`, or `{read_back: prompt}`: a prompt that names `${answer, spell}`; 1 keeps it, 2 asks again"),
        ("give_up", "where to go after the last try"),
        ("speech", "spoken input"),
    ],
    outcomes: &["filled", "give_up"],
    needs_caller: true,
    input: true,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let into_node = step.need("into");
    let into = into_node.and_then(|node| step.build.var(node));
    let digits = step.need("digits").and_then(|node| digits(step, node));
    let check = step.get("check").map(|node| fields::choice(node, "check", &[("luhn", Check::Luhn)], step.build.findings));
    for later in ["speech", "date", "money", "yes_no"] {
        if let Some((key, _)) = step.fields.pairs.iter().find(|(key, _)| key.text() == later) {
            fields::not_yet(&key.place, &format!("`{later}`"), step.build.findings);
        }
    }
    let confirm = confirm(step, into_node.map(|node| node.text()));
    let input = step.input(&[]);
    let arms = step.arms(&["give_up"], &["filled"]);
    let into = into?;
    let shared = step.build.shared;
    let var = shared.var(into)?;
    if !matches!(var.ty, Type::Digits | Type::Text | Type::Number) {
        let message = format!("`{}` is {}, and digits are asked for", var.name, var.ty);
        let place = into_node.map_or_else(|| step.place.clone(), |node| node.place.clone());
        step.error("E181", &place, message, "declare it with `type: digits`");
        return None;
    }
    if var.class == Class::Card {
        fields::not_yet(&step.place, "asking for card data", step.build.findings);
        return None;
    }
    let mut arms = arms?.into_iter();
    let give_up = next(&mut arms);
    let check = match check {
        Some(check) => Some(check?),
        None => None,
    };
    let (prompt, digits, confirm) = (prompt?, digits?, confirm?);
    let filled = next(&mut arms);
    Some(StepKind::Ask(Ask { prompt, into, class: var.class, digits, check, confirm, input, filled, give_up }))
}

fn digits(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<Digits> {
    let fields = Fields::of(node, "`digits`", step.build.findings)?;
    fields.only(&["min", "max", "exact", "end"], "`digits`", step.build.findings);
    let mut count = |name: &str| fields.get(name).map(|node| fields::count::<u8>(node, name, 1..=64, step.build.findings));
    let (min, max, exact) = (count("min"), count("max"), count("exact"));
    let end = fields.get("end").map(|node| fields::digit(node, step.build.findings));
    let end = match end {
        Some(end) => Some(end?),
        None => None,
    };
    match (min, max, exact) {
        (None, None, Some(exact)) if end.is_some() => {
            let help = "leave `end` out, or write `min` and `max`";
            step.error("E151", &node.place, "`exact` needs no `end`: the last digit ends the entry", help);
            exact.map(|_| Digits { min: 0, max: 0, end })
        }
        (None, None, Some(exact)) => exact.map(|exact| Digits { min: exact, max: exact, end: None }),
        (Some(min), Some(max), None) => {
            let (min, max) = (min?, max?);
            if min > max {
                step.error("E150", &node.place, format!("at least {min} digits, at most {max}: nothing fits"), "swap them");
                return None;
            }
            Some(Digits { min, max, end })
        }
        _ => {
            step.error("E114", &node.place, "`digits` says how many", "write `{min: 8, max: 10, end: hash}` or `{exact: 6}`");
            None
        }
    }
}

fn confirm(step: &mut Reader<'_, '_, '_>, into: Option<&str>) -> Option<Readback> {
    let Some(node) = step.get("confirm") else { return Some(Readback::None) };
    if node.mapping().is_none() {
        if node.text() == "none" {
            return Some(Readback::None);
        }
        step.error("E115", &node.place, "`confirm` names the prompt that reads the answer back", "write `confirm: {read_back: prompt}`");
        return None;
    }
    let fields = Fields::of(node, "`confirm`", step.build.findings)?;
    fields.only(&["read_back"], "`confirm`", step.build.findings);
    let prompt = fields.need("read_back", "`confirm`", step.build.findings)?;
    let class = into.and_then(|name| step.build.shared.flow(step.build.flow)?.scope.get(name)).copied();
    let class = class.and_then(|var| step.build.shared.var(var)).map_or(Class::Personal, |var| var.class);
    let mut locals = vec![local("answer", Field::Answer)];
    locals.extend(into.map(|name| local(name, Field::Answer)));
    for (_, typed) in &mut locals {
        typed.class = typed.class.max(class);
    }
    step.build.prompt(prompt, &locals).map(Readback::ReadBack)
}
