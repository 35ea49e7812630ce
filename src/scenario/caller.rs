//! The caller, the agent and the services of the virtual world, as a script orders them.

use std::sync::Arc;
use std::time::Duration;

use super::document::{AgentAct, Keys, Reply, Voice, Want};
use super::seen::Seen;
use super::stage::Stage;
use super::world::{Event, REACTION, SPEECH, SWITCHING, VOICE, World};
use crate::auth::FactorId;
use crate::flow::run::{HandOff, HandOffRequest, Input, Spoken};
use crate::secret::Secret;
use crate::voice::{Ended, Understood, Utterance};

impl Stage for World<'_> {
    fn news(&mut self) -> Vec<Seen> {
        self.news.drain(..).collect()
    }

    fn go_on(&mut self) -> bool {
        if self.finished {
            return false;
        }
        match self.next() {
            Some(next) => {
                self.fire(next);
                true
            }
            None => false,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.until(self.now + time);
    }

    fn press(&mut self, keys: &Keys, secret: bool) {
        self.until(self.now + REACTION);
        let typed: String = match secret || self.secure {
            true => "•".repeat(keys.keys.len()),
            false => keys.keys.iter().map(|key| key.as_char()).collect(),
        };
        self.tell(&format!("presses {typed}"));
        let first = self.now;
        for (at, key) in (0_u32..).zip(&keys.keys) {
            self.until(first + keys.gap * at);
            match self.keys.press(self.now, *key) {
                true => {}
                false => self.feed(Input::Digit(*key)),
            }
        }
        let count = u32::try_from(keys.keys.len()).unwrap_or(1);
        self.until(first + keys.gap * count);
    }

    fn say(&mut self, words: &str, confidence: u8) -> Result<(), String> {
        self.until(self.now + REACTION);
        match words {
            "" => self.tell("makes a noise"),
            words => self.tell(&format!("says \u{201c}{words}\u{201d}")),
        }
        let spoken = self.now + SPEECH;
        self.until(self.now + VOICE);
        // A noise is no voice: it cuts no prompt short.
        if self.attends && !words.is_empty() {
            self.feed(Input::Voice);
        }
        self.until(spoken);
        self.feed(Input::Spoken(Spoken::new(words, confidence)));
        Ok(())
    }

    fn speak(&mut self, voice: Voice, right: bool) -> Result<(), String> {
        let Some(hearing) = self.hearing.clone() else {
            return Err("nobody listens to the caller".to_owned());
        };
        self.until(self.now + REACTION);
        let words = match (&hearing.expected, right) {
            (Some(digits), true) => digits.clone(),
            (Some(digits), false) => Secret::new(digits.expose().chars().map(another).collect()),
            (None, _) => Secret::new(String::new()),
        };
        self.tell(if right { "speaks" } else { "says other words than those" });
        self.house.vault.speaks(voice);
        self.feed(Input::Speaking(true));
        self.until(self.now + UTTERANCE);
        let understood = Understood { words, choice: None, confidence: 95 };
        self.feed(Input::Spoken(Spoken::understood(sound(voice), vec![understood], Duration::ZERO)));
        Ok(())
    }

    fn say_secret(&mut self, digits: &Secret<String>) -> Result<(), String> {
        if !self.hearing.as_ref().is_some_and(|hearing| hearing.secret && hearing.counts) {
            return Err("nobody listens for a secret".to_owned());
        }
        self.until(self.now + REACTION);
        self.tell("says ••••");
        self.feed(Input::Speaking(true));
        self.until(self.now + UTTERANCE);
        let understood = Understood { words: digits.clone(), choice: None, confidence: 95 };
        let sound = sound(Voice::Genuine);
        self.feed(Input::Spoken(Spoken::understood(sound, vec![understood], Duration::ZERO)));
        Ok(())
    }

    fn hang_up(&mut self) {
        self.tell("hangs up");
        self.feed(Input::HungUp);
        while !self.finished && self.go_on() {}
    }

    fn agent(&mut self, act: &AgentAct) -> Result<(), String> {
        let Some(request) = self.hand_off.clone() else {
            return Err("nobody is being called".to_owned());
        };
        self.until(self.now + SWITCHING + REACTION);
        let queue = matches!(request, HandOffRequest::Queue { .. });
        let told = match act {
            AgentAct::Accepts { name } => HandOff::Connected { agent: name.clone() },
            AgentAct::HangsUp => HandOff::Finished,
            // A queue offers the caller to the next agent; for the caller nothing changes.
            AgentAct::Rejects | AgentAct::Busy | AgentAct::Fails if queue => return Ok(()),
            AgentAct::NoAnswer if queue => return Ok(()),
            AgentAct::Rejects => HandOff::Refused,
            AgentAct::Busy => HandOff::Busy,
            AgentAct::Fails => HandOff::Failed,
            AgentAct::NoAnswer => {
                if let HandOffRequest::Transfer { ring, .. } = request {
                    self.until(self.now + ring);
                }
                HandOff::NoAnswer
            }
        };
        let line = match act {
            AgentAct::Accepts { name } => format!("{name} accepts"),
            AgentAct::HangsUp => "hangs up".to_owned(),
            AgentAct::Rejects => "rejects".to_owned(),
            AgentAct::Busy => "is busy".to_owned(),
            AgentAct::NoAnswer => "does not answer".to_owned(),
            AgentAct::Fails => "can't be reached".to_owned(),
        };
        self.transcript.add(self.at(), "agent", line);
        self.happen(Event::HandOff(told));
        Ok(())
    }

    fn answers(&mut self, call: &str, reply: &Reply, once: bool) {
        self.house.services.set(call, reply, once);
    }

    fn response(&mut self, factor: FactorId, question: Option<&str>, wrong: bool) -> Option<Secret<String>> {
        let now = self.unix();
        if wrong {
            return Some(self.house.vault.wrong(now, self.subject, (factor, question)));
        }
        self.house.vault.right(now, self.subject, (factor, question))
    }

    fn holds(&mut self, want: &Want) -> Result<(), String> {
        let handed = self.handed.as_ref();
        match want {
            Want::Pass(wanted) => wanted.iter().try_for_each(|(name, value)| match passed(handed, name) {
                Some(told) if told == value => Ok(()),
                Some(told) => Err(format!("the agent is told {name}: {told}")),
                None => Err(format!("the agent is not told {name}")),
            }),
            Want::NotPassed(names) => names.iter().try_for_each(|name| match passed(handed, name) {
                None => Ok(()),
                Some(told) => Err(format!("the agent is told {name}: {told}")),
            }),
            Want::Asked(call) if self.house.services.asked.contains(call) => Ok(()),
            Want::Asked(call) => Err(format!("{call} was not asked")),
            Want::NotAsked(call) if !self.house.services.asked.contains(call) => Ok(()),
            Want::NotAsked(call) => Err(format!("{call} was asked")),
            Want::Secure(on) if *on == self.secure => Ok(()),
            Want::Secure(_) if self.secure => Err("keys are secret".to_owned()),
            Want::Secure(_) => Err("keys are not secret".to_owned()),
            Want::Answered(is) if *is == self.answered => Ok(()),
            Want::Answered(_) if self.answered => Err("the call is answered".to_owned()),
            Want::Answered(_) => Err("the call is not answered".to_owned()),
            _ => Err("nobody can tell".to_owned()),
        }
    }

    fn busy(&self) -> bool {
        self.pending
            .iter()
            .any(|(.., event)| matches!(event, Event::Answer(..) | Event::Answered | Event::EarlyMedia))
            || self.keys.next().is_some()
    }

    fn tell(&mut self, what: &str) {
        self.transcript.add(self.at(), "caller", what);
    }

    fn mark(&mut self, why: &str) {
        self.transcript.add(self.at(), "test", format!("FAILS HERE: {why}"));
    }
}

/// How long somebody speaks who is to be known by it.
const UTTERANCE: Duration = Duration::from_millis(3_500);

fn another(digit: char) -> char {
    if digit == '9' { '0' } else { char::from(u8::try_from(digit).unwrap_or(b'0').saturating_add(1)) }
}

/// Something that is as loud and as clean as speech; too short where it is said badly.
fn sound(voice: Voice) -> Arc<Utterance> {
    let whole = if voice == Voice::Badly { 4_000_i16 } else { 28_000 };
    let spoken = |at: i16| if at % 4_000 < 3_500 { (at % 40 - 20).saturating_mul(400) } else { at % 2 };
    let samples = Secret::new((0..whole).map(spoken).collect());
    let speech = if voice == Voice::Badly { Duration::from_millis(400) } else { UTTERANCE };
    Arc::new(Utterance::new(samples, Some(REACTION), speech, Ended::Silence))
}

/// What an agent is told under a name.
fn passed<'a>(handed: Option<&'a HandOffRequest>, name: &str) -> Option<&'a str> {
    let (HandOffRequest::Queue { pass, .. } | HandOffRequest::Transfer { pass, .. }) = handed? else {
        return None;
    };
    pass.values.iter().find(|(told, _)| told == name).map(|(_, value)| value.as_str())
}
