//! Writing WAV files: sixteen bits, one channel.

use std::io::{Cursor, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::units::SampleRate;

/// A whole WAV file in memory.
#[must_use]
pub fn write(samples: &[i16], rate: SampleRate) -> Vec<u8> {
    let mut file = Cursor::new(Vec::with_capacity(samples.len() * 2 + 44));
    // Writing to memory fails only beyond four gigabytes; what there is by then is still returned.
    let written = Recording::start(&mut file, rate).and_then(|mut recording| {
        recording.push(samples)?;
        recording.finish()
    });
    debug_assert!(written.is_ok(), "a WAV file in memory");
    file.into_inner()
}

/// A WAV file that grows as audio comes in. Its header is right after each [`Recording::flush`], so what
/// was flushed can be played even when nobody came to finish it.
pub struct Recording<W: Write + Seek> {
    writer: WavWriter<W>,
}

impl<W: Write + Seek> Recording<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What the writer says.
    pub fn start(to: W, rate: SampleRate) -> Result<Self, hound::Error> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: rate.0,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        Ok(Self { writer: WavWriter::new(to, spec)? })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// What the writer says.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), hound::Error> {
        samples.iter().try_for_each(|&sample| self.writer.write_sample(sample))
    }

    /// Brings the header up to date and flushes.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> Result<(), hound::Error> {
        self.writer.flush()
    }

    /// Brings the header up to date and ends the file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(self) -> Result<(), hound::Error> {
        self.writer.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::decode_file;

    #[test]
    fn what_is_written_is_read_back() {
        let samples: Vec<i16> = (-500..500).map(|n| n * 60).collect();
        let pcm = decode_file(&write(&samples, SampleRate(16_000)), "wav").expect("our own file");
        assert_eq!((pcm.rate, pcm.samples), (SampleRate(16_000), samples));
    }

    #[test]
    fn an_unfinished_recording_holds_what_was_flushed() {
        let mut file = Cursor::new(Vec::new());
        let mut recording = Recording::start(&mut file, SampleRate::TELEPHONE).expect("starts");
        recording.push(&[7; 800]).expect("grows");
        recording.flush().expect("flushes");
        std::mem::forget(recording);
        let pcm = decode_file(file.get_ref(), "wav").expect("a whole file");
        assert_eq!(pcm.samples, [7; 800]);
    }
}
