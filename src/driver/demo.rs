//! Customers to try the bank with: made once, their credentials written beside the database.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::vault::{NewSubject, Profile, Vault, VaultError};
use crate::auth::factor::totp;
use crate::secret::Secret;
use crate::units::UnixTime;

/// The file in the data folder.
pub const CREDENTIALS_FILE: &str = "demo-credentials.txt";

/// What the demo customers know and have.
pub struct Credentials {
    /// One entry each.
    pub customers: Vec<Customer>,
    /// The file that says the same.
    pub path: PathBuf,
}

/// One demo customer.
pub struct Customer {
    /// The identifier in services.
    pub id: &'static str,
    /// The account number.
    pub account: &'static str,
    /// The PIN.
    pub pin: Secret<String>,
    /// The TOTP seed in base 32.
    pub totp_secret: Secret<String>,
}

/// Why there are no demo customers.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The file can't be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Identifier, account (its last digit is the Luhn check digit of ISO/IEC 7812-1), telephone (from Ofcom's
/// range for drama), name, language.
const CUSTOMERS: [(&str, &str, &str, &str, &str); 3] = [
    ("C1001", "44110021", "+441632960101", "Amelia Archer", "en-GB"),
    ("C1002", "44110039", "+441632960102", "Benjamin Brook", "en-GB"),
    ("C1003", "44110047", "+441632960103", "Carmen Castro", "es-ES"),
];

/// Adds three customers with a random PIN and TOTP seed each, and writes their credentials to
/// `data/demo-credentials.txt`, readable by its owner only.
///
/// # Errors
/// When they exist already, or a store or file fails.
pub fn create_customers(vault: &Vault, data: &Path, now: UnixTime) -> Result<Credentials, DemoError> {
    let profile = |(id, account, phone, name, language): (&str, &str, &str, &str, &str)| Profile {
        id: id.into(),
        account: account.into(),
        phone: phone.into(),
        name: name.into(),
        language: language.into(),
        email: String::new(),
        declined: Vec::new(),
    };
    let mut new = Vec::new();
    for row in CUSTOMERS {
        let profile = profile(row);
        let pin = Some(vault.random_pin(&profile)?);
        new.push(NewSubject { profile, pin, pin_hash: None });
    }
    vault.add_subjects(now, &new).map_err(|errors| {
        let first = errors.into_iter().next().map(|first| first.error);
        first.unwrap_or(VaultError::Field("the demo customers can't be added"))
    })?;
    let mut customers = Vec::new();
    for ((id, account, ..), subject) in CUSTOMERS.into_iter().zip(new) {
        let (_, seed) = vault.enrol_totp(now, id)?;
        let pin = subject.pin.unwrap_or(Secret::new(String::new()));
        customers.push(Customer { id, account, pin, totp_secret: totp::base32(&seed) });
    }
    let path = data.join(CREDENTIALS_FILE);
    write(&path, &customers).map_err(|source| DemoError::Io { path: path.clone(), source })?;
    Ok(Credentials { customers, path })
}

fn write(path: &Path, customers: &[Customer]) -> io::Result<()> {
    let mut text = Secret::new(String::from(
        "# Demo customers of this data folder, for trying the bank. Not for production: remove this file and\n\
         # the customers (`countersign subject erase C1001`, …) before real callers come.\n",
    ));
    for customer in customers {
        let block = Secret::new(format!(
            "\ncustomer {}\naccount {}\npin {}\ntotp-secret {}\n",
            customer.id,
            customer.account,
            customer.pin.expose(),
            customer.totp_secret.expose()
        ));
        text.expose_mut().push_str(block.expose());
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_demo_account_passes_the_luhn_check() {
        for (id, account, ..) in CUSTOMERS {
            let sum: u32 = (0..)
                .zip(account.bytes().rev())
                .map(|(place, byte)| {
                    let digit = u32::from(byte - b'0') * (1 + place % 2);
                    digit / 10 + digit % 10
                })
                .sum();
            assert_eq!(sum % 10, 0, "{id}");
        }
    }
}
