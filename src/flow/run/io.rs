//! What a flow run is told and what it orders: the words between [`super::FlowRun`] and the call that owns it.
//!
//! Nothing here does anything. Class secret never appears: typed secrets leave only inside
//! [`Question::Auth`], as `Secret`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::order::{Listen, Message, MessageReply, Notify, RecordingOrder};
use super::trace::TraceEvent;
use crate::auth::{self, Grant};
use crate::flow::ClipKey;
use crate::secret::Secret;
use crate::units::{AskId, Digit, PlayId};
use crate::voice::{EarError, Hearing, Understood, Utterance};

/// What happened.
pub enum Input {
    /// The call is there; the flow may begin.
    Start,
    /// What came of the order [`Output::EarlyMedia`]: whether the caller hears what is played.
    EarlyMedia(bool),
    /// The order [`Output::Answer`] was carried out: media flows.
    Answered,
    /// The caller pressed a key.
    Digit(Digit),
    /// The caller said something. Only comes where [`super::Abilities::speech`] is told.
    Spoken(Spoken),
    /// The caller speaks: it has gone on long enough to be no noise. Only comes between [`Output::Attend`] with `true` and
    /// with `false`, once for each stretch of speech.
    Voice,
    /// The caller speaks (`true`), or was only taken for somebody who does (`false`). After `true` comes `false`,
    /// [`Input::Spoken`] or [`Input::Unheard`]. Only comes while somebody is ordered to hear, see [`Output::Hear`].
    Speaking(bool),
    /// The caller said something, and nobody can tell what.
    Unheard(EarError),
    /// A prompt played to its end (never sent for one that was stopped or replaced).
    PlayFinished(PlayId),
    /// A question was answered.
    Answer(AskId, Answer),
    /// The hand-off in progress moved on.
    HandOff(HandOff),
    /// The caller is gone; or the order to hang up was carried out, which changes nothing.
    HungUp,
    /// The recorder can't go on: nothing of the call is recorded any more.
    RecordingFailed,
    /// The moment of the last [`Output::Timeout`] has come.
    Timeout,
}

/// What a recogniser has understood, at the end of what was said. Personal data: no `Debug`.
pub struct Spoken {
    /// The words, as the recogniser spells them.
    pub words: Secret<String>,
    /// How sure it is of them, in percent.
    pub confidence: u8,
    /// What else it may have been, the surest first.
    pub others: Vec<Understood>,
    /// How it sounded; `None` where words come without a sound, as in flow tests.
    pub sound: Option<Arc<Utterance>>,
    /// How long it took to understand it.
    pub took: Duration,
}

impl Spoken {
    /// Words that were understood with so many percent of confidence.
    #[must_use]
    pub fn new(words: impl Into<String>, confidence: u8) -> Self {
        let words = Secret::new(words.into());
        Self { words, confidence, others: Vec::new(), sound: None, took: Duration::ZERO }
    }

    /// What a recogniser made of a sound, the surest first: nothing, perhaps.
    #[must_use]
    pub fn understood(sound: Arc<Utterance>, understood: Vec<Understood>, took: Duration) -> Self {
        let mut understood = understood.into_iter();
        let best = understood.next();
        let nothing = || (Secret::new(String::new()), 0);
        let (words, confidence) = best.map_or_else(nothing, |best| (best.words, best.confidence));
        Self { words, confidence, others: understood.collect(), sound: Some(sound), took }
    }

    /// All that it may have been, the surest first.
    pub fn readings(&self) -> impl Iterator<Item = (&Secret<String>, u8)> {
        let others = self.others.iter().map(|other| (&other.words, other.confidence));
        std::iter::once((&self.words, self.confidence)).chain(others)
    }
}

/// An order, or the moment to be woken.
pub enum Output {
    /// Let the caller hear what is played, without an answer; the flow goes on at [`Input::EarlyMedia`].
    EarlyMedia,
    /// Answer the call; the flow goes on at [`Input::Answered`].
    Answer,
    /// Play these one after the other; replaces whatever plays.
    Play {
        /// Comes back in [`Input::PlayFinished`].
        id: PlayId,
        /// What to play.
        clips: Vec<ClipKey>,
        /// Start again at the end, until stopped; never finishes.
        repeat: bool,
    },
    /// Stop what plays.
    StopPlaying,
    /// Listen for the caller's voice from now on, or no longer; see [`Input::Voice`].
    Attend(bool),
    /// From now on hear what the caller says, and listen for this; or no longer. Only comes where [`super::Abilities::speech`]
    /// is told; what was heard for an earlier order is nobody's.
    Hear(Option<Hearing>),
    /// A secret is being typed (`true`) or no longer: keys are kept from leg B and from every recorder.
    Secure(bool),
    /// Ask the outside; exactly one [`Input::Answer`] is expected, an unanswered one is given up in time.
    Ask(AskId, Question),
    /// Listen to the caller until silence, [`Output::StopListening`] or their hang-up, and have what they said
    /// kept. Answered by [`Answer::Message`], once; after a hang-up too.
    Listen(AskId, Listen),
    /// The message is over; what was said is kept all the same.
    StopListening,
    /// The recorder is to do this. Only comes where [`super::Abilities::recorder`] is told.
    Recording(RecordingOrder),
    /// Hand the caller over, or take them back.
    HandOff(HandOffRequest),
    /// A public fact for the record and for whoever watches.
    Trace(TraceEvent),
    /// Hang up the caller now. What runs after a hang-up still may ask.
    Hangup(HangupCause),
    /// The run is over: nothing follows but [`Output::Timeout`] with `None`. Exactly once per run.
    Finished,
    /// Nothing to do until then.
    Timeout(Option<Instant>),
}

/// What a flow asks the outside.
pub enum Question {
    /// For the vault: identities, factors, the audit log.
    Auth(auth::Question),
    /// For a service.
    Lookup(Lookup),
    /// Keep a message that the caller left. A flow asks by [`Output::Listen`]; whoever listened asks this.
    Message(Message),
    /// Send a message. Answered by [`Answer::Notified`].
    Notify(Notify),
}

/// A call to a service. Personal data: no `Debug`.
pub struct Lookup {
    /// The service's name in `services.yaml`.
    pub service: String,
    /// The call's name there.
    pub call: String,
    /// What it is given, by name.
    pub arguments: Vec<(String, String)>,
    /// A card, under the name of the argument that takes it; only for a service that accepts cards.
    pub card: Option<(String, Box<CardData>)>,
    /// The same for every repetition of one order, so that it is carried out once.
    pub idempotency: Option<String>,
    /// The proof that a protected call demands; the driver refuses a protected call without it.
    pub grant: Option<Grant>,
    /// When the answer is no longer waited for.
    pub timeout: Duration,
    /// How old a reply may be; what the service declares when `None`.
    pub cache: Option<Duration>,
    /// Whether it is to be kept and sent later when the service does not answer.
    pub spool: bool,
}

impl Lookup {
    /// A call of a service that needs no proof, carries no card and is asked once.
    #[must_use]
    pub fn new(service: &str, call: &str, arguments: Vec<(String, String)>, timeout: Duration) -> Self {
        let (service, call) = (service.to_owned(), call.to_owned());
        Self {
            service,
            call,
            arguments,
            card: None,
            idempotency: None,
            grant: None,
            timeout,
            cache: None,
            spool: false,
        }
    }
}

/// A card on its way to a payment service: wiped when dropped, and nothing but this carries it.
pub struct CardData {
    /// Its number, digits only.
    pub number: Secret<String>,
    /// The month until which it is valid, `MMYY`; empty when it was not asked for.
    pub expiry: Secret<String>,
    /// The three or four digits beside the number; empty when they were not asked for.
    pub cvv: Secret<String>,
}

/// The answer to a [`Question`].
pub enum Answer {
    /// To [`Question::Auth`].
    Auth(auth::Answer),
    /// To [`Question::Lookup`].
    Lookup(LookupReply),
    /// To [`Output::Listen`] and [`Question::Message`].
    Message(MessageReply),
    /// To [`Question::Notify`]: whether a sender has taken it.
    Notified(bool),
}

/// What a service said. Personal data: no `Debug`.
pub enum LookupReply {
    /// The reply's fields by name, as text.
    Found(Vec<(String, String)>),
    /// There is no such thing.
    NotFound,
    /// There are several, so that none is certain to be meant.
    Many,
    /// It was asked and says no: a payment that the card's bank declines.
    Declined,
    /// No answer, or none of use.
    Unavailable,
}

impl LookupReply {
    /// What traces call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NotFound => "not_found",
            Self::Many => "many",
            Self::Declined => "declined",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What is to be done with the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOffRequest {
    /// Wait for an agent of a queue. What the caller hears meanwhile is ordered by the run itself.
    Queue {
        /// The queue's name.
        queue: String,
        /// Higher is served earlier.
        priority: u8,
        /// What the agent's phone shows.
        pass: Pass,
        /// What the agent hears before the callers are joined.
        whisper: Vec<ClipKey>,
        /// What the agent must be able to do; anybody of the queue when `None`.
        skill: Option<String>,
        /// How long at most; counted by the flow run itself, here for the switchboard's information.
        max_wait: Duration,
    },
    /// Call somebody and join the two.
    Transfer {
        /// Where to, as the flow names it: an agent, a target of the configuration or a SIP address.
        target: String,
        /// How long it may ring.
        ring: Duration,
        /// What the other phone shows.
        pass: Pass,
        /// What the other side hears before the two are joined.
        whisper: Vec<ClipKey>,
    },
    /// Give up the hand-off in progress: leave the queue, stop ringing.
    Leave,
}

/// What an agent is told about the caller: class public or personal, never secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// Name and text, in the flow's order.
    pub values: Vec<(String, String)>,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

/// How a hand-off goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOff {
    /// In line; 1 is next.
    Waiting {
        /// The place in line.
        place: u32,
    },
    /// Somebody's phone rings.
    Ringing,
    /// The two are joined.
    Connected {
        /// Who answered.
        agent: String,
    },
    /// They were joined and the far end hung up; the caller is still there.
    Finished,
    /// The target is busy.
    Busy,
    /// The target did not answer.
    NoAnswer,
    /// The target declined.
    Refused,
    /// The target can't be reached.
    Failed,
    /// The queue takes no more callers.
    Full,
    /// The longest wait is over.
    TimedOut,
}

/// Why a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupCause {
    /// The flow is done.
    Normal,
    /// The flow said busy.
    Busy,
    /// The flow rejected the call.
    Rejected,
    /// The engine or the flow failed and nothing was left to try.
    Fault,
    /// The caller hung up.
    CallerGone,
}

/// A name that stands in the application's files: public by nature.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl From<&Arc<str>> for Name {
    fn from(name: &Arc<str>) -> Self {
        Self(Arc::clone(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
