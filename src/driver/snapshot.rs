//! The files of an application, each read once: what was checked, what is hashed and what runs are the same
//! bytes, whatever an editor does meanwhile.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::prompts::AudioSources;
use crate::audio::decode::EXTENSIONS;
use crate::flow::{ClipKey, Files, Unread};

type Hash = [u8; 32];

/// Reads each file of `files` once and remembers it.
pub(super) struct Snapshot<'f> {
    files: &'f dyn Files,
    read: RefCell<BTreeMap<String, Result<String, Unread>>>,
    listed: RefCell<BTreeMap<String, Vec<String>>>,
}

/// What an application was made of: enough to say whether its files still are what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Every file that was looked for; `None` when it gave no text.
    read: BTreeMap<String, Option<Hash>>,
    /// Every folder that was looked into.
    listed: BTreeSet<String>,
    /// Every recording in a folder.
    clips: BTreeMap<PathBuf, Hash>,
}

impl<'f> Snapshot<'f> {
    pub(super) fn of(files: &'f dyn Files) -> Self {
        Self { files, read: RefCell::default(), listed: RefCell::default() }
    }

    /// What was read, and the recordings of these names that lie in folders.
    pub(super) fn fingerprint(&self, clips: &BTreeSet<ClipKey>, sources: &AudioSources) -> Fingerprint {
        let hashed = |(path, text): (&String, &Result<String, Unread>)| {
            (path.clone(), text.as_ref().ok().map(|text| Sha256::digest(text.as_bytes()).into()))
        };
        Fingerprint {
            read: self.read.borrow().iter().map(hashed).collect(),
            listed: self.listed.borrow().keys().cloned().collect(),
            clips: recordings(clips, sources),
        }
    }
}

impl Files for Snapshot<'_> {
    fn read(&self, path: &str) -> Result<String, Unread> {
        let mut read = self.read.borrow_mut();
        read.entry(path.to_owned()).or_insert_with(|| self.files.read(path)).clone()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let mut listed = self.listed.borrow_mut();
        listed.entry(folder.to_owned()).or_insert_with(|| self.files.list(folder)).clone()
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        self.files.on_disk(path)
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        self.files.recordings()
    }

    fn speaks(&self, language: &str) -> bool {
        self.files.speaks(language)
    }
}

impl Fingerprint {
    /// The first 16 hexadecimal digits of a SHA-256 over all of it: the version's name.
    #[must_use]
    pub fn hash(&self) -> Arc<str> {
        let mut hasher = Sha256::new();
        let mut add = |name: &str, hash: &Hash| {
            hasher.update(name.as_bytes());
            hasher.update([0]);
            hasher.update(hash);
        };
        for (path, hash) in &self.read {
            if let Some(hash) = hash {
                add(path, hash);
            }
        }
        for (path, hash) in &self.clips {
            // Where a copy of the folder lies makes no other version of it.
            add(&path.file_name().unwrap_or_default().to_string_lossy(), hash);
        }
        let digest = hasher.finalize();
        Arc::from(data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()))
    }

    /// The same files and recordings as they are now, and flow files and catalogues that have come since.
    pub(super) fn again(&self, files: &dyn Files, clips: &BTreeSet<ClipKey>, sources: &AudioSources) -> Self {
        let snapshot = Snapshot::of(files);
        for path in self.read.keys() {
            let _ = snapshot.read(path);
        }
        for folder in &self.listed {
            for path in snapshot.list(folder).iter().filter(|path| is_read(folder, path)) {
                let _ = snapshot.read(path);
            }
        }
        snapshot.fingerprint(clips, sources)
    }
}

/// Whether an application reads every such file of that folder.
fn is_read(folder: &str, path: &str) -> bool {
    path.ends_with(if matches!(folder, "" | ".") { ".flow.yaml" } else { ".yaml" })
}

/// The recordings of these names that lie in folders. Those inside the program change with the program only.
fn recordings(clips: &BTreeSet<ClipKey>, sources: &AudioSources) -> BTreeMap<PathBuf, Hash> {
    let mut found = BTreeMap::new();
    for key in clips {
        let places = sources.folders.iter().flat_map(|folder| {
            EXTENSIONS.iter().map(move |extension| folder.join(format!("{}.{extension}", key.as_str())))
        });
        let first = places.filter(|path| path.is_file()).find_map(|path| Some((fs::read(&path).ok()?, path)));
        if let Some((bytes, path)) = first {
            found.insert(path, Sha256::digest(&bytes).into());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A folder whose only file changes every time it is read.
    struct Restless(Cell<u32>);

    impl Files for Restless {
        fn read(&self, path: &str) -> Result<String, Unread> {
            self.0.set(self.0.get() + 1);
            (path == "bank.flow.yaml").then(|| format!("version {}", self.0.get())).ok_or(Unread::Absent)
        }

        fn list(&self, _folder: &str) -> Vec<String> {
            vec!["bank.flow.yaml".to_owned(), "notes.txt".to_owned()]
        }
    }

    #[test]
    fn what_is_read_twice_is_the_same_both_times() {
        let files = Restless(Cell::new(0));
        let snapshot = Snapshot::of(&files);
        assert_eq!(snapshot.read("bank.flow.yaml"), snapshot.read("bank.flow.yaml"));
        assert_eq!(snapshot.read("policy.yaml"), Err(Unread::Absent));
        assert_eq!(files.0.get(), 2);
    }

    #[test]
    fn a_change_a_new_flow_and_a_file_that_goes_make_another_fingerprint() {
        struct Folder(BTreeMap<&'static str, &'static str>);
        impl Files for Folder {
            fn read(&self, path: &str) -> Result<String, Unread> {
                self.0.get(path).map(|text| (*text).to_owned()).ok_or(Unread::Absent)
            }
            fn list(&self, _folder: &str) -> Vec<String> {
                self.0.keys().map(|path| (*path).to_owned()).collect()
            }
        }
        let folder = |files: &[(&'static str, &'static str)]| Folder(files.iter().copied().collect());
        let none = AudioSources::default();
        let first = folder(&[("a.flow.yaml", "a"), ("policy.yaml", "p")]);
        let snapshot = Snapshot::of(&first);
        for path in snapshot.list("") {
            snapshot.read(&path).expect("a file");
        }
        let print = snapshot.fingerprint(&BTreeSet::new(), &none);
        let now = |files: &[(&'static str, &'static str)]| {
            print.again(&folder(files), &BTreeSet::new(), &none).hash()
        };
        assert_eq!(now(&[("a.flow.yaml", "a"), ("policy.yaml", "p")]), print.hash());
        assert_eq!(now(&[("a.flow.yaml", "a"), ("policy.yaml", "p"), ("notes.txt", "n")]), print.hash());
        assert_ne!(now(&[("a.flow.yaml", "b"), ("policy.yaml", "p")]), print.hash());
        assert_ne!(now(&[("a.flow.yaml", "a"), ("policy.yaml", "p"), ("b.flow.yaml", "b")]), print.hash());
        assert_ne!(now(&[("a.flow.yaml", "a")]), print.hash());
    }
}
