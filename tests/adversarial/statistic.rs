//! Whether the times of two classes can be told apart: trials in random order, and Welch's t.

use std::hint::black_box;

use countersign::driver::os;

/// What stays, of both classes together.
const KEPT: [f64; 4] = [1.0, 0.99, 0.9, 0.5];

/// The times of both classes, in nanoseconds.
pub(crate) type Times = [Vec<f64>; 2];

/// Welch's t of what is left of both when the longest times of both together are left out.
fn welch(times: &Times, kept: f64) -> f64 {
    let mut all: Vec<f64> = times.concat();
    all.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let longest = ((all.len() as f64 * kept) as usize).clamp(1, all.len());
    let longest = all[longest - 1];
    let [a, b] = times.each_ref().map(|class| {
        let kept: Vec<f64> = class.iter().copied().filter(|time| *time <= longest).collect();
        let count = kept.len().max(2) as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    if a.1 + b.1 == 0.0 { 0.0 } else { (a.0 - b.0) / (a.1 + b.1).sqrt() }
}

/// The largest |t|.
pub(crate) fn verdict(times: &Times) -> f64 {
    KEPT.iter().map(|kept| welch(times, *kept).abs()).fold(0.0, f64::max)
}

/// Without the longest 1 in 10.
pub(crate) fn mean(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    times.truncate(times.len().div_ceil(10) * 9);
    times.iter().sum::<f64>() / times.len().max(1) as f64
}

/// Trials in random order. `prepare` is not timed; what it gives is.
pub(crate) fn trials<T, R>(
    count: u32,
    mut prepare: impl FnMut(bool, u32) -> T,
    mut work: impl FnMut(T) -> R,
) -> Times {
    let mut random = os::entropy().expect("randomness");
    let mut times = Times::default();
    for number in 0..count + WARMING {
        let first = random.below(2) == 0;
        let prepared = prepare(first, number);
        let begun = os::now();
        let result = black_box(work(black_box(prepared)));
        let took = os::now() - begun;
        drop(result);
        if number >= WARMING {
            times[usize::from(!first)].push(took.as_nanos() as f64);
        }
    }
    times
}

/// Trials that are not counted: caches fill.
const WARMING: u32 = 50;
