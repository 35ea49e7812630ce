//! Where letters end in tests.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Mutex;

use countersign::auth::SubjectKey;
use countersign::driver::sender::{Channel, Courier, Letter, LetterId, Refused};
use countersign::units::UnixTime;

/// Takes every letter, or none.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) letters: Mutex<Vec<Letter>>,
    pub(crate) pretended: Mutex<Vec<(Channel, SubjectKey)>>,
    pub(crate) refuses: Option<Refused>,
}

impl Courier for Desk {
    fn send(&self, _: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        self.refuses.map_or(Ok(()), Err)?;
        self.letters.lock().expect("whole").push(letter);
        Ok(LetterId([1; 16]))
    }

    fn pretend(&self, _: UnixTime, channel: Channel, subject: SubjectKey) -> Result<LetterId, Refused> {
        self.refuses.map_or(Ok(()), Err)?;
        self.pretended.lock().expect("whole").push((channel, subject));
        Ok(LetterId([2; 16]))
    }
}

impl Desk {
    pub(crate) fn last(&self) -> Option<Letter> {
        self.letters.lock().expect("whole").last().cloned()
    }

    pub(crate) fn count(&self) -> (usize, usize) {
        (self.letters.lock().expect("whole").len(), self.pretended.lock().expect("whole").len())
    }

    /// The digits of the last letter.
    pub(crate) fn code(&self) -> String {
        let letter = self.last().expect("a letter");
        letter.text.expose().chars().filter(char::is_ascii_digit).collect()
    }
}

impl Desk {
    /// The end of the address in the last letter with a link.
    pub(crate) fn token(&self) -> String {
        let letters = self.letters.lock().expect("whole");
        let text = letters.iter().rev().find_map(|letter| {
            let text = letter.text.expose();
            text.contains("https://").then(|| text.clone())
        });
        let text = text.expect("a link");
        text.split('#').nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned()
    }
}
