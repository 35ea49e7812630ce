//! The machine's package client: pip, which knows by itself where packages come from here.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use thiserror::Error;

/// A Python that has pip.
#[derive(Clone, Debug)]
pub struct Client {
    python: PathBuf,
}

/// Why no package was brought.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no Python.
    #[error(
        "`{0}` can't be started ({1}): the package client comes with Python (`apt-get install python3-pip`)"
    )]
    NoPython(String, io::Error),
    /// There is one, without pip.
    #[error("`{0}` has no pip (`apt-get install python3-pip`)")]
    NoPip(String),
    /// It failed, and said why.
    #[error("the package client ended with {0}; what it said is above")]
    Failed(ExitStatus),
}

impl Client {
    /// This Python.
    #[must_use]
    pub fn new(python: impl Into<PathBuf>) -> Self {
        Self { python: python.into() }
    }

    /// Brings a package into a folder. What the client says, its progress bar too, goes where our own words go.
    pub(super) fn bring(
        &self,
        package: &str,
        version: &str,
        platform: &[&str],
        folder: &Path,
    ) -> Result<(), ClientError> {
        let name = self.python.display().to_string();
        let probe = Command::new(&self.python)
            .args(["-m", "pip", "--version"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match probe {
            Err(why) => return Err(ClientError::NoPython(name, why)),
            Ok(status) if !status.success() => return Err(ClientError::NoPip(name)),
            Ok(_) => {}
        }
        let status = Command::new(&self.python)
            .args(words(package, version, platform, &folder.display().to_string()))
            .stdin(Stdio::null())
            .status()
            .map_err(|why| ClientError::NoPython(name, why))?;
        if status.success() { Ok(()) } else { Err(ClientError::Failed(status)) }
    }
}

/// What pip is told.
pub(super) fn words(package: &str, version: &str, platform: &[&str], folder: &str) -> Vec<String> {
    let fixed =
        ["-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
    let package = format!("{package}=={version}");
    let all = fixed.iter().chain(platform).copied().chain(["--dest", folder, &package]);
    all.map(str::to_owned).collect()
}
