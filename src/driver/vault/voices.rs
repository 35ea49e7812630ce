//! The voices that customers are known by: sealed under each customer's own key, with the model that they were made
//! with and the consent that they were made after. Removing the factor or the customer destroys them.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Vault, VaultError, enrolment_label};
use crate::auth::FactorId;
use crate::driver::seal;
use crate::driver::store::StoreError;
use crate::secret::Secret;
use crate::units::UnixTime;
use crate::voice::print::compare::Heard;
use crate::voice::print::fingerprint::Fingerprint;
use crate::voice::print::{EMBEDDING, Voice};

/// A voice that somebody is known by.
#[derive(Clone)]
pub struct Known {
    /// The voice.
    pub heard: Heard,
    /// Who the model is that made it: another one's voices cannot be compared with it.
    pub model: String,
    /// What copies of the utterances are recognised by.
    pub fingerprints: Vec<Fingerprint>,
    /// What the customer agreed to.
    pub consent: Consent,
}

/// What a customer agreed to before their voice was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
pub struct Consent {
    /// What they were told, or where that is written.
    pub notice: String,
    /// When they agreed, in milliseconds since 1970.
    pub at: i64,
}

/// As it is kept.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    model: String,
    numbers: Vec<f32>,
    seconds: f32,
    fingerprints: Vec<Fingerprint>,
    consent: Consent,
}

const FORMAT: u32 = 1;
/// The fewest and the most letters of a notice.
const NOTICE: std::ops::RangeInclusive<usize> = 8..=500;

impl Vault {
    /// Knows a customer by this voice from now on, in the place of the one before.
    ///
    /// # Errors
    /// Without a consent; when there is no such customer, or the store or the audit log fails.
    pub fn enrol_voice(&self, now: UnixTime, id: &str, known: &Known) -> Result<(), VaultError> {
        let row = self.required(id)?;
        if !NOTICE.contains(&known.consent.notice.trim().len()) {
            return Err(VaultError::Field(
                "a voice is kept only after consent: say in 8 to 500 letters what the customer was told and agreed to",
            ));
        }
        let kept = Kept {
            format: FORMAT,
            model: known.model.clone(),
            numbers: known.heard.voice.numbers().to_vec(),
            seconds: known.heard.seconds,
            fingerprints: known.fingerprints.clone(),
            consent: known.consent.clone(),
        };
        let json = Secret::new(serde_json::to_vec(&kept).map_err(|_| StoreError::Row)?);
        let _turn = self.turn(row.key);
        self.enrol(now, &self.enrolment(&row, FactorId::Voiceprint, &json, None)?)
    }

    /// The voice that a customer is known by, if there is one.
    ///
    /// # Errors
    /// When there is no such customer, or what is kept does not open.
    pub fn known_voice(&self, id: &str) -> Result<Option<Known>, VaultError> {
        let row = self.required(id)?;
        let Some(enrolment) = self.store.enrolment(row.key, FactorId::Voiceprint)? else { return Ok(None) };
        let label = enrolment_label(&row.key, FactorId::Voiceprint);
        let opened = seal::open(&self.own_key(&row)?, label, &enrolment.data)?;
        let kept: Kept = serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?;
        let numbers = <[f32; EMBEDDING]>::try_from(kept.numbers.as_slice()).map_err(|_| StoreError::Row)?;
        let voice = Voice::new(numbers).filter(|_| kept.format == FORMAT).ok_or(StoreError::Row)?;
        Ok(Some(Known {
            heard: Heard { voice, seconds: kept.seconds },
            model: kept.model.clone(),
            fingerprints: kept.fingerprints.clone(),
            consent: kept.consent.clone(),
        }))
    }
}
