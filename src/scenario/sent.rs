//! Codes that are sent in a flow test: by the rules of the real ones, with digits that the caller of the test can
//! read.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::auth::factor::otp::{May, Sends, Way, number};
use crate::auth::{FactorId, FactorPolicy, Prepared, SubjectKey};
use crate::secret::Secret;
use crate::units::UnixTime;

use super::document::Fixture;

/// What was sent, the newest to each subject and for each factor.
pub(super) struct Sent {
    letters: HashMap<(SubjectKey, FactorId), Letter>,
    /// Ways by which nothing can be sent.
    closed: Vec<Way>,
    count: u64,
}

struct Letter {
    code: Secret<String>,
    match_number: Option<String>,
    expires: UnixTime,
    used: bool,
    sends: Sends,
}

/// Ways, as fixtures name them.
pub(super) const WAYS: [(&str, Way); 4] =
    [("sms", Way::Sms), ("email", Way::Email), ("call", Way::Call), ("push", Way::Push)];

impl Sent {
    pub(super) fn new(fixture: &Fixture) -> Self {
        let closed = |name: &str| fixture.facts.get(name).is_some_and(|state| state == "unavailable");
        let closed = WAYS.iter().filter(|(name, _)| closed(name)).map(|(_, way)| *way).collect();
        Self { letters: HashMap::new(), closed, count: 0 }
    }

    pub(super) fn prepare(
        &mut self,
        now: UnixTime,
        policy: &FactorPolicy,
        subject: SubjectKey,
        again: bool,
    ) -> Prepared {
        let whose = (subject, policy.factor);
        let before = self.letters.get(&whose);
        let mut sends = before.map(|letter| letter.sends.clone()).unwrap_or_default();
        match (sends.may(now, policy.resend), before) {
            (May::Exhausted, _) => return Prepared::Exhausted,
            (May::TooSoon, Some(letter)) if !again && !letter.used && letter.expires > now => {
                return Prepared::Sent { match_number: letter.match_number.clone() };
            }
            (May::TooSoon, _) => return Prepared::TooSoon,
            (May::Send, _) => {}
        }
        let page = policy.factor == FactorId::Push;
        if self.closed.contains(&policy.send) || (page && self.closed.contains(&Way::Push)) {
            return Prepared::Unavailable;
        }
        self.count += 1;
        let digits = |what: &str, count: u8| made_up(what, self.count, subject, count);
        // Whoever it is for: worlds that differ in that alone must sound alike.
        let match_number =
            page.then(|| made_up("number", self.count, SubjectKey([0; 16]), 2).expose().clone());
        let code = digits("code", *policy.digits.end());
        sends.sent(now);
        let expires = now.plus(policy.life);
        self.letters
            .insert(whose, Letter { code, match_number: match_number.clone(), expires, used: false, sends });
        Prepared::Sent { match_number }
    }

    /// Whether a response is right, and whether what was sent is too old for any to be.
    pub(super) fn judge(
        &self,
        now: UnixTime,
        whose: (SubjectKey, FactorId),
        response: &Secret<String>,
    ) -> (bool, bool) {
        let current = self.letters.get(&whose).filter(|letter| !letter.used && letter.expires > now);
        let right = current.is_some_and(|letter| letter.code.matches(response.expose().as_bytes()));
        (right, current.is_none())
    }

    /// It was right.
    pub(super) fn spend(&mut self, whose: (SubjectKey, FactorId)) {
        if let Some(letter) = self.letters.get_mut(&whose) {
            letter.used = true;
            letter.sends = Sends::default();
        }
    }

    /// What the caller reads.
    pub(super) fn code(&self, whose: (SubjectKey, FactorId)) -> Option<Secret<String>> {
        self.letters.get(&whose).map(|letter| letter.code.clone())
    }
}

/// Digits that are the same in every run of a test.
fn made_up(what: &str, count: u64, subject: SubjectKey, digits: u8) -> Secret<String> {
    let digest =
        Sha256::new().chain_update(what).chain_update(count.to_be_bytes()).chain_update(subject.0).finalize();
    let mut first = [0; 8];
    first.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    number(first, digits).unwrap_or_else(|| Secret::new("7".repeat(usize::from(digits))))
}
