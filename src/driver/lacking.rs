//! What the policy uses and the settings have nobody for: callers would never be offered it, and nobody would know why.

use std::fmt;
use std::path::Path;

use super::config::Config;
use super::sender::Channel;
use super::vault::Vault;
use super::voices::{VoiceError, Voices};
use crate::auth::factor::otp::Way;
use crate::auth::{FactorId, Meeting, Policy};

/// A factor that nobody can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The factor.
    pub factor: FactorId,
    /// What is not there.
    pub what: What,
}

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A sender of this channel.
    Sender(Channel),
    /// The page on which callers approve.
    Page,
}

/// The factors of a policy that the settings have nobody for. `page`: there is a page for approvals.
#[must_use]
pub fn of(policy: &Policy, config: &Config, page: bool) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    for used in policy.factors.iter().filter(|used| used.factor.meeting() == Meeting::Sent) {
        let channel = match used.send {
            Way::Sms => Channel::Sms,
            Way::Email => Channel::Email,
            Way::Call => Channel::Call,
            Way::Push => Channel::Push,
        };
        let factor = used.factor;
        if !config.senders.iter().any(|sender| sender.channels().contains(&channel)) {
            lacking.push(Lacking { factor, what: What::Sender(channel) });
        }
        if factor == FactorId::Push && !page {
            lacking.push(Lacking { factor, what: What::Page });
        }
    }
    lacking
}

/// Tells at the start what nobody will be offered, and gives the vault what compares voices where the policy uses them.
pub fn tell(policy: &Policy, config: &Config, (vault, data): (&Vault, &Path)) {
    for lack in of(policy, config, config.web.public.is_some()) {
        tracing::warn!(help = lack.help(), "{lack}");
    }
    match voices(policy, data) {
        Ok(voices) => vault.set_voices(voices),
        Err(why) => tracing::warn!("the policy uses `voiceprint`, and voices can't be compared: {why}"),
    }
}

/// What compares voices, where the policy uses them.
///
/// # Errors
/// When the model or the calibration is not there, or has no threshold for the policy's rate: nobody is asked to speak.
pub fn voices(policy: &Policy, data: &Path) -> Result<Option<Voices>, VoiceError> {
    let Some(used) = policy.factor(FactorId::Voiceprint) else { return Ok(None) };
    let voices = Voices::of(data)?;
    voices.knows(used.voice.accept)?;
    Ok(Some(voices))
}

impl Lacking {
    /// What to do.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self.what {
            What::Sender(_) => {
                "add a sender of this channel under `senders:` in countersign.yaml (docs/senders.md), or take the factor \
                 out of the policy and its flows"
            }
            What::Page => {
                "write the address of the page as `web: {public: ...}` in countersign.yaml, or take `push` out of the \
                 policy and its flows"
            }
        }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = self.factor;
        match self.what {
            What::Sender(channel) => {
                write!(
                    f,
                    "the policy uses `{factor}`, and no sender serves the channel `{channel}`: nobody is offered it"
                )
            }
            What::Page => write!(
                f,
                "the policy uses `{factor}`, and there is no page to approve on: nobody is offered it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_without_its_sender_or_page_is_told_with_what_to_do() {
        let used =
            [FactorId::Pin, FactorId::OtpSms, FactorId::OtpCall, FactorId::Push].map(FactorId::defaults);
        let policy = Policy { factors: used.to_vec(), ..Policy::default() };
        let told = |settings: &str, page| {
            let config: Config = serde_saphyr::from_str(settings).expect("settings");
            of(&policy, &config, page).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let all = "senders: [{name: printed, development: {}}]";
        assert!(told(all, true).is_empty());
        assert_eq!(told(all, false).len(), 1);
        let some = "senders: [{name: printed, development: {channels: [sms, push]}}]";
        assert_eq!(
            told(some, true),
            ["the policy uses `otp_call`, and no sender serves the channel `call`: nobody is offered it"]
        );
        assert_eq!(told("queues: {}", false).len(), 4);
        let lacking = of(&policy, &serde_saphyr::from_str("queues: {}").expect("settings"), false);
        assert!(lacking.iter().all(|one| one.help().contains("countersign.yaml")));
    }
}
