//! A recording as sound: sixteen bits, two channels, the caller left and what they heard right.

use std::io::{self, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use thiserror::Error;

use super::{Ending, Next, Reader, RecordingError};
use crate::media::recorder::{KEPT, RATE, Sound};

/// Why a recording can't be heard.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The WAV file.
    #[error("the WAV file can't be written: {0}")]
    Wav(#[from] hound::Error),
    /// Whoever is to play it.
    #[error("it can't be played: {0}")]
    Play(#[from] io::Error),
}

/// The part of a recording that is wanted, in octets of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    from: u64,
    to: u64,
}

impl Part {
    /// All of it.
    pub const ALL: Self = Self { from: 0, to: u64::MAX };

    /// So many seconds from so many seconds on.
    #[must_use]
    pub const fn seconds(from: u64, length: u64) -> Self {
        let from = from.saturating_mul(RATE);
        Self { from, to: from.saturating_add(length.saturating_mul(RATE)) }
    }
}

impl Reader {
    fn spec(&self) -> WavSpec {
        WavSpec {
            channels: 2,
            sample_rate: self.head.rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        }
    }

    /// Gives each pair of samples, left and right; how the recording ends, when the part goes so far.
    ///
    /// # Errors
    /// What the recording or `take` says. What was given by then was recorded so.
    pub fn samples<E: From<RecordingError>>(
        &mut self,
        part: Part,
        mut take: impl FnMut(i16, i16) -> Result<(), E>,
    ) -> Result<Option<Ending>, E> {
        loop {
            let piece = match self.read_next()? {
                Next::Piece(piece) => piece,
                Next::End(ending) => return Ok(Some(ending)),
            };
            if piece.at >= part.to {
                return Ok(None);
            }
            let (from, to) = (part.from.max(piece.at), part.to.min(piece.end()));
            match &piece.sound {
                Sound::Silence(_) => {
                    for _ in from..to {
                        take(0, 0)?;
                    }
                }
                Sound::Audio { left, right } => {
                    let skip = usize::try_from(from - piece.at).unwrap_or(usize::MAX);
                    let count = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
                    for (left, right) in left.expose().iter().zip(right.expose()).skip(skip).take(count) {
                        take(KEPT.decode_sample(*left), KEPT.decode_sample(*right))?;
                    }
                }
            }
        }
    }

    /// Both sides in memory, and how the recording ends: for whoever looks through it.
    ///
    /// # Errors
    /// When the file was changed.
    pub fn sides(&mut self) -> Result<([Vec<i16>; 2], Ending), RecordingError> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let ending = self.samples(Part::ALL, |one, other| {
            left.push(one);
            right.push(other);
            Ok::<(), RecordingError>(())
        })?;
        Ok(([left, right], ending.unwrap_or(Ending::CutShort)))
    }

    /// Writes a part as a WAV file. What could be read is in it, whatever becomes of the rest.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn wav<W: Write + Seek>(&mut self, part: Part, to: W) -> Result<Option<Ending>, ExportError> {
        let mut writer = WavWriter::new(to, self.spec())?;
        let ending = self.samples(part, |left, right| {
            writer.write_sample(left)?;
            writer.write_sample(right).map_err(ExportError::from)
        });
        writer.finalize()?;
        ending
    }

    /// Writes all of it as a WAV stream, to somebody who can't go back to correct its length.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn stream(&mut self, to: impl Write) -> Result<Ending, ExportError> {
        let mut to = io::BufWriter::new(to);
        to.write_all(&self.spec().into_header_for_infinite_file())?;
        let ending = self.samples(Part::ALL, |left, right| {
            to.write_all(&left.to_le_bytes())?;
            to.write_all(&right.to_le_bytes()).map_err(ExportError::from)
        })?;
        to.flush()?;
        Ok(ending.unwrap_or(Ending::CutShort))
    }
}
