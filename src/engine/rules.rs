//! What holds for the callers of a trunk.

use std::sync::Arc;

use super::invite::asserted;
use super::limits::Admission;
use crate::media::MediaTerms;
use crate::sip::stir::NumberPlan;
use crate::sip::{Incoming, Uri};

/// What the settings say of a trunk, as far as calls by it are concerned; of one that they do not name, the usual.
#[derive(Clone, Debug, Default)]
pub struct TrunkRules {
    /// Its callers may ask to be told what happens in their call.
    pub traced: bool,
    /// Its word on how a caller's number was verified counts.
    pub attests: bool,
    /// Its word on who calls, and how the call came there, counts.
    pub trusted: bool,
    /// Its callers' numbers are looked into here.
    pub verified: bool,
    /// How it writes numbers.
    pub numbers: NumberPlan,
    /// What is settled about its media.
    pub media: MediaTerms,
    /// Who counts its calls; nobody does when there is none.
    pub admission: Option<Arc<dyn Admission>>,
}

impl TrunkRules {
    /// Who calls, where the trunk's word on that counts.
    pub(super) fn asserted(&self, invite: &Incoming) -> Option<Uri> {
        self.trusted.then(|| asserted(invite))?
    }

    /// A telephone number with `+` and its country code; anything else, such as an extension, as it stands.
    pub(super) fn number(&self, user: String) -> String {
        self.numbers.international(&user).unwrap_or(user)
    }
}
