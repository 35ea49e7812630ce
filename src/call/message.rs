//! A message that a caller leaves: what they say, kept in memory until it ends, then handed to the driver.
//!
//! It ends by its key, by silence, by its length, or with the call. What nobody said is not kept.

use std::time::{Duration, Instant};

use super::conductor::Call;
use super::io::Output;
use super::leg::CallerState;
use crate::audio::{Band, Law, Rebander};
use crate::flow::run::{self, Answer, Listen, Message, MessageReply, Question};
use crate::media;
use crate::secret::Secret;
use crate::units::{AskId, LegSide, Place, Places};

/// A message being left.
pub(super) struct Taking {
    ask: AskId,
    listen: Listen,
    /// Octets of µ-law, 8,000 a second.
    audio: Secret<Vec<u8>>,
    /// Brings what is said into the telephone band.
    rebander: Rebander,
    /// How many octets at the end nobody would miss.
    quiet: usize,
    /// How many octets were not quiet.
    speech: usize,
    /// What it may take of the room of all calls.
    places: Vec<Place>,
    room: Room,
    /// When it has been as long as it may be.
    until: Instant,
    /// When somebody was heard last.
    heard: Instant,
}

/// µ-law octets of so long.
fn octets(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX).saturating_mul(8)
}

/// Less speech than this is a cough, or a door.
const LEAST: Duration = Duration::from_millis(400);
/// A word fades: so much of the silence at the end is kept.
const FADE: Duration = Duration::from_millis(500);

/// Room is taken in parts of this: a usual message has one.
const PART: Duration = Duration::from_secs(30);
/// Messages in the making take so much at most, of all calls together: a hundred of the longest.
const MOST: usize = 256 << 20;

/// The memory that messages in the making may take, of all calls together. Who calls when it is full is told
/// that the message can't be kept; who speaks when it is full is not heard any further.
#[derive(Clone, Debug)]
pub struct Room(Places);

impl Default for Room {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Room {
    /// Of so many octets.
    #[must_use]
    pub fn of(octets_in_all: usize) -> Self {
        Self(Places::new(octets_in_all / octets(PART)))
    }
}

/// What was asked for, and what came.
type Heard = (Listen, Secret<Vec<u8>>);

impl Taking {
    /// `None` when there is no room for it.
    fn new(now: Instant, ask: AskId, listen: Listen, room: Room) -> Option<Self> {
        // A longer one than a part grows, which copies a megabyte at most.
        let length = octets(listen.max.min(PART));
        let until = now + listen.max;
        let places = vec![room.0.take()?];
        Some(Self {
            ask,
            listen,
            places,
            room,
            rebander: Rebander::default(),
            audio: Secret::new(Vec::with_capacity(length)),
            quiet: 0,
            speech: 0,
            until,
            heard: now,
        })
    }

    /// Takes a further part of the room when the next frame needs one; whether there was one.
    fn has_room(&mut self, more: usize) -> bool {
        if self.audio.expose().len() + more <= self.places.len() * octets(PART) {
            return true;
        }
        let Some(place) = self.room.0.take() else { return false };
        self.places.push(place);
        self.audio.expose_mut().reserve_exact(octets(PART));
        true
    }

    /// When it ends by itself. A phone that sends nothing while nobody speaks is silent too.
    pub(super) fn deadline(&self) -> Instant {
        self.until.min(self.heard + self.listen.silence)
    }

    /// Takes 20 ms; whether the message is over with them.
    fn push(&mut self, now: Instant, frame: &media::Frame) -> bool {
        let length = frame.samples.len() / frame.band.samples_of_tick();
        if !self.has_room(length) {
            return true;
        }
        if media::is_quiet(&frame.samples) {
            self.quiet += length;
        } else {
            self.quiet = 0;
            self.heard = now;
            self.speech += length;
        }
        let mut narrow = media::Frame::new(Band::Narrow, &[]);
        self.rebander.pass(&frame.samples, frame.band, Band::Narrow, &mut narrow.samples);
        let room = octets(self.listen.max).saturating_sub(self.audio.expose().len());
        let octets = narrow.samples.iter().take(room).map(|&sample| Law::Mu.encode_sample(sample));
        self.audio.expose_mut().extend(octets);
        length >= room || self.deadline() <= now
    }

    /// What is worth keeping; `None` when nobody spoke.
    fn finish(mut self) -> (AskId, Option<Heard>) {
        if self.speech < octets(LEAST) {
            return (self.ask, None);
        }
        let audio = self.audio.expose_mut();
        let worth = audio.len().saturating_sub(self.quiet.saturating_sub(octets(FADE)));
        audio.truncate(worth);
        (self.ask, Some((self.listen, self.audio)))
    }
}

impl Call {
    /// Listens to the caller from now on.
    pub(super) fn listen_to_caller(&mut self, ask: AskId, listen: Listen) {
        self.finish_message();
        let talking = matches!(self.caller.state, CallerState::Talking);
        let room = self.settings.limits.message_room.clone();
        let taking = talking.then(|| Taking::new(self.now, ask, listen, room)).flatten();
        match (self.stream(LegSide::A), taking) {
            (Some(stream), Some(taking)) => {
                stream.session.listen(true);
                self.message = Some(taking);
            }
            _ => self.tell_flow(run::Input::Answer(ask, Answer::Message(MessageReply::Failed))),
        }
    }

    /// 20 ms of the caller, when a message is being left.
    pub(super) fn heard_caller(&mut self, frame: &media::Frame) {
        let now = self.now;
        if self.message.as_mut().is_some_and(|taking| taking.push(now, frame)) {
            self.finish_message();
        }
    }

    /// The message is over, if there is one: it goes to be kept. Also when the caller hangs up: then what they
    /// have said so far.
    pub(super) fn finish_message(&mut self) {
        let Some(taking) = self.message.take() else { return };
        self.listen_while_wanted();
        let (ask, worth) = taking.finish();
        match worth {
            Some((listen, audio)) => {
                let caller = self.number.clone();
                let message = Message { mailbox: listen.mailbox, caller, audio };
                self.out.push_back(Output::Ask(ask, Question::Message(message)));
            }
            None => self.tell_flow(run::Input::Answer(ask, Answer::Message(MessageReply::Empty))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn listen(max: u64, silence: u64) -> Listen {
        let seconds = Duration::from_secs;
        Listen { mailbox: String::from("general"), max: seconds(max), silence: seconds(silence) }
    }

    fn frame(band: Band, level: i16) -> media::Frame {
        media::Frame::new(band, &vec![level; 160 * band.samples_of_tick()])
    }

    /// Pushes frames of a level, 20 ms apart; how many were taken before the message ended by itself.
    fn push(taking: &mut Taking, now: &mut Instant, band: Band, level: i16, frames: usize) -> Option<usize> {
        (0..frames).position(|_| {
            *now += Duration::from_millis(20);
            taking.push(*now, &frame(band, level))
        })
    }

    fn taking(max: u64, silence: u64) -> (Taking, Instant) {
        let now = test_start();
        (Taking::new(now, AskId(1), listen(max, silence), Room::default()).expect("room"), now)
    }

    #[test]
    fn all_messages_together_have_a_bound_and_give_back_what_they_took() {
        let room = Room::of(octets(PART) * 3);
        let mut now = test_start();
        let new = || Taking::new(now, AskId(1), listen(300, 300), room.clone());
        let mut first = new().expect("room");
        let second = new().expect("room");
        // The third part goes to the first when it is long; there is none for its fourth, nor for another.
        let minute = 2 * octets(PART) / 160;
        let ended = push(&mut first, &mut now, Band::Narrow, 9_000, 2 * minute);
        assert_eq!(ended, Some(minute));
        let new = || Taking::new(now, AskId(1), listen(300, 300), room.clone());
        assert!(new().is_none());
        let (_, worth) = first.finish();
        assert_eq!(
            worth.expect("somebody spoke").1.expose().len(),
            2 * octets(PART),
            "what was heard is kept"
        );
        drop(second);
        let again: Vec<Taking> = std::iter::from_fn(new).collect();
        assert_eq!(again.len(), 3);
    }

    #[test]
    fn a_message_is_what_was_said_without_the_silence_after_it() {
        let (mut message, mut now) = taking(60, 3);
        assert_eq!(push(&mut message, &mut now, Band::Narrow, 0, 50), None);
        assert_eq!(push(&mut message, &mut now, Band::Narrow, 9_000, 100), None);
        assert_eq!(
            push(&mut message, &mut now, Band::Narrow, 0, 1_000),
            Some(149),
            "three seconds of silence end it"
        );
        let (_, worth) = message.finish();
        let (_, audio) = worth.expect("somebody spoke");
        // A second before it, two seconds of it, half a second after it.
        assert_eq!(audio.expose().len(), 8 * (1_000 + 2_000 + 500));
    }

    #[test]
    fn a_message_is_never_longer_than_it_may_be() {
        let (mut message, mut now) = taking(2, 5);
        assert_eq!(push(&mut message, &mut now, Band::Wide, 9_000, 1_000), Some(99));
        assert_eq!(push(&mut message, &mut now, Band::Wide, 9_000, 10), Some(0), "and takes no more");
        let (_, worth) = message.finish();
        let (_, audio) = worth.expect("somebody spoke");
        assert_eq!(audio.expose().len(), 8 * 2_000);
        let loud = Law::Mu.decode_sample(audio.expose()[5_000]);
        assert!((8_500..9_500).contains(&loud), "it became µ-law: {loud}");
    }

    #[test]
    fn silence_and_a_cough_are_no_message() {
        for spoken in [0, 10, 19] {
            let (mut message, mut now) = taking(60, 3);
            push(&mut message, &mut now, Band::Narrow, 9_000, spoken);
            assert!(push(&mut message, &mut now, Band::Narrow, 0, 1_000).is_some());
            assert!(message.finish().1.is_none(), "{spoken} frames");
        }
    }
}
