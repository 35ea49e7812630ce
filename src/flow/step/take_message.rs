//! `take_message`: keep what the caller says.

use std::time::{Duration, Instant};

use crate::auth::AuditKind;
use crate::flow::ClipKey;
use crate::flow::document::{Arm, Prompt};
use crate::flow::document::fields;
use crate::flow::run::exit::Exit;
use crate::flow::run::{Answer, FlowRun, Listen, MessageReply, Name, News, TraceEvent, Waiting};
use crate::units::{AskId, Digit, PlayId};
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "take_message",
    summary: "Says a prompt and a beep, and keeps what the caller says, sealed, until somebody listens to it (`countersign messages`). The message ends with its key, with silence, or when it is as long as it may be; a caller who hangs up has left what they said.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::optional("max", Shape::Duration, "the longest message, five minutes at most; 2m when left out"),
        FieldSpec::optional("end", Shape::Key, "the key that ends it; `hash` when left out"),
        FieldSpec::optional("silence", Shape::Duration, "how long a silence ends it; 5s when left out"),
        FieldSpec::optional("mailbox", Shape::Text, "whose messages these are; `general` when left out"),
    ],
    outcomes: &["saved", "empty", "failed"],
    needs_caller: true,
    input: false,
    example: r#"- take_message: leave_message
  max: 2m
  mailbox: reception
  outcome: {saved: continue, empty: continue, failed: continue}
"#,
    read,
};

/// `take_message`
#[derive(Debug)]
pub struct TakeMessage {
    /// What is said before the beep.
    pub prompt: Prompt,
    /// The longest message.
    pub max: Duration,
    /// The key that ends it.
    pub end: Digit,
    /// The silence that ends it.
    pub silence: Duration,
    /// Whose it is.
    pub mailbox: String,
    /// It is kept.
    pub saved: Arm,
    /// There was nothing to keep.
    pub empty: Arm,
    /// It could not be kept.
    pub failed: Arm,
}

/// What plays before it counts.
const BEEP: &str = "tones/beep";
/// The longest message that an application may ask for: what is said is in memory until it ends.
const LONGEST: Duration = Duration::from_secs(5 * 60);

impl Node for TakeMessage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("saved".into(), &self.saved), ("empty".into(), &self.empty), ("failed".into(), &self.failed)]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        vec![&self.prompt]
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![ClipKey::new(BEEP)]
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn waits(&self, outcome: &str) -> bool {
        outcome != "failed"
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        let mut clips = run.announce(now, std::slice::from_ref(&self.prompt));
        clips.push(ClipKey::new(BEEP));
        let play = run.start_playing(clips, false);
        let listen = Listen { mailbox: self.mailbox.clone(), max: self.max, silence: self.silence };
        run.wait(Box::new(Prompting { play, until: now + PROMPT, listen, end: self.end }));
    }
}

/// No prompt is longer.
const PROMPT: Duration = Duration::from_secs(5 * 60);
/// Writing it to the disk takes no longer, or it has failed.
const STORING: Duration = Duration::from_secs(20);

/// The prompt and the beep are being said.
struct Prompting {
    play: PlayId,
    until: Instant,
    listen: Listen,
    end: Digit,
}

impl Waiting for Prompting {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        match news {
            News::Played(play) if play == self.play => {}
            News::Timeout => run.stop_playing(),
            _ => return run.wait(self),
        }
        let until = now + self.listen.max + STORING;
        let mailbox = self.listen.mailbox.clone();
        let ask = run.listen(self.listen);
        run.trace(TraceEvent::Fact { fact: "message", value: Name::from("listening") });
        run.wait(Box::new(Taking { ask, until, end: Some(self.end), mailbox }));
    }
}

/// The caller speaks, or what they said is being kept.
struct Taking {
    ask: AskId,
    until: Instant,
    /// The key that ends it; `None` once it was pressed.
    end: Option<Digit>,
    mailbox: String,
}

impl Waiting for Taking {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn hears_keys(&self) -> bool {
        true
    }

    fn told(mut self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        let outcome = match news {
            News::Key(key) if self.end == Some(key) => {
                self.end = None;
                self.until = now + STORING;
                run.stop_listening();
                return run.wait(self);
            }
            News::Answer(ask, Answer::Message(reply)) if ask == self.ask => match reply {
                MessageReply::Saved => "saved",
                MessageReply::Empty => "empty",
                MessageReply::Failed => "failed",
            },
            News::Timeout => "failed",
            _ => return run.wait(self),
        };
        run.stop_listening();
        let facts = [("mailbox", self.mailbox.as_str()), ("outcome", outcome)];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        run.note(AuditKind::Noted { name: String::from("message"), facts });
        run.take(now, Exit::Outcome(outcome));
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let max = match step.get("max") {
        Some(node) => {
            let max = fields::duration(node, "max", step.build.findings)?;
            if max.is_zero() || max > LONGEST {
                step.error("E153", &node.place.clone(), "no message is that long", "write a time from a second to five minutes, such as `2m`");
                return None;
            }
            max
        }
        None => Duration::from_secs(120),
    };
    let silence = match step.get("silence") {
        Some(node) => {
            let silence = fields::duration(node, "silence", step.build.findings)?;
            if silence < Duration::from_secs(1) {
                step.error("E153", &node.place.clone(), "everybody is silent for that long between two words", "write a few seconds, such as `5s`");
                return None;
            }
            silence
        }
        None => Duration::from_secs(5),
    };
    let end = match step.get("end") {
        Some(node) => fields::digit(node, step.build.findings)?,
        None => Digit::HASH,
    };
    let mailbox = match step.get("mailbox") {
        Some(node) => fields::name(node, "a mailbox", step.build.findings)?,
        None => "general".to_owned(),
    };
    let mut arms = step.arms(&["saved", "empty", "failed"], &[])?.into_iter();
    let (saved, empty, failed) = (next(&mut arms), next(&mut arms), next(&mut arms));
    Some(StepKind::TakeMessage(TakeMessage { prompt: prompt?, max, end, silence, mailbox, saved, empty, failed }))
}
