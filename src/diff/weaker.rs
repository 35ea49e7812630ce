//! What is weaker than before: levels that are lowered, proofs that need less, limits that are looser, notices and
//! questions for consent that are gone. Each is a `W290` that somebody has to accept.

use std::collections::{BTreeMap, BTreeSet};

use crate::auth::{LevelName, LevelPolicy, Policy};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::scalar::spoken_duration;
use crate::flow::document::{Application, Step, StepKind};
use crate::flow::reached_levels;

/// Everything that is weaker.
pub(super) fn weaker(old: &Application, new: &Application) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    reached(old, new, &mut found);
    protections(old, new, &mut found);
    told(old, new, &mut found);
    steps(old, new, &mut found);
    levels(&old.policy, &new.policy, &mut found);
    limits(&old.policy, &new.policy, &mut found);
    found
}

fn lowered(place: Option<Place>, message: String, help: &str) -> Diagnostic {
    Diagnostic::warning("W290", place, message).help(help)
}

/// A level's rank where 0 is none.
fn rank(policy: &Policy, level: &str) -> usize {
    policy.rank(&LevelName::from(level)).map_or(0, |rank| rank + 1)
}

fn name(policy: &Policy, rank: usize) -> String {
    let level = rank.checked_sub(1).and_then(|at| policy.levels.get(at));
    level.map_or_else(|| "nothing proved".to_owned(), |level| format!("`{}`", level.name))
}

/// Steps that a caller can reach with less proved than before.
fn reached(old: &Application, new: &Application, found: &mut Vec<Diagnostic>) {
    let (before, after) = (reached_levels(old), reached_levels(new));
    for (title, was) in before {
        let Some(is) = after.get(&title).copied() else { continue };
        let Some(level) = was.checked_sub(1).and_then(|at| old.policy.levels.get(at)) else { continue };
        // The same level may have another rank now; one that is gone is compared by its rank.
        let needed = match rank(&new.policy, level.name.as_str()) {
            0 => was,
            rank => rank,
        };
        if is < needed {
            let message = format!(
                "a caller gets to `{title}` with {}; before it took `{}`",
                name(&new.policy, is),
                level.name
            );
            let help = "put `require` before it, or say that this is meant with --accept";
            found.push(lowered(place_of(new, &title), message, help));
        }
    }
}

fn place_of(app: &Application, title: &str) -> Option<Place> {
    let all = app.all_steps();
    let step = all.iter().find(|step| match &step.kind {
        StepKind::Audit(audit) => format!("audit {}", audit.event) == title,
        kind => kind.node().title() == title,
    });
    step.map(|step| step.place.clone())
}

/// The levels that steps need, by what messages call them.
pub(super) fn needed(app: &Application) -> BTreeMap<String, String> {
    let of = |step: &&Step| {
        let node = step.kind.node();
        node.protected().map(|level| (node.title(), level.to_string()))
    };
    app.all_steps().iter().filter_map(of).collect()
}

/// Services that need less than before.
fn protections(old: &Application, new: &Application, found: &mut Vec<Diagnostic>) {
    let after = needed(new);
    for (title, was) in needed(old) {
        let is = after.get(&title).map(String::as_str).unwrap_or_default();
        let gone = place_of(new, &title).is_none();
        let before = match rank(&new.policy, &was) {
            0 => rank(&old.policy, &was),
            rank => rank,
        };
        if !gone && rank(&new.policy, is) < before {
            let message = match is {
                "" => format!("`{title}` needs no level any more; it needed `{was}`"),
                is => format!("`{title}` needs `{is}`; it needed `{was}`"),
            };
            let help = "give the service's call its `level` back, or say that this is meant with --accept";
            found.push(lowered(place_of(new, &title), message, help));
        }
    }
}

/// What callers are told and asked for, by verb and prompt.
fn notices(app: &Application) -> BTreeMap<(String, String), Place> {
    let mut out = BTreeMap::new();
    for step in app.all_steps() {
        let verb = step.kind.verb();
        if matches!(verb, "notice" | "consent") {
            let what = match step.kind.prompts().first() {
                Some(prompt) => prompt.key.to_string(),
                None => step.kind.node().title(),
            };
            out.insert((verb.to_owned(), what), step.place.clone());
        }
    }
    out
}

/// Notices and questions for consent that are gone.
fn told(old: &Application, new: &Application, found: &mut Vec<Diagnostic>) {
    let after = notices(new);
    for ((verb, what), place) in notices(old) {
        if !after.contains_key(&(verb.clone(), what.clone())) {
            let message = match verb.as_str() {
                "consent" => format!("callers are no longer asked for their consent: `{what}`"),
                _ => format!("callers no longer hear the notice `{what}`"),
            };
            let help = "put it back, or say that this is meant with --accept";
            found.push(lowered(Some(place), message, help).label("in the version before"));
        }
    }
}

/// Steps of the same block that ask for less: proofs that may be older, replies that tell accounts apart, weak
/// factors that are offered too.
fn steps(old: &Application, new: &Application, found: &mut Vec<Diagnostic>) {
    for block in &old.blocks {
        let flow =
            |app: &Application, id| app.flow(id).map(|flow: &crate::flow::document::Flow| flow.name.clone());
        let same = |twin: &&crate::flow::document::Block| {
            twin.name == block.name
                && (flow(new, twin.flow) == flow(old, block.flow) || (twin.flow.0 == 0 && block.flow.0 == 0))
        };
        let Some(twin) = new.blocks.iter().find(same) else { continue };
        requires(&block.name, &block.steps, &twin.steps, found);
        replies(&block.name, &block.steps, &twin.steps, found);
        offers(new, &block.name, &block.steps, &twin.steps, found);
    }
}

fn requires(block: &str, old: &[Step], new: &[Step], found: &mut Vec<Diagnostic>) {
    let of = |steps: &[Step]| -> Vec<(Place, Option<std::time::Duration>)> {
        let require = |step: &Step| match &step.kind {
            StepKind::Require(require) => Some((step.place.clone(), require.max_age)),
            _ => None,
        };
        steps.iter().filter_map(require).collect()
    };
    for ((_, was), (place, is)) in of(old).into_iter().zip(of(new)) {
        let Some(was) = was else { continue };
        if is.is_none_or(|is| is > was) {
            let now =
                is.map_or_else(|| "of any age".to_owned(), |is| format!("of up to {}", spoken_duration(is)));
            let message =
                format!("`{block}` takes a proof {now}; before it had to be within {}", spoken_duration(was));
            let help = "make `max_age` shorter again, or say that this is meant with --accept";
            found.push(lowered(Some(place), message, help));
        }
    }
}

fn replies(block: &str, old: &[Step], new: &[Step], found: &mut Vec<Diagnostic>) {
    let of = |steps: &[Step]| -> Vec<(Place, bool)> {
        let identify = |step: &Step| match &step.kind {
            StepKind::Identify(identify) => Some((step.place.clone(), identify.same_reply)),
            _ => None,
        };
        steps.iter().filter_map(identify).collect()
    };
    for ((_, was), (place, is)) in of(old).into_iter().zip(of(new)) {
        if was && !is {
            let message = format!("callers can tell in `{block}` which accounts exist");
            let help = "write `same_reply: true` again, or say that this is meant with --accept";
            found.push(lowered(Some(place), message, help));
        }
    }
}

fn offers(new_app: &Application, block: &str, old: &[Step], new: &[Step], found: &mut Vec<Diagnostic>) {
    let of = |steps: &[Step]| -> Vec<(Place, BTreeSet<&'static str>)> {
        let auth = |step: &Step| match &step.kind {
            StepKind::Authenticate(auth) => {
                Some((step.place.clone(), auth.offer.iter().map(|factor| factor.name()).collect()))
            }
            _ => None,
        };
        steps.iter().filter_map(auth).collect()
    };
    for ((_, was), (place, is)) in of(old).into_iter().zip(of(new)) {
        let weak = |name: &&&str| {
            new_app.policy.factors.iter().any(|factor| factor.factor.name() == **name && factor.weak)
        };
        for factor in is.difference(&was).filter(weak) {
            let message = format!("`{block}` offers the weak factor `{factor}` too");
            let help = "take it out of `offer`, or say that this is meant with --accept";
            found.push(lowered(Some(place.clone()), message, help));
        }
    }
}

/// Levels that take less to reach, or last longer.
fn levels(old: &Policy, new: &Policy, found: &mut Vec<Diagnostic>) {
    let help = "restore policy.yaml, or say that this is meant with --accept";
    for was in &old.levels {
        let Some(is) = new.levels.iter().find(|level| level.name == was.name) else { continue };
        for what in less(was, is) {
            found.push(lowered(None, format!("the level `{}` {what}", was.name), help));
        }
    }
    for (at, lower) in old.levels.iter().enumerate() {
        for higher in old.levels.iter().skip(at + 1) {
            let (low, high) = (rank(new, lower.name.as_str()), rank(new, higher.name.as_str()));
            // Ranks are counted from 1; 0 is a level that is gone.
            if 0 < high && high < low {
                let (lower, higher) = (&lower.name, &higher.name);
                let message = format!(
                    "`{lower}` stands above `{higher}`; before it stood below: who reaches `{lower}` passes for `{higher}`"
                );
                found.push(lowered(None, message, help));
            }
        }
    }
    for was in &old.factors {
        let Some(is) = new.factors.iter().find(|factor| factor.factor == was.factor) else { continue };
        let name = was.factor.name();
        if is.digits.start() < was.digits.start() {
            let message =
                format!("`{name}` takes {} digits; before it took {}", is.digits.start(), was.digits.start());
            found.push(lowered(None, message, help));
        }
        if is.drift > was.drift || is.step > was.step {
            found.push(lowered(None, format!("a code of `{name}` is accepted for longer than before"), help));
        }
        if was.weak && !is.weak {
            found.push(lowered(None, format!("`{name}` is no longer a weak factor"), help));
        }
    }
}

/// What a level asks less of.
fn less(was: &LevelPolicy, is: &LevelPolicy) -> Vec<String> {
    let mut out = Vec::new();
    if is.factors < was.factors {
        out.push(format!("takes {} factors; before it took {}", is.factors, was.factors));
    }
    if was.different_kinds && !is.different_kinds {
        out.push("takes factors of one kind; before they had to be different".to_owned());
    }
    for factor in was.not_only.iter().filter(|factor| !is.not_only.contains(factor)) {
        out.push(format!("can be reached by `{}` alone", factor.name()));
    }
    match (was.max_age, is.max_age) {
        (Some(was), None) => {
            out.push(format!("lasts for the whole call; before it lasted {}", spoken_duration(was)))
        }
        (Some(was), Some(is)) if is > was => {
            out.push(format!("lasts {}; before it lasted {}", spoken_duration(is), spoken_duration(was)));
        }
        _ => {}
    }
    out
}

/// Limits on wrong answers that are looser.
fn limits(old: &Policy, new: &Policy, found: &mut Vec<Diagnostic>) {
    let (was, is) = (&old.lockout, &new.lockout);
    let (subject, now) = (&was.per_subject, &is.per_subject);
    let looser = [
        (is.per_call > was.per_call, "more failures are allowed in one call"),
        (now.failures > subject.failures, "more failures are allowed before a lock"),
        (now.within < subject.within, "failures are forgotten sooner"),
        (now.lock < subject.lock, "a lock is shorter"),
        (subject.growing && !now.growing, "locks no longer grow"),
        (is.hard_stop > was.hard_stop, "more failures in a row are allowed before a factor is stopped"),
    ];
    for (_, what) in looser.iter().filter(|(looser, _)| *looser) {
        let help = "restore `lockout` in policy.yaml, or say that this is meant with --accept";
        found.push(lowered(None, format!("{what} than before").replace("grow than before", "grow"), help));
    }
}
