//! What a test sees of a call: its public trace, in a form that a simulated and a real call both give.

use serde_json::Value;

use crate::flow::run::TraceEvent;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A block was entered.
    Block(String),
    /// A step began.
    Step {
        /// Its block.
        block: String,
        /// Its verb.
        verb: String,
    },
    /// A step was left.
    Outcome {
        /// Its verb.
        verb: String,
        /// By which outcome.
        outcome: String,
        /// By which way on.
        arm: String,
        /// The step's block.
        block: String,
        /// Its place there.
        step: String,
    },
    /// A prompt began to play.
    Prompt(String),
    /// A key cut a prompt short.
    Interrupted,
    /// The caller is asked for keys.
    Asks(Asked),
    /// The question was said to its end.
    Waits,
    /// The caller was silent, or what they did did not fit.
    Retry {
        /// The step's verb.
        verb: String,
        /// `no_input` or `no_match`.
        why: String,
    },
    /// The call is in this language now.
    Language(String),
    /// A public variable was set.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The level changed.
    Level {
        /// To this.
        level: String,
        /// The factors proved.
        factors: Vec<String>,
    },
    /// A hand-off moved on.
    HandOff {
        /// `queue` or `transfer`.
        verb: String,
        /// How far it is.
        state: String,
        /// Who answered.
        agent: Option<String>,
    },
    /// A fact of the call changed.
    Fact {
        /// Its name.
        name: String,
        /// What it is now.
        value: String,
    },
    /// An event was noted for the audit log.
    Audit(String),
    /// The flow is over.
    Finished(String),
    /// Something else, as people read it.
    Other(String),
}

/// A question to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Asked {
    /// The step's verb.
    pub verb: String,
    /// The factor asked for.
    pub factor: Option<String>,
    /// Which question, where the factor is questions.
    pub question: Option<String>,
    /// Keys, and what they choose.
    pub choices: Vec<(String, String)>,
    /// Whether keys count while the question is still said.
    pub interrupt: bool,
}

impl From<&TraceEvent> for Seen {
    fn from(event: &TraceEvent) -> Self {
        match event {
            TraceEvent::Block { block } => Self::Block(block.to_string()),
            TraceEvent::Step { block, verb } => {
                Self::Step { block: block.to_string(), verb: (*verb).to_owned() }
            }
            TraceEvent::Outcome { verb, outcome, arm, block, step } => Self::Outcome {
                verb: (*verb).to_owned(),
                outcome: outcome.to_string(),
                arm: arm.to_string(),
                block: block.to_string(),
                step: step.to_string(),
            },
            TraceEvent::Prompt { prompt } => Self::Prompt(prompt.to_string()),
            TraceEvent::Interrupted | TraceEvent::Voice => Self::Interrupted,
            TraceEvent::Asks { verb, factor, question, choices, interrupt } => Self::Asks(Asked {
                verb: (*verb).to_owned(),
                factor: factor.as_ref().map(ToString::to_string),
                question: question.as_ref().map(ToString::to_string),
                choices: choices.iter().map(|c| (c.keys.clone(), c.name.to_string())).collect(),
                interrupt: *interrupt,
            }),
            TraceEvent::Waits => Self::Waits,
            TraceEvent::Variable { variable, value } => {
                Self::Variable { name: variable.to_string(), value: value.to_string() }
            }
            TraceEvent::Fact { fact, value } => {
                Self::Fact { name: (*fact).to_owned(), value: value.to_string() }
            }
            TraceEvent::Risk { band, .. } => {
                Self::Fact { name: "risk.band".to_owned(), value: band.to_string() }
            }
            TraceEvent::Retry { verb, why, .. } => {
                Self::Retry { verb: (*verb).to_owned(), why: (*why).to_owned() }
            }
            TraceEvent::Language { language } => Self::Language(language.to_string()),
            TraceEvent::Notice { prompt, version, .. } => {
                Self::Other(format!("notice {prompt} was heard, version {version}"))
            }
            TraceEvent::Consent { purpose, answer, .. } => {
                Self::Other(format!("consent {purpose}: {answer}"))
            }
            TraceEvent::Level { level, factors } => Self::Level {
                level: level.to_string(),
                factors: factors.iter().map(ToString::to_string).collect(),
            },
            TraceEvent::Heard { confidence, .. } => {
                Self::Other(format!("words are heard, {confidence} % sure"))
            }
            TraceEvent::Unheard { why } => Self::Other(format!("words are not understood: {why}")),
            TraceEvent::Skipped { verb } => Self::Other(format!("{verb} is skipped")),
            TraceEvent::Service { service, call, result, .. } => {
                Self::Other(format!("the service {service}.{call}: {result}"))
            }
            TraceEvent::Protected { level } => Self::Other(format!("a look-up needs the level {level}")),
            TraceEvent::HandOff { verb, state, agent } => Self::HandOff {
                verb: (*verb).to_owned(),
                state: (*state).to_owned(),
                agent: agent.as_ref().map(ToString::to_string),
            },
            TraceEvent::Callback { queue } => Self::Other(format!("wants to be called back by {queue}")),
            TraceEvent::Audit { name } => Self::Audit(name.to_string()),
            TraceEvent::Error { what } => Self::Other(format!("error: {what}")),
            TraceEvent::Finished { cause } => Self::Finished(
                serde_json::to_value(cause)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default(),
            ),
        }
    }
}

impl Seen {
    /// From an event as it is told on the wire or stands in a call's record; `None` for what is not the
    /// flow's.
    #[must_use]
    pub fn from_json(event: &Value) -> Option<Self> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let optional = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(match event.get("event")?.as_str()? {
            "block" => Self::Block(text("block")),
            "step" => Self::Step { block: text("block"), verb: text("verb") },
            "outcome" => Self::Outcome {
                verb: text("verb"),
                outcome: text("outcome"),
                arm: text("arm"),
                block: text("block"),
                step: text("step"),
            },
            "prompt" => Self::Prompt(text("prompt")),
            "interrupted" | "voice" => Self::Interrupted,
            "asks" => {
                let choices = event.get("choices").and_then(Value::as_array).into_iter().flatten();
                let part = |choice: &Value, name: &str| {
                    choice.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
                };
                Self::Asks(Asked {
                    verb: text("verb"),
                    factor: optional("factor"),
                    question: optional("question"),
                    choices: choices.map(|choice| (part(choice, "keys"), part(choice, "name"))).collect(),
                    interrupt: event.get("interrupt").and_then(Value::as_bool).unwrap_or_default(),
                })
            }
            "waits" => Self::Waits,
            "variable" => Self::Variable { name: text("variable"), value: text("value") },
            "fact" => Self::Fact { name: text("fact"), value: text("value") },
            "retry" => Self::Retry { verb: text("verb"), why: text("why") },
            "language" => Self::Language(text("language")),
            "level" => {
                let factors = event.get("factors").and_then(Value::as_array).into_iter().flatten();
                let factors = factors.filter_map(Value::as_str).map(str::to_owned).collect();
                Self::Level { level: text("level"), factors }
            }
            "hand_off" => {
                Self::HandOff { verb: text("verb"), state: text("state"), agent: optional("agent") }
            }
            "risk" => Self::Fact { name: "risk.band".to_owned(), value: text("band") },
            "consent" => Self::Other(format!("consent {}: {}", text("purpose"), text("answer"))),
            "audit" => Self::Audit(text("name")),
            "finished" => Self::Finished(text("cause")),
            "notice" => Self::Other(format!("notice {} was heard", text("prompt"))),
            "protected" | "error" => Self::Other(format!("{}: {}", text("event"), text("what"))),
            _ => return None,
        })
    }

    /// As a line of a transcript; `None` for what people need not read.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        Some(match self {
            Self::Block(block) => format!("── {block} ──"),
            Self::Outcome { verb, outcome, .. } => format!("{verb}: {outcome}"),
            Self::Prompt(prompt) => format!("says {prompt}"),
            Self::Asks(Asked { factor: Some(factor), .. }) => format!("asks for the {factor}"),
            Self::Retry { why, .. } => {
                format!("hears {}", if why == "no_input" { "nothing" } else { "something that does not fit" })
            }
            Self::Language(language) => format!("speaks {language}"),
            Self::Variable { name, value } if value.is_empty() => format!("{name} is not set"),
            Self::Variable { name, value } => format!("{name} = {value}"),
            Self::Fact { name, value } => format!("{name}: {value}"),
            Self::Level { level, factors } => format!("level {level} ({})", factors.join(", ")),
            Self::HandOff { verb, state, agent: Some(agent) } => format!("{verb}: {state}, {agent}"),
            Self::HandOff { verb, state, .. } => format!("{verb}: {state}"),
            Self::Audit(name) => format!("notes {name}"),
            Self::Finished(cause) => format!("is over: {cause}"),
            Self::Other(text) => text.clone(),
            Self::Step { .. } | Self::Interrupted | Self::Asks(_) | Self::Waits => return None,
        })
    }
}
