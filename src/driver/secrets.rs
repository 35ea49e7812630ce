//! Secrets by reference: an application says `secret:crm/token`, `countersign.yaml` says where it is, and it is
//! read when it is needed. A file that changes is read again; nothing here is ever printed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::driver::stamp::Stamp;
use crate::flow::document::Application;
use crate::secret::Secret;

/// Where a secret is, as `countersign.yaml` says it: one of the three.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct SecretConfig {
    /// In a file; relative to the data folder.
    pub file: Option<PathBuf>,
    /// In an environment variable.
    pub env: Option<String>,
    /// In a credential that systemd hands over (`LoadCredential=`, `SetCredentialEncrypted=`).
    pub credential: Option<String>,
}

/// Why a secret can't be had. Says where it should be, never what it is.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Nobody said where it is.
    #[error(
        "{config}: there is no secret `{name}`\n  help: add it: `secrets: {{{name}: {{file: /etc/countersign/{file}}}}}`, and keep \
         that file readable for this user only"
    )]
    Unknown {
        /// The settings file.
        config: PathBuf,
        /// Its name.
        name: String,
        /// A name for its file.
        file: String,
    },
    /// The place is said in two ways, or in none.
    #[error(
        "{config}: the secret `{name}` needs one of `file`, `env` and `credential`\n  help: write `{name}: {{file: PATH}}`"
    )]
    Place {
        /// The settings file.
        config: PathBuf,
        /// Its name.
        name: String,
    },
    /// The file can't be read.
    #[error(
        "the secret `{name}` can't be read from {path}: {source}\n  help: check that the file exists and that this user may read it"
    )]
    Unreadable {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody may read the file.
    #[error(
        "the secret `{name}` lies open: everybody on this machine may read {path}\n  help: chmod 600 {path}"
    )]
    Open {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// It is empty, too long, or not text.
    #[error(
        "the secret `{name}` in {place} is empty, too long or not text\n  help: put the secret there, and nothing else"
    )]
    Unusable {
        /// Its name.
        name: String,
        /// Where.
        place: String,
    },
    /// The variable is not set.
    #[error(
        "the secret `{name}` is not there: {place} is not set\n  help: set it where the service is started, such as in its systemd unit"
    )]
    Unset {
        /// Its name.
        name: String,
        /// The variable.
        place: String,
    },
}

/// All secrets of a deployment.
pub struct Secrets {
    config: PathBuf,
    data: PathBuf,
    places: Mutex<BTreeMap<String, SecretConfig>>,
    read: Mutex<BTreeMap<String, (Stamp, Secret<String>)>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Certificates with a chain of some length fit.
const LONGEST: u64 = 64 * 1024;

impl Secrets {
    /// The secrets of `countersign.yaml` in the data folder.
    #[must_use]
    pub fn new(data: &Path, places: BTreeMap<String, SecretConfig>) -> Self {
        let config = data.join(super::config::Config::FILE);
        Self { config, data: data.to_owned(), places: Mutex::new(places), read: Mutex::default() }
    }

    /// The data folder: paths of the settings are relative to it.
    pub(super) fn folder(&self) -> &Path {
        &self.data
    }

    /// Whether everything that an application needs is there: what is missing is told before a caller notices.
    ///
    /// # Errors
    /// The first that can't be had.
    pub fn check(&self, application: &Application) -> Result<(), SecretError> {
        application.services.secrets().into_iter().try_for_each(|secret| self.find(&secret.name).map(drop))
    }

    /// The settings were read again. A secret that they name no more stays known: a call of a version that names
    /// it may still run.
    pub fn moved(&self, places: BTreeMap<String, SecretConfig>) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A secret, as it is now, without the newline at its end.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn find(&self, name: &str) -> Result<Secret<String>, SecretError> {
        let place = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let place = place.ok_or_else(|| SecretError::Unknown {
            config: self.config.clone(),
            name: name.to_owned(),
            file: name.replace('/', "-"),
        })?;
        match (&place.file, &place.env, &place.credential) {
            (Some(file), None, None) => self.file(name, self.data.join(file), true),
            (None, Some(variable), None) => variable_of(name, variable),
            (None, None, Some(credential)) => self.credential(name, credential),
            _ => Err(SecretError::Place { config: self.config.clone(), name: name.to_owned() }),
        }
    }

    /// systemd: `$CREDENTIALS_DIRECTORY` holds a file for each credential of the unit, for its user only.
    fn credential(&self, name: &str, credential: &str) -> Result<Secret<String>, SecretError> {
        let plain = !credential.is_empty() && !credential.contains('/') && !matches!(credential, "." | "..");
        match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) if plain => self.file(name, Path::new(&folder).join(credential), false),
            _ => Err(SecretError::Unset {
                name: name.to_owned(),
                place: format!("the systemd credential {credential}"),
            }),
        }
    }

    fn file(&self, name: &str, path: PathBuf, private: bool) -> Result<Secret<String>, SecretError> {
        let unreadable =
            |source| SecretError::Unreadable { name: name.to_owned(), path: path.clone(), source };
        // Opened once, so that what is checked is what is read.
        let mut file = fs::File::open(&path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if private && about.mode() & 0o007 != 0 {
            return Err(SecretError::Open { name: name.to_owned(), path });
        }
        let stamp = Stamp::of(&about);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, secret)) = read.get(name)
            && *known == stamp
        {
            return Ok(secret.clone());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1));
        (&mut file).take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let secret = usable(name, &bytes, || path.display().to_string())?;
        read.insert(name.to_owned(), (stamp, secret.clone()));
        Ok(secret)
    }
}

fn variable_of(name: &str, variable: &str) -> Result<Secret<String>, SecretError> {
    let place = || format!("the environment variable {variable}");
    let Some(value) = std::env::var_os(variable) else {
        return Err(SecretError::Unset { name: name.to_owned(), place: place() });
    };
    let mut bytes = value.into_encoded_bytes();
    let secret = usable(name, &bytes, place);
    bytes.zeroize();
    secret
}

fn usable(name: &str, bytes: &[u8], place: impl Fn() -> String) -> Result<Secret<String>, SecretError> {
    let short = u64::try_from(bytes.len()).is_ok_and(|length| length <= LONGEST);
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
    match text {
        Some(text) if short && !text.is_empty() && !text.contains('\0') => Ok(Secret::new(text.to_owned())),
        _ => Err(SecretError::Unusable { name: name.to_owned(), place: place() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("countersign-secrets-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn write(&self, text: &[u8], mode: u32) -> PathBuf {
            let path = self.0.join("token");
            let _ = fs::remove_file(&path);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
            path
        }

        fn secrets(&self, place: SecretConfig) -> Secrets {
            Secrets::new(&self.0, BTreeMap::from([("crm/token".to_owned(), place)]))
        }

        fn in_file(&self) -> Secrets {
            self.secrets(SecretConfig { file: Some("token".into()), ..SecretConfig::default() })
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn text(found: Result<Secret<String>, SecretError>) -> String {
        match found {
            Ok(secret) => secret.expose().clone(),
            Err(error) => {
                let told = error.to_string();
                assert!(
                    told.contains("help:") && told.contains("crm/token") && !told.contains("hunter2"),
                    "{told}"
                );
                format!("error: {told}")
            }
        }
    }

    #[test]
    fn a_file_is_read_without_its_newline_and_again_when_it_changes() {
        let folder = Folder::new("file");
        folder.write(b"hunter2\n", 0o600);
        let secrets = folder.in_file();
        assert_eq!(text(secrets.find("crm/token")), "hunter2");
        assert_eq!(text(secrets.find("crm/token")), "hunter2");
        folder.write(b"hunter2-new\r\n", 0o640);
        assert_eq!(text(secrets.find("crm/token")), "hunter2-new");
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_everybody_may_read_is_refused_even_when_it_was_fine_before() {
        let folder = Folder::new("open");
        folder.write(b"hunter2", 0o600);
        let secrets = folder.in_file();
        assert_eq!(text(secrets.find("crm/token")), "hunter2");
        for mode in [0o644, 0o604, 0o602] {
            let path = folder.write(b"hunter2", mode);
            let told = text(secrets.find("crm/token"));
            assert!(
                told.contains("lies open") && told.contains(&format!("chmod 600 {}", path.display())),
                "{told}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_told_with_a_way_out() {
        let folder = Folder::new("missing");
        let secrets = folder.in_file();
        assert!(text(secrets.find("crm/token")).contains("can't be read from"));
        for wrong in [&b""[..], b"\n", b"\xff\xfe", b"a\0b", &[b'x'; 70_000]] {
            folder.write(wrong, 0o600);
            assert!(text(secrets.find("crm/token")).contains("empty, too long or not text"));
        }
        let nowhere = Secrets::new(&folder.0, BTreeMap::new());
        let told = text(nowhere.find("crm/token"));
        assert!(told.contains("there is no secret") && told.contains("crm-token"), "{told}");
        let unset =
            SecretConfig { env: Some("COUNTERSIGN_NOT_SET_ANYWHERE".into()), ..SecretConfig::default() };
        assert!(
            text(folder.secrets(unset.clone()).find("crm/token"))
                .contains("COUNTERSIGN_NOT_SET_ANYWHERE is not set")
        );
        let twice = SecretConfig { file: Some("token".into()), ..unset };
        assert!(text(folder.secrets(twice).find("crm/token")).contains("needs one of"));
        assert!(text(folder.secrets(SecretConfig::default()).find("crm/token")).contains("needs one of"));
        let out = SecretConfig { credential: Some("../token".into()), ..SecretConfig::default() };
        assert!(text(folder.secrets(out).find("crm/token")).contains("is not set"));
    }

    #[test]
    fn the_environment_is_read_too() {
        // Cargo sets it for every test.
        let place = SecretConfig { env: Some("CARGO_PKG_NAME".into()), ..SecretConfig::default() };
        assert_eq!(text(Folder::new("env").secrets(place).find("crm/token")), "countersign");
    }
}
