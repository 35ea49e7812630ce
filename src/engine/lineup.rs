//! Which version of the application a new call gets.
//!
//! A version is a [`CallSettings`], whole: flows, recordings, policy, services, targets. A call takes one at
//! its start and keeps it to its end; nothing here is ever changed in place, only exchanged.

use std::sync::Arc;

use crate::call::CallSettings;
use crate::units::CallId;

/// The versions that new calls get.
#[derive(Clone)]
pub struct Lineup {
    /// What most of them get.
    pub running: Arc<CallSettings>,
    /// What some of them get, to try it.
    pub canary: Option<Canary>,
}

/// A version on trial.
#[derive(Clone)]
pub struct Canary {
    /// The version.
    pub settings: Arc<CallSettings>,
    /// How many of a hundred new calls get it.
    pub percent: u8,
}

impl Lineup {
    /// The version for a call, and whether it is the one on trial: always the same for the same call.
    #[must_use]
    pub fn choose(&self, call: CallId) -> (&Arc<CallSettings>, bool) {
        match &self.canary {
            // A call's name is random, so its place among all names is too.
            Some(canary) if (u128::from(call.0) * 100) >> 64 < u128::from(canary.percent) => {
                (&canary.settings, true)
            }
            _ => (&self.running, false),
        }
    }
}

impl From<Arc<CallSettings>> for Lineup {
    fn from(running: Arc<CallSettings>) -> Self {
        Self { running, canary: None }
    }
}

/// How many calls run on which version, and how many new ones went where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Running calls of each version, by its hash.
    pub calls: Vec<(Arc<str>, usize)>,
    /// The hash of the version that new calls get.
    pub running: Arc<str>,
    /// The hash of the version on trial.
    pub canary: Option<Arc<str>>,
    /// New calls since the line-up was last changed: to the running version, and to the one on trial.
    pub begun: [u64; 2],
}
