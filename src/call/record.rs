//! What is kept of a call when it is over: who it went to and why it ended, what was proven, how the media
//! was. No key, no account number; the caller's number travels beside the record, to be sealed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::io::CallSettings;
use super::outgoing::Fate;
use super::recording::RecordingReference;
use crate::flow::run::{HangupCause, TraceEvent};
use crate::media::MediaStats;
use crate::sip::stir::{Attestation, Verdict};
use crate::units::{CallId, Epoch, UnixTime};

/// One call, over. Times are milliseconds, calendar times since 1970.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// Our name for the call.
    #[serde(serialize_with = "as_text")]
    pub call: CallId,
    /// Which way it was made.
    pub direction: Direction,
    /// The trunk it came by, or the sender that it was made for.
    #[serde(serialize_with = "as_text")]
    pub trunk: Arc<str>,
    /// The number that was dialled; empty for calls of our own, whose number is sealed.
    pub dialled: String,
    /// The application that ran.
    pub application: Version,
    /// When the INVITE came.
    #[serde(serialize_with = "as_millis")]
    pub started: UnixTime,
    /// When it was answered.
    #[serde(serialize_with = "as_optional_millis")]
    pub answered: Option<UnixTime>,
    /// When both legs and the flow were over.
    #[serde(serialize_with = "as_millis")]
    pub ended: UnixTime,
    /// Why it ended.
    pub cause: EndCause,
    /// The level of assurance held at the end, or `none`.
    pub level: String,
    /// The factors proven.
    pub factors: Vec<String>,
    /// The agents that the caller talked to, in order.
    pub agents: Vec<String>,
    /// How long the caller waited in queues altogether.
    #[serde(rename = "queue_wait_ms", serialize_with = "duration_ms")]
    pub queue_wait: Duration,
    /// The caller's media.
    pub caller_media: Option<MediaReport>,
    /// The media of each other leg that was answered.
    pub other_media: Vec<MediaReport>,
    /// What was recorded of it.
    pub recordings: Vec<RecordingReference>,
    /// What happened, in order.
    pub events: Vec<Happened>,
    /// Events that no longer fitted.
    pub events_dropped: u32,
}

/// Which version of which application a call ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The `id` of its main flow.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The hash of its files.
    #[serde(serialize_with = "as_text")]
    pub hash: Arc<str>,
    /// Whether it was on trial.
    pub canary: bool,
}

impl Version {
    pub(super) fn of(settings: &CallSettings, canary: bool) -> Self {
        let application = &settings.application;
        let (id, title) = (application.id.clone(), application.title.clone());
        Self { id, title, hash: Arc::clone(&settings.application_hash), canary }
    }

    /// Of a call that runs no flow of the application: it tells a code.
    pub(super) fn told(settings: &CallSettings) -> Self {
        let (id, title) = ("code_call".to_owned(), "A code, told in a call".to_owned());
        Self { id, title, hash: Arc::clone(&settings.application_hash), canary: false }
    }
}

/// Which way a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Somebody called us.
    Inbound,
    /// We called somebody, to tell them a code.
    Outbound,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The flow hung up, its work done.
    FlowDone,
    /// The flow said busy.
    FlowBusy,
    /// The flow rejected the call.
    FlowRejected,
    /// The flow could not go on.
    FlowFault,
    /// The caller hung up.
    CallerHungUp,
    /// The caller gave up before the call was answered.
    Cancelled,
    /// No media port was free.
    NoPort,
    /// No codec in common, or a session description that makes no sense.
    NotAcceptable,
    /// The caller's side never confirmed the answer.
    NoAck,
    /// The caller's side does not answer any more.
    Unreachable,
    /// No media came for too long.
    MediaTimeout,
    /// The call lasted as long as a call may.
    MaxDuration,
    /// The engine is shutting down.
    Shutdown,
    /// A call of our own: the code was told.
    CodeTold,
    /// A call of our own: the line was busy.
    Busy,
    /// A call of our own: nobody answered.
    NoAnswer,
    /// A call of our own: it was declined.
    Declined,
    /// A call of our own: it was answered, and nobody pressed the key.
    NoKey,
    /// A call of our own: they hung up before the code was told.
    HungUp,
    /// A call of our own: the code was too old before it was told.
    Expired,
    /// A call of our own: the next hop did not take it.
    NotPlaced,
    /// A call of our own: it broke.
    Broken,
}

impl From<Fate> for EndCause {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Told => Self::CodeTold,
            Fate::Busy => Self::Busy,
            Fate::NoAnswer => Self::NoAnswer,
            Fate::Declined => Self::Declined,
            Fate::NoKey => Self::NoKey,
            Fate::HungUp => Self::HungUp,
            Fate::Expired => Self::Expired,
            Fate::NotPlaced(_) => Self::NotPlaced,
            Fate::NoRoom => Self::Shutdown,
            Fate::Broken => Self::Broken,
        }
    }
}

impl From<HangupCause> for EndCause {
    fn from(cause: HangupCause) -> Self {
        match cause {
            HangupCause::Normal => Self::FlowDone,
            HangupCause::Busy => Self::FlowBusy,
            HangupCause::Rejected => Self::FlowRejected,
            HangupCause::Fault => Self::FlowFault,
            HangupCause::CallerGone => Self::CallerHungUp,
        }
    }
}

/// Something that happened in a call.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// Milliseconds after the start of the call.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen in a call: a fact of its flow, or of the call itself.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum What {
    /// Told by the flow.
    Flow(TraceEvent),
    /// Told by the call.
    Call(CallEvent),
}

/// Facts that the call adds to its flow's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CallEvent {
    /// The call was answered.
    Answered,
    /// The caller hears prompts, and the call is not answered.
    EarlyMedia,
    /// A clip is not there; the rest of the prompt is played.
    ClipMissing,
    /// The caller put us on hold.
    Held,
    /// The caller came back from hold.
    Resumed,
    /// The caller's number was looked into.
    Number {
        /// `passed`, `failed` or `none`.
        verstat: &'static str,
        /// The level, when it passed with one.
        attestation: Option<&'static str>,
        /// Why it did not pass, in a word.
        #[serde(skip_serializing_if = "str::is_empty")]
        why: &'static str,
    },
    /// Somebody's phone is being called.
    Calling {
        /// Whose.
        who: String,
    },
    /// A server did not answer; the next one of the same name is called.
    Elsewhere {
        /// Whom it is to reach.
        who: String,
    },
    /// The call to somebody did not succeed.
    NotReached {
        /// Whom.
        who: String,
        /// `busy`, `no_answer`, `refused` or `failed`.
        why: &'static str,
    },
    /// The two legs were joined.
    Joined {
        /// The caller and whom.
        who: String,
    },
    /// The phone of an agent puts the caller through.
    Transferring {
        /// The agent.
        by: String,
        /// To whom, as the settings name them.
        to: String,
    },
    /// A phone wanted somebody called whom it may not have called, or at the wrong time.
    TransferRefused {
        /// The SIP status that it got.
        status: u16,
    },
    /// The other side is gone, the caller is not.
    Parted,
    /// No audio came from a leg for three seconds.
    NoAudio {
        /// `caller` or `other`.
        leg: &'static str,
        /// Why, by what came meanwhile: `never`, `stopped`, `elsewhere`, `other_kind`, `wrong_keys`, `garbage`.
        why: &'static str,
    },
    /// Audio comes again.
    AudioAgain {
        /// `caller` or `other`.
        leg: &'static str,
    },
    /// A call of our own: for this letter.
    Ordered {
        /// Its name.
        letter: String,
    },
    /// A call of our own: the telephone rings.
    Rings,
    /// A call of our own: the code was said in full.
    CodeTold,
    /// A recording server records the call.
    RecordedBy {
        /// Which.
        who: String,
    },
    /// A recording server did not take the call, or gave it up.
    RecordingServerLost {
        /// Which.
        who: String,
        /// `no_way`, `no_ports`, `unreachable`, `no_answer`, `refused`, `not_acceptable`, `hung_up`.
        why: &'static str,
    },
    /// What was recorded could not be kept; nothing more is.
    RecordingFailed,
}

impl CallEvent {
    pub(super) fn of_number(verdict: Verdict) -> Self {
        let attestation = verdict.level().map(Attestation::name);
        Self::Number { verstat: verdict.verstat(), attestation, why: verdict.reason() }
    }
}

/// How the media of a leg was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediaReport {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Runs of them, compared with what random loss makes: 1 is random, more is bursts.
    pub burst_ratio: f64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
    /// Whether the media was encrypted.
    pub encrypted: bool,
    /// Encrypted packets with a wrong tag, dropped.
    pub forged: u64,
    /// Encrypted packets that came a second time, dropped.
    pub replayed: u64,
    /// Packets from strangers, dropped.
    pub foreign: u64,
    /// Fraction of our packets that the peer missed, by its reports.
    pub remote_loss: Option<f64>,
    /// Round trip in milliseconds, by its reports.
    pub round_trip_ms: Option<f64>,
    /// Estimated listening quality, 1 to 4.5.
    pub mos: f64,
}

impl From<&MediaStats> for MediaReport {
    fn from(stats: &MediaStats) -> Self {
        let millis = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        Self {
            sent: stats.packets_sent,
            received: stats.packets_received,
            lost: stats.packets_lost,
            burst_ratio: (stats.burst_ratio() * 100.0).round() / 100.0,
            jitter_ms: millis(stats.jitter),
            encrypted: stats.encrypted,
            forged: stats.forged,
            replayed: stats.replayed,
            foreign: stats.foreign,
            remote_loss: stats.remote_loss,
            round_trip_ms: stats.round_trip.map(millis),
            mos: (stats.mos() * 100.0).round() / 100.0,
        }
    }
}

/// A record in the making.
#[derive(Debug)]
pub(super) struct Draft {
    epoch: Epoch,
    started: Instant,
    pub(super) record: CallRecord,
}

/// A flow's step budget lets a call make many more events than anybody reads.
const MAX_EVENTS: usize = 2000;
/// What is kept of a dialled number: longer ones are noise.
const MAX_DIALLED: usize = 64;

impl Draft {
    pub(super) fn new(
        call: CallId,
        now: Instant,
        epoch: Epoch,
        trunk: Arc<str>,
        application: Version,
        dialled: &str,
    ) -> Self {
        let started = epoch.unix_at(now);
        let dialled = dialled.chars().filter(|c| !c.is_control()).take(MAX_DIALLED).collect();
        let record = CallRecord {
            call,
            direction: Direction::Inbound,
            trunk,
            dialled,
            application,
            started,
            answered: None,
            ended: started,
            cause: EndCause::CallerHungUp,
            level: "none".to_owned(),
            factors: Vec::new(),
            agents: Vec::new(),
            queue_wait: Duration::ZERO,
            caller_media: None,
            other_media: Vec::new(),
            recordings: Vec::new(),
            events: Vec::new(),
            events_dropped: 0,
        };
        Self { epoch, started: now, record }
    }

    /// Notes a fact of the flow.
    pub(super) fn trace(&mut self, now: Instant, event: TraceEvent) {
        self.note(now, What::Flow(event));
    }

    /// Notes a fact of the call.
    pub(super) fn happened(&mut self, now: Instant, event: CallEvent) {
        self.note(now, What::Call(event));
    }

    fn note(&mut self, now: Instant, what: What) {
        if self.record.events.len() == MAX_EVENTS {
            self.record.events_dropped = self.record.events_dropped.saturating_add(1);
            return;
        }
        let after = now.saturating_duration_since(self.started).as_millis();
        self.record.events.push(Happened { at_ms: u64::try_from(after).unwrap_or(u64::MAX), what });
    }

    /// The calendar's reading.
    pub(super) fn unix_at(&self, now: Instant) -> UnixTime {
        self.epoch.unix_at(now)
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.record.answered = Some(self.epoch.unix_at(now));
        self.happened(now, CallEvent::Answered);
    }

    pub(super) fn finish(mut self, now: Instant, cause: EndCause) -> CallRecord {
        self.record.ended = self.epoch.unix_at(now);
        self.record.cause = cause;
        self.record
    }
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_millis<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.0)
}

fn as_optional_millis<S: Serializer>(time: &Option<UnixTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.0),
        None => serializer.serialize_none(),
    }
}

fn duration_ms<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
