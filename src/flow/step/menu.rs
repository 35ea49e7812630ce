//! `menu`: choices by key.

use std::time::Instant;

use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Arm, Class, Input, MenuOption, Prompt, VarId, Words, scalar};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use crate::units::Digit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "menu",
    summary: "Offers choices by key. `chosen` is for options without a step of their own. An option whose `when` does not hold is not on offer.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::optional("into", Shape::Variable, "the variable that gets the value of the choice"),
        FieldSpec::required("options", Shape::Options, "the choices: `{key: \"1\", value: balance, words: balance_words, goto: block, when: condition}`; `words` names phrases of the catalogues that may be said instead; any other step may stand in place of `goto`; keys are quoted digits (up to four in a row), `star` or `hash`"),
        FieldSpec::optional("give_up", Shape::Arm, "where to go after the last try; here or below `outcome`"),
    ],
    outcomes: &["chosen", "give_up"],
    needs_caller: true,
    input: true,
    example: r#"- menu: card_menu
  into: card_wish
  options:
    - {key: "1", value: block, goto: card_block}
    - {key: "2", value: order, goto: card_order}
    - {key: star, goto: topics}
  no_input: [menu_silent]
  no_match: [menu_wrong]
  give_up: {goto: agent}
"#,
    read,
};

/// `menu`
#[derive(Debug)]
pub struct Menu {
    /// The choices, spoken.
    pub prompt: Prompt,
    /// Where the value of the choice goes.
    pub into: Option<VarId>,
    /// What is chosen is the caller's own: no record says it.
    pub personal: bool,
    /// The choices.
    pub options: Vec<MenuOption>,
    /// Timers and ladders.
    pub input: Input,
    /// After a choice whose option has no arm of its own.
    pub chosen: Arm,
    /// After the last try.
    pub give_up: Arm,
}

impl Node for Menu {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let keys = |option: &MenuOption| option.keys.iter().map(|key| scalar::digit_name(*key)).collect::<String>();
        let arm = |option: &'_ MenuOption| format!("key {}", keys(option)).into();
        let options = self.options.iter().map(|option| (arm(option), option.arm.as_ref().unwrap_or(&self.chosen)));
        options.chain([("give_up".into(), &self.give_up)]).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Chosen(at) => {
                Some(self.options.get(at).and_then(|option| option.arm.as_ref()).unwrap_or(&self.chosen))
            }
            Exit::Outcome("give_up") => Some(&self.give_up),
            _ => None,
        }
    }

    fn prompts(&self) -> Vec<&Prompt> {
        vec![&self.prompt]
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn uses(&self) -> Vec<Use> {
        self.options.iter().filter_map(|option| option.when.as_ref()).map(Use::decision).collect()
    }

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        let at = self.arms().iter().position(|(name, _)| name == outcome);
        let valued = at.and_then(|at| self.options.get(at)).is_some_and(|option| option.value.is_some());
        self.into.filter(|_| valued).into_iter().collect()
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(true)
    }

    fn wants_key(&self, key: Digit) -> bool {
        self.options.iter().any(|option| option.keys.first() == Some(&key))
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
    let into = step.get("into").map(|node| step.build.var(node));
    let node = step.need("options");
    let nodes = node.map(fields::items).unwrap_or_default();
    let var = into.flatten();
    let mut options = Vec::new();
    let mut complete = true;
    let mut keys: Vec<(Vec<Digit>, &fields::Node)> = Vec::new();
    let mut words: Vec<(Place, Words)> = Vec::new();
    for node in &nodes {
        let option = option(step, node, var, &mut keys, &mut words);
        complete &= option.is_some();
        options.extend(option);
    }
    if node.is_some() && nodes.is_empty() {
        step.error("E114", &step.place.clone(), "a menu has options", "write `options:` and a list of them");
    }
    clashes(step, &keys);
    step.build.distinct(&words);
    let input = step.input(&[]);
    let mut arms = step.arms(&["give_up"], &["chosen"])?.into_iter();
    let (give_up, chosen) = (next(&mut arms), next(&mut arms));
    if matches!(into, Some(None)) || !complete || options.is_empty() {
        return None;
    }
    let class = var.and_then(|var| step.build.shared.var(var)).map_or(Class::Public, |var| var.class);
    let personal = class > Class::Public;
    Some(StepKind::Menu(Menu { prompt: prompt?, into: var, personal, options, input, chosen, give_up }))
}

fn option<'n>(
    step: &mut Reader<'_, '_, 'n>,
    node: &'n fields::Node,
    into: Option<VarId>,
    keys: &mut Vec<(Vec<Digit>, &'n fields::Node)>,
    words: &mut Vec<(Place, Words)>,
) -> Option<MenuOption> {
    let fields = Fields::of(node, "an option", step.build.findings)?;
    let key = fields.need("key", "an option", step.build.findings)?;
    let digits = sequence(step, key)?;
    keys.push((digits.clone(), key));
    let words = match fields.get("words") {
        Some(node) => {
            let found = step.build.words(node)?;
            words.push((node.place.clone(), found.clone()));
            Some(found)
        }
        None => None,
    };
    let value = match (fields.get("value"), into) {
        (None, _) => None,
        (Some(_), None) if step.get("into").is_some() => None,
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
    Some(MenuOption { keys: digits, words, value, when, arm })
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
