//! The peer's voice, listened for while somebody attends, and kept while somebody wants to understand it: then a prompt
//! gives way to whoever speaks, and what they say answers a question.
//!
//! Each packet is heard as it arrives. What is late or doubled has been passed; what is missing is neither speech nor
//! silence. The memory is taken when somebody attends for the first time and kept: what the line is like is
//! then known from before.

use std::time::{Duration, Instant};

use super::capture::{Capture, Endpoint, Turn};
use super::frame::Frame;
use super::io::Event;
use super::rtp::seq::samples_between;
use crate::audio::{Vad, level};
use crate::units::RtpTimestamp;

/// How a peer's voice is attended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attention {
    /// Not at all.
    #[default]
    Off,
    /// That it begins is told.
    Told,
    /// And what it says is kept, for somebody may want to understand it in a moment.
    Kept,
}

/// Listens to one stream, or not.
#[derive(Default)]
pub(super) struct Voice {
    vad: Option<Box<Vad>>,
    attention: Attention,
    /// What is said is wanted, up to there.
    endpoint: Option<Endpoint>,
    /// What is said, while it is wanted or may be.
    capture: Option<Box<Capture>>,
    /// Where the next packet should begin.
    next: Option<RtpTimestamp>,
    /// The peer rests, with a background so loud.
    rests: Option<f64>,
    begun: bool,
}

impl Voice {
    /// Whether to tell that the peer has begun to speak, and to keep it.
    pub(super) fn attend(&mut self, attention: Attention) {
        let was_on = self.listens();
        if attention != Attention::Off && self.attention == Attention::Off {
            // A voice that goes on is told to whoever attends now.
            self.vad.get_or_insert_default().resume_telling();
        }
        self.attention = attention;
        self.begun = false;
        self.turned(was_on);
    }

    /// What is wanted of what the peer says.
    pub(super) fn want(&mut self, endpoint: Option<Endpoint>) {
        let was_on = self.listens();
        self.endpoint = endpoint;
        self.turned(was_on);
        if let (Some(endpoint), Some(capture)) = (endpoint, &mut self.capture) {
            capture.turn_to(endpoint);
        }
    }

    fn turned(&mut self, was_on: bool) {
        let is_on = self.listens();
        if is_on && !was_on {
            self.vad.get_or_insert_default().resume();
        }
        if is_on != was_on {
            self.next = None;
            self.rests = None;
        }
        if self.endpoint.is_none() && self.attention != Attention::Kept {
            self.capture = None;
        } else if self.capture.is_none() {
            self.capture = Some(Box::new(Capture::new(self.endpoint.unwrap_or(UNASKED))));
        }
    }

    /// Whether anybody listens.
    pub(super) const fn listens(&self) -> bool {
        !matches!(self.attention, Attention::Off) || self.endpoint.is_some()
    }

    /// Another stream begins: another line, perhaps.
    pub(super) fn restart(&mut self) {
        self.next = None;
        self.rests = None;
        if let Some(vad) = &mut self.vad {
            **vad = Vad::default();
        }
    }

    /// Hears the audio of a packet at 8,000 Hz.
    pub(super) fn hear(&mut self, came: Instant, timestamp: RtpTimestamp, audio: &[i16]) {
        let listens = self.listens();
        let Some(vad) = self.vad.as_mut().filter(|_| listens) else { return };
        let missing = self.next.map_or(0, |next| samples_between(next, timestamp));
        if missing < 0 && missing > -FAR {
            if let Some(capture) = &mut self.capture {
                capture.amend(missing.unsigned_abs(), audio);
            }
            return;
        }
        let known = vad.speech();
        match self.rests.take() {
            Some(dbm0) if missing > 0 => vad.rests(dbm0, missing.unsigned_abs()),
            _ if missing != 0 => vad.skip(missing.unsigned_abs()),
            _ => {}
        }
        self.begun |= vad.hear(audio) && self.attention != Attention::Off;
        if let Some(capture) = &mut self.capture {
            let speech = vad.speech().wrapping_sub(known);
            capture.hear(came, u32::try_from(missing).unwrap_or(0), audio, speech);
        }
        let length = u32::try_from(audio.len()).unwrap_or(0);
        self.next = Some(RtpTimestamp(timestamp.0.wrapping_add(length)));
    }

    /// From here on the peer sends nothing, and its background is so loud, in dBm0.
    pub(super) const fn rests(&mut self, dbm0: f64) {
        self.rests = Some(dbm0);
    }

    /// What is said to the peer now.
    pub(super) fn says(&mut self, frame: &Frame) {
        let listens = self.listens();
        let Some(vad) = self.vad.as_mut().filter(|_| listens) else { return };
        vad.says(level::rms_dbm0(&frame.samples));
    }

    /// Told once.
    pub(super) fn begun(&mut self) -> Option<Event> {
        std::mem::take(&mut self.begun).then_some(Event::Voice)
    }

    /// What has become of what the peer says, each once.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Turn> {
        self.endpoint?;
        self.capture.as_mut()?.turn(now, self.rests.is_some())
    }

    /// When to ask for that although nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.endpoint?;
        self.capture.as_ref()?.due(self.rests.is_some())
    }
}

/// Of who attends, and may ask for what was said.
const UNASKED: Endpoint = Endpoint { silence: Duration::from_secs(60), longest: Duration::from_secs(60) };
/// A second back is a sender that started its timestamps over.
const FAR: i32 = 8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Law, decode_file};
    use crate::units::test_start;

    /// A voice: a prompt of ours, as a caller may say it.
    fn speech() -> Vec<i16> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/audio/en-GB/main_menu.wav");
        let pcm = decode_file(&std::fs::read(path).expect("a recording"), "wav").expect("a recording");
        let quiet = std::iter::repeat_n(0, 4000);
        quiet.chain(pcm.samples).map(|sample| Law::A.decode_sample(Law::A.encode_sample(sample))).collect()
    }

    fn at(packet: usize) -> RtpTimestamp {
        RtpTimestamp((u32::MAX - 8000).wrapping_add(u32::try_from(packet * 160).expect("short")))
    }

    fn attending() -> Voice {
        let mut voice = Voice::default();
        voice.attend(Attention::Told);
        voice
    }

    /// After which packets a voice was told.
    fn told(voice: &mut Voice, packets: impl Iterator<Item = (usize, Vec<i16>)>) -> Vec<usize> {
        let mut told = Vec::new();
        for (n, packet) in packets {
            voice.hear(test_start(), at(n), &packet);
            told.extend(voice.begun().map(|_| n));
        }
        told
    }

    fn packets() -> impl Iterator<Item = (usize, Vec<i16>)> {
        speech().chunks(160).map(<[i16]>::to_vec).collect::<Vec<_>>().into_iter().enumerate().take(150)
    }

    #[test]
    fn a_voice_is_told_once_and_only_while_somebody_attends() {
        let told_while_attending = told(&mut attending(), packets());
        assert_eq!(told_while_attending.len(), 1, "{told_while_attending:?}");
        assert!((25..60).contains(&told_while_attending[0]), "{told_while_attending:?}");
        let mut deaf = Voice::default();
        assert!(told(&mut deaf, packets()).is_empty());
        assert!(deaf.vad.is_none(), "nothing is held for who does not attend");
        let mut stopped = attending();
        let half: Vec<_> = packets().take(30).collect();
        assert!(told(&mut stopped, half.into_iter()).is_empty());
        stopped.attend(Attention::Off);
        assert!(told(&mut stopped, packets().skip(30)).is_empty());
    }

    #[test]
    fn lost_late_and_doubled_packets_neither_hide_nor_double_it() {
        let lossy = packets().filter(|(n, _)| n % 10 != 3);
        assert_eq!(told(&mut attending(), lossy).len(), 1);
        let doubled = packets().flat_map(|packet| [packet.clone(), packet]);
        assert_eq!(told(&mut attending(), doubled), told(&mut attending(), packets()));
        let mut shuffled: Vec<_> = packets().collect();
        shuffled.chunks_exact_mut(10).for_each(|ten| ten.swap(4, 5));
        assert_eq!(told(&mut attending(), shuffled.into_iter()).len(), 1);
    }

    #[test]
    fn listening_to_a_packet_takes_memory_only_for_what_is_kept() {
        let (packets, now): (Vec<_>, _) = (packets().collect(), test_start());
        let taken = |attention| {
            let mut voice = attending();
            voice.attend(attention);
            let used = allocation_counter::measure(|| {
                for (n, packet) in &packets {
                    voice.hear(now, at(*n), packet);
                    std::hint::black_box(voice.begun());
                }
            });
            used.count_total
        };
        assert_eq!(taken(Attention::Told), 0, "nobody wants to know what is said");
        assert_eq!(taken(Attention::Kept), 1, "three seconds are kept in one piece");
    }
}
