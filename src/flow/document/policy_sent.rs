//! `policy.yaml`: factors that something is sent for, and those that nothing is asked for.

use super::fields::{self, Fields};
use super::findings::Findings;
use super::yaml::Node;
use crate::auth::factor::otp::Way;
use crate::auth::{FactorId, FactorPolicy};
use crate::diagnostic::Diagnostic;

/// The fields of a code that is sent.
pub(super) const CODE: [&str; 10] =
    ["kind", "send", "digits", "life", "resend", "to", "text", "weak", "single_use", "spoken"];
/// The fields of an approval.
pub(super) const PUSH: [&str; 8] = ["kind", "send", "life", "resend", "to", "text", "weak", "number_match"];
/// The fields of the calling number.
pub(super) const NUMBER: [&str; 3] = ["kind", "weak", "attestation"];
/// Reads what stands in the entry of such a factor beside what every factor has.
pub(super) fn read(factor: &Fields<'_>, policy: &mut FactorPolicy, findings: &mut Findings) {
    if let Some(node) = factor.get("send") {
        let ways: &[(&str, Way)] = match policy.factor {
            FactorId::OtpSms => &[("sms", Way::Sms)],
            FactorId::OtpEmail => &[("email", Way::Email)],
            FactorId::OtpCall => &[("call", Way::Call)],
            _ => &[("sms", Way::Sms), ("email", Way::Email), ("push", Way::Push)],
        };
        policy.send = fields::choice(node, "send", ways, findings).unwrap_or(policy.send);
    }
    if let Some(node) = factor.get("life") {
        policy.life = fields::duration(node, "life", findings).unwrap_or(policy.life);
    }
    if let Some(node) = factor.get("resend") {
        resend(node, policy, findings);
    }
    if let Some(node) = factor.get("to") {
        to(node, findings);
    }
    if let Some(node) = factor.get("text") {
        text(node, policy, findings);
    }
    if let Some(node) = factor.get("number_match")
        && fields::flag(node, "number_match", findings) == Some(false)
    {
        let message = "numbers are matched in both directions: a bare yes approves whoever asks";
        fields::wrong(node, message, "leave `number_match` out", findings);
    }
    if let Some(node) = factor.get("attestation") {
        // Below A nobody vouches for the number.
        fields::choice(node, "attestation", &[("A", ())], findings);
    }
}

fn resend(node: &Node, policy: &mut FactorPolicy, findings: &mut Findings) {
    let Some(resend) = Fields::of(node, "`resend`", findings) else { return };
    resend.only(&["max", "gap"], "`resend`", findings);
    if let Some(node) = resend.get("max") {
        policy.resend.max = fields::count(node, "max", 0..=9, findings).unwrap_or(policy.resend.max);
    }
    if let Some(node) = resend.get("gap") {
        policy.resend.gap = fields::duration(node, "gap", findings).unwrap_or(policy.resend.gap);
    }
}

/// The one address that a code may go to is the one on file: whoever calls could name any other.
fn to(node: &Node, findings: &mut Findings) {
    if node.text() != "on_file" {
        let message = "a code goes to the address on file only, never to one that a caller gives";
        let help = "write `to: on_file`, or leave `to` out";
        findings.push(Diagnostic::error("E207", Some(node.place.clone()), message).help(help));
    }
}

/// `{en-GB: "Your code is ${code}.", …}`, or one text for all languages.
fn text(node: &Node, policy: &mut FactorPolicy, findings: &mut Findings) {
    let push = policy.factor == FactorId::Push;
    let wanted = if push { "${link}" } else { "${code}" };
    let mut read = |language: &str, node: &Node, findings: &mut Findings| {
        let Some(text) = fields::text(node, "`text`", findings) else { return };
        let others = text.replace(wanted, "");
        if others.len() == text.len() || others.contains("${") {
            let message = format!("what is sent says `{wanted}` once, and nothing else in braces");
            let help = if push {
                "write `\"Do you call us? ${link}\"`"
            } else {
                "write `\"Your code is ${code}.\"`"
            };
            fields::wrong(node, message, help, findings);
        } else if text.chars().count() > LONGEST_TEXT {
            let message = format!("what is sent has {LONGEST_TEXT} characters at most");
            fields::wrong(node, message, "say it in fewer words", findings);
        } else {
            policy.text.push((language.to_owned(), text));
        }
    };
    if node.mapping().is_none() {
        return read("", node, findings);
    }
    for (key, value) in Fields::of(node, "`text`", findings).map(|fields| fields.pairs).unwrap_or_default() {
        read(key.text(), value, findings);
    }
}

/// Two short messages' worth.
const LONGEST_TEXT: usize = 300;
