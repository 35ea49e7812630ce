//! What an application needs from outside: recordings, queues, targets.

use std::collections::BTreeSet;

use super::ast::{Application, Arm, Format, LanguageId, Piece, Prompt};
use super::step_kind::{Readback, Step, StepKind};
use crate::flow::ClipKey;
use crate::flow::expr::{Expr, Type};

impl Application {
    /// Every step, with those inside of arms.
    pub(crate) fn all_steps(&self) -> Vec<&Step> {
        let mut out = Vec::new();
        let mut open: Vec<&Step> = self.blocks.iter().flat_map(|block| &block.steps).collect();
        while let Some(step) = open.pop() {
            out.push(step);
            open.extend(step.kind.arms().into_iter().filter_map(|(_, arm)| match arm {
                Arm::Step(step) => Some(&**step),
                _ => None,
            }));
        }
        out
    }

    /// The queues that it waits in.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<String> {
        let queue = |step: &&Step| match &step.kind {
            StepKind::Queue(queue) => Some(queue.name.clone()),
            _ => None,
        };
        self.all_steps().iter().filter_map(queue).collect()
    }

    /// The SIP addresses that it transfers to.
    #[must_use]
    pub fn transfer_targets(&self) -> BTreeSet<String> {
        let target = |step: &&Step| match &step.kind {
            StepKind::Transfer(transfer) => Some(transfer.uri.clone()),
            _ => None,
        };
        self.all_steps().iter().filter_map(target).collect()
    }

    /// Every recording that can be played: prompts in all languages, what spoken values are made of, music,
    /// tones.
    #[must_use]
    pub fn clips(&self) -> BTreeSet<ClipKey> {
        let mut clips: BTreeSet<ClipKey> = BTreeSet::new();
        let mut spoken: Vec<(LanguageId, Format)> = Vec::new();
        for step in self.all_steps() {
            match &step.kind {
                StepKind::Play(play) => {
                    clips.insert(play.clip.clone());
                }
                StepKind::Queue(queue) => {
                    clips.insert(queue.music.clone());
                }
                StepKind::Transfer(_) => {
                    clips.insert(ClipKey::new("tones/ringback"));
                }
                _ => {}
            }
            let only = match &step.kind {
                StepKind::ChooseLanguage(choose) => Some(&choose.prompts),
                _ => None,
            };
            for (language, prompt) in only.into_iter().flatten() {
                self.prompt_clips(prompt, *language, &mut clips, &mut spoken);
            }
            for prompt in step.kind.prompts() {
                for language in (0..self.languages.len()).filter_map(|at| u8::try_from(at).ok()) {
                    self.prompt_clips(prompt, LanguageId(language), &mut clips, &mut spoken);
                }
            }
        }
        for (language, format) in spoken {
            clips.extend(
                self.language(language)
                    .map(|tag| crate::flow::prompt::vocabulary(tag, format))
                    .unwrap_or_default(),
            );
        }
        clips
    }

    fn prompt_clips(
        &self,
        prompt: &Prompt,
        language: LanguageId,
        clips: &mut BTreeSet<ClipKey>,
        spoken: &mut Vec<(LanguageId, Format)>,
    ) {
        let Some(tag) = self.language(language) else { return };
        for piece in prompt.in_language(language) {
            match piece {
                Piece::Clip(clip) => {
                    clips.insert(clip.clone());
                }
                Piece::Value { format: Format::Word, expr } => {
                    clips.extend(
                        self.words(expr).iter().map(|word| ClipKey::new(format!("{tag}/words/{word}"))),
                    );
                }
                Piece::Value { format, .. } => {
                    if !spoken.contains(&(language, *format)) {
                        spoken.push((language, *format));
                    }
                }
            }
        }
    }

    /// The words that an expression can be.
    fn words(&self, expr: &Expr) -> Vec<String> {
        let ty = match expr {
            Expr::Var(var) => self.var(*var).map(|var| var.ty.clone()),
            Expr::Field(field) => Some(field.ty()),
            _ => None,
        };
        match ty {
            Some(Type::Enum(words)) => words.iter().map(ToString::to_string).collect(),
            Some(Type::Level) => {
                let levels = self.policy.levels.iter().map(|level| level.name.to_string());
                levels.chain(["none".to_owned()]).collect()
            }
            Some(Type::Language) => self.languages.iter().map(|language| language.tag.clone()).collect(),
            _ => Vec::new(),
        }
    }
}

impl StepKind {
    /// Its outcomes by name, each with its arm.
    #[must_use]
    pub fn arms(&self) -> Vec<(String, &Arm)> {
        macro_rules! arms {
            ($step:ident: $($name:ident),+) => { vec![$((stringify!($name).to_owned(), &$step.$name)),+] };
        }
        match self {
            Self::Answer
            | Self::Say(_)
            | Self::ChooseLanguage(_)
            | Self::Notice(_)
            | Self::Set(_)
            | Self::Goto(_)
            | Self::Return(_)
            | Self::Audit(_)
            | Self::Hangup(_) => Vec::new(),
            Self::Play(step) => arms!(step: finished, failed),
            Self::Ask(step) => arms!(step: filled, give_up),
            Self::Confirm(step) => arms!(step: yes, no, give_up),
            Self::Identify(step) => arms!(step: one, none, many, unavailable),
            Self::Authenticate(step) => arms!(step: reached, insufficient, not_enrolled, locked, unavailable),
            Self::Queue(step) => arms!(step: joined, timeout, full),
            Self::Transfer(step) => arms!(step: done, busy, no_answer, refused, failed),
            Self::Menu(step) => {
                let option = |option: &'_ super::ast::MenuOption| {
                    option.keys.iter().map(|key| super::scalar::digit_name(*key)).collect::<String>()
                };
                let mut out: Vec<(String, &Arm)> = step
                    .options
                    .iter()
                    .map(|o| (format!("key {}", option(o)), o.arm.as_ref().unwrap_or(&step.chosen)))
                    .collect();
                out.push(("give_up".to_owned(), &step.give_up));
                out
            }
            Self::Decide(step) => {
                let cases =
                    step.cases.iter().enumerate().map(|(at, (_, arm))| (format!("case {}", at + 1), arm));
                cases.chain([("otherwise".to_owned(), &step.otherwise)]).collect()
            }
            Self::Run(step) => {
                step.arms.iter().enumerate().map(|(at, arm)| (format!("outcome {}", at + 1), arm)).collect()
            }
            Self::Require(step) => step.otherwise.iter().map(|arm| ("else".to_owned(), arm)).collect(),
            Self::Lookup(step) => {
                let mut out =
                    vec![("ok".to_owned(), &step.ok), ("unavailable".to_owned(), &step.unavailable)];
                out.extend(step.not_found.as_ref().map(|arm| ("not_found".to_owned(), arm)));
                out
            }
        }
    }

    /// Every prompt of it that is said in the call's language.
    #[must_use]
    pub fn prompts(&self) -> Vec<&Prompt> {
        let mut out: Vec<&Prompt> = Vec::new();
        match self {
            Self::Say(step) => out.extend(&step.prompts),
            Self::Notice(step) => out.push(&step.prompt),
            Self::Ask(step) => {
                out.push(&step.prompt);
                if let Readback::ReadBack(prompt) = &step.confirm {
                    out.push(prompt);
                }
            }
            Self::Menu(step) => out.push(&step.prompt),
            Self::Confirm(step) => out.push(&step.prompt),
            Self::Authenticate(step) => {
                out.extend(step.challenge.iter().map(|(_, prompt)| prompt));
                out.push(&step.failed);
                out.extend(step.failed_last.iter().chain(step.silent.iter().map(|(_, prompt)| prompt)));
            }
            Self::Lookup(step) => out.extend(&step.while_waiting),
            Self::Queue(step) => out.extend(step.whisper.iter().chain(&step.announce_place)),
            Self::Transfer(step) => out.extend(&step.whisper),
            Self::Hangup(step) => out.extend(&step.say),
            _ => {}
        }
        let input = match self {
            Self::ChooseLanguage(step) => Some(&step.input),
            Self::Ask(step) => Some(&step.input),
            Self::Menu(step) => Some(&step.input),
            Self::Confirm(step) => Some(&step.input),
            Self::Authenticate(step) => Some(&step.input),
            _ => None,
        };
        if let Some(input) = input {
            out.extend(input.no_input.iter().chain(&input.no_match));
        }
        out
    }
}
