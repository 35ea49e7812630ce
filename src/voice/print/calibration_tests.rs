//! With speakers whose voices are drawn: what a threshold promises is what strangers get.

use super::super::EMBEDDING;
use super::*;

/// A number of deviation about 1.
fn normal(die: &mut Die) -> f32 {
    (0..12).map(|_| u16::try_from(die.below(10_001)).map_or(0.0, f32::from) / 10_000.0).sum::<f32>() - 6.0
}

fn near(centre: &[f32], spread: f32, die: &mut Die) -> Voice {
    let mut numbers = [0.0; EMBEDDING];
    // All lines sound alike in the last numbers, and voices differ in the first.
    numbers[EMBEDDING - 1] = 6.0;
    for (to, from) in numbers.iter_mut().zip(centre) {
        *to = from + spread * normal(die);
    }
    Voice::new(numbers).expect("a direction")
}

/// Speakers that differ in twenty numbers.
pub(crate) fn speakers(count: usize, spread: f32, seed: u64) -> Vec<Speaker> {
    let mut die = Die(seed);
    (0..count)
        .map(|_| {
            let centre: Vec<f32> = (0..20).map(|_| normal(&mut die)).collect();
            let mut heard = |spread: f32| Heard { voice: near(&centre, spread, &mut die), seconds: 4.0 };
            Speaker { enrolled: heard(spread / 2.0), heard: (0..4).map(|_| heard(spread)).collect() }
        })
        .collect()
}

#[test]
fn strangers_are_accepted_as_rarely_as_was_asked() {
    let learned = Calibration::learn("model", &speakers(52, 0.9, 3)).expect("a calibration");
    assert!(learned.is_whole());
    // Other speakers of the same kind, against the same mean.
    let strangers = speakers(80, 0.9, 77);
    let all: Vec<usize> = (0..strangers.len()).collect();
    for line in &learned.lines {
        let people = People::of(&strangers, line.utterances);
        let (same, different) = parted(&people.trials(&all, Some(&learned.common)));
        for rate in [0.01, 0.001] {
            let enough = line.threshold(rate).expect("a threshold");
            let fooled = different.iter().filter(|&&score| score >= enough).count();
            let measured = crate::audio::count(fooled) / crate::audio::count(different.len());
            // At one in a thousand, ten comparisons of ten thousand decide.
            let wide = if rate < 0.01 { 4.0 } else { 2.0 };
            assert!((rate / wide..rate * wide).contains(&measured), "{rate}: {measured}");
            // Thirteen are left out at a time: at one in a thousand a handful of comparisons decides.
            let (least, most) = if rate < 0.01 { (0.0, rate * 4.0) } else { (rate / 2.0, rate * 2.0) };
            let check = line.checked.iter().find(|check| check.wanted <= rate).expect("a check");
            assert!((least..most).contains(&check.false_accept), "{check:?}");
        }
        let enough = line.threshold(0.01).expect("a threshold");
        let refused = same.iter().filter(|&&score| score < enough).count();
        let refused = crate::audio::count(refused) / crate::audio::count(same.len());
        let check = line.checked.iter().find(|check| check.wanted <= 0.01).expect("a check");
        assert!((refused - check.false_reject).abs() < 0.1, "{refused} {check:?}");
    }
    let refused =
        |line: &Line| line.checked.iter().find(|check| check.wanted <= 0.001).map(|c| c.false_reject);
    assert!(refused(&learned.lines[2]) < refused(&learned.lines[0]), "more is surer");
}

#[test]
fn a_likelihood_ratio_is_the_odds() {
    // Normal scores a distance apart: the ratio's logarithm is a line that is known.
    let mut die = Die(5);
    let mut draw = |mean: f32| -> Vec<f32> { (0..4_000).map(|_| mean + 0.1 * normal(&mut die)).collect() };
    let (same, different) = (draw(0.6), draw(0.2));
    let (slope, offset) = logistic(&same, &different).expect("it rises");
    assert!((slope - 40.0).abs() < 4.0 && (offset + 16.0).abs() < 1.6, "{slope} {offset}");
    assert_eq!(logistic(&different, &same), None);
}

#[test]
fn what_was_not_seen_has_no_threshold() {
    let learned = Calibration::learn("model", &speakers(24, 0.9, 3)).expect("a calibration");
    let line = learned.line(1).expect("a line");
    let least = line.thresholds.last().expect("some").false_accept;
    assert_eq!(line.threshold(1e-6), Err(RateError::TooLow { wanted: 1e-6, least }));
    for rate in [0.0, -1.0, 0.5, f64::NAN] {
        assert_eq!(line.threshold(rate), Err(RateError::NoRate));
    }
    // Between two rates it is the stricter one.
    assert_eq!(line.threshold(0.015), line.threshold(0.01));
}

#[test]
fn between_same_and_different_it_is_unsure() {
    let learned = Calibration::learn("model", &speakers(40, 0.9, 3)).expect("a calibration");
    let line = learned.line(1).expect("a line");
    let (strict, forgiving) = (line.threshold(0.01).expect("one"), line.threshold(0.1).expect("one"));
    assert!(strict > forgiving);
    assert_eq!(line.likeness(strict, 0.01), Ok(Likeness::Same));
    assert_eq!(line.likeness(f32::midpoint(strict, forgiving), 0.01), Ok(Likeness::Unsure));
    assert_eq!(line.likeness(forgiving - 0.01, 0.01), Ok(Likeness::Different));
    assert_eq!(line.likeness(f32::NAN, 0.01), Ok(Likeness::Different));
    assert_eq!(learned.line(9), learned.lines.last());
}

#[test]
fn too_few_speakers_or_files_of_somebody_else_are_refused() {
    assert_eq!(
        Calibration::learn("model", &speakers(19, 0.9, 3)).err(),
        Some(CalibrationError::Speakers(19))
    );
    let mut mixed = speakers(30, 0.2, 3);
    // Everybody's files lie in the next one's folder.
    let mut heard: Vec<Vec<Heard>> = mixed.iter().map(|speaker| speaker.heard.clone()).collect();
    heard.rotate_left(1);
    mixed.iter_mut().zip(heard).for_each(|(speaker, heard)| speaker.heard = heard);
    assert_eq!(Calibration::learn("model", &mixed).err(), Some(CalibrationError::Apart));
}

#[test]
fn a_report_that_was_changed_is_not_whole() {
    let learned = Calibration::learn("model", &speakers(24, 0.9, 3)).expect("a calibration");
    let text = serde_json::to_string(&learned).expect("a report");
    assert_eq!(serde_json::from_str::<Calibration>(&text).ok(), Some(learned.clone()));
    let mut changed = learned.clone();
    changed.lines[0].thresholds.reverse();
    assert!(!changed.is_whole());
    let mut changed = learned.clone();
    changed.format = 2;
    assert!(!changed.is_whole());
    let mut changed = learned;
    changed.lines.clear();
    assert!(!changed.is_whole());
}

#[test]
fn the_normal_quantiles_are_those_of_the_tables() {
    for (share, known) in [(0.5, 0.0), (0.158_655, 1.0), (0.001, 3.090_23), (0.977_25, -2.0)] {
        assert!((quantile(share) - known).abs() < 1e-3, "{share}: {}", quantile(share));
    }
}
