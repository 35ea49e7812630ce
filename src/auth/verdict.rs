//! What a verification says.

use serde::{Deserialize, Serialize};

/// The result of judging one response. Only [`Verdict::Accept`] lifts a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The response is right, counted, recorded.
    Accept,
    /// It is wrong, or nothing could have been right.
    Reject,
    /// It can't be judged (a bad recording); another try may be.
    Inconclusive,
    /// The judge is not there: store down, queue full, audit log unwritable.
    Unavailable,
}
