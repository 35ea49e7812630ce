//! What everything in an application is called, collected before any step is read, so that a step may
//! name what is written further down or in another file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ast::{BlockId, Class, FlowId, LanguageId, OutcomeId, VarId, Variable};
use super::calendar::Calendars;
use super::catalogue::Catalogue;
use super::fields::{self, Fields};
use super::findings::Findings;
use super::services::Services;
use super::yaml::{Data, Node};
use crate::auth::{LevelName, Policy};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::expr::Type;
use crate::flow::run;

/// Everything that steps refer to.
pub(crate) struct Shared<'n> {
    pub(crate) languages: Vec<String>,
    pub(crate) default_language: LanguageId,
    /// By [`LanguageId`].
    pub(crate) catalogues: Vec<Catalogue>,
    pub(crate) policy: Policy,
    /// What the policy says of risk.
    pub(crate) risk: Option<Node>,
    /// The bands of risk.
    pub(crate) bands: Vec<(Arc<str>, u32)>,
    /// Levels that a band raises: which, to which, in which band.
    pub(crate) raises: Vec<(LevelName, LevelName, Arc<str>)>,
    pub(crate) services: Services,
    pub(crate) calendars: Calendars,
    pub(crate) flows: Vec<FlowDecl<'n>>,
    pub(crate) blocks: Vec<BlockDecl<'n>>,
    pub(crate) vars: Vec<Variable>,
    pub(crate) targets: BTreeMap<String, String>,
    pub(crate) defaults: Option<&'n Node>,
    /// Where the answers to `consent` are kept, by purpose.
    pub(crate) consents: BTreeMap<String, VarId>,
}

/// A flow's names.
pub(crate) struct FlowDecl<'n> {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) entry: Option<&'n Node>,
    /// Whether it says `secure: true`.
    pub(crate) secure: bool,
    pub(crate) blocks: BTreeMap<String, BlockId>,
    pub(crate) takes: Vec<(String, VarId)>,
    pub(crate) outcomes: Vec<Arc<str>>,
    pub(crate) gives: Vec<(String, VarId)>,
    pub(crate) results: BTreeMap<String, VarId>,
    pub(crate) scope: BTreeMap<String, VarId>,
    /// The sub-flows of its file, and flow files by their path.
    pub(crate) callable: HashMap<String, FlowId>,
}

impl FlowDecl<'_> {
    /// An outcome by its name.
    pub(crate) fn outcome(&self, name: &str) -> Option<OutcomeId> {
        let index = self.outcomes.iter().position(|outcome| **outcome == *name)?;
        u16::try_from(index).ok().map(OutcomeId)
    }
}

/// A block's name and its steps as written.
pub(crate) struct BlockDecl<'n> {
    pub(crate) name: Arc<str>,
    pub(crate) flow: FlowId,
    pub(crate) place: Place,
    pub(crate) steps: &'n Node,
}

impl<'n> Shared<'n> {
    /// Levels that a band raises.
    pub(crate) fn raises_in(&self, band: &str) -> Vec<(LevelName, LevelName)> {
        let of_band = self.raises.iter().filter(|(.., name)| **name == *band);
        of_band.map(|(from, to, _)| (from.clone(), to.clone())).collect()
    }

    /// A new flow from the mapping that has its `blocks`; its results come later.
    pub(crate) fn declare(&mut self, name: Arc<str>, flow: &Fields<'n>, findings: &mut Findings) -> FlowId {
        let id = FlowId(u32::try_from(self.flows.len()).unwrap_or(u32::MAX));
        let mut decl = FlowDecl {
            name,
            place: flow.place.clone(),
            entry: flow.get("entry"),
            secure: flow
                .get("secure")
                .and_then(|node| fields::flag(node, "secure", findings))
                .unwrap_or(false),
            blocks: BTreeMap::new(),
            takes: Vec::new(),
            outcomes: Vec::new(),
            gives: Vec::new(),
            results: BTreeMap::new(),
            scope: BTreeMap::new(),
            callable: HashMap::new(),
        };
        for part in ["takes", "vars"] {
            for (name, var) in self.variables(flow.get(part), part, "", findings) {
                if part == "takes" {
                    decl.takes.push((name.clone(), var));
                }
                decl.scope.insert(name, var);
            }
        }
        decl.gives = self.variables(flow.get("gives"), "gives", "gives.", findings);
        for node in flow.get("outcomes").map(fields::items).unwrap_or_default() {
            if let Some(name) = fields::name(node, "an outcome", findings) {
                decl.outcomes.push(Arc::from(name));
            }
        }
        let blocks =
            flow.need("blocks", "a flow", findings).and_then(|node| Fields::of(node, "`blocks`", findings));
        for (key, steps) in blocks.map(|blocks| blocks.pairs).unwrap_or_default() {
            let Some(name) = fields::name(key, "a block", findings) else { continue };
            let block = BlockId(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX));
            self.blocks.push(BlockDecl {
                name: Arc::from(name.as_str()),
                flow: id,
                place: key.place.clone(),
                steps,
            });
            decl.blocks.insert(name, block);
        }
        self.flows.push(decl);
        id
    }

    fn variables(
        &mut self,
        node: Option<&'n Node>,
        what: &str,
        prefix: &str,
        findings: &mut Findings,
    ) -> Vec<(String, VarId)> {
        let Some(node) = node else { return Vec::new() };
        let Some(listed) = Fields::of(node, &format!("`{what}`"), findings) else { return Vec::new() };
        let mut out = Vec::new();
        for (key, about) in listed.pairs {
            let Some(name) = fields::name(key, "a variable", findings) else { continue };
            if crate::flow::expr::Field::from_name(&name).is_some()
                || matches!(name.as_str(), "result" | "auth" | "call" | "consent")
            {
                fields::wrong(
                    key,
                    format!("`{name}` is a name of the engine"),
                    "give the variable another name",
                    findings,
                );
                continue;
            }
            let (ty, class) = variable(about, findings).unwrap_or((Type::Text, Class::Personal));
            out.push((name.clone(), self.slot(&format!("{prefix}{name}"), ty, class)));
        }
        out
    }

    /// A new slot.
    pub(crate) fn slot(&mut self, name: &str, ty: Type, class: Class) -> VarId {
        let id = VarId(u32::try_from(self.vars.len()).unwrap_or(u32::MAX));
        self.vars.push(Variable { name: Arc::from(name), ty, class });
        id
    }

    pub(crate) fn var(&self, id: VarId) -> Option<&Variable> {
        self.vars.get(id.index())
    }

    pub(crate) fn flow(&self, id: FlowId) -> Option<&FlowDecl<'n>> {
        self.flows.get(usize::try_from(id.0).ok()?)
    }

    /// Makes the slots `result.…` of every flow: what its look-ups reply and its sub-flows give.
    pub(crate) fn declare_results(&mut self, findings: &mut Findings) {
        let blocks: Vec<(FlowId, &'n Node)> =
            self.blocks.iter().map(|block| (block.flow, block.steps)).collect();
        for (flow, steps) in blocks {
            let mut sources = Vec::new();
            result_sources(steps, &mut sources);
            for (verb, node) in sources {
                for (name, ty, class) in self.result_fields(flow, verb, node.text()) {
                    self.result(flow, &name, ty, class, node, findings);
                }
            }
        }
    }

    /// Makes the slots `consent.…`: one for each purpose that some step asks for, the same in every flow.
    pub(crate) fn declare_consents(&mut self) {
        let mut purposes = Vec::new();
        self.blocks.iter().for_each(|block| consent_purposes(block.steps, &mut purposes));
        let words = [run::CONSENT_GRANTED, run::CONSENT_REFUSED, run::CONSENT_UNKNOWN].map(Arc::from);
        for purpose in purposes {
            if !self.consents.contains_key(&purpose) {
                let slot =
                    self.slot(&format!("consent.{purpose}"), Type::Enum(words.to_vec()), Class::Public);
                self.consents.insert(purpose, slot);
            }
        }
    }

    fn result_fields(&self, flow: FlowId, verb: &str, argument: &str) -> Vec<(String, Type, Class)> {
        if verb != "run" {
            let Some((service, call)) = argument.split_once('.') else { return Vec::new() };
            let call = self.services.service(service).and_then(|service| service.call(call));
            return call
                .map(|call| call.reply.iter().map(|f| (f.name.clone(), f.ty.clone(), f.class)).collect())
                .unwrap_or_default();
        }
        let callee =
            self.flow(flow).and_then(|decl| decl.callable.get(argument)).and_then(|id| self.flow(*id));
        let gives = callee.map(|callee| callee.gives.as_slice()).unwrap_or_default();
        gives
            .iter()
            .filter_map(|(name, var)| self.var(*var).map(|var| (name.clone(), var.ty.clone(), var.class)))
            .collect()
    }

    fn result(
        &mut self,
        flow: FlowId,
        name: &str,
        ty: Type,
        class: Class,
        node: &Node,
        findings: &mut Findings,
    ) {
        let index = usize::try_from(flow.0).unwrap_or(usize::MAX);
        let existing = self.flows.get(index).and_then(|decl| decl.results.get(name)).copied();
        match existing.and_then(|id| self.vars.get_mut(id.index())) {
            Some(slot) if slot.ty == ty => slot.class = slot.class.max(class),
            Some(slot) => {
                let message = format!("`result.{name}` is {} elsewhere in this flow, and {ty} here", slot.ty);
                findings.push(
                    Diagnostic::error("E181", Some(node.place.clone()), message)
                        .help("name one of the two fields differently"),
                );
            }
            None => {
                let slot = self.slot(&format!("result.{name}"), ty, class);
                if let Some(decl) = self.flows.get_mut(index) {
                    decl.results.insert(name.to_owned(), slot);
                }
            }
        }
    }
}

/// Every `lookup:` and `run:` in some steps, with its argument.
fn result_sources<'n>(node: &'n Node, out: &mut Vec<(&'static str, &'n Node)>) {
    match &node.data {
        Data::Scalar(_) => {}
        Data::Sequence(items) => items.iter().for_each(|item| result_sources(item, out)),
        Data::Mapping(pairs) => {
            for (key, value) in pairs {
                match key.text() {
                    "lookup" => out.push(("lookup", value)),
                    "update" => out.push(("update", value)),
                    "pay" => out.push(("pay", value)),
                    "run" => out.push(("run", value)),
                    _ => result_sources(value, out),
                }
            }
        }
    }
}

/// The purposes of every `consent:` in some steps.
fn consent_purposes(node: &Node, out: &mut Vec<String>) {
    match &node.data {
        Data::Scalar(_) => {}
        Data::Sequence(items) => items.iter().for_each(|item| consent_purposes(item, out)),
        Data::Mapping(pairs) => {
            for (key, value) in pairs {
                match value.scalar() {
                    Some(purpose) if key.text() == "consent" => out.push(purpose.text.clone()),
                    _ => consent_purposes(value, out),
                }
            }
        }
    }
}

/// `{type: enum, of: [balance, agent], class: public}`
fn variable(node: &Node, findings: &mut Findings) -> Option<(Type, Class)> {
    let about = Fields::of(node, "a variable", findings)?;
    about.only(&["type", "of", "class"], "a variable", findings);
    let classes = [
        ("public", Class::Public),
        ("personal", Class::Personal),
        ("secret", Class::Secret),
        ("card", Class::Card),
    ];
    let class = match about.get("class") {
        Some(node) => Some(fields::choice(node, "class", &classes, findings)?),
        None => None,
    };
    let ty = about.need("type", "a variable", findings)?;
    let of = about.get("of");
    if let (Some(of), false) = (of, ty.text() == "enum") {
        fields::wrong(of, "`of` lists the words of an enum", "write `type: enum`", findings);
    }
    let names = ["digits", "text", "number", "money", "date", "time", "flag", "enum", "level", "language"];
    let types = names.map(|name| (name, name));
    let ty = match fields::choice(ty, "type", &types, findings)? {
        "digits" => Type::Digits,
        "number" => Type::Number,
        "money" => Type::Money,
        "date" => Type::Date,
        "time" => Type::Time,
        "flag" => Type::Flag,
        "level" => Type::Level,
        "language" => Type::Language,
        "enum" => {
            let of = about.need("of", "an enum", findings)?;
            let words = fields::items(of)
                .into_iter()
                .filter_map(|node| fields::text(node, "a word of an enum", findings));
            Type::Enum(words.map(Arc::from).collect())
        }
        _ => Type::Text,
    };
    let class = class.unwrap_or_else(|| unsaid(&ty));
    Some((ty, class))
}

/// The class of a variable of which none is said: what has few values is a fact of the flow, what may be
/// anything may be a caller's own.
const fn unsaid(ty: &Type) -> Class {
    match ty {
        Type::Flag | Type::Enum(_) | Type::Level | Type::Language => Class::Public,
        _ => Class::Personal,
    }
}
