//! ITU-T G.722 at 64 kbit/s (mode 1): wideband speech, 16,000 samples a second in 8,000 octets.
//!
//! ```text
//! 16 kHz ─► QMF ─► lower band (0–4 kHz) ─► ADPCM, 6 bits ─┐
//!                └► higher band (4–8 kHz) ─► ADPCM, 2 bits ─┴► an octet for each pair of samples
//! ```
//!
//! The names of the blocks are those of the recommendation. Both ends start from the same state and follow each other by
//! what was sent, so each stream has an encoder and a decoder of its own.

/// The encoder of one stream.
#[derive(Clone)]
pub struct Encoder {
    history: History,
    lower: Adpcm,
    higher: Adpcm,
}

/// The decoder of one stream.
#[derive(Clone)]
pub struct Decoder {
    history: History,
    lower: Adpcm,
    higher: Adpcm,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { history: History::default(), lower: Adpcm::new(LOWER_START), higher: Adpcm::new(HIGHER_START) }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self { history: History::default(), lower: Adpcm::new(LOWER_START), higher: Adpcm::new(HIGHER_START) }
    }
}

impl Encoder {
    /// The octet of two samples.
    pub fn encode(&mut self, pair: [i16; 2]) -> u8 {
        self.history.push(pair.map(i32::from));
        let (odd, even) = self.history.sums();
        // The bands have fifteen bits (§3.1).
        let (low, high) = ((even + odd) >> 14, (even - odd) >> 14);
        self.encode_lower(low) | self.encode_higher(high)
    }

    /// BLOCK 1L to 4L.
    fn encode_lower(&mut self, sample: i32) -> u8 {
        let band = &mut self.lower;
        let difference = saturated(sample - band.prediction);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        let step = band.step;
        // QUANTL: how many of the decision levels lie at or below the magnitude.
        let level = LOWER_LEVELS.partition_point(|&level| magnitude >= (level * step) >> 12);
        // The farther from zero, the smaller the number: 63 and 61 stand next to zero.
        let code = match (difference < 0, level) {
            (true, 0) => 63,
            (true, 1) => 62,
            (true, far) => 33 - far,
            (false, near) => 61 - near,
        };
        let code = octet(code);
        band.advance_lower(code);
        code
    }

    /// BLOCK 1H to 4H.
    fn encode_higher(&mut self, sample: i32) -> u8 {
        let band = &mut self.higher;
        let difference = saturated(sample - band.prediction);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        let far = magnitude >= (HIGHER_LEVEL * band.step) >> 12;
        let code = match (difference < 0, far) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        band.advance_higher(code);
        code << 6
    }
}

impl Decoder {
    /// The two samples of an octet.
    pub fn decode(&mut self, octet: u8) -> [i16; 2] {
        let (low_code, high_code) = (octet & 0x3F, octet >> 6);
        // BLOCK 5L: all six bits for what is heard, four for the predictor.
        let inverse = (self.lower.step * INVERSE_6[usize::from(low_code)]) >> 15;
        let low = (self.lower.prediction + inverse).clamp(-16_384, 16_383);
        self.lower.advance_lower(low_code);
        let inverse = (self.higher.step * INVERSE_2[usize::from(high_code)]) >> 15;
        let high = (self.higher.prediction + inverse).clamp(-16_384, 16_383);
        self.higher.advance_higher(high_code);
        self.history.push([low + high, low - high]);
        let (odd, even) = self.history.sums();
        [to_i16(even >> 11), to_i16(odd >> 11)]
    }
}

/// The adaptive predictor and quantiser of a band (BLOCK 3 and BLOCK 4).
#[derive(Clone)]
struct Adpcm {
    /// The logarithmic scale factor, NB.
    log_scale: i32,
    /// The quantiser's scale factor, DET.
    step: i32,
    /// S: what is expected next.
    prediction: i32,
    /// SZ: the part of it from the six zeros.
    from_zeros: i32,
    /// A: the two poles.
    poles: [i32; 2],
    /// B: the six zeros.
    zeros: [i32; 6],
    /// D: quantised differences, the latest first.
    differences: [i32; 6],
    /// P: partially reconstructed signals, the latest first.
    partial: [i32; 2],
    /// R: reconstructed signals, the latest first.
    rebuilt: [i32; 2],
}

impl Adpcm {
    const fn new(step: i32) -> Self {
        Self {
            log_scale: 0,
            step,
            prediction: 0,
            from_zeros: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            partial: [0; 2],
            rebuilt: [0; 2],
        }
    }

    /// Takes the code of the lower band: only its upper four bits.
    fn advance_lower(&mut self, code: u8) {
        let code = usize::from(code >> 2);
        let difference = (self.step * INVERSE_4[code]) >> 15;
        // LOGSCL, SCALEL.
        self.log_scale = (((self.log_scale * 127) >> 7) + LOWER_ADAPT[code]).clamp(0, 18_432);
        self.step = linear(self.log_scale, 8);
        self.adapt(difference);
    }

    /// Takes the code of the higher band.
    fn advance_higher(&mut self, code: u8) {
        let code = usize::from(code);
        let difference = (self.step * INVERSE_2[code]) >> 15;
        // LOGSCH, SCALEH.
        self.log_scale = (((self.log_scale * 127) >> 7) + HIGHER_ADAPT[code]).clamp(0, 22_528);
        self.step = linear(self.log_scale, 10);
        self.adapt(difference);
    }

    /// BLOCK 4: the predictor follows the quantised difference.
    fn adapt(&mut self, difference: i32) {
        let rebuilt = saturated(self.prediction + difference);
        let partial = saturated(self.from_zeros + difference);
        let [last, before] = self.partial.map(|other| (partial < 0) == (other < 0));
        // UPPOL2, then UPPOL1, which it bounds.
        let [first, second] = self.poles;
        let four = saturated(first << 2);
        let push = saturated(if last { -four } else { four });
        let second = (if before { 128 } else { -128 }) + (push >> 7) + ((second * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let bound = saturated(15_360 - second);
        let first = saturated((if last { 192 } else { -192 }) + ((first * 32_640) >> 15));
        self.poles = [first.clamp(-bound, bound), second];
        // UPZERO.
        let push = if difference == 0 { 0 } else { 128 };
        for (zero, &past) in self.zeros.iter_mut().zip(&self.differences) {
            let toward = if (past < 0) == (difference < 0) { push } else { -push };
            *zero = saturated(toward + ((*zero * 32_640) >> 15));
        }
        // DELAYA.
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.partial = [partial, self.partial[0]];
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        // FILTEP, FILTEZ, PREDIC.
        let product = |factor: i32, value: i32| (factor * saturated(value + value)) >> 15;
        let from_poles =
            saturated(product(self.poles[0], self.rebuilt[0]) + product(self.poles[1], self.rebuilt[1]));
        let zeros = self.zeros.iter().zip(&self.differences);
        self.from_zeros = saturated(zeros.map(|(&zero, &past)| product(zero, past)).sum());
        self.prediction = saturated(from_poles + self.from_zeros);
    }
}

/// SCALEL and SCALEH: from the logarithm to the step.
fn linear(log_scale: i32, shift: i32) -> i32 {
    let mantissa = STEPS[usize::try_from((log_scale >> 6) & 31).unwrap_or(0)];
    let shift = shift - (log_scale >> 11);
    (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
}

/// The last 24 samples of the quadrature mirror filter, kept twice so that they always lie in one piece.
#[derive(Clone, Default)]
struct History {
    even: [i32; 24],
    odd: [i32; 24],
    at: usize,
}

impl History {
    fn push(&mut self, [first, second]: [i32; 2]) {
        for (side, value) in [(&mut self.even, first), (&mut self.odd, second)] {
            side[self.at] = value;
            side[self.at + 12] = value;
        }
        self.at = if self.at == 11 { 0 } else { self.at + 1 };
    }

    /// The sums of the two phases of the filter.
    fn sums(&self) -> (i32, i32) {
        let (even, odd) = (&self.even[self.at..self.at + 12], &self.odd[self.at..self.at + 12]);
        let (mut first, mut second) = (0, 0);
        for tap in 0..12 {
            first += even[tap] * MIRROR[tap];
            second += odd[tap] * MIRROR[11 - tap];
        }
        (first, second)
    }
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

fn to_i16(value: i32) -> i16 {
    i16::try_from(saturated(value)).unwrap_or(0)
}

fn octet(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

/// Two octets of which a decoder makes nothing for as long as they are repeated: the smallest differences, one up and one
/// down. Behind any sound an offset of 43 in 32,768 is left at most (measured).
pub const SILENCE: [u8; 2] = [0xFB, 0xFD];
/// DET of the lower band at the start.
const LOWER_START: i32 = 32;
/// DET of the higher band at the start.
const HIGHER_START: i32 = 8;
/// Table 11: one phase of the mirror filter.
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Table 14, Q6: the decision levels of the lower band.
const LOWER_LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Table 14, Q2: the decision level of the higher band.
const HIGHER_LEVEL: i32 = 564;
/// Table 17, QM6.
const INVERSE_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232,
    -9_360, -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776,
    -2_400, -2_032, -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280,
    11_192, 10_232, 9_360, 8_576, 7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168,
    2_776, 2_400, 2_032, 1_688, 1_360, 1_040, 728, 432, 136, -432, -136,
];
/// Table 17, QM4.
const INVERSE_4: [i32; 16] = [
    0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584,
    1_200, 0,
];
/// Table 17, QM2.
const INVERSE_2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// Table 18, WL by way of RL42.
const LOWER_ADAPT: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Table 18, WH by way of RH2.
const HIGHER_ADAPT: [i32; 4] = [798, -214, 798, -214];
/// Table 19, ILB: 2^(11 + n/32).
const STEPS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::rms_dbm0;
    use crate::audio::to_sample;
    use crate::units::Entropy;
    use sha2::{Digest as _, Sha256};

    /// Samples between what goes in and what comes out: the mirror filter twice.
    const DELAY: usize = 22;

    fn through(samples: &[i16]) -> (Vec<u8>, Vec<i16>) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let octets: Vec<u8> = samples.as_chunks().0.iter().map(|&pair| encoder.encode(pair)).collect();
        let heard = octets.iter().flat_map(|&octet| decoder.decode(octet)).collect();
        (octets, heard)
    }

    /// Integers only, so that it is the same everywhere: noise that swells and fades, with steps to the ends of the scale.
    fn noise() -> Vec<i16> {
        let mut state = 1_u32;
        (0..32_000_u32)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let loud = i32::try_from((n / 8) % 2000).unwrap_or(0) * 16;
                let sample = i32::from(state.to_be_bytes()[0]) - 128;
                let step = if n % 5000 < 40 { 32_767 } else { 0 };
                i16::try_from((sample * loud / 128 + step).clamp(-32_768, 32_767)).unwrap_or(0)
            })
            .collect()
    }

    fn hash(octets: impl IntoIterator<Item = u8>) -> String {
        let octets: Vec<u8> = octets.into_iter().collect();
        data_encoding::HEXLOWER.encode(&Sha256::digest(octets)[..8])
    }

    #[test]
    fn octets_and_samples_are_those_of_another_implementation() {
        // FFmpeg 5.1 makes the same octets of this noise and the same samples of them, all 16,000 and 32,000.
        let (octets, heard) = through(&noise());
        assert_eq!(hash(octets), "a4d07b5f311dc6d6");
        assert_eq!(hash(heard.iter().flat_map(|sample| sample.to_le_bytes())), "cf9030a3c3222d00");
    }

    #[test]
    fn tones_of_both_bands_keep_their_signal_to_noise_ratio() {
        // §3.2.2 allows the lower band far more bits than the higher.
        for (hertz, least) in [(200.0, 35.0), (1000.0, 35.0), (2500.0, 30.0), (3500.0, 25.0), (6000.0, 12.0)]
        {
            let sine =
                |n: u32| to_sample(9000.0 * (std::f64::consts::TAU * hertz * f64::from(n) / 16_000.0).sin());
            let samples: Vec<i16> = (0..16_000).map(sine).collect();
            let (_, heard) = through(&samples);
            let noise: Vec<i16> =
                samples[4000..12_000].iter().zip(&heard[4000 + DELAY..]).map(|(a, b)| a - b).collect();
            let ratio = rms_dbm0(&samples[4000..12_000]) - rms_dbm0(&noise);
            assert!(ratio > least, "{hertz} Hz: {ratio} dB");
        }
    }

    #[test]
    fn a_decoder_that_comes_late_or_missed_a_second_soon_hears_the_same() {
        let sine = |n: u32| to_sample(9000.0 * (f64::from(n) * 0.3).sin() * (f64::from(n) * 0.001).sin());
        let samples: Vec<i16> = (0..48_000).map(sine).collect();
        let (octets, heard) = through(&samples);
        let mut late = Decoder::default();
        let joined: Vec<i16> = octets[8000..].iter().flat_map(|&octet| late.decode(octet)).collect();
        let apart: Vec<i16> =
            heard[16_000 + 8000..].iter().zip(&joined[8000..]).map(|(a, b)| a - b).collect();
        assert!(rms_dbm0(&apart) < rms_dbm0(&heard) - 30.0, "{}", rms_dbm0(&apart));
    }

    #[test]
    fn no_octets_and_no_samples_bring_it_out_of_its_bounds() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut decoder = Decoder::default();
        let mut encoder = Encoder::default();
        for _ in 0..200_000 {
            let drawn = entropy.next_u32().to_le_bytes();
            let _ = decoder.decode(drawn[0]);
            let loud = if drawn[1] & 1 == 0 { i16::MAX } else { i16::MIN };
            let _ = encoder.encode([loud, i16::from_le_bytes([drawn[2], drawn[3]])]);
        }
    }
}
