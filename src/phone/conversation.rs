//! A caller's side of one call, from dialling to hanging up, and what came of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::ear::Ear;
use super::keys::Action;
use super::{FAREWELL, Phone, PhoneError, PhoneEvent};
use crate::audio::Clip;
use crate::audio::wav::Recording;
use crate::driver::os;
use crate::sip::{EndCause, SessionId};
use crate::units::Digit;

/// What the caller has in mind.
pub struct Plan {
    /// Whom to call.
    pub uri: String,
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// What to press when the engine says which prompt it plays.
    pub answers: Vec<PromptAnswer>,
    /// What to say when the actions are done, and an agent is there if one is expected.
    pub say: Option<Arc<Clip>>,
    /// Where to write down what is heard.
    pub record: Option<Recording<BufWriter<File>>>,
    /// Whether the call has failed when no agent takes it.
    pub expects_agent: bool,
    /// The level that must have been reached.
    pub expects_level: Option<String>,
    /// How long to stay when everything is done.
    pub stay: Duration,
    /// The longest wait for an answer, a prompt or an agent.
    pub patience: Duration,
    /// Called with each line of the transcript.
    pub tell: Tell,
}

/// Takes a line of the transcript and how far into the call it happened.
pub type Tell = Box<dyn FnMut(Duration, &str)>;

/// What to press at a prompt; used once each time the prompt is played, first one first.
pub struct PromptAnswer {
    /// The prompt's key in the catalogue.
    pub prompt: String,
    /// Makes the keys when they are needed: a one-time code is of its moment.
    pub keys: Box<dyn FnMut() -> Vec<Digit>>,
    /// Whether it serves again.
    pub again: bool,
}

/// What came of a call.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Everything went as asked.
    pub ok: bool,
    /// Why not, when it did not.
    pub reason: Option<String>,
    /// The call was answered.
    pub answered: bool,
    /// An agent took it.
    pub agent_connected: bool,
    /// The agent's name.
    pub agent: Option<String>,
    /// The level that was reached.
    pub level: String,
    /// The factors that were proven.
    pub factors: Vec<String>,
    /// How long somebody spoke to the caller.
    pub heard_ms: u64,
    /// Who ended the call: `caller` or `engine`; absent when it was never up.
    pub ended_by: Option<&'static str>,
    /// What happened, with milliseconds since dialling.
    pub events: Vec<Value>,
}

/// Carries a plan through.
///
/// # Errors
/// [`PhoneError`] when the call can't even be placed; everything later is told by the outcome.
pub fn hold(phone: &mut Phone, plan: Plan) -> Result<Outcome, PhoneError> {
    let start = os::now();
    let session = phone.dial(&plan.uri)?;
    let outcome = Outcome { level: "none".to_owned(), ..Outcome::default() };
    let mut conversation = Conversation {
        phone,
        plan,
        session,
        start,
        ear: Ear::new(),
        outcome,
        prompts: VecDeque::new(),
        ended: false,
        say_ended: false,
        joined: false,
    };
    conversation.note("dials");
    let result = conversation.carry_out();
    Ok(conversation.finish(result))
}

struct Conversation<'a> {
    phone: &'a mut Phone,
    plan: Plan,
    session: SessionId,
    start: Instant,
    ear: Ear,
    outcome: Outcome,
    /// Prompts that play and are not answered yet.
    prompts: VecDeque<String>,
    ended: bool,
    say_ended: bool,
    /// The agent can hear the caller: nothing is whispered to them any more.
    joined: bool,
}

impl Conversation<'_> {
    fn carry_out(&mut self) -> Result<(), String> {
        let patience = self.plan.patience;
        self.until(patience, |this| this.outcome.answered).map_err(|why| format!("not answered: {why}"))?;
        for action in std::mem::take(&mut self.plan.actions) {
            self.act(action)?;
        }
        if self.plan.expects_agent {
            self.reach_agent()?;
        } else {
            while !self.plan.answers.is_empty() && !self.ended {
                self.answer_next_prompt()?;
            }
        }
        self.say()?;
        let stay = self.plan.stay;
        // A far end that hangs up while we only listen has done nothing wrong.
        let _ = self.until(stay, |_| false);
        match &self.plan.expects_level {
            Some(level) if *level != self.outcome.level => {
                Err(format!("the level reached is {}, not {level}", self.outcome.level))
            }
            _ => Ok(()),
        }
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::AwaitPause => {
                let patience = self.plan.patience;
                self.until(patience, |this| this.ear.paused(os::now()))
                    .map_err(|why| format!("no prompt that paused: {why}"))?;
                self.ear = Ear::new();
            }
            Action::Wait(pause) => {
                self.until(pause, |_| false)
                    .or_else(|why| if why == TIMED_OUT { Ok(()) } else { Err(why) })?;
            }
            Action::Press(digits) => {
                if self.ended {
                    return Err("the call ended before all keys were pressed".to_owned());
                }
                self.press(&digits)?;
            }
        }
        Ok(())
    }

    fn press(&mut self, digits: &[Digit]) -> Result<(), String> {
        // What is pressed may be a PIN: only how much of it is told.
        self.note(&format!("presses {} key(s)", digits.len()));
        self.phone.press(self.session, digits);
        let typing = KEY_TIME * u32::try_from(digits.len()).unwrap_or(1);
        self.until(typing, |_| false).or_else(|why| if why == TIMED_OUT { Ok(()) } else { Err(why) })?;
        self.ear = Ear::new();
        Ok(())
    }

    fn reach_agent(&mut self) -> Result<(), String> {
        loop {
            if self.outcome.agent_connected {
                return Ok(());
            }
            if self.plan.answers.is_empty() {
                let patience = self.plan.patience;
                return self
                    .until(patience, |this| this.outcome.agent_connected)
                    .map_err(|why| format!("no agent: {why}"));
            }
            self.answer_next_prompt()?;
        }
    }

    /// Waits for a prompt that there is an answer to, lets it finish, and answers it.
    fn answer_next_prompt(&mut self) -> Result<(), String> {
        let patience = self.plan.patience;
        self.until(patience, |this| this.outcome.agent_connected || this.next_answer().is_some())
            .map_err(|why| format!("no prompt that can be answered: {why}"))?;
        let Some((prompt, _)) = self.next_answer() else { return Ok(()) };
        self.ear = Ear::new();
        self.until(patience, |this| this.outcome.agent_connected || this.ear.paused(os::now()))
            .map_err(|why| format!("the prompt {prompt} did not end: {why}"))?;
        // Another prompt may have followed meanwhile: the last one that can be answered is the question.
        let Some((_, index)) = self.next_answer() else { return Ok(()) };
        self.prompts.clear();
        let Some(answer) = self.plan.answers.get_mut(index) else { return Ok(()) };
        let keys = (answer.keys)();
        if !answer.again {
            self.plan.answers.remove(index);
        }
        self.press(&keys)
    }

    fn next_answer(&self) -> Option<(String, usize)> {
        self.prompts.iter().rev().find_map(|prompt| {
            let index = self.plan.answers.iter().position(|answer| answer.prompt == *prompt)?;
            Some((prompt.clone(), index))
        })
    }

    fn say(&mut self) -> Result<(), String> {
        let Some(clip) = self.plan.say.take() else { return Ok(()) };
        if self.plan.expects_agent {
            let patience = self.plan.patience;
            self.until(patience, |this| this.joined)
                .map_err(|why| format!("not joined with the agent: {why}"))?;
        }
        self.note("speaks");
        let length = clip.duration() + Duration::from_secs(2);
        self.phone.play(self.session, vec![clip], false);
        self.until(length, |this| this.say_ended).map_err(|why| format!("could not finish speaking: {why}"))
    }

    /// Lets things happen until `done`, the call's end, or `limit`.
    fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = os::now() + limit;
        loop {
            if done(self) {
                return Ok(());
            }
            if self.ended {
                return Err(self.outcome.reason.clone().unwrap_or_else(|| "the call has ended".to_owned()));
            }
            let now = os::now();
            if now >= deadline {
                return Err(TIMED_OUT.to_owned());
            }
            if let Some(event) = self.phone.next(deadline.min(now + LOOK_AGAIN)) {
                self.happened(event);
            }
        }
    }

    fn happened(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::Heard(_, samples) => {
                if self.ear.hear(os::now(), &samples) {
                    self.note("hears somebody speak");
                }
                self.outcome.heard_ms = self.outcome.heard_ms.max(millis(self.ear.spoken()));
                if let Some(recording) = &mut self.plan.record
                    && recording.push(&samples).is_err()
                {
                    self.plan.record = None;
                    self.note("cannot write the recording any more");
                }
            }
            PhoneEvent::Ringing(_) => self.note("hears it ring"),
            PhoneEvent::Answered(_) => {
                if !self.outcome.answered {
                    self.outcome.answered = true;
                    self.note("is answered");
                }
            }
            PhoneEvent::Trace(_, body) => self.traced(&body),
            PhoneEvent::PlayFinished(..) => self.say_ended = true,
            PhoneEvent::Failed(_, status) => {
                self.outcome.reason = Some(format!("the call was refused with {}", status.code()));
                self.note(&format!("is refused with {} {}", status.code(), status.phrase()));
            }
            PhoneEvent::Ended(_, cause) => {
                self.ended = true;
                if self.outcome.answered && self.outcome.ended_by.is_none() {
                    self.outcome.ended_by = Some(if cause == EndCause::Local { "caller" } else { "engine" });
                }
                self.note("the call is over");
            }
            PhoneEvent::Incoming { .. } | PhoneEvent::Digit(..) | PhoneEvent::Response(_) => {}
        }
    }

    fn traced(&mut self, body: &[u8]) {
        let Ok(Value::Object(mut event)) = serde_json::from_slice::<Value>(body) else { return };
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        match text("event").as_deref() {
            Some("prompt") => {
                if let Some(prompt) = text("prompt") {
                    self.tell(&format!("prompt {prompt}"));
                    self.prompts.push_back(prompt);
                }
            }
            Some("level") => {
                self.outcome.level = text("level").unwrap_or_default();
                let factors = event.get("factors").and_then(Value::as_array);
                let names = factors.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                self.outcome.factors = names.collect();
                self.tell(&format!("level {} ({})", self.outcome.level, self.outcome.factors.join(", ")));
            }
            Some("hand_off") if text("state").as_deref() == Some("connected") => {
                self.outcome.agent_connected = true;
                self.outcome.agent = text("agent");
                let agent = self.outcome.agent.clone().unwrap_or_default();
                self.tell(&format!("connected with agent {agent}"));
                self.ear = Ear::new();
            }
            Some("joined") => {
                self.joined = true;
                self.tell("the agent can hear the caller");
            }
            Some("hand_off") => self.tell(&format!("hand-off: {}", text("state").unwrap_or_default())),
            Some("outcome") => {
                let [verb, outcome] = ["verb", "outcome"].map(|name| text(name).unwrap_or_default());
                self.tell(&format!("{verb}: {outcome}"));
            }
            _ => {}
        }
        event.insert("at_ms".to_owned(), Value::from(millis(self.start.elapsed_until(os::now()))));
        self.outcome.events.push(Value::Object(event));
    }

    fn note(&mut self, what: &str) {
        let at = millis(self.start.elapsed_until(os::now()));
        self.outcome.events.push(serde_json::json!({"at_ms": at, "caller": what}));
        self.tell(&format!("caller {what}"));
    }

    fn tell(&mut self, line: &str) {
        let at = self.start.elapsed_until(os::now());
        (self.plan.tell)(at, line);
    }

    fn finish(mut self, result: Result<(), String>) -> Outcome {
        if !self.ended {
            self.note("hangs up");
            self.outcome.ended_by = Some("caller");
            self.phone.hang_up(self.session);
            // The farewell is polite; the result stands without it.
            let _ = self.until(FAREWELL, |_| false);
        }
        if let Some(recording) = self.plan.record.take()
            && recording.finish().is_err()
        {
            self.outcome.reason.get_or_insert_with(|| "the recording could not be finished".to_owned());
        }
        self.outcome.ok = result.is_ok();
        if let Err(why) = result {
            self.outcome.reason = Some(why);
        }
        self.outcome
    }
}

trait ElapsedUntil {
    fn elapsed_until(&self, later: Instant) -> Duration;
}

impl ElapsedUntil for Instant {
    fn elapsed_until(&self, later: Instant) -> Duration {
        later.saturating_duration_since(*self)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const TIMED_OUT: &str = "nothing came in time";
/// A key and the gap after it, as the phone sends them.
const KEY_TIME: Duration = Duration::from_millis(160);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
