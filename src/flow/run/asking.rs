//! The steps that wait for keys: `choose_language`, `ask`, `menu`, `confirm`, and the challenges of
//! `authenticate`. All share one course: prompt, [`Collect`], retry with the ladder's next rung, give up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flow::document::{
    Always, Ask, Check, Class, Confirm, Consent, Input, Interrupt, Menu, Readback, StepKind,
};
use crate::flow::prompt::hear;
use crate::secret::Secret;
use crate::units::Digit;

use super::challenge::Wish;
use super::collect::{Collect, Expect, Heard, Miss, Next, Rules};
use super::exit::Exit;
use super::io::Name;
use super::lines::Line;
use super::numbers::luhn;
use super::parts::Entry;
use super::trace::TraceEvent;
use super::values::Value;
pub(super) use super::what::What;
use super::{FlowRun, State};

/// An input step under way.
pub(super) struct Asking {
    pub(super) what: What,
    collect: Collect,
    /// The answer that is read back, and the keys that judge it.
    pub(super) reading: Option<(Secret<String>, Collect)>,
    prompting: bool,
    pub(super) interrupt: Interrupt,
    always: bool,
    pub(super) secret: bool,
    /// A secret that may be said.
    aloud: bool,
    end: Option<Digit>,
    between: Duration,
    yes_no: Rules,
}

impl Asking {
    /// Whether the caller is asked to prove something.
    pub(super) const fn is_proof(&self) -> bool {
        matches!(self.what, What::Factor { .. } | What::Method { .. })
    }

    pub(super) fn new(what: What, expect: Expect, input: &Input, secret: bool) -> Self {
        let end = match &expect {
            Expect::Digits { end, .. } => *end,
            Expect::Keys(_) => None,
        };
        let rules = Rules {
            expect,
            first: input.first,
            between: input.between,
            total: input.total,
            tries: u32::from(input.tries),
        };
        let keep_or_again = vec![key('1'), key('2')];
        let yes_no = Rules { expect: Expect::Keys(keep_or_again), ..rules.clone() };
        Self {
            what,
            collect: Collect::new(rules),
            reading: None,
            prompting: false,
            interrupt: input.interrupt,
            always: input.always,
            secret,
            aloud: false,
            end,
            between: input.between,
            yes_no,
        }
    }

    /// With another wait for the first key.
    pub(super) fn waiting(mut self, first: Duration) -> Self {
        self.collect.wait(first);
        self
    }

    /// With an answer that may be said, though it is secret.
    pub(super) fn aloud(mut self, aloud: bool) -> Self {
        self.aloud = aloud;
        self
    }

    /// Whether the answer is a secret that may be said.
    pub(super) const fn is_aloud(&self) -> bool {
        self.secret && self.aloud
    }

    /// What a key means that is no response: only before one is begun.
    fn wish(&self, key: Digit) -> Option<Wish> {
        let What::Factor { wishes, .. } = &self.what else { return None };
        let found = wishes.iter().find(|(own, _)| *own == key && !self.collect.typing());
        found.map(|(_, wish)| *wish)
    }

    /// Whether a key is for this step now; while a prompt that nothing interrupts plays, it is not.
    pub(crate) const fn hears(&self) -> bool {
        !self.prompting || !matches!(self.interrupt, Interrupt::Never)
    }

    /// Whether words are for this step now. Whoever types does not speak to it.
    pub(super) fn hears_words(&self) -> bool {
        let heard = !self.prompting || self.interrupt == Interrupt::KeysAndSpeech;
        heard && self.may_hear_words()
    }

    /// Whether words are, or will be when the prompt is over.
    pub(super) fn may_hear_words(&self) -> bool {
        !self.typing() && (!self.secret || self.aloud)
    }

    /// Whether part of an answer is typed.
    pub(super) fn typing(&self) -> bool {
        self.collecting().typing()
    }

    /// The longest pause within an answer, and the longest answer.
    pub(super) const fn bounds(&self) -> (Duration, Duration) {
        (self.between, self.yes_no.total)
    }

    /// The caller has all their time again.
    pub(super) fn listen_anew(&mut self, now: Instant) {
        self.active().listen_anew(now);
    }

    pub(super) const fn prompting(&self) -> bool {
        self.prompting
    }

    /// The prompt is cut short; whether there was one.
    pub(super) const fn stop_prompting(&mut self) -> bool {
        std::mem::replace(&mut self.prompting, false)
    }

    pub(super) const fn what(&self) -> &What {
        &self.what
    }

    /// Whether the answer is being read back.
    pub(super) const fn reads_back(&self) -> bool {
        self.reading.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.collecting().deadline()
    }

    fn collecting(&self) -> &Collect {
        self.reading.as_ref().map_or(&self.collect, |(_, collect)| collect)
    }

    fn active(&mut self) -> &mut Collect {
        self.reading.as_mut().map_or(&mut self.collect, |(_, collect)| collect)
    }
}

impl FlowRun {
    pub(crate) fn begin_asking(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let Some(step) = self.current(&app) else { return self.fail(now, "no step to ask for") };
        let asking = match step {
            StepKind::ChooseLanguage(step) => {
                let keys = step.keys.iter().map(|(key, _)| vec![*key]).collect();
                Asking::new(What::Language, Expect::Keys(keys), &step.input, false)
            }
            StepKind::Ask(step) if step.yes_no => {
                let keys = vec![key('1'), key('2')];
                Asking::new(
                    What::YesNo { yes: 1 },
                    Expect::Keys(keys),
                    &step.input,
                    step.class >= Class::Secret,
                )
            }
            StepKind::Ask(step) => {
                let (min, max) = (usize::from(step.digits.min), usize::from(step.digits.max));
                let expect = Expect::Digits { min, max, end: step.digits.end };
                Asking::new(What::Digits, expect, &step.input, step.class >= Class::Secret)
            }
            StepKind::Menu(step) => self.offer(now, step),
            StepKind::Confirm(Confirm { answers, input, .. })
            | StepKind::Consent(Consent { answers, input, .. }) => {
                let keys = answers.keys().map(|key| vec![key]).collect();
                let yes = answers.yes_keys.len();
                Asking::new(What::YesNo { yes }, Expect::Keys(keys), input, false)
            }
            _ => return self.fail(now, "a step that asks nothing"),
        };
        self.start_asking(now, asking);
    }

    /// The choices whose conditions hold now.
    fn offer(&self, now: Instant, step: &Menu) -> Asking {
        let scope = self.scope(now);
        let offered = |(_, option): &(usize, &crate::flow::document::MenuOption)| {
            option.when.as_ref().is_none_or(|condition| scope.holds(condition))
        };
        let (options, keys) = step
            .options
            .iter()
            .enumerate()
            .filter(offered)
            .map(|(at, option)| (at, option.keys.clone()))
            .unzip();
        Asking::new(What::Choice(options), Expect::Keys(keys), &step.input, false)
    }

    pub(super) fn start_asking(&mut self, now: Instant, asking: Asking) {
        if asking.secret {
            // What was typed before nobody asked for a secret is no secret.
            self.keys.clear();
            self.set_secure(true);
        }
        self.state = State::Asking(Box::new(asking));
        self.floor.question();
        let words = self.words.take();
        if !words.is_some_and(|words| self.answer_by(now, &words)) {
            self.prompt(now, Line::Question);
        }
    }

    /// Says a line and listens; keys typed ahead stand for having heard it.
    fn prompt(&mut self, now: Instant, line: Line) {
        let ahead = !self.keys.is_empty();
        self.draw_digits();
        let (clips, prompts) = self.line(now, line);
        let State::Asking(asking) = &mut self.state else { return };
        asking.active().prompting();
        match &mut asking.what {
            // Said once.
            What::Factor { remark, .. } | What::Method { remark, .. } => *remark = None,
            What::Part { remark, .. } => *remark = None,
            _ => {}
        }
        let skip = ahead && asking.interrupt != Interrupt::Never;
        asking.prompting = !skip && !clips.is_empty();
        if !asking.prompting {
            asking.active().listening(now);
            if skip {
                self.trace(TraceEvent::Interrupted);
            }
            self.trace_question();
            self.trace(TraceEvent::Waits);
            return self.feed(now);
        }
        for prompt in prompts {
            self.trace(TraceEvent::Prompt { prompt });
        }
        self.trace_question();
        self.start_playing(clips, false);
    }

    pub(crate) fn prompt_finished(&mut self, now: Instant) {
        if let State::Asking(asking) = &mut self.state {
            asking.prompting = false;
            asking.active().listening(now);
            self.trace(TraceEvent::Waits);
        }
        self.feed(now);
    }

    /// Hands over the keys that were typed ahead.
    fn feed(&mut self, now: Instant) {
        while matches!(&self.state, State::Asking(asking) if asking.hears()) {
            let Some(key) = self.keys.pop(now) else { return };
            self.asked_key(now, key);
        }
    }

    /// A key for the step under way, or an `always` key. In a number a digit is always part of the number.
    pub(crate) fn asked_key(&mut self, now: Instant, key: Digit) {
        let app = Arc::clone(&self.app);
        let State::Asking(asking) = &mut self.state else { return };
        let wish = asking.wish(key);
        let always = asking.always && !asking.active().wants(key);
        let interrupts = std::mem::take(&mut asking.prompting);
        if interrupts {
            self.stop_playing();
            self.trace(TraceEvent::Interrupted);
        }
        if let Some(wish) = wish {
            return self.wished(now, wish);
        }
        if let Some(found) = app.always.iter().find(|found| always && found.key == key) {
            return self.always(now, found.does);
        }
        let State::Asking(asking) = &mut self.state else { return };
        let heard = asking.active().key(now, key);
        self.heard(now, heard);
    }

    fn always(&mut self, now: Instant, does: Always) {
        match does {
            Always::Repeat => {
                self.keys.clear();
                let reading = matches!(&self.state, State::Asking(asking) if asking.reading.is_some());
                self.prompt(now, if reading { Line::Readback } else { Line::Question });
            }
            Always::Goto(block) => {
                self.leave(now);
                self.jump(now, block);
            }
        }
    }

    pub(crate) fn input_timeout(&mut self, now: Instant) {
        let State::Asking(asking) = &mut self.state else { return };
        let heard = asking.active().timeout(now);
        self.heard(now, heard);
    }

    fn heard(&mut self, now: Instant, heard: Heard) {
        match heard {
            Heard::More => {}
            Heard::Filled { by_end } => self.filled(now, by_end),
            Heard::Chosen(choice) => self.chosen(now, choice),
            Heard::NoInput => self.miss(now, Miss::NoInput),
            Heard::NoMatch => self.miss(now, Miss::NoMatch),
        }
    }

    fn filled(&mut self, now: Instant, by_end: bool) {
        let State::Asking(asking) = &mut self.state else { return };
        if !by_end {
            self.keys.expect_stray(asking.end.unwrap_or(Digit::HASH), now + asking.between);
        }
        let typed = asking.collect.take();
        match asking.what {
            // Whoever types does not want to speak.
            What::Factor { voice: Some(_), .. } => self.unable(now),
            What::Factor { .. } => self.respond(now, typed),
            What::Part { at, .. } => self.part_entered(now, at, Entry::Typed(typed)),
            _ => self.answered_by(now, typed),
        }
    }

    /// Something was typed, or said as it would have been typed.
    pub(super) fn answered_by(&mut self, now: Instant, typed: Secret<String>) {
        if matches!(&self.state, State::Asking(asking) if asking.is_aloud()) {
            return self.respond(now, typed);
        }
        let app = Arc::clone(&self.app);
        let Some(StepKind::Ask(step)) = self.current(&app) else { return };
        let Some(answer) = self.accepted(now, step, typed) else { return self.miss(now, Miss::NoMatch) };
        match &step.confirm {
            Readback::None => self.keep(now, step, answer),
            Readback::ReadBack(_) => {
                if let State::Asking(asking) = &mut self.state {
                    asking.reading = Some((answer, Collect::new(asking.yes_no.clone())));
                }
                self.prompt(now, Line::Readback);
            }
        }
    }

    /// What was typed as the value that it stands for; `None` when it is none.
    pub(super) fn accepted(&self, now: Instant, step: &Ask, typed: Secret<String>) -> Option<Secret<String>> {
        if step.check.is_some_and(|Check::Luhn| !luhn(typed.expose())) {
            return None;
        }
        if let Some(money) = &step.money {
            return money.amount(typed.expose()).map(|amount| Secret::new(amount.to_string()));
        }
        let Some(days) = step.date else { return Some(typed) };
        let day = hear::typed_date(self.language(), typed.expose())?;
        let today = self.today(now)?;
        days.takes(day, today).then(|| Secret::new(day.to_string()))
    }

    fn keep(&mut self, now: Instant, step: &Ask, typed: Secret<String>) {
        if step.class.max(self.class_of(step.into)) >= Class::Secret {
            self.store(step.into, Value::Secret(typed));
        } else {
            self.assign(step.into, Value::text(typed.expose()));
        }
        self.set_secure(false);
        self.take(now, Exit::Outcome("filled"));
    }

    pub(super) fn chosen(&mut self, now: Instant, choice: usize) {
        let app = Arc::clone(&self.app);
        let State::Asking(asking) = &mut self.state else { return };
        let reading = asking.reading.take();
        match &asking.what {
            What::Part { at, .. } => {
                let at = *at;
                return self.part_entered(now, at, Entry::Chosen(choice));
            }
            What::Method { methods, .. } => {
                let factor = methods.get(choice).map(|(_, factor)| *factor);
                return self.method_chosen(now, factor);
            }
            _ => {}
        }
        match (self.current(&app), reading) {
            (Some(StepKind::Ask(step)), Some((answer, _))) if choice == 0 => self.keep(now, step, answer),
            // "No, that is not it": the question again, and one try less.
            (Some(StepKind::Ask(_)), Some(_)) => self.again(now, Miss::NoMatch, true),
            (Some(StepKind::Ask(step)), None) if step.yes_no => {
                self.assign(step.into, Value::Truth(choice == 0));
                self.take(now, Exit::Outcome("filled"));
            }
            (Some(StepKind::Menu(step)), None) => self.chosen_option(now, step, choice),
            (Some(StepKind::Confirm(_)), None) => {
                let State::Asking(asking) = &self.state else { return };
                let yes = matches!(asking.what, What::YesNo { yes } if choice < yes);
                self.take(now, if yes { Exit::Outcome("yes") } else { Exit::Outcome("no") });
            }
            (Some(StepKind::ChooseLanguage(step)), None) => {
                if let Some((_, language)) = step.keys.get(choice) {
                    self.chose_language(now, step, *language);
                }
                self.next_step();
            }
            (Some(StepKind::Consent(step)), None) => {
                self.consented(now, step, Some(choice < step.answers.yes_keys.len()));
            }
            _ => self.fail(now, "a choice that nobody asked for"),
        }
    }

    fn chosen_option(&mut self, now: Instant, step: &Menu, choice: usize) {
        let State::Asking(asking) = &self.state else { return };
        let What::Choice(options) = &asking.what else { return };
        let Some(at) = options.get(choice).copied() else { return };
        if let (Some(into), Some(value)) =
            (step.into, step.options.get(at).and_then(|option| option.value.as_ref()))
        {
            self.assign(into, Value::from(value));
        }
        self.take(now, Exit::Chosen(at));
    }

    pub(crate) fn speak(&mut self, language: crate::flow::document::LanguageId) {
        if let Some(tag) = self.app.language(language).map(Name::from) {
            self.language = language;
            self.trace(TraceEvent::Language { language: tag });
        }
    }

    pub(super) fn miss(&mut self, now: Instant, miss: Miss) {
        self.again(now, miss, false);
    }

    /// Counts a failure and tries again. `plain` repeats the question in place of the ladder's rung.
    fn again(&mut self, now: Instant, miss: Miss, plain: bool) {
        let app = Arc::clone(&self.app);
        self.keys.clear();
        let verb = self.current(&app).map_or("", StepKind::verb);
        let State::Asking(asking) = &mut self.state else { return };
        let next = asking.active().fail(miss);
        let failures = asking.active().failures();
        let reading = asking.reading.is_some();
        let why = match miss {
            Miss::NoInput => "no_input",
            Miss::NoMatch => "no_match",
        };
        self.trace(TraceEvent::Retry { verb, why, failures });
        match next {
            Next::GiveUp => self.give_up(now),
            Next::Again(_) if reading => self.prompt(now, Line::Readback),
            Next::Again(_) if plain => self.prompt(now, Line::Question),
            Next::Again(rung) => self.prompt(now, Line::After(miss, rung)),
        }
    }

    fn give_up(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        self.set_secure(false);
        match self.current(&app) {
            // Who does not speak proves it another way.
            Some(_) if self.proves_voice() => self.unable(now),
            Some(step) if step.node().proving().is_some() => self.abandon(now),
            Some(StepKind::ChooseLanguage(step)) => {
                self.speak(step.give_up);
                self.next_step();
            }
            Some(step) => step.node().gave_up(self, now),
            None => self.fail(now, "no step to give up"),
        }
    }
}

fn key(c: char) -> Vec<Digit> {
    Digit::from_char(c).into_iter().collect()
}
