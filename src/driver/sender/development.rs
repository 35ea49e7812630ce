//! The development sender: prints letters on the terminal of `serve` and keeps the last ones for tests.
//!
//! It prints what is secret everywhere else. A deployment that listens beyond this machine refuses it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Deserialize;

use super::letter::{Channel, Letter, LetterId, Shown};
use super::outcome::{Accepted, NotTaken};
use super::{Sender, SenderSettings, Tools, Unusable};
use crate::driver::os;

/// `development:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The channels that it stands in for.
    pub channels: Vec<Channel>,
    /// How many letters are kept.
    pub keep: usize,
    /// Whether they are printed on the terminal.
    pub print: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { channels: Channel::ALL.to_vec(), keep: 50, print: true }
    }
}

pub(super) const EXAMPLE: &str = "{name: printed, development: {}}";

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        self.channels.clone()
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.channels.is_empty() {
            return Err(Unusable::new(
                "`channels` is empty",
                "leave it out for all of sms, email, call and push",
            ));
        }
        if !(1..=1000).contains(&self.keep) {
            return Err(Unusable::new(format!("`keep` is {}", self.keep), "write 1 to 1000"));
        }
        Ok(())
    }

    fn shows(&self) -> bool {
        true
    }

    fn open(&self, _: Tools) -> Result<Box<dyn Sender>, Unusable> {
        Ok(Box::new(Development { settings: self.clone(), kept: Mutex::default() }))
    }
}

struct Development {
    settings: Settings,
    kept: Mutex<VecDeque<Shown>>,
}

impl Sender for Development {
    fn deliver(&self, _: LetterId, letter: &Letter, _: Instant) -> Result<Accepted, NotTaken> {
        let shown = Shown {
            at_ms: os::unix_now().0,
            channel: letter.channel,
            purpose: letter.purpose,
            to: letter.to.expose().clone(),
            text: letter.text.expose().clone(),
        };
        if self.settings.print {
            print(&shown);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() >= self.settings.keep {
            kept.pop_front();
        }
        kept.push_back(shown);
        Ok(Accepted { reference: None, delivered: true })
    }

    fn shown(&self) -> Option<Vec<Shown>> {
        Some(self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect())
    }
}

/// Straight to the terminal: never through the log, which may be kept.
fn print(shown: &Shown) {
    use std::io::Write as _;
    let Shown { channel, to, text, .. } = shown;
    // A server goes on when nobody reads what it prints.
    let _ = writeln!(
        std::io::stdout(),
        "[DEVELOPMENT SENDER: printed, not sent; never for real callers] {channel} to {to}: {text}"
    );
}
