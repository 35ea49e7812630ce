//! One real call of a rehearsal: the stage that a script is played on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::agent::Order;
use super::site::{Enrolled, Site};
use crate::audio::Clip;
use crate::audio::tone::{Tone, render};
use crate::auth::FactorId;
use crate::auth::factor::hotp::Fob;
use crate::auth::factor::password;
use crate::driver::os;
use crate::phone::{Phone, PhoneConfig, PhoneEvent};
use crate::scenario::document::{AgentAct, CallScript, Expect, Keys, Reply, Voice, Want};
use crate::scenario::{Problem, Seen, Stage, Transcript, answer, perform};
use crate::secret::Secret;
use crate::sip::{SessionId, StatusCode};
use crate::units::UnixTime;

/// A call under way.
pub(super) struct LiveCall<'s> {
    site: &'s Site,
    phone: Phone,
    session: SessionId,
    begun: Instant,
    news: VecDeque<Seen>,
    /// What was told on the wire; the record has the rest.
    told: Vec<Seen>,
    prompts: Vec<String>,
    transcript: Transcript,
    answered: bool,
    ended: bool,
    /// The caller has done something: until when what comes of it may take a moment.
    acted: Option<Instant>,
    typed: String,
    secret: bool,
}

/// What came of a call.
pub(super) struct Played {
    pub(super) problem: Option<Problem>,
    pub(super) prompts: Vec<String>,
    pub(super) transcript: Transcript,
}

/// The longest that nothing may happen: a queue with nobody in it, a service that takes its time.
const PATIENCE: Duration = Duration::from_secs(100);
const ANSWER: Duration = Duration::from_secs(15);
const REACTION: Duration = Duration::from_millis(400);
/// How long what the caller does may take to be told.
const MOMENT: Duration = Duration::from_millis(900);
/// How long the judgement of a response may take, on a machine with much else to do: something always follows it.
const JUDGEMENT: Duration = Duration::from_secs(10);
const RINGS: Duration = Duration::from_secs(15);
/// How long a caller speaks who leaves a message.
const MESSAGE: Duration = Duration::from_secs(3);
const SLICE: Duration = Duration::from_millis(50);

impl<'s> LiveCall<'s> {
    /// Dials, and waits until somebody is there.
    pub(super) fn make(site: &'s Site, config: PhoneConfig, call: &CallScript) -> Result<Self, String> {
        let mut phone = Phone::new(config).map_err(|why| why.to_string())?;
        let address = site.deployment().map(|deployment| deployment.sip).ok_or("the deployment has ended")?;
        let uri = format!("sip:{}@{address}", call.to);
        let session = phone.dial(&uri).map_err(|why| why.to_string())?;
        let mut live = Self {
            site,
            phone,
            session,
            begun: os::now(),
            news: VecDeque::new(),
            told: Vec::new(),
            prompts: Vec::new(),
            transcript: Transcript::default(),
            answered: false,
            ended: false,
            acted: None,
            typed: String::new(),
            secret: false,
        };
        live.tell(&format!("calls from {}", call.from.as_deref().unwrap_or("a withheld number")));
        let patient = os::now() + ANSWER;
        while !live.answered && !live.ended {
            if os::now() >= patient {
                return Err("the call was not answered".to_owned());
            }
            live.listen(os::now() + SLICE);
        }
        Ok(live)
    }

    /// Plays the script.
    pub(super) fn play(mut self, call: &CallScript, after: &[Expect]) -> Result<Played, String> {
        let played = perform(&mut self, call, after);
        let problem = played.err().map(|failure| {
            let mut finding = failure.diagnostic();
            finding.message = format!("as a real call: {}", finding.message);
            Problem { finding, transcript: self.transcript.clone() }
        });
        Ok(Played { problem, prompts: self.prompts, transcript: self.transcript })
    }

    /// Takes one event of the phone, if one comes in time.
    fn listen(&mut self, until: Instant) -> bool {
        let Some(event) = self.phone.next(until) else { return false };
        match event {
            PhoneEvent::Answered(_) => self.answered = true,
            PhoneEvent::Trace(_, body) => {
                self.site.look("what the call tells of itself", &String::from_utf8_lossy(&body));
                if let Ok(event) = serde_json::from_slice::<Value>(&body)
                    && let Some(seen) = Seen::from_json(&event)
                {
                    self.told.push(seen.clone());
                    self.saw(seen);
                    return true;
                }
            }
            PhoneEvent::Failed(_, status) => {
                self.transcript.add(self.at(), "flow", format!("refuses: {}", status.code()));
                self.over();
                return true;
            }
            PhoneEvent::Ended(..) => {
                self.over();
                return true;
            }
            _ => {}
        }
        false
    }

    fn saw(&mut self, seen: Seen) {
        if let Some(line) = seen.line() {
            self.transcript.add(self.at(), "flow", line);
        }
        match &seen {
            Seen::Prompt(prompt) => self.prompts.push(prompt.clone()),
            Seen::Asks(asked) => {
                self.judged();
                self.secret = asked.factor.is_some();
            }
            Seen::Outcome { .. } | Seen::Finished(_) => self.judged(),
            Seen::Fact { name, value } if name == "message" && value == "listening" && self.site.speaks => {
                let voice = Clip::from_pcm(&render(Tone::Beep, MESSAGE));
                self.phone.play(self.session, vec![Arc::new(voice)], false);
            }
            _ => {}
        }
        self.news.push_back(seen);
    }

    /// What was keyed for a factor was judged, and what follows is told.
    const fn judged(&mut self) {
        if self.secret {
            self.acted = None;
        }
    }

    /// The call is over: what came after, and what was lost with the last packets, stands in its record.
    fn over(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        let patient = os::now() + ANSWER;
        let record = loop {
            if let Some(record) = self.record() {
                break Some(record);
            }
            if os::now() >= patient {
                break None;
            }
            os::pause(SLICE);
        };
        let Some(record) = record else { return };
        self.site.look("the call's record", &record);
        let record: Value = serde_json::from_str(&record).unwrap_or_default();
        let events = record.get("events").and_then(Value::as_array).into_iter().flatten();
        let recorded: Vec<Seen> = events.filter_map(Seen::from_json).collect();
        let missing = after(&std::mem::take(&mut self.told), &recorded);
        missing.iter().cloned().for_each(|seen| self.saw(seen));
    }

    /// The record of this call: the newest, once there are as many as calls have ended.
    fn record(&self) -> Option<String> {
        let deployment = self.site.deployment()?;
        if deployment.calls() > 0 {
            return None;
        }
        let newest = deployment.vault.calls(1).ok()?.into_iter().next()?;
        let began = os::unix_now().0 - i64::try_from(self.begun.elapsed_ms()).unwrap_or(0);
        (newest.at >= UnixTime(began)).then_some(newest.record)
    }

    fn at(&self) -> Duration {
        os::now().saturating_duration_since(self.begun)
    }

    /// Whom the caller claims to be: by what they typed, by where they call from, or the only one there is.
    fn claimed(&self) -> Option<&'s Enrolled> {
        let people = &self.site.people;
        let typed = people.iter().find(|one| {
            one.person.account.as_ref().is_some_and(|account| self.typed.contains(account.as_str()))
        });
        typed.or_else(|| people.first().filter(|_| people.len() == 1)).or_else(|| people.first())
    }

    fn right(&mut self, factor: FactorId, question: Option<&str>) -> Option<String> {
        let one = self.claimed()?;
        match factor {
            FactorId::Pin => {
                let pin = one.person.factors.iter().find(|(own, _)| *own == factor);
                pin.map(|(_, pin)| pin.expose().clone())
            }
            FactorId::Password => {
                let password = one.person.factors.iter().find(|(own, _)| *own == factor);
                password.and_then(|(_, text)| Some(password::keys(text).ok()?.expose().clone()))
            }
            FactorId::Questions => {
                let policy = self.site.deployment()?.vault.policy();
                let own = one.person.factors.iter().find(|(own, _)| *own == factor)?;
                answer(&own.1, &policy.factor(factor)?.questions, question).map(|keys| keys.expose().clone())
            }
            FactorId::Recovery => one.codes.borrow_mut().pop().map(|code| code.expose().clone()),
            FactorId::Hotp => {
                let (seed, next) = one.fob.as_ref()?;
                let policy = self.site.deployment()?.vault.policy();
                let code = Fob::of(policy.factor(factor)?).code(seed, next.get());
                next.set(next.get().saturating_add(1));
                Some(code.expose().clone())
            }
            FactorId::Totp => {
                let (parameters, seed) = one.generator.as_ref()?;
                let calendar = self.site.deployment()?.vault.calendar();
                // A code counts once: the next one comes within half a minute.
                for _ in 0..700 {
                    let code = parameters.code(seed, parameters.step_at(calendar.now()));
                    let mut used = self.site.used.borrow_mut();
                    if !used.contains(code.expose()) {
                        used.push(code.expose().clone());
                        return Some(code.expose().clone());
                    }
                    drop(used);
                    // The call's media goes on meanwhile.
                    self.listen(os::now() + SLICE);
                }
                None
            }
            other => {
                one.person.factors.iter().find(|(own, _)| *own == other)?;
                self.site.post.code(other, one.subject.key())
            }
        }
    }
}

/// What a record has behind the last thing that was told. What came before there was a dialog to tell it in stands
/// in the record alone.
fn after<'r>(told: &[Seen], recorded: &'r [Seen]) -> &'r [Seen] {
    told.iter().fold(recorded, |rest, told| {
        let at = rest.iter().position(|seen| seen == told);
        at.and_then(|at| rest.get(at + 1..)).unwrap_or(rest)
    })
}

trait Elapsed {
    fn elapsed_ms(&self) -> u64;
}

impl Elapsed for Instant {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(os::now().saturating_duration_since(*self).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Stage for LiveCall<'_> {
    fn news(&mut self) -> Vec<Seen> {
        self.news.drain(..).collect()
    }

    fn go_on(&mut self) -> bool {
        let patient = os::now() + PATIENCE;
        while !self.ended && os::now() < patient {
            if self.listen(os::now() + SLICE) {
                return true;
            }
            if self.acted.is_some_and(|until| os::now() > until) {
                // What was waited for has not come; the performer looks at what is there.
                self.acted = None;
                return true;
            }
        }
        !self.news.is_empty()
    }

    fn pass(&mut self, time: Duration) {
        let until = os::now() + time;
        while os::now() < until {
            if self.ended {
                os::pause(SLICE.min(until.saturating_duration_since(os::now())));
            } else {
                self.listen(until.min(os::now() + SLICE));
            }
        }
    }

    fn press(&mut self, keys: &Keys, secret: bool) {
        self.pass(REACTION);
        let typed: String = keys.keys.iter().map(|key| key.as_char()).collect();
        let shown = if secret || self.secret { "•".repeat(keys.keys.len()) } else { typed.clone() };
        self.tell(&format!("presses {shown}"));
        if !self.secret {
            self.typed.push_str(&typed);
        }
        if !self.ended {
            self.phone.press(self.session, &keys.keys);
        }
        let moment = if self.secret { JUDGEMENT } else { MOMENT };
        self.acted = Some(os::now() + keys.gap * u32::try_from(keys.keys.len()).unwrap_or(1) + moment);
        self.pass(keys.gap * u32::try_from(keys.keys.len()).unwrap_or(1));
    }

    fn say(&mut self, _words: &str, _confidence: u8) -> Result<(), String> {
        Err("nothing listens to words in a real call of this version".to_owned())
    }

    fn speak(&mut self, _voice: Voice, _right: bool) -> Result<(), String> {
        Err("nobody speaks in a rehearsal".to_owned())
    }

    fn say_secret(&mut self, _digits: &Secret<String>) -> Result<(), String> {
        Err("nobody speaks in a rehearsal".to_owned())
    }

    fn hang_up(&mut self) {
        if self.ended {
            return;
        }
        self.tell("hangs up");
        self.phone.hang_up(self.session);
        let patient = os::now() + ANSWER;
        while !self.ended && os::now() < patient {
            self.listen(os::now() + SLICE);
        }
        self.over();
    }

    fn agent(&mut self, act: &AgentAct) -> Result<(), String> {
        let agent = &self.site.agent;
        let patient = os::now() + RINGS;
        while !agent.rings() && !self.ended && os::now() < patient {
            self.listen(os::now() + SLICE);
        }
        if !agent.rings() {
            return Err("the agent's phone does not ring".to_owned());
        }
        let order = match act {
            AgentAct::Accepts { .. } => Order::Accept,
            AgentAct::Rejects => Order::Reject(StatusCode::DECLINE),
            AgentAct::Busy => Order::Reject(StatusCode::BUSY_HERE),
            AgentAct::Fails => Order::Reject(StatusCode::SERVER_INTERNAL_ERROR),
            AgentAct::NoAnswer => {
                self.transcript.add(self.at(), "agent", "does not answer");
                return Ok(());
            }
            AgentAct::HangsUp => Order::HangUp,
        };
        let accepts = matches!(order, Order::Accept);
        self.transcript.add(self.at(), "agent", format!("{act:?}"));
        agent.order(order);
        let patient = os::now() + RINGS;
        let joined = |seen: &Seen| matches!(seen, Seen::HandOff { state, .. } if state == "connected");
        while accepts && !self.ended && os::now() < patient && !self.news.iter().any(joined) {
            self.listen(os::now() + SLICE);
        }
        // A talk that ends before it began is another thing than one that ends.
        self.pass(REACTION);
        Ok(())
    }

    fn answers(&mut self, call: &str, reply: &Reply, once: bool) {
        self.site.services.with(|services| services.set(call, reply, once));
    }

    fn response(&mut self, factor: FactorId, question: Option<&str>, wrong: bool) -> Option<Secret<String>> {
        if !wrong {
            return self.right(factor, question).map(Secret::new);
        }
        let length =
            self.site.deployment()?.vault.policy().factor(factor).map_or(6, |p| usize::from(*p.digits.end()));
        let right = match factor {
            FactorId::Pin | FactorId::Questions => {
                self.right(factor, question).unwrap_or_else(|| "5".repeat(length))
            }
            _ => "5".repeat(length),
        };
        let moved = right
            .chars()
            .map(|c| c.to_digit(10).and_then(|d| char::from_digit((d + 5) % 10, 10)).unwrap_or(c));
        Some(Secret::new(moved.collect()))
    }

    fn holds(&mut self, want: &Want) -> Result<(), String> {
        let services = &self.site.services;
        match want {
            Want::Asked(call) if !services.with(|services| services.was_asked(call)) => {
                Err(format!("{call} was not asked"))
            }
            Want::NotAsked(call) if services.with(|services| services.was_asked(call)) => {
                Err(format!("{call} was asked"))
            }
            Want::Pass(wanted) => {
                if !self.site.agent.rings() && self.site.agent.told(LEVEL).is_none() {
                    return Err("nobody's phone rings".to_owned());
                }
                wanted.iter().try_for_each(|(name, value)| match self.site.agent.told(&header(name)) {
                    Some(told) if told == *value => Ok(()),
                    Some(told) => Err(format!("the agent is told {name}: {told}")),
                    None => Err(format!("the agent is not told {name}")),
                })
            }
            Want::NotPassed(names) => {
                names.iter().try_for_each(|name| match self.site.agent.told(&header(name)) {
                    None => Ok(()),
                    Some(told) => Err(format!("the agent is told {name}: {told}")),
                })
            }
            // What only the simulated world can look at was looked at there.
            _ => Ok(()),
        }
    }

    fn busy(&self) -> bool {
        self.acted.is_some_and(|until| os::now() < until)
    }

    fn tell(&mut self, what: &str) {
        self.transcript.add(self.at(), "caller", what);
    }

    fn mark(&mut self, why: &str) {
        self.transcript.add(self.at(), "test", format!("FAILS HERE: {why}"));
    }
}

const LEVEL: &str = "X-Countersign-Call";

/// How a value of a flow is called in the headers of an agent's call: `customer.id` is
/// `X-Countersign-Customer-Id`.
fn header(name: &str) -> String {
    let mut header = String::from("X-Countersign");
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        header.push('-');
        let mut letters = word.chars();
        header.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        header.extend(letters);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::{Seen, after};

    #[test]
    fn a_record_completes_what_was_told_and_repeats_nothing_of_it() {
        let said =
            |prompts: &[&str]| prompts.iter().map(|prompt| Seen::Prompt((*prompt).to_owned())).collect();
        let recorded: Vec<Seen> = said(&["greeting", "pin", "again", "pin", "goodbye"]);
        let missing = |told: &[&str]| after(&said(told), &recorded).len();
        assert_eq!(missing(&["greeting", "pin", "again"]), 2);
        assert_eq!(missing(&["pin", "again", "pin"]), 1, "the first thing was never told on the wire");
        assert_eq!(missing(&[]), 5);
        assert_eq!(missing(&["greeting", "pin", "again", "pin", "goodbye"]), 0);
        assert_eq!(missing(&["greeting", "a whisper", "pin"]), 3, "what no record has stands for nothing");
    }
}
