//! Reading audio files: WAV, MP3, Ogg Vorbis and FLAC, from memory.

use std::io::Cursor;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use thiserror::Error as ThisError;

use super::{count, to_sample};
use crate::units::SampleRate;

/// The file name extensions that [`decode_file`] is meant for, the usual one first.
pub const EXTENSIONS: &[&str] = &["wav", "mp3", "ogg", "oga", "flac"];

/// Decoded audio, one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcm {
    /// Samples per second.
    pub rate: SampleRate,
    /// The samples.
    pub samples: Vec<i16>,
}

/// Why a file gave no audio.
#[derive(Debug, ThisError)]
pub enum AudioError {
    /// It is not of a kind that can be read.
    #[error("this is not a WAV, MP3, Ogg Vorbis or FLAC file")]
    Unknown,
    /// It is of a known kind, but holds no audio.
    #[error("the file holds no audio track")]
    NoAudio,
    /// Its coding is not one of those that can be read.
    #[error("its coding cannot be read")]
    Coding,
    /// It breaks off or contradicts itself.
    #[error("the file is damaged")]
    Damaged,
    /// A sampling rate that no recording has.
    #[error("a sampling rate of {0} Hz cannot be used; 4,000 to 192,000 Hz can")]
    Rate(u32),
    /// Longer than an engine should hold in memory.
    #[error("the recording is longer than {LONGEST_MINUTES} minutes")]
    TooLong,
}

/// Longest recording that is read.
const LONGEST_MINUTES: usize = 60;

/// Decodes a whole file and mixes its channels to one. `extension` helps to tell the kind and may be empty.
///
/// # Errors
/// When the file is of no known kind, damaged, without audio, or too long.
pub fn decode_file(bytes: &[u8], extension: &str) -> Result<Pcm, AudioError> {
    // The decoders are others' and were seen to overflow (`tests/parsers.rs`): a file brings nothing down.
    std::panic::catch_unwind(|| decode(bytes, extension)).unwrap_or(Err(AudioError::Damaged))
}

fn decode(bytes: &[u8], extension: &str) -> Result<Pcm, AudioError> {
    let source = Box::new(Cursor::new(bytes.to_vec()));
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    if !extension.is_empty() {
        hint.with_extension(extension);
    }
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|_| AudioError::Unknown)?;
    let track = format.default_track(TrackType::Audio).ok_or(AudioError::NoAudio)?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|all| all.audio()).ok_or(AudioError::NoAudio)?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|_| AudioError::Coding)?;

    let mut mix = Mix::default();
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            // A file cut short is played as far as it goes, as every player does.
            Ok(None) | Err(Error::IoError(_)) => break,
            Err(_) => return Err(AudioError::Damaged),
        };
        if packet.track_id != track_id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(audio) => {
                audio.copy_to_vec_interleaved(&mut interleaved);
                mix.push(&interleaved, audio.spec().channels().count(), audio.spec().rate())?;
            }
            // One broken packet is a click, not the end.
            Err(Error::DecodeError(_)) => {}
            Err(_) => return Err(AudioError::Damaged),
        }
    }
    mix.finish()
}

/// The mix of all channels so far.
#[derive(Default)]
struct Mix {
    rate: u32,
    samples: Vec<i16>,
}

impl Mix {
    fn push(&mut self, interleaved: &[f32], channels: usize, rate: u32) -> Result<(), AudioError> {
        if !(4_000..=192_000).contains(&rate) {
            return Err(AudioError::Rate(rate));
        }
        if self.rate != 0 && self.rate != rate {
            return Err(AudioError::Damaged);
        }
        self.rate = rate;
        let channels = channels.max(1);
        let longest = usize::try_from(rate).unwrap_or(usize::MAX).saturating_mul(60 * LONGEST_MINUTES);
        if self.samples.len() + interleaved.len() / channels > longest {
            return Err(AudioError::TooLong);
        }
        // Full scale of a float is 1.0; every channel has the same share, so nothing clips.
        let scale = 32_768.0 / count(channels);
        self.samples.extend(
            interleaved
                .chunks_exact(channels)
                .map(|frame| to_sample(frame.iter().map(|&sample| f64::from(sample)).sum::<f64>() * scale)),
        );
        Ok(())
    }

    fn finish(self) -> Result<Pcm, AudioError> {
        if self.samples.is_empty() {
            return Err(AudioError::NoAudio);
        }
        Ok(Pcm { rate: SampleRate(self.rate), samples: self.samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{correlate, level, resample, wav};
    use std::f64::consts::TAU;

    /// The sweep of `tests/data/audio`: 500 to 1,500 Hz in half a second, 12 dB below full scale.
    fn sweep() -> Vec<i16> {
        (0..4000)
            .map(|n| {
                let seconds = f64::from(n) / 8000.0;
                to_sample(8231.0 * (TAU * (500.0 * seconds + 1000.0 * seconds * seconds)).sin())
            })
            .collect()
    }

    #[test]
    fn every_kind_of_file_gives_the_same_sound_in_one_channel() {
        let files: [(&str, &[u8], u32); 7] = [
            ("mp3", include_bytes!("../../tests/data/audio/sweep.mp3"), 44_100),
            ("ogg", include_bytes!("../../tests/data/audio/sweep.ogg"), 44_100),
            ("flac", include_bytes!("../../tests/data/audio/sweep.flac"), 44_100),
            ("wav", include_bytes!("../../tests/data/audio/sweep-a-law.wav"), 8_000),
            ("wav", include_bytes!("../../tests/data/audio/sweep-mu-law.wav"), 8_000),
            ("wav", include_bytes!("../../tests/data/audio/sweep-24-bit.wav"), 22_050),
            ("wav", include_bytes!("../../tests/data/audio/sweep-8-bit.wav"), 16_000),
        ];
        let expected = sweep();
        for (extension, bytes, rate) in files {
            let pcm = decode_file(bytes, extension).expect("a good file");
            assert_eq!(pcm.rate, SampleRate(rate), "{extension}");
            let heard = resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE);
            // MP3 adds silence in front, not by a whole number of our samples: half a sample costs 5 %.
            let found = correlate(&expected[200..3800], &heard).expect("a sound");
            assert!(found.score > 0.92, "{extension} at {rate}: {found:?}");
            let difference = level::active_dbm0(&heard) - level::active_dbm0(&expected);
            assert!(difference.abs() < 1.0, "{extension} at {rate}: {difference} dB");
        }
    }

    #[test]
    fn the_kind_is_told_by_the_contents_when_the_extension_lies() {
        let flac = include_bytes!("../../tests/data/audio/sweep.flac");
        for extension in ["wav", "mp3", ""] {
            assert_eq!(decode_file(flac, extension).expect("still FLAC").rate, SampleRate(44_100));
        }
    }

    #[test]
    fn what_is_no_audio_says_so() {
        assert!(matches!(decode_file(b"", "wav"), Err(AudioError::Unknown)));
        assert!(matches!(decode_file(&[0; 5000], "ogg"), Err(AudioError::Unknown)));
        let empty = wav::write(&[], SampleRate::TELEPHONE);
        assert!(matches!(decode_file(&empty, "wav"), Err(AudioError::NoAudio)));
        let slow = wav::write(&[1; 100], SampleRate(1000));
        assert!(matches!(decode_file(&slow, "wav"), Err(AudioError::Rate(1000))));
    }

    #[test]
    fn a_file_that_breaks_off_is_played_as_far_as_it_goes() {
        let whole = wav::write(&sweep(), SampleRate::TELEPHONE);
        let pcm = decode_file(&whole[..4044], "wav").expect("half a file");
        assert!(pcm.samples.len() <= 2000);
        assert_eq!(pcm.samples, sweep()[..pcm.samples.len()]);
    }

    #[test]
    fn damage_anywhere_makes_no_panic() {
        let mut entropy = crate::units::Entropy::from_seed([7; 32]);
        let files: [(&str, &[u8]); 3] = [
            ("mp3", include_bytes!("../../tests/data/audio/sweep.mp3")),
            ("ogg", include_bytes!("../../tests/data/audio/sweep.ogg")),
            ("flac", include_bytes!("../../tests/data/audio/sweep.flac")),
        ];
        for (extension, bytes) in files {
            for _ in 0..40 {
                let mut damaged = bytes.to_vec();
                for _ in 0..8 {
                    let at = usize::try_from(entropy.below(damaged.len() as u64)).expect("small");
                    damaged[at] = entropy.next_u32().to_le_bytes()[0];
                }
                drop(decode_file(&damaged, extension));
            }
        }
    }
}
