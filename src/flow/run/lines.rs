//! What is said in an input step: the question, the ladder after a miss, the answer read back, the challenge of
//! a factor.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::FactorId;
use crate::flow::ClipKey;
use crate::flow::document::{
    Application, Ask, Confirm, Consent, LanguageId, Menu, Prompt, Readback, StepKind,
};
use crate::flow::step::Proving;

use super::asking::What;
use super::challenge::{Remark, Wish};
use super::collect::Miss;
use super::io::Name;
use super::{FlowRun, State};

/// What is said.
#[derive(Clone, Copy)]
pub(super) enum Line {
    Question,
    After(Miss, usize),
    Readback,
}

impl FlowRun {
    /// What to play for a line, and which prompts that are.
    pub(super) fn line(&self, now: Instant, line: Line) -> (Vec<ClipKey>, Vec<Name>) {
        let app = Arc::clone(&self.app);
        let (State::Asking(asking), Some(step)) = (&self.state, self.current(&app)) else {
            return (Vec::new(), Vec::new());
        };
        let said = match asking.what {
            What::Part { at, .. } => step.node().part(self, at).and_then(|part| part.answer),
            _ => None,
        };
        let mut scope = self.scope(now);
        scope.answer =
            asking.reading.as_ref().filter(|_| !asking.secret).map(|(answer, _)| answer.expose().as_str());
        scope.answer = scope.answer.or(said.as_deref());
        if let What::Factor { challenge, .. } = &asking.what {
            scope.match_number = challenge.match_number.as_deref();
        }
        if let What::Factor { voice: Some(to_say), .. } = &asking.what {
            scope.spoken_digits = to_say.digits.as_ref().map(|digits| digits.expose().as_str());
        }
        if let What::Factor { remark, .. } | What::Method { remark, .. } = &asking.what {
            scope.tries_left = remark.and_then(Remark::tries_left);
        }
        let mut clips = Vec::new();
        let mut names = Vec::new();
        for (language, prompt) in prompts(self, &app, step, &asking.what, line) {
            scope.language = language.unwrap_or(self.language);
            clips.extend(scope.render(prompt));
            names.push(Name::from(&prompt.key));
        }
        (clips, names)
    }
}

type Said<'a> = (Option<LanguageId>, &'a Prompt);

/// The prompts of a line, each in its own language where it has one.
fn prompts<'a>(
    run: &FlowRun,
    app: &'a Application,
    step: &'a StepKind,
    what: &What,
    line: Line,
) -> Vec<Said<'a>> {
    if let Some(proving) = step.node().proving() {
        return challenge(&proving, what, line);
    }
    let Some(input) = step.node().input() else { return Vec::new() };
    let ladder = match line {
        Line::After(Miss::NoInput, rung) => input.no_input.get(rung).or_else(|| input.no_input.last()),
        Line::After(Miss::NoMatch, rung) => input.no_match.get(rung).or_else(|| input.no_match.last()),
        Line::Question | Line::Readback => None,
    };
    match (ladder, step, line) {
        (Some(prompt), _, _) => vec![(None, prompt)],
        (None, _, _) if let What::Part { at, remark } = what => {
            let node = step.node();
            let remark = remark.and_then(|remark| node.remark(remark));
            let question = node.part(run, *at).map(|part| part.prompt);
            remark.into_iter().chain(question).map(|prompt| (None, prompt)).collect()
        }
        (_, StepKind::Ask(Ask { confirm: Readback::ReadBack(prompt), .. }), Line::Readback) => {
            vec![(None, prompt)]
        }
        (_, StepKind::ChooseLanguage(step), _) => {
            let known = |id: &LanguageId| app.language(*id).is_some();
            step.prompts.iter().filter(|(id, _)| known(id)).map(|(id, prompt)| (Some(*id), prompt)).collect()
        }
        (_, StepKind::Ask(Ask { prompt, .. }), _)
        | (_, StepKind::Menu(Menu { prompt, .. }), _)
        | (_, StepKind::Confirm(Confirm { prompt, .. }) | StepKind::Consent(Consent { prompt, .. }), _) => {
            vec![(None, prompt)]
        }
        _ => Vec::new(),
    }
}

/// What is said for a factor: first that the last response was wrong, in words that do not tell why. Or what
/// there is to choose from.
fn challenge<'a>(step: &Proving<'a>, what: &What, line: Line) -> Vec<Said<'a>> {
    let own = |prompts: &'a [(FactorId, Prompt)], wanted: FactorId| {
        prompts.iter().find(|(factor, _)| *factor == wanted).map(|(_, prompt)| prompt)
    };
    let said: Vec<&'a Prompt> = match what {
        What::Method { methods, remark } => {
            let offered = |wanted: FactorId| methods.iter().any(|(_, factor)| *factor == wanted);
            let choices = step.choose.iter().filter(|(factor, _)| factor.is_none_or(offered));
            let remark = remark.and_then(|remark| remark.prompt(step));
            remark.into_iter().chain(choices.map(|(_, prompt)| prompt)).collect()
        }
        What::Factor { challenge, remark, wishes, .. } => {
            let silent = own(step.silent, challenge.factor);
            let remark = remark.and_then(|remark| remark.prompt(step));
            let own_question = challenge.question.as_ref().and_then(|wanted| {
                step.questions.iter().find(|(question, _)| question == wanted).map(|(_, prompt)| prompt)
            });
            let question = match (line, silent) {
                (Line::After(Miss::NoInput, _), Some(silent)) => Some(silent),
                _ => own_question.or_else(|| own(step.challenge, challenge.factor)),
            };
            let wishes = wishes.iter().filter_map(|(_, wish)| match wish {
                Wish::Again => step.ways.again.as_ref(),
                Wish::Another => step.ways.another.as_ref(),
            });
            remark.into_iter().chain(question).chain(wishes).collect()
        }
        _ => return Vec::new(),
    };
    said.into_iter().map(|prompt| (None, prompt)).collect()
}
