//! A folder of files that are each named by the time when they began and by their call, `<milliseconds>-<call>…`,
//! and that only their owner may read. Messages and recordings lie in such folders.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::units::UnixTime;

/// The extension of a file that is being written. A backup leaves such files out.
pub(crate) const PART: &str = "part";

/// The folder.
#[derive(Clone)]
pub(crate) struct DatedFolder {
    path: PathBuf,
    /// The extension of files that are whole.
    whole: &'static str,
}

impl DatedFolder {
    /// A folder, which need not be there yet.
    pub(crate) const fn new(path: PathBuf, whole: &'static str) -> Self {
        Self { path, whole }
    }

    /// Makes the folder if it is not there.
    pub(crate) fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands before the time of a name.
    pub(crate) fn name(at: UnixTime, rest: impl std::fmt::Display) -> String {
        format!("{:012x}-{rest}", at.0)
    }

    /// The files with this extension, the oldest first.
    pub(crate) fn files(&self, extension: &str) -> io::Result<Vec<PathBuf>> {
        let mut out = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(out),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                out.push(path);
            }
        }
        out.sort();
        Ok(out)
    }

    /// The files that are whole, the oldest first.
    pub(crate) fn whole(&self) -> io::Result<Vec<PathBuf>> {
        self.files(self.whole)
    }

    /// Where the whole file of a name lies.
    pub(crate) fn whole_path(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.{}", self.whole))
    }

    /// Where it lies while it is written.
    pub(crate) fn part_path(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.{PART}"))
    }

    /// The whole file of a name that somebody gives. A name is never a way out of the folder.
    pub(crate) fn found(&self, id: &str) -> Option<PathBuf> {
        let path = self.whole_path(id);
        let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (plain && path.exists()).then_some(path)
    }

    /// A new file that only its owner may read.
    pub(crate) fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }

    /// Gives a file that is written its whole name. The name is on the disk when this returns.
    pub(crate) fn finish(&self, id: &str) -> io::Result<()> {
        fs::rename(self.part_path(id), self.whole_path(id))?;
        File::open(&self.path)?.sync_all()
    }

    /// The whole files from before a time.
    pub(crate) fn past(&self, before: UnixTime) -> io::Result<Vec<PathBuf>> {
        let at = |path: &PathBuf| {
            let stem = stem(path)?;
            i64::from_str_radix(stem.split('-').next()?, 16).ok()
        };
        let mut files = self.whole()?;
        files.retain(|path| at(path).is_some_and(|at| at < before.0));
        Ok(files)
    }
}

/// The name that a file's path gives it.
pub(crate) fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}
