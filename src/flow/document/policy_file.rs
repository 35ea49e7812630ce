//! `policy.yaml`: factors, levels and limits.

use super::fields::{self, Fields};
use super::findings::{Findings, suggestion};
use super::lockout_file;
use super::policy_sent as sent;
use super::policy_voice as voice;
use super::scalar::spoken_duration;
use super::yaml::Node;
use crate::auth::factor::questions::AnswerKind;
use crate::auth::policy::PolicyError;
use crate::auth::{Duress, FactorId, FactorPolicy, LevelName, LevelPolicy, Policy, QuestionId};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::policies::about;

/// Reads the policy. With a finding anywhere the rest is filled from the defaults, so that a flow's own
/// findings do not drown in what follows from a policy that is not there.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Policy {
    let before = findings.errors();
    let mut policy = Policy::default();
    let Some(file) = Fields::of(root, "a policy", findings) else { return policy };
    let known =
        ["authpolicy", "title", "standard", "factors", "levels", "lockout", "duress", "risk", "exceptions"];
    file.only(&known, "a policy", findings);
    about::read(&file, findings);
    version(&file, findings);
    let mut places =
        Places { whole: root.place.clone(), factors: Vec::new(), levels: Vec::new(), lockout: None };
    if let Some(node) = file.need("factors", "a policy", findings) {
        policy.factors = factors(node, &mut places, findings);
    }
    if let Some(node) = file.need("levels", "a policy", findings) {
        policy.levels = levels(node, &mut places, findings);
    }
    if let Some(node) = file.get("lockout") {
        places.lockout = Some(node.place.clone());
        policy.lockout = lockout_file::lockout(node, findings);
    }
    if let Some(node) = file.get("duress") {
        let gives = [("same", Duress::Same), ("nothing", Duress::Nothing)];
        policy.duress = fields::choice(node, "duress", &gives, findings);
    }
    if findings.errors() == before {
        let problems = policy.problems();
        findings.extend(problems.iter().map(|problem| places.diagnostic(problem)));
        // Of levels in the wrong order nothing more can be said.
        let outlasting = policy.outlasting().filter(|_| problems.is_empty());
        findings.extend(outlasting.map(|(level, below)| places.outlasting(level, below)));
    }
    if policy.levels.is_empty() {
        policy.levels = Policy::default().levels;
    }
    policy
}

fn version(file: &Fields<'_>, findings: &mut Findings) {
    if let Some(node) = file.need("authpolicy", "a policy", findings)
        && node.text() != "1"
    {
        fields::wrong(node, "this version reads `authpolicy: 1`", "write `authpolicy: 1`", findings);
    }
}

/// Where things are, for what is wrong with the whole.
struct Places {
    whole: Place,
    factors: Vec<(FactorId, Place)>,
    levels: Vec<(LevelName, Place)>,
    lockout: Option<Place>,
}

impl Places {
    fn level(&self, level: &LevelName) -> Option<&Place> {
        self.levels.iter().find(|(name, _)| name == level).map(|(_, place)| place)
    }

    fn outlasting(&self, level: &LevelPolicy, below: &LevelPolicy) -> Diagnostic {
        let shorter = below.max_age.map(spoken_duration).unwrap_or_default();
        let longer = level.max_age.map_or_else(|| "for the whole call".to_owned(), spoken_duration);
        let (level, below) = (&level.name, &below.name);
        let message = format!(
            "`{below}` lasts {shorter}, and `{level}`, which counts as `{below}` too, lasts {longer}"
        );
        let help = format!("let `{level}` last {shorter} at most, or `{below}` as long as `{level}`");
        Diagnostic::warning("W287", self.level(below).cloned(), message).help(help)
    }

    fn diagnostic(&self, problem: &PolicyError) -> Diagnostic {
        let factor = |wanted: FactorId| {
            self.factors.iter().find(|(factor, _)| *factor == wanted).map(|(_, place)| place)
        };
        let (code, place, help) = match problem {
            PolicyError::ShortPin { .. } => {
                ("E283", factor(FactorId::Pin), "write 8 digits, or say why not: `short_because: \"…\"`")
            }
            PolicyError::Digits { factor: id, .. } => ("E283", factor(*id), digits_help(*id)),
            PolicyError::Life { factor: id } => (
                "E282",
                factor(*id),
                "`life: 5m` for a short message, `life: 10m` for a mail, `life: 2m` for a push",
            ),
            PolicyError::Questions { .. } => (
                "E288",
                factor(FactorId::Questions),
                "`questions: {ask: 2, spare: 1, list: {birth_date: date, postcode: letters, last_four: digits}}`",
            ),
            PolicyError::Window => {
                ("E282", factor(FactorId::Hotp), "`look_ahead: 2, resync: 100` is what suits most key fobs")
            }
            PolicyError::Drift => {
                ("E282", factor(FactorId::Totp), "`step: 30s, drift: 1` is what authenticator apps expect")
            }
            PolicyError::Unreachable { level } => {
                ("E284", self.level(level), "ask for fewer factors, or add a factor of another kind")
            }
            PolicyError::Order { level, below } => {
                let message = problem.to_string();
                let help = "levels stand lowest first: swap the two, or let the higher one ask for all that the lower one asks for";
                let diagnostic = Diagnostic::error("E286", self.level(level).cloned(), message).help(help);
                return match self.level(below) {
                    Some(place) => diagnostic.related(place.clone(), "below it"),
                    None => diagnostic,
                };
            }
            PolicyError::VoiceAlone { level } => {
                let place = self.levels.iter().find(|(name, _)| name == level).map(|(_, place)| place);
                ("E202", place, "write `not_only: [voiceprint]` into the level")
            }
            PolicyError::Limits => ("E281", self.lockout.as_ref(), "remove the limit to get its default"),
            PolicyError::NothingForOthers => (
                "E281",
                self.lockout.as_ref(),
                "keep fewer for the owner than a day has: `guesses: {per_day: 10, for_owner: 3}`",
            ),
            PolicyError::LocksForEver => (
                "E281",
                self.lockout.as_ref(),
                "lock for hours, or have the factor enrolled again: `hard_stop: 100`",
            ),
            PolicyError::NeverLocks => {
                ("E281", self.lockout.as_ref(), "count over an hour or a day: `within: 24h`")
            }
        };
        let place = place.unwrap_or(&self.whole).clone();
        Diagnostic::error(code, Some(place), problem.to_string()).help(help)
    }
}

fn factors(node: &Node, places: &mut Places, findings: &mut Findings) -> Vec<FactorPolicy> {
    let mut out = Vec::new();
    for (key, value) in Fields::of(node, "`factors`", findings).map(|fields| fields.pairs).unwrap_or_default()
    {
        if let Some(id) = factor_id(key, findings) {
            places.factors.push((id, key.place.clone()));
            out.push(factor(id, value, findings));
        }
    }
    out
}

/// Factors of the language that this version can't check.
const LATER: [&str; 1] = ["passkey"];

/// A factor by its name, or a finding.
pub(crate) fn factor_id(node: &Node, findings: &mut Findings) -> Option<FactorId> {
    let name = fields::text(node, "a factor", findings)?;
    let found = FactorId::from_name(&name);
    if matches!(name.as_str(), "caller_id" | "caller_number" | "caller" | "phone" | "ani" | "cli") {
        let message = format!("`{name}` is no factor: anybody can call with any number");
        let help = "use it for `identify` (a claim), and let the caller prove it by `pin` or `totp`";
        findings.push(Diagnostic::error("E201", Some(node.place.clone()), message).help(help));
        return None;
    }
    if found.is_none() && LATER.contains(&name.as_str()) {
        fields::not_yet(&node.place, &format!("the factor `{name}`"), findings);
    } else if found.is_none() {
        let help = suggestion(&name, FactorId::ALL.iter().map(|factor| factor.name()), "factors");
        let message = format!("there is no factor `{name}`");
        findings.push(Diagnostic::error("E280", Some(node.place.clone()), message).help(help));
    }
    found
}

fn factor(id: FactorId, node: &Node, findings: &mut Findings) -> FactorPolicy {
    let mut policy = id.defaults();
    let Some(factor) = Fields::of(node, "a factor", findings) else { return policy };
    let known: &[&str] = match id {
        FactorId::Pin => &["kind", "digits", "short_because", "weak", "store", "refuse", "spoken"],
        FactorId::Password => &["kind", "digits", "weak", "store"],
        FactorId::Questions => &["kind", "ask", "spare", "list", "told", "weak", "store"],
        FactorId::Totp => &["kind", "digits", "step", "drift", "weak", "algorithm", "single_use", "spoken"],
        FactorId::OtpSms | FactorId::OtpEmail | FactorId::OtpCall => &sent::CODE,
        FactorId::Push => &sent::PUSH,
        FactorId::Number => &sent::NUMBER,
        FactorId::Voiceprint => &voice::FIELDS,
        FactorId::Hotp => {
            &["kind", "digits", "look_ahead", "resync", "weak", "algorithm", "single_use", "spoken"]
        }
        FactorId::Recovery => &["kind", "digits", "weak", "store", "single_use", "spoken"],
    };
    factor.only(known, &format!("the factor `{id}`"), findings);
    if let Some(node) = factor.get("kind") {
        let kind = match id.kind() {
            crate::auth::FactorKind::Knowledge => "knowledge",
            crate::auth::FactorKind::Possession => "possession",
            crate::auth::FactorKind::Inherence => "inherence",
        };
        fields::choice(node, "kind", &[(kind, ())], findings);
    }
    if let Some(node) = factor.get("digits") {
        digits(node, &mut policy, findings);
    }
    if let Some(node) = factor.get("short_because") {
        policy.short_because = fields::text(node, "`short_because`", findings);
    }
    if let Some(node) = factor.get("weak") {
        policy.weak = fields::flag(node, "weak", findings).unwrap_or(policy.weak);
    }
    if let Some(node) = factor.get("spoken") {
        policy.spoken = fields::flag(node, "spoken", findings).unwrap_or(policy.spoken);
    }
    if let Some(node) = factor.get("step") {
        policy.step = fields::duration(node, "step", findings).unwrap_or(policy.step);
    }
    if let Some(node) = factor.get("drift") {
        policy.drift = fields::count(node, "drift", 0..=255, findings).unwrap_or(policy.drift);
    }
    if let Some(node) = factor.get("look_ahead") {
        policy.look_ahead =
            fields::count(node, "look_ahead", 0..=1000, findings).unwrap_or(policy.look_ahead);
    }
    if let Some(node) = factor.get("resync") {
        policy.resync = fields::count(node, "resync", 0..=1000, findings).unwrap_or(policy.resync);
    }
    if let Some(node) = factor.get("algorithm") {
        use crate::auth::factor::totp::Algorithm;
        let names = [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
        policy.algorithm = fields::choice(node, "algorithm", &names, findings).unwrap_or(policy.algorithm);
    }
    if let Some(node) = factor.get("store") {
        fields::choice(node, "store", &[("argon2id", ())], findings);
    }
    sent::read(&factor, &mut policy, findings);
    if id == FactorId::Voiceprint {
        voice::read(&factor, &mut policy.voice, findings);
    }
    questions(&factor, &mut policy, findings);
    if let Some(node) = factor.get("single_use")
        && fields::flag(node, "single_use", findings) == Some(false)
    {
        fields::wrong(node, "a code works once", "leave `single_use` out", findings);
    }
    // What is refused as a PIN is not a choice; the list is there for those who read the policy.
    for node in factor.get("refuse").map(fields::items).unwrap_or_default() {
        let names =
            ["sequences", "repeats", "birth_date", "dates", "own_numbers", "common"].map(|name| (name, ()));
        fields::choice(node, "refuse", &names, findings);
    }
    policy
}

/// What is asked, how many at a time, and what each answer is.
fn questions(factor: &Fields<'_>, policy: &mut FactorPolicy, findings: &mut Findings) {
    let asked = &mut policy.questions;
    if let Some(node) = factor.get("ask") {
        asked.ask = fields::count(node, "ask", 1..=9, findings).unwrap_or(asked.ask);
    }
    if let Some(node) = factor.get("spare") {
        asked.spare = fields::count(node, "spare", 0..=9, findings).unwrap_or(asked.spare);
    }
    asked.list = question_list(factor.get("list"), findings);
    asked.told = question_list(factor.get("told"), findings);
    asked.told.retain(|(told, _)| asked.list.iter().all(|(kept, _)| kept != told));
}

fn question_list(node: Option<&Node>, findings: &mut Findings) -> Vec<(QuestionId, AnswerKind)> {
    let mut out = Vec::new();
    let list = node.and_then(|node| Fields::of(node, "a list of questions", findings));
    for (key, value) in list.map(|fields| fields.pairs).unwrap_or_default() {
        let Some(name) = fields::name(key, "a question", findings) else { continue };
        let kinds =
            [("digits", AnswerKind::Digits), ("date", AnswerKind::Date), ("letters", AnswerKind::Letters)];
        let kind = fields::choice(value, "a question", &kinds, findings);
        out.extend(kind.map(|kind| (QuestionId::from(name.as_str()), kind)));
    }
    out
}

const fn digits_help(factor: FactorId) -> &'static str {
    match factor {
        FactorId::Pin => "`digits: 8` or `digits: {min: 6, max: 8}`; 12 at most",
        FactorId::Password => "`digits: {min: 8, max: 24}`: the keys of a password, 8 to 32",
        FactorId::Push => "leave `digits` out: an approval is answered by three digits",
        FactorId::Voiceprint => "`digits: 6`: so many random digits are asked for, 4 to 8",
        FactorId::Recovery => "`digits: 9`: the number of the code and 8 to 11 secret digits, always as many",
        _ => "`digits: 6`: a one-time code has 6 to 8, always as many",
    }
}

fn digits(node: &Node, policy: &mut FactorPolicy, findings: &mut Findings) {
    if node.mapping().is_none() {
        if let Some(count) = fields::count(node, "digits", 1..=255, findings) {
            policy.digits = count..=count;
        }
        return;
    }
    let Some(range) = Fields::of(node, "`digits`", findings) else { return };
    range.only(&["min", "max"], "`digits`", findings);
    let mut end = |name: &str| {
        range.need(name, "`digits`", findings).and_then(|node| fields::count(node, name, 1..=255, findings))
    };
    if let (Some(min), Some(max)) = (end("min"), end("max")) {
        policy.digits = min..=max;
    }
}

fn levels(node: &Node, places: &mut Places, findings: &mut Findings) -> Vec<LevelPolicy> {
    let mut out = Vec::new();
    for (key, value) in Fields::of(node, "`levels`", findings).map(|fields| fields.pairs).unwrap_or_default()
    {
        let Some(name) = fields::name(key, "a level", findings) else { continue };
        if name == "none" {
            fields::wrong(
                key,
                "`none` is what a caller has before any proof",
                "give this level another name",
                findings,
            );
            continue;
        }
        let name = LevelName::from(name.as_str());
        places.levels.push((name.clone(), key.place.clone()));
        out.push(level(name, value, findings));
    }
    out
}

fn level(name: LevelName, node: &Node, findings: &mut Findings) -> LevelPolicy {
    let mut policy =
        LevelPolicy { name, factors: 1, different_kinds: false, not_only: Vec::new(), max_age: None };
    let Some(level) = Fields::of(node, "a level", findings) else { return policy };
    level.only(&["factors", "different_kinds", "not_only", "max_age"], "a level", findings);
    if let Some(node) = level.need("factors", "a level", findings) {
        policy.factors = fields::count(node, "factors", 1..=9, findings).unwrap_or(1);
    }
    if let Some(node) = level.get("different_kinds") {
        policy.different_kinds = fields::flag(node, "different_kinds", findings).unwrap_or(false);
    }
    for node in level.get("not_only").map(fields::items).unwrap_or_default() {
        policy.not_only.extend(factor_id(node, findings));
    }
    if let Some(node) = level.get("max_age") {
        policy.max_age = fields::duration(node, "max_age", findings);
    }
    policy
}
