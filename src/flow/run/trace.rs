//! What a run says of itself, for the record and for whoever watches. Public facts, and nothing else.

use std::time::Duration;

use serde::Serialize;

use super::io::{HangupCause, Name};

/// One of several choices: names of the flow, never what a caller typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The keys that choose it, such as `1` or `*`.
    pub keys: String,
    /// What they choose: a menu's value or block, a language, `yes` or `no`.
    pub name: Name,
}

/// A public fact about a run: names of the flow, levels and outcomes. Never a key, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TraceEvent {
    /// A block was entered.
    Block {
        /// Its name; `sub.block` inside a sub-flow.
        block: Name,
    },
    /// A step began.
    Step {
        /// The block it stands in.
        block: Name,
        /// Its verb.
        verb: &'static str,
    },
    /// A step was passed by: its `when` does not hold.
    Skipped {
        /// Its verb.
        verb: &'static str,
    },
    /// A service was asked.
    Service {
        /// Its name.
        service: Name,
        /// The call of it.
        call: Name,
        /// `found`, `not_found`, `many`, `declined`, `unavailable`; `useless` for a reply that is not what is
        /// declared, `late` for none in time, `refused: …` for what was never asked.
        result: &'static str,
        /// How long it took.
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    /// A step ended by one of its outcomes.
    Outcome {
        /// The step's verb.
        verb: &'static str,
        /// The outcome.
        outcome: Name,
        /// Which way on that is, by a name of its own: `key 1` of a menu, `case 2` of a `decide`.
        arm: Name,
        /// The block that the step stands in; `sub.block` inside a sub-flow.
        block: Name,
        /// Its place in the block, from 1; `3.ok` is the step of the third one's arm `ok`.
        step: Name,
    },
    /// A prompt began to play.
    Prompt {
        /// Its key in the catalogue.
        prompt: Name,
    },
    /// A prompt was cut short by a key, or by words that answer it.
    Interrupted,
    /// A prompt was cut short by the caller's voice.
    Voice,
    /// The caller said something. What it was is nobody's.
    Heard {
        /// How sure the recogniser is of it, in percent.
        confidence: u8,
        /// How long they spoke.
        #[serde(rename = "spoke_ms", serialize_with = "millis")]
        spoke: Duration,
        /// How long it took to understand it.
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    /// The caller said something, and nobody can tell what.
    Unheard {
        /// `language`, `full`, `unreachable` or `failed`.
        why: &'static str,
    },
    /// The caller is asked for keys, and may press them from now on unless a prompt has to end first.
    Asks {
        /// The step's verb.
        verb: &'static str,
        /// The factor that is asked for, when one is.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<Name>,
        /// Which question, where the factor is questions.
        #[serde(skip_serializing_if = "Option::is_none")]
        question: Option<Name>,
        /// Which keys choose what; empty where a number is typed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        choices: Vec<Choice>,
        /// Whether keys cut the prompt short; `false`: they count from [`TraceEvent::Waits`] on.
        interrupt: bool,
    },
    /// The question was said to its end: the caller's time runs.
    Waits,
    /// A variable of class public was set.
    Variable {
        /// Its name.
        variable: Name,
        /// What it holds now; empty when nothing.
        value: Name,
    },
    /// Something about the call changed that is neither a variable nor a level: `recording`, `wiped`.
    Fact {
        /// Its name.
        fact: &'static str,
        /// What it is now.
        value: Name,
    },
    /// The caller was silent, or what they typed did not fit.
    Retry {
        /// The step's verb.
        verb: &'static str,
        /// `no_input` or `no_match`.
        why: &'static str,
        /// Which failure of this step it was, from 1.
        failures: u32,
    },
    /// The caller chose a language.
    Language {
        /// Its tag, such as `es-ES`.
        language: Name,
    },
    /// A notice was heard.
    Notice {
        /// Its key.
        prompt: Name,
        /// Its version.
        version: Name,
        /// The language it was said in.
        language: Name,
    },
    /// The caller was asked for consent.
    Consent {
        /// What for.
        purpose: Name,
        /// `granted`, `refused` or `unknown`.
        answer: &'static str,
        /// The version of the text.
        version: Name,
        /// The language it was said in.
        language: Name,
    },
    /// The level of assurance changed.
    Level {
        /// Its name, or `none`.
        level: Name,
        /// The factors proven so far.
        factors: Vec<Name>,
    },
    /// The risk of the call was assessed.
    Risk {
        /// The points.
        score: u32,
        /// The band.
        band: Name,
        /// The signals that were there.
        reasons: Vec<Name>,
        /// What follows from the band, or would.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        actions: Vec<Name>,
        /// The policy only observes: nothing of it was done.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        observed: bool,
    },
    /// A protected lookup was not made: no grant.
    Protected {
        /// The level it needs.
        level: Name,
    },
    /// A hand-off moved on.
    HandOff {
        /// `queue` or `transfer`.
        verb: &'static str,
        /// `waiting`, `ringing`, `connected`, `finished`.
        state: &'static str,
        /// Who answered, when somebody did.
        agent: Option<Name>,
    },
    /// The caller wants to be called back.
    Callback {
        /// By whom.
        queue: Name,
    },
    /// The flow noted an event for the audit log.
    Audit {
        /// Its name.
        name: Name,
    },
    /// Something went wrong and `when_error` was taken.
    Error {
        /// What, in the engine's words.
        what: &'static str,
    },
    /// The flow is over.
    Finished {
        /// Why.
        cause: HangupCause,
    },
}

fn millis<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
