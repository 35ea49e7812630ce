//! What an engine counted since it started. Late or strange input is never an error; it is counted here.

use super::limits::Refusal;

/// Figures of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls let in.
    pub admitted: u64,
    /// Calls of our own.
    pub placed: u64,
    /// Calls of our own that were not made: as many as allowed were running, or the shard stops.
    pub not_placed: u64,
    /// Calls refused: as many as allowed were running.
    pub refused_full: u64,
    /// Calls refused: their trunk has, or begins, as many as it may.
    pub refused_of_trunk: u64,
    /// Calls refused: shutting down.
    pub refused_draining: u64,
    /// Calls refused: from no trunk of ours.
    pub refused_unknown: u64,
    /// Calls that are over.
    pub ended: u64,
    /// Answers and desk messages for calls that are gone.
    pub late: u64,
    /// Ports opened for calls that are gone, closed again.
    pub late_ports: u64,
    /// Datagrams for ports that no leg uses.
    pub stray_media: u64,
}

impl Counters {
    pub(super) const fn refused(&mut self, why: Refusal) {
        let counter = match why {
            Refusal::Full => &mut self.refused_full,
            Refusal::TrunkFull | Refusal::TrunkTooFast => &mut self.refused_of_trunk,
            Refusal::Draining => &mut self.refused_draining,
            Refusal::UnknownSource => &mut self.refused_unknown,
        };
        *counter = counter.saturating_add(1);
    }
}
