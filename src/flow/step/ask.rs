//! `ask`: collect digits.

use super::{Reader, Spec, next};
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Ask, Check, Class, Digits, Readback, StepKind, WholeMoney};
use crate::flow::expr::{Field, Type};
use crate::flow::run::values::Currency;
use crate::units::Digit;

/// The greatest amount that anybody types in whole units.
const MOST_MONEY: u32 = 9_999_999;

pub(super) const SPEC: Spec = Spec {
    verb: "ask",
    summary: "Asks for digits and puts them into a variable.",
    fields: &[
        ("into", "the variable, of type digits, text or number; of type money for `money`"),
        ("digits", "how many: `{min: 8, max: 10, end: hash}` or `{exact: 6}`"),
        ("money", "in place of `digits`, an amount in whole units: `{currency: GBP, min: 1, max: 5000}`"),
        ("check", "`luhn`: the last digit is a check digit"),
        ("confirm", "`none`, or `{read_back: prompt}`: a prompt that names `${answer, spell}`; 1 keeps it, 2 asks again"),
        ("give_up", "where to go after the last try"),
        ("speech", "spoken input; not in this version"),
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
    let money = step.get("money").map(|node| money(step, node));
    let digits = match (&money, step.get("digits")) {
        (Some(amount), None) => (*amount).map(|amount| amount_digits(&amount)),
        (Some(_), Some(node)) => {
            step.error("E114", &node.place, "`money` says already what may be typed", "leave `digits` out");
            None
        }
        (None, _) => step.need("digits").and_then(|node| digits(step, node)),
    };
    let check = step.get("check").map(|node| fields::choice(node, "check", &[("luhn", Check::Luhn)], step.build.findings));
    for later in ["speech", "date", "yes_no"] {
        if let Some((key, _)) = step.fields.pairs.iter().find(|(key, _)| key.text() == later) {
            fields::not_yet(&key.place, &format!("`{later}`"), step.build.findings);
        }
    }
    let confirm = confirm(step, into_node.map(|node| node.text()), money.is_some());
    let input = step.input(&[]);
    let arms = step.arms(&["give_up"], &["filled"]);
    let into = into?;
    let shared = step.build.shared;
    let var = shared.var(into)?;
    let (fits, asked, wanted) = match money {
        Some(_) => (var.ty == Type::Money, "an amount is", "money"),
        None => (matches!(var.ty, Type::Digits | Type::Text | Type::Number), "digits are", "digits"),
    };
    if !fits {
        let message = format!("`{}` is {}, and {asked} asked for", var.name, var.ty);
        let place = into_node.map_or_else(|| step.place.clone(), |node| node.place.clone());
        step.error("E181", &place, message, format!("declare it with `type: {wanted}`"));
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
    let money = match money {
        Some(money) => Some(money?),
        None => None,
    };
    let (prompt, digits, confirm) = (prompt?, digits?, confirm?);
    let filled = next(&mut arms);
    Some(StepKind::Ask(Ask { prompt, into, class: var.class, digits, money, check, confirm, input, filled, give_up }))
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

/// `{currency: GBP, min: 1, max: 5000}`
fn money(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<WholeMoney> {
    let fields = Fields::of(node, "`money`", step.build.findings)?;
    fields.only(&["currency", "min", "max"], "`money`", step.build.findings);
    let currency = fields.need("currency", "`money`", step.build.findings)?;
    let known = [Currency::Gbp, Currency::Eur].map(|currency| (currency.code(), currency));
    let currency = fields::choice(currency, "currency", &known, step.build.findings);
    let most = fields.need("max", "`money`", step.build.findings)?;
    let max = fields::count::<u32>(most, "max", 1..=MOST_MONEY, step.build.findings);
    let min = match fields.get("min") {
        Some(node) => fields::count::<u32>(node, "min", 0..=MOST_MONEY, step.build.findings),
        None => Some(1),
    };
    let (currency, min, max) = (currency?, min?, max?);
    if min > max {
        step.error("E150", &node.place, format!("at least {min}, at most {max}: nothing fits"), "swap them");
        return None;
    }
    Some(WholeMoney { currency, min, max })
}

/// Enough digits for the greatest amount; a shorter one is ended by the hash key, as callers expect.
fn amount_digits(amount: &WholeMoney) -> Digits {
    let longest = u8::try_from(amount.max.to_string().len()).unwrap_or(u8::MAX);
    Digits { min: 1, max: longest, end: Some(Digit::HASH) }
}

fn confirm(step: &mut Reader<'_, '_, '_>, into: Option<&str>, money: bool) -> Option<Readback> {
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
        if money {
            typed.ty = Type::Money;
        }
        typed.class = typed.class.max(class);
    }
    step.build.prompt(prompt, &locals).map(Readback::ReadBack)
}
