//! What a media session counted: the figures of a call record.

use std::time::Duration;

/// Figures of one leg's media, from connect to now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaStats {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP payload octets sent.
    pub octets_sent: u64,
    /// RTP packets accepted, duplicates included.
    pub packets_received: u64,
    /// Packets that should have come and did not (RFC 3550 appendix A.3); never negative here.
    pub packets_lost: u64,
    /// Runs of lost packets.
    pub loss_runs: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came too late to be heard (counted only while someone listens).
    pub late: u64,
    /// Frames made up for missing ones (counted only while someone listens).
    pub concealed: u64,
    /// Interarrival jitter of what we receive (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Datagrams from a source that is not the peer's; dropped.
    pub foreign: u64,
    /// Packets with a payload type nobody agreed on; dropped.
    pub unknown_payload: u64,
    /// Datagrams that are not RTP or RTCP; dropped.
    pub malformed: u64,
    /// The media is encrypted.
    pub encrypted: bool,
    /// Encrypted packets with a wrong tag; dropped.
    pub forged: u64,
    /// Encrypted packets that had come before; dropped.
    pub replayed: u64,
    /// Keys reported.
    pub keys: u64,
    /// Keys heard in the audio.
    pub tones: u64,
    /// Times the peer's stream started anew with another SSRC.
    pub source_changes: u64,
    /// Fraction of our packets that the peer did not get, by its last report.
    pub remote_loss: Option<f64>,
    /// Jitter the peer measured on our stream, by its last report.
    pub remote_jitter: Option<Duration>,
    /// Round-trip time by the peer's reports (RFC 3550 §6.4.1).
    pub round_trip: Option<Duration>,
}

impl MediaStats {
    /// Fraction of the peer's packets that did not arrive.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a call has far fewer than 2^53 packets")]
    pub fn loss(&self) -> f64 {
        let expected = self.packets_received.saturating_sub(self.duplicates) + self.packets_lost;
        if expected == 0 { 0.0 } else { self.packets_lost as f64 / expected as f64 }
    }

    /// How much longer runs of lost packets are than random loss makes them (ITU-T G.107 §3.5, `BurstR`): 1 for
    /// random loss, 2 when losses come in pairs. By the two states of Gilbert's model.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a call has far fewer than 2^53 packets")]
    pub fn burst_ratio(&self) -> f64 {
        if self.loss_runs == 0 || self.packets_lost == 0 {
            return 1.0;
        }
        let mean = self.packets_lost as f64 / self.loss_runs as f64;
        (mean * (1.0 - self.loss())).max(1.0)
    }

    /// Estimated listening quality of what we receive, 1 to 4.5 (ITU-T G.107 with G.711: R₀ 93.2,
    /// Ie 0 and Bpl 4.3 for loss without good concealment, from G.113 appendix I; bursts as in G.107 §3.5).
    #[must_use]
    pub fn mos(&self) -> f64 {
        let one_way_ms = self.round_trip.map_or(0.0, |rtt| rtt.as_secs_f64() * 500.0)
            // A jitter buffer waits about twice the jitter, and 20 ms go into a packet.
            + self.jitter.as_secs_f64() * 2000.0
            + 20.0;
        let beyond = (one_way_ms - 177.3).max(0.0);
        let delay_impairment = 0.024 * one_way_ms + 0.11 * beyond;
        let loss_percent = self.loss() * 100.0;
        let loss_impairment = 95.0 * loss_percent / (loss_percent / self.burst_ratio() + 4.3);
        let r = (93.2 - delay_impairment - loss_impairment).clamp(0.0, 100.0);
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_falls_with_loss_and_with_delay() {
        let clean = MediaStats { packets_received: 1000, ..MediaStats::default() };
        let lossy = MediaStats { packets_received: 950, packets_lost: 50, ..MediaStats::default() };
        let far = MediaStats { round_trip: Some(Duration::from_millis(900)), ..clean.clone() };
        assert!((clean.loss() - 0.0).abs() < 1e-9 && (lossy.loss() - 0.05).abs() < 1e-9);
        assert!(clean.mos() > 4.3, "{}", clean.mos());
        assert!(lossy.mos() < 3.0, "{}", lossy.mos());
        let bursty = MediaStats { loss_runs: 10, ..lossy.clone() };
        let random = MediaStats { loss_runs: 48, ..lossy.clone() };
        assert!((random.burst_ratio() - 1.0).abs() < 0.01 && (bursty.burst_ratio() - 4.75).abs() < 0.01);
        assert!(bursty.mos() < random.mos() - 0.2, "{} {}", bursty.mos(), random.mos());
        assert!(far.mos() < clean.mos() - 1.0, "{}", far.mos());
    }
}
