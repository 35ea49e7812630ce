//! The coding of the telephone network: ITU-T G.711, both laws (RFC 3551 §4.5.14).
//!
//! One sample is one octet at 8,000 Hz. Decoding is a table look-up; encoding finds the segment by the
//! position of the highest bit.

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law.
    Mu,
    /// A-law.
    A,
}

impl Law {
    /// The encoding name (RFC 3551 table 4).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// The octet of one sample.
    #[must_use]
    pub fn encode_sample(self, sample: i16) -> u8 {
        match self {
            Self::Mu => mu_law(sample),
            Self::A => a_law(sample),
        }
    }

    /// The sample of one octet.
    #[must_use]
    pub fn decode_sample(self, octet: u8) -> i16 {
        self.table()[usize::from(octet)]
    }

    /// Appends the octets of `samples` to `octets`.
    pub fn encode(self, samples: &[i16], octets: &mut Vec<u8>) {
        octets.extend(samples.iter().map(|&sample| self.encode_sample(sample)));
    }

    /// Appends the samples of `octets` to `samples`.
    pub fn decode(self, octets: &[u8], samples: &mut Vec<i16>) {
        let table = self.table();
        samples.extend(octets.iter().map(|&octet| table[usize::from(octet)]));
    }

    /// The octet of a silent sample.
    #[must_use]
    pub const fn silence_byte(self) -> u8 {
        match self {
            Self::Mu => 0xFF,
            Self::A => 0xD5,
        }
    }

    const fn table(self) -> &'static [i16; 256] {
        match self {
            Self::Mu => &MU_LAW,
            Self::A => &A_LAW,
        }
    }
}

/// Added before the segment is looked for, so that every segment starts at a power of two (G.711 table 2a).
const MU_BIAS: u16 = 0x84;
/// The loudest magnitude that the bias does not push beyond the last segment.
const MU_CLIP: u16 = 0x7FFF - MU_BIAS;
/// A-law inverts every other bit (G.711 §3.2 note): all but the sign of it.
const A_INVERT: u8 = 0x55;

fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = sample.unsigned_abs().min(MU_CLIP) + MU_BIAS;
    // The bias guarantees bit 7, so the segment is the height of the top bit above it: 0 to 7.
    let segment = 8 - biased.leading_zeros();
    let mantissa = (biased >> (segment + 3)) & 0x0F;
    !(sign | low_byte(segment) << 4 | low_byte(u32::from(mantissa)))
}

fn a_law(sample: i16) -> u8 {
    // G.711 table 1a, positive side; the negative one is its mirror about −½.
    let sign = if sample < 0 { 0 } else { 0x80 };
    let folded = if sample < 0 { !sample } else { sample };
    // Thirteen bits with the sign: the lowest three do not count.
    let magnitude = folded.unsigned_abs() >> 3;
    // Segment 0 is as fine as segment 1, so it has no bit of its own.
    let segment = (11_u32).saturating_sub(magnitude.leading_zeros());
    let mantissa = (magnitude >> segment.max(1)) & 0x0F;
    (sign | low_byte(segment) << 4 | low_byte(u32::from(mantissa))) ^ A_INVERT
}

/// The lowest octet of a number that is known to fit.
fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

const MU_LAW: [i16; 256] = mu_law_table();
const A_LAW: [i16; 256] = a_law_table();

const fn mu_law_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0_i16;
    while octet < 256 {
        let bits = 255 - octet;
        let magnitude = ((((bits & 0x0F) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
        table[octet.cast_unsigned() as usize] = if bits & 0x80 == 0 { magnitude } else { -magnitude };
        octet += 1;
    }
    table
}

const fn a_law_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0_i16;
    while octet < 256 {
        let bits = octet ^ 0x55;
        let segment = (bits >> 4) & 7;
        let step = (bits & 0x0F) << 4;
        let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
        table[octet.cast_unsigned() as usize] = if bits & 0x80 == 0 { -magnitude } else { magnitude };
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    const BOTH: [Law; 2] = [Law::Mu, Law::A];

    /// G.711 tables 5 and 6: the octets of a 1 kHz sine at 0 dBm0.
    const MILLIWATT: [(Law, [u8; 8]); 2] = [
        (Law::Mu, [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E]),
        (Law::A, [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4]),
    ];

    #[test]
    fn the_digital_milliwatt_is_0_dbm0_in_both_laws() {
        for (law, octets) in MILLIWATT {
            let mut samples = Vec::new();
            law.decode(&octets.repeat(100), &mut samples);
            let measured = level::rms_dbm0(&samples);
            assert!(measured.abs() < 0.1, "{law:?} is {measured} dBm0");
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for law in BOTH {
            for octet in 0..=255_u8 {
                let again = law.encode_sample(law.decode_sample(octet));
                // µ-law has two zeros; the negative one comes back as the positive.
                let expected = if law == Law::Mu && octet == 0x7F { 0xFF } else { octet };
                assert_eq!(again, expected, "{law:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_those_of_the_standard() {
        // In G.711 table 2a the loudest µ-law value is 8031 of 8159, here in sixteen bits.
        assert_eq!(Law::Mu.decode_sample(0x80), 8031 * 4);
        assert_eq!(Law::Mu.decode_sample(0x00), -8031 * 4);
        // In table 1a the loudest A-law value is 4032 of 4096.
        assert_eq!(Law::A.decode_sample(0xAA), 4032 * 8);
        assert_eq!(Law::A.decode_sample(0x2A), -4032 * 8);
        for (law, loudest) in [(Law::Mu, [0x80, 0x00]), (Law::A, [0xAA, 0x2A])] {
            assert_eq!([i16::MAX, i16::MIN].map(|s| law.encode_sample(s)), loudest);
            assert_eq!(law.encode_sample(0), law.silence_byte());
        }
    }

    #[test]
    fn each_sample_becomes_the_nearest_or_a_neighbouring_value_and_order_is_kept() {
        for law in BOTH {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let decoded = law.decode_sample(law.encode_sample(sample));
                assert!(decoded >= last, "{law:?} turns back at {sample}");
                last = decoded;
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                // Half a step: 1/32 of the magnitude, and the finest step near zero; clipping apart.
                let allowed = (i32::from(sample).abs() / 32 + 9).max(if sample.unsigned_abs() > 32_000 {
                    1000
                } else {
                    0
                });
                assert!(error <= allowed, "{law:?} {sample} → {decoded}");
            }
        }
    }

    #[test]
    fn a_sine_keeps_a_signal_to_noise_ratio_of_more_than_35_db() {
        let sine: Vec<i16> =
            (0..8000).map(|n| crate::audio::to_sample(12_000.0 * (f64::from(n) * 0.7731).sin())).collect();
        for law in BOTH {
            let (mut octets, mut back) = (Vec::new(), Vec::new());
            law.encode(&sine, &mut octets);
            law.decode(&octets, &mut back);
            let noise: Vec<i16> = sine.iter().zip(&back).map(|(a, b)| a - b).collect();
            let snr = level::rms_dbm0(&sine) - level::rms_dbm0(&noise);
            assert!(snr > 35.0, "{law:?}: {snr} dB");
        }
    }
}
