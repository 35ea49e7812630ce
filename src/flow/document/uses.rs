//! What an application needs from outside: recordings, queues, targets.

use std::collections::BTreeSet;

use super::ast::{Application, Arm, Format, LanguageId, Piece, Prompt};
use super::{Step, StepKind};
use crate::flow::ClipKey;
use crate::flow::expr::{Expr, Type};

/// What is spoken in which language, and what it is.
type Spoken = (LanguageId, Format, Option<Type>);

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
        let mut spoken: Vec<Spoken> = Vec::new();
        for step in self.all_steps() {
            clips.extend(step.kind.node().clips());
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
        for (language, format, ty) in spoken {
            clips.extend(
                self.language(language)
                    .map(|tag| crate::flow::prompt::vocabulary(tag, format, ty.as_ref()))
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
        spoken: &mut Vec<Spoken>,
    ) {
        for pieces in [prompt.in_language(language), prompt.to_who_is_heard(language)] {
            self.piece_clips(pieces, language, clips, spoken);
        }
    }

    fn piece_clips(
        &self,
        pieces: &[Piece],
        language: LanguageId,
        clips: &mut BTreeSet<ClipKey>,
        spoken: &mut Vec<Spoken>,
    ) {
        let Some(tag) = self.language(language) else { return };
        for piece in pieces {
            match piece {
                Piece::Clip(clip) => {
                    clips.insert(clip.clone());
                }
                Piece::Plural { branches, .. } => {
                    for (_, pieces) in branches {
                        self.piece_clips(pieces, language, clips, spoken);
                    }
                }
                Piece::Value { expr, format } => {
                    if matches!(format, Format::Word | Format::List(_)) {
                        let words = self.words_of(expr);
                        clips.extend(words.iter().map(|word| ClipKey::new(format!("{tag}/words/{word}"))));
                    }
                    let wanted = (language, *format, self.type_of(expr));
                    if !spoken.contains(&wanted) {
                        spoken.push(wanted);
                    }
                }
            }
        }
    }

    /// What an expression is.
    fn type_of(&self, expr: &Expr) -> Option<Type> {
        match expr {
            Expr::Var(var) => self.var(*var).map(|var| var.ty.clone()),
            Expr::Field(field) => Some(field.ty()),
            _ => None,
        }
    }

    /// The words that an expression can be, or hold.
    fn words_of(&self, expr: &Expr) -> Vec<String> {
        let ty = self.type_of(expr);
        match ty {
            Some(Type::Enum(words)) => words.iter().map(ToString::to_string).collect(),
            Some(Type::Level) => {
                let levels = self.policy.levels.iter().map(|level| level.name.to_string());
                levels.chain(["none".to_owned()]).collect()
            }
            Some(Type::List) => {
                self.policy.factors.iter().map(|factor| factor.factor.name().to_owned()).collect()
            }
            Some(Type::Band) => {
                let bands = self.risk.iter().flat_map(|risk| &risk.bands);
                bands.map(|band| band.name.to_string()).collect()
            }
            Some(Type::Language) => self.languages.iter().map(|language| language.tag.clone()).collect(),
            _ => Vec::new(),
        }
    }
}
