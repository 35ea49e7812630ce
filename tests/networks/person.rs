//! People who say digits: whole strings as they were recorded, and others that are put together from their words.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::networks_world::recording;

/// Somebody with their digits.
#[derive(Default)]
pub(crate) struct Person {
    /// Whole strings.
    pub(crate) strings: Vec<Vec<i16>>,
    /// Recordings of each digit, none of them of the first strings.
    words: BTreeMap<char, Vec<Vec<i16>>>,
    /// How often each was said.
    said: RefCell<BTreeMap<char, usize>>,
}

/// The first strings of everybody are what they enrol with: nothing else is made of them.
pub(crate) const ENROLLED_WITH: usize = 8;

impl Person {
    /// These digits one by one, no recording used twice while there are others.
    pub(crate) fn says(&self, digits: &str) -> Vec<i16> {
        let mut said = self.said.borrow_mut();
        let mut samples = vec![0; PAUSE / 2];
        for digit in digits.chars() {
            let takes = &self.words[&digit];
            let take = said.entry(digit).or_insert(0);
            samples.extend_from_slice(&takes[*take % takes.len()]);
            samples.extend([0; PAUSE]);
            *take += 1;
        }
        samples
    }
}

/// Everybody of a folder with spliced strings, by their names.
pub(crate) fn people(folder: &Path) -> BTreeMap<String, Person> {
    let digit = |word: &str| {
        let at = WORDS.iter().position(|known| *known == word).expect("a digit");
        char::from_digit(u32::try_from(at).expect("small"), 10).expect("a digit")
    };
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("transcript.txt")).expect("a transcript").lines() {
        let (file, words) = line.split_once(' ').expect("a file and its words");
        let name = file.trim_end_matches(".wav").split('_').nth(1).expect("a speaker").to_owned();
        let samples = recording(&folder.join(file));
        let words: Vec<char> = words.split(' ').map(digit).collect();
        let parts = parts(&samples);
        let person = people.entry(name).or_default();
        if parts.len() == words.len() && person.strings.len() >= ENROLLED_WITH {
            for (digit, (from, to)) in words.into_iter().zip(parts) {
                person.words.entry(digit).or_default().push(samples[from..to].to_vec());
            }
        }
        person.strings.push(samples);
    }
    people
}

/// Where there is speech, with silence of 60 ms and more between.
fn parts(samples: &[i16]) -> Vec<(usize, usize)> {
    const STEP: usize = 80;
    let loud =
        |frame: &[i16]| frame.iter().map(|s| i64::from(*s) * i64::from(*s)).sum::<i64>() > 80 * 60 * 60;
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (at, _) in samples.chunks_exact(STEP).enumerate().filter(|(_, frame)| loud(frame)) {
        match parts.last_mut() {
            Some((_, to)) if at * STEP <= *to + 6 * STEP => *to = (at + 1) * STEP,
            _ => parts.push((at * STEP, (at + 1) * STEP)),
        }
    }
    parts.retain(|(from, to)| to - from > 8 * STEP);
    parts
}

const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Silence between digits, in samples.
const PAUSE: usize = 1_600;
