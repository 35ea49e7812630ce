//! The name of a recording.

use std::fmt;
use std::sync::Arc;

/// Names one recording: its path below `audio/` without the extension, such as `en-GB/greeting`,
/// `en-GB/numbers/4`, `tones/beep` or `music/hold`.
///
/// A key may stand for a spoken digit of somebody's account number, so its `Debug` shows only the folder.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClipKey(Arc<str>);

impl ClipKey {
    /// The key of the recording at `path` (below `audio/`, without extension).
    #[must_use]
    pub fn new(path: impl Into<Arc<str>>) -> Self {
        Self(path.into())
    }

    /// The path below `audio/`, without extension.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.0.rsplit_once('/').map_or("", |(folder, _)| folder);
        write!(f, "ClipKey({folder}/·)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoken_digit_does_not_show_itself() {
        let key = ClipKey::new("en-GB/numbers/4");
        assert_eq!(format!("{key:?}"), "ClipKey(en-GB/numbers/·)");
        assert_eq!(key.as_str(), "en-GB/numbers/4");
    }
}
