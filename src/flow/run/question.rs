//! What is public about a question under way: which verb asks, for what, and which keys choose what.

use std::sync::Arc;

use crate::flow::document::{Application, Arm, Menu, MenuOption, StepKind, YesNo, digit_name};
use crate::flow::expr::Literal;
use crate::units::Digit;

use super::asking::What;
use super::io::Name;
use super::trace::{Choice, TraceEvent};
use super::{CONSENT_GRANTED, CONSENT_REFUSED, FlowRun, State};

impl FlowRun {
    /// Tells that the caller is asked for something.
    pub(super) fn trace_question(&mut self) {
        let app = Arc::clone(&self.app);
        let Some(step) = self.current(&app) else { return };
        let State::Asking(asking) = &self.state else { return };
        let factor = match asking.what() {
            What::Factor { challenge, .. } => Some(Name::from(challenge.factor.name())),
            // The first code of an app or a fob is that factor's code too.
            What::Part { .. } => step.node().first_code().map(|factor| Name::from(factor.name())),
            _ => None,
        };
        let question = match asking.what() {
            What::Factor { challenge, .. } => challenge.question.as_ref().map(|id| Name::from(id.as_str())),
            _ => None,
        };
        let choices = if asking.reads_back() {
            vec![choice("1", "yes"), choice("2", "no")]
        } else {
            choices(&app, step, asking.what())
        };
        let interrupt = asking.hears();
        let verb = step.verb();
        self.trace(TraceEvent::Asks { verb, factor, question, choices, interrupt });
    }
}

fn choices(app: &Application, step: &StepKind, what: &What) -> Vec<Choice> {
    match (step, what) {
        (StepKind::ChooseLanguage(step), _) => {
            let tag = |language| app.language(language).unwrap_or_default();
            step.keys.iter().map(|(key, language)| choice(&typed(&[*key]), tag(*language))).collect()
        }
        (_, What::Method { methods, .. }) => {
            methods.iter().map(|(key, factor)| choice(&typed(&[*key]), factor.name())).collect()
        }
        (_, What::Factor { wishes, .. }) => {
            wishes.iter().map(|(key, wish)| choice(&typed(&[*key]), wish.name())).collect()
        }
        (StepKind::Menu(step), What::Choice(offered)) => {
            let options = offered.iter().filter_map(|at| step.options.get(*at));
            options.map(|option| choice(&typed(&option.keys), &named(app, step, option))).collect()
        }
        (StepKind::Confirm(step), _) => yes_no(&step.answers, ["yes", "no"]),
        (StepKind::Ask(step), _) if step.yes_no => vec![choice("1", "yes"), choice("2", "no")],
        (StepKind::Consent(step), _) => yes_no(&step.answers, [CONSENT_GRANTED, CONSENT_REFUSED]),
        _ => Vec::new(),
    }
}

fn yes_no(answers: &YesNo, [yes, no]: [&str; 2]) -> Vec<Choice> {
    let yes = answers.yes_keys.iter().map(|key| choice(&typed(&[*key]), yes));
    let no = answers.no_keys.iter().map(|key| choice(&typed(&[*key]), no));
    yes.chain(no).collect()
}

/// What an option is called: its value, else the block it leads to, else its keys.
fn named(app: &Application, step: &Menu, option: &MenuOption) -> String {
    let value = option.value.as_ref().filter(|_| !step.personal);
    match (value, option.arm.as_ref().unwrap_or(&step.chosen)) {
        (Some(Literal::Text(text)), _) => text.to_string(),
        (Some(Literal::Number(number)), _) => number.to_string(),
        (Some(Literal::Flag(flag)), _) => flag.to_string(),
        (None, Arm::Goto(block)) => {
            app.block(*block).map_or_else(String::new, |block| block.name.to_string())
        }
        (None, _) => option.keys.iter().map(|key| digit_name(*key)).collect(),
    }
}

fn choice(keys: &str, name: &str) -> Choice {
    Choice { keys: keys.to_owned(), name: Name::from(name) }
}

fn typed(keys: &[Digit]) -> String {
    keys.iter().map(|key| key.as_char()).collect()
}
