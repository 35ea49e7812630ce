//! A call of the engine's own: it rings the telephone on file and tells a one-time code to whoever presses a key.
//!
//! It has one leg, which it calls; a small flow of its own ([`reading`]); and its record, of the kind outbound. What
//! becomes of it is told to whoever ordered it by its ticket ([`News`]). The code is in what is said and nowhere
//! else: no header, no record, no log line has room for it.
//!
//! ```text
//! ports ─► INVITE ─► rings ─► answered ─► the code is told ─► BYE ─► one record
//!            │         └ busy, declined, not in time: CANCEL ┘
//!            └ the next hop does not find the telephone in time: CANCEL
//! ```

mod io;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub use self::io::{CodeCall, Fate, News, Script, Ticket};
use self::reading::{Order, Reading};
use super::io::{CallSettings, Input, Output, SessionEvent, SipOrder};
use super::press::{Presses, Way};
use super::record::{CallEvent, Direction, Draft, EndCause, MediaReport, Version};
use super::stream::Stream;
use super::vouching;
use crate::audio::Clip;
use crate::media::{self, InbandKeys, MediaTerms};
use crate::secret::Secret;
use crate::sip::{NameAddr, OutgoingInvite, SessionId, StatusCode};
use crate::units::{CallId, Digit, Entropy, LegSide, MediaAddress, PlayId};

/// A call of our own.
pub struct OutgoingCall {
    id: CallId,
    order: CodeCall,
    settings: Arc<CallSettings>,
    entropy: Entropy,
    now: Instant,
    out: VecDeque<Output>,
    state: State,
    /// The session of our INVITE, once there is one.
    session: Option<SessionId>,
    stream: Option<Box<Stream>>,
    presses: Presses,
    /// The name of what is being said.
    said: u64,
    /// How it ended, from the moment it does.
    fate: Option<Fate>,
    longest: Instant,
    /// The session must have ended by then.
    farewell: Option<Instant>,
    draft: Option<Draft>,
}

/// What the leg is doing.
enum State {
    /// The ports are being opened.
    Opening,
    /// The INVITE is being handed to the endpoint.
    Placing,
    /// The INVITE is out.
    Calling {
        /// The next hop must have found the telephone, or it must have been answered, by then.
        until: Instant,
        found: bool,
    },
    /// Answered.
    Talking(Box<Reading>),
    /// Given up or hung up; the session's end has not come.
    Leaving,
    /// Nothing is left.
    Ended,
}

impl OutgoingCall {
    /// Asks for media ports first.
    #[must_use]
    pub fn new(
        now: Instant,
        id: CallId,
        order: CodeCall,
        settings: Arc<CallSettings>,
        entropy: Entropy,
    ) -> Self {
        let version = Version::told(&settings);
        let mut draft = Draft::new(id, now, settings.epoch, Arc::clone(&order.by), version, "");
        draft.record.direction = Direction::Outbound;
        draft.happened(now, CallEvent::Ordered { letter: order.letter.clone() });
        let open = Output::OpenMedia { leg: LegSide::A, local: order.path.local.ip() };
        Self {
            id,
            longest: now + settings.limits.max_duration,
            order,
            settings,
            entropy,
            now,
            out: VecDeque::from([open]),
            state: State::Opening,
            session: None,
            stream: None,
            presses: Presses::default(),
            said: 0,
            fate: None,
            farewell: None,
            draft: Some(draft),
        }
    }

    /// The version that was running when it began.
    #[must_use]
    pub const fn version(&self) -> &Arc<CallSettings> {
        &self.settings
    }

    /// Its session; for whoever drops the call.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Takes what happened. Poll until [`Output::Timeout`] before the next.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        debug_assert!(self.out.is_empty(), "law 2: outputs are drained before the next input");
        self.now = now;
        match input {
            Input::Sip(session, event) if self.session == Some(session) => self.on_session(session, event),
            Input::Rtp { came, from, bytes, .. } => {
                if let Some(stream) = &mut self.stream {
                    stream.session.handle(now, media::Input::Rtp { came, from, bytes });
                }
            }
            Input::Rtcp { from, bytes, .. } => {
                if let Some(stream) = &mut self.stream {
                    stream.session.handle(now, media::Input::Rtcp { from, bytes });
                }
            }
            Input::MediaOpened(_, opened) => self.opened(opened),
            Input::End(EndCause::Shutdown) if self.fate.is_none() => self.end(Fate::NoRoom),
            Input::End(_) => self.end(Fate::Broken),
            Input::Timeout => self.on_timeout(),
            // It asks nothing, hears nobody, stands in no queue, and is never recorded.
            Input::Sip(..)
            | Input::Answer(..)
            | Input::Heard(..)
            | Input::Desk(_)
            | Input::RecordingFailed(_) => {}
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(order) = self.out.pop_front() {
                return order;
            }
            let Some(stream) = &mut self.stream else {
                return self.done().unwrap_or_else(|| Output::Timeout(self.due()));
            };
            let port = stream.port;
            match stream.session.poll() {
                media::Output::Rtp { to, bytes } => return Output::Rtp { port, to, bytes },
                media::Output::Rtcp { to, bytes } => return Output::Rtcp { port, to, bytes },
                media::Output::Event(event) => self.on_media(event),
                media::Output::Frame(_) | media::Output::Said(_) | media::Output::Heard(_) => {}
                media::Output::Timeout(at) => {
                    stream.due = at;
                    return Output::Timeout(self.due());
                }
            }
        }
    }

    /// The session that the endpoint made of our INVITE.
    pub fn placed(&mut self, session: SessionId) {
        self.session = Some(session);
        if matches!(self.state, State::Placing) {
            let until = self.order.found_until.min(self.order.until);
            self.state = State::Calling { until, found: false };
        } else {
            self.out.push_back(Output::Sip(SipOrder::Cancel(session)));
        }
    }

    /// The ports are open, or there are none: the INVITE.
    fn opened(&mut self, opened: Option<MediaAddress>) {
        if !matches!(self.state, State::Opening) {
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port, heard: None }));
            return;
        }
        let Some(address) = opened else {
            self.end(Fate::NoRoom);
            return;
        };
        let (silence, epoch) = (self.settings.limits.media_silence, self.settings.epoch);
        // What a mailbox plays must not pass for a key.
        let path = self.order.path;
        let settled = self.settings.terms_of(self.order.trunk.as_deref());
        let terms = MediaTerms { inband_keys: InbandKeys::Off, ..settled }
            .told_by(path.remote.ip(), path.transport.is_encrypted());
        let stream = Stream::new(self.now, &address, silence, epoch, terms, &mut self.entropy);
        let mut invite = OutgoingInvite {
            path: self.order.path,
            request_uri: self.order.uri.clone(),
            from: self.order.from.clone(),
            to: NameAddr::new(self.order.uri.clone()),
            contact_user: Some("countersign".to_owned()),
            headers: Vec::new(),
            sdp: stream.offer(),
            metadata: None,
            credentials: self.order.credentials.clone(),
        };
        if let Some(signing) = &self.settings.signing {
            vouching::sign(signing, &mut invite, epoch.unix_at(self.now), &mut self.entropy);
        }
        self.stream = Some(stream);
        self.state = State::Placing;
        self.out.push_back(Output::Sip(SipOrder::Invite(Box::new(invite))));
    }

    fn on_session(&mut self, session: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::Progress { .. } => self.rings(),
            SessionEvent::Answered { sdp } => self.answered(session, sdp),
            SessionEvent::Failed(status) => {
                let found = matches!(self.state, State::Calling { found: true, .. });
                self.over(Fate::of(status, found));
                self.leave();
            }
            SessionEvent::Offered(offer) => {
                let reply = self.answer_again(offer);
                self.out.push_back(Output::Sip(SipOrder::AnswerOffer(session, reply)));
            }
            SessionEvent::OfferAnswered(Ok(answer)) | SessionEvent::Acked { answer: Some(answer) } => {
                let now = self.now;
                if let Some(stream) = &mut self.stream {
                    // RFC 3261 §14.1: a senseless answer changes nothing.
                    let _ = stream.answered(now, &answer);
                }
            }
            SessionEvent::OfferAnswered(Err(_))
            | SessionEvent::Acked { answer: None }
            | SessionEvent::EarlyMedia
            | SessionEvent::Trying
            | SessionEvent::ReferDone
            | SessionEvent::MetadataRequested => {}
            SessionEvent::Digit(digit) => self.pressed(Way::Signalling, digit),
            // Nobody who hears a code has us call others.
            SessionEvent::Referred(_) => {
                let refusal = SipOrder::AnswerRefer(session, Err(StatusCode::FORBIDDEN));
                self.out.push_back(Output::Sip(refusal));
            }
            SessionEvent::Ended(_) => {
                let fate = if matches!(self.state, State::Talking(_)) { Fate::HungUp } else { Fate::Broken };
                self.over(fate);
                self.close_stream();
                self.state = State::Ended;
            }
        }
    }

    /// The first provisional response: from now on it is the telephone that is waited for.
    fn rings(&mut self) {
        if let State::Calling { until, found, .. } = &mut self.state
            && !std::mem::replace(found, true)
        {
            *until = (self.now + self.order.ring).min(self.order.until);
            self.note(CallEvent::Rings);
            self.tell(News::Rings);
        }
    }

    fn answered(&mut self, session: SessionId, sdp: Option<Bytes>) {
        let State::Calling { .. } = self.state else {
            // It crossed our CANCEL.
            self.out.push_back(Output::Sip(SipOrder::Bye(session)));
            return;
        };
        self.rings();
        let now = self.now;
        let agreed = self.stream.as_mut().is_some_and(|stream| stream.picked_up(now, sdp.as_deref()));
        if let Some(draft) = &mut self.draft {
            draft.answered(now);
        }
        let code = std::mem::replace(&mut self.order.code, Secret::new(String::new()));
        let (reading, order) = Reading::begin(Arc::clone(&self.order.script), code);
        self.state = State::Talking(Box::new(reading));
        if !agreed {
            self.end(Fate::Broken);
        } else if self.order.until <= now {
            self.end(Fate::Expired);
        } else {
            self.obey(order);
        }
    }

    fn answer_again(&mut self, offer: Option<Bytes>) -> Result<Bytes, StatusCode> {
        let now = self.now;
        let stream = self.stream.as_mut().ok_or(StatusCode::REQUEST_PENDING)?;
        match offer {
            Some(offer) => stream
                .answer_again(now, &offer)
                .map_err(|error| StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
            None => Ok(stream.offer_again()),
        }
    }

    fn on_media(&mut self, event: media::Event) {
        match event {
            media::Event::Digit(digit) => self.pressed(Way::Media, digit),
            media::Event::PlayFinished(PlayId(id)) if id == self.said => {
                let now = self.now;
                self.read(|reading| reading.finished(now));
            }
            media::Event::Silent if self.stream.as_ref().is_some_and(|stream| !stream.held) => {
                self.end(Fate::Broken);
            }
            _ => {}
        }
    }

    fn pressed(&mut self, way: Way, digit: Digit) {
        if self.presses.is_new(self.now, way, digit) {
            self.read(|reading| reading.pressed(digit));
        }
    }

    fn read(&mut self, what: impl FnOnce(&mut Reading) -> Order) {
        if let State::Talking(reading) = &mut self.state {
            let order = what(reading);
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::None => {}
            Order::Say(clips) => self.say(clips),
            Order::HangUp(fate) => self.end(fate),
        }
    }

    fn say(&mut self, clips: Vec<Arc<Clip>>) {
        self.said += 1;
        let (now, id) = (self.now, PlayId(self.said));
        if let Some(stream) = &mut self.stream {
            stream.session.play(now, id, clips, false);
        }
    }

    fn on_timeout(&mut self) {
        let now = self.now;
        // First of all: what is too old is not said.
        if self.fate.is_none() && self.order.until <= now {
            self.end(Fate::Expired);
        }
        if self.fate.is_none() && self.longest <= now {
            self.end(Fate::Broken);
        }
        match &mut self.state {
            State::Calling { until, found, .. } if *until <= now => {
                let fate = if *found { Fate::NoAnswer } else { Fate::NotPlaced(StatusCode::REQUEST_TIMEOUT) };
                self.end(fate);
            }
            State::Talking(reading) if reading.due().is_some_and(|due| due <= now) => {
                self.read(Reading::waited);
            }
            _ => {}
        }
        if let Some(stream) = &mut self.stream
            && stream.due.is_some_and(|due| due <= now)
        {
            stream.due = None;
            stream.session.handle(now, media::Input::Timeout);
        }
        if self.farewell.is_some_and(|at| at <= now) {
            tracing::warn!(call = %self.id, "a leg did not end in time");
            self.state = State::Ended;
        }
    }

    fn due(&self) -> Option<Instant> {
        self.draft.as_ref()?;
        let part = match &self.state {
            State::Calling { until, .. } => Some(*until),
            State::Talking(reading) => reading.due(),
            _ => None,
        };
        let lives = self.fate.is_none().then(|| self.order.until.min(self.longest));
        let media = self.stream.as_ref().and_then(|stream| stream.due);
        [part, lives, media, self.farewell].into_iter().flatten().min()
    }

    /// Ends it from our side.
    fn end(&mut self, fate: Fate) {
        self.over(fate);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Calling { .. } => {
                self.out.extend(self.session.map(|session| Output::Sip(SipOrder::Cancel(session))));
                self.leave();
            }
            State::Talking(_) => {
                self.out.extend(self.session.map(|session| Output::Sip(SipOrder::Bye(session))));
                self.leave();
            }
            // The session is told in the same turn, and given up then.
            State::Placing => self.leave(),
            other @ (State::Opening | State::Leaving | State::Ended) => {
                self.state = if matches!(other, State::Leaving) { other } else { State::Ended };
            }
        }
    }

    /// Nothing is said any more; the session's end is waited for.
    fn leave(&mut self) {
        self.close_stream();
        self.state = State::Leaving;
        let farewell = self.now + self.settings.limits.farewell;
        self.farewell.get_or_insert(farewell);
    }

    /// How it ends; the first that is known stands.
    fn over(&mut self, fate: Fate) {
        if self.fate.is_some() {
            return;
        }
        let told = matches!(&self.state, State::Talking(reading) if reading.told());
        let fate = if told { Fate::Told } else { fate };
        self.fate = Some(fate);
        if told {
            self.note(CallEvent::CodeTold);
        }
        self.tell(News::Over(fate));
    }

    fn tell(&mut self, news: News) {
        self.out.push_back(Output::Told(self.order.ticket, news));
    }

    fn note(&mut self, event: CallEvent) {
        if let Some(draft) = &mut self.draft {
            draft.happened(self.now, event);
        }
    }

    fn close_stream(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        let port = stream.port;
        stream.session.stop();
        stream.session.close(self.now);
        loop {
            match stream.session.poll() {
                // Not a sample of what was being said.
                media::Output::Rtp { .. }
                | media::Output::Event(_)
                | media::Output::Frame(_)
                | media::Output::Said(_)
                | media::Output::Heard(_) => {}
                media::Output::Rtcp { to, bytes } => self.out.push_back(Output::Rtcp { port, to, bytes }),
                media::Output::Timeout(_) => break,
            }
        }
        self.out.push_back(Output::CloseMedia { port, heard: stream.session.heard_stream() });
        if let Some(draft) = &mut self.draft
            && draft.record.answered.is_some()
        {
            draft.record.other_media.push(MediaReport::from(&stream.session.stats()));
        }
    }

    /// The record, once, when nothing is left of the call.
    fn done(&mut self) -> Option<Output> {
        if !matches!(self.state, State::Ended) {
            return None;
        }
        let draft = self.draft.take()?;
        self.farewell = None;
        let cause = EndCause::from(self.fate.unwrap_or(Fate::Broken));
        let number = std::mem::replace(&mut self.order.number, Secret::new(String::new()));
        Some(Output::Done { record: Box::new(draft.finish(self.now, cause)), caller: Some(number) })
    }
}
