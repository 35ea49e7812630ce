//! Voices in flow tests: whose it is stands in the script; what comes of it is judged in the order of the real vault.

use crate::auth::factor::voiceprint::{Evidence, Finding, Joined};
use crate::auth::throttle::Attempt;
use crate::auth::{Answer, AuditKind, Enrolment, FactorId, Poor, Spoken, SubjectKey, Verdict};
use crate::secret::Secret;
use crate::units::UnixTime;

use super::super::document::Voice;
use super::{Vault, key_of};

/// The voice of a test's caller, as fixtures name it.
const MODEL: &str = "test";
/// As many as an enrolment takes.
const FEWEST: usize = 3;

impl Vault {
    /// Whose voice it is that is heard from now on.
    pub(in crate::scenario) const fn speaks(&mut self, voice: Voice) {
        self.voice = voice;
    }

    /// As the real vault: counted first, then judged.
    pub(super) fn verify_voice(&mut self, now: UnixTime, subject: SubjectKey, spoken: &Spoken) -> Answer {
        let factor = FactorId::Voiceprint;
        let Some(used) = self.policy.factor(factor).map(|used| used.voice.clone()) else {
            return Answer::Unavailable;
        };
        let said = used.in_time(&spoken.said);
        let joined = match self.voice {
            _ if !used.asks_joins() => Joined::NotAsked,
            Voice::Joined => Joined::Likely,
            _ => Joined::Unlikely,
        };
        if self.voice == Voice::Badly || said.is_empty() {
            return self.heard(Verdict::Inconclusive, false, (said.len(), Finding::Unusable, joined));
        }
        let limits = self.policy.lockout;
        let before = self.throttles.get(&subject).cloned().unwrap_or_default();
        let mut throttle = before.clone();
        let attempt = Attempt::of(&self.policy, factor, self.lane(subject));
        let counted = self.places.reserve(&mut throttle, now, attempt, &limits);
        let may = counted.admission.may();
        let evidence = Evidence {
            voice: match self.voice {
                Voice::Unsure if said.len() < FEWEST => Finding::Unsure,
                Voice::Other => Finding::Different,
                _ => Finding::Same,
            },
            origin: used.origin(self.voice == Voice::Replay, self.voice == Voice::Prompt, joined),
            words: used.words(&said),
            late: said.last().is_some_and(|said| used.is_late(said)),
        };
        let finding = evidence.finding();
        let own = self.person(subject).is_some_and(|person| self.proof(person, factor).is_some());
        let (verdict, locked) = if finding == Finding::Same && own && may {
            throttle.succeeded(&before, factor);
            self.places.give_back(now, &limits);
            (Verdict::Accept, false)
        } else if finding.in_doubt() && !counted.locked && may {
            (Verdict::Inconclusive, false)
        } else {
            (Verdict::Reject, counted.locked || !may)
        };
        self.throttles.insert(subject, throttle);
        self.heard(verdict, locked, (said.len(), finding, joined))
    }

    fn heard(
        &mut self,
        verdict: Verdict,
        locked: bool,
        (utterances, finding, joined): (usize, Finding, Joined),
    ) -> Answer {
        let factor = FactorId::Voiceprint;
        let accept = self.policy.factor(factor).map(|used| used.voice.accept.to_string()).unwrap_or_default();
        let utterances = u8::try_from(utterances).unwrap_or(u8::MAX);
        self.audited.push(AuditKind::Verified { factor, verdict, locked });
        let joins = (joined != Joined::NotAsked).then(|| MODEL.to_owned());
        let model = MODEL.to_owned();
        self.audited.push(AuditKind::VoiceCompared { model, accept, utterances, finding, joined, joins });
        match joined {
            Joined::NotAsked => Answer::Verdict { verdict, locked, expired: false, left: None },
            _ => Answer::Voice { verdict, locked, joined },
        }
    }

    /// Knows somebody by their voice from now on.
    pub(super) fn enrol_voice(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        spoken: &Spoken,
        replace: bool,
    ) -> Option<Enrolment> {
        let factor = FactorId::Voiceprint;
        self.policy.factor(factor)?;
        if self.throttles.get(&subject).is_some_and(|throttle| throttle.locked(now)) {
            return Some(Enrolment::Locked);
        }
        let person = self.people.iter_mut().find(|person| key_of("person", &person.id) == subject)?;
        if !replace && person.factors.iter().any(|(own, _)| *own == factor) {
            return Some(Enrolment::Exists);
        }
        let poor = match self.voice {
            Voice::Replay | Voice::Prompt => Some(Poor::Copy),
            Voice::Other | Voice::Unsure => Some(Poor::Others),
            _ if spoken.said.len() < FEWEST => Some(Poor::Short),
            _ => None,
        };
        if let Some(poor) = poor {
            self.audited.push(AuditKind::EnrolmentRefused { factor });
            return Some(Enrolment::Poor(poor));
        }
        person.factors.retain(|(own, _)| *own != factor);
        person.factors.push((factor, Secret::new("enrolled".to_owned())));
        self.throttles.entry(subject).or_default().enrolled(factor);
        self.audited.push(AuditKind::Enrolled { factor });
        Some(Enrolment::Done)
    }
}
