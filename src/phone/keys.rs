//! What a test caller does, in one line: `~ 44110021# ~ 1 2s 804215#`.
//!
//! `~` waits for the prompt to pause, `2s` or `300ms` is a pause of one's own, anything else are keys.

use std::time::Duration;

use thiserror::Error;

use crate::units::Digit;

/// One thing that the caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wait until a prompt was heard and has paused.
    AwaitPause,
    /// Do nothing for a while.
    Wait(Duration),
    /// Press these keys.
    Press(Vec<Digit>),
}

/// A word that is neither keys nor a pause. The word itself may be a mistyped PIN, so it is not shown.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("word {position} of --keys is neither `~`, nor a pause like `2s` or `300ms`, nor keys 0-9 * # A-D")]
pub struct KeysError {
    /// Which word, counted from 1.
    pub position: usize,
}

/// Reads a line of actions.
///
/// # Errors
/// [`KeysError`] names the first word that is not understood.
pub fn parse(text: &str) -> Result<Vec<Action>, KeysError> {
    text.split_whitespace()
        .zip(1..)
        .map(|(word, position)| action(word).ok_or(KeysError { position }))
        .collect()
}

fn action(word: &str) -> Option<Action> {
    if word == "~" {
        return Some(Action::AwaitPause);
    }
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some(millis) = word.strip_suffix("ms").and_then(number) {
        return Some(Action::Wait(Duration::from_millis(millis)));
    }
    if let Some(seconds) = word.strip_suffix('s').and_then(number) {
        return Some(Action::Wait(Duration::from_secs(seconds)));
    }
    word.chars().map(Digit::from_char).collect::<Option<Vec<Digit>>>().map(Action::Press)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Action {
        Action::Press(text.chars().filter_map(Digit::from_char).collect())
    }

    #[test]
    fn a_line_of_keys_pauses_and_prompts_is_read() {
        let expected = vec![
            Action::AwaitPause,
            keys("44110021#"),
            Action::Wait(Duration::from_secs(2)),
            Action::Wait(Duration::from_millis(300)),
            keys("*0D"),
        ];
        assert_eq!(parse("~ 44110021#  2s 300ms *0d"), Ok(expected));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_word_is_named_by_its_position_and_not_shown() {
        let error = parse("~ 1234 80x215#").expect_err("a wrong word");
        assert_eq!(error, KeysError { position: 3 });
        assert!(!error.to_string().contains("80x"));
    }
}
