//! The vault's way to the outside: who takes the letters that it writes, what they are counted by, and the
//! addresses on file.

use std::sync::{Arc, PoisonError};

use super::{TENANT, Vault, VaultError};
use crate::auth::SubjectKey;
use crate::driver::seal::keyed_hash;
use crate::driver::sender::{Budgets, Channel, Courier, LetterId, Purpose, Report, Status};
use crate::driver::store::StoreError;
use crate::driver::store::letters::{LetterRow, Move, Taken};
use crate::secret::Secret;
use crate::units::UnixTime;

/// A letter that is to be counted.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    /// Its way.
    pub channel: Channel,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub subject: SubjectKey,
    /// To where; `None` when it is pretended.
    pub to: Option<&'a Secret<String>>,
    /// Its text, when the same one is not to be sent twice. Never one with a code.
    pub same: Option<&'a Secret<String>>,
}

/// Where a subject can be written to.
pub struct OnFile {
    /// The telephone number.
    pub phone: Secret<String>,
    /// The mail address; may be empty.
    pub email: Secret<String>,
    /// The identifier, which names the subject's device to whoever brings messages there.
    pub id: Secret<String>,
    /// The language, such as `en-GB`; may be empty.
    pub language: String,
}

impl OnFile {
    /// The address for a channel, when there is one on file.
    #[must_use]
    pub fn address(&self, channel: Channel) -> Option<Secret<String>> {
        let address = match channel {
            Channel::Sms | Channel::Call => &self.phone,
            Channel::Email => &self.email,
            Channel::Push => &self.id,
        };
        (!address.expose().is_empty()).then(|| address.clone())
    }
}

impl Vault {
    /// Gives it somebody who takes letters. Without one, factors that need a letter are unavailable.
    pub fn set_courier(&self, courier: Arc<dyn Courier>) {
        *self.courier.write().unwrap_or_else(PoisonError::into_inner) = Some(courier);
    }

    /// Who takes letters, if anybody does.
    #[must_use]
    pub fn courier(&self) -> Option<Arc<dyn Courier>> {
        self.courier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a letter by the budgets and keeps it, by keyed hashes.
    ///
    /// # Errors
    /// When the store fails: the letter must not be sent then.
    pub fn take_letter(
        &self,
        now: UnixTime,
        id: LetterId,
        writing: &Writing<'_>,
        budgets: &Budgets,
    ) -> Result<Taken, StoreError> {
        let Writing { channel, purpose, subject, to, same } = *writing;
        // A number is one address, by whichever channel.
        let way = if channel == Channel::Call { Channel::Sms } else { channel }.name().as_bytes();
        let address = match to {
            Some(to) => {
                keyed_hash(&self.lookup, &[TENANT.as_bytes(), b"address", way, to.expose().as_bytes()])
            }
            // Somebody who is not there has an address of each way as well: nobody else's.
            None => keyed_hash(&self.ghosts, &[TENANT.as_bytes(), b"address", way, &subject.0]),
        };
        let same = same.map(|text| {
            keyed_hash(&self.lookup, &[TENANT.as_bytes(), b"letter", &address, text.expose().as_bytes()])
        });
        let status = if to.is_some() { Status::Queued } else { Status::Pretended };
        let row = LetterRow {
            id,
            at: now,
            channel,
            purpose,
            subject,
            address,
            same,
            status,
            changed: now,
            sender: None,
            reference: None,
            reason: None,
        };
        self.store.take_letter(&row, budgets)
    }

    /// Notes what became of a letter.
    ///
    /// # Errors
    /// When the store fails.
    pub fn move_letter(&self, id: LetterId, to: &Move<'_>) -> Result<bool, StoreError> {
        self.store.move_letter(id, to)
    }

    /// Notes what a provider told of a letter; `None` when it is none that waits for word.
    ///
    /// # Errors
    /// When the store fails.
    pub fn letter_reported(
        &self,
        sender: &str,
        report: &Report,
        reason: Option<&str>,
    ) -> Result<Option<LetterId>, StoreError> {
        let id = match report.letter {
            Some(id) => Some(id),
            None => self.store.letter_called(sender, &report.reference)?,
        };
        let Some(id) = id else { return Ok(None) };
        let reference = Some(report.reference.as_str()).filter(|reference| !reference.is_empty());
        let to =
            Move { at: self.calendar.now(), status: report.status, sender: Some(sender), reference, reason };
        Ok(self.store.move_letter(id, &to)?.then_some(id))
    }

    /// Letters that were queued when the engine ended: says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub fn abandon_letters(&self) -> Result<usize, StoreError> {
        self.store.abandon_letters(self.calendar.now())
    }

    /// The last letters, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn letters(&self, limit: u32) -> Result<Vec<LetterRow>, StoreError> {
        self.store.letters(limit)
    }

    /// Where a subject can be written to; `None` when there is no such subject, after the same work.
    ///
    /// # Errors
    /// When the store fails.
    pub fn on_file(&self, subject: SubjectKey) -> Result<Option<OnFile>, VaultError> {
        let (row, real) = self.row_or_next(subject)?;
        let profile = self.profile_or_next(&row, real)?;
        let found = OnFile {
            phone: Secret::new(profile.phone.clone()),
            email: Secret::new(profile.email.clone()),
            id: Secret::new(profile.id.clone()),
            language: profile.language.clone(),
        };
        Ok(real.then_some(found))
    }
}
