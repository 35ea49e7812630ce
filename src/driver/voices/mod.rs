//! Voices out of files: the model, recordings, lists of trials, the report of a calibration.

mod folder;
mod live;
mod trials;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use self::folder::{Folder, Told};
pub use self::live::{Listener, REPORT, Voices};
pub use self::trials::trials;
use super::models::{CAM_PLUS_PLUS, InstallError, Models};
use crate::audio::{AudioError, decode_file, resample};
use crate::units::SampleRate;
use crate::voice::model::ModelFile;
use crate::voice::print::calibration::{Calibration, CalibrationError, RateError};
use crate::voice::print::compare::Heard;
use crate::voice::print::enrolment::Utterance;
use crate::voice::print::fingerprint::Fingerprint;
use crate::voice::print::quality::Quality;
use crate::voice::print::{self, Model};

/// Why voices cannot be compared.
#[derive(Debug, Error)]
pub enum VoiceError {
    /// A file or a folder can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than anything that is listened to.
    #[error("{0} is larger than {MOST_MEGABYTES} MB")]
    Large(PathBuf),
    /// A recording can't be decoded.
    #[error("{path}: {source}")]
    Audio {
        /// The file.
        path: PathBuf,
        /// Why.
        source: AudioError,
    },
    /// A recording has no voice.
    #[error("{0}: there is no voice in it, or less than a tenth of a second")]
    Silent(PathBuf),
    /// The model's file is not what it should be.
    #[error("{path}: {source}\n  help: `countersign models install` brings the model")]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        source: print::ModelError,
    },
    /// The model of the data folder is not there, or not as it should be.
    #[error(transparent)]
    Installed(#[from] InstallError),
    /// A folder lacks what it should have.
    #[error("{0}")]
    Folder(String),
    /// A list of trials has a line that can't be used.
    #[error("{path}:{line}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Why.
        why: String,
    },
    /// The report of a calibration can't be used.
    #[error("{path} is no report of a calibration: {why}\n  help: `countersign voice calibrate` makes one")]
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The voices give no calibration.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A rate of false accepts that the report has no threshold for.
    #[error(transparent)]
    Rate(#[from] RateError),
}

/// The largest file of a recording or of a list.
const MOST_MEGABYTES: u64 = 64;
/// The largest file of a model.
const MOST_MODEL_MEGABYTES: u64 = 512;

/// The octets of a file of a bounded size.
fn octets(path: &Path, megabytes: u64) -> Result<Vec<u8>, VoiceError> {
    let io = |source| VoiceError::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.len() > megabytes << 20 {
        return Err(VoiceError::Large(path.to_owned()));
    }
    fs::read(path).map_err(io)
}

/// The model of a file: as `countersign models install` keeps it, or a PyTorch state dict.
///
/// # Errors
/// When it can't be read or is another model.
pub fn model(path: &Path) -> Result<Model, VoiceError> {
    let octets = octets(path, MOST_MODEL_MEGABYTES)?;
    let read = match ModelFile::read(&octets) {
        Ok(file) => Model::from_tensors(&file.into()).map_err(print::ModelError::from),
        Err(_) => Model::read(&octets),
    };
    read.map_err(|source| VoiceError::Model { path: path.to_owned(), source })
}

/// The model of a data folder, when it is the one that this program knows.
///
/// # Errors
/// When it is not there, or was changed.
pub fn installed(data: &Path) -> Result<Model, VoiceError> {
    let models = Models::of(data);
    let file = models.load(&CAM_PLUS_PLUS)?;
    Model::from_tensors(&file.into())
        .map_err(|why| VoiceError::Model { path: models.path(&CAM_PLUS_PLUS), source: why.into() })
}

/// A recording at 8,000 Hz.
///
/// # Errors
/// When it can't be read or decoded.
pub fn recording(path: &Path) -> Result<Vec<i16>, VoiceError> {
    let octets = octets(path, MOST_MEGABYTES)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let pcm = decode_file(&octets, extension)
        .map_err(|source| VoiceError::Audio { path: path.to_owned(), source })?;
    Ok(resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE))
}

/// The voice in a recording, and how long it is heard.
///
/// # Errors
/// As [`recording`]; when there is no voice.
pub fn voice(model: &Model, path: &Path) -> Result<Heard, VoiceError> {
    heard(model, path).map(|(heard, _, _)| heard)
}

/// An utterance with all that an enrolment looks at.
///
/// # Errors
/// As [`voice`].
pub fn utterance(model: &Model, path: &Path) -> Result<Utterance, VoiceError> {
    let (heard, quality, samples) = heard(model, path)?;
    Ok(Utterance { heard, quality, fingerprint: Fingerprint::of(&samples) })
}

fn heard(model: &Model, path: &Path) -> Result<(Heard, Quality, Vec<i16>), VoiceError> {
    let samples = recording(path)?;
    let quality = Quality::of(&samples);
    let voice = model.voice(&samples).ok_or_else(|| VoiceError::Silent(path.to_owned()))?;
    Ok((Heard { voice, seconds: quality.speech.max(0.1) }, quality, samples))
}

/// Reads the report of a calibration of this model.
///
/// # Errors
/// When it can't be read, was damaged, or is another model's.
pub fn report(path: &Path, model: &Model) -> Result<Calibration, VoiceError> {
    let wrong = |why: String| VoiceError::Report { path: path.to_owned(), why };
    let octets = octets(path, MOST_MEGABYTES)?;
    let report: Calibration = serde_json::from_slice(&octets).map_err(|why| wrong(why.to_string()))?;
    if !report.is_whole() {
        return Err(wrong("it lacks thresholds, or they are out of order".into()));
    }
    if report.model != model.identity() {
        return Err(wrong(format!("it was made with the model {}, not {}", report.model, model.identity())));
    }
    Ok(report)
}

/// Writes the report of a calibration, whole or not at all.
///
/// # Errors
/// When it can't be written.
pub fn keep_report(path: &Path, report: &Calibration) -> Result<(), VoiceError> {
    let io = |source| VoiceError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let mut text = serde_json::to_vec_pretty(report).map_err(|why| io(why.into()))?;
    text.push(b'\n');
    let part = path.with_extension("part");
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).map_err(io)
}
