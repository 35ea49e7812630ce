//! `authenticate`: the caller proves who they are.

use super::{Reader, Spec, next};
use crate::auth::FactorId;
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::policy_file::factor_id;
use crate::flow::document::{Arm, Authenticate, LevelRef, Prompt, StepKind};
use crate::flow::expr::{Field, Type};

pub(super) const SPEC: Spec = Spec {
    verb: "authenticate",
    summary: "Has the caller prove who they are, by factors of the policy, until a level is reached.",
    fields: &[
        ("level", "the level to reach: a name, or `\"${variable}\"`"),
        ("offer", "the factors, in the order they are asked for"),
        ("choose", "`policy`: the policy chooses among them"),
        ("prompts", "one prompt for each factor, `failed`, and if wanted `failed_last` and `silent` (one prompt, or `{pin: …, totp: …}`)"),
    ],
    outcomes: &["reached", "insufficient", "not_enrolled", "locked", "unavailable"],
    needs_caller: true,
    input: true,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let subject = fields::name(step.argument, "a subject", step.build.findings);
    let level_node = step.need("level");
    let level = level_node.and_then(|node| step.build.level(node));
    let offer_node = step.need("offer");
    let offers = offer_node.map(fields::items).unwrap_or_default();
    let offer: Vec<FactorId> = offers.iter().filter_map(|node| offered(step, node)).collect();
    if let Some(node) = step.get("choose") {
        if matches!(node.text(), "caller" | "strongest_first") {
            fields::not_yet(&node.place, &format!("`choose: {}`", node.text()), step.build.findings);
        } else {
            fields::choice(node, "choose", &[("policy", ())], step.build.findings);
        }
    }
    if let (Some(node), Some(level)) = (offer_node, &level)
        && offer.len() == offers.len()
    {
        reachable(step, node, level, &offer);
    }
    let prompts = prompts(step, &offer);
    let input = step.input(&[]);
    let mut arms = step.arms(&["reached", "insufficient", "not_enrolled", "locked", "unavailable"], &[])?.into_iter();
    let (reached, insufficient) = (next(&mut arms), next(&mut arms));
    if let (Arm::Goto(a), Arm::Goto(b)) = (&reached, &insufficient)
        && a == b
    {
        let place = step.place.clone();
        step.build.warn("W131", &place, "success and failure lead to the same block", "let `insufficient` go somewhere else, such as an agent");
    }
    let (challenge, failed, failed_last, silent) = prompts?;
    Some(StepKind::Authenticate(Authenticate {
        subject: subject?,
        level: level?,
        offer,
        challenge,
        failed,
        failed_last,
        silent,
        input,
        reached,
        insufficient,
        not_enrolled: next(&mut arms),
        locked: next(&mut arms),
        unavailable: next(&mut arms),
    }))
}

fn offered(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<FactorId> {
    let factor = factor_id(node, step.build.findings)?;
    if step.build.shared.policy.factor(factor).is_some() {
        return Some(factor);
    }
    step.error("E280", &node.place, format!("the policy does not use the factor `{factor}`"), "add it to `factors` in policy.yaml");
    None
}

/// Every level that may be asked for can be reached with what is offered.
fn reachable(step: &mut Reader<'_, '_, '_>, node: &fields::Node, level: &LevelRef, offer: &[FactorId]) {
    let policy = &step.build.shared.policy;
    let wanted: Vec<_> = match level {
        LevelRef::Named(level) => vec![level.clone()],
        LevelRef::From(crate::flow::expr::Expr::Var(var)) => match step.build.shared.var(*var).map(|var| &var.ty) {
            Some(Type::Enum(words)) => words.iter().map(|word| crate::auth::LevelName::from(&**word)).collect(),
            _ => policy.levels.iter().map(|level| level.name.clone()).collect(),
        },
        LevelRef::From(_) => Vec::new(),
    };
    let Some(level) = wanted.iter().find(|level| !policy.reachable(level, offer)) else { return };
    let needs = policy.level(level).map_or(0, |level| level.factors);
    let kinds = if policy.level(level).is_some_and(|level| level.different_kinds) { " of different kinds" } else { "" };
    let message = format!("what is offered can't reach `{level}`");
    step.error("E204", &node.place, message, format!("`{level}` needs {needs} factors{kinds}: offer more of them"));
}

type Prompts = (Vec<(FactorId, Prompt)>, Prompt, Option<Prompt>, Vec<(FactorId, Prompt)>);

fn prompts(step: &mut Reader<'_, '_, '_>, offer: &[FactorId]) -> Option<Prompts> {
    let node = step.need("prompts")?;
    let fields = Fields::of(node, "`prompts`", step.build.findings)?;
    let mut known: Vec<&str> = FactorId::ALL.iter().map(|factor| factor.name()).collect();
    known.extend(["failed", "failed_last", "silent"]);
    fields.only(&known, "`prompts` of `authenticate`", step.build.findings);
    let locals = [local("tries_left", Field::TriesLeft)];
    let mut challenge = Vec::new();
    for factor in offer {
        match fields.get(factor.name()) {
            Some(node) => challenge.extend(step.build.prompt(node, &[]).map(|prompt| (*factor, prompt))),
            None => {
                let message = format!("nothing is said to ask for `{factor}`");
                step.error("E114", &node.place, message, format!("add `{factor}: prompt` to `prompts`"));
            }
        }
    }
    let failed = fields.need("failed", "`prompts` of `authenticate`", step.build.findings)?;
    let failed = step.build.prompt(failed, &locals)?;
    let failed_last = match fields.get("failed_last") {
        Some(node) => Some(step.build.prompt(node, &locals)?),
        None => None,
    };
    let silent = match fields.get("silent") {
        Some(node) => silent(step, node, offer)?,
        None => Vec::new(),
    };
    Some((challenge, failed, failed_last, silent))
}

/// What is said when no key comes: one prompt for all factors, or one for each.
fn silent(step: &mut Reader<'_, '_, '_>, node: &fields::Node, offer: &[FactorId]) -> Option<Vec<(FactorId, Prompt)>> {
    let mut out = Vec::new();
    if node.mapping().is_none() {
        for factor in offer {
            out.push((*factor, step.build.prompt(node, &[])?));
        }
        return Some(out);
    }
    let fields = Fields::of(node, "`silent`", step.build.findings)?;
    let known: Vec<&str> = offer.iter().map(|factor| factor.name()).collect();
    fields.only(&known, "`silent`", step.build.findings);
    for factor in offer {
        if let Some(node) = fields.get(factor.name()) {
            out.push((*factor, step.build.prompt(node, &[])?));
        }
    }
    Some(out)
}
