//! The files of an application, and why one of them can't be read.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::diagnostic::{Diagnostic, Place, Source};

/// The files of an application, by paths relative to its folder, `/` between their parts.
pub trait Files {
    /// A file's text.
    ///
    /// # Errors
    /// [`Unread::Absent`] when there is nothing of that name; anything else means that there is something, and
    /// nobody may go on as if it were not there.
    fn read(&self, path: &str) -> Result<String, Unread>;
    /// The paths of the files in a folder (`""` is the application's own).
    fn list(&self, folder: &str) -> Vec<String>;
    /// Where a file lies on disk, for those that are opened in place; `None` when they lie nowhere.
    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        let _ = path;
        None
    }
    /// The recordings there are, as clip keys; `None` when nobody knows, and nothing is said about them.
    fn recordings(&self) -> Option<BTreeSet<String>> {
        None
    }
    /// Whether missing recordings of a language are spoken when the application is served.
    fn speaks(&self, _language: &str) -> bool {
        false
    }
}

/// Texts by their paths.
impl<K: Borrow<str> + Ord> Files for BTreeMap<K, String> {
    fn read(&self, path: &str) -> Result<String, Unread> {
        self.get(path).cloned().ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&str| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.keys().map(Borrow::borrow).filter(inside).map(str::to_owned).collect()
    }
}

/// Why there is no text of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unread {
    /// Nothing has that name.
    #[error("is not there")]
    Absent,
    /// Bytes that are no UTF-8.
    #[error("is not text in UTF-8: line {} byte {}", .0.line, .0.byte)]
    NotUtf8(Box<BadByte>),
    /// Text, two bytes a character.
    #[error("is text in UTF-16")]
    Utf16,
    /// A link whose other end is gone.
    #[error("is a link that leads nowhere")]
    LinkToNothing,
    /// A folder has that name.
    #[error("is a folder")]
    Folder,
    /// A device, a pipe, a socket: it might never end.
    #[error("is no file but a device or a pipe")]
    Special,
    /// This user may not.
    #[error("can't be read: permission denied")]
    Denied,
    /// More than is kept in memory.
    #[error("has more than {most} bytes")]
    TooLarge {
        /// How many may be.
        most: u64,
    },
    /// Anything else that the system says.
    #[error("can't be read: {0}")]
    System(ErrorKind),
}

/// Where a text stops being UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadByte {
    /// The line, counted from 1.
    pub line: usize,
    /// The byte in it, counted from 1.
    pub byte: usize,
    /// The text with a replacement for what can't be read.
    text: String,
    /// Where the first replacement stands.
    at: usize,
}

impl Unread {
    /// The text of a file's bytes.
    ///
    /// # Errors
    /// [`Unread::NotUtf8`], [`Unread::Utf16`].
    pub fn text(bytes: Vec<u8>) -> Result<String, Self> {
        // What text editors write before UTF-16, and what ASCII looks like in it.
        let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let zero = |at: usize| bytes.get(at).map(|byte| *byte == 0);
        let paired = [[true, false, true, false], [false, true, false, true]]
            .iter()
            .any(|pattern| (0..).zip(pattern).all(|(at, wanted)| zero(at) == Some(*wanted)));
        if marked || paired {
            return Err(Self::Utf16);
        }
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let before = bytes.get(..at).unwrap_or_default();
            let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Self::NotUtf8(Box::new(BadByte { line, byte: at - line_start + 1, text, at }))
        })
    }

    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Absent => "write it, or leave out what names it",
            Self::NotUtf8(_) | Self::Utf16 => {
                "save it as UTF-8: editors ask for the encoding when a file is saved"
            }
            Self::LinkToNothing => "make the link lead to the file, or put the file here",
            Self::Folder => "remove the folder, or name a file",
            Self::Special => "put a file with the text here",
            Self::Denied => "let the user that runs countersign read it: `chmod a+r` or another owner",
            Self::TooLarge { .. } => "keep so much in a database, and ask it by `kind: sql`",
            Self::System(_) => "look at the disk and at the log of the system",
        }
    }

    /// The finding, at the place in the file where reading ended.
    #[must_use]
    pub fn told(&self, path: &str) -> Diagnostic {
        let (text, span) = match self {
            Self::NotUtf8(bad) => (bad.text.clone(), bad.at..bad.at + char::REPLACEMENT_CHARACTER.len_utf8()),
            _ => (String::new(), 0..0),
        };
        let place = Place { source: Arc::new(Source { path: path.to_owned(), text }), span };
        Diagnostic::error("E108", Some(place), format!("{path} {self}")).help(self.help())
    }
}

impl From<ErrorKind> for Unread {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Absent,
            ErrorKind::PermissionDenied => Self::Denied,
            ErrorKind::IsADirectory => Self::Folder,
            kind => Self::System(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_told_with_its_line_and_byte() {
        let why = Unread::text(b"a: 1\nb: \xe9\n".to_vec()).expect_err("Latin-1");
        assert_eq!(why.to_string(), "is not text in UTF-8: line 2 byte 4");
        let told = why.told("policy.yaml");
        assert_eq!(told.place.map(|place| place.line_and_column()), Some((2, 4)));
        for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0:\0", b"\0a\0:"] {
            assert_eq!(Unread::text(bytes.to_vec()), Err(Unread::Utf16));
        }
        assert_eq!(Unread::text("ä: 1\n".into()).as_deref(), Ok("ä: 1\n"));
    }

    #[test]
    fn only_what_is_not_there_is_absent() {
        assert_eq!(Unread::from(ErrorKind::NotFound), Unread::Absent);
        assert_eq!(Unread::from(ErrorKind::PermissionDenied), Unread::Denied);
        assert_eq!(Unread::from(ErrorKind::IsADirectory), Unread::Folder);
        assert_eq!(Unread::from(ErrorKind::Interrupted), Unread::System(ErrorKind::Interrupted));
    }
}
