//! Where a policy departs from a standard, as far as its numbers tell. Honest, not complete: an auditor looks at
//! more than a policy.

use std::time::Duration;

use super::about::Standard;
use crate::auth::{FactorId, FactorKind, Policy};

/// What a telephone call can't claim, whatever the policy says.
pub(super) const fn caveat(standard: Standard) -> &'static str {
    match standard {
        Standard::Nist => {
            "A telephone call has no authenticated protected channel: no call claims an assurance level of this standard."
        }
        Standard::PciDss => {
            "Requirement 8 leaves cardholders' own accounts out; it asks for at least two different kinds of factors \
             (8.4, 8.5.1) of people who come near card data."
        }
        Standard::Hipaa => {
            "The rule gives no numbers: your own risk analysis decides what is reasonable (45 CFR 164.308(a)(1)(ii)(A))."
        }
    }
}

/// What in the policy departs from the standard.
pub(super) fn deviations(policy: &Policy, standard: Standard) -> Vec<String> {
    match standard {
        Standard::Nist => nist(policy),
        Standard::PciDss => pci_dss(policy),
        Standard::Hipaa => hipaa(policy),
    }
}

fn uses(policy: &Policy, name: &str) -> bool {
    policy.factors.iter().any(|used| used.factor.name() == name)
}

/// Levels that one factor of a kind reaches.
fn alone(policy: &Policy, kind: FactorKind) -> Vec<FactorId> {
    let factors = policy.factors.iter().map(|used| used.factor).filter(|factor| factor.kind() == kind);
    factors.filter(|factor| policy.alone(*factor)).collect()
}

fn two_kinds(policy: &Policy) -> bool {
    policy.levels.iter().any(|level| level.factors >= 2 && level.different_kinds)
}

fn nist(policy: &Policy) -> Vec<String> {
    let mut out = Vec::new();
    let never = [
        ("otp_email", "e-mail never counts as a way to reach a caller (3.1.3.1)"),
        ("voiceprint", "a voice never counts as a biometric (3.2.3)"),
        ("questions", "questions about what is known of a caller are no authenticator (3.1)"),
        ("number", "a calling number is no authenticator (3.1)"),
    ];
    for (name, why) in never {
        if uses(policy, name) {
            out.push(format!("`{name}` is used: {why}"));
        }
    }
    for name in ["otp_sms", "otp_call"] {
        if uses(policy, name) {
            out.push(format!(
                "`{name}` is used: the telephone network is a restricted way; offer another, and tell callers of the risk (3.1.3.3)"
            ));
        }
    }
    for factor in alone(policy, FactorKind::Knowledge) {
        out.push(format!(
            "`{factor}` reaches a level by itself: a password that stands alone has 15 characters (3.1.1.2)"
        ));
    }
    if let Some(pin) =
        policy.factors.iter().find(|used| used.factor == FactorId::Pin && *used.digits.start() < 8)
    {
        out.push(format!(
            "a PIN of {} digits: a password has 8 characters at least (3.1.1.2)",
            pin.digits.start()
        ));
    }
    if policy.lockout.hard_stop > 100 {
        out.push("more than 100 failures in a row do not end a factor (3.2.2)".to_owned());
    }
    if !two_kinds(policy) {
        out.push("no level asks for two kinds of factors (2.2.1)".to_owned());
    }
    out.push("nothing that is keyed in a call resists phishing (2.2.2)".to_owned());
    out
}

fn pci_dss(policy: &Policy) -> Vec<String> {
    let mut out = Vec::new();
    let subject = policy.lockout.per_subject;
    if subject.failures > 10 {
        out.push(format!("{} failures before a lock: 10 at most (8.3.4)", subject.failures));
    }
    if subject.lock < Duration::from_secs(30 * 60) {
        out.push("a lock of less than 30 minutes (8.3.4)".to_owned());
    }
    if !two_kinds(policy) {
        out.push("no level asks for two kinds of factors (8.4, 8.5.1)".to_owned());
    }
    for level in policy.levels.iter().filter(|level| level.factors < 2 || !level.different_kinds) {
        out.push(format!(
            "`{}` is reached without two kinds of factors: let nothing of a card be heard there (8.5.1)",
            level.name
        ));
    }
    if uses(policy, "pin") {
        out.push("a PIN has digits only, and may have fewer than 12 (8.3.6)".to_owned());
    }
    out
}

fn hipaa(policy: &Policy) -> Vec<String> {
    let mut out = Vec::new();
    for level in policy.levels.iter().filter(|level| level.max_age.is_none()) {
        out.push(format!("`{}` does not end by itself in a long call (164.312(a)(2)(iii))", level.name));
    }
    if uses(policy, "number") || uses(policy, "questions") {
        out.push(
            "a number or an answer that others may know is weak proof of who asks (164.312(d))".to_owned(),
        );
    }
    out
}
