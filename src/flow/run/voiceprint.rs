//! The caller's voice as what they are known by: digits or a phrase that they are asked to say, or what they said
//! before, with their consent.
//!
//! Nobody has to speak. Whoever types instead, stays silent or can't be heard proves it another way, and no mistake is
//! counted. Digits are drawn by chance for each question: a recording of them does not exist.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::factor::voiceprint::{MOST_UTTERANCES, Mode, VoicePolicy};
use crate::auth::{self, Challenge, FactorId, Said, Words};
use crate::flow::document::{Interrupt, StepKind};
use crate::flow::prompt::hear;
use crate::flow::step::Proving;
use crate::secret::Secret;
use crate::units::{CallId, Digit};
use crate::voice::{Hearing, SpokenGrammar};

use super::asking::{Asking, What};
use super::challenge::Wish;
use super::collect::{Expect, Miss};
use super::io::Spoken;
use super::values::Value;
use super::what::ToSay;
use super::{CONSENT_GRANTED, CONSENT_REFUSED, FlowRun, State};

/// What the caller has said in this call, the last of it. As sounds only, and never without consent.
#[derive(Default)]
pub(super) struct Overheard {
    /// Of their own affairs, and not judged yet.
    said: Vec<Said>,
    /// To be known by it.
    judged: Vec<Said>,
    /// What they agreed to last: its purpose, version and language.
    agreed: String,
}

fn keep(kept: &mut Vec<Said>, said: Said) {
    kept.push(said);
    let more = kept.len().saturating_sub(MOST_UTTERANCES);
    kept.drain(..more);
}

impl FlowRun {
    /// Has the caller speak, or judges what they said already.
    pub(super) fn ask_voice(&mut self, now: Instant, step: &Proving<'_>, challenge: Challenge) {
        let app = Arc::clone(&self.app);
        let used = app.policy.factor(FactorId::Voiceprint).filter(|_| self.may_hear_voices());
        let Some(used) = used else { return self.unable(now) };
        let digits = match used.voice.mode {
            Mode::Passive => return self.judge_overheard(now, &used.voice),
            Mode::RandomDigits if !self.heard_here() => return self.unable(now),
            // They are drawn when they are said.
            Mode::RandomDigits => Some(Secret::new(String::new())),
            Mode::Phrase => None,
        };
        let another = step.ways.another_key.filter(|_| challenge.another);
        let wishes = another.into_iter().map(|key| (key, Wish::Another)).collect();
        let remark = self.remark.take();
        let what = What::Factor { challenge, remark, wishes, voice: Some(ToSay { digits }) };
        // What is typed is no answer, but has to end before the next question begins.
        let typed = Expect::Digits { min: 1, max: LONGEST_TYPED, end: Some(Digit::HASH) };
        let asking = Asking::new(what, typed, step.input, false).interrupted_by_keys_at_most();
        self.start_asking(now, asking);
    }

    /// Whether somebody hears the caller, and voices can be compared.
    pub(crate) const fn hears_voices(&self) -> bool {
        self.abilities().speech && self.abilities().voice
    }

    /// Whether that is so, and the caller has not said no.
    fn may_hear_voices(&self) -> bool {
        self.hears_voices() && !self.said_of_voices(CONSENT_REFUSED)
    }

    /// Whether the caller has said this to the question whether their voice may be used.
    fn said_of_voices(&self, answer: &str) -> bool {
        let used = self.app.policy.factor(FactorId::Voiceprint);
        let var = used.and_then(|used| self.app.consents.get(&used.voice.consent));
        let slot = var.and_then(|var| self.slots.get(var.index()));
        slot.is_some_and(|slot| slot.equals(&Value::text(answer)))
    }

    /// Whether the caller has agreed that their voice is used.
    pub(crate) fn agreed_to_voices(&self) -> bool {
        self.said_of_voices(CONSENT_GRANTED) && self.may_hear_voices()
    }

    /// The caller has agreed to this, in these words.
    pub(crate) fn agreed_by(&mut self, purpose: &str, version: &str) {
        if purpose == self.purpose_of_voices() {
            let version = if version.is_empty() { String::new() } else { format!(", version {version}") };
            self.overheard.agreed = format!("{purpose}{version}, {}", self.language());
        }
    }

    /// What is kept with a voice: what was agreed to, and where.
    pub(crate) fn agreement(&self, call: CallId) -> String {
        format!("{}, agreed to in call {call}", self.overheard.agreed)
    }

    /// The purpose that callers are asked for.
    pub(crate) fn purpose_of_voices(&self) -> &str {
        self.app.policy.factor(FactorId::Voiceprint).map_or("", |used| &used.voice.consent)
    }

    /// Others each time they are said: whoever has heard them before had time to have them made.
    pub(super) fn draw_digits(&mut self) {
        let State::Asking(asking) = &self.state else { return };
        let What::Factor { challenge, voice: Some(ToSay { digits: Some(_) }), .. } = &asking.what else {
            return;
        };
        let count = *challenge.digits.end();
        let drawn = self.random_digits(count);
        if let State::Asking(asking) = &mut self.state
            && let What::Factor { voice: Some(to_say), .. } = &mut asking.what
        {
            to_say.digits = Some(drawn);
        }
    }

    fn random_digits(&mut self, count: u8) -> Secret<String> {
        let mut digits = Secret::new(String::with_capacity(usize::from(count)));
        for _ in 0..count {
            let digit = u32::try_from(self.chance(10)).ok().and_then(|n| char::from_digit(n, 10));
            digits.expose_mut().push(digit.unwrap_or('0'));
        }
        digits
    }

    /// What the caller said of their own affairs goes to the judge, if it is enough.
    fn judge_overheard(&mut self, now: Instant, used: &VoicePolicy) {
        let agreed = self.agreed_to_voices();
        let said = std::mem::take(&mut self.overheard.said);
        let speech: Duration = said.iter().map(|said| said.utterance.speech()).sum();
        if !agreed || speech < used.speech_needed {
            return self.unable(now);
        }
        self.is_judged(now, said);
    }

    fn is_judged(&mut self, now: Instant, said: Vec<Said>) {
        if self.agreed_to_voices() {
            said.iter().for_each(|one| keep(&mut self.overheard.judged, one.clone()));
        }
        self.state = State::Proving;
        self.auth.handle(now, auth::Input::Spoken(said));
        self.follow_auth(now);
    }

    /// The caller can't be heard, or would rather not speak.
    pub(super) fn unable(&mut self, now: Instant) {
        self.state = State::Proving;
        self.auth.handle(now, auth::Input::Unable);
        self.follow_auth(now);
    }

    /// Whether the caller is asked to prove who they are by their voice.
    pub(super) fn proves_voice(&self) -> bool {
        let State::Asking(asking) = &self.state else { return false };
        matches!(asking.what, What::Factor { voice: Some(_), .. })
    }

    /// Whether the caller is asked to speak so that their voice is known.
    pub(super) fn asks_for_voice(&self) -> bool {
        match &self.state {
            State::Asking(asking) => match &asking.what {
                What::Factor { voice, .. } => voice.is_some(),
                What::Part { .. } => self.enrols_voice(),
                _ => false,
            },
            _ => false,
        }
    }

    fn enrols_voice(&self) -> bool {
        let voice = |step: &StepKind| step.node().first_code() == Some(FactorId::Voiceprint);
        self.current(&self.app).is_some_and(voice)
    }

    /// What is listened for: the digits, or the voice alone.
    pub(super) fn hearing_a_voice(&self, asking: &Asking) -> Option<Hearing> {
        let digits = match &asking.what {
            What::Factor { voice: Some(to_say), .. } => to_say.digits.clone(),
            What::Part { .. } if self.enrols_voice() => None,
            _ => return None,
        };
        let count = digits.as_ref().map(|digits| digits.expose().len());
        let (between, total) = asking.bounds();
        Some(Hearing {
            grammar: count.map(|count| SpokenGrammar::Digits { min: count, max: count }),
            language: Arc::from(self.language()),
            expected: digits,
            secret: false,
            silence: PAUSE.min(between),
            longest: LONGEST.min(total),
            counts: asking.hears_words(),
        })
    }

    /// The caller has said something that they may be known by.
    pub(super) fn said_for_voice(&mut self, now: Instant, spoken: Spoken) {
        let State::Asking(asking) = &self.state else { return };
        if !asking.hears_words() {
            return; // into the prompt, or while typing
        }
        let words = match &asking.what {
            What::Factor { voice: Some(ToSay { digits: Some(digits) }), .. } => {
                self.said_digits(&spoken, digits)
            }
            _ => Words::Any,
        };
        // Words without a sound have no voice.
        let Some(utterance) = spoken.sound else { return self.miss(now, Miss::NoMatch) };
        let part = match &asking.what {
            What::Part { at, .. } => Some(*at),
            _ => None,
        };
        let said = Said { utterance, words };
        match part {
            Some(at) => self.part_said(now, at, said),
            None => self.is_judged(now, vec![said]),
        }
    }

    /// Whether these digits were said: the surest reading of the recogniser, which does not know them, has to be
    /// them, and sure enough.
    fn said_digits(&self, spoken: &Spoken, digits: &Secret<String>) -> Words {
        let own = |words: &Secret<String>| {
            let heard = hear::digits(self.language(), words.expose());
            heard.is_some_and(|heard| heard.matches(digits.expose().as_bytes()))
        };
        let found = (0_u8..).zip(spoken.readings()).find(|(_, (words, _))| own(words));
        match found {
            Some((0, (_, confidence))) if confidence >= RIGHT => Words::Right,
            Some((_, (_, confidence))) if confidence >= PERHAPS => Words::Unsure,
            _ => Words::Other,
        }
    }

    /// The caller says that they are somebody else, or takes their consent back: what was said before is nobody's.
    pub(crate) fn forget_overheard(&mut self) {
        self.overheard = Overheard::default();
    }

    /// Keeps the sound of what the caller says of their own affairs, if they agreed to it and it may be needed.
    pub(super) fn overhear(&mut self, spoken: &Spoken) {
        let Some(utterance) = spoken.sound.clone() else { return };
        if !self.secure && self.agreed_to_voices() {
            keep(&mut self.overheard.said, Said { utterance, words: Words::Any });
        }
    }

    /// What may tell whether the caller has deceived before: nothing that they did not agree to.
    pub(super) fn heard_with_consent(&self) -> Vec<Said> {
        if !self.agreed_to_voices() {
            return Vec::new();
        }
        let all: Vec<Said> = self.overheard.said.iter().chain(&self.overheard.judged).cloned().collect();
        let more = all.len().saturating_sub(MOST_UTTERANCES);
        all.into_iter().skip(more).collect()
    }

    /// An utterance of an enrolment was said: the step goes on.
    fn part_said(&mut self, now: Instant, at: usize, said: Said) {
        let app = Arc::clone(&self.app);
        match self.current(&app) {
            Some(step) => step.node().said(self, now, at, said),
            None => self.fail(now, "no step to say something for"),
        }
    }
}

impl Asking {
    /// A voice does not cut this prompt short: who is to repeat it has to hear it.
    fn interrupted_by_keys_at_most(mut self) -> Self {
        if self.interrupt == Interrupt::KeysAndSpeech {
            self.interrupt = Interrupt::Keys;
        }
        self
    }
}

/// Percent: what a recogniser has to give the digits that were asked for, and what leaves a doubt. A recording of other
/// digits has next to nothing.
const RIGHT: u8 = 50;
const PERHAPS: u8 = 10;
/// Whoever repeats digits pauses between their groups.
const PAUSE: Duration = Duration::from_millis(1_000);
const LONGEST: Duration = Duration::from_secs(15);
/// More keys than any secret that is typed in the wrong place.
const LONGEST_TYPED: usize = 32;
