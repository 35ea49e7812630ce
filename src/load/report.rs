//! What a crowd met, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::histogram::Histogram;

/// Some parts of what was measured, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of all did not exceed it.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

impl From<&Histogram> for Quantiles {
    fn from(histogram: &Histogram) -> Self {
        let [p50, p99, p999] = [500, 990, 999].map(|part| millis(histogram.quantile(part)));
        Self { p50, p99, p999, max: millis(histogram.most()) }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What the generator itself did: when this is bad, the other figures say little of the other side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Own {
    /// How late it sent, in milliseconds.
    pub lateness: Quantiles,
    /// Processor time per second, in per cent of a core.
    pub busy_percent: f64,
    /// Microseconds of processor time a call and second.
    pub micros_per_call_second: f64,
    /// Packets that its sockets had no room for.
    pub dropped: u64,
    /// Packets that the system did not take from it.
    pub unsent: u64,
    /// Packets from addresses of no call.
    pub strange: u64,
    /// Whether times of arrival are the kernel's; else they are those of reading, up to a millisecond late.
    pub kernel_times: bool,
    /// Whether it was the bottleneck, and why.
    pub bottleneck: Option<String>,
}

/// What a crowd met.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Calls that were made.
    pub calls: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that the other side ended before they were to end.
    pub cut: usize,
    /// Calls that were not answered, and others that went wrong, by cause.
    pub failures: BTreeMap<String, usize>,
    /// Seconds measured, with all calls up.
    pub seconds: f64,
    /// Packets received in the measured time, and how many were due.
    pub received: u64,
    /// One each 20 ms for each call that was answered.
    pub due: u64,
    /// `received` of `due`.
    pub received_percent: f64,
    /// The same of the call that got the least.
    pub least_percent: f64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// How far the gaps between a call's packets are from 20 ms, in milliseconds.
    pub gap_deviation: Quantiles,
    /// From INVITE to 200, in milliseconds.
    pub time_to_200: Quantiles,
    /// From ACK to the first audio, in milliseconds.
    pub ack_to_audio: Quantiles,
    /// Calls answered a second, from the first INVITE to the last 200.
    pub set_ups_per_second: f64,
    /// Microseconds of the measured process a call and second.
    pub server_micros_per_call_second: Option<f64>,
    /// Octets of memory that the measured process took for each call.
    pub server_memory_per_call: Option<f64>,
    /// The generator itself.
    pub own: Own,
    /// Whether every call was answered and none cut, nothing was lost, at least 99 % of what was due came, and 99 % of
    /// the gaps deviate by less than 20 ms.
    pub clean: bool,
}

impl Report {
    /// Whether nothing was wrong: see [`Report::clean`].
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.clean
    }

    /// Draws the conclusions from the figures.
    pub(super) fn conclude(&mut self) {
        let own = &mut self.own;
        own.bottleneck = if own.dropped > 0 {
            Some(format!("its sockets had no room for {} packets", own.dropped))
        } else if own.unsent > 0 {
            Some(format!("the system did not take {} packets from it", own.unsent))
        } else if own.busy_percent > MOST_BUSY {
            Some(format!("it was busy {:.0} % of the time", own.busy_percent))
        } else if own.lateness.p99 > MOST_LATE {
            Some(format!("it sent {:.1} ms late (p99)", own.lateness.p99))
        } else {
            None
        };
        self.clean = self.answered == self.calls
            && self.failures.is_empty()
            && self.cut == 0
            && self.lost == 0
            && self.received_percent >= 99.0
            && self.gap_deviation.p99 < 20.0;
    }
}

/// A generator that is busier has no time left for a burst.
const MOST_BUSY: f64 = 95.0;
/// A quarter of the packet time: later, and it is the generator's own pace that is measured.
const MOST_LATE: f64 = 5.0;

/// The reports of several crowds, one a line.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        " calls  answered  received    lost  gap deviation ms          to 200 ms      ACK to audio ms  \
         set-ups/s  server µs   kB/call  generator\n\
         \u{20}                 of due          p50   p99 p99.9    max    p50    p99     p50    p99               \
         /call s            µs/call s\n",
    );
    for report in reports {
        let gap = report.gap_deviation;
        let told =
            |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.0}"));
        let _ = write!(
            text,
            "{:6}  {:8}  {:7.2}%  {:6}  {:5.2} {:5.2} {:5.2} {:6.1}  {:5.1} {:6.1}  {:6.2} {:6.2}  {:9.0}  {:>9}  {:>8}  {:9.0}",
            report.calls,
            report.answered,
            report.received_percent,
            report.lost,
            gap.p50,
            gap.p99,
            gap.p999,
            gap.max,
            report.time_to_200.p50,
            report.time_to_200.p99,
            report.ack_to_audio.p50,
            report.ack_to_audio.p99,
            report.set_ups_per_second,
            told(report.server_micros_per_call_second),
            told(report.server_memory_per_call.map(|octets| octets / 1024.0)),
            report.own.micros_per_call_second,
        );
        let _ = writeln!(text, "{}", if report.clean { "  clean" } else { "  NOT CLEAN" });
        if report.cut > 0 {
            let _ = writeln!(text, "        {} calls were ended by the other side", report.cut);
        }
        for (cause, count) in &report.failures {
            let _ = writeln!(text, "        {count} calls: {cause}");
        }
        if let Some(why) = &report.own.bottleneck {
            let _ = writeln!(text, "        the generator was the bottleneck: {why}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report { calls: 5, answered: 5, received_percent: 99.8, ..Report::default() }
    }

    #[test]
    fn clean_is_everything_or_nothing() {
        let judged = |mut report: Report| {
            report.conclude();
            report.clean
        };
        assert!(judged(good()));
        assert!(!judged(Report { answered: 4, ..good() }));
        assert!(!judged(Report { cut: 1, ..good() }));
        assert!(!judged(Report { lost: 1, ..good() }));
        assert!(!judged(Report { received_percent: 98.9, ..good() }));
        assert!(!judged(Report { failures: [("486".to_owned(), 1)].into(), ..good() }));
    }

    #[test]
    fn a_generator_that_was_too_slow_says_so() {
        let own = Own { lateness: Quantiles { p99: 6.0, ..Quantiles::default() }, ..Own::default() };
        let mut report = Report { own, ..good() };
        report.conclude();
        assert_eq!(report.own.bottleneck.as_deref(), Some("it sent 6.0 ms late (p99)"));
        assert!(table(&[report]).contains("bottleneck"));
    }
}
