//! Is this the subject's voice? Counted before it is judged, as every response is; what is in doubt stays counted.
//!
//! What was said is measured before anybody is looked up, and somebody who is not there is compared with the voice of
//! whoever is next to them: the same work, the same kinds of answers.

use std::sync::{Arc, PoisonError};

use super::limits::Counting;
use super::verifying::{Asked, Settled};
use super::voices::Kept;
use super::{Vault, VaultError, logged};
use crate::auth::factor::voiceprint::{
    Evidence, FalseAccepts, Finding, Joined, MOST_UTTERANCES, VoicePolicy,
};
use crate::auth::{AuditEvent, AuditKind, FactorId, Policy, Said, Spoken, SubjectKey, Verdict};
use crate::driver::store::Change;
use crate::driver::voices::Voices;
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};
use crate::voice::print::LONGEST;
use crate::voice::print::calibration::Likeness;
use crate::voice::print::compare::Heard;
use crate::voice::print::enrolment::Utterance;
use crate::voice::print::fingerprint::Fingerprint;
use crate::voice::print::quality::Flaw;

/// How many utterances that were accepted are kept as fingerprints: the oldest is forgotten first.
pub(super) const MOST_ACCEPTED: usize = 24;

impl Vault {
    /// Gives it what compares voices, or takes it away. Without it nobody is known by voice.
    pub fn set_voices(&self, voices: Option<Voices>) {
        *self.voices.write().unwrap_or_else(PoisonError::into_inner) = voices.map(Arc::new);
    }

    /// Whether it has what compares voices.
    #[must_use]
    pub fn compares_voices(&self) -> bool {
        self.voices().is_some()
    }

    /// What compares voices, if anything does.
    pub(super) fn voices(&self) -> Option<Arc<Voices>> {
        self.voices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether voices can be compared as the policy wants it.
    pub(super) fn hears(&self, policy: &Policy) -> bool {
        let used = policy.factor(FactorId::Voiceprint);
        used.zip(self.voices()).is_some_and(|(used, voices)| voices.knows(used.voice.accept).is_ok())
    }

    /// Whether whoever is or would be next to this subject is known by a voice of the model in use.
    pub(super) fn known_to_model(&self, subject: SubjectKey) -> Result<bool, VaultError> {
        let Some(voices) = self.voices() else { return Ok(false) };
        let found = self.store.subject(subject)?.zip(self.store.enrolment(subject, FactorId::Voiceprint)?);
        let Some((row, enrolment)) = found else { return Ok(false) };
        // A row that does not open takes the voice from the customer, and nothing else.
        let kept = logged("voice", self.open_voice(&row, &enrolment));
        Ok(kept.is_ok_and(|kept| kept.model == voices.model()))
    }

    pub(super) fn counted_voice(
        &self,
        now: UnixTime,
        policy: &Policy,
        asked: &Asked<'_>,
        spoken: &Spoken,
    ) -> Result<Settled, VaultError> {
        let unavailable = Settled { verdict: Verdict::Unavailable, ..Settled::rejected(false, false) };
        let used = policy.factor(asked.factor).ok_or(VaultError::NoFactor(asked.factor))?;
        let (Some(voices), true) = (self.voices(), self.hears(policy)) else { return Ok(unavailable) };
        let said = used.voice.in_time(&spoken.said);
        let joined = joined(&voices, &used.voice, &said);
        let told = |finding| compared(&voices, used.voice.accept, said.len(), finding, joined);
        let Some(heard) = measured(&voices, &used.voice, &said) else {
            // Nothing was judged, of whomever: nothing is counted.
            let doubt = Settled { verdict: Verdict::Inconclusive, joined, ..Settled::rejected(false, false) };
            let events = vec![Self::verified(asked.factor, doubt), told(Finding::Unusable)];
            self.note_about(now, asked, events)?;
            return Ok(doubt);
        };
        let Some((kept, real, of)) = self.voice_or_next(asked.subject)? else { return Ok(unavailable) };
        if !kept.model.is_empty() && kept.model != voices.model() {
            return Ok(unavailable);
        }
        let counting = self.reserve(now, policy, asked)?;
        let evidence = weigh(&voices, &used.voice, &kept, (&heard, &said), joined)?;
        let finding = evidence.finding();
        let accepted = finding == Finding::Same && real && counting.may;
        let renewed = accepted.then(|| self.with_accepted(asked.subject, &kept, &heard)).transpose()?;
        let change = match renewed {
            Some(renewed) => Change::Succeed {
                subject: asked.subject,
                factor: asked.factor,
                reserved: &counting.reserved,
                of: Some(&of),
                step: None,
                renewed: Some(renewed),
                key_id: None,
            },
            None => Change::Nothing,
        };
        // What a neighbour's voice is like is nobody's business.
        let finding = if real || finding != Finding::Same { finding } else { Finding::Different };
        let outcome = (accepted, finding.in_doubt());
        let settled = self.settle_voice(now, asked, &counting, change, outcome, told(finding))?;
        Ok(Settled { joined, ..settled })
    }

    fn settle_voice(
        &self,
        now: UnixTime,
        asked: &Asked<'_>,
        counting: &Counting,
        change: Change<'_>,
        (accepted, in_doubt): (bool, bool),
        told: AuditKind,
    ) -> Result<Settled, VaultError> {
        let rejected = Settled::rejected(counting.locked, false);
        let doubt = Settled { verdict: Verdict::Inconclusive, ..rejected };
        let otherwise = if in_doubt && !counting.locked { doubt } else { rejected };
        let mut settled = otherwise;
        self.store.audited(change, &mut |head, effect| {
            settled = if accepted && effect { Settled::accepted(false) } else { otherwise };
            let mut events = self.events(asked, counting, settled);
            events.push(self.about(asked, told.clone()));
            self.audit.append(head, now, &events)
        })?;
        Ok(settled)
    }

    const fn about(&self, asked: &Asked<'_>, kind: AuditKind) -> AuditEvent {
        AuditEvent { call: Some(asked.call), subject: Some(asked.subject), kind }
    }

    fn note_about(&self, now: UnixTime, asked: &Asked<'_>, kinds: Vec<AuditKind>) -> Result<(), VaultError> {
        let events: Vec<AuditEvent> = kinds.into_iter().map(|kind| self.about(asked, kind)).collect();
        self.audited(now, Change::Nothing, &events)?;
        Ok(())
    }

    /// The voice that a subject is known by, that it is theirs, and as it is sealed; of somebody who has none that of
    /// whoever is next to them. `None`: theirs does not open.
    fn voice_or_next(&self, subject: SubjectKey) -> Result<Option<(Kept, bool, Vec<u8>)>, VaultError> {
        let nearest = self.store.nearest(subject)?.unwrap_or(subject);
        let found = self.store.subject(nearest)?.zip(self.store.enrolment(nearest, FactorId::Voiceprint)?);
        let real = nearest == subject && found.is_some();
        let stand_in = self.stand_in.enrolments.iter().find(|own| own.factor == FactorId::Voiceprint);
        let nobody = || Some((self.stand_in.row.clone(), stand_in?.clone()));
        let (row, enrolment) = found.or_else(nobody).ok_or(VaultError::NoFactor(FactorId::Voiceprint))?;
        match logged("voice", self.open_voice(&row, &enrolment)) {
            Ok(kept) => Ok(Some((kept, real, enrolment.data))),
            Err(_) => Ok(None),
        }
    }

    /// What is kept of a subject with the fingerprints of what was accepted, sealed.
    fn with_accepted(
        &self,
        subject: SubjectKey,
        kept: &Kept,
        heard: &[Utterance],
    ) -> Result<Vec<u8>, VaultError> {
        let mut kept = kept.clone();
        kept.accepted.extend(heard.iter().map(|one| one.fingerprint.clone()));
        let over = kept.accepted.len().saturating_sub(MOST_ACCEPTED);
        kept.accepted.drain(..over);
        let json = Secret::new(kept.to_json()?);
        self.seal_enrolment(subject, FactorId::Voiceprint, &json)
    }

    /// Whether what was said is the voice of somebody on the list of those who have deceived before.
    pub(super) fn answer_suspect(
        &self,
        now: UnixTime,
        said: &[Said],
        call: CallId,
    ) -> Result<bool, VaultError> {
        let Some(voices) = self.voices() else { return Ok(false) };
        let last = said.len().saturating_sub(MOST_UTTERANCES);
        let said = said.get(last..).unwrap_or_default();
        let heard: Vec<Utterance> = said
            .iter()
            .filter_map(|said| voices.measure(&said.utterance))
            .filter(|one| !flawed(one))
            .collect();
        let Some(entry) = self.suspect(now, &voices, &heard)? else { return Ok(false) };
        let kind = AuditKind::FraudsterHeard { entry };
        self.audited(now, Change::Nothing, &[AuditEvent { call: Some(call), subject: None, kind }])?;
        Ok(true)
    }

    /// The name of the entry on the list, if one fits.
    pub(super) fn suspect(
        &self,
        now: UnixTime,
        voices: &Voices,
        heard: &[Utterance],
    ) -> Result<Option<String>, VaultError> {
        let Some(together) = Heard::together(heard.iter().map(|one| &one.heard)) else { return Ok(None) };
        let Some(line) = voices.calibration().line(heard.len()) else { return Ok(None) };
        // A calibration that knows no rate as low as that would suspect nearly everybody.
        let Ok(enough) = line.threshold(SUSPECTED.share()) else { return Ok(None) };
        let common = &voices.calibration().common;
        let mut found = None;
        for entry in self.fraudsters_at(now)?.iter().filter(|entry| entry.model == voices.model()) {
            if common.score(&entry.heard.voice, &together.voice) >= enough {
                found.get_or_insert_with(|| entry.name.clone());
            }
        }
        Ok(found)
    }
}

/// Nobody is suspected unless so few others would be.
const SUSPECTED: FalseAccepts = FalseAccepts::ONE_IN_A_THOUSAND;

/// Whether any of it sounds as if it were put together.
fn joined(voices: &Voices, policy: &VoicePolicy, said: &[Said]) -> Joined {
    if !policy.asks_joins() {
        return Joined::NotAsked;
    }
    let score = |said: &Said| voices.joins().score(said.utterance.samples().expose());
    let likely = said.iter().fold(false, |likely, said| likely | score(said).is_some_and(|of| of > LIKELY));
    if likely { Joined::Likely } else { Joined::Unlikely }
}

/// In percent. Above it: 66 % of joined strings, and 8 % of natural ones (`tests/liveness`).
const LIKELY: u8 = 60;

/// What the audit log is told of a comparison: never a score.
fn compared(
    voices: &Voices,
    accept: FalseAccepts,
    utterances: usize,
    finding: Finding,
    joined: Joined,
) -> AuditKind {
    AuditKind::VoiceCompared {
        joined,
        joins: (joined != Joined::NotAsked).then(|| voices.joins().identity().to_owned()),
        model: voices.model().to_owned(),
        accept: accept.to_string(),
        utterances: u8::try_from(utterances).unwrap_or(u8::MAX),
        finding,
    }
}

/// The utterances that can be used, measured; `None` when the last one can't, or they are too short together.
fn measured(voices: &Voices, policy: &VoicePolicy, said: &[Said]) -> Option<Vec<Utterance>> {
    let measure = |said: &Said| voices.measure(&said.utterance).filter(|one| !flawed(one));
    let (last, before) = said.split_last()?;
    let before: Vec<Utterance> = before.iter().filter_map(measure).collect();
    let heard: Vec<Utterance> = before.into_iter().chain([measure(last)?]).collect();
    let seconds: f32 = heard.iter().map(|one| one.quality.speech).sum();
    (seconds >= policy.speech_needed.as_secs_f32()).then_some(heard)
}

/// Whether a recording is too bad to tell anything by. A short one counts beside others.
fn flawed(one: &Utterance) -> bool {
    one.quality.flaws().iter().any(|flaw| *flaw != Flaw::Short)
}

/// All that speaks for and against. Each part is looked at, whatever the others say: it takes as long.
fn weigh(
    voices: &Voices,
    policy: &VoicePolicy,
    kept: &Kept,
    (heard, said): (&[Utterance], &[Said]),
    joined: Joined,
) -> Result<Evidence, VaultError> {
    let together = Heard::together(heard.iter().map(|one| &one.heard));
    let calibration = voices.calibration();
    let (Some(together), Some(line), Some(known)) = (together, calibration.line(heard.len()), kept.heard())
    else {
        return Err(VaultError::Judge(crate::auth::factor::JudgeError));
    };
    let score = calibration.common.score(&known.voice, &together.voice);
    let likeness = line.likeness(score, policy.accept.share());
    let voice = match likeness.map_err(|_| VaultError::Judge(crate::auth::factor::JudgeError))? {
        Likeness::Same => Finding::Same,
        Likeness::Unsure => Finding::Unsure,
        Likeness::Different => Finding::Different,
    };
    let before = |at: usize| heard.iter().take(at).map(|one| &one.fingerprint);
    let replay = (0..).zip(heard).fold(false, |replay, (at, one)| {
        let known = kept.fingerprints.iter().chain(&kept.accepted).chain(before(at));
        replay | copied(&one.fingerprint, known)
    });
    let late = said.last().is_some_and(|said| policy.is_late(said));
    let prompt = said.iter().fold(false, |prompt, said| prompt | is_prompt(said));
    Ok(Evidence { voice, origin: policy.origin(replay, prompt, joined), words: policy.words(said), late })
}

/// Whether the caller played back what they had heard. A telephone on a loud speaker lets them hear themselves: what was said
/// into the prompt may have some of it.
pub(super) fn is_prompt(said: &Said) -> bool {
    let clips = said.utterance.prompt();
    if clips.is_empty() || said.utterance.after().is_none() {
        return false;
    }
    let mut samples: Vec<i16> = clips.iter().flat_map(|clip| clip.pcm()).collect();
    // Its end is what was asked for.
    samples.drain(..samples.len().saturating_sub(LONGEST));
    Fingerprint::of(&samples).is_copy(&Fingerprint::of(said.utterance.samples().expose()))
}

pub(super) fn copied<'a>(one: &Fingerprint, known: impl Iterator<Item = &'a Fingerprint>) -> bool {
    known.fold(false, |copy, other| copy | other.is_copy(one))
}
