//! `policy.yaml`: how the caller's voice is used.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fields::{self, Fields};
use super::findings::Findings;
use super::yaml::Node;
use crate::auth::factor::voiceprint::{FalseAccepts, JoinedWords, Mode, VoicePolicy};
use crate::diagnostic::Diagnostic;

/// The fields of a voiceprint.
pub(super) const FIELDS: [&str; 10] = [
    "kind",
    "weak",
    "engine",
    "mode",
    "digits",
    "speech_needed",
    "accept",
    "liveness",
    "counts_alone",
    "needs_consent",
];

/// How much speech can be asked for.
const SPEECH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// How long people may think before they speak.
const WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(15);
/// A reason in writing is no shorter.
const SHORTEST_REASON: usize = 8;

/// Reads what stands in the entry of a voiceprint beside what every factor has.
pub(super) fn read(factor: &Fields<'_>, voice: &mut VoicePolicy, findings: &mut Findings) {
    match factor.get("needs_consent") {
        Some(node) => voice.consent = fields::name(node, "a purpose", findings).unwrap_or_default(),
        None => {
            let message = "no voice is kept of somebody who was not asked";
            let help = "write `needs_consent: voice_biometrics`, and ask by a `consent` of that purpose";
            findings.push(Diagnostic::error("E241", Some(factor.place.clone()), message).help(help));
        }
    }
    if let Some(node) = factor.get("engine") {
        fields::choice(node, "engine", &[("voice.local", ())], findings);
    }
    if let Some(node) = factor.get("mode") {
        let modes =
            [("passive", Mode::Passive), ("phrase", Mode::Phrase), ("random_digits", Mode::RandomDigits)];
        voice.mode = fields::choice(node, "mode", &modes, findings).unwrap_or(voice.mode);
    }
    if let Some(node) = factor.get("speech_needed") {
        voice.speech_needed = within(node, "speech_needed", &SPEECH, findings).unwrap_or(voice.speech_needed);
    }
    if let Some(node) = factor.get("accept") {
        accept(node, voice, findings);
    }
    if let Some(node) = factor.get("counts_alone") {
        alone(node, voice, findings);
    }
    if let Some(node) = factor.get("liveness") {
        liveness(node, voice, findings);
    }
}

/// A rate; a score would mean something else with each model and each line.
fn accept(node: &Node, voice: &mut VoicePolicy, findings: &mut Findings) {
    match node.scalar().and_then(|scalar| FalseAccepts::parse(&scalar.text)) {
        Some(rate) => voice.accept = rate,
        None => {
            let message = "`accept` says how many wrong speakers in a hundred may be accepted";
            let help = format!(
                "write `accept: 1%` ({} to {}); the score that it takes is learned by `countersign voice calibrate`",
                FalseAccepts::LEAST,
                FalseAccepts::MOST
            );
            findings.push(Diagnostic::error("E289", Some(node.place.clone()), message).help(help));
        }
    }
}

/// `false`, or why it is otherwise.
fn alone(node: &Node, voice: &mut VoicePolicy, findings: &mut Findings) {
    let text = node.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
    match text {
        "false" => voice.alone_because = None,
        "true" => {
            let message = "a voice counts beside a factor that the caller has, unless a reason stands here";
            let help = "write `counts_alone: false`, or why not: `counts_alone: \"…\"`";
            fields::wrong(node, message, help, findings);
        }
        reason if reason.trim().len() >= SHORTEST_REASON => voice.alone_because = Some(reason.to_owned()),
        _ => {
            let message =
                "`counts_alone` is `false`, or the reason why a voice counts without a factor that is had";
            fields::wrong(node, message, "write a sentence that an auditor understands", findings);
        }
    }
}

fn liveness(node: &Node, voice: &mut VoicePolicy, findings: &mut Findings) {
    let Some(liveness) = Fields::of(node, "`liveness`", findings) else { return };
    liveness.only(&["replay", "synthetic", "joined", "within"], "`liveness`", findings);
    if let Some(node) = liveness.get("replay") {
        // What was heard before is never accepted.
        fields::choice(node, "replay", &[("required", ())], findings);
    }
    if let Some(node) = liveness.get("synthetic") {
        if node.text() == "required" {
            let message = "no detector tells a good synthetic voice from a caller through a telephone: it can advise only";
            fields::wrong(node, message, "write `synthetic: advisory`, and ask for random digits", findings);
        } else {
            fields::choice(node, "synthetic", &[("advisory", ())], findings);
        }
    }
    if let Some(node) = liveness.get("joined") {
        let words = [("off", JoinedWords::Off), ("flag", JoinedWords::Flag), ("refuse", JoinedWords::Refuse)];
        voice.joined = fields::choice(node, "joined", &words, findings).unwrap_or(voice.joined);
    }
    if let Some(node) = liveness.get("within") {
        voice.within = within(node, "within", &WITHIN, findings).unwrap_or(voice.within);
    }
}

fn within(
    node: &Node,
    what: &str,
    range: &RangeInclusive<Duration>,
    findings: &mut Findings,
) -> Option<Duration> {
    let found = fields::duration(node, what, findings)?;
    if range.contains(&found) {
        return Some(found);
    }
    let (least, most) = (range.start().as_secs(), range.end().as_secs());
    let message = format!("`{what}` is {least} to {most} seconds");
    fields::wrong(node, message, format!("write `{what}: {least}s` or more"), findings);
    None
}
