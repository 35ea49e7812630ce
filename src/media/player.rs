//! Plays clips back to back: copies octets of the encoding in use, a packet's worth at a time. A clip without that encoding
//! is taken as samples, for whoever encodes them.

use std::sync::Arc;

use super::rtp::packet::Packet;
use crate::audio::codec::opus::PACKET_TICKS;
use crate::audio::{Clip, Codec};
use crate::units::PlayId;

/// One order to play.
#[derive(Debug)]
pub struct Player {
    id: PlayId,
    clips: Vec<Arc<Clip>>,
    repeat: bool,
    clip: usize,
    offset: usize,
}

impl Player {
    /// Stands before the first octet.
    #[must_use]
    pub fn new(id: PlayId, clips: Vec<Arc<Clip>>, repeat: bool) -> Self {
        // An endless repetition of nothing would never end.
        let repeat = repeat && clips.iter().any(|clip| !clip.is_empty());
        let mut player = Self { id, clips, repeat, clip: 0, offset: 0 };
        player.skip_finished();
        player
    }

    /// Plays this clip too, after the others; beyond a bound it is left out.
    pub fn append(&mut self, clip: Arc<Clip>) {
        if self.clips.len() < MAX_APPENDED {
            self.clips.push(clip);
        }
    }

    /// Whose order this is.
    #[must_use]
    pub const fn id(&self) -> PlayId {
        self.id
    }

    /// Has everything been taken?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.clip >= self.clips.len()
    }

    /// Whether what comes next was encoded for the codec, in packets of so many ticks.
    #[must_use]
    pub fn is_encoded(&self, codec: Codec, wanted: usize) -> bool {
        self.clips.get(self.clip).is_none_or(|clip| match codec.octets_of_tick() {
            Some(_) => clip.encoded(codec).is_some(),
            None => wanted == PACKET_TICKS && clip.opus_packet(self.offset).is_some(),
        })
    }

    /// Appends so many ticks of 125 µs to the packet, the last ones silent when the clips end before, or when one
    /// follows that was not encoded for the codec.
    pub fn take(&mut self, codec: Codec, wanted: usize, packet: &mut Packet) {
        let Some(width) = codec.octets_of_tick() else {
            if let Some(octets) = self.clips.get(self.clip).and_then(|clip| clip.opus_packet(self.offset)) {
                packet.extend_from_slice(octets);
            }
            self.offset += wanted;
            self.skip_finished();
            return;
        };
        let end = packet.len() + wanted * width;
        while packet.len() < end {
            let Some(clip) = self.clips.get(self.clip) else { break };
            let Some(encoded) = clip.encoded(codec) else { break };
            let until = clip.len().min(self.offset + (end - packet.len()) / width);
            packet.extend_from_slice(encoded.get(self.offset * width..until * width).unwrap_or_default());
            self.offset = until;
            self.skip_finished();
        }
        let rest = end - packet.len();
        if rest > 0 {
            codec.silence(rest / width, packet);
        }
    }

    /// Appends so many samples at 8,000 Hz, the last ones silent when the clips end before.
    pub fn take_samples(&mut self, wanted: usize, samples: &mut Vec<i16>) {
        for _ in 0..wanted {
            let next = self.clips.get(self.clip).map_or(0, |clip| clip.sample(self.offset));
            samples.push(next);
            self.offset += 1;
            self.skip_finished();
        }
    }

    /// Moves on from clips that have been taken entirely.
    fn skip_finished(&mut self) {
        while self.clips.get(self.clip).is_some_and(|clip| self.offset >= clip.len()) {
            self.clip += 1;
            self.offset = 0;
            if self.repeat && self.clip >= self.clips.len() {
                self.clip = 0;
            }
        }
    }
}

/// Clips that may be lined up one by one.
const MAX_APPENDED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Law;
    use crate::units::SampleRate;

    fn clip(level: i16, samples: usize) -> Arc<Clip> {
        Arc::new(Clip::from_pcm(&vec![level; samples]))
    }

    fn taken(player: &mut Player, wanted: usize) -> Vec<u8> {
        let mut packet = Packet::new();
        player.take(Codec::Pcmu, wanted, &mut packet);
        packet.to_vec()
    }

    #[test]
    fn clips_follow_each_other_without_a_gap_and_the_end_is_silent() {
        let mut player = Player::new(PlayId(1), vec![clip(1000, 100), clip(-1000, 100)], false);
        let first = taken(&mut player, 160);
        assert!(!player.is_finished());
        let second = taken(&mut player, 160);
        assert!(player.is_finished());
        let [one, two] = [1000, -1000].map(|level| Law::Mu.encode_sample(level));
        assert_eq!(first, [vec![one; 100], vec![two; 60]].concat());
        assert_eq!(second, [vec![two; 40], vec![0xFF; 120]].concat());
    }

    #[test]
    fn a_repeated_play_starts_over_within_a_packet() {
        let mut player = Player::new(PlayId(1), vec![clip(500, 100), clip(0, 0)], true);
        let octet = Law::Mu.encode_sample(500);
        for _ in 0..50 {
            assert_eq!(taken(&mut player, 160), vec![octet; 160]);
        }
        assert!(!player.is_finished());
    }

    #[test]
    fn nothing_to_play_is_finished_at_once_even_when_repeated() {
        for repeat in [false, true] {
            assert!(Player::new(PlayId(1), vec![], repeat).is_finished());
            assert!(Player::new(PlayId(1), vec![clip(0, 0)], repeat).is_finished());
        }
    }

    #[test]
    fn a_clip_of_two_octets_a_tick_is_cut_between_ticks() {
        let samples: Vec<i16> = (0..250).collect();
        let clip = Arc::new(Clip::encode(&samples, SampleRate::TELEPHONE, &[Codec::L16]));
        let mut player = Player::new(PlayId(1), vec![clip], false);
        let mut heard = Vec::new();
        for _ in 0..2 {
            let mut packet = Packet::new();
            player.take(Codec::L16, 160, &mut packet);
            assert_eq!(packet.len(), 320);
            heard.extend(packet.as_chunks().0.iter().map(|&pair| i16::from_be_bytes(pair)));
        }
        assert!(player.is_finished());
        assert_eq!(heard, [samples, vec![0; 70]].concat());
    }

    #[test]
    fn a_clip_that_was_not_encoded_for_the_codec_is_taken_as_samples() {
        let mut player = Player::new(PlayId(1), vec![clip(1000, 100), clip(-1000, 100)], false);
        assert!(player.is_encoded(Codec::Pcma, 160) && !player.is_encoded(Codec::G722, 160));
        let mut samples = Vec::new();
        player.take_samples(160, &mut samples);
        player.take_samples(160, &mut samples);
        assert!(player.is_finished() && samples[0] > 900 && samples[100] < -900);
        assert_eq!((samples.len(), &samples[200..]), (320, &[0; 120][..]));
    }
}
