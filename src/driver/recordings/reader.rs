//! Reads one recording, a chunk at a time, and says how it ends.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::file::{self, CHUNKS_AT, Chunks, FRAME, Head, KEY_AT, LAST, NoKey};
use super::{RecordingError, Recordings};
use crate::auth::SubjectKey;
use crate::driver::dated;
use crate::media::recorder::{Piece, RATE};

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its end.
    Whole,
    /// In the middle: the engine was killed, the disk was full, or somebody cut the file.
    CutShort,
}

/// What comes next of a recording.
pub enum Next {
    /// A piece.
    Piece(Piece),
    /// Nothing more.
    End(Ending),
}

/// A recording that is read.
pub struct Reader {
    /// What it says of itself.
    pub head: Head,
    /// Of whom it is.
    pub subjects: Vec<SubjectKey>,
    name: String,
    file: io::BufReader<File>,
    chunks: Chunks,
    number: u32,
    at: u64,
    ended: Option<Ending>,
}

/// A recording in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it says of itself.
    pub head: Head,
    /// Of whom it is.
    pub subjects: Vec<SubjectKey>,
    /// How it stands.
    pub state: State,
}

/// How a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whole, and so many milliseconds long.
    Whole {
        /// How long.
        millis: u64,
    },
    /// Without its end.
    CutShort,
    /// A subject whose recording it is was erased: nobody can read it any more.
    Erased,
}

impl Recordings {
    /// Opens a recording.
    ///
    /// # Errors
    /// When there is none of that name, or it does not open.
    pub fn read(&self, name: &str) -> Result<Reader, RecordingError> {
        let path = self.folder.found(name).ok_or_else(|| RecordingError::Unknown(name.to_owned()))?;
        self.open_file(&path)
    }

    fn open_file(&self, path: &Path) -> Result<Reader, RecordingError> {
        let (head, subjects, opened) = self.beginning(path)?;
        let (file, chunks) = opened.map_err(|why| match why {
            NoKey::Erased => RecordingError::Erased(head.name.clone()),
            NoKey::Changed => RecordingError::Changed(path.to_owned()),
        })?;
        let (file, name) = (io::BufReader::with_capacity(32 * 1024, file), head.name.clone());
        Ok(Reader { head, subjects, name, file, chunks, number: 0, at: 0, ended: None })
    }

    /// What precedes the chunks, and the file where they begin.
    #[expect(clippy::type_complexity, reason = "three parts of one file, taken apart where it is called")]
    fn beginning(
        &self,
        path: &Path,
    ) -> Result<(Head, Vec<SubjectKey>, Result<(File, Chunks), NoKey>), RecordingError> {
        let changed = || RecordingError::Changed(path.to_owned());
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof => changed(),
            _ => RecordingError::Io { path: path.to_owned(), source },
        };
        let mut file = File::open(path).map_err(io)?;
        let mut head = [0; KEY_AT];
        file.read_exact(&mut head).map_err(io)?;
        let mut part = [0; CHUNKS_AT - KEY_AT];
        file.read_exact(&mut part).map_err(io)?;
        let (head, bound) = Head::read(head).ok_or_else(changed)?;
        if dated::stem(path) != Some(&head.name) {
            return Err(changed());
        }
        let (subjects, own) = self.wrapping().unwrap(&bound, &part);
        let opened = own.and_then(|own| Chunks::new(&own, &bound).map_err(|_| NoKey::Changed));
        Ok((head, subjects, opened.map(|chunks| (file, chunks))))
    }

    /// How a recording stands, by its beginning and its end.
    pub(super) fn listed(&self, path: &Path) -> Result<Listed, RecordingError> {
        let (head, subjects, opened) = self.beginning(path)?;
        let state = match opened {
            Err(NoKey::Erased) => State::Erased,
            Err(NoKey::Changed) => return Err(RecordingError::Changed(path.to_owned())),
            Ok((mut file, chunks)) => match last(&mut file, &chunks) {
                Some(length) => State::Whole { millis: length * 1000 / RATE },
                None => State::CutShort,
            },
        };
        Ok(Listed { head, subjects, state })
    }
}

/// What the last chunk says, if the last octets are one.
fn last(file: &mut File, chunks: &Chunks) -> Option<u64> {
    let mut octets = [0; LAST];
    file.seek(SeekFrom::End(-i64::try_from(LAST).ok()?)).ok()?;
    file.read_exact(&mut octets).ok()?;
    let (start, sealed) = octets.split_first_chunk::<FRAME>()?;
    let (_, number) = file::frame(*start)?;
    let plain = chunks.open(number, true, sealed)?;
    plain.expose().as_slice().try_into().ok().map(u64::from_be_bytes)
}

impl Reader {
    /// What comes next.
    ///
    /// # Errors
    /// When the file was changed: from there on nothing of it can be believed.
    pub fn read_next(&mut self) -> Result<Next, RecordingError> {
        if let Some(ending) = self.ended {
            return Ok(Next::End(ending));
        }
        let mut start = [0; FRAME];
        if !self.fill(&mut start)? {
            return Ok(self.end(Ending::CutShort));
        }
        let changed = || RecordingError::Changed(self.name.clone().into());
        let (length, number) =
            file::frame(start).filter(|(_, number)| *number == self.number).ok_or_else(changed)?;
        let mut sealed = vec![0; length];
        if !self.fill(&mut sealed)? {
            return Ok(self.end(Ending::CutShort));
        }
        let changed = || RecordingError::Changed(self.name.clone().into());
        if let Some(plain) = self.chunks.open(number, false, &sealed) {
            let piece = file::piece(self.at, plain.expose()).ok_or_else(changed)?;
            self.at = piece.end();
            self.number = number.checked_add(1).ok_or_else(changed)?;
            return Ok(Next::Piece(piece));
        }
        let plain = self.chunks.open(number, true, &sealed).ok_or_else(changed)?;
        let whole = plain.expose().as_slice() == self.at.to_be_bytes();
        // Nothing stands behind the last chunk.
        if !whole || self.fill(&mut [0])? {
            return Err(RecordingError::Changed(self.name.clone().into()));
        }
        Ok(self.end(Ending::Whole))
    }

    fn end(&mut self, ending: Ending) -> Next {
        self.ended = Some(ending);
        Next::End(ending)
    }

    /// Reads as much; `false` when the file ends before.
    fn fill(&mut self, octets: &mut [u8]) -> Result<bool, RecordingError> {
        match self.file.read_exact(octets) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(RecordingError::Io { path: self.name.clone().into(), source }),
        }
    }
}
