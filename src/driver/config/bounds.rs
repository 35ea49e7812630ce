//! How many calls a trunk may have one way.

use serde::Deserialize;

/// `trunks[].in`; `out` has the same beside its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct CallBounds {
    /// At once.
    #[serde(default)]
    pub calls: Option<usize>,
    /// That begin within a second, wherever it begins.
    #[serde(default)]
    pub per_second: Option<usize>,
}

/// More than an engine begins in a second on a large machine; the instants of as many are kept.
const MOST_PER_SECOND: usize = 10_000;

impl CallBounds {
    /// What is wrong with them, and what to do. `instead`: how no call at all is written.
    pub(super) fn check(self, instead: &str) -> Result<(), (String, String)> {
        if self.calls == Some(0) || self.per_second == Some(0) {
            return Err(("no call is allowed".to_owned(), format!("write 1 or more; {instead}")));
        }
        match self.per_second {
            Some(many) if many > MOST_PER_SECOND => {
                Err((format!("`per_second` is {many}"), format!("write 1 to {MOST_PER_SECOND}")))
            }
            _ => Ok(()),
        }
    }
}
