//! How often which time was measured: steps of 10 µs up to 200 ms, and the largest of all.

use std::time::Duration;

/// Times by their length.
#[derive(Clone, Debug)]
pub struct Histogram {
    steps: Vec<u64>,
    count: u64,
    most: Duration,
}

const STEP: Duration = Duration::from_micros(10);
const STEPS: usize = 20_000;

impl Default for Histogram {
    fn default() -> Self {
        Self { steps: vec![0; STEPS], count: 0, most: Duration::ZERO }
    }
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        let step = usize::try_from(time.as_micros() / STEP.as_micros()).unwrap_or(STEPS);
        if let Some(count) = self.steps.get_mut(step.min(STEPS - 1)) {
            *count += 1;
        }
        self.count += 1;
        self.most = self.most.max(time);
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What this part of all does not exceed, up to one step; zero when there was none.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut counted = 0;
        for (step, count) in (1..STEPS).zip(&self.steps) {
            counted += count;
            if counted >= wanted {
                return (STEP * u32::try_from(step).unwrap_or(u32::MAX)).min(self.most);
            }
        }
        self.most
    }

    /// The largest.
    #[must_use]
    pub const fn most(&self) -> Duration {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_all_is_found_to_a_step() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile(500)), (0, Duration::ZERO));
        for micros in 0..1000 {
            histogram.add(Duration::from_micros(micros * 10));
        }
        histogram.add(Duration::from_secs(3));
        assert_eq!(histogram.count(), 1001);
        assert_eq!(histogram.quantile(500), Duration::from_micros(5010));
        assert_eq!(histogram.quantile(990), Duration::from_micros(9910));
        assert_eq!(
            (histogram.quantile(1000), histogram.most()),
            (Duration::from_secs(3), Duration::from_secs(3))
        );
    }
}
