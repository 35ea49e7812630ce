//! Comfort noise (RFC 3389): what the background sounds like while the other side sends no audio.
//!
//! The description is a level and, if the sender likes, the reflection coefficients of an all-pole filter. White noise goes
//! through that filter as a lattice, whose gain is known: so the level comes out as it was told.

use super::level::RMS_AT_0_DBM0;
use super::to_sample;

/// A background, as its sender describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// So many dB below overload: a square wave that fills the scale.
    level: u8,
    /// Coefficients as they were told, those left out in the middle: zero.
    spectrum: [u8; MOST_ORDER],
    order: usize,
}

impl Noise {
    /// White noise so many dB below overload.
    #[must_use]
    pub const fn white(level: u8) -> Self {
        Self { level, spectrum: [MIDDLE; MOST_ORDER], order: 0 }
    }

    /// Reads a payload; `None` when it is empty. What goes beyond the coefficients that are used is left out, as
    /// RFC 3389 §3 allows, and so is all that follows an index that the RFC reserves.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (&first, indices) = payload.split_first()?;
        // §3.1: the first bit means nothing.
        let mut noise = Self::white(first & 0x7F);
        let known = indices.iter().take_while(|&&index| index != RESERVED);
        for (place, &index) in noise.spectrum.iter_mut().zip(known) {
            *place = index;
            noise.order += 1;
        }
        Some(noise)
    }

    /// Appends the payload that says the same.
    pub fn write(&self, payload: &mut impl Extend<u8>) {
        payload.extend(std::iter::once(self.level));
        payload.extend(self.spectrum.iter().copied().take(self.order));
    }

    /// Its level in dBm0, as it is made.
    #[must_use]
    pub fn dbm0(&self) -> f64 {
        20.0 * (f64::from(self.rms()) / RMS_AT_0_DBM0).log10()
    }

    fn rms(&self) -> f32 {
        // §3.1: 0 is the loudest square wave.
        OVERLOAD * 10.0_f32.powf(-f32::from(self.level.max(LOUDEST)) / 20.0)
    }

    /// §3.2, each within what keeps the filter from ringing like a bell.
    fn coefficients(&self) -> [f32; MOST_ORDER] {
        self.spectrum.map(|index| {
            (258.0 * (f32::from(index) - f32::from(MIDDLE)) / OVERLOAD).clamp(-SHARPEST, SHARPEST)
        })
    }
}

/// Makes noise at 8,000 samples a second.
#[derive(Debug)]
pub struct NoiseMaker {
    chance: u32,
    /// What is made now.
    noise: Noise,
    coefficients: [f32; MOST_ORDER],
    /// Of the white noise, now and where it goes.
    gain: f32,
    target: f32,
    /// What stands between the stages of the lattice.
    backward: [f32; MOST_ORDER],
}

impl NoiseMaker {
    /// Makes this one.
    #[must_use]
    pub fn new(noise: Noise) -> Self {
        let mut maker = Self {
            chance: SEED,
            noise,
            coefficients: [0.0; MOST_ORDER],
            gain: 0.0,
            target: 0.0,
            backward: [0.0; MOST_ORDER],
        };
        maker.turn_to(noise);
        maker.gain = maker.target;
        maker
    }

    /// Fills the room with this noise. From one level to another it goes over within some 10 ms.
    pub fn fill(&mut self, noise: Noise, room: &mut [i16]) {
        if noise != self.noise {
            self.turn_to(noise);
        }
        // A sharp resonance sways; no further than that.
        let most = MOST_ABOVE * noise.rms();
        for sample in room {
            self.gain += (self.target - self.gain) * APPROACH;
            *sample = to_sample(f64::from(self.next().clamp(-most, most)));
        }
    }

    fn turn_to(&mut self, noise: Noise) {
        self.noise = noise;
        self.coefficients = noise.coefficients();
        // The filter makes the power of what goes in greater by this.
        let kept: f32 = self.coefficients.iter().map(|k| 1.0 - k * k).product();
        self.target = noise.rms() * kept.sqrt();
    }

    fn next(&mut self) -> f32 {
        let mut forward = self.gain * self.white();
        let stages = 0..self.noise.order.min(MOST_ORDER);
        for stage in stages.rev() {
            let k = self.coefficients[stage];
            let before = self.backward[stage];
            forward -= k * before;
            // What this stage hands on is what the next one above held back.
            if let Some(above) = self.backward.get_mut(stage + 1) {
                *above = before + k * forward;
            }
        }
        self.backward[0] = forward;
        forward
    }

    /// Evenly spread, of mean square 1: by xorshift, whose like nobody hears.
    fn white(&mut self) -> f32 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 17;
        self.chance ^= self.chance << 5;
        let [low, high, ..] = self.chance.to_le_bytes();
        f32::from(i16::from_le_bytes([low, high])) * (WIDTH / OVERLOAD)
    }
}

/// A model of that order is the one of ITU-T G.711 appendix II.
const MOST_ORDER: usize = 10;
/// The index of a coefficient of zero.
const MIDDLE: u8 = 127;
/// RFC 3389 §3.2 keeps it for later.
const RESERVED: u8 = 255;
/// Full scale, which is 0 dB in the descriptions.
const OVERLOAD: f32 = 32_768.0;
/// Louder than 20 dB below overload is no background: whoever tells that gets this.
const LOUDEST: u8 = 20;
/// A resonance sharper than that is a tone.
const SHARPEST: f32 = 0.98;
/// Noise rarely goes beyond three times its mean.
const MOST_ABOVE: f32 = 3.0;
/// The root of three: an even spread from −1 to 1 has the mean square 1/3.
const WIDTH: f32 = 1.732_050_8;
/// 63 % of the way in 8 ms.
const APPROACH: f32 = 1.0 / 64.0;
/// Any number but zero.
const SEED: u32 = 0x2545_F491;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::level::rms_dbm0;

    fn made(noise: Noise, samples: usize) -> Vec<i16> {
        let mut room = vec![0; samples];
        let mut maker = NoiseMaker::new(noise);
        for part in room.chunks_mut(160) {
            maker.fill(noise, part);
        }
        room
    }

    /// How alike neighbours are: 1 for the lowest tones, -1 for the highest.
    fn neighbours(samples: &[i16]) -> f64 {
        let product = |lag: usize| -> f64 {
            samples.iter().zip(&samples[lag..]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        product(1) / product(0)
    }

    #[test]
    fn the_level_comes_out_as_it_was_told_whatever_the_spectrum() {
        // Dark, bright, a hum of a machine, and more coefficients than are used.
        let spectra: [&[u8]; 6] =
            [&[], &[20], &[230], &[30, 200, 110, 140], &[3, 240, 100, 150, 127, 127, 90], &[60; 40]];
        for spectrum in spectra {
            for level in [20_u8, 30, 40, 50, 65] {
                let payload: Vec<u8> = std::iter::once(level).chain(spectrum.iter().copied()).collect();
                let noise = Noise::read(&payload).expect("a level");
                let found = rms_dbm0(&made(noise, 80_000)[8000..]);
                // 0 dBm0 lies 6.2 dB below overload.
                let told = 6.22 - f64::from(level);
                assert!((found - told).abs() < 1.0, "{spectrum:?} at {level}: {found:.2} for {told:.2}");
                assert!((noise.dbm0() - told).abs() < 0.01);
            }
        }
        assert!(made(Noise::white(127), 8000).iter().all(|&sample| sample == 0));
        assert!(rms_dbm0(&made(Noise::white(0), 8000)) < -13.0, "nobody is deafened");
    }

    #[test]
    fn a_coefficient_below_zero_is_dark_and_one_above_bright() {
        for (index, least, most) in [(20, 0.75, 0.9), (127, -0.05, 0.05), (234, -0.9, -0.75)] {
            let noise = Noise::read(&[40, index]).expect("a level");
            let found = neighbours(&made(noise, 40_000));
            assert!((least..=most).contains(&found), "{index}: {found}");
        }
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        for payload in [&[40_u8][..], &[0], &[127, 1, 254], &[50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
            let mut again = Vec::new();
            Noise::read(payload).expect("a level").write(&mut again);
            assert_eq!(again, payload);
        }
        assert_eq!(Noise::read(&[]), None);
        assert_eq!(Noise::read(&[0xA8, 255, 3]), Some(Noise::white(40)), "the first bit and the last index");
    }

    #[test]
    fn making_it_takes_no_memory() {
        let mut maker = NoiseMaker::new(Noise::white(40));
        let mut room = [0; 160];
        let used = allocation_counter::measure(|| maker.fill(Noise::white(50), &mut room));
        assert_eq!(used.count_total, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// No description makes it louder than noise is at its loudest.
        #[test]
        fn no_payload_is_beyond_it(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let Some(noise) = Noise::read(&payload) else { return Ok(()) };
            let mut maker = NoiseMaker::new(Noise::white(60));
            let mut room = vec![0; 4000];
            maker.fill(noise, &mut room);
            prop_assert!(rms_dbm0(&room) < -13.7 + 9.6);
        }
    }
}
