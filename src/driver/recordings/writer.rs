//! Writes one recording, a chunk at a time. What was written can be read however it ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::file::{self, Bound, Chunks, Head, KEY_AT, Wrapping};
use super::{RecordingError, Recordings};
use crate::auth::SubjectKey;
use crate::call::RecordingName;
use crate::driver::dated::DatedFolder;
use crate::driver::seal::{self, Key};
use crate::media::recorder::{KEPT, Piece, RATE, Sound};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// A recording that is being written.
pub struct Writer {
    recordings: Recordings,
    name: String,
    file: File,
    bound: Bound,
    own: Key,
    chunks: Chunks,
    subjects: Vec<SubjectKey>,
    /// The number of the next chunk.
    number: u32,
    /// How far the recording goes, in octets of a side.
    at: u64,
    /// How much of that is silence that was not written yet.
    silence: u64,
}

impl Recordings {
    /// Begins a recording.
    ///
    /// # Errors
    /// When its file can't be made.
    pub fn begin(&self, name: &RecordingName, call: CallId, at: UnixTime) -> Result<Writer, RecordingError> {
        let path = self.folder.part_path(name.as_str());
        let io = |source| RecordingError::Io { path: path.clone(), source };
        let unsealed = || RecordingError::Changed(path.clone());
        let head = Head {
            name: name.to_string(),
            call: call.to_string(),
            started: at.0,
            codec: KEPT.name().to_owned(),
            rate: u32::try_from(RATE).unwrap_or(u32::MAX),
        };
        let own = Secret::new(seal::random::<32>().map_err(|_| unsealed())?);
        let bound = head.write().ok_or_else(unsealed)?;
        let key = self.wrapping().wrap(&bound, &[], &own).map_err(|_| unsealed())?;
        let chunks = Chunks::new(&own, &bound).map_err(|_| unsealed())?;
        self.folder.make().map_err(io)?;
        let mut file = DatedFolder::create(&path).map_err(io)?;
        file.write_all(&[bound.octets.as_slice(), &key].concat()).map_err(io)?;
        Ok(Writer {
            recordings: self.clone(),
            name: head.name,
            file,
            bound,
            own,
            chunks,
            subjects: Vec::new(),
            number: 0,
            at: 0,
            silence: 0,
        })
    }

    pub(super) fn wrapping(&self) -> Wrapping<'_> {
        Wrapping { recordings: &self.key, shares: &self.shares }
    }
}

impl Writer {
    /// It is of this subject too: what is erased of them takes it with it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn tie(&mut self, subject: SubjectKey) -> Result<(), RecordingError> {
        if self.subjects.contains(&subject) {
            return Ok(());
        }
        let subjects = [self.subjects.as_slice(), &[subject]].concat();
        let part = self.recordings.wrapping().wrap(&self.bound, &subjects, &self.own);
        let part = part.map_err(|_| RecordingError::Erased(self.name.clone()))?;
        let at = u64::try_from(KEY_AT).unwrap_or(u64::MAX);
        self.file.write_all_at(&part, at).map_err(|source| self.failed(source))?;
        self.subjects = subjects;
        Ok(())
    }

    /// Writes the next piece. Silence waits for what is heard after it.
    ///
    /// # Errors
    /// When it can't be written, or is not the next: some before it is lost.
    pub fn piece(&mut self, piece: &Piece) -> Result<(), RecordingError> {
        if piece.at != self.at {
            return Err(RecordingError::Lost(self.name.clone()));
        }
        self.at = piece.end();
        match piece.sound {
            Sound::Silence(length) => {
                self.silence += length;
                Ok(())
            }
            Sound::Audio { .. } => {
                self.write_silence()?;
                self.chunk(false, file::plain(piece).expose())
            }
        }
    }

    fn write_silence(&mut self) -> Result<(), RecordingError> {
        match std::mem::take(&mut self.silence) {
            0 => Ok(()),
            length => {
                let silence = Piece { at: self.at, sound: Sound::Silence(length) };
                self.chunk(false, file::plain(&silence).expose())
            }
        }
    }

    fn chunk(&mut self, last: bool, plain: &[u8]) -> Result<(), RecordingError> {
        let sealed = self.chunks.seal(self.number, last, plain);
        let sealed = sealed.map_err(|_| RecordingError::Lost(self.name.clone()))?;
        self.number = self.number.checked_add(1).ok_or_else(|| RecordingError::Lost(self.name.clone()))?;
        self.file.write_all(&sealed).map_err(|source| self.failed(source))
    }

    /// Ends the recording: it is whole, and on the disk, when this returns.
    ///
    /// # Errors
    /// When it can't be written; what was written before can be read all the same.
    pub fn finish(mut self) -> Result<(), RecordingError> {
        self.write_silence()?;
        let length = self.at.to_be_bytes();
        self.chunk(true, &length)?;
        self.file.sync_data().map_err(|source| self.failed(source))?;
        self.leave()
    }

    /// Leaves it as it is: what was written can be read, and says that it was cut short.
    ///
    /// # Errors
    /// When the file can't be given its name; the next start does it.
    pub fn leave(self) -> Result<(), RecordingError> {
        self.recordings.folder.finish(&self.name).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> RecordingError {
        RecordingError::Io { path: self.recordings.folder.part_path(&self.name), source }
    }
}
