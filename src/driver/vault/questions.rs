//! Questions that only the subject can answer: which ones are asked, and their answers at enrolment.

use super::{TENANT, Vault, VaultError, enrolment_label, logged};
use crate::auth::factor::questions;
use crate::auth::throttle::Throttle;
use crate::auth::{FactorId, FactorPolicy, Policy, Prepared, QuestionId, Source, SubjectKey};
use crate::driver::seal::{self, keyed_hash, random};
use crate::driver::store::EnrolmentRow;
use crate::secret::Secret;
use crate::units::UnixTime;

impl Vault {
    /// Keeps a subject's answers, in the place of those that there were.
    ///
    /// # Errors
    /// What is wrong with an answer, or what failed.
    pub fn enrol_questions(
        &self,
        now: UnixTime,
        id: &str,
        answers: &[(QuestionId, Secret<String>)],
    ) -> Result<(), VaultError> {
        let policy = self.factor_policy(FactorId::Questions)?;
        let row = self.required(id)?;
        let keyed = questions::check(&policy.questions, answers)?;
        let salts = keyed.iter().map(|_| random()).collect::<Result<Vec<_>, _>>()?;
        let peppers = self.peppers();
        let pepper = peppers.current();
        let data = questions::encode(&pepper.key, TENANT, row.key, &keyed, &salts)?;
        let enrolment = self.enrolment(&row, FactorId::Questions, &data, None)?;
        self.enrol(now, &EnrolmentRow { key_id: pepper.id.clone(), ..enrolment })
    }

    /// Which questions a subject is asked now. Somebody who is not there is asked what the subject next to them
    /// could be.
    pub(super) fn prepare_questions(
        &self,
        now: UnixTime,
        policy: &Policy,
        source: &Source,
        subject: SubjectKey,
    ) -> Prepared {
        let Some(used) = policy.factor(FactorId::Questions) else { return Prepared::Unavailable };
        let prepared = self.store.throttle(subject).map_err(VaultError::from).and_then(|throttle| {
            let asked = self.questions_now(used, subject, &throttle)?;
            Ok((self.locked_out(now, policy, source, subject)?, asked))
        });
        match logged("questions", prepared) {
            Ok((true, _)) => Prepared::Locked,
            Ok((false, asked)) if asked.is_empty() => Prepared::Exhausted,
            Ok((false, asked)) => Prepared::Questions(asked),
            Err(_) => Prepared::Unavailable,
        }
    }

    /// Whether a response answers the questions that were asked, and no others.
    pub(super) fn answers_those_asked(
        &self,
        policy: &FactorPolicy,
        subject: SubjectKey,
        before: &Throttle,
        response: &Secret<String>,
    ) -> Result<bool, VaultError> {
        let mut asked = self.questions_now(policy, subject, before)?;
        let mut named = questions::named(response);
        asked.sort_unstable();
        named.sort_unstable();
        Ok(asked == named)
    }

    fn questions_now(
        &self,
        policy: &FactorPolicy,
        subject: SubjectKey,
        throttle: &Throttle,
    ) -> Result<Vec<QuestionId>, VaultError> {
        let factor = FactorId::Questions;
        let nearest = self.store.nearest(subject)?.unwrap_or(subject);
        let found = self.store.subject(nearest)?.zip(self.store.enrolment(nearest, factor)?);
        let answered = match found {
            Some((row, kept)) => {
                let own = self.own_key(&row)?;
                questions::answered(&seal::open(&own, enrolment_label(&row.key, factor), &kept.data)?)?
            }
            // Nobody is there at all, or nothing is kept of this subject.
            None if self.store.nearest(subject)?.is_some() => Vec::new(),
            None => policy.questions.list.iter().map(|(id, _)| id.clone()).collect(),
        };
        let draw = |question: &QuestionId| {
            let parts = [factor.name().as_bytes(), &subject.0, question.as_str().as_bytes()];
            keyed_hash(&self.ghosts, &parts)
        };
        Ok(questions::chosen(&policy.questions, &answered, throttle.run(factor), draw))
    }
}
