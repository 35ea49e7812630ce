//! How many calls trunks bring in.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Trunks;
use super::quota::{Bound, Quota, QuotaView, Refused};
use crate::driver::config::TrunkConfig;
use crate::engine::{Admission, Refusal};
use crate::units::Place;

/// The calls that a trunk brings in.
#[derive(Debug)]
pub(super) struct Inward {
    trunk: Arc<str>,
    pub(super) quota: Quota,
}

/// What a trunk brings in, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InwardView {
    /// Its name.
    pub name: String,
    /// Its calls.
    #[serde(flatten)]
    pub calls: QuotaView,
}

impl Inward {
    pub(super) fn of(config: &TrunkConfig) -> Self {
        Self { trunk: config.name.as_str().into(), quota: Quota::new(config.inward) }
    }
}

impl Admission for Inward {
    fn admit(&self, now: Instant) -> Result<Place, Refusal> {
        let admitted = self.quota.take(now).map_err(|bound| match bound {
            Bound::Calls => Refusal::TrunkFull,
            Bound::PerSecond => Refusal::TrunkTooFast,
        });
        if let Some(Refused { by_calls, by_per_second }) = self.quota.to_tell(now) {
            tracing::warn!(
                trunk = %self.trunk,
                by_calls,
                by_per_second,
                "the trunk has brought more calls than `in` allows; those got 503"
            );
        }
        admitted
    }
}

impl Trunks {
    /// Who counts the calls that a trunk brings in.
    #[must_use]
    pub fn admission(&self, trunk: &str) -> Option<Arc<dyn Admission>> {
        let found = self.inward.iter().find(|inward| &*inward.trunk == trunk)?;
        Some(Arc::clone(found) as _)
    }

    /// What all trunks bring in.
    #[must_use]
    pub fn inward(&self) -> Vec<InwardView> {
        let view =
            |inward: &Arc<Inward>| InwardView { name: inward.trunk.to_string(), calls: inward.quota.view() };
        self.inward.iter().map(view).collect()
    }

    /// Bounds of calls both ways, as the settings have them now. Trunks that came or went wait for a restart.
    pub fn bound(&self, trunks: &[TrunkConfig]) {
        for config in trunks {
            let inward = self.inward.iter().filter(|inward| *inward.trunk == *config.name);
            inward.for_each(|inward| inward.quota.bound(config.inward));
            let Some(out) = &config.out else { continue };
            let outward = self.all.iter().filter(|trunk| *trunk.name == *config.name);
            outward.for_each(|trunk| trunk.quota.bound(out.bounds()));
        }
    }
}
