//! What is asked over the control socket and what is answered: one JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::driver::sender::Shown;
use crate::driver::trunks::{InwardView, Tried, TrunkView};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// What is served?
    Status,
    /// Load the running version again, or another folder; with a percentage, for that share of new calls.
    Reload {
        /// The folder; the one that is served when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<PathBuf>,
        /// How many of a hundred new calls get it; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// Give all new calls the version on trial.
    Promote,
    /// End the trial.
    Back,
    /// The letters that a development sender was given.
    Codes,
    /// A new key in the place of the current one.
    Rotate {
        /// Which kind.
        key: RotatedKey,
        /// For a pepper: how long what was hashed with the old one still counts, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_s: Option<u64>,
    },
    /// Destroy a key that nothing needs any more.
    Retire {
        /// Its name.
        id: String,
    },
    /// Have a link to enrol a factor by sent to a subject.
    Link {
        /// The subject's identifier.
        subject: String,
        /// `push` or `totp`.
        factor: String,
        /// `sms` or `email`.
        by: String,
    },
    /// Ask all servers of a trunk by which calls go out, and tell what each said.
    TryTrunk {
        /// Its name.
        trunk: String,
    },
    /// Where does a call go?
    Route {
        /// Who calls.
        from: String,
        /// Whom.
        to: String,
    },
    /// Take no new calls, and end when those that run have ended or the time is over.
    Drain {
        /// The time, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_s: Option<u64>,
    },
}

/// A kind of key that can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotatedKey {
    /// What seals the root key.
    Master,
    /// What PINs are hashed with.
    Pepper,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// The change is made: every shard serves it.
    Applied(Box<AppliedChange>),
    /// To [`Request::Codes`].
    Codes {
        /// The letters, the newest last.
        letters: Vec<Shown>,
    },
    /// To [`Request::TryTrunk`].
    Tried {
        /// Each question.
        servers: Vec<Tried>,
    },
    /// To [`Request::Route`].
    Route {
        /// Step by step.
        steps: Vec<String>,
        /// Whether the call is made, or let in.
        goes: bool,
    },
    /// No new calls are taken from now on.
    Draining {
        /// Calls that run.
        calls: u64,
        /// Seconds that they may go on.
        within_s: u64,
    },
    /// There is a new key.
    Rotated {
        /// The one in use until now.
        before: String,
        /// The one in use from now on.
        id: String,
    },
    /// The link is on its way.
    Link {
        /// What the customer is to be told by another way.
        code: String,
        /// Not good from here on, in milliseconds since 1970.
        until_ms: i64,
    },
    /// The key is gone.
    Retired {
        /// Enrolments that went with it: they were past its time.
        voided: u64,
    },
    /// It is not done.
    Refused(Refusal),
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedChange {
    /// The application that new calls get, by its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The hash of its files.
    pub hash: String,
    /// The hash of what new calls got before.
    pub before: String,
    /// What some of them get.
    pub canary: Option<CanaryStatus>,
    /// Warnings of the check.
    pub warnings: Vec<Finding>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For people: everything that is wrong, and what to do.
    pub error: String,
    /// The findings of the check, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The hash of what runs on.
    pub running: String,
}

/// A finding of the check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// Such as `E120`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// What to do.
    pub help: Option<String>,
}

/// What is served, by whom and for how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub countersign: String,
    /// The process.
    pub pid: u32,
    /// The SIP address.
    pub sip: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Whether new calls are taken no more.
    pub draining: bool,
    /// Running calls.
    pub calls: u64,
    /// Calls that ended since the start.
    pub ended: u64,
    /// What new calls get.
    pub running: VersionStatus,
    /// What some of them get.
    pub canary: Option<CanaryStatus>,
    /// Versions that calls still run and no new call gets.
    pub former: Vec<OtherVersion>,
    /// Shards that did not answer: their calls are not counted here.
    pub silent_shards: Vec<usize>,
    /// The last reload, when it was refused.
    pub refused: Option<RefusedAt>,
    /// Alarms since the start.
    #[serde(default)]
    pub alarms: Alarms,
    /// What was turned away at the sockets.
    #[serde(default)]
    pub edge: EdgeView,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The agents.
    pub agents: Vec<Agent>,
    /// What trunks bring in.
    #[serde(default)]
    pub inward: Vec<InwardView>,
    /// The trunks by which calls go out.
    #[serde(default)]
    pub trunks: Vec<TrunkView>,
}

/// Alarms since the start: each is in the audit log too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    /// Subjects that failures have locked.
    pub subjects_locked: u64,
    /// Callers' numbers, trunks or the whole that failures have locked.
    pub places_locked: u64,
    /// Times that somebody seemed to try which accounts there are.
    pub mining: u64,
    /// Times that a PIN for duress was used.
    pub duress: u64,
    /// Links that somebody was sent who did not call.
    #[serde(default)]
    pub denied: u64,
    /// Passkeys of which there may be a copy.
    #[serde(default)]
    pub copied: u64,
}

/// What was turned away at the SIP sockets since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeView {
    /// Messages from sources that are not known.
    pub strangers: u64,
    /// Those of them that got no answer.
    pub unanswered: u64,
    /// Times that a source was banned for a while.
    pub bans: u64,
    /// Connections for which there was no room.
    pub connections: u64,
    /// Requests that would have begun something and were answered 503.
    pub overloaded: OverloadedView,
}

/// What was answered 503, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverloadedView {
    /// As many as may waited for a shard.
    pub full: u64,
    /// It waited too long for one.
    pub late: u64,
    /// Too many records of calls waited for the disk.
    pub records: u64,
}

/// A refused reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAt {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Why.
    pub error: String,
}

/// A version that new calls get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionStatus {
    /// The application, by its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The hash of its files.
    pub hash: String,
    /// Its folder; none for the one inside the program.
    pub folder: Option<PathBuf>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// Running calls.
    pub calls: u64,
    /// New calls since the versions were last changed.
    pub begun: u64,
    /// What its files are like now.
    pub files: OnDisk,
}

/// The files of a version that runs, as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "are", rename_all = "snake_case")]
pub enum OnDisk {
    /// As they were when it was loaded.
    Same,
    /// Not as they were.
    Changed {
        /// Their hash now.
        hash: String,
    },
    /// Not there.
    Gone,
}

/// A version on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStatus {
    /// The version.
    #[serde(flatten)]
    pub version: VersionStatus,
    /// How many of a hundred new calls get it.
    pub percent: u8,
}

/// A version that no new call gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherVersion {
    /// The hash of its files.
    pub hash: String,
    /// Running calls.
    pub calls: u64,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Callers who wait.
    pub waiting: usize,
    /// How many may.
    pub places: usize,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The name.
    pub name: String,
    /// `out`, `free`, `ringing`, `talking` or `paused`.
    pub state: String,
    /// The queues served.
    pub queues: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_manual_says() {
        let read = |text: &str| serde_json::from_str::<Request>(text).expect("a request");
        assert_eq!(read(r#"{"do":"status"}"#), Request::Status);
        assert_eq!(read(r#"{"do":"reload"}"#), Request::Reload { folder: None, percent: None });
        let canary = Request::Reload { folder: Some("/srv/v2".into()), percent: Some(10) };
        assert_eq!(read(r#"{"do":"reload","folder":"/srv/v2","percent":10}"#), canary);
        assert_eq!(read(r#"{"do":"drain","within_s":60}"#), Request::Drain { within_s: Some(60) });
        for text in ["", "{}", "[]", r#"{"do":"stop"}"#, r#"{"do":"reload","percent":1000}"#] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&read(r#"{"do":"reload"}"#)).expect("JSON"), r#"{"do":"reload"}"#);
    }
}
