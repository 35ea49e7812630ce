//! From what a synthesiser gives to telephone audio that sits among recordings: at 8,000 Hz, without the silence
//! around it, as loud as they are.

use std::borrow::Cow;
use std::time::Duration;

use super::SpeakError;
use crate::audio::{decode_file, level, resample, to_sample};
use crate::units::SampleRate;

/// The level of active speech; the recordings that ship are at it too.
const LEVEL_DBM0: f64 = -20.0;
/// What is kept around the speech, so that words joined to a sentence don't run into each other: 50 ms.
const AROUND: usize = 400;
/// Frames that are this far below the loudest are silence at the ends.
const SILENT_DB: f64 = 40.0;
/// 20 ms.
const FRAME: usize = 160;
/// Five minutes.
const LONGEST: usize = 8_000 * 300;

/// Decodes, resamples, trims and levels.
pub(super) fn telephone(bytes: &[u8], extension: &str) -> Result<Vec<i16>, SpeakError> {
    let pcm = decode_file(&mended(bytes), extension)?;
    let samples = resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE);
    let samples = trimmed(&samples);
    let length = Duration::from_micros(u64::try_from(samples.len()).unwrap_or(u64::MAX).saturating_mul(125));
    let loud = level::active_dbm0(samples);
    if samples.len() < FRAME || samples.len() > LONGEST || loud <= level::SILENCE_DBM0 {
        return Err(SpeakError::Length(length));
    }
    Ok(levelled(samples, loud))
}

/// A program that writes to a pipe can't know the length when it writes the header and puts a huge one there
/// (espeak-ng does); readers then take the file for a broken one.
fn mended(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(data) = data_chunk(bytes) else { return Cow::Borrowed(bytes) };
    let is = u32::try_from(bytes.len() - data).unwrap_or(u32::MAX);
    let told = bytes.get(data - 4..data).and_then(|told| told.try_into().ok()).map_or(0, u32::from_le_bytes);
    if told <= is {
        return Cow::Borrowed(bytes);
    }
    let mut mended = bytes.to_vec();
    let whole = u32::try_from(bytes.len() - 8).unwrap_or(u32::MAX);
    for (at, value) in [(4, whole), (data - 4, is)] {
        if let Some(field) = mended.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }
    Cow::Owned(mended)
}

/// Where the samples of a RIFF file begin.
fn data_chunk(bytes: &[u8]) -> Option<usize> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return None;
    }
    let mut at = 12_usize;
    loop {
        let name = bytes.get(at..at + 4)?;
        let length = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?);
        if name == b"data" {
            return Some(at + 8);
        }
        // Chunks begin at even places.
        at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?)?.checked_add(1)? & !1;
    }
}

fn trimmed(samples: &[i16]) -> &[i16] {
    let levels: Vec<f64> = samples.chunks(FRAME).map(level::rms_dbm0).collect();
    let loudest = levels.iter().copied().fold(level::SILENCE_DBM0, f64::max);
    let speaks = |level: &f64| *level > loudest - SILENT_DB;
    let first = levels.iter().position(speaks).unwrap_or(0) * FRAME;
    let last = levels.iter().rposition(speaks).map_or(samples.len(), |frame| (frame + 1) * FRAME);
    let end = (last + AROUND).min(samples.len());
    samples.get(first.saturating_sub(AROUND).min(end)..end).unwrap_or(samples)
}

fn levelled(samples: &[i16], loud: f64) -> Vec<i16> {
    let wanted = 10_f64.powf((LEVEL_DBM0 - loud) / 20.0);
    // Never so loud that a peak is cut.
    let most = f64::from(i16::MAX) / f64::from(level::peak(samples).max(1));
    let gain = wanted.min(most);
    samples.iter().map(|sample| to_sample(f64::from(*sample) * gain)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{tone, wav};

    fn beep() -> Vec<i16> {
        tone::render(tone::Tone::Beep, Duration::from_millis(400))
    }

    #[test]
    fn speech_is_trimmed_and_as_loud_as_the_recordings() {
        let quiet: Vec<i16> = beep().iter().map(|sample| sample / 8).collect();
        let padded = [vec![0; 8_000], quiet, vec![0; 16_000]].concat();
        let made = telephone(&wav::write(&padded, SampleRate::TELEPHONE), "wav").expect("audio");
        assert!((400 * 8..400 * 8 + 2 * AROUND + 2 * FRAME).contains(&made.len()), "{}", made.len());
        assert!((level::active_dbm0(&made) - LEVEL_DBM0).abs() < 1.0);
    }

    #[test]
    fn a_header_that_promises_more_than_there_is_does_no_harm() {
        let mut bytes = wav::write(&beep(), SampleRate::TELEPHONE);
        bytes[4..8].copy_from_slice(&0x7fff_f024_u32.to_le_bytes());
        bytes[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        assert!(telephone(&bytes, "wav").is_ok());
    }

    #[test]
    fn silence_and_garbage_are_no_speech() {
        let silence = wav::write(&[0; 8_000], SampleRate::TELEPHONE);
        assert!(matches!(telephone(&silence, "wav"), Err(SpeakError::Length(_))));
        assert!(matches!(telephone(b"hello", "wav"), Err(SpeakError::Audio(_))));
        assert!(telephone(b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff", "wav").is_err());
    }
}
