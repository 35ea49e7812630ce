//! What tells one version of a file from another, without reading it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A version of a file: which file it is, how long, when it was written and when anything about it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what is at a path; `None` when there is nothing that can be looked at.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|about| Self::of(&about))
    }

    pub(super) fn of(about: &Metadata) -> Self {
        Self {
            inode: (about.dev(), about.ino()),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_by_one_of_the_same_length_and_time_is_another() {
        let folder = std::env::temp_dir().join(format!("countersign-stamp-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, other) = (folder.join("list"), folder.join("new"));
        assert!(Stamp::at(&path).is_none());
        fs::write(&path, "one").expect("written");
        let before = Stamp::at(&path).expect("there");
        assert_eq!(Stamp::at(&path), Some(before));
        fs::write(&other, "two").expect("written");
        let written = fs::metadata(&path).and_then(|about| about.modified()).expect("a time");
        fs::File::options()
            .write(true)
            .open(&other)
            .and_then(|file| file.set_modified(written))
            .expect("set");
        fs::rename(&other, &path).expect("replaced");
        assert_ne!(Stamp::at(&path), Some(before));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
