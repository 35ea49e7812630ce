//! The demo customer: reads the credentials that the first run wrote, and answers the bank's prompts.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::conversation::PromptAnswer;
use crate::auth::factor::totp::{self, Parameters};
use crate::driver::demo::CREDENTIALS_FILE;
use crate::driver::os;
use crate::secret::Secret;
use crate::units::Digit;

/// Why there is no demo customer.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The file can't be read.
    #[error(
        "cannot read {path}: {source}\n  help: start `countersign` without arguments once; it makes demo customers and writes this file"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The customer asked for is not in it.
    #[error("{path} has no complete customer number {number}\n  help: choose another with --customer")]
    NoCustomer {
        /// The file.
        path: PathBuf,
        /// The number asked for.
        number: usize,
    },
}

/// One demo customer's credentials.
pub struct Credentials {
    account: Secret<String>,
    pin: Secret<String>,
    totp_seed: Secret<Vec<u8>>,
}

impl Credentials {
    /// Reads customer `number`, counted from 1, from the data folder.
    ///
    /// # Errors
    /// [`DemoError`].
    pub fn read(folder: &Path, number: usize) -> Result<Self, DemoError> {
        let path = folder.join(CREDENTIALS_FILE);
        let text = Secret::new(
            fs::read_to_string(&path)
                .map_err(|source| DemoError::Unreadable { path: path.clone(), source })?,
        );
        Self::parse(text.expose(), number).ok_or(DemoError::NoCustomer { path, number })
    }

    fn parse(text: &str, number: usize) -> Option<Self> {
        let mut at = 0;
        let (mut account, mut pin, mut seed) = (None, None, None);
        for line in text.lines() {
            let Some((name, value)) = line.trim().split_once(char::is_whitespace) else { continue };
            let value = value.trim();
            match name {
                "customer" => at += 1,
                _ if at != number => {}
                "account" => account = Some(Secret::new(value.to_owned())),
                "pin" => pin = Some(Secret::new(value.to_owned())),
                "totp-secret" => {
                    let decoded = data_encoding::BASE32_NOPAD.decode(value.trim_end_matches('=').as_bytes());
                    seed = decoded.ok().map(Secret::new);
                }
                _ => {}
            }
        }
        Some(Self { account: account?, pin: pin?, totp_seed: seed? })
    }
}

/// What a demo customer presses at the bank's prompts: English, the account, its confirmation, first the
/// balance, then "yes, something else", then the cards (which ask for the second factor), then a person.
#[must_use]
pub fn demo_answers(credentials: Credentials) -> Vec<PromptAnswer> {
    let Credentials { account, pin, totp_seed } = credentials;
    let once = |prompt: &str, keys: &'static str| PromptAnswer {
        prompt: prompt.to_owned(),
        keys: Box::new(move || digits(keys)),
        again: false,
    };
    vec![
        once("choose_language", "1"),
        PromptAnswer {
            prompt: "account_number".to_owned(),
            keys: Box::new(move || digits(&format!("{}#", account.expose()))),
            again: false,
        },
        once("account_heard", "1"),
        once("main_menu", "1"),
        PromptAnswer {
            prompt: "pin_please".to_owned(),
            keys: Box::new(move || digits(&format!("{}#", pin.expose()))),
            again: false,
        },
        once("confirm_yes_no", "1"),
        once("main_menu", "3"),
        PromptAnswer {
            prompt: "totp_please".to_owned(),
            keys: Box::new(move || {
                let totp = Parameters::of(&totp::defaults());
                digits(totp.code(&totp_seed, totp.step_at(os::unix_now())).expose())
            }),
            again: false,
        },
        once("card_menu", "0"),
    ]
}

fn digits(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::from_char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "Demo customers. Delete this file before real use.\n\ncustomer C1001\naccount 44110021\n\
                        pin 80421537\ntotp-secret JBSWY3DPEHPK3PXP\n\ncustomer C1002\naccount 55220019\n";

    #[test]
    fn a_customer_is_read_from_the_file() {
        let first = Credentials::parse(FILE, 1).expect("a whole customer");
        assert!(first.account.matches(b"44110021") && first.pin.matches(b"80421537"));
        assert_eq!(first.totp_seed.expose(), b"Hello!\xde\xad\xbe\xef");
    }

    #[test]
    fn a_customer_without_every_credential_is_none() {
        assert!(Credentials::parse(FILE, 2).is_none());
        assert!(Credentials::parse(FILE, 3).is_none());
    }
}
