//! What the call does for its recording session: which server, when, what it is told, and what happens when it is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::metadata::{Guest, Party, Snapshot};
use super::{Copies, RecordingServer, RecordingSession, Running, State};
use crate::call::conductor::Call;
use crate::call::handoff;
use crate::call::io::{Output, SessionEvent, SipOrder};
use crate::call::leg::CalleeState;
use crate::call::record::CallEvent;
use crate::secret::masked_number;
use crate::sip::{Host, NameAddr, OutgoingInvite, Path, SessionId, StatusCode, Uri};
use crate::units::{LegSide, MediaAddress, UnixTime};

impl Call {
    /// Asks the next server, those first that are well; `false` when all were asked.
    pub(in crate::call) fn ask_server(&mut self) -> bool {
        let since = self.unix();
        while let Some(server) = self.next_server(since) {
            if let Some(recording) = &mut self.recording {
                recording.asked.push(server);
            }
            let Some(path) = self.way_to_server(server) else {
                self.note_lost(server, "no_way");
                continue;
            };
            for leg in [LegSide::Said, LegSide::Heard] {
                self.out.push_back(Output::OpenMedia { leg, local: path.local.ip() });
            }
            let session =
                RecordingSession { server, path, since, state: State::Opening { said: None, awaited: 2 } };
            if let Some(recording) = &mut self.recording {
                recording.session = Some(Box::new(session));
            }
            return true;
        }
        false
    }

    fn next_server(&self, now: UnixTime) -> Option<usize> {
        let recording = self.recording.as_ref()?;
        let servers = &self.settings.recording.servers;
        let left = || (0..servers.len()).filter(|server| !recording.asked.contains(server));
        let is_well = |server: &usize| servers.get(*server).is_some_and(|server| server.health.is_well(now));
        left().find(is_well).or_else(|| left().next())
    }

    fn server(&self, server: usize) -> Option<&RecordingServer> {
        self.settings.recording.servers.get(server)
    }

    fn way_to_server(&mut self, server: usize) -> Option<Path> {
        let settings = Arc::clone(&self.settings);
        let uri = &settings.recording.servers.get(server)?.uri;
        handoff::paths_to(uri, &settings, &self.caller.path, &mut self.entropy).pop_front()
    }

    /// Ports for a stream are there, or there are none.
    pub(in crate::call) fn copies_opened(&mut self, opened: Option<MediaAddress>) {
        if self.stale_copies > 0 {
            self.stale_copies -= 1;
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port, heard: None }));
            return;
        }
        let Some(State::Opening { said, awaited }) =
            self.recording_session().map(|session| &mut session.state)
        else {
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port, heard: None }));
            return;
        };
        *awaited = awaited.saturating_sub(1);
        match (opened, said.take()) {
            (None, first) => {
                *said = first;
                self.server_lost("no_ports");
            }
            (Some(first), None) => *said = Some(first),
            (Some(second), Some(first)) => self.place_recording([first, second]),
        }
    }

    /// The INVITE.
    fn place_recording(&mut self, addresses: [MediaAddress; 2]) {
        let Some(session) = self.recording_session() else { return };
        let (server, path) = (session.server, session.path);
        let Some(settings) = self.server(server) else { return };
        let (terms, uri) = ((settings.srtp, settings.stays_here), settings.uri.clone().for_request());
        let epoch = self.settings.epoch;
        let copies = Box::new(Copies::new(addresses, terms, epoch, &mut self.entropy));
        let ours = Uri::sip(Some("countersign"), Host::from(path.local.ip()), None);
        let invite = OutgoingInvite {
            path,
            request_uri: uri.clone(),
            from: NameAddr::new(ours),
            to: NameAddr::new(uri),
            contact_user: Some("countersign".to_owned()),
            headers: vec![("X-Countersign-Call".to_owned(), self.id.to_string())],
            sdp: copies.offer(),
            metadata: self.metadata(None),
            credentials: None,
        };
        if let Some(session) = self.recording_session() {
            session.state = State::Placing(copies);
        }
        self.out.push_back(Output::Sip(SipOrder::Record(Box::new(invite))));
    }

    /// The session that the endpoint made of the last [`SipOrder::Record`].
    pub fn recording_placed(&mut self, id: SessionId) {
        let until = self.now + ANSWER_WITHIN;
        if let Some(session) = self.recording_session() {
            match std::mem::take(&mut session.state) {
                State::Placing(copies) => {
                    session.state = State::Calling { session: id, until, copies };
                    return;
                }
                other => session.state = other,
            }
        }
        self.give_up_session(id, false);
    }

    /// What the SIP session with the server says.
    pub(in crate::call) fn on_recording_session(&mut self, id: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::Answered { sdp } => self.server_answered(id, sdp),
            SessionEvent::Failed(status) => {
                self.former.push(id);
                self.server_lost(refusal(status));
            }
            SessionEvent::Offered(offer) => {
                let reply = self.answer_server(offer);
                self.out.push_back(Output::Sip(SipOrder::AnswerOffer(id, reply)));
            }
            SessionEvent::OfferAnswered(Ok(answer)) | SessionEvent::Acked { answer: Some(answer) } => {
                self.server_reanswered(Some(&answer));
            }
            SessionEvent::OfferAnswered(Err(_)) => self.server_reanswered(None),
            SessionEvent::MetadataRequested => self.tell_server(),
            SessionEvent::Ended(_) => self.server_lost("hung_up"),
            SessionEvent::Referred(_) => {
                let refusal = SipOrder::AnswerRefer(id, Err(StatusCode::FORBIDDEN));
                self.out.push_back(Output::Sip(refusal));
            }
            SessionEvent::EarlyMedia
            | SessionEvent::Trying
            | SessionEvent::Progress { .. }
            | SessionEvent::Acked { answer: None }
            | SessionEvent::ReferDone
            | SessionEvent::Digit(_) => {}
        }
    }

    fn server_answered(&mut self, id: SessionId, sdp: Option<Bytes>) {
        let now = self.now;
        let Some(session) = self.recording_session() else { return };
        let server = session.server;
        let State::Calling { mut copies, .. } = std::mem::take(&mut session.state) else {
            return;
        };
        let taken = sdp.and_then(|sdp| copies.answered(now, &sdp).ok());
        if taken != Some(true) {
            session.state = State::Calling { session: id, until: now, copies };
            // It is answered: what ends it is a BYE.
            self.give_up_session(id, true);
            self.server_lost("not_acceptable");
            return;
        }
        let name = self.server(server).map(|server| Arc::clone(&server.name));
        let name = self.reference(name, now);
        let running = Running { session: id, copies, name, since: now, offering: false, changed: false };
        if let Some(recording) = &mut self.recording
            && let Some(session) = &mut recording.session
        {
            session.state = State::Running(Box::new(running));
            recording.recorder.skip(now);
        }
        let Some(server) = self.server(server) else { return };
        let who = server.name.to_string();
        if server.health.took() {
            tracing::info!(server = %who, "a recording server takes calls again");
        }
        self.note(CallEvent::RecordedBy { who });
    }

    /// Our reply to an offer of the server's; our own offer when there was none.
    fn answer_server(&mut self, offer: Option<Bytes>) -> Result<Bytes, StatusCode> {
        let now = self.now;
        let Some(State::Running(running)) = self.recording_session().map(|session| &mut session.state) else {
            return Err(StatusCode::REQUEST_PENDING);
        };
        match offer {
            Some(offer) => running
                .copies
                .answer(now, &offer)
                .map_err(|error| StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
            None => Ok(running.copies.offer()),
        }
    }

    /// The answer to a later offer of ours; without one everything stays as it is (RFC 3261 §14.1).
    fn server_reanswered(&mut self, answer: Option<&[u8]>) {
        let now = self.now;
        let Some(State::Running(running)) = self.recording_session().map(|session| &mut session.state) else {
            return;
        };
        running.offering = false;
        let id = running.session;
        // A senseless answer changes nothing; one that refuses both streams is the end.
        if answer.is_some_and(|answer| running.copies.answered(now, answer) == Ok(false)) {
            self.give_up_session(id, true);
            self.server_lost("not_acceptable");
            return;
        }
        if std::mem::take(&mut running.changed) {
            self.tell_server();
        }
    }

    /// Somebody else talks to the caller now.
    pub(in crate::call) fn guest_joined(&mut self) {
        let joined = self.unix();
        let Some(callee) = self.callee.as_ref().filter(|b| matches!(b.state, CalleeState::Joined(_))) else {
            return;
        };
        let party = Party { aor: callee.party.uri.to_string(), name: callee.party.name.clone() };
        if let Some(recording) = &mut self.recording {
            if recording.guests.len() >= MOST_GUESTS {
                recording.guests.remove(0);
            }
            recording.guests.push(Guest { party, joined, parted: None });
            self.tell_server();
        }
    }

    /// They don't any more.
    pub(in crate::call) fn guest_parted(&mut self) {
        let now = self.unix();
        let Some(recording) = &mut self.recording else { return };
        if let Some(guest) = recording.guests.iter_mut().find(|guest| guest.parted.is_none()) {
            guest.parted = Some(now);
            // At the end of the call the BYE says so.
            if self.cause.is_none() {
                self.tell_server();
            }
        }
    }

    /// Tells the server who takes part, by a re-INVITE (RFC 7866 §9.1).
    fn tell_server(&mut self) {
        let metadata = self.metadata(None);
        let Some(State::Running(running)) = self.recording_session().map(|session| &mut session.state) else {
            return;
        };
        if running.offering {
            running.changed = true;
            return;
        }
        running.offering = true;
        let (id, offer) = (running.session, running.copies.offer());
        self.out.extend(metadata.map(|metadata| Output::Sip(SipOrder::Describe(id, metadata))));
        self.out.push_back(Output::Sip(SipOrder::Offer(id, offer)));
    }

    /// The session is no more, or can't be: the next server, else what the settings say.
    pub(in crate::call) fn server_lost(&mut self, why: &'static str) {
        let Some(recording) = &mut self.recording else { return };
        let Some(session) = recording.session.take() else { return };
        self.note_lost(session.server, why);
        self.close_session(*session, true);
        if !self.ask_server() {
            self.no_server();
        }
    }

    fn note_lost(&mut self, server: usize, why: &'static str) {
        let now = self.unix();
        let Some(server) = self.server(server) else { return };
        let who = server.name.to_string();
        // A lack of ports is no fault of the server's.
        if why != "no_ports" && server.health.failed(now) {
            tracing::warn!(server = %who, why, "a recording server fails");
        }
        self.note(CallEvent::RecordingServerLost { who, why });
    }

    /// Ends the recording session from our side, whatever it is doing.
    pub(in crate::call) fn end_recording_session(&mut self) {
        let last = self.metadata(Some(self.unix()));
        let now = self.now;
        let Some(recording) = &mut self.recording else { return };
        let Some(mut session) = recording.session.take() else { return };
        session.send(now, &mut recording.recorder, true, &mut self.out);
        match &session.state {
            State::Opening { .. } | State::Placing(_) => {}
            State::Calling { session, .. } => {
                let id = *session;
                self.give_up_session(id, false);
            }
            State::Running(running) => {
                let id = running.session;
                self.out.extend(last.map(|metadata| Output::Sip(SipOrder::Describe(id, metadata))));
                self.give_up_session(id, true);
            }
        }
        self.close_session(*session, false);
    }

    /// Sends what is due, and looks at the clock.
    pub(in crate::call) fn attend_to_recording(&mut self) {
        self.send_copies();
        let now = self.now;
        if let Some(session) = self.recording_session().filter(|session| session.is_overdue(now)) {
            if let Some(id) = session.session() {
                self.give_up_session(id, false);
            }
            self.server_lost("no_answer");
        }
    }

    /// Sends the server what it does not have yet.
    pub(in crate::call) fn send_copies(&mut self) {
        if let Some(recording) = &mut self.recording
            && let Some(session) = &mut recording.session
        {
            session.send(self.now, &mut recording.recorder, false, &mut self.out);
        }
    }

    /// The server reports of a stream.
    pub(in crate::call) fn copy_reported(&mut self, leg: LegSide, from: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        if let Some(session) = self.recording_session() {
            session.report_came(now, leg, from, bytes);
        }
    }

    /// Gives back what a session holds.
    fn close_session(&mut self, session: RecordingSession, failed: bool) {
        let now = self.now;
        let at = self.recording.as_ref().map_or(0, |recording| recording.recorder.now(now));
        match session.state {
            State::Opening { said, awaited } => {
                self.stale_copies += awaited;
                self.out.extend(said.map(|said| Output::CloseMedia { port: said.port, heard: None }));
            }
            State::Placing(copies) | State::Calling { copies, .. } => copies.close(now, at, &mut self.out),
            State::Running(running) => {
                let Running { copies, name, since, .. } = *running;
                copies.close(now, at, &mut self.out);
                let length = now.saturating_duration_since(since);
                if let Some(name) = name {
                    self.close_reference(&name, length, failed);
                }
            }
        }
    }

    fn recording_session(&mut self) -> Option<&mut RecordingSession> {
        self.recording.as_mut()?.session.as_deref_mut()
    }

    fn unix(&self) -> UnixTime {
        self.settings.epoch.unix_at(self.now)
    }

    /// What the server is told of the call.
    fn metadata(&self, ended: Option<UnixTime>) -> Option<Bytes> {
        let recording = self.recording.as_ref()?;
        let session = recording.session.as_deref()?;
        let in_clear = self.server(session.server)?.numbers_in_clear;
        let host = || Host::from(self.caller.path.remote.ip());
        let number = self.number.as_ref().map(|number| number.expose().as_str());
        let caller = match number {
            Some(number) if in_clear => {
                Party { aor: Uri::sip(Some(number), host(), None).to_string(), name: number.to_owned() }
            }
            Some(number) => Party::nobody(masked_number(number)),
            None => Party::nobody("anonymous".to_owned()),
        };
        let shown = |guest: &Guest| match in_clear {
            true => guest.clone(),
            false => Guest { party: guest.party.masked(), ..guest.clone() },
        };
        let guests: Vec<Guest> = recording.guests.iter().map(shown).collect();
        let ours = Uri::sip(Some("countersign"), Host::from(session.path.local.ip()), None);
        let snapshot = Snapshot {
            call: self.id,
            began: self.draft.as_ref().map_or(session.since, |draft| draft.record.started),
            recorded: session.since,
            ended,
            caller: &caller,
            engine: &Party { aor: ours.to_string(), name: "Countersign".to_owned() },
            guests: &guests,
        };
        Some(snapshot.write())
    }
}

/// Why a server did not take a recording, by its final response or what stands for one.
fn refusal(status: StatusCode) -> &'static str {
    match status.code() {
        408 => "no_answer",
        503 => "unreachable",
        _ => "refused",
    }
}

/// A server must have answered by then: a machine does so at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Whom a recording server is told of at most.
const MOST_GUESTS: usize = 16;
