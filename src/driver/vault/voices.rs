//! The voices that customers are known by: sealed under each customer's own key, with the model that they were made
//! with and the consent that they were made after. Removing the factor or the customer destroys them.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::hearing::{MOST_ACCEPTED, copied, is_prompt};
use super::{Vault, VaultError, enrolment_label, logged};
use crate::auth::{AuditEvent, AuditKind, Enrolment, FactorId, Grant, Poor, Spoken};
use crate::driver::seal;
use crate::driver::store::{Change, EnrolmentRow, StoreError, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;
use crate::voice::print::compare::Heard;
use crate::voice::print::enrolment;
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
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    format: u32,
    pub(super) model: String,
    numbers: Vec<f32>,
    seconds: f32,
    pub(super) fingerprints: Vec<Fingerprint>,
    /// Of what was said since, and accepted.
    #[serde(default)]
    pub(super) accepted: Vec<Fingerprint>,
    consent: Consent,
}

impl Kept {
    fn of(known: &Known) -> Self {
        Self {
            format: FORMAT,
            model: known.model.clone(),
            numbers: known.heard.voice.numbers().to_vec(),
            seconds: known.heard.seconds,
            fingerprints: known.fingerprints.clone(),
            accepted: Vec::new(),
            consent: known.consent.clone(),
        }
    }

    /// Nobody's, of no model and with as many fingerprints as somebody has who calls now and then.
    pub(super) fn nobody(chance: &[u8; 32]) -> Self {
        let mut numbers = vec![0.0; EMBEDDING];
        let signs = chance.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        numbers.iter_mut().zip(signs).for_each(|(number, up)| *number = if up { 1.0 } else { -1.0 });
        let step = |n: u32| n.wrapping_mul(0x9E37_79B9).rotate_left(n % 31);
        let bits = |of: u32| (0..STAND_IN_STEPS).map(|n| step(n ^ of << 16 ^ u32::from(chance[0]))).collect();
        Self {
            format: FORMAT,
            model: String::new(),
            numbers,
            seconds: 12.0,
            fingerprints: (0..STAND_IN_FINGERPRINTS).map(|of| Fingerprint::from_bits(bits(of))).collect(),
            accepted: Vec::new(),
            consent: Consent { notice: String::new(), at: 0 },
        }
    }

    /// What copies are recognised by: of what it was enrolled with, and of what was accepted since.
    pub(super) fn all(&self) -> impl Iterator<Item = &Fingerprint> {
        self.fingerprints.iter().chain(&self.accepted)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|_| StoreError::Row)
    }

    /// `None` when it is no voice.
    pub(super) fn heard(&self) -> Option<Heard> {
        let numbers = <[f32; EMBEDDING]>::try_from(self.numbers.as_slice()).ok()?;
        let voice = Voice::new(numbers).filter(|_| self.format == FORMAT)?;
        Some(Heard { voice, seconds: self.seconds })
    }
}

const FORMAT: u32 = 1;
/// Of an utterance of four seconds; of as many as an enrolment has and some calls.
const STAND_IN_STEPS: u32 = 400;
const STAND_IN_FINGERPRINTS: u32 = 8;
/// The fewest and the most letters of a notice.
const NOTICE: std::ops::RangeInclusive<usize> = 8..=500;

impl Vault {
    /// Knows a customer by this voice from now on, in the place of the one before.
    ///
    /// # Errors
    /// Without a consent; when there is no such customer, or the store or the audit log fails.
    pub fn enrol_voice(&self, now: UnixTime, id: &str, known: &Known) -> Result<(), VaultError> {
        let row = self.required(id)?;
        let enrolment = self.voice_enrolment(&row, known)?;
        let _turn = self.turn(row.key);
        self.enrol(now, &enrolment)
    }

    /// A voice as it is kept of a subject.
    fn voice_enrolment(&self, row: &SubjectRow, known: &Known) -> Result<EnrolmentRow, VaultError> {
        if !NOTICE.contains(&known.consent.notice.trim().len()) {
            return Err(VaultError::Field(
                "a voice is kept only after consent: say in 8 to 500 letters what the customer was told and agreed to",
            ));
        }
        let json = Secret::new(Kept::of(known).to_json()?);
        self.enrolment(row, FactorId::Voiceprint, &json, None)
    }

    /// What is kept of a voice.
    pub(super) fn open_voice(&self, row: &SubjectRow, enrolment: &EnrolmentRow) -> Result<Kept, VaultError> {
        let label = enrolment_label(&row.key, FactorId::Voiceprint);
        let opened = seal::open(&self.own_key(row)?, label, &enrolment.data)?;
        Ok(serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?)
    }

    /// Knows a caller who has proved who they are by what they said in this call. `None`: nobody can tell voices apart,
    /// or there is no such subject any more.
    pub(super) fn keep_voice(
        &self,
        now: UnixTime,
        grant: &Grant,
        spoken: &Spoken,
        replace: bool,
    ) -> Result<Option<Enrolment>, VaultError> {
        let key = grant.subject().key();
        let (Some(voices), Some(row)) = (self.voices(), self.store.subject(key)?) else { return Ok(None) };
        let heard: Vec<_> = spoken.said.iter().filter_map(|said| voices.measure(&said.utterance)).collect();
        // Whoever is known anew is not known by what was said before.
        let before = self.store.enrolment(key, FactorId::Voiceprint)?;
        let before = before.and_then(|old| logged("voice", self.open_voice(&row, &old)).ok());
        let before: Vec<Fingerprint> = before.iter().flat_map(Kept::all).cloned().collect();
        let copies = heard.iter().any(|one| copied(&one.fingerprint, before.iter()))
            || spoken.said.iter().any(is_prompt);
        let judged = if copies {
            Err(Poor::Copy)
        } else if heard.len() == spoken.said.len() {
            enrolment::enrol(&heard, voices.calibration()).map_err(Poor::from)
        } else {
            Err(Poor::Short)
        };
        let suspect = self.suspect(now, &voices, &heard)?;
        let refusal = match &judged {
            _ if self.store.throttle(key)?.locked(now) => Some(Enrolment::Locked),
            _ if !replace && self.store.enrolled(key)?.contains(&FactorId::Voiceprint) => {
                Some(Enrolment::Exists)
            }
            _ if suspect.is_some() => Some(Enrolment::Refused),
            Err(poor) => Some(Enrolment::Poor(*poor)),
            Ok(_) => None,
        };
        let enrolment = match (judged, refusal) {
            (Ok(together), None) => {
                let known = Known {
                    heard: together,
                    model: voices.model().to_owned(),
                    fingerprints: before
                        .into_iter()
                        .rev()
                        .take(MOST_ACCEPTED)
                        .chain(heard.into_iter().map(|one| one.fingerprint))
                        .collect(),
                    consent: Consent { notice: spoken.consent.clone(), at: now.0 },
                };
                Some(self.voice_enrolment(&row, &known)?)
            }
            _ => None,
        };
        let factor = FactorId::Voiceprint;
        let (change, kind) = match &enrolment {
            Some(enrolment) => (Change::Enrol(enrolment), AuditKind::Enrolled { factor }),
            None => (Change::Nothing, AuditKind::EnrolmentRefused { factor }),
        };
        let about = |kind| AuditEvent { call: Some(grant.call()), subject: Some(key), kind };
        let heard_of = suspect.map(|entry| about(AuditKind::FraudsterHeard { entry }));
        let events: Vec<AuditEvent> = std::iter::once(about(kind)).chain(heard_of).collect();
        self.audited(now, change, &events)?;
        Ok(Some(refusal.unwrap_or(Enrolment::Done)))
    }

    /// The voice that a customer is known by, if there is one.
    ///
    /// # Errors
    /// When there is no such customer, or what is kept does not open.
    pub fn known_voice(&self, id: &str) -> Result<Option<Known>, VaultError> {
        let row = self.required(id)?;
        let Some(enrolment) = self.store.enrolment(row.key, FactorId::Voiceprint)? else { return Ok(None) };
        let kept = self.open_voice(&row, &enrolment)?;
        let heard = kept.heard().ok_or(StoreError::Row)?;
        let fingerprints = kept.all().cloned().collect();
        Ok(Some(Known { heard, model: kept.model.clone(), fingerprints, consent: kept.consent.clone() }))
    }
}
