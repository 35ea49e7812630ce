//! How evenly a far end sends: the gaps between the packets of each call, against the 20 ms they should be.
//!
//! The clock is read when a packet is taken from its socket, so a phone that is late itself counts against the
//! far end: the figures are upper bounds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::sip::SessionId;

/// Gaps by how far they are from 20 ms.
#[derive(Debug)]
pub struct Pacing {
    calls: HashMap<SessionId, Arrivals>,
    /// How many gaps deviate by so many steps; the last entry holds all that are further off.
    deviations: Vec<u64>,
    gaps: u64,
    worst: Duration,
}

#[derive(Debug)]
struct Arrivals {
    first: Instant,
    last: Instant,
    packets: u64,
}

const PACKET_TIME: Duration = Duration::from_millis(20);
/// Finer than any bar that is set on it.
const STEP: Duration = Duration::from_micros(50);
/// 100 ms of steps.
const STEPS: usize = 2000;

impl Default for Pacing {
    fn default() -> Self {
        Self { calls: HashMap::new(), deviations: vec![0; STEPS], gaps: 0, worst: Duration::ZERO }
    }
}

impl Pacing {
    /// A packet of a call came.
    pub fn came(&mut self, now: Instant, call: SessionId) {
        let Some(arrivals) = self.calls.get_mut(&call) else {
            self.calls.insert(call, Arrivals { first: now, last: now, packets: 1 });
            return;
        };
        let gap = now.saturating_duration_since(arrivals.last);
        arrivals.last = now;
        arrivals.packets += 1;
        let deviation = gap.abs_diff(PACKET_TIME);
        let step = usize::try_from(deviation.as_nanos() / STEP.as_nanos()).unwrap_or(STEPS);
        if let Some(count) = self.deviations.get_mut(step.min(STEPS - 1)) {
            *count += 1;
        }
        self.gaps += 1;
        self.worst = self.worst.max(deviation);
    }

    /// Packets that came in a call, and how many were due since its first one.
    #[must_use]
    pub fn received_of_due(&self, now: Instant, call: SessionId) -> (u64, u64) {
        self.calls.get(&call).map_or((0, 0), |arrivals| {
            let time = now.saturating_duration_since(arrivals.first);
            let due = u64::try_from(time.as_nanos() / PACKET_TIME.as_nanos()).unwrap_or(u64::MAX);
            (arrivals.packets, due)
        })
    }

    /// A call is over; its gaps stay.
    pub fn forget(&mut self, call: SessionId) {
        self.calls.remove(&call);
    }

    /// The deviation that this part of all gaps does not exceed, up to one step.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = self.gaps.saturating_mul(per_mille).div_ceil(1000);
        let mut counted = 0;
        for (step, count) in (1..).zip(&self.deviations) {
            counted += count;
            if counted >= wanted {
                return STEP * step;
            }
        }
        self.worst
    }

    /// The largest deviation.
    #[must_use]
    pub const fn worst(&self) -> Duration {
        self.worst
    }

    /// How many gaps were seen.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    #[test]
    fn deviations_count_in_both_directions_and_each_call_by_itself() {
        let mut pacing = Pacing::default();
        let start = test_start();
        for (call, at) in [(1, 0), (2, 3), (1, 20), (2, 23), (1, 43), (1, 60)] {
            pacing.came(start + Duration::from_millis(at), SessionId(call));
        }
        // 20, 20, 23, 17 ms.
        assert_eq!(pacing.gaps(), 4);
        assert_eq!(pacing.worst(), Duration::from_millis(3));
        assert_eq!(pacing.quantile(500), STEP);
        assert_eq!(pacing.quantile(990), Duration::from_millis(3) + STEP);
        let end = start + Duration::from_millis(100);
        assert_eq!(pacing.received_of_due(end, SessionId(1)), (4, 5));
        pacing.forget(SessionId(1));
        assert_eq!(pacing.received_of_due(end, SessionId(1)), (0, 0));
    }
}
