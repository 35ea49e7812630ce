//! `enrol: voiceprint`: the caller says something several times, and is told what would make it better.
//!
//! Each utterance is looked at when it is said: how long, how loud, how clean. Whether all are of one person, and none is
//! a recording, is the vault's to say when there are enough.

use std::sync::Arc;
use std::time::Instant;

use super::Reader;
use super::enrol::{Enrol, Enrolling, Kept};
use crate::auth::{self, FactorId, Poor, Response, Said, Spoken};
use crate::flow::document::Prompt;
use crate::flow::document::fields::Fields;
use crate::flow::run::exit::Exit;
use crate::flow::run::proving::VAULT_TIME;
use crate::flow::run::{FlowRun, Question};
use crate::voice::print::enrolment::{FEWEST, LEAST_SECONDS, MOST};
use crate::voice::print::quality::{Flaw, Quality};

/// What is said of utterances that will not do, each where there is something to say of it; else `refused`.
pub(super) const FAULTS: [&str; 6] = ["short", "soft", "loud", "noisy", "others", "copy"];

/// What is said while a voice is enrolled.
#[derive(Debug)]
pub struct Speaking {
    /// Asks for one more; the first question again when `None`.
    pub more: Option<Prompt>,
    /// What would make it better, by what was wrong.
    pub faults: Vec<(&'static str, Prompt)>,
}

impl Speaking {
    /// All that is said.
    pub(super) fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.more.iter().chain(self.faults.iter().map(|(_, prompt)| prompt))
    }
}

impl Enrol {
    /// Something was said: judged by itself at once, and all together when there is enough.
    pub(super) fn one_more(&self, run: &mut FlowRun, now: Instant, at: usize, said: Said) {
        if let Some(flaw) = Quality::of(said.utterance.samples().expose()).flaws().first() {
            return self.once_more(run, now, at, fault_of(*flaw));
        }
        let all = &mut run.entered().said;
        all.push(said);
        let seconds: f32 = all.iter().map(|said| Quality::of(said.utterance.samples().expose()).speech).sum();
        if all.len() < FEWEST || (seconds < LEAST_SECONDS && all.len() < MOST) {
            return run.ask_part(now, at + 1, None);
        }
        let said = std::mem::take(all);
        // The level may have grown too old, or the consent been taken back, while the caller was speaking.
        let agreed = run.agreed_to_voices();
        let Some(grant) = run.granted(now, &self.after).filter(|_| agreed) else {
            return run.take(now, Exit::Outcome("unavailable"));
        };
        let consent = run.agreement(grant.call());
        let secret = Response::Spoken(Spoken { said, consent });
        let (grant, factor, replace) = (Arc::new(grant), self.factor, self.replace);
        let ask = run.ask(Question::Auth(auth::Question::Enrol { grant, factor, secret, replace }));
        run.wait(Box::new(Kept::new(ask, factor, now + VAULT_TIME)));
    }

    /// All of it together will not do: from the beginning.
    pub(super) fn heard_badly(&self, run: &mut FlowRun, now: Instant, why: Poor) {
        let fault = match why {
            Poor::Short => "short",
            Poor::Soft => "soft",
            Poor::Loud => "loud",
            Poor::Noisy => "noisy",
            Poor::Others => "others",
            Poor::Copy => "copy",
        };
        run.entered().said.clear();
        self.once_more(run, now, 0, fault);
    }

    fn once_more(&self, run: &mut FlowRun, now: Instant, at: usize, fault: &'static str) {
        let failures = run.entered().failures.saturating_add(1);
        run.entered().failures = failures;
        if failures >= self.input.tries {
            return run.take(now, Exit::Outcome("poor_quality"));
        }
        run.ask_part(now, at, Some(fault));
    }
}

const fn fault_of(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Short => "short",
        Flaw::Soft => "soft",
        Flaw::Clipped => "loud",
        Flaw::Noisy => "noisy",
    }
}

/// Reads what is said. Nobody's voice is kept who was not asked.
pub(super) fn read(step: &mut Reader<'_, '_, '_>) -> Option<Enrolling> {
    let purpose =
        step.build.shared.policy.factor(FactorId::Voiceprint).map(|used| used.voice.consent.clone());
    if let Some(purpose) = purpose.filter(|purpose| !step.build.shared.consents.contains_key(purpose)) {
        let message = format!("nobody is asked for `{purpose}` before a voice is kept");
        let place = step.place.clone();
        step.error("E241", &place, message, format!("add `- consent: {purpose}` on the way to this step"));
    }
    let node = step.need("prompts")?;
    let fields = Fields::of(node, "`prompts`", step.build.findings)?;
    let known: Vec<&str> = ["voiceprint", "why", "more", "refused"].into_iter().chain(FAULTS).collect();
    fields.only(&known, "`prompts` of a voice", step.build.findings);
    let mut needed = |name: &str| {
        let node = fields.need(name, "`prompts` of a voice", step.build.findings)?;
        step.build.prompt(node, &[])
    };
    let (first, refused) = (needed("voiceprint"), needed("refused"));
    let mut optional = |name: &str| fields.get(name).map(|node| step.build.prompt(node, &[]));
    let (why, more) = (optional("why"), optional("more"));
    let faults = FAULTS.iter().filter_map(|name| Some((*name, optional(name)??))).collect();
    let voice = Some(Speaking { more: more.flatten(), faults });
    Some(Enrolling { why: why.flatten(), first: first?, twice: None, voice, refused: refused? })
}
