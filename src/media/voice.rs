//! The peer's voice, listened for while somebody attends: then a prompt gives way to whoever speaks.
//!
//! Each packet is heard as it arrives. What is late or doubled has been passed; what is missing is neither speech nor
//! silence. The memory is taken when somebody attends for the first time and kept: what the line is like is
//! then known from before.

use super::frame::Frame;
use super::io::Event;
use super::rtp::seq::samples_between;
use crate::audio::{Vad, level};
use crate::units::RtpTimestamp;

/// Listens to one stream, or not.
#[derive(Default)]
pub(super) struct Voice {
    vad: Option<Box<Vad>>,
    attends: bool,
    /// Where the next packet should begin.
    next: Option<RtpTimestamp>,
    /// The peer rests, with a background so loud.
    rests: Option<f64>,
    begun: bool,
}

impl Voice {
    pub(super) fn attend(&mut self, on: bool) {
        if on && !self.attends {
            self.vad.get_or_insert_default().resume();
        }
        self.attends = on;
        self.next = None;
        self.rests = None;
        self.begun = false;
    }

    pub(super) const fn attends(&self) -> bool {
        self.attends
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
    pub(super) fn hear(&mut self, timestamp: RtpTimestamp, audio: &[i16]) {
        let Some(vad) = self.vad.as_mut().filter(|_| self.attends) else { return };
        let missing = self.next.map_or(0, |next| samples_between(next, timestamp));
        if missing < 0 && missing > -FAR {
            return;
        }
        match self.rests.take() {
            Some(dbm0) if missing > 0 => vad.rests(dbm0, missing.unsigned_abs()),
            _ if missing != 0 => vad.skip(missing.unsigned_abs()),
            _ => {}
        }
        self.begun |= vad.hear(audio);
        let length = u32::try_from(audio.len()).unwrap_or(0);
        self.next = Some(RtpTimestamp(timestamp.0.wrapping_add(length)));
    }

    /// From here on the peer sends nothing, and its background is so loud, in dBm0.
    pub(super) const fn rests(&mut self, dbm0: f64) {
        self.rests = Some(dbm0);
    }

    /// What is said to the peer now.
    pub(super) fn says(&mut self, frame: &Frame) {
        let Some(vad) = self.vad.as_mut().filter(|_| self.attends) else { return };
        vad.says(level::rms_dbm0(&frame.samples));
    }

    /// Told once.
    pub(super) fn begun(&mut self) -> Option<Event> {
        std::mem::take(&mut self.begun).then_some(Event::Voice)
    }
}

/// A second back is a sender that started its timestamps over.
const FAR: i32 = 8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Law, decode_file};

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
        voice.attend(true);
        voice
    }

    /// After which packets a voice was told.
    fn told(voice: &mut Voice, packets: impl Iterator<Item = (usize, Vec<i16>)>) -> Vec<usize> {
        let mut told = Vec::new();
        for (n, packet) in packets {
            voice.hear(at(n), &packet);
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
        stopped.attend(false);
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
    fn listening_to_a_packet_takes_no_memory() {
        let mut voice = attending();
        let packets: Vec<_> = packets().collect();
        let used = allocation_counter::measure(|| {
            for (n, packet) in &packets {
                voice.hear(at(*n), packet);
                std::hint::black_box(voice.begun());
            }
        });
        assert_eq!(used.count_total, 0);
    }
}
