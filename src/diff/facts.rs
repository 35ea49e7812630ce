//! What is known of an application, by name, as text that people can compare.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::{FactorPolicy, LevelPolicy};
use crate::flow::document::Application;
use crate::flow::document::scalar::spoken_duration;

/// What every recording says.
pub(super) fn prompts(app: &Application) -> BTreeMap<String, String> {
    app.texts.iter().map(|(clip, text)| (clip.as_str().to_owned(), format!("\"{}\"", text.text))).collect()
}

/// The policy, and the levels that steps need.
pub(super) fn policy(app: &Application) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let policy = &app.policy;
    for factor in &policy.factors {
        out.insert(format!("factor {}", factor.factor.name()), factor_text(factor));
    }
    for level in &policy.levels {
        out.insert(format!("level {}", level.name), level_text(level));
    }
    let order: Vec<&str> = policy.levels.iter().map(|level| level.name.as_str()).collect();
    out.insert("levels, lowest first".to_owned(), order.join(", "));
    let lockout = &policy.lockout;
    let subject = &lockout.per_subject;
    out.insert("lockout per call".to_owned(), format!("{} failures", lockout.per_call));
    out.insert(
        "lockout per subject".to_owned(),
        format!(
            "{} failures within {} lock for {}{}",
            subject.failures,
            spoken_duration(subject.within),
            spoken_duration(subject.lock),
            if subject.growing { ", growing" } else { "" }
        ),
    );
    out.insert("lockout hard stop".to_owned(), format!("{} failures in a row", lockout.hard_stop));
    for (title, level) in super::weaker::needed(app) {
        out.insert(format!("level of {title}"), level);
    }
    out
}

fn factor_text(factor: &FactorPolicy) -> String {
    let (least, most) = (factor.digits.start(), factor.digits.end());
    let digits = if least == most { format!("{least} digits") } else { format!("{least} to {most} digits") };
    let weak = if factor.weak { ", weak" } else { "" };
    format!("{digits}{weak}, step {}, drift {}", spoken_duration(factor.step), factor.drift)
}

fn level_text(level: &LevelPolicy) -> String {
    let mut text = format!("{} factors", level.factors);
    if level.different_kinds {
        text.push_str(" of different kinds");
    }
    if !level.not_only.is_empty() {
        let names: Vec<&str> = level.not_only.iter().map(|factor| factor.name()).collect();
        text.push_str(&format!(", not only {}", names.join(", ")));
    }
    text.push_str(&age(level.max_age));
    text
}

fn age(max_age: Option<Duration>) -> String {
    max_age.map(|age| format!(", for {}", spoken_duration(age))).unwrap_or_default()
}
