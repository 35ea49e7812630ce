//! Why a change of what is served was not made, and what of it waits for a restart.

use thiserror::Error;

use super::application::ApplicationError;
use super::config::{Config, ConfigError, PhonesConfig, TrunkConfig};
use super::secrets::SecretError;
use super::site::UnknownName;

/// Why a change was not made. What ran before runs on.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The application can't be used.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// The settings can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The settings lack a name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It has no files.
    #[error(
        "the application inside the program has no files that could have changed\n  help: name a folder: `countersign \
         reload DIR`"
    )]
    Embedded,
    /// More than all.
    #[error("{0} of a hundred calls is no share\n  help: give a number from 0 to 100")]
    Percent(u8),
    /// There is no version on trial.
    #[error("no version is on trial\n  help: `countersign reload DIR --percent 10` begins a trial")]
    NoCanary,
    /// It took so long that a later change was made before it.
    #[error(
        "a change that was asked for later is made already; this one is not\n  help: try again if it is still wanted"
    )]
    Overtaken,
    /// The deployment is about to end.
    #[error("no new calls are taken any more: a new version would get none\n  help: start again with it")]
    Draining,
    /// Parts did not say that they have it. They were told to go back.
    #[error("{} did not take the new version in time; the one that ran before is served\n  help: try again", .0.join(", "))]
    NotConfirmed(Vec<String>),
}

impl ReloadError {
    /// Whether a version was refused; a mistake in what was asked says nothing about any version.
    pub(super) const fn is_about_a_version(&self) -> bool {
        match self {
            Self::Application(_)
            | Self::Config(_)
            | Self::Unknown(_)
            | Self::Secret(_)
            | Self::NotConfirmed(_) => true,
            Self::Embedded | Self::Percent(_) | Self::NoCanary | Self::Overtaken | Self::Draining => false,
        }
    }
}

/// What of new settings only a restart applies.
pub(super) fn wait_for_restart(config: &Config, before: &Config) -> impl Iterator<Item = String> {
    let changed = [
        ("sip", config.sip != before.sip),
        ("trunks", waiting_trunks(config) != waiting_trunks(before)),
        ("phones", waiting_phones(config) != waiting_phones(before)),
        ("recognition", config.recognition != before.recognition),
        ("stir", config.stir != before.stir),
        ("web", config.web != before.web),
        ("webhooks", config.webhooks != before.webhooks),
        ("senders", config.senders != before.senders),
        ("letters", config.letters != before.letters),
        ("recording.keep_free_mb", config.recording.keep_free_mb != before.recording.keep_free_mb),
        ("limits.calls", config.limits.calls != before.limits.calls),
    ];
    let told = |(what, _): (&str, bool)| format!("`{what}` of {} changed: restart to apply it", Config::FILE);
    changed.into_iter().filter(|(_, changed)| *changed).map(told)
}

/// What of `phones` waits: whom they may put callers through to is applied by a reload.
fn waiting_phones(config: &Config) -> PhonesConfig {
    PhonesConfig { transfer_to: Vec::new(), ..config.phones.clone() }
}

/// What of `trunks` waits: how many calls they may have is applied by a reload.
fn waiting_trunks(config: &Config) -> Vec<TrunkConfig> {
    config.trunks.iter().cloned().map(TrunkConfig::waiting).collect()
}
