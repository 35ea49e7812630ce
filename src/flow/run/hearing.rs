//! What is listened for, and who has the floor.
//!
//! While a question can be answered in words somebody is ordered to listen for just these. While the caller speaks, and
//! while what they said is being understood, no timer of the question runs: that has a bound of its own.
//!
//! ```text
//!   prompt ……|<— first —   Speaking(true) ……… Spoken | Unheard | Speaking(false)   — first goes on, or begins anew
//!                          |<—————— no longer than HELD ——————>|
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flow::document::{Ask, ChooseLanguage, Interrupt, Menu, StepKind, Words, YesNo};
use crate::voice::{EarError, Hearing, SpokenGrammar};

use super::asking::{Asking, What};
use super::io::Output;
use super::trace::TraceEvent;
use super::{FlowRun, State};

/// Who listens to what, and whether the caller speaks.
#[derive(Default)]
pub(super) struct Floor {
    /// What was ordered to be listened for.
    ordered: Option<Hearing>,
    /// The caller speaks, or is being understood: timers wait until then.
    held: Option<Instant>,
    /// They began while a prompt played that a voice interrupts and a question follows.
    pub(super) into_prompt: bool,
    /// How often in this question nobody could tell what was said.
    unheard: u8,
}

impl Floor {
    /// Another question.
    pub(super) const fn question(&mut self) {
        self.unheard = 0;
    }

    /// Until when the timers of a question wait, if they do.
    pub(super) fn held(&self, asking: &Asking) -> Option<Instant> {
        self.held.filter(|_| !asking.typing())
    }

    /// The caller has finished.
    pub(super) const fn give_back(&mut self) {
        self.held = None;
        self.into_prompt = false;
    }
}

impl FlowRun {
    /// The caller speaks, or was only taken for somebody who does.
    pub(super) fn speaking(&mut self, now: Instant, on: bool) {
        if on {
            self.floor.held = Some(now + HELD);
        } else {
            self.floor.give_back();
        }
    }

    /// The caller said something, and nobody can tell what. That is no mistake of theirs: they have their time again, and keys.
    pub(super) fn unheard(&mut self, now: Instant, why: EarError) {
        self.floor.give_back();
        let State::Asking(asking) = &mut self.state else { return };
        if asking.typing() {
            return;
        }
        self.trace(TraceEvent::Unheard { why: why.name() });
        if self.floor.unheard < PATIENCE
            && let State::Asking(asking) = &mut self.state
        {
            self.floor.unheard += 1;
            asking.listen_anew(now);
        }
    }

    /// Nobody has told in time what the caller said.
    pub(super) fn held_too_long(&mut self, now: Instant) {
        // Whatever still comes is for an order that is no longer.
        if self.floor.ordered.take().is_some() {
            self.emit(Output::Hear(None));
        }
        self.unheard(now, EarError::Unreachable);
    }

    /// Orders somebody to listen for what fits now, or to stop: only when that changes.
    pub(super) fn hearing_minds(&mut self) {
        let wanted = self.hearing();
        if self.floor.ordered != wanted && !self.finished() {
            // What is being understood was said to another question: nobody tells any more what it was.
            let others = self.floor.ordered.as_ref().is_some_and(|one| {
                one.grammar.is_some() && !wanted.as_ref().is_some_and(|other| one.asks_alike(other))
            });
            if wanted.is_none() || others {
                self.floor.give_back();
            }
            self.floor.ordered.clone_from(&wanted);
            self.emit(Output::Hear(wanted));
        }
    }

    /// Whether what is said is anybody's: while keys are secret only where the secret itself may be said.
    pub(super) fn may_speak(&self) -> bool {
        !self.secure || matches!(&self.state, State::Asking(asking) if asking.is_aloud())
    }

    /// What was ordered is no longer listened for: a secret begins.
    pub(super) fn stops_listening(&mut self) {
        self.floor.ordered = None;
    }

    /// Whether somebody knows the words of the language that the call is in.
    pub(super) fn heard_here(&self) -> bool {
        self.facts.knows(self.language())
    }

    fn hearing(&self) -> Option<Hearing> {
        if !self.may_speak() || !self.abilities().speech {
            return None;
        }
        match &self.state {
            // What is said into it may answer the question that follows.
            State::Saying(saying) if saying.interrupt() == Interrupt::KeysAndSpeech => {
                let follows = self.playing.is_some() && self.question_follows();
                follows.then(|| self.listening_for(None, (WORD, LONGEST), false))
            }
            State::Asking(asking) if asking.may_hear_words() => {
                if let Some(hearing) = self.hearing_a_voice(asking) {
                    return Some(hearing);
                }
                let grammar = self.grammar(asking).filter(|_| self.heard_here())?;
                let counts = asking.hears_words() || self.floor.into_prompt;
                let (between, total) = asking.bounds();
                let ends = (pause(&grammar).min(between), total.min(LONGEST));
                Some(Hearing { secret: asking.secret, ..self.listening_for(Some(grammar), ends, counts) })
            }
            _ => None,
        }
    }

    fn listening_for(
        &self,
        grammar: Option<SpokenGrammar>,
        (silence, longest): (Duration, Duration),
        counts: bool,
    ) -> Hearing {
        let language = Arc::from(self.language());
        Hearing { grammar, language, expected: None, secret: false, silence, longest, counts }
    }

    /// What may be said to the question under way; `None` when it can't be answered by words.
    pub(super) fn grammar(&self, asking: &Asking) -> Option<SpokenGrammar> {
        let step = self.current(&self.app)?;
        match (step, &asking.what) {
            (StepKind::Ask(step), _) if !step.speech => None,
            (_, _) if asking.reading.is_some() => Some(SpokenGrammar::YesNo(Vec::new())),
            (StepKind::Ask(step), _) => Some(asked(step)),
            (StepKind::Menu(step), What::Choice(offered)) => self.options(step, offered),
            (StepKind::Confirm(step), _) => Some(self.either(&step.answers)),
            (StepKind::Consent(step), _) => Some(self.either(&step.answers)),
            (StepKind::ChooseLanguage(step), _) => languages(step),
            (_, What::Factor { challenge, .. }) if asking.is_aloud() => {
                let (min, max) = challenge.digits.clone().into_inner();
                Some(SpokenGrammar::Digits { min: min.into(), max: max.into() })
            }
            _ => None,
        }
    }

    fn options(&self, step: &Menu, offered: &[usize]) -> Option<SpokenGrammar> {
        let words = |at: &usize| step.options.get(*at).and_then(|option| option.words.as_ref());
        let phrases = (0..).zip(offered).flat_map(|(number, at)| {
            let words = words(at).map_or(&[][..], |words| words.in_language(self.language));
            words.iter().map(move |phrase| (number, Arc::clone(phrase)))
        });
        some(phrases.collect())
    }

    /// Yes and no, in words of the step too.
    fn either(&self, answers: &YesNo) -> SpokenGrammar {
        let own = |words: &Option<Words>, means: u16| -> Vec<(u16, Arc<str>)> {
            let words = words.as_ref().map_or(&[][..], |words| words.in_language(self.language));
            words.iter().map(|phrase| (means, Arc::clone(phrase))).collect()
        };
        let mut phrases = own(&answers.yes_words, YES);
        phrases.extend(own(&answers.no_words, NO));
        SpokenGrammar::YesNo(phrases)
    }
}

fn asked(step: &Ask) -> SpokenGrammar {
    let (min, max) = (usize::from(step.digits.min), usize::from(step.digits.max));
    match step {
        Ask { yes_no: true, .. } => SpokenGrammar::YesNo(Vec::new()),
        Ask { date: Some(_), .. } => SpokenGrammar::Date,
        Ask { money: Some(_), .. } => SpokenGrammar::Money,
        _ => SpokenGrammar::Digits { min, max },
    }
}

fn languages(step: &ChooseLanguage) -> Option<SpokenGrammar> {
    let words = (0..).zip(&step.words).flat_map(|(number, (language, words))| {
        words.in_language(*language).iter().map(move |phrase| (number, Arc::clone(phrase)))
    });
    some(words.collect())
}

fn some(phrases: Vec<(u16, Arc<str>)>) -> Option<SpokenGrammar> {
    (!phrases.is_empty()).then_some(SpokenGrammar::Phrases(phrases))
}

/// The silence that ends what is said: whoever says a number pauses between its groups.
const fn pause(grammar: &SpokenGrammar) -> Duration {
    match grammar {
        SpokenGrammar::YesNo(_) | SpokenGrammar::Phrases(_) => WORD,
        SpokenGrammar::Digits { .. }
        | SpokenGrammar::Date
        | SpokenGrammar::Money
        | SpokenGrammar::Letters { .. }
        | SpokenGrammar::Free => NUMBER,
    }
}

const WORD: Duration = Duration::from_millis(600);
const NUMBER: Duration = Duration::from_millis(1_000);
/// The longest that recognisers listen to.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest speech, twice over, and the time to understand it.
const HELD: Duration = Duration::from_secs(50);
/// So often somebody has their time again whom nobody could hear.
const PATIENCE: u8 = 2;
const YES: u16 = 1;
const NO: u16 = 0;
