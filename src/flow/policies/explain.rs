//! A policy in plain words: for whoever has to answer for it.

use std::fmt::Write;
use std::time::Duration;

use super::about::{self, About};
use super::{chance, standards};
use crate::auth::{FactorKind, FactorPolicy, OwnerBy, Policy, SourceLimit};
use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::Findings;
use crate::flow::document::{policy_file, yaml};

/// What the policy of a file means.
///
/// # Errors
/// Everything that is wrong with it.
pub fn explain(path: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let root = yaml::read(path, text, &mut findings);
    let policy = root.as_ref().map(|root| policy_file::read(root, &mut findings));
    let about = root.as_ref().and_then(|root| Fields::of(root, "a policy", &mut findings));
    let about = about.map(|file| about::read(&file, &mut Findings::default())).unwrap_or_default();
    let broken = findings.errors() > 0;
    let found = findings.into_sorted();
    match (root, policy) {
        (Some(root), Some(policy)) if !broken => Ok(Words::of(path, &root, &policy, &about).0),
        _ => Err(found),
    }
}

/// The text, as it grows. Writing to it does not fail.
struct Words(String);

impl Words {
    fn of(path: &str, root: &Node, policy: &Policy, about: &About) -> Self {
        let mut out = Self(String::new());
        let title = if about.title.is_empty() { "A policy" } else { about.title.as_str() };
        out.line(&format!("{title}: {path}"));
        out.factors(policy);
        out.levels(policy);
        out.limits(policy);
        out.guessing(policy);
        if let Some(risk) = root.get("risk") {
            out.risk(risk);
        }
        out.exceptions(about);
        if let Some(standard) = about.standard {
            out.heading(&format!("Where it departs from {}, as far as its numbers tell", standard.title()));
            for deviation in standards::deviations(policy, standard) {
                out.item(&deviation);
            }
            out.line(standards::caveat(standard));
        }
        out
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "{text}");
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}");
    }

    fn item(&mut self, text: &str) {
        let _ = writeln!(self.0, "  - {text}");
    }

    fn factors(&mut self, policy: &Policy) {
        self.heading("Factors");
        for used in &policy.factors {
            self.item(&factor(policy, used));
        }
    }

    fn levels(&mut self, policy: &Policy) {
        self.heading("Levels, lowest first, and what reaches them");
        for level in &policy.levels {
            let sets: Vec<String> = chance::sets(policy, level)
                .iter()
                .map(|set| set.iter().map(|factor| factor.name()).collect::<Vec<_>>().join(" and "))
                .collect();
            let kinds = if level.different_kinds { " of different kinds" } else { "" };
            let many =
                if level.factors == 1 { "1 factor".to_owned() } else { format!("{} factors", level.factors) };
            let age = level
                .max_age
                .map_or_else(String::new, |age| format!(", none proved more than {} ago", span(age)));
            self.item(&format!("{}: {many}{kinds}{age}: {}", level.name, sets.join("; or ")));
        }
    }

    fn limits(&mut self, policy: &Policy) {
        let limits = &policy.lockout;
        let subject = limits.per_subject;
        self.heading("Limits on being wrong");
        self.item(&format!("in one call: {} failures, then it goes on as not proved", limits.per_call));
        let grows =
            if subject.growing { ", twice as long after each further failure, 24 h at most" } else { "" };
        self.item(&format!(
            "one subject, over all calls and factors: {} failures within {} lock for {}{grows}; the lock ends by itself, or an \
             operator ends it (`countersign subject unlock`)",
            subject.failures,
            span(subject.within),
            span(subject.lock)
        ));
        let guesses = limits.guesses;
        let owner = match guesses.owner {
            OwnerBy::NumberOnFile => "from the number on file, unless the network does not vouch for it",
            OwnerBy::AttestedNumber => "from the number on file with attestation A",
        };
        self.item(&format!(
            "one subject in 24 h: {} guesses, of which {} are kept for who calls {owner}: locking a customer out does not lock \
             them out of their own telephone",
            guesses.per_day, guesses.for_owner
        ));
        let place = |limit: &SourceLimit| {
            let SourceLimit { failures, within, lock } = *limit;
            format!("{failures} failures within {} close it for {}", span(within), span(lock))
        };
        self.item(&format!("one calling number, over all subjects: {}", place(&limits.per_caller)));
        self.item(&format!("one trunk: {}", place(&limits.per_trunk)));
        self.item(&format!("everything together: {}", place(&limits.engine)));
        self.item(&format!(
            "an alarm when one number asks for {} accounts, or one trunk for {} that nobody has, within {}",
            limits.mining.accounts_per_caller,
            limits.mining.unknown_per_trunk,
            span(limits.mining.within)
        ));
        self.item(&format!(
            "one factor: {} failures in a row, then it must be enrolled again",
            limits.hard_stop
        ));
    }

    fn guessing(&mut self, policy: &Policy) {
        self.heading("Somebody who only guesses, per account and day, at most");
        for level in &policy.levels {
            for set in chance::sets(policy, level) {
                let names = set.iter().map(|factor| factor.name()).collect::<Vec<_>>().join(" and ");
                let told = chance::of_set(policy, &set).map_or_else(
                    || "can't be counted: not all of it is a number of digits".to_owned(),
                    chance::words,
                );
                self.item(&format!("{} by {names}: {told}", level.name));
            }
        }
    }

    fn risk(&mut self, risk: &Node) {
        let observed = risk.get("mode").is_some_and(|mode| mode.text() == "observe");
        self.heading(if observed { "Risk (only observed: nothing follows from it)" } else { "Risk" });
        for (name, signal) in risk.get("signals").and_then(Node::mapping).into_iter().flatten() {
            let of = |field: &str| signal.get(field).map(Node::text).unwrap_or_default();
            let add = if of("add").is_empty() { "0" } else { of("add") };
            let blocked = signal.get("blocks").map(fields::items).unwrap_or_default();
            let blocks: Vec<&str> = blocked.iter().map(|node| node.text()).collect();
            let blocks =
                if blocks.is_empty() { String::new() } else { format!(", takes out {}", blocks.join(", ")) };
            self.item(&format!("{}, when {}: {add} points{blocks}", name.text(), of("when")));
        }
        if let Some(service) = risk.get("service") {
            let of = |field: &str| service.get(field).map(Node::text).unwrap_or_default();
            self.item(&format!(
                "the service {} adds points; {} when it is silent",
                of("call"),
                of("default")
            ));
        }
        for (name, band) in risk.get("bands").and_then(Node::mapping).into_iter().flatten() {
            let from = band.get("from").unwrap_or(band);
            let mut follows = Vec::new();
            for (low, high) in band.get("needs").and_then(Node::mapping).into_iter().flatten() {
                follows.push(format!("{} needs {}", low.text(), high.text()));
            }
            let blocked = band.get("blocks").map(fields::items).unwrap_or_default();
            follows.extend(blocked.iter().map(|factor| format!("{} is not offered", factor.text())));
            follows
                .extend(band.get("goto").map(|block| format!("the call goes to the block {}", block.text())));
            let follows =
                if follows.is_empty() { "as the flow decides".to_owned() } else { follows.join(", ") };
            self.item(&format!("from {} points the band is {}: {follows}", from.text(), name.text()));
        }
    }

    fn exceptions(&mut self, about: &About) {
        self.heading("Exceptions that the policy writes down");
        if about.exceptions.is_empty() {
            self.item("none");
        }
        for exception in &about.exceptions {
            self.item(&format!("{}: {}, because {}", exception.rule, exception.what, exception.because));
        }
    }
}

fn factor(policy: &Policy, used: &FactorPolicy) -> String {
    let kind = match used.factor.kind() {
        FactorKind::Knowledge => "something known",
        FactorKind::Possession => "something had",
        FactorKind::Inherence => "something the caller is",
    };
    let mut out = format!("{}: {kind}", used.factor);
    if let Some(one) = chance::of_one(used) {
        let (min, max) = (used.digits.start(), used.digits.end());
        let digits = if min == max { min.to_string() } else { format!("{min} to {max}") };
        let _ = write!(out, ", {digits} digits; a guess at one is right {}", chance::words(one));
    }
    let codes = policy.codes_at_once(used.factor);
    if codes > 1 {
        let _ = write!(
            out,
            "; {codes} are right at a time, so a try counts as {codes} guesses where it stands alone"
        );
    }
    if used.weak {
        out.push_str("; weak: counts at the lowest level only");
    }
    if let Some(why) = &used.short_because {
        let _ = write!(out, "; shorter than 8 digits because {why}");
    }
    out
}

fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
