//! What is seen of a trunk: which servers answer, whether we are registered.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{QuotaView, Trunk, Trunks, held};
use crate::sip::locate::Hop;
use crate::sip::trunk::{Condition, Line, Registered};

/// What the thread that watches has seen last.
#[derive(Default)]
pub(super) struct Seen {
    servers: Vec<(Hop, Condition)>,
    registration: Option<Standing>,
}

/// How our registration stands.
struct Standing {
    state: Registered,
    at: Option<Hop>,
    refused: Option<u16>,
}

impl Seen {
    /// Whether a server does not answer.
    pub(super) fn is_down(&self, hop: Hop) -> bool {
        self.servers.iter().any(|(of, condition)| *of == hop && *condition == Condition::Down)
    }
}

/// A trunk by which calls go out, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Its name.
    pub name: String,
    /// Calls by it.
    #[serde(flatten)]
    pub calls: QuotaView,
    /// Its servers, the preferred first.
    pub servers: Vec<ServerView>,
    /// Our registration: `registered`, `not_yet`, `ran_out`; `None` where there is to be none.
    pub registration: Option<String>,
    /// Where it was asked for last.
    pub registrar: Option<String>,
    /// Seconds until it runs out unless it is made again.
    pub registered_s: Option<u64>,
    /// The carrier's last refusal, while it has not been made again since; 408 for no answer.
    pub refused: Option<u16>,
}

/// A server of a trunk, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Over what and where.
    pub server: String,
    /// `up`, `down`, `untried`.
    pub state: String,
}

impl Trunk {
    /// Notes what its line knows.
    pub(super) fn seen(&self, line: &Line) {
        let registration = line.registration().map(|(at, registration)| Standing {
            state: registration.state(),
            at,
            refused: registration.refused().map(crate::sip::StatusCode::code),
        });
        *held(&self.seen) = Seen { servers: line.servers().collect(), registration };
    }

    fn view(&self, now: Instant) -> TrunkView {
        let seen = held(&self.seen);
        let server = |(hop, condition): &(Hop, Condition)| ServerView {
            server: words(*hop),
            state: match condition {
                Condition::Untried => "untried",
                Condition::Up => "up",
                Condition::Down => "down",
            }
            .to_owned(),
        };
        let standing = seen.registration.as_ref();
        let state = |standing: &Standing| match standing.state {
            Registered::Never => "not_yet",
            Registered::Until(_) => "registered",
            Registered::Lost => "ran_out",
        };
        TrunkView {
            name: self.name.to_string(),
            calls: self.quota.view(),
            servers: seen.servers.iter().map(server).collect(),
            registration: standing.map(|standing| state(standing).to_owned()),
            registrar: standing.and_then(|standing| standing.at).map(words),
            registered_s: standing.and_then(|standing| match standing.state {
                Registered::Until(end) => Some(end.saturating_duration_since(now).as_secs()),
                Registered::Never | Registered::Lost => None,
            }),
            refused: standing.and_then(|standing| standing.refused),
        }
    }
}

impl Trunks {
    /// All of them, as they are now.
    #[must_use]
    pub fn view(&self, now: Instant) -> Vec<TrunkView> {
        self.all.iter().map(|trunk| trunk.view(now)).collect()
    }
}

fn words(hop: Hop) -> String {
    format!("{} {}", hop.transport, hop.remote)
}
