//! Codes that are sent: made, handed to the courier, judged.
//!
//! The order is the vault's own: a failure is committed before the response is judged, nothing is right whose
//! record is not on the disk, and somebody who does not exist costs the same work, gets the same answers, and has
//! the same budgets. A code goes to the address on file and nowhere else.

use super::limits::Counting;
use super::verifying::{Asked, Settled};
use super::{TENANT, Vault, VaultError, admin, logged};
use crate::auth::factor::otp::{self, May, REQUEST_BYTES, Way};
use crate::auth::factor::{Judged, Judging, Meeting};
use crate::auth::{
    Answer, AuditEvent, AuditKind, FactorId, FactorPolicy, Policy, Prepared, Source, SubjectKey,
};
use crate::driver::seal::random;
use crate::driver::sender::{Channel, Letter, Purpose};
use crate::driver::store::{Change, Identifier, RequestRow};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// What is asked to be sent.
pub(super) struct Order<'a> {
    pub(super) now: UnixTime,
    pub(super) policy: &'a FactorPolicy,
    pub(super) subject: SubjectKey,
    pub(super) call: CallId,
    pub(super) again: bool,
}

impl Vault {
    pub(super) fn prepare(&self, now: UnixTime, policy: &Policy, asked: &Asked<'_>, again: bool) -> Answer {
        let Asked { subject, factor, source, call } = *asked;
        let _turn = self.turn(subject);
        let prepared = match (policy.factor(factor), factor.meeting()) {
            (Some(used), Meeting::Sent) => {
                let order = Order { now, policy: used, subject, call, again };
                logged("prepare", self.send_code(&order, policy, source)).unwrap_or(Prepared::Unavailable)
            }
            _ => Prepared::Unavailable,
        };
        Answer::Prepared(prepared)
    }

    fn send_code(&self, order: &Order<'_>, policy: &Policy, source: &Source) -> Result<Prepared, VaultError> {
        let (now, factor) = (order.now, order.policy.factor);
        let throttle = self.store.throttle(order.subject)?;
        if self.locked_out(now, policy, source, order.subject)? {
            return Ok(Prepared::Locked);
        }
        if throttle.stopped(factor, &policy.lockout) {
            return Ok(Prepared::Exhausted);
        }
        let before = self.store.request(order.subject, factor)?;
        let sends = before.as_ref().map(|row| row.sends.clone()).unwrap_or_default();
        match sends.may(now, order.policy.resend) {
            May::Exhausted => return Ok(Prepared::Exhausted),
            May::TooSoon => return Ok(self.sent_before(order, before.as_ref())),
            May::Send => {}
        }
        let request: [u8; REQUEST_BYTES] = random()?;
        let push = factor == FactorId::Push;
        let code = if push { self.page_digits(&request) } else { random_code(*order.policy.digits.end())? };
        let expires = now.plus(order.policy.life);
        if !self.hand_over(order, &request, &code, expires)? {
            return Ok(Prepared::Unavailable);
        }
        let generation = before.map_or(1, |row| row.generation.saturating_add(1));
        let mut row = RequestRow {
            subject: order.subject,
            factor,
            request,
            tag: otp::tag(&self.codes, &request, &code),
            call: order.call,
            expires,
            generation,
            used: false,
            sends,
            link: push.then(|| self.link_hash(&self.token(&request))),
            approved: false,
        };
        row.sends.sent(now);
        self.store.keep_request(&row, now)?;
        let kind = AuditKind::Sent { factor };
        let event = AuditEvent { call: Some(order.call), subject: Some(order.subject), kind };
        self.audited(now, Change::Nothing, &[event])?;
        Ok(Prepared::Sent { match_number: push.then(|| self.match_number(&request)) })
    }

    /// The one before was sent a moment ago: whoever calls again at once has it on its way. An approval belongs to
    /// its call.
    fn sent_before(&self, order: &Order<'_>, before: Option<&RequestRow>) -> Prepared {
        let push = order.policy.factor == FactorId::Push;
        let counts = |row: &&RequestRow| {
            !order.again && !row.used && row.expires > order.now && (!push || row.call == order.call)
        };
        match before.filter(counts) {
            Some(row) => {
                let match_number = push.then(|| self.match_number(&row.request));
                Prepared::Sent { match_number }
            }
            None => Prepared::TooSoon,
        }
    }

    /// Gives the letter to the courier; for somebody who does not exist it is written and pretended.
    fn hand_over(
        &self,
        order: &Order<'_>,
        request: &[u8; REQUEST_BYTES],
        code: &Secret<String>,
        until: UnixTime,
    ) -> Result<bool, VaultError> {
        let (row, real) = self.row_or_next(order.subject)?;
        let profile = self.profile_or_next(&row, real)?;
        let (Some(courier), Some(said)) = (self.courier(), self.said(order.policy.factor, request, code))
        else {
            return Ok(false);
        };
        let (channel, to) = match order.policy.send {
            Way::Sms => (Channel::Sms, profile.phone.clone()),
            Way::Email => (Channel::Email, profile.email.clone()),
            Way::Call => (Channel::Call, profile.phone.clone()),
            Way::Push => (Channel::Push, profile.id.clone()),
        };
        if to.is_empty() {
            return Ok(false);
        }
        let push = order.policy.factor == FactorId::Push;
        let letter = Letter {
            channel,
            to: Secret::new(to),
            subject: order.subject,
            language: profile.language.clone(),
            text: otp::written(order.policy, &profile.language, &said),
            code: (channel == Channel::Call).then(|| code.clone()),
            title: Some(otp::title(order.policy, &profile.language).to_owned()),
            purpose: if push { Purpose::Link } else { Purpose::Code },
            until,
        };
        // Who says that it is not they who call is left in peace for a while; the call learns nothing of it.
        let denied = push && self.denied(order.now, order.subject)?;
        let taken = match real && !denied {
            true => courier.send(order.now, letter),
            false => courier.pretend(order.now, channel, order.subject),
        };
        if let Err(why) = taken {
            tracing::warn!(%channel, %why, "a code was not sent");
        }
        Ok(taken.is_ok())
    }

    /// What stands in the letter: the code, or the address of the page.
    fn said(
        &self,
        factor: FactorId,
        request: &[u8; REQUEST_BYTES],
        code: &Secret<String>,
    ) -> Option<Secret<String>> {
        if factor != FactorId::Push {
            return Some(code.clone());
        }
        Some(self.page()?.approval(&self.token(request)))
    }

    /// Counts, judges, settles a code that was sent.
    pub(super) fn counted_code(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
        response: &Secret<String>,
    ) -> Result<Settled, VaultError> {
        let Asked { subject, factor, call, .. } = *asked;
        let used = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        let counting = self.reserve(now, policy, asked)?;
        let Counting { reserved, may, locked, .. } = &counting;
        let (_, real) = self.row_or_next(subject)?;
        let kept = self.store.request(subject, factor)?;
        let current = kept.as_ref().filter(|row| !row.used && row.expires > now);
        let (request, tag) = current.map_or(([0; REQUEST_BYTES], [0; 32]), |row| (row.request, row.tag));
        let data = otp::encode(&request, &tag);
        let judged = self.judge_unkept(now, subject, (&data, response), used)?;
        // What the page shows counts once it was shown, in the call that it was shown for.
        let shown = current.filter(|row| factor != FactorId::Push || (row.approved && row.call == call));
        let right = judged.right && shown.is_some() && *may && real;
        let burnt = factor == FactorId::Push && shown.is_some() && !right;
        let change = match () {
            () if right => Change::Spend { subject, factor, request, now, reserved },
            // Three digits are few: one guess for each approval.
            () if burnt => Change::Burn { subject, factor, request, now },
            () => Change::Nothing,
        };
        let expired = current.is_none() || burnt;
        let accepted = right.then(|| Settled::accepted(false));
        self.settle(now, asked, &counting, change, accepted, Settled::rejected(*locked, expired))
    }

    /// What a factor says that has no enrolment: it judges by what was sent, or by what is on file.
    fn judge_unkept(
        &self,
        now: UnixTime,
        subject: SubjectKey,
        (data, response): (&Secret<Vec<u8>>, &Secret<String>),
        policy: &FactorPolicy,
    ) -> Result<Judged, VaultError> {
        let judging = Judging {
            data,
            response,
            subject,
            tenant: TENANT,
            pepper: &self.codes,
            fresh: None,
            salt: random()?,
            now,
            policy,
            last_step: None,
        };
        Ok(policy.factor.judge(&judging)?)
    }

    /// Judges the number that a call comes from. Nobody guesses with it, so nothing is counted.
    pub(super) fn judged_number(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
        number: &Secret<String>,
    ) -> Result<Settled, VaultError> {
        let Asked { subject, factor, source, call } = *asked;
        let used = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        let locked = self.locked_out(now, policy, source, subject)?;
        let (row, real) = self.row_or_next(subject)?;
        let profile = self.profile_or_next(&row, real)?;
        let on_file = Secret::new(admin::normalised(Identifier::Phone, &profile.phone).into_bytes());
        let calling = Secret::new(admin::normalised(Identifier::Phone, number.expose()));
        let judged = self.judge_unkept(now, subject, (&on_file, &calling), used)?;
        let right = judged.right && real && !locked && !profile.declined.contains(&factor);
        let settled = if right { Settled::accepted(false) } else { Settled::rejected(locked, false) };
        let kind = Self::verified(factor, settled);
        let event = AuditEvent { call: Some(call), subject: Some(subject), kind };
        self.audited(now, Change::Nothing, &[event])?;
        Ok(settled)
    }
}

fn random_code(digits: u8) -> Result<Secret<String>, VaultError> {
    loop {
        if let Some(code) = otp::number(random()?, digits) {
            return Ok(code);
        }
    }
}
