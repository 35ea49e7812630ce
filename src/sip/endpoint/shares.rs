//! What each source has of the transactions by requests inside calls. Of what begins something a source brings as much as its
//! shard lets it; inside a call it may send as much as it likes, each request keeps a transaction for 32 s, and whoever is in
//! one call must not leave others without.

use std::collections::HashMap;
use std::net::IpAddr;

/// By address. Those that have none are not here.
#[derive(Debug, Default)]
pub(super) struct Shares(HashMap<IpAddr, usize>);

impl Shares {
    /// Whether a source may have one more while so many are free: as many as that and no more, so that who floods leaves as
    /// much as it has.
    pub(super) fn allow(&self, source: IpAddr, free: usize) -> bool {
        self.0.get(&source.to_canonical()).copied().unwrap_or_default() < free
    }

    pub(super) fn take(&mut self, source: IpAddr) {
        *self.0.entry(source.to_canonical()).or_default() += 1;
    }

    pub(super) fn give_back(&mut self, source: IpAddr) {
        let source = source.to_canonical();
        let left = self.0.get(&source).map_or(0, |held| held.saturating_sub(1));
        if left == 0 {
            self.0.remove(&source);
        } else {
            self.0.insert(source, left);
        }
    }
}
