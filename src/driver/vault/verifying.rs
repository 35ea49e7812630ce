//! Is this response right? Counted before it is judged, settled after.

use super::{Vault, VaultError, limits::Counting, logged};
use crate::auth::factor::voiceprint::Joined;
use crate::auth::factor::{Meeting, Peppering};
use crate::auth::{Answer, AuditKind, FactorId, Policy, Response, Source, SubjectKey, Verdict};
use crate::driver::store::Change;
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// A response that is to be judged: whose it should be, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) subject: SubjectKey,
    pub(super) factor: FactorId,
    pub(super) source: &'a Source,
    pub(super) call: CallId,
}

/// What came of it.
#[derive(Clone, Copy)]
pub(super) struct Settled {
    pub(super) verdict: Verdict,
    pub(super) locked: bool,
    /// What was sent is too old.
    pub(super) expired: bool,
    /// It was accepted and says that the caller is not free.
    pub(super) forced: bool,
    /// Whether the words of a voice sounded put together.
    pub(super) joined: Joined,
}

impl Settled {
    /// Wrong.
    pub(super) const fn rejected(locked: bool, expired: bool) -> Self {
        Self { verdict: Verdict::Reject, locked, expired, forced: false, joined: Joined::NotAsked }
    }

    /// Right.
    pub(super) const fn accepted(forced: bool) -> Self {
        Self { verdict: Verdict::Accept, locked: false, expired: false, forced, joined: Joined::NotAsked }
    }
}

impl Vault {
    pub(super) fn verify(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
        response: &Response,
    ) -> Answer {
        let _turn = self.turn(asked.subject);
        let unavailable = Settled { verdict: Verdict::Unavailable, ..Settled::rejected(false, false) };
        let judged = match (asked.factor.meeting(), response) {
            (Meeting::Spoken, Response::Spoken(spoken)) => self.counted_voice(now, policy, asked, spoken),
            // A voice is not keyed, and nothing else is known by its sound.
            (Meeting::Spoken, _) | (_, Response::Spoken(_)) => Ok(unavailable),
            (Meeting::Sent, Response::Keyed(keyed)) => self.counted_code(now, policy, asked, keyed),
            (Meeting::Silent, Response::Keyed(keyed)) => self.judged_number(now, policy, asked, keyed),
            (_, Response::Keyed(keyed)) => self.counted(now, policy, asked, keyed),
        };
        let Settled { verdict, locked, expired, forced, joined } =
            logged("verify", judged).unwrap_or(unavailable);
        if forced {
            return Answer::Forced;
        }
        if joined != Joined::NotAsked {
            return Answer::Voice { verdict, locked, joined };
        }
        let used = asked.factor == FactorId::Recovery && verdict == Verdict::Accept;
        let left = used.then(|| logged("verify", self.recovery_left(asked.subject)).ok().flatten()).flatten();
        Answer::Verdict { verdict, locked, expired, left }
    }

    /// Counts, judges, settles: in this order, with a commit after the first and the last.
    fn counted(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
        response: &Secret<String>,
    ) -> Result<Settled, VaultError> {
        let Asked { subject, factor, .. } = *asked;
        let used = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        let counting = self.reserve(now, policy, asked)?;
        let fewer = counting.fewer.map(|codes| used.narrowed(codes));
        let used = fewer.as_ref().unwrap_or(used);
        let peppers = self.peppers();
        let by = (&*peppers, policy.duress.is_some());
        let judged = self.judge(now, (subject, factor), response, used, by)?;
        let Counting { reserved, may, locked, .. } = &counting;
        let those_asked = factor != FactorId::Questions
            || self.answers_those_asked(used, subject, &reserved.before, response)?;
        let judged = judged.filter(|_| *may && those_asked);
        let forced = judged.as_ref().is_some_and(|(_, forced, _)| *forced);
        let renewed = match judged.as_ref().and_then(|(judged, ..)| judged.renewed.as_ref()) {
            Some(data) => Some(self.seal_enrolment(subject, factor, data)?),
            None => None,
        };
        let change = match (&judged, renewed) {
            (Some((judged, ..)), _) if judged.right && factor == FactorId::Questions => {
                Change::Admit { subject, factor, reserved }
            }
            (Some((judged, _, of)), renewed) if judged.right => {
                let key_id = match (&renewed, factor.peppering()) {
                    (Some(_), Peppering::Whole) => Some(peppers.current().id.clone()),
                    _ => None,
                };
                let (step, of) = (judged.step, Some(of.as_slice()));
                Change::Succeed { subject, factor, reserved, of, step, renewed, key_id }
            }
            (Some((_, _, of)), Some(data)) => Change::Renew { subject, factor, of, data },
            _ => Change::Nothing,
        };
        let claimed = matches!(change, Change::Succeed { .. } | Change::Admit { .. });
        let accepted = claimed.then(|| Settled::accepted(forced));
        self.settle(now, asked, &counting, change, accepted, Settled::rejected(*locked, false))
    }

    /// Commits a change with its audit record. `accepted` is the verdict when the change took effect: nothing is
    /// accepted without one.
    pub(super) fn settle(
        &self,
        now: UnixTime,
        asked: &Asked<'_>,
        counting: &Counting,
        change: Change<'_>,
        accepted: Option<Settled>,
        otherwise: Settled,
    ) -> Result<Settled, VaultError> {
        let mut settled = otherwise;
        self.store.audited(change, &mut |head, effect| {
            settled = accepted.filter(|_| effect).unwrap_or(otherwise);
            self.audit.append(head, now, &self.events(asked, counting, settled))
        })?;
        Ok(settled)
    }

    /// The audit record of a verdict.
    pub(super) const fn verified(factor: FactorId, settled: Settled) -> AuditKind {
        AuditKind::Verified { factor, verdict: settled.verdict, locked: settled.locked }
    }
}
