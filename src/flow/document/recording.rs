//! `defaults.recording`: when a call is recorded.

use std::collections::BTreeMap;

use super::ast::{RecordingRule, VarId};
use super::fields::{self, Fields};
use super::findings::{Findings, suggestion};
use crate::diagnostic::Diagnostic;

/// Reads the rule of a main flow. Which consent it waits for: the one that it names, else the only one for a
/// recording.
pub(super) fn rule(
    main: &Fields<'_>,
    consents: &BTreeMap<String, VarId>,
    findings: &mut Findings,
) -> RecordingRule {
    let mut likely = consents.iter().filter(|(purpose, _)| purpose.contains("record"));
    let usual = match (likely.next(), likely.next()) {
        (Some((_, consent)), None) => Some(*consent),
        _ => None,
    };
    let by_step = RecordingRule::ByStep(usual);
    let Some(node) = main.get("defaults").and_then(|defaults| defaults.get("recording")) else {
        return by_step;
    };
    let Some(written) = Fields::of(node, "`recording`", findings) else { return by_step };
    written.only(&["mode", "consent"], "`recording`", findings);
    let consent = match written.get("consent") {
        None => usual,
        Some(node) => {
            let found = consents.get(node.text()).copied();
            if found.is_none() {
                let help = suggestion(node.text(), consents.keys().map(String::as_str), "consents asked for");
                fields::wrong(
                    node,
                    format!("nobody is asked for the consent `{}`", node.text()),
                    help,
                    findings,
                );
            }
            found
        }
    };
    let Some(mode) = written.need("mode", "`recording`", findings) else { return by_step };
    let modes = [("by_step", 0_u8), ("on_after_consent", 1), ("always", 2)];
    match (fields::choice(mode, "mode", &modes, findings), consent) {
        (Some(1), Some(consent)) => RecordingRule::AfterConsent(consent),
        (Some(1), None) => {
            let message = "the call is recorded after consent, and nobody is asked for it";
            let help = "ask by `- consent: call_recording`, or name the purpose: `consent: purpose`";
            findings.push(Diagnostic::error("E240", Some(mode.place.clone()), message).help(help));
            by_step
        }
        (Some(2), _) => RecordingRule::On,
        (_, consent) => RecordingRule::ByStep(consent),
    }
}
