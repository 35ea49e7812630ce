//! Speech that was made before, one WAV file each, named by what it was made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::audio::{decode_file, wav};
use crate::driver::os;
use crate::units::{SampleRate, UnixTime};

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
        Self(data.join(FOLDER))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// A file that can't be read is made again.
    pub(super) fn get(&self, name: &str) -> Option<Vec<i16>> {
        let path = self.path(name);
        let bytes = fs::read(&path).ok()?;
        used(&path);
        let pcm = decode_file(&bytes, "wav").ok().filter(|pcm| pcm.rate == SampleRate::TELEPHONE)?;
        Some(pcm.samples)
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

/// Its name in the data folder.
pub(in crate::driver) const FOLDER: &str = "speech";

/// The time of a file's last change says when it was used last, give or take a day.
fn used(path: &Path) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let refresh = || {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        let now = os::unix_now();
        if changed(&file.metadata()?)?.plus(DAY) < now {
            let millis = u64::try_from(now.0).unwrap_or(0);
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))?;
        }
        io::Result::Ok(())
    };
    // One that stays older than it is used is made again one day, no more.
    let _ = refresh();
}

fn changed(metadata: &fs::Metadata) -> io::Result<UnixTime> {
    let since = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(UnixTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// Removes what was not used since; with `dry` only counts it.
pub(in crate::driver) fn prune(folder: &Path, before: UnixTime, dry: bool) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry?.path();
        let ours = path.extension().is_some_and(|end| end == "wav" || end == "part");
        if ours && changed(&fs::metadata(&path)?)? < before {
            if !dry {
                fs::remove_file(&path)?;
            }
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_that_was_not_used_for_long_goes_and_what_is_used_stays() {
        let folder = std::env::temp_dir().join(format!("countersign-speech-{}", std::process::id()));
        let cache = Cache::below(&folder);
        cache.put("old", &[0; 800]).expect("kept");
        cache.put("used", &[0; 800]).expect("kept");
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for name in ["old", "used"] {
            let file = fs::OpenOptions::new().write(true).open(cache.path(name)).expect("opens");
            file.set_modified(past).expect("set");
        }
        assert!(cache.get("used").is_some());
        let before = UnixTime(2_000_000_000);
        assert_eq!(prune(cache.folder(), before, true).expect("counted"), 1);
        assert!(cache.path("old").exists(), "nothing was removed");
        assert_eq!(prune(cache.folder(), before, false).expect("removed"), 1);
        assert!(!cache.path("old").exists() && cache.get("used").is_some());
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn the_name_tells_apart_whatever_was_different() {
        let names = [name("a", "b", "c"), name("ab", "", "c"), name("a", "bc", ""), name("a", "b", "d")];
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(name("a", "b", "c"), names[0]);
    }
}
