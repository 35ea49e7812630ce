//! `ask`: collect digits, an amount of money, a day, a yes or no.

use std::time::Instant;

use jiff::civil::Date;

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
    summary: "Asks for digits, an amount of money, a day, or yes or no, and puts the answer into a variable. `filled` goes on with the next step when it is not named.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::required("into", Shape::Variable, "the variable, of type digits, text or number; of type money for `money`, date for `date`, flag for `yes_no`"),
        FieldSpec::optional("digits", Shape::Object(&[FieldSpec::optional("min", Shape::Count { min: 1, max: 64 }, "at least"), FieldSpec::optional("max", Shape::Count { min: 1, max: 64 }, "at most; the last possible digit ends the entry at once"), FieldSpec::optional("exact", Shape::Count { min: 1, max: 64 }, "exactly"), FieldSpec::optional("end", Shape::Key, "a key that ends the entry")]), "how many: `{min: 8, max: 10, end: hash}` or `{exact: 6}`"),
        FieldSpec::optional("money", Shape::Object(&[FieldSpec::required("currency", Shape::Choice(&["GBP", "EUR"]), "of what"), FieldSpec::optional("min", Shape::Count { min: 0, max: MOST_MONEY }, "the smallest amount, 1 when left out"), FieldSpec::required("max", Shape::Count { min: 1, max: MOST_MONEY }, "the greatest amount")]), "in place of `digits`, an amount in whole units, ended by hash: `{currency: GBP, min: 1, max: 5000}`"),
        FieldSpec::optional("date", Shape::Choice(&["any", "past", "future"]), "in place of `digits`, a day typed as eight digits in the order of the language (DDMMYYYY; MMDDYYYY in en-US); `past` and `future` include today"),
        FieldSpec::optional("yes_no", Shape::Flag, "`true`: in place of `digits`, yes (1) or no (2)"),
        FieldSpec::optional("check", Shape::Choice(&["luhn"]), "`luhn`: the last digit is a check digit; a wrong one is a `no_match`"),
        FieldSpec::optional("confirm", Shape::OneOf(&[Shape::Choice(&["none", "read_back", "press_1"]), Shape::Object(&[FieldSpec::required("read_back", Shape::Prompt, "the prompt")])]), "`none`, or `{read_back: prompt}`: a prompt that says `${answer, spell}` (`money` for amounts, `date` for days); 1 or yes keeps it, 2 or no asks again. `read_back` and `press_1` alone take the prompts of these names"),
        FieldSpec::optional("give_up", Shape::Arm, "where to go after the last try; here or below `outcome`"),
        FieldSpec::optional("speech", Shape::Choice(&["digits", "date", "yes_no"]), "what may be said in place of the keys, where the engine has a recogniser: `digits` one by one (for `digits` and `money`), `date`, `yes_no`"),
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
    /// The digits are a day.
    pub date: Option<Days>,
    /// Yes or no is asked for, no digits.
    pub yes_no: bool,
    /// Whether it may be said.
    pub speech: bool,
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

/// Which days are accepted. Today is the day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// All.
    Any,
    /// Today and before.
    Past,
    /// Today and after.
    Future,
}

impl Days {
    /// Whether a day is accepted.
    #[must_use]
    pub fn takes(self, day: Date, today: Date) -> bool {
        match self {
            Self::Any => true,
            Self::Past => day <= today,
            Self::Future => day >= today,
        }
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

    fn wants_key(&self, key: Digit) -> bool {
        match self.yes_no {
            true => matches!(key.as_char(), '1' | '2'),
            false => key.as_char().is_ascii_digit() || self.digits.end == Some(key),
        }
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
    let asked = asked(step);
    let check = step.get("check").map(|node| fields::choice(node, "check", &[("luhn", Check::Luhn)], step.build.findings));
    let confirm = confirm(step, into_node.map(|node| node.text()), asked.as_ref());
    let input = step.input(&[]);
    let arms = step.arms(&["give_up"], &["filled"]);
    let into = into?;
    let shared = step.build.shared;
    let var = shared.var(into)?;
    let asked = asked?;
    let (fits, what, wanted) = match asked {
        Asked::Money(_) => (var.ty == Type::Money, "an amount is", "money"),
        Asked::Date(_) => (var.ty == Type::Date, "a day is", "date"),
        Asked::YesNo => (var.ty == Type::Flag, "yes or no is", "flag"),
        Asked::Digits(_) => (matches!(var.ty, Type::Digits | Type::Text | Type::Number), "digits are", "digits"),
    };
    if !fits {
        let message = format!("`{}` is {}, and {what} asked for", var.name, var.ty);
        let place = into_node.map_or_else(|| step.place.clone(), |node| node.place.clone());
        step.error("E181", &place, message, format!("declare it with `type: {wanted}`"));
        return None;
    }
    if var.class == Class::Card {
        let help = "`card: capture` asks for a card, in a flow that is `secure: true`";
        step.error("E190", &step.place.clone(), "`ask` does not take card data", help);
        return None;
    }
    let speech = speech(step, &asked, var.class)?;
    let mut arms = arms?.into_iter();
    let give_up = next(&mut arms);
    let check = match check {
        Some(check) => Some(check?),
        None => None,
    };
    let (money, date, yes_no) = match asked {
        Asked::Money(money) => (Some(money), None, false),
        Asked::Date(days) => (None, Some(days), false),
        Asked::YesNo => (None, None, true),
        Asked::Digits(_) => (None, None, false),
    };
    let digits = asked.digits();
    let (prompt, confirm) = (prompt?, confirm?);
    let (class, filled) = (var.class, next(&mut arms));
    let ask = Ask { prompt, into, class, digits, money, date, yes_no, speech, check, confirm, input, filled, give_up };
    Some(StepKind::Ask(ask))
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Digits(Digits),
    Money(WholeMoney),
    Date(Days),
    YesNo,
}

impl Asked {
    /// How it is typed. A day always has eight digits.
    fn digits(self) -> Digits {
        match self {
            Self::Digits(digits) => digits,
            Self::Money(amount) => amount_digits(&amount),
            Self::Date(_) => Digits { min: 8, max: 8, end: None },
            Self::YesNo => Digits { min: 1, max: 1, end: None },
        }
    }

    /// What can be said for it.
    const fn speech(self) -> &'static str {
        match self {
            Self::Digits(_) | Self::Money(_) => "digits",
            Self::Date(_) => "date",
            Self::YesNo => "yes_no",
        }
    }
}

/// Exactly one of `digits`, `money`, `date` and `yes_no`.
fn asked(step: &mut Reader<'_, '_, '_>) -> Option<Asked> {
    let written = ["money", "date", "yes_no", "digits"].map(|name| (name, step.get(name)));
    let mut written = written.into_iter().filter_map(|(name, node)| Some((name, node?)));
    let Some((name, node)) = written.next() else {
        step.need("digits");
        return None;
    };
    if let Some((second, node)) = written.next() {
        step.error("E114", &node.place, format!("`{name}` says already what may be typed"), format!("leave `{second}` out"));
        return None;
    }
    match name {
        "money" => money(step, node).map(Asked::Money),
        "date" => {
            let days = [("any", Days::Any), ("past", Days::Past), ("future", Days::Future)];
            fields::choice(node, "date", &days, step.build.findings).map(Asked::Date)
        }
        "yes_no" if fields::flag(node, "yes_no", step.build.findings)? => Some(Asked::YesNo),
        "yes_no" => {
            step.error("E114", &node.place, "nothing is asked for then", "write `yes_no: true`, or `digits: …`");
            None
        }
        _ => digits(step, node).map(Asked::Digits),
    }
}

fn speech(step: &mut Reader<'_, '_, '_>, asked: &Asked, class: Class) -> Option<bool> {
    let Some(node) = step.get("speech") else { return Some(false) };
    if class >= Class::Secret {
        step.error("E190", &node.place, "a secret is typed: whoever is near hears what is said", "leave `speech` out");
        return None;
    }
    let fitting = [(asked.speech(), true)];
    fields::choice(node, "speech", &fitting, step.build.findings)
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

fn confirm(step: &mut Reader<'_, '_, '_>, into: Option<&str>, asked: Option<&Asked>) -> Option<Readback> {
    let Some(node) = step.get("confirm") else { return Some(Readback::None) };
    if matches!(asked, Some(Asked::YesNo)) && node.text() != "none" {
        step.error("E115", &node.place, "a yes or no is not read back", "leave `confirm` out");
        return None;
    }
    let prompt = match node.mapping() {
        Some(_) => {
            let fields = Fields::of(node, "`confirm`", step.build.findings)?;
            fields.only(&["read_back"], "`confirm`", step.build.findings);
            fields.need("read_back", "`confirm`", step.build.findings)?
        }
        None if node.text() == "none" => return Some(Readback::None),
        // The prompt of that name.
        None if matches!(node.text(), "read_back" | "press_1") => node,
        None => {
            let help = "write `confirm: {read_back: prompt}`";
            step.error("E115", &node.place, "`confirm` names the prompt that reads the answer back", help);
            return None;
        }
    };
    let class = into.and_then(|name| step.build.shared.flow(step.build.flow)?.scope.get(name)).copied();
    let class = class.and_then(|var| step.build.shared.var(var)).map_or(Class::Personal, |var| var.class);
    let mut locals = vec![local("answer", Field::Answer)];
    locals.extend(into.map(|name| local(name, Field::Answer)));
    for (_, typed) in &mut locals {
        typed.ty = match asked {
            Some(Asked::Money(_)) => Type::Money,
            Some(Asked::Date(_)) => Type::Date,
            _ => typed.ty.clone(),
        };
        typed.class = typed.class.max(class);
    }
    step.build.prompt(prompt, &locals).map(Readback::ReadBack)
}
