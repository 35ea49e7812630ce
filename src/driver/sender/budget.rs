//! How many letters may be sent, and to where: what keeps a caller from having the engine pay for short messages
//! to numbers whose owners earn by them.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::letter::Channel;
use crate::driver::numbers::{allowed, international, is_beginning};

/// `letters:` in `countersign.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LettersConfig {
    /// Beginnings of the telephone numbers that short messages and calls may go to, such as `+44`. All others
    /// are refused.
    pub countries: Vec<String>,
    /// To one address: a number that several subjects share counts once.
    pub address: PerHourAndDay,
    /// For one subject, whatever the channel.
    pub subject: PerDay,
    /// Of this engine, in each channel.
    pub engine: PerHourAndDay,
}

/// A budget for an hour and one for a day.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PerHourAndDay {
    /// Within any 60 minutes.
    pub hour: u32,
    /// Within any 24 hours.
    pub day: u32,
}

/// A budget for a day.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PerDay {
    /// Within any 24 hours.
    pub day: u32,
}

impl Default for LettersConfig {
    fn default() -> Self {
        Self {
            countries: Vec::new(),
            address: PerHourAndDay { hour: 5, day: 10 },
            subject: PerDay { day: 15 },
            engine: PerHourAndDay { hour: 500, day: 5000 },
        }
    }
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Letters to one address.
    Address,
    /// Letters of one subject.
    Subject,
    /// All letters of a channel that are really sent.
    Engine,
}

impl Scope {
    /// Its name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Subject => "subject",
            Self::Engine => "engine",
        }
    }
}

/// One budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What it counts.
    pub scope: Scope,
    /// Within how long.
    pub within: Duration,
    /// How many.
    pub most: u32,
}

/// All budgets, the narrowest first: what is told of a refusal is then the nearest cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets([Budget; 5]);

impl Budgets {
    /// The budgets.
    pub fn all(&self) -> impl Iterator<Item = Budget> + '_ {
        self.0.iter().copied()
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why `letters:` can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LettersError {
    /// No beginning of a number.
    #[error(
        "`{0}` in `letters.countries` is no beginning of telephone numbers\n  help: write + and the country code, such as \"+44\""
    )]
    Country(String),
    /// A sender of short messages or calls, and no country.
    #[error(
        "the sender `{0}` sends to telephone numbers, and no country is allowed\n  help: write the beginnings of your \
         customers' numbers, such as `letters: {{countries: [\"+44\"]}}`"
    )]
    NoCountry(String),
    /// A budget of nothing.
    #[error(
        "`letters.{0}` allows no letter at all\n  help: write 1 or more; to send nothing, remove the senders"
    )]
    Nothing(&'static str),
}

impl LettersConfig {
    /// The budgets.
    #[must_use]
    pub const fn budgets(&self) -> Budgets {
        let Self { address, subject, engine, .. } = self;
        Budgets([
            Budget { scope: Scope::Address, within: HOUR, most: address.hour },
            Budget { scope: Scope::Address, within: DAY, most: address.day },
            Budget { scope: Scope::Subject, within: DAY, most: subject.day },
            Budget { scope: Scope::Engine, within: HOUR, most: engine.hour },
            Budget { scope: Scope::Engine, within: DAY, most: engine.day },
        ])
    }

    /// Tells whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), LettersError> {
        if let Some(wrong) = self.countries.iter().find(|country| !is_beginning(country)) {
            return Err(LettersError::Country(wrong.clone()));
        }
        let budgets = [
            ("address.hour", self.address.hour),
            ("address.day", self.address.day),
            ("subject.day", self.subject.day),
            ("engine.hour", self.engine.hour),
            ("engine.day", self.engine.day),
        ];
        budgets
            .into_iter()
            .find(|(_, most)| *most == 0)
            .map_or(Ok(()), |(name, _)| Err(LettersError::Nothing(name)))
    }

    /// Whether letters may go there. An address is one that a provider can take as it is: nothing in it may be
    /// read as a header, a second address or a command.
    #[must_use]
    pub fn allows(&self, channel: Channel, to: &str) -> bool {
        match channel {
            Channel::Sms | Channel::Call => {
                international(to).is_some_and(|number| allowed(&self.countries, &number).is_ok())
            }
            Channel::Email => is_mail_address(to),
            Channel::Push => !to.is_empty() && to.len() <= 2048 && !to.contains(char::is_control),
        }
    }
}

/// One plain address of RFC 5321 §4.1.2, without quoting or comments.
fn is_mail_address(to: &str) -> bool {
    let Some((local, domain)) = to.rsplit_once('@') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=64).contains(&local.len())
        && local.chars().all(plain)
        && !local.starts_with(['.', '-'])
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.len() <= 253
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn countries(list: &[&str]) -> LettersConfig {
        LettersConfig {
            countries: list.iter().map(|&text| text.to_owned()).collect(),
            ..LettersConfig::default()
        }
    }

    #[test]
    fn only_numbers_of_the_countries_that_are_named_are_allowed() {
        let table: &[(&[&str], &str, bool)] = &[
            (&["+44"], "+447400123456", true),
            (&["+44"], "+44 7400 (123) 456", true),
            (&["+44"], "+353861234567", false),
            (&["+44"], "07400123456", false),
            (&["+44"], "00447400123456", false),
            (&[], "+447400123456", false),
            (&["+44"], "+449098790123", false),
            (&["+44"], "+447012345678", false),
            (&["+44"], "+447797712345", false),
            (&["+44", "+447797"], "+447797712345", true),
            (&["+1"], "+14155550100", true),
            (&["+1"], "+18765550100", false),
            (&["+1", "+1876"], "+18765550100", true),
            (&["+1876"], "+14155550100", false),
            (&["+7"], "+77012345678", false),
            (&["+7"], "+79012345678", true),
            (&["+4479"], "+447400123456", false),
            (&["+44"], "+44 7400 123456;ext=1", false),
            (&["+44"], "+44", false),
            (&["+44"], "+4474001234567890", false),
            (&["+44"], "+447400123456\r\nX: y", false),
        ];
        for (list, number, allowed) in table {
            for channel in [Channel::Sms, Channel::Call] {
                assert_eq!(countries(list).allows(channel, number), *allowed, "{list:?} {number}");
            }
        }
    }

    #[test]
    fn an_address_that_says_more_than_an_address_is_refused() {
        let config = LettersConfig::default();
        for good in
            ["a@b.example", "amelia.archer+bank@mail.example.co.uk", "o'hara@x.example", "x@localhost"]
        {
            assert!(config.allows(Channel::Email, good), "{good}");
        }
        let long = format!("{}@b.example", "x".repeat(65));
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b..example",
            "a b@c.example",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example, c@d.example",
            "<a@b.example>",
            "a@b.example>",
            "\"a\"@b.example",
            ".a@b.example",
            "-a@b.example",
            "a@-b.example",
            "ä@b.example",
            "a@[127.0.0.1]",
            &long,
        ] {
            assert!(!config.allows(Channel::Email, bad), "{bad}");
        }
        assert!(config.allows(Channel::Push, "device-1"));
        assert!(!config.allows(Channel::Push, "device\n1") && !config.allows(Channel::Push, ""));
    }

    #[test]
    fn what_is_no_beginning_and_a_budget_of_nothing_are_errors_with_help() {
        assert_eq!(countries(&["+44", "+1876"]).check(), Ok(()));
        for wrong in ["44", "+", "+0", "GB", "+44x", "+1234567890123456"] {
            let told = countries(&[wrong]).check().expect_err("no beginning").to_string();
            assert!(told.contains(wrong) && told.contains("help:"), "{told}");
        }
        let none = LettersConfig { subject: PerDay { day: 0 }, ..LettersConfig::default() };
        assert_eq!(none.check(), Err(LettersError::Nothing("subject.day")));
    }
}
