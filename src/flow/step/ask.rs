//! `ask`: collect digits.

use std::time::Instant;

use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Arm, Class, Input, Prompt, VarId};
use crate::flow::expr::{Field, Type};
use crate::flow::run::FlowRun;
use crate::flow::run::values::Currency;
use crate::flow::run::values::Money;
use crate::units::Digit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

/// The greatest amount that anybody types in whole units.
const MOST_MONEY: u32 = 9_999_999;

pub(super) const SPEC: Spec = Spec {
    verb: "ask",
    summary: "Asks for digits or an amount of money and puts the answer into a variable. `filled` goes on with the next step when it is not named.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::required("into", Shape::Variable, "the variable, of type digits, text or number; of type money for `money`"),
        FieldSpec::optional("digits", Shape::Object(&[FieldSpec::optional("min", Shape::Count { min: 1, max: 64 }, "at least"), FieldSpec::optional("max", Shape::Count { min: 1, max: 64 }, "at most; the last possible digit ends the entry at once"), FieldSpec::optional("exact", Shape::Count { min: 1, max: 64 }, "exactly"), FieldSpec::optional("end", Shape::Key, "a key that ends the entry")]), "how many: `{min: 8, max: 10, end: hash}` or `{exact: 6}`"),
        FieldSpec::optional("money", Shape::Object(&[FieldSpec::required("currency", Shape::Choice(&["GBP", "EUR"]), "of what"), FieldSpec::optional("min", Shape::Count { min: 0, max: MOST_MONEY }, "the smallest amount, 1 when left out"), FieldSpec::required("max", Shape::Count { min: 1, max: MOST_MONEY }, "the greatest amount")]), "in place of `digits`, an amount in whole units, ended by hash: `{currency: GBP, min: 1, max: 5000}`"),
        FieldSpec::optional("check", Shape::Choice(&["luhn"]), "`luhn`: the last digit is a check digit; a wrong one is a `no_match`"),
        FieldSpec::optional("confirm", Shape::OneOf(&[Shape::Choice(&["none"]), Shape::Object(&[FieldSpec::required("read_back", Shape::Prompt, "the prompt")])]), "`none`, or `{read_back: prompt}`: a prompt that says `${answer, spell}` (`money` for amounts); 1 keeps it, 2 asks again"),
        FieldSpec::optional("give_up", Shape::Arm, "where to go after the last try; here or below `outcome`"),
        FieldSpec::optional("speech", Shape::Text, "spoken input; not in this version"),
    ],
    outcomes: &["filled", "give_up"],
    needs_caller: true,
    input: true,
    example: r#"- ask: account_number
  into: account
  digits: {min: 8, max: 10, end: hash}
  check: luhn
  confirm: {read_back: account_heard}
  no_input: [account_silent, account_silent_2]
  no_match: [account_wrong]
  give_up: {goto: agent}
"#,
    read,
};

/// `ask`
#[derive(Debug)]
pub struct Ask {
    /// The question.
    pub prompt: Prompt,
    /// Where the answer goes.
    pub into: VarId,
    /// The class of that variable: digits of class secret are collected as a secret step.
    pub class: Class,
    /// What is accepted.
    pub digits: Digits,
    /// The digits are whole units of this currency, between these amounts.
    pub money: Option<WholeMoney>,
    /// A further test on what was typed.
    pub check: Option<Check>,
    /// Whether the caller confirms it.
    pub confirm: Readback,
    /// Timers and ladders.
    pub input: Input,
    /// After an answer.
    pub filled: Arm,
    /// After the last try.
    pub give_up: Arm,
}

/// How many digits, and what ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// At least this many.
    pub min: u8,
    /// At most this many: the last one ends the entry at once.
    pub max: u8,
    /// A key that ends the entry early. `None`: only the count and silence end it.
    pub end: Option<Digit>,
}

/// An amount typed in whole units: pounds or euros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeMoney {
    /// Of what.
    pub currency: Currency,
    /// The smallest amount.
    pub min: u32,
    /// The greatest amount.
    pub max: u32,
}

impl WholeMoney {
    /// What was typed as an amount; `None` when it is too small or too great.
    #[must_use]
    pub fn amount(&self, typed: &str) -> Option<Money> {
        let units: u32 = typed.parse().ok()?;
        let within = (self.min..=self.max).contains(&units);
        within.then(|| Money { minor: i64::from(units) * 100, currency: self.currency })
    }
}

/// A test on typed digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// ISO/IEC 7812-1 Annex B: the check digit of card numbers.
    Luhn,
}

/// Whether and how an answer is confirmed.
#[derive(Debug)]
pub enum Readback {
    /// It is not.
    None,
    /// The prompt (which names the value as `${answer, spell}`) is said; 1 keeps it, 2 asks again.
    ReadBack(Prompt),
}

impl Node for Ask {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("filled".into(), &self.filled), ("give_up".into(), &self.give_up)]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        let read_back = match &self.confirm {
            Readback::ReadBack(prompt) => Some(prompt),
            Readback::None => None,
        };
        std::iter::once(&self.prompt).chain(read_back).collect()
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        if outcome == "filled" { vec![self.into] } else { Vec::new() }
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(self.class < Class::Secret)
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
