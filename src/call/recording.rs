//! The recording of a call: what the flow orders, what the recorder hears, and how it ends.
//!
//! What is recorded leaves a second at a time as [`Recorded`]. Whoever keeps it may fail, and says so by
//! [`super::Input::RecordingFailed`]: then nothing more is recorded, the flow and the record are told, and the call
//! goes on as if nothing had been.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::conductor::{Call, FlowState};
use super::io::Output;
use super::leg::CalleeState;
use super::record::CallEvent;
use crate::auth::SubjectKey;
use crate::flow::run::{self, RecordingOrder};
use crate::media;
use crate::media::recorder::{Piece, RATE, Recorder, Side};
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
    /// When it began, in milliseconds after the start of the call.
    pub at_ms: u64,
    /// How long it is, pauses included.
    pub length_ms: u64,
    /// It ended because it could not be kept; what is there until then can be heard.
    pub failed: bool,
}

/// A recording in the making.
pub(super) struct Recording {
    name: RecordingName,
    recorder: Recorder,
    /// How far it was handed out.
    done: u64,
    /// Who the caller has claimed to be.
    subjects: Vec<SubjectKey>,
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
        let Some(draft) = &mut self.draft else { return };
        let number = draft.record.recordings.len();
        if number >= MOST_RECORDINGS || self.caller.stream.is_none() {
            self.tell_flow(run::Input::RecordingFailed);
            return;
        }
        let at = draft.unix_at(now);
        let name = RecordingName::new(at, self.id, number);
        draft.record.recordings.push(RecordingReference {
            name: name.clone(),
            at_ms: millis(at.since(draft.record.started)),
            length_ms: 0,
            failed: false,
        });
        let mut recorder = Recorder::new(now);
        if self.secure {
            recorder.hide(now, true);
        }
        self.keep(&name, RecordedPart::Begun { call: self.id, at });
        self.recording = Some(Recording { name, recorder, done: 0, subjects: Vec::new() });
        self.listen_while_wanted();
    }

    /// What one side of the caller's leg says, when it is recorded.
    pub(super) fn record(&mut self, side: Side, frame: &media::Frame) {
        if self.recording.is_none() {
            return;
        }
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
            recording.done = piece.end();
            let name = recording.name.clone();
            self.tie_recording();
            self.keep(&name, RecordedPart::Piece(piece));
        }
    }

    /// Says of whom the recording is, once of each.
    fn tie_recording(&mut self) {
        let FlowState::Running(flow) = &self.flow else { return };
        let Some(subject) = flow.auth().subject().map(crate::auth::SubjectRef::key) else { return };
        let Some(recording) = &mut self.recording else { return };
        if recording.subjects.len() < MOST_SUBJECTS && !recording.subjects.contains(&subject) {
            recording.subjects.push(subject);
            let name = recording.name.clone();
            self.keep(&name, RecordedPart::Of(subject));
        }
    }

    /// The recording is over, if there is one.
    pub(super) fn finish_recording(&mut self) {
        self.hand_out(true);
        self.tie_recording();
        let Some(name) = self.drop_recording(false) else { return };
        self.keep(&name, RecordedPart::Ended);
    }

    /// It could not be kept.
    pub(super) fn recording_failed(&mut self, name: &RecordingName) {
        if self.recording.as_ref().is_some_and(|recording| recording.name == *name) {
            self.drop_recording(true);
            self.note(CallEvent::RecordingFailed);
            self.tell_flow(run::Input::RecordingFailed);
        }
    }

    fn drop_recording(&mut self, failed: bool) -> Option<RecordingName> {
        let Recording { name, done, .. } = self.recording.take()?;
        if let Some(draft) = &mut self.draft
            && let Some(reference) =
                draft.record.recordings.iter_mut().find(|reference| reference.name == name)
        {
            reference.length_ms = done * 1000 / RATE;
            reference.failed = failed;
        }
        self.listen_while_wanted();
        Some(name)
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

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
