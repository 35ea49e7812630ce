//! Speech that was made before, one WAV file each, named by what it was made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::audio::{Clip, decode_file, wav};
use crate::units::SampleRate;

/// The folder `speech` of the data folder.
#[derive(Clone, Debug)]
pub(super) struct Cache(PathBuf);

/// The name of a file: the hash of the text, the voice and the synthesiser.
pub(super) fn name(text: &str, voice: &str, synthesiser: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [text, voice, synthesiser, FORM] {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(hasher.finalize().get(..20).unwrap_or_default())
}

/// Changes when `sound` makes something else of the same speech.
const FORM: &str = "1";

impl Cache {
    pub(super) fn below(data: &Path) -> Self {
        Self(data.join("speech"))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// A file that can't be read is made again.
    pub(super) fn get(&self, name: &str) -> Option<Clip> {
        let bytes = fs::read(self.path(name)).ok()?;
        let pcm = decode_file(&bytes, "wav").ok().filter(|pcm| pcm.rate == SampleRate::TELEPHONE)?;
        Some(Clip::from_pcm(&pcm.samples))
    }

    /// Whole or not at all: a process that ends in the middle leaves no half recording behind.
    pub(super) fn put(&self, name: &str, samples: &[i16]) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let half = self.0.join(format!("{name}.{}.part", std::process::id()));
        fs::write(&half, wav::write(samples, SampleRate::TELEPHONE))?;
        fs::rename(&half, self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.wav"))
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn the_name_tells_apart_whatever_was_different() {
        let names = [name("a", "b", "c"), name("ab", "", "c"), name("a", "bc", ""), name("a", "b", "d")];
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(name("a", "b", "c"), names[0]);
    }
}
