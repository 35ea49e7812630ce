//! `card`: a card's number, month and code, typed, and heard by nobody.

use std::time::Instant;

use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::yaml::{Data, Scalar};
use crate::flow::document::{Arm, Input, Prompt};
use crate::flow::expr::Field;
use crate::flow::run::collect::Expect;
use crate::flow::run::exit::Exit;
use crate::flow::run::parts::{Entry, Part};
use crate::flow::run::{CardData, FlowRun};
use crate::secret::Secret;
use crate::units::Digit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "card",
    summary: "Takes a card by keys, in a sub-flow with `secure: true`. What is typed is secret, goes nowhere but into `pay`, and is wiped when the payment was answered, when the sub-flow is left and when the caller hangs up. Where the engine has no way to take cards (every call of this version; flow tests have one) the outcome is `unavailable`; `gave_up` stands in for it when it is not named.",
    argument: Shape::Choice(&["capture"]),
    fields: &[
        FieldSpec::required("fields", Shape::List(&Shape::Choice(&["number", "expiry", "cvv"])), "what is asked for, `number` first"),
        FieldSpec::optional("brands", Shape::List(&Shape::Choice(&["visa", "mastercard", "amex", "discover", "maestro", "diners"])), "the brands that are taken; all when left out"),
        FieldSpec::optional("checks", Shape::List(&Shape::Choice(&["luhn", "expiry_future", "cvv_length"])), "what is checked at once; a miss is a `no_match`"),
        FieldSpec::optional("read_back", Shape::Choice(&["last4", "none"]), "`last4`: the last four digits are said; 1 keeps the card, 2 asks again"),
        FieldSpec::optional("keep", Shape::Choice(&["until_paid"]), "how long it is kept; there is no longer"),
        FieldSpec::optional("prompts", Shape::Object(&[
            FieldSpec::optional("number", Shape::Prompt, "`card_number` when left out"),
            FieldSpec::optional("expiry", Shape::Prompt, "`card_expiry` when left out"),
            FieldSpec::optional("cvv", Shape::Prompt, "`card_cvv` when left out"),
            FieldSpec::optional("last4", Shape::Prompt, "says `${answer, spell}`; `card_last4` when left out"),
        ]), "what is said"),
        FieldSpec::optional("gave_up", Shape::Arm, "where to go after the last try; here or below `outcome`"),
    ],
    outcomes: &["captured", "gave_up", "unavailable"],
    needs_caller: true,
    input: true,
    example: r#"- card: capture
  fields: [number, expiry, cvv]
  brands: [visa, mastercard]
  checks: [luhn, expiry_future, cvv_length]
  read_back: last4
  keep: until_paid
  tries: 3
  outcome:
    captured: continue
    gave_up: {return: gave_up}
"#,
    read,
};

/// `card`
#[derive(Debug)]
pub struct Card {
    /// What is asked for, and with which words.
    pub fields: Vec<(CardField, Prompt)>,
    /// The brands that are taken; all when empty.
    pub brands: Vec<Brand>,
    /// Whether the number's check digit is checked.
    pub luhn: bool,
    /// Whether a card that is no longer valid is refused.
    pub expiry_future: bool,
    /// Whether the code must have as many digits as the brand's have.
    pub cvv_length: bool,
    /// Says the last four digits.
    pub read_back: Option<Prompt>,
    /// Timers and ladders.
    pub input: Input,
    /// There is one.
    pub captured: Arm,
    /// After the last try.
    pub gave_up: Arm,
    /// The engine can't take cards; as `gave_up` when `None`.
    pub unavailable: Option<Arm>,
}

/// A field of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardField {
    /// ISO/IEC 7812-1: 12 to 19 digits.
    Number,
    /// The month until which it is valid, `MMYY`.
    Expiry,
    /// Three or four digits beside the number.
    Cvv,
}

/// Who has issued a card, by its first digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// 4
    Visa,
    /// 51 to 55, 2221 to 2720
    Mastercard,
    /// 34, 37
    Amex,
    /// 6011, 644 to 649, 65
    Discover,
    /// 50, 56 to 58, 63, 67
    Maestro,
    /// 300 to 305, 36, 38, 39
    Diners,
}

impl Brand {
    const ALL: [(&'static str, Self); 6] = [
        ("visa", Self::Visa),
        ("mastercard", Self::Mastercard),
        ("amex", Self::Amex),
        ("discover", Self::Discover),
        ("maestro", Self::Maestro),
        ("diners", Self::Diners),
    ];

    /// The brand of a number of that brand's length.
    #[must_use]
    pub fn of(number: &Secret<String>) -> Option<Self> {
        let digits = number.expose();
        let first = |count: usize| digits.get(..count).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        let (brand, lengths) = match (first(1), first(2), first(3), first(4)) {
            (4, ..) => (Self::Visa, 13..=19),
            (_, 51..=55, ..) | (.., 2221..=2720) => (Self::Mastercard, 16..=16),
            (_, 34 | 37, ..) => (Self::Amex, 15..=15),
            (_, 65, ..) | (_, _, 644..=649, _) | (.., 6011) => (Self::Discover, 16..=19),
            (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => (Self::Diners, 14..=19),
            (_, 50 | 56..=58 | 63 | 67, ..) => (Self::Maestro, 12..=19),
            _ => return None,
        };
        lengths.contains(&digits.len()).then_some(brand)
    }

    /// How many digits its code has.
    #[must_use]
    pub const fn cvv_digits(self) -> usize {
        if matches!(self, Self::Amex) { 4 } else { 3 }
    }
}

impl Node for Card {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let arms = [("captured".into(), &self.captured), ("gave_up".into(), &self.gave_up)];
        arms.into_iter().chain(self.unavailable.as_ref().map(|arm| ("unavailable".into(), arm))).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Outcome("captured") => Some(&self.captured),
            Exit::Outcome("gave_up") => Some(&self.gave_up),
            Exit::Outcome("unavailable") => Some(self.unavailable.as_ref().unwrap_or(&self.gave_up)),
            _ => None,
        }
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.fields.iter().map(|(_, prompt)| prompt).chain(&self.read_back).collect()
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn waits(&self, outcome: &str) -> bool {
        outcome != "unavailable"
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    /// The fields, then the read-back.
    fn part(&self, run: &FlowRun, at: usize) -> Option<Part<'_>> {
        let Some((field, prompt)) = self.fields.get(at) else {
            let prompt = self.read_back.as_ref().filter(|_| at == self.fields.len())?;
            let keys = ['1', '2'].iter().filter_map(|key| Digit::from_char(*key)).map(|key| vec![key]);
            let answer = run.typed(0).and_then(last4);
            return Some(Part { prompt, expect: Expect::Keys(keys.collect()), secret: true, answer });
        };
        let (min, max, end) = match field {
            CardField::Number => (12, 19, Some(Digit::HASH)),
            CardField::Expiry => (4, 4, None),
            CardField::Cvv => (3, 4, Some(Digit::HASH)),
        };
        Some(Part { prompt, expect: Expect::Digits { min, max, end }, secret: true, answer: None })
    }

    fn entered(&self, run: &mut FlowRun, now: Instant, at: usize, entry: Entry) {
        match (entry, self.fields.get(at)) {
            (Entry::Typed(typed), Some((field, _))) => {
                if !self.fits(run, now, *field, &typed) {
                    return run.part_refused(now);
                }
                run.entered().parts.truncate(at);
                run.entered().parts.push(typed);
                if at + 1 < self.fields.len() || self.read_back.is_some() {
                    run.ask_part(now, at + 1, None);
                } else {
                    self.keep(run, now);
                }
            }
            (Entry::Chosen(0), None) => self.keep(run, now),
            // "No, that is not it": from the beginning, as long as there are tries.
            _ => {
                let failures = run.entered().failures.saturating_add(1);
                run.entered().failures = failures;
                if failures >= self.input.tries {
                    return self.gave_up(run, now);
                }
                run.ask_part(now, 0, None);
            }
        }
    }

    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.set_secure(false);
        run.take(now, Exit::Outcome("gave_up"));
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        if !run.abilities().cards {
            return run.take(now, Exit::Outcome("unavailable"));
        }
        run.ask_part(now, 0, None);
    }
}

impl Card {
    /// Whether what was typed can be that field.
    fn fits(&self, run: &FlowRun, now: Instant, field: CardField, typed: &Secret<String>) -> bool {
        match field {
            CardField::Number => {
                let brand = Brand::of(typed);
                let taken = self.brands.is_empty() || brand.is_some_and(|brand| self.brands.contains(&brand));
                taken && (!self.luhn || crate::flow::run::luhn(typed.expose()))
            }
            CardField::Expiry => {
                let part = |from: usize, to: usize| typed.expose().get(from..to)?.parse::<i32>().ok();
                let (Some(month), Some(year)) = (part(0, 2), part(2, 4)) else { return false };
                let valid = (2000 + year) * 12 + month;
                let today = run.today(now).map(|day| i32::from(day.year()) * 12 + i32::from(day.month()));
                // A card is valid to the end of its month. Two digits of a year mean the century's first half.
                (1..=12).contains(&month) && (!self.expiry_future || today.is_some_and(|today| valid >= today))
            }
            CardField::Cvv => {
                let brand = run.typed(0).and_then(Brand::of);
                let length = brand.map_or(3..=4, |brand| brand.cvv_digits()..=brand.cvv_digits());
                !self.cvv_length || length.contains(&typed.expose().len())
            }
        }
    }

    fn keep(&self, run: &mut FlowRun, now: Instant) {
        let mut parts = std::mem::take(&mut run.entered().parts).into_iter();
        let mut card = CardData {
            number: Secret::new(String::new()),
            expiry: Secret::new(String::new()),
            cvv: Secret::new(String::new()),
        };
        for (field, _) in &self.fields {
            let Some(typed) = parts.next() else { continue };
            match field {
                CardField::Number => card.number = typed,
                CardField::Expiry => card.expiry = typed,
                CardField::Cvv => card.cvv = typed,
            }
        }
        run.keep_card(card);
        run.set_secure(false);
        run.take(now, Exit::Outcome("captured"));
    }
}

/// The digits of a card that may be said.
fn last4(number: &Secret<String>) -> Option<String> {
    let digits = number.expose();
    digits.get(digits.len().checked_sub(4)?..).map(str::to_owned)
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    fields::choice(step.argument, "card", &[("capture", ())], step.build.findings)?;
    step.build.secure_only(&step.place.clone(), "card");
    let fields = card_fields(step);
    let brands = list(step, "brands", &Brand::ALL)?;
    let checks = list(step, "checks", &[("luhn", 0_u8), ("expiry_future", 1), ("cvv_length", 2)])?;
    if let Some(node) = step.get("keep")
        && node.text() != "until_paid"
    {
        step.error("E232", &node.place, "a card is kept until it is paid with, and no longer", "write `keep: until_paid`");
    }
    let read_back = match step.get("read_back") {
        Some(node) => {
            let last4 = fields::choice(node, "read_back", &[("last4", true), ("none", false)], step.build.findings)?;
            if last4 { Some(prompt(step, "last4", "card_last4")?) } else { None }
        }
        None => None,
    };
    if let Some(node) = step.get("prompts") {
        let known = ["number", "expiry", "cvv", "last4"];
        Fields::of(node, "`prompts`", step.build.findings)?.only(&known, "`prompts` of `card`", step.build.findings);
    }
    let input = step.input(&[]);
    let mut arms = step.arms(&["captured", "gave_up"], &["unavailable"])?.into_iter();
    Some(StepKind::Card(Card {
        fields: fields?,
        brands,
        luhn: checks.contains(&0),
        expiry_future: checks.contains(&1),
        cvv_length: checks.contains(&2),
        read_back,
        input,
        captured: next(&mut arms),
        gave_up: next(&mut arms),
        unavailable: arms.next().flatten(),
    }))
}

fn card_fields(step: &mut Reader<'_, '_, '_>) -> Option<Vec<(CardField, Prompt)>> {
    let node = step.need("fields")?;
    let known = [("number", CardField::Number), ("expiry", CardField::Expiry), ("cvv", CardField::Cvv)];
    let mut out: Vec<(CardField, Prompt)> = Vec::new();
    for item in fields::items(node) {
        let field = fields::choice(item, "fields", &known, step.build.findings)?;
        if out.iter().any(|(other, _)| *other == field) {
            step.error("E115", &item.place, format!("`{}` is asked for already", item.text()), "name it once");
            return None;
        }
        let usual = format!("card_{}", item.text());
        out.push((field, prompt(step, item.text(), &usual)?));
    }
    if !matches!(out.first(), Some((CardField::Number, _))) {
        step.error("E115", &node.place, "a card begins with its number", "write `fields: [number, expiry, cvv]`");
        return None;
    }
    Some(out)
}

/// A prompt that is named below `prompts`, or the usual one.
fn prompt(step: &mut Reader<'_, '_, '_>, name: &str, usual: &str) -> Option<Prompt> {
    let named = step.get("prompts").and_then(|node| node.get(name));
    let answer = [local("answer", Field::Answer)];
    let locals = if name == "last4" { &answer[..] } else { &[] };
    match named {
        Some(node) => step.build.prompt(node, locals),
        None => {
            let mut node = step.argument.clone();
            node.data = Data::Scalar(Scalar { text: usual.to_owned(), plain: true });
            step.build.prompt(&node, locals)
        }
    }
}

fn list<T: Copy>(step: &mut Reader<'_, '_, '_>, name: &str, known: &[(&str, T)]) -> Option<Vec<T>> {
    let nodes = step.get(name).map(fields::items).unwrap_or_default();
    nodes.into_iter().map(|node| fields::choice(node, name, known, step.build.findings)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_is_known_by_its_first_digits_and_length() {
        for (number, brand) in [
            ("4111111111111111", Some(Brand::Visa)),
            ("5555555555554444", Some(Brand::Mastercard)),
            ("2223003122003222", Some(Brand::Mastercard)),
            ("378282246310005", Some(Brand::Amex)),
            ("6011111111111117", Some(Brand::Discover)),
            ("30569309025904", Some(Brand::Diners)),
            ("6759649826438453", Some(Brand::Maestro)),
            ("37828224631000", None),
            ("9999999999999995", None),
            ("", None),
        ] {
            assert_eq!(Brand::of(&Secret::new(number.to_owned())), brand, "{number}");
        }
    }
}
