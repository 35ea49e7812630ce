//! The recording of a call: what the flow orders, what the recorder hears, and how it ends.
//!
//! What is recorded leaves a second at a time as [`Recorded`], or 20 ms at a time for a recording server
//! ([`super::recording_session`]), or both. Whoever keeps it may fail, and says so by
//! [`super::Input::RecordingFailed`]: then nothing more is recorded, the flow and the record are told, and the call
//! goes on as if nothing had been.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::conductor::{Call, FlowState};
use super::io::Output;
use super::leg::CalleeState;
use super::record::CallEvent;
use super::recording_session::{Guest, RecordingPlace, RecordingSession};
use crate::auth::SubjectKey;
use crate::flow::run::{self, RecordingOrder};
use crate::media;
use crate::media::recorder::{Piece, RATE, Recorder, Side};
use crate::sip::SessionId;
use crate::units::{CallId, UnixTime};

/// Names one recording: when it began, the call, and the number of the recording in it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingName(Arc<str>);

impl RecordingName {
    /// The name of a recording of a call, by its number in it.
    #[must_use]
    pub fn new(at: UnixTime, call: CallId, number: usize) -> Self {
        Self(format!("{:012x}-{call}-{number}", at.0).into())
    }

    /// As text: letters, digits and hyphens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RecordingName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something to be kept of a recording.
pub struct Recorded {
    /// Which.
    pub name: RecordingName,
    /// What.
    pub part: RecordedPart,
}

/// What is to be kept.
pub enum RecordedPart {
    /// It begins.
    Begun {
        /// The call that it is of.
        call: CallId,
        /// When.
        at: UnixTime,
    },
    /// The caller claims to be this subject: what is erased of them takes the recording with it.
    Of(SubjectKey),
    /// What was heard.
    Piece(Piece),
    /// It is whole.
    Ended,
    /// Some of it was lost on the way: what is there is all of it.
    Lost,
}

/// A recording, as the record of its call names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingReference {
    /// Its name.
    pub name: RecordingName,
    /// The recording server that has it; ours have none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub server: Option<Arc<str>>,
    /// When it began, in milliseconds after the start of the call.
    pub at_ms: u64,
    /// How long it is, pauses included.
    pub length_ms: u64,
    /// It ended because it could not be kept; what is there until then can be heard.
    pub failed: bool,
}

/// A recording in the making.
pub(super) struct Recording {
    pub(super) recorder: Recorder,
    /// Ours, while it is kept here.
    file: Option<File>,
    /// The session with a recording server.
    pub(super) session: Option<Box<RecordingSession>>,
    /// The servers that were asked.
    pub(super) asked: Vec<usize>,
    /// Whom the caller talked to meanwhile.
    pub(super) guests: Vec<Guest>,
}

/// A recording that is kept here.
struct File {
    name: RecordingName,
    /// How far it was handed out.
    done: u64,
    /// Who the caller has claimed to be.
    subjects: Vec<SubjectKey>,
}

impl Recording {
    /// The session with a recording server.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.session.as_ref()?.session()
    }

    /// When something of it is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.session.as_ref()?.due(&self.recorder)
    }
}

/// Subjects that a recording is tied to at most: nobody claims to be more people before a policy stops them.
pub const MOST_SUBJECTS: usize = 8;
/// Recordings of one call at most: a flow could start and stop for hours.
const MOST_RECORDINGS: usize = 64;

impl Call {
    /// Carries out an order to the recorder.
    pub(super) fn order_recording(&mut self, order: RecordingOrder) {
        let now = self.now;
        match (order, &mut self.recording) {
            // One that was to begin while a secret was typed begins when it goes on.
            (RecordingOrder::Start | RecordingOrder::Resume, None) => self.start_recording(),
            (RecordingOrder::Start | RecordingOrder::Resume, Some(recording)) => {
                recording.recorder.hide(now, false);
            }
            (RecordingOrder::Pause, Some(recording)) => recording.recorder.hide(now, true),
            (RecordingOrder::Stop, _) => self.finish_recording(),
            (RecordingOrder::Pause, None) => {}
        }
    }

    fn start_recording(&mut self) {
        let now = self.now;
        if self.caller.stream.is_none() {
            self.tell_flow(run::Input::RecordingFailed);
            return;
        }
        let mut recorder = Recorder::new(now);
        if self.secure {
            recorder.hide(now, true);
        }
        let (asked, guests) = (Vec::new(), Vec::new());
        self.recording = Some(Recording { recorder, file: None, session: None, asked, guests });
        self.guest_joined();
        let place = self.settings.recording.place;
        if place.begins_file() {
            self.begin_file();
        }
        if !place.uses_servers() || !self.ask_server() {
            self.no_server();
        }
        self.listen_while_wanted();
    }

    /// Begins to keep the recording here; `false` when the call has as many as it may.
    fn begin_file(&mut self) -> bool {
        let now = self.now;
        let Some(since) = self.recording.as_mut().map(|recording| recording.recorder.restart(now)) else {
            return false;
        };
        let Some(name) = self.reference(None, since) else { return false };
        let at = self.settings.epoch.unix_at(since);
        self.keep(&name, RecordedPart::Begun { call: self.id, at });
        if let Some(recording) = &mut self.recording {
            recording.file = Some(File { name, done: 0, subjects: Vec::new() });
        }
        true
    }

    /// Every server was asked, or none is to be.
    pub(super) fn no_server(&mut self) {
        let Some(recording) = &self.recording else { return };
        let kept = recording.file.is_some();
        let instead = self.settings.recording.place == RecordingPlace::ServersElseFiles;
        let goes_on = kept || (instead && self.begin_file());
        if !goes_on {
            self.nothing_records();
        }
    }

    /// Neither a file nor a server has it. Only now the flow hears of it: what it does not know to run, it would not pause.
    fn nothing_records(&mut self) {
        self.recording = None;
        self.note(CallEvent::RecordingFailed);
        // Before whatever else waits for the flow: what it did next would take for running what is not.
        if matches!(self.flow, FlowState::Running(_)) {
            self.flow_inputs.push_front(run::Input::RecordingFailed);
        }
        self.listen_while_wanted();
    }

    /// One more recording in the record of the call, by a server or of our own.
    pub(super) fn reference(&mut self, server: Option<Arc<str>>, since: Instant) -> Option<RecordingName> {
        let draft = self.draft.as_mut()?;
        let number = draft.record.recordings.len();
        if number >= MOST_RECORDINGS {
            return None;
        }
        let at = draft.unix_at(since);
        let name = RecordingName::new(at, self.id, number);
        draft.record.recordings.push(RecordingReference {
            name: name.clone(),
            server,
            at_ms: millis(at.since(draft.record.started)),
            length_ms: 0,
            failed: false,
        });
        Some(name)
    }

    /// How long it became, and whether it broke.
    pub(super) fn close_reference(&mut self, name: &RecordingName, length: Duration, failed: bool) {
        let references = self.draft.iter_mut().flat_map(|draft| &mut draft.record.recordings);
        for reference in references.filter(|reference| reference.name == *name) {
            reference.length_ms = millis(length);
            reference.failed = failed;
        }
    }

    /// What one side of the caller's leg says, when it is recorded.
    pub(super) fn record(&mut self, side: Side, frame: &media::Frame) {
        if self.recording.is_none() {
            return;
        }
        self.send_copies();
        self.hand_out(false);
        if let Some(recording) = &mut self.recording {
            recording.recorder.hear(self.now, side, frame);
        }
    }

    /// Hands out what is whole of the recording.
    fn hand_out(&mut self, last: bool) {
        let now = self.now;
        while let Some(recording) = &mut self.recording
            && let Some(piece) = recording.recorder.take(now, last)
        {
            let Some(file) = &mut recording.file else { continue };
            file.done = piece.end();
            let name = file.name.clone();
            self.tie_recording();
            self.keep(&name, RecordedPart::Piece(piece));
        }
    }

    /// Says of whom the recording is, once of each.
    fn tie_recording(&mut self) {
        let FlowState::Running(flow) = &self.flow else { return };
        let Some(subject) = flow.auth().subject().map(crate::auth::SubjectRef::key) else { return };
        let file = self.recording.as_mut().and_then(|recording| recording.file.as_mut());
        if let Some(file) = file.filter(|file| !file.subjects.contains(&subject))
            && file.subjects.len() < MOST_SUBJECTS
        {
            file.subjects.push(subject);
            let name = file.name.clone();
            self.keep(&name, RecordedPart::Of(subject));
        }
    }

    /// The recording is over, if there is one.
    pub(super) fn finish_recording(&mut self) {
        self.send_copies();
        self.end_recording_session();
        self.hand_out(true);
        self.tie_recording();
        let Some(recording) = self.recording.take() else { return };
        if let Some(file) = recording.file {
            self.close_reference(&file.name, length(file.done), false);
            self.keep(&file.name, RecordedPart::Ended);
        }
        self.listen_while_wanted();
    }

    /// It could not be kept here.
    pub(super) fn recording_failed(&mut self, name: &RecordingName) {
        let Some(recording) = &mut self.recording else { return };
        let Some(file) = recording.file.take_if(|file| file.name == *name) else { return };
        let goes_on = recording.session.is_some();
        self.close_reference(&file.name, length(file.done), true);
        if goes_on {
            self.note(CallEvent::RecordingFailed);
        } else {
            self.nothing_records();
        }
    }

    /// The caller is listened to while somebody wants to hear them.
    pub(super) fn listen_while_wanted(&mut self) {
        let joined = |callee: &super::leg::Callee| matches!(callee.state, CalleeState::Joined(_));
        let recorded = self.recording.is_some();
        let wanted = recorded || self.message.is_some() || self.callee.as_ref().is_some_and(joined);
        if let Some(stream) = &mut self.caller.stream {
            stream.session.listen(wanted);
            stream.session.tap(recorded);
        }
    }

    fn keep(&mut self, name: &RecordingName, part: RecordedPart) {
        self.out.push_back(Output::Recording(Recorded { name: name.clone(), part }));
    }
}

/// So many octets of a side.
const fn length(octets: u64) -> Duration {
    Duration::from_micros(octets * (1_000_000 / RATE))
}

fn as_text<S: Serializer>(server: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(server.as_deref().unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
