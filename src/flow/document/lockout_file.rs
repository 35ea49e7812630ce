//! `lockout:` of a policy: how often one may be wrong, by whom and from where.

use super::fields::{self, Fields};
use super::findings::Findings;
use super::yaml::Node;
use crate::auth::{Guesses, Lockout, Mining, OwnerBy, SourceLimit, SubjectLimit};

/// More failures than any limit needs.
const MOST: u32 = 100_000;

pub(super) fn lockout(node: &Node, findings: &mut Findings) -> Lockout {
    let mut out = Lockout::default();
    let Some(lockout) = Fields::of(node, "`lockout`", findings) else { return out };
    let known = [
        "per_call",
        "per_subject",
        "per_customer",
        "guesses",
        "per_caller",
        "per_trunk",
        "engine",
        "mining",
        "hard_stop",
        "unlock",
    ];
    lockout.only(&known, "`lockout`", findings);
    if let Some(limit) = lockout.get("per_call").and_then(|node| Fields::of(node, "`per_call`", findings)) {
        limit.only(&["failures"], "`per_call`", findings);
        let node = limit.need("failures", "`per_call`", findings);
        out.per_call =
            node.and_then(|node| fields::count(node, "failures", 0..=1000, findings)).unwrap_or(out.per_call);
    }
    if let Some(node) = lockout.get("per_subject").or_else(|| lockout.get("per_customer")) {
        subject(node, &mut out.per_subject, findings);
    }
    if let Some(node) = lockout.get("guesses") {
        guesses(node, &mut out.guesses, findings);
    }
    for (name, limit) in
        [("per_caller", &mut out.per_caller), ("per_trunk", &mut out.per_trunk), ("engine", &mut out.engine)]
    {
        if let Some(node) = lockout.get(name) {
            source(node, name, limit, findings);
        }
    }
    if let Some(node) = lockout.get("mining") {
        mining(node, &mut out.mining, findings);
    }
    if let Some(node) = lockout.get("hard_stop") {
        // NIST SP 800-63B-4 §3.2.2: at most 100 consecutive failures.
        out.hard_stop = fields::count(node, "hard_stop", 0..=100, findings).unwrap_or(out.hard_stop);
    }
    // How a lock ends is no choice; the list is there for those who read the policy.
    for node in lockout.get("unlock").map(fields::items).unwrap_or_default() {
        fields::choice(node, "unlock", &[("time", ()), ("operator", ())], findings);
    }
    out
}

fn subject(node: &Node, out: &mut SubjectLimit, findings: &mut Findings) {
    let Some(limit) = Fields::of(node, "`per_subject`", findings) else { return };
    limit.only(&["failures", "within", "lock", "growing", "count"], "`per_subject`", findings);
    if let Some(node) = limit.get("failures") {
        out.failures = fields::count(node, "failures", 0..=1000, findings).unwrap_or(out.failures);
    }
    if let Some(node) = limit.get("within") {
        out.within = fields::duration(node, "within", findings).unwrap_or(out.within);
    }
    if let Some(node) = limit.get("lock") {
        out.lock = fields::duration(node, "lock", findings).unwrap_or(out.lock);
    }
    if let Some(node) = limit.get("growing") {
        out.growing = fields::flag(node, "growing", findings).unwrap_or(out.growing);
    }
}

fn guesses(node: &Node, out: &mut Guesses, findings: &mut Findings) {
    let Some(limit) = Fields::of(node, "`guesses`", findings) else { return };
    limit.only(&["per_day", "for_owner", "owner"], "`guesses`", findings);
    if let Some(node) = limit.get("per_day") {
        out.per_day = fields::count(node, "per_day", 0..=1000, findings).unwrap_or(out.per_day);
    }
    if let Some(node) = limit.get("for_owner") {
        out.for_owner = fields::count(node, "for_owner", 0..=1000, findings).unwrap_or(out.for_owner);
    }
    if let Some(node) = limit.get("owner") {
        let names = [("number_on_file", OwnerBy::NumberOnFile), ("attested_number", OwnerBy::AttestedNumber)];
        out.owner = fields::choice(node, "owner", &names, findings).unwrap_or(out.owner);
    }
}

fn source(node: &Node, name: &str, out: &mut SourceLimit, findings: &mut Findings) {
    let what = format!("`{name}`");
    let Some(limit) = Fields::of(node, &what, findings) else { return };
    limit.only(&["failures", "within", "lock"], &what, findings);
    if let Some(node) = limit.get("failures") {
        out.failures = fields::count(node, "failures", 0..=MOST, findings).unwrap_or(out.failures);
    }
    if let Some(node) = limit.get("within") {
        out.within = fields::duration(node, "within", findings).unwrap_or(out.within);
    }
    if let Some(node) = limit.get("lock") {
        out.lock = fields::duration(node, "lock", findings).unwrap_or(out.lock);
    }
}

fn mining(node: &Node, out: &mut Mining, findings: &mut Findings) {
    let Some(limit) = Fields::of(node, "`mining`", findings) else { return };
    limit.only(&["accounts_per_caller", "unknown_per_trunk", "within"], "`mining`", findings);
    // As many as are kept of one number and of one trunk.
    if let Some(node) = limit.get("accounts_per_caller") {
        let read = fields::count(node, "accounts_per_caller", 0..=64, findings);
        out.accounts_per_caller = read.unwrap_or(out.accounts_per_caller);
    }
    if let Some(node) = limit.get("unknown_per_trunk") {
        let read = fields::count(node, "unknown_per_trunk", 0..=1024, findings);
        out.unknown_per_trunk = read.unwrap_or(out.unknown_per_trunk);
    }
    if let Some(node) = limit.get("within") {
        out.within = fields::duration(node, "within", findings).unwrap_or(out.within);
    }
}
