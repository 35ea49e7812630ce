//! What a caller says: it answers a question that listens for it, in place of keys.
//!
//! Words under the threshold of [`SURE`] count as something that does not fit, like wrong keys. While a prompt
//! plays only words that answer the question cut it short (and only where the step says `keys_and_speech`); that somebody
//! speaks at all may have done so before, see `voice.rs`. A bad guess alone does not. Secrets are typed: a step that asks for one hears no words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flow::document::{Ask, ChooseLanguage, Confirm, Consent, Interrupt, Menu, StepKind, Words, YesNo};
use crate::flow::prompt::hear;
use crate::secret::Secret;

use super::asking::What;
use super::collect::Miss;
use super::io::Spoken;
use super::trace::TraceEvent;
use super::{FlowRun, State};

/// What words come down to.
enum Meaning {
    /// What would have been typed.
    Typed(Secret<String>),
    /// One of the choices, in the order of their keys.
    Chosen(usize),
}

impl FlowRun {
    pub(crate) fn spoken(&mut self, now: Instant, spoken: Spoken) {
        let into_prompt = self.floor.into_prompt;
        self.floor.give_back();
        if !self.may_speak() {
            return; // what is said while keys are secret is nobody's
        }
        if self.asks_for_voice() {
            return self.said_for_voice(now, spoken);
        }
        self.overhear(&spoken);
        match &self.state {
            State::Saying(saying) if saying.interrupt() == Interrupt::KeysAndSpeech => {
                // Said into a prompt that a question follows: kept for it, like keys typed ahead.
                let kept = sure(&spoken) && self.question_follows();
                if kept {
                    self.words = Some(spoken);
                    self.trace(TraceEvent::Interrupted);
                    self.stop_playing();
                    self.said(now);
                }
            }
            State::Asking(asking) if asking.hears_words() || (into_prompt && asking.may_hear_words()) => {
                let (prompting, listens) = (asking.prompting(), self.grammar(asking).is_some());
                self.trace_heard(&spoken);
                if listens && !self.answer_by(now, &spoken) && !prompting && !is_brief(&spoken) {
                    self.miss(now, Miss::NoMatch);
                }
            }
            _ => {}
        }
    }

    fn trace_heard(&mut self, spoken: &Spoken) {
        if let Some(sound) = &spoken.sound {
            let (confidence, spoke, took) = (spoken.confidence, sound.length(), spoken.took);
            self.trace(TraceEvent::Heard { confidence, spoke, took });
        }
    }

    /// Answers the question under way by these words; `false` when they do not.
    pub(super) fn answer_by(&mut self, now: Instant, spoken: &Spoken) -> bool {
        let Some(meaning) = self.understood(now, spoken) else { return false };
        let State::Asking(asking) = &mut self.state else { return false };
        if asking.stop_prompting() {
            self.stop_playing();
            self.trace(TraceEvent::Interrupted);
        }
        match meaning {
            Meaning::Typed(typed) => self.answered_by(now, typed),
            Meaning::Chosen(choice) => self.chosen(now, choice),
        }
        true
    }

    /// The surest reading that can be an answer at all. That those before it can't be makes it surer: what is left of a
    /// hundred is all there is.
    fn understood(&self, now: Instant, spoken: &Spoken) -> Option<Meaning> {
        let mut left = 100_u32;
        for (words, confidence) in spoken.readings() {
            let confidence = u32::from(confidence);
            if let Some(meaning) = self.meaning(words.expose()).filter(|meaning| self.fits(now, meaning)) {
                return (confidence * 100 >= u32::from(SURE) * left).then_some(meaning);
            }
            left = left.saturating_sub(confidence).max(1);
        }
        None
    }

    /// Whether what would have been typed passes the check of the question: a check digit, a day that is there.
    fn fits(&self, now: Instant, meaning: &Meaning) -> bool {
        match (meaning, self.current(&self.app)) {
            (Meaning::Typed(typed), Some(StepKind::Ask(step))) => {
                self.accepted(now, step, typed.clone()).is_some()
            }
            _ => true,
        }
    }

    fn meaning(&self, text: &str) -> Option<Meaning> {
        let State::Asking(asking) = &self.state else { return None };
        let step = self.current(&self.app)?;
        let tag = self.language();
        let yes_no = || hear::yes_no(tag, text).map(|yes| Meaning::Chosen(usize::from(!yes)));
        match (step, &asking.what) {
            (StepKind::Ask(step), _) if !step.speech => None,
            (_, _) if asking.reading.is_some() => yes_no(),
            (StepKind::Ask(Ask { yes_no: true, .. }), _) => yes_no(),
            (StepKind::Ask(step), _) => typed(tag, step, text).map(Meaning::Typed),
            (StepKind::Menu(step), What::Choice(offered)) => self.option(step, offered, text),
            (StepKind::Confirm(Confirm { answers, .. }) | StepKind::Consent(Consent { answers, .. }), _) => {
                self.yes_or_no(tag, answers, text)
            }
            (StepKind::ChooseLanguage(step), _) => language(step, text),
            (_, What::Factor { challenge, .. }) if asking.is_aloud() => {
                let digits = hear::digits(tag, text)?;
                let count = u8::try_from(digits.expose().len()).ok()?;
                challenge.digits.contains(&count).then_some(Meaning::Typed(digits))
            }
            _ => None,
        }
    }

    fn option(&self, step: &Menu, offered: &[usize], text: &str) -> Option<Meaning> {
        let words = |at: &usize| step.options.get(*at).and_then(|option| option.words.as_ref());
        let phrases = |at| words(at).map_or(&[][..], |words| words.in_language(self.language));
        let choices: Vec<&[Arc<str>]> = offered.iter().map(phrases).collect();
        hear::one_of(&choices, text).map(Meaning::Chosen)
    }

    /// The step's own words first, then those that everybody uses.
    fn yes_or_no(&self, tag: &str, answers: &YesNo, text: &str) -> Option<Meaning> {
        let phrases = |words: &Option<Words>| match words {
            Some(words) => words.in_language(self.language).to_vec(),
            None => Vec::new(),
        };
        let (yes, no) = (phrases(&answers.yes_words), phrases(&answers.no_words));
        let own = hear::one_of(&[&yes, &no], text).map(|at| at == 0);
        let yes = own.or_else(|| hear::yes_no(tag, text))?;
        Some(Meaning::Chosen(if yes { 0 } else { answers.yes_keys.len() }))
    }
}

/// What a number or a day would have been typed as; `None` when it does not fit.
fn typed(tag: &str, step: &Ask, text: &str) -> Option<Secret<String>> {
    let typed = match step.date {
        Some(_) => Secret::new(hear::as_typed(tag, hear::date(tag, text)?)),
        None if step.money.is_some() => hear::amount(tag, text)?,
        None => hear::digits(tag, text)?,
    };
    let (min, max) = (usize::from(step.digits.min), usize::from(step.digits.max));
    (min..=max).contains(&typed.expose().len()).then_some(typed)
}

/// A language by its own words.
fn language(step: &ChooseLanguage, text: &str) -> Option<Meaning> {
    let choices: Vec<&[Arc<str>]> = step.words.iter().map(|(id, words)| words.in_language(*id)).collect();
    let (language, _) = step.words.get(hear::one_of(&choices, text)?)?;
    step.keys.iter().position(|(_, other)| other == language).map(Meaning::Chosen)
}

const fn sure(spoken: &Spoken) -> bool {
    spoken.confidence >= SURE
}

/// Whether it may have been a cough, or a door: it can answer, and is no wrong answer.
fn is_brief(spoken: &Spoken) -> bool {
    spoken.sound.as_ref().is_some_and(|sound| sound.speech() < BRIEF)
}

/// A word of one syllable has as much speech, most of them more.
const BRIEF: Duration = Duration::from_millis(250);
/// Percent: below it a recogniser guesses, and the caller is asked again.
const SURE: u8 = 50;
