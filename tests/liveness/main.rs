//! Joined recordings: how many strings of digits that were put together from recordings of the same speaker are found, and
//! how many natural ones are taken for such.
//!
//! Strings and joined strings are of the same recordings, of the same lengths, and go through the same line. Half of the speakers are
//! learnt from; the figures are those of the other half. Needs `COUNTERSIGN_CORPUS`.

#![expect(clippy::print_stderr, reason = "the figures are the result")]

mod learn;
mod strings;

use std::collections::BTreeMap;

use countersign::voice::liveness::{Joins, SpoofModel, TRAITS, Weights, traits};
use strings::{KINDS, Sound};

/// A score above this is a suspicion, as in the policies that ship.
const SUSPICIOUS: u8 = 60;

fn corpus() -> Option<Vec<Sound>> {
    let sounds = strings::all();
    if sounds.is_none() {
        eprintln!("skipped: COUNTERSIGN_CORPUS is not set");
    }
    sounds
}

fn examples(sounds: &[Sound], learnt: bool) -> Vec<([f32; TRAITS], bool)> {
    let of = sounds.iter().filter(|sound| sound.learnt == learnt);
    of.filter_map(|sound| Some((traits(&sound.samples)?, sound.joined.is_some()))).collect()
}

#[test]
fn joined_digits_are_found_in_voices_that_were_not_learnt_from() {
    let Some(sounds) = corpus() else { return };
    let model = Joins::default();
    let mut counted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for sound in sounds.iter().filter(|sound| !sound.learnt) {
        let Some(score) = model.score(&sound.samples) else { continue };
        let kind = sound.joined.map_or("natural", |kind| KINDS[kind]);
        let (found, all) = counted.entry(kind).or_default();
        *found += usize::from(score > SUSPICIOUS);
        *all += 1;
    }
    for (kind, (found, all)) in &counted {
        eprintln!("{kind}: {found} of {all} have more than {SUSPICIOUS} %");
    }
    let sum = |natural: bool| {
        let of = counted.iter().filter(|(kind, _)| (**kind == "natural") == natural);
        of.fold((0, 0), |(found, all), (_, (f, a))| (found + f, all + a))
    };
    let ((found, joined), (alarms, natural)) = (sum(false), sum(true));
    eprintln!("joined: {found} of {joined} found; natural: {alarms} of {natural} suspected");
    assert!(joined > 100 && natural > 50);
    assert!(found * 2 >= joined, "half of those that were joined are found");
    assert!(alarms * 100 <= natural * 15, "few natural ones are suspected");
}

/// The shipped weights are what comes of learning, and of nothing else.
#[test]
fn the_weights_are_what_is_learnt_from_the_other_half() {
    let Some(sounds) = corpus() else { return };
    let examples = examples(&sounds, true);
    let learnt = learn::learn(&examples);
    let shipped = Joins::default();
    let sum = |weights: &Weights, sound: &Sound| traits(&sound.samples).map(|traits| weights.sum(&traits));
    let differs = sounds.iter().filter(|sound| {
        let score = sum(&learnt, sound).map(|sum| 100.0 / (1.0 + (-sum).exp()));
        let shipped = shipped.score(&sound.samples).map(f32::from);
        score.zip(shipped).is_some_and(|(one, other)| (one - other).abs() > 1.5)
    });
    let differs = differs.count();
    if differs > 0 {
        eprintln!("{}", learn::written(&learnt));
    }
    assert_eq!(differs, 0, "of {} scores", sounds.len());
}
