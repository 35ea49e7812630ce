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
