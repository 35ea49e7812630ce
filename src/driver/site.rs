//! What of a deployment stays as it is until it ends, and what the settings make of it: what a call is given,
//! who serves which queue.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use thiserror::Error;

use super::application::Loaded;
use super::config::{Config, Destination};
use super::names::Names;
use super::recognition::Ears;
use super::secrets::Secrets;
use super::trunks::{Trunks, Ways};
use super::webhooks;
use crate::call::{CallLimits, CallSettings, Room};
use crate::flow::document::Application;
use crate::media::MediaTerms;
use crate::routing::{Agent, AgentName, Contact, QueueName, Roster, Skill};
use crate::sip::locate::Locations;
use crate::sip::stir::Signing;
use crate::sip::{Listening, Uri};
use crate::units::Epoch;

/// So long a start or a reload waits until names have been looked up for the first time.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// The unchanging part of a deployment.
pub(super) struct Site {
    /// The data folder.
    pub(super) data: PathBuf,
    /// The SIP address.
    pub(super) listen: Listening,
    /// What is settled about the media of agents' phones; a reload leaves it, as it leaves from where and over what they register.
    pub(super) phones: MediaTerms,
    /// And about that of calls by trunks.
    pub(super) carriers: Arc<HashMap<String, MediaTerms>>,
    /// Signs what agents are told.
    pub(super) signer: SigningKey,
    /// Where names lead.
    pub(super) names: Arc<Names>,
    /// By which calls go out.
    pub(super) trunks: Arc<Trunks>,
    /// Both clocks at the start.
    pub(super) epoch: Epoch,
    /// What services are asked with.
    pub(super) secrets: Arc<Secrets>,
    /// What messages in the making may take, in all versions.
    pub(super) message_room: Room,
    /// Who understands what callers say.
    pub(super) ears: Arc<Ears>,
    /// Whether voices can be compared.
    pub(super) voices: bool,
    /// Agents beside those of the settings, who serve every queue.
    pub(super) more_agents: Vec<(String, String)>,
    /// What calls of our own are signed with.
    pub(super) signing: Option<Arc<Signing>>,
}

/// The application hands callers to something that the settings do not have.
#[derive(Debug, Error)]
#[error(
    "{path}: the application uses the {what} `{name}`, which is not there\n  help: add it under `{section}:`"
)]
pub struct UnknownName {
    /// The settings file.
    pub path: PathBuf,
    /// `queue` or `transfer target`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// The section of the settings.
    pub section: &'static str,
}

impl Site {
    /// What the calls of a version share.
    pub(super) fn call_settings(
        &self,
        config: &Config,
        loaded: &Loaded,
        locations: Arc<dyn Locations>,
    ) -> CallSettings {
        let limits = &config.limits;
        let targets = config.transfers.iter();
        CallSettings {
            application: Arc::clone(&loaded.application),
            application_hash: Arc::clone(&loaded.hash),
            clips: Arc::clone(&loaded.clips) as _,
            targets: targets.filter_map(|(name, text)| Some((name.clone(), contact(text)?))).collect(),
            locations,
            phones_transfer_to: config.phones.transfer_to.iter().map(|name| name.as_str().into()).collect(),
            signer: self.signer.clone(),
            epoch: self.epoch,
            trusted: config.trusted_networks(),
            listen: self.listen,
            phones: self.phones,
            carriers: Arc::clone(&self.carriers),
            // What can't be used was told when the settings were read.
            recording: config.recording.plan().unwrap_or_default(),
            signing: self.signing.clone(),
            limits: CallLimits {
                ring: limits.ring(),
                max_duration: Duration::from_secs(limits.call_minutes.saturating_mul(60)),
                media_silence: Duration::from_secs(limits.silence_seconds),
                message_room: self.message_room.clone(),
                hears: self.ears.hears(&loaded.application),
                voices: self.voices,
                recorder: config.recording.enabled,
                outside_recorders: webhooks::tell_recorders(&config.webhooks),
                ..CallLimits::default()
            },
        }
    }

    /// Has the names of whatever a version calls looked up; waits for the first look.
    pub(super) fn locate(&self, config: &Config, application: &Application) -> Arc<Ways> {
        let agents = self.fixed_agents(config).into_iter().map(|(_, uri)| uri);
        let calls = config.senders.iter().filter_map(|sender| sender.call.as_ref());
        let hops = calls.flat_map(|call| &call.routes).map(|route| route.by.clone());
        let uri = |text: String| Uri::parse(text.as_bytes());
        let own = application.transfer_targets().into_iter().map(|target| target.to_string());
        let all = config.transfers.values().cloned().chain(agents).chain(hops).chain(own);
        let names = self.names.follow(all.filter_map(uri).collect(), FIRST_LOOK);
        Arc::new(Ways { names, trunks: Arc::clone(&self.trunks) })
    }

    /// The queues, and who serves them.
    pub(super) fn roster(&self, config: &Config) -> Roster {
        let queues: Vec<(QueueName, usize)> = config
            .queues
            .iter()
            .map(|(name, queue)| (QueueName::from(name.as_str()), queue.places))
            .collect();
        let configured = config.agents.iter().map(|agent| {
            let queues = agent.queues.iter().map(|queue| QueueName::from(queue.as_str())).collect();
            let skills = agent.skills.iter().map(|skill| Skill::from(skill.as_str())).collect();
            Agent::new(AgentName::from(agent.name.as_str()), queues).with_skills(skills)
        });
        let all: Vec<QueueName> = queues.iter().map(|(name, _)| name.clone()).collect();
        let more = self.more_agents.iter();
        let more = more.map(|(name, _)| {
            Agent::new(AgentName::from(name.as_str()), all.clone()).with_skills(vec![Skill::from("*")])
        });
        Roster { agents: configured.chain(more).collect(), queues }
    }

    /// The agents whose phones do not register, with their addresses.
    pub(super) fn fixed_agents(&self, config: &Config) -> Vec<(String, String)> {
        let fixed = config.agents.iter().filter_map(|agent| Some((agent.name.clone(), agent.sip.clone()?)));
        fixed.chain(self.more_agents.iter().cloned()).collect()
    }
}

/// Whom a target's text stands for; what can't be one was told when the settings were read.
fn contact(text: &str) -> Option<Contact> {
    Some(Contact::new(Destination::parse(text)?.uri(), None))
}

/// A queue or a transfer target that only the application knows would fail a caller, not the admin.
pub(super) fn check_names(
    data: &Path,
    config: &Config,
    application: &Application,
) -> Result<(), UnknownName> {
    let path = data.join(Config::FILE);
    let unknown =
        |what, name: &str, section| UnknownName { path: path.clone(), what, name: name.to_owned(), section };
    for name in application.queues() {
        if !config.queues.contains_key(&*name) {
            return Err(unknown("queue", &name, "queues"));
        }
    }
    for name in application.transfer_targets() {
        if !name.starts_with("sip:") && !config.transfers.contains_key(&*name) {
            return Err(unknown("transfer target", &name, "transfers"));
        }
    }
    Ok(())
}
