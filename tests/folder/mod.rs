//! The files of an application that lies in a folder of the source tree.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::flow::{Files, Unread};

pub(crate) struct Folder(pub(crate) PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, Unread> {
        fs::read_to_string(self.0.join(path)).map_err(|error| error.kind().into())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name());
        let mut paths: Vec<String> =
            names.map(|name| Path::new(folder).join(name).to_string_lossy().into_owned()).collect();
        paths.sort();
        paths
    }
}
