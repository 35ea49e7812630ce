//! Plays a script: does what the caller does, and holds what happens against what is written.

use std::time::Duration;

use crate::auth::FactorId;
use crate::secret::Secret;

use super::document::{Act, Expect, Keys, Verb, Voice};
use super::failure::{Failure, Played};
use super::read::KEY_TIME;
use super::seen::{Asked, Seen};
use super::stage::{Stage, keys_of};

/// Somebody who goes by a script.
pub(super) struct Performer<'s, S> {
    pub(super) stage: &'s mut S,
    /// Prompts heard, and how many of them the script has named.
    pub(super) heard: Vec<String>,
    pub(super) named: usize,
    /// The question that is the caller's to answer.
    pub(super) turn: Option<Turn>,
    pub(super) state: Known,
    language: Option<String>,
}

/// A question under way.
pub(super) struct Turn {
    pub(super) asked: Asked,
    /// It was said to its end.
    said: bool,
    /// The caller has pressed something or chosen to be silent: what comes next is the flow's.
    left: bool,
}

/// What is known of the call.
#[derive(Default)]
pub(super) struct Known {
    pub(super) block: String,
    pub(super) blocks: Vec<String>,
    pub(super) outcomes: Vec<String>,
    pub(super) level: String,
    pub(super) factors: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) events: Vec<String>,
    pub(super) facts: Vec<(String, String)>,
    pub(super) cause: Option<String>,
    pub(super) offered: Vec<String>,
    pub(super) step: String,
}

impl<'s, S: Stage> Performer<'s, S> {
    pub(super) fn new(stage: &'s mut S, language: Option<String>) -> Self {
        let state = Known { level: "none".to_owned(), ..Known::default() };
        let mut performer = Self { stage, heard: Vec::new(), named: 0, turn: None, state, language };
        performer.listen();
        performer
    }

    /// Plays acts in order, until one does not go as written.
    pub(super) fn play(&mut self, acts: &[Act]) -> Result<(), Failure> {
        for act in acts {
            let played = match &act.verb {
                Verb::Expects(expected) => self.expects(expected),
                verb => self.act(verb).map_err(|(message, label, help)| Failure {
                    place: act.place.clone(),
                    message,
                    label,
                    help,
                }),
            };
            if let Err(failure) = played {
                self.stage.mark(&failure.message);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// What must have come of it, now that everything is over.
    pub(super) fn expects(&mut self, expected: &[Expect]) -> Result<(), Failure> {
        while self.stage.busy() && self.go_on() {}
        loop {
            let wrong = expected.iter().find_map(|expect| {
                let is = self.check(&expect.what).err()?;
                Some((expect.place.clone(), is))
            });
            let Some((place, (message, label))) = wrong else { return Ok(()) };
            // What is not so yet may still come, until the call waits for its caller.
            if self.waits_long() || !self.go_on() {
                let help = "the transcript shows how it came to this".to_owned();
                return Err(Failure { place, message, label, help });
            }
        }
    }

    fn act(&mut self, verb: &Verb) -> Played {
        match verb {
            Verb::Hears(prompts) => prompts.iter().try_for_each(|prompt| self.hears(prompt)),
            Verb::NotHears(prompts) => self.not_hears(prompts),
            Verb::Presses(keys) => self.presses(keys),
            Verb::PressesWrong { factor, times } => {
                (0..*times).try_for_each(|_| self.responds(*factor, true))
            }
            Verb::Enters { factor } => self.responds(*factor, false),
            Verb::SaysRight { factor } => self.says_right(*factor),
            Verb::Says { words, confidence } => self.says(words, *confidence),
            Verb::Speaks { voice, right } => self.speaks(*voice, *right),
            Verb::Silent(time) => {
                self.until_said();
                self.stage.tell(&format!("is silent for {}", in_words(*time)));
                self.turn_over();
                self.stage.pass(*time);
                self.listen();
                Ok(())
            }
            Verb::Advance(time) => {
                self.stage.tell(&format!("waits for {}", in_words(*time)));
                self.turn_over();
                self.stage.pass(*time);
                self.listen();
                Ok(())
            }
            Verb::Chooses(name) => self.chooses(name),
            Verb::Answers { call, reply, once } => {
                self.stage.answers(call, reply, *once);
                Ok(())
            }
            Verb::Agent(act) => {
                self.until_handed_off()?;
                let done = self.stage.agent(act);
                self.listen();
                done.map_err(|why| (why, String::new(), "look at what the call does just before".to_owned()))
            }
            Verb::SkipsTo(block) => self.skips_to(block),
            Verb::Ends(name) => self.ends(name),
            Verb::HangsUp => self.hangs_up(),
            Verb::Expects(_) => Ok(()),
        }
    }

    /// Takes note of what happened.
    fn listen(&mut self) {
        for seen in self.stage.news() {
            self.note(seen);
        }
    }

    fn note(&mut self, seen: Seen) {
        let state = &mut self.state;
        match seen {
            Seen::Prompt(prompt) => self.heard.push(prompt),
            Seen::Asks(asked) => {
                state.offered = asked.choices.iter().map(|(_, name)| name.clone()).collect();
                self.turn = Some(Turn { asked, said: false, left: false });
            }
            Seen::Waits => {
                if let Some(turn) = &mut self.turn {
                    turn.said = true;
                }
            }
            Seen::Block(block) => {
                state.blocks.push(block.clone());
                state.block = block;
                self.turn = None;
            }
            Seen::Step { verb, .. } => {
                state.step = verb;
                self.turn = None;
            }
            Seen::Outcome { outcome, .. } => {
                state.outcomes.push(outcome);
                self.turn = None;
            }
            Seen::Level { level, factors } => (state.level, state.factors) = (level, factors),
            Seen::Language(language) => state.language = Some(language),
            Seen::Variable { name, value } => {
                state.variables.retain(|(known, _)| *known != name);
                state.variables.push((name, value));
            }
            Seen::Fact { name, value } => {
                state.facts.retain(|(known, _)| *known != name);
                state.facts.push((name, value));
            }
            Seen::Audit(name) => state.events.push(name),
            Seen::Finished(cause) => {
                state.cause = Some(cause);
                self.turn = None;
            }
            Seen::Retry { .. } | Seen::Interrupted | Seen::HandOff { .. } | Seen::Other(_) => {}
        }
    }

    fn go_on(&mut self) -> bool {
        let more = self.stage.go_on();
        self.listen();
        more
    }

    /// The caller has done something: it is the flow's turn until it asks again.
    fn turn_over(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.left = true;
        }
    }

    /// Whether nothing more happens unless the caller does something.
    pub(super) fn waits(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| !turn.left)
    }

    /// The same, with the question said to its end.
    fn waits_long(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.said && !turn.left)
    }

    fn hears(&mut self, prompt: &str) -> Played {
        loop {
            let ahead = self.heard.iter().skip(self.named).position(|heard| heard == prompt);
            if let Some(at) = ahead {
                self.named += at + 1;
                return Ok(());
            }
            if self.waits() || !self.go_on() {
                return Err((format!("`{prompt}` was not heard"), self.instead(), self.hint(prompt)));
            }
        }
    }

    fn not_hears(&mut self, prompts: &[String]) -> Played {
        while !self.waits() && self.go_on() {}
        let since: Vec<&String> = self.heard.iter().skip(self.named).collect();
        match prompts.iter().find(|prompt| since.contains(prompt)) {
            None => Ok(()),
            Some(prompt) => Err((
                format!("`{prompt}` was heard"),
                "it must not be heard here".to_owned(),
                "the transcript shows when, and what led there".to_owned(),
            )),
        }
    }

    /// Lets the call get to a question, and to the moment in which keys count.
    fn until_asked(&mut self) -> Played {
        loop {
            if let Some(turn) = &self.turn
                && (turn.asked.interrupt || turn.said)
                && !(turn.left && self.stage.busy())
            {
                return Ok(());
            }
            if !self.go_on() {
                return Err((
                    "nobody asked the caller for anything".to_owned(),
                    self.instead(),
                    "to press keys without being asked write `at_once: true` beside `presses`".to_owned(),
                ));
            }
        }
    }

    fn until_said(&mut self) {
        while !self.turn.as_ref().is_some_and(|turn| turn.said)
            && !matches!(self.state.step.as_str(), "queue" | "transfer")
            && self.go_on()
        {}
    }

    fn until_handed_off(&mut self) -> Played {
        while !matches!(self.state.step.as_str(), "queue" | "transfer") {
            if self.waits_long() || !self.go_on() {
                return Err((
                    "the caller was not handed to anybody".to_owned(),
                    self.instead(),
                    "an agent can only do something in a `queue` or a `transfer`".to_owned(),
                ));
            }
        }
        Ok(())
    }

    fn presses(&mut self, keys: &Keys) -> Played {
        if self.state.cause.is_some() {
            return Err(self.over("press keys"));
        }
        if !keys.at_once {
            self.until_asked()?;
        }
        self.press(keys)
    }

    fn press(&mut self, keys: &Keys) -> Played {
        let secret = self.turn.as_ref().is_some_and(|turn| turn.asked.factor.is_some());
        self.turn_over();
        self.stage.press(keys, secret);
        self.listen();
        Ok(())
    }

    fn says(&mut self, words: &str, confidence: u8) -> Played {
        self.until_asked()?;
        self.turn_over();
        let said = self.stage.say(words, confidence);
        self.listen();
        said.map_err(|why| (why, String::new(), "press keys instead".to_owned()))
    }

    /// Hears the question out, and says what it asks for.
    fn speaks(&mut self, voice: Voice, right: bool) -> Played {
        self.until_asked()?;
        self.until_said();
        self.turn_over();
        let said = self.stage.speak(voice, right);
        self.listen();
        said.map_err(|why| {
            (why, self.instead(), "let the caller get to a question for their voice".to_owned())
        })
    }

    /// Presses what a factor wants, right or wrong; chooses the factor first where there is a choice.
    fn responds(&mut self, factor: FactorId, wrong: bool) -> Played {
        let response = self.response(factor, wrong)?;
        let keys = keys_of(&format!("{}#", response.expose()));
        self.press(&Keys { keys, at_once: false, gap: KEY_TIME })
    }

    /// Hears the question out, and says what a factor wants.
    fn says_right(&mut self, factor: FactorId) -> Played {
        let response = self.response(factor, false)?;
        self.until_said();
        self.turn_over();
        let said = self.stage.say_secret(&response);
        self.listen();
        said.map_err(|why| {
            let help = "let the policy say `spoken: true` of the factor, or press keys instead";
            (why, self.instead(), help.to_owned())
        })
    }

    /// What a factor wants, right or wrong.
    fn response(&mut self, factor: FactorId, wrong: bool) -> Played<Secret<String>> {
        self.until_asked()?;
        let offered = |turn: &Turn| {
            turn.asked.factor.is_none() && turn.asked.choices.iter().any(|(_, name)| name == factor.name())
        };
        if self.turn.as_ref().is_some_and(offered) {
            self.chooses(factor.name())?;
            self.until_asked()?;
        }
        let asked = self.turn.as_ref().and_then(|turn| turn.asked.factor.clone());
        if asked.as_deref() != Some(factor.name()) {
            return Err((
                format!("the caller is not asked for the {factor}"),
                self.instead(),
                "let the caller do first what leads there".to_owned(),
            ));
        }
        let question = self.turn.as_ref().and_then(|turn| turn.asked.question.clone());
        self.stage.response(factor, question.as_deref(), wrong).ok_or_else(|| {
            (
                format!("this caller has no {factor}"),
                "nobody with this claim is enrolled".to_owned(),
                format!("add `{factor}: …` to them below `enrolled:` of the fixture"),
            )
        })
    }

    fn chooses(&mut self, name: &str) -> Played {
        self.until_asked()?;
        let choices = self.turn.as_ref().map(|turn| turn.asked.choices.clone()).unwrap_or_default();
        let Some((keys, _)) = choices.iter().find(|(_, choice)| choice == name) else {
            let list: Vec<String> = choices.iter().map(|(_, choice)| format!("`{choice}`")).collect();
            let label =
                if list.is_empty() { self.instead() } else { format!("there are {}", list.join(", ")) };
            let message = format!("there is no choice `{name}` here");
            return Err((
                message,
                label,
                "choose one of those, or let the caller get to the right question".to_owned(),
            ));
        };
        let keys = keys_of(keys);
        self.press(&Keys { keys, at_once: false, gap: KEY_TIME })
    }

    /// The caller goes along: the first language (or their own), consent, silence to anything else.
    fn skips_to(&mut self, block: &str) -> Played {
        let name = |entered: &String| entered == block;
        let before = self.state.blocks.iter().filter(|entered| name(entered)).count();
        if self.state.block == block {
            return Ok(());
        }
        while self.state.blocks.iter().filter(|entered| name(entered)).count() == before {
            if let Some(turn) = &self.turn
                && (turn.asked.interrupt || turn.said)
                && !turn.left
                && let Some(keys) = self.along(&turn.asked)
            {
                let keys = Keys { keys: keys_of(&keys), at_once: false, gap: KEY_TIME };
                self.press(&keys)?;
                continue;
            }
            if !self.go_on() {
                return Err((
                    format!("the caller could not get to `{block}` by going along"),
                    self.instead(),
                    "going along is the first language, consent, and silence; write what leads there out"
                        .to_owned(),
                ));
            }
        }
        self.named = self.heard.len();
        Ok(())
    }

    /// What somebody presses who just wants to go on.
    fn along(&self, asked: &Asked) -> Option<String> {
        let wanted = match asked.verb.as_str() {
            "choose_language" => self.language.as_deref(),
            "consent" => Some("granted"),
            _ => return None,
        };
        let own = asked.choices.iter().find(|(_, name)| Some(name.as_str()) == wanted);
        own.or_else(|| asked.choices.first()).map(|(keys, _)| keys.clone())
    }

    fn ends(&mut self, name: &str) -> Played {
        loop {
            let block = |entered: &String| entered == name;
            if self.state.blocks.iter().any(block) || self.state.outcomes.iter().any(block) {
                return Ok(());
            }
            if self.waits_long() || !self.go_on() {
                return Err((
                    format!("the call did not get to `{name}`"),
                    self.instead(),
                    "`ends` names a block that is entered or an outcome that is taken".to_owned(),
                ));
            }
        }
    }

    fn hangs_up(&mut self) -> Played {
        if self.state.cause.is_some() {
            return Err(self.over("hang up"));
        }
        self.stage.hang_up();
        self.listen();
        Ok(())
    }

    /// Ends the call if the script has not.
    pub(super) fn finish(&mut self) {
        if self.state.cause.is_none() {
            self.stage.hang_up();
            self.listen();
        }
    }
}

/// `31m`, `1m30s`, `300ms`
#[must_use]
pub fn in_words(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let mut out = String::new();
    for (unit, size) in [("h", 3600), ("m", 60), ("s", 1)] {
        let count = match unit {
            "h" => seconds / size,
            "m" => seconds % 3600 / size,
            _ => seconds % 60,
        };
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if millis > 0 || out.is_empty() {
        out.push_str(&format!("{millis}ms"));
    }
    out
}
