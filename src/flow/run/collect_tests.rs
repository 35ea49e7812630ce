//! Timers, lengths and ladders, as tables, and against a reference that scans the key times.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::units::test_start;

const FIRST: u64 = 6_000;
const BETWEEN: u64 = 4_000;

fn key(c: char) -> Digit {
    Digit::from_char(c).expect("a key")
}

fn digits(min: usize, max: usize, end: Option<char>) -> Expect {
    Expect::Digits { min, max, end: end.map(key) }
}

fn keys(sequences: &[&str]) -> Expect {
    Expect::Keys(sequences.iter().map(|keys| keys.chars().map(key).collect()).collect())
}

fn rules(expect: Expect, total: Option<u64>) -> Rules {
    Rules {
        expect,
        first: Duration::from_millis(FIRST),
        between: Duration::from_millis(BETWEEN),
        total: Duration::from_millis(total.unwrap_or(60_000)),
        tries: 3,
    }
}

/// Plays keys at their times (in ms from the prompt's end) and tells what ended the entry and when.
fn play(rules: &Rules, presses: &[(u64, char)]) -> (u64, Heard, String) {
    let start = test_start();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut collect = Collect::new(rules.clone());
    collect.prompting();
    collect.listening(start);
    let mut presses = presses.iter().peekable();
    loop {
        let deadline = collect.deadline().expect("timers run");
        let (now, heard) = match presses.peek() {
            Some((ms, c)) if at(*ms) < deadline => {
                presses.next();
                (at(*ms), collect.key(at(*ms), key(*c)))
            }
            _ => (deadline, collect.timeout(deadline)),
        };
        if heard != Heard::More {
            let elapsed = u64::try_from((now - start).as_millis()).expect("short");
            return (elapsed, heard, collect.take().expose().clone());
        }
    }
}

#[test]
fn every_timer_ends_the_entry_at_its_own_time() {
    let filled = |by_end| Heard::Filled { by_end };
    let exact = || digits(4, 4, None);
    let open = || digits(2, 6, Some('#'));
    type Case = (&'static str, Expect, Option<u64>, Vec<(u64, char)>, u64, Heard, &'static str);
    let cases: Vec<Case> = vec![
        ("silence", open(), None, vec![], 6_000, Heard::NoInput, ""),
        ("total does not run while nothing is typed", open(), Some(2_000), vec![], 6_000, Heard::NoInput, ""),
        ("a longer total does not matter", open(), Some(9_000), vec![(0, '1')], 4_000, Heard::NoMatch, "1"),
        ("one key then silence is not enough", open(), None, vec![(100, '1')], 4_100, Heard::NoMatch, "1"),
        (
            "two keys then silence count",
            open(),
            None,
            vec![(5_900, '1'), (9_800, '2')],
            13_800,
            filled(false),
            "12",
        ),
        ("the ending key ends", open(), None, vec![(10, '1'), (20, '2'), (30, '#')], 30, filled(true), "12"),
        ("the ending key too early", open(), None, vec![(10, '1'), (20, '#')], 20, Heard::NoMatch, "1"),
        ("the ending key alone", open(), None, vec![(10, '#')], 10, Heard::NoMatch, ""),
        (
            "the longest number ends by itself",
            open(),
            None,
            (0..6).map(|n| (10 * n, '7')).collect(),
            50,
            filled(false),
            "777777",
        ),
        ("exact", exact(), None, (0..4).map(|n| (10 * n, '7')).collect(), 30, filled(false), "7777"),
        (
            "exact, one short",
            exact(),
            None,
            (0..3).map(|n| (10 * n, '7')).collect(),
            4_020,
            Heard::NoMatch,
            "777",
        ),
        (
            "hash does not end a number without end",
            exact(),
            None,
            vec![(10, '1'), (20, '#')],
            20,
            Heard::NoMatch,
            "1",
        ),
        ("star in a number", open(), None, vec![(10, '1'), (20, '*')], 20, Heard::NoMatch, "1"),
        (
            "a busy typer is ended by total",
            digits(1, 32, None),
            Some(10_000),
            (0..8).map(|n| (3_000 * n, '5')).collect(),
            10_000,
            filled(false),
            "5555",
        ),
        (
            "a busy typer without enough by total",
            digits(8, 32, None),
            Some(10_000),
            (0..8).map(|n| (3_000 * n, '5')).collect(),
            10_000,
            Heard::NoMatch,
            "5555",
        ),
        ("total while pausing", open(), Some(2_000), vec![(500, '1')], 2_500, Heard::NoMatch, "1"),
        ("a choice", keys(&["1", "2"]), None, vec![(700, '2')], 700, Heard::Chosen(1), "2"),
        ("no choice", keys(&["1", "2"]), None, vec![(700, '3')], 700, Heard::NoMatch, "3"),
        ("no choice made", keys(&["1", "2"]), None, vec![], 6_000, Heard::NoInput, ""),
        (
            "a short choice that could be longer waits",
            keys(&["1", "10"]),
            None,
            vec![(0, '1')],
            4_000,
            Heard::Chosen(0),
            "1",
        ),
        (
            "the longer choice",
            keys(&["1", "10"]),
            None,
            vec![(0, '1'), (50, '0')],
            50,
            Heard::Chosen(1),
            "10",
        ),
        ("half a choice", keys(&["10", "11"]), None, vec![(0, '1')], 4_000, Heard::NoMatch, "1"),
        ("star as a choice", keys(&["*", "#"]), None, vec![(0, '*')], 0, Heard::Chosen(0), "*"),
    ];
    for (name, expect, total, presses, ms, heard, typed) in cases {
        assert_eq!(play(&rules(expect, total), &presses), (ms, heard, String::from(typed)), "{name}");
    }
}

#[test]
fn timers_stand_still_while_the_prompt_plays() {
    let mut collect = Collect::new(rules(digits(1, 4, None), Some(1)));
    collect.prompting();
    assert_eq!(collect.deadline(), None);
    let far = test_start() + Duration::from_secs(60 * 60);
    assert_eq!(collect.timeout(far), Heard::More);
}

#[test]
fn a_key_that_interrupts_starts_the_timers() {
    let start = test_start();
    let mut collect = Collect::new(rules(digits(1, 4, None), Some(9_000)));
    collect.prompting();
    assert_eq!(collect.key(start, key('1')), Heard::More);
    assert_eq!(collect.deadline(), Some(start + Duration::from_millis(BETWEEN)));
    // The prompt's end, reported late, does not move them.
    collect.listening(start + Duration::from_secs(1));
    assert_eq!(collect.deadline(), Some(start + Duration::from_millis(BETWEEN)));
}

#[test]
fn silence_and_misses_climb_their_own_ladders_but_share_the_tries() {
    use Miss::{NoInput, NoMatch};
    use Next::{Again, GiveUp};
    let cases: [(&[Miss], &[Next]); 4] = [
        (&[NoInput, NoInput, NoInput], &[Again(0), Again(1), GiveUp]),
        (&[NoInput, NoMatch, NoInput], &[Again(0), Again(0), GiveUp]),
        (&[NoMatch, NoInput, NoMatch], &[Again(0), Again(0), GiveUp]),
        (&[NoMatch, NoMatch, NoInput], &[Again(0), Again(1), GiveUp]),
    ];
    for (misses, expected) in cases {
        let mut collect = Collect::new(rules(digits(1, 4, None), None));
        let next: Vec<Next> = misses.iter().map(|miss| collect.fail(*miss)).collect();
        assert_eq!(next, expected, "{misses:?}");
    }
}

#[test]
fn a_new_prompt_forgets_what_was_typed() {
    let start = test_start();
    let mut collect = Collect::new(rules(digits(2, 2, None), None));
    assert_eq!(collect.key(start, key('1')), Heard::More);
    collect.prompting();
    assert!(!collect.typing());
    assert_eq!(collect.key(start, key('2')), Heard::More);
    assert_eq!(collect.key(start, key('3')), Heard::Filled { by_end: false });
    assert_eq!(collect.take().expose(), "23");
}

/// What should come out, found by looking at all keys at once.
fn reference(min: usize, max: usize, total: Option<u64>, presses: &[(u64, char)]) -> (u64, Heard) {
    let mut deadline = FIRST;
    let limit = presses.first().map_or(u64::MAX, |(first, _)| first + total.unwrap_or(60_000));
    let mut typed = 0;
    let by_silence = |typed: usize, any: bool| match typed {
        _ if !any => Heard::NoInput,
        typed if typed >= min => Heard::Filled { by_end: false },
        _ => Heard::NoMatch,
    };
    for (at, c) in presses {
        if *at >= deadline {
            break;
        }
        match c {
            '#' if typed >= min => return (*at, Heard::Filled { by_end: true }),
            '#' | '*' => return (*at, Heard::NoMatch),
            _ => typed += 1,
        }
        if typed == max {
            return (*at, Heard::Filled { by_end: false });
        }
        deadline = (at + BETWEEN).min(limit);
    }
    (deadline, by_silence(typed, typed > 0))
}

proptest! {
    #[test]
    fn any_keys_at_any_times_end_as_the_reference_says(
        min in 1_usize..5,
        more in 0_usize..4,
        total in prop::option::of(500_u64..20_000),
        gaps in prop::collection::vec((1_u64..6_500, prop::sample::select(vec!['0', '5', '9', '#', '*'])), 0..8),
    ) {
        let mut at = 0;
        let presses: Vec<(u64, char)> = gaps.into_iter().map(|(gap, c)| { at += gap; (at, c) }).collect();
        let rules = rules(digits(min, min + more, Some('#')), total);
        let (ms, heard, _) = play(&rules, &presses);
        prop_assert_eq!((ms, heard), reference(min, min + more, total, &presses));
    }
}
