//! Whom the vault works on in the place of somebody who is not there: the same work for the same question.

use super::admin::{self, Profile};
use super::erasing::Wrapping;
use super::voices::Kept;
use super::{TENANT, Vault, VaultError, enrolment_label};
use crate::auth::factor::pin::PinHash;
use crate::auth::factor::totp::{self, Parameters};
use crate::auth::factor::{hotp, questions, recovery};
use crate::auth::{FactorId, QuestionId, SubjectKey};
use crate::driver::keys::NamedKey;
use crate::driver::seal::{self, random};
use crate::driver::store::{EnrolmentRow, StoreError, SubjectRow};
use crate::secret::Secret;

/// Nobody, with everything enrolled and nothing that anybody knows.
pub(super) struct StandIn {
    pub(super) row: SubjectRow,
    pub(super) enrolments: Vec<EnrolmentRow>,
    /// What its enrolments were made with.
    pub(super) pepper: NamedKey,
}

impl StandIn {
    pub(super) fn make(wrapping: &Wrapping, pepper: &NamedKey) -> Result<Self, VaultError> {
        let (row, own) = admin::new_row(wrapping, &Profile::stand_in(), Vec::new())?;
        let subject = row.key;
        let enrolment = |factor: &FactorId| {
            let Some(data) = data_of(*factor)? else { return Ok(None) };
            let data = seal::seal(&own, enrolment_label(&subject, *factor), data.expose())?;
            let key_id = pepper.id.clone();
            Ok::<_, VaultError>(Some(EnrolmentRow {
                subject,
                factor: *factor,
                data,
                key_id,
                last_step: None,
            }))
        };
        let enrolments = FactorId::ALL
            .iter()
            .filter_map(|factor| enrolment(factor).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self { row, enrolments, pepper: pepper.clone() })
    }
}

impl Vault {
    /// The row of a subject and that it is theirs; of somebody who is not there the row next to where it would be,
    /// which differs from one's own as people's rows do. The work is the same, and so is its time.
    pub(super) fn row_or_next(&self, subject: SubjectKey) -> Result<(SubjectRow, bool), StoreError> {
        let next = self.store.nearest(subject)?;
        let row = self.store.subject(next.unwrap_or(subject))?;
        let real = next == Some(subject) && row.is_some();
        Ok((row.unwrap_or_else(|| self.stand_in.row.clone()), real))
    }

    /// What is on file in such a row. A neighbour's that does not open, half erased as it may be, is nobody's loss.
    pub(super) fn profile_or_next(&self, row: &SubjectRow, real: bool) -> Result<Profile, VaultError> {
        self.profile(row).or_else(|error| if real { Err(error) } else { self.profile(&self.stand_in.row) })
    }
}

/// What nobody has enrolled; `None` when nothing is kept of a factor.
fn data_of(factor: FactorId) -> Result<Option<Secret<Vec<u8>>>, VaultError> {
    let secret = Secret::new(random::<32>()?);
    Ok(Some(match factor {
        FactorId::Pin | FactorId::Password => {
            Secret::new(PinHash::make(&secret, random()?)?.encode().into_bytes())
        }
        FactorId::Totp => {
            let seed = Secret::new(random::<{ totp::SEED_BYTES }>()?.to_vec());
            totp::encode(Parameters::of(&totp::defaults()), &seed)?
        }
        FactorId::Hotp => hotp::encode(hotp::Fob::of(&hotp::defaults()), &random::<{ totp::SEED_BYTES }>()?)?,
        FactorId::Questions => {
            let nothing = Secret::new(data_encoding::HEXLOWER.encode(secret.expose()));
            let answers = [(QuestionId::from("nothing"), nothing)];
            questions::encode(&secret, TENANT, SubjectKey([0; 16]), &answers, &[random()?])?
        }
        FactorId::Voiceprint => Secret::new(Kept::nobody(secret.expose()).to_json()?),
        FactorId::Recovery => recovery::stand_in(&secret, random()?)?,
        _ => return Ok(None),
    }))
}
