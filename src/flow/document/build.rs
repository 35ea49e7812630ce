//! From written names to resolved ones: what a step reads from its fields, with everything declared at hand.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::ast::{
    Arm, BlockId, Class, FlowId, Input, Interrupt, LanguageId, LevelRef, Prompt, Return, VarId,
};
use super::declare::Shared;
use super::fields::{self, Fields};
use super::findings::{Findings, suggestion};
use super::names::{Scope, inside};
use super::services_file;
use super::travels::{Given, Leak, Travels};
use super::yaml::Node;
use super::{Cause, Hangup, Passed, Step, StepKind};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::expr::check::{Typed, check};
use crate::flow::expr::{Expr, Field, Literal, Type, constant, parse};
use crate::flow::step;

/// What a step is built with.
pub(crate) struct Build<'a, 'n> {
    pub(crate) shared: &'a Shared<'n>,
    pub(crate) findings: &'a mut Findings,
    /// The flow that the step is in.
    pub(crate) flow: FlowId,
    /// Where values were seen to go.
    pub(crate) travels: &'a mut Travels,
    /// The prompts used so far.
    pub(crate) used: &'a mut BTreeSet<String>,
}

/// Names that mean something in one place only.
pub(crate) type Local = (String, Typed);

/// A field that only some prompts know.
pub(crate) fn local(name: &str, field: Field) -> Local {
    (name.to_owned(), Typed { expr: Expr::Field(field), ty: field.ty(), class: field.class() })
}

impl<'n> Build<'_, 'n> {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = help.into();
        let mut diagnostic = Diagnostic::error(code, Some(place.clone()), message);
        if !help.is_empty() {
            diagnostic = diagnostic.help(help);
        }
        self.findings.push(diagnostic);
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.push(Diagnostic::warning(code, Some(place.clone()), message).help(help));
    }

    /// Tells when a step that only a secure flow may have stands in another.
    pub(crate) fn secure_only(&mut self, place: &Place, verb: &str) {
        if !self.shared.flow(self.flow).is_some_and(|flow| flow.secure) {
            let message = format!("`{verb}` stands in a flow that is not secure");
            self.error("E230", place, message, "put it into a sub-flow with `secure: true`, and `run` that");
        }
    }

    /// A block of this flow.
    pub(crate) fn block(&mut self, node: &Node) -> Option<BlockId> {
        let name = fields::text(node, "a block", self.findings)?;
        let blocks = &self.shared.flow(self.flow)?.blocks;
        if let Some(block) = blocks.get(&name) {
            return Some(*block);
        }
        let help = suggestion(&name, blocks.keys().map(String::as_str), "blocks of this flow");
        self.findings.push(
            Diagnostic::error(
                "E120",
                Some(node.place.clone()),
                format!("there is no block `{name}` in this flow"),
            )
            .label("unknown block")
            .help(help),
        );
        None
    }

    /// An expression: text, or a bare number or truth.
    pub(crate) fn expr(&mut self, node: &Node, expected: Option<&Type>, locals: &[Local]) -> Option<Typed> {
        let Some(scalar) = node.scalar().filter(|_| !node.is_empty()) else {
            self.error(
                "E113",
                &node.place,
                "an expression is wanted here",
                "write it in quotes: `\"topic == agent\"`",
            );
            return None;
        };
        let text = scalar.text.clone();
        let inner =
            text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(&text).to_owned();
        self.expr_text(&inner, node, expected, locals)
    }

    pub(crate) fn expr_text(
        &mut self,
        text: &str,
        node: &Node,
        expected: Option<&Type>,
        locals: &[Local],
    ) -> Option<Typed> {
        let place = |span: Range<usize>| inside(node, text, span);
        let scope = Scope { build: self, locals };
        let result = match parse::parse(text) {
            Ok(written) => check(&written, expected, &scope),
            Err(error) => {
                self.error("E115", &place(error.span), error.message, "see the manual on expressions");
                return None;
            }
        };
        match result {
            Ok(typed) => Some(typed),
            Err(problem) => {
                self.error(problem.code, &place(problem.span), problem.message, problem.help);
                None
            }
        }
    }

    /// A condition.
    pub(crate) fn condition(&mut self, node: &Node) -> Option<Expr> {
        let condition = self.expr(node, Some(&Type::Flag), &[])?.expr;
        if let Some(same) = constant::always(&condition, &Scope { build: self, locals: &[] }) {
            let help = match same {
                true => "remove the condition, or compare with something else",
                false => "what stands behind it never happens: compare with something else",
            };
            self.error("E183", &node.place, format!("this is always {same}"), help);
        }
        Some(condition)
    }

    /// Whether all of some conditions can end as wanted at once.
    pub(crate) fn possible(&self, conditions: &[(&Expr, bool)]) -> bool {
        constant::possible(conditions, &Scope { build: self, locals: &[] })
    }

    /// Tells when a value may not travel to where it is sent.
    pub(crate) fn may_go(&mut self, typed: &Typed, most: Class, sink: &str, place: &Place) -> bool {
        if typed.class <= most {
            return true;
        }
        let source =
            typed.expr.reads().first().and_then(|var| self.shared.var(*var)).map(|var| var.name.to_string());
        let source = source.unwrap_or_else(|| match typed.expr {
            Expr::Field(field) => field.name().to_owned(),
            _ => "this value".to_owned(),
        });
        let message = format!("`{source}` is {}: it may not go to {sink}", typed.class.name());
        let help = format!("{sink} takes what is {} at most", most.name());
        self.error("E190", place, message, help);
        self.travels.leaks.push(Leak {
            expr: typed.expr.clone(),
            class: typed.class,
            sink: sink.to_owned(),
            place: place.clone(),
        });
        false
    }

    /// A variable of this flow.
    pub(crate) fn var(&mut self, node: &Node) -> Option<VarId> {
        let name = fields::text(node, "a variable", self.findings)?;
        let scope = &self.shared.flow(self.flow)?.scope;
        if let Some(var) = scope.get(&name) {
            return Some(*var);
        }
        let help = suggestion(&name, scope.keys().map(String::as_str), "variables of this flow");
        self.error("E180", &node.place, format!("there is no variable `{name}` in this flow"), help);
        None
    }

    /// A prompt by its key.
    pub(crate) fn prompt(&mut self, node: &Node, locals: &[Local]) -> Option<Prompt> {
        let key = fields::text(node, "the key of a prompt", self.findings)?;
        self.prompt_of(key, node, locals)
    }

    /// A prompt that the language names, for a field that does not name one.
    pub(crate) fn prompt_named(&mut self, key: &str, node: &Node) -> Option<Prompt> {
        self.prompt_of(key.to_owned(), node, &[])
    }

    fn prompt_of(&mut self, key: String, node: &Node, locals: &[Local]) -> Option<Prompt> {
        let languages = u8::try_from(self.shared.catalogues.len()).unwrap_or(u8::MAX);
        let (mut pieces, mut heard) = (Vec::new(), Vec::new());
        let mut found = false;
        for language in (0..languages).map(LanguageId) {
            let shared = self.shared;
            let entry = shared.catalogues.get(usize::from(language.0)).and_then(|all| all.prompts.get(&key));
            let parts = entry.map(|entry| self.pieces(&entry.parts, node, locals));
            found |= parts.is_some();
            pieces.push(parts.unwrap_or_default());
            heard.push(entry.map(|entry| self.pieces(&entry.heard, node, locals)).unwrap_or_default());
        }
        if found || self.shared.catalogues.is_empty() {
            self.used.insert(key.clone());
            return Some(Prompt { key: Arc::from(key), pieces, heard });
        }
        let keys: BTreeSet<&str> = self
            .shared
            .catalogues
            .iter()
            .flat_map(|catalogue| catalogue.prompts.keys().map(String::as_str))
            .collect();
        let help = match super::findings::nearest(&key, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add `{key}` to each file in prompts/"),
        };
        self.error("E170", &node.place, format!("no catalogue has the prompt `{key}`"), help);
        None
    }

    /// Prompts in a list, or one.
    pub(crate) fn prompts(&mut self, node: Option<&Node>, locals: &[Local]) -> Vec<Prompt> {
        node.map(fields::items)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| self.prompt(item, locals))
            .collect()
    }

    /// A level: a name of the policy's, or `"${variable}"`.
    pub(crate) fn level(&mut self, node: &Node) -> Option<LevelRef> {
        if !node.text().starts_with("${") {
            return services_file::level(node, &self.shared.policy, self.findings).map(LevelRef::Named);
        }
        let typed = self.expr(node, None, &[])?;
        let levels = &self.shared.policy.levels;
        let known = |word: &Arc<str>| levels.iter().any(|level| level.name.as_str() == &**word);
        match &typed.ty {
            Type::Level => Some(LevelRef::From(typed.expr)),
            Type::Enum(words) if words.iter().all(known) => Some(LevelRef::From(typed.expr)),
            Type::Enum(words) => {
                let unknown = words.iter().find(|word| !known(word)).cloned().unwrap_or_default();
                let help = suggestion(&unknown, levels.iter().map(|level| level.name.as_str()), "levels");
                self.error("E280", &node.place, format!("the policy has no level `{unknown}`"), help);
                None
            }
            ty => {
                self.error(
                    "E181",
                    &node.place,
                    format!("this is {ty}, and a level is wanted"),
                    "use `type: level` or an enum of levels",
                );
                None
            }
        }
    }

    /// An arm: `continue`, or a step (`goto` and `return` among them).
    pub(crate) fn arm(&mut self, node: &'n Node) -> Option<Arm> {
        if node.text() == "continue" {
            return Some(Arm::Continue);
        }
        if node.mapping().is_none() {
            self.error(
                "E115",
                &node.place,
                "an arm is `continue` or a step",
                "write `continue`, `{goto: block}` or another step in braces",
            );
            return None;
        }
        let fields = Fields::of(node, "an arm", self.findings)?;
        self.arm_of(&fields)
    }

    /// An arm from fields.
    pub(crate) fn arm_of(&mut self, fields: &Fields<'n>) -> Option<Arm> {
        match (fields.pairs.len(), fields.pairs.first()) {
            (1, Some((key, value))) if key.text() == "goto" => self.block(value).map(Arm::Goto),
            (1 | 2, Some((key, value))) if key.text() == "return" => {
                fields.only(&["return", "give"], "`return`", self.findings);
                self.leave(value, fields.get("give")).map(Arm::Return)
            }
            _ => step::read(self, fields).map(|step| Arm::Step(Box::new(step))),
        }
    }

    /// `return: outcome` with what it gives.
    pub(crate) fn leave(&mut self, outcome: &Node, give: Option<&'n Node>) -> Option<Return> {
        let name = fields::text(outcome, "an outcome", self.findings)?;
        let shared = self.shared;
        let decl = shared.flow(self.flow)?;
        let index = match decl.outcome(&name) {
            Some(index) => index,
            None if self.flow == FlowId::MAIN && decl.outcomes.is_empty() => super::ast::OutcomeId(0),
            None => {
                let help = suggestion(
                    &name,
                    decl.outcomes.iter().map(|outcome| &**outcome),
                    "outcomes of this flow",
                );
                self.error("E271", &outcome.place, format!("this flow has no outcome `{name}`"), help);
                return None;
            }
        };
        let mut given = Vec::new();
        for (key, value) in give
            .and_then(|node| Fields::of(node, "`give`", self.findings))
            .map(|give| give.pairs)
            .unwrap_or_default()
        {
            let Some((_, var)) = decl.gives.iter().find(|(name, _)| name == key.text()) else {
                let help = suggestion(
                    key.text(),
                    decl.gives.iter().map(|(name, _)| name.as_str()),
                    "this flow gives",
                );
                self.error("E270", &key.place, format!("this flow does not give `{}`", key.text()), help);
                continue;
            };
            if let Some(expr) = self.assigned(*var, value) {
                given.push((*var, expr));
            }
        }
        Some(Return { outcome: index, give: given })
    }

    /// A value for a variable: of its type, and of no stricter class.
    pub(crate) fn assigned(&mut self, var: VarId, value: &Node) -> Option<Expr> {
        let shared = self.shared;
        let about = shared.var(var)?;
        let sink = format!("`{}`", about.name.strip_prefix("gives.").unwrap_or(&about.name));
        let typed = self.expr(value, Some(&about.ty), &[])?;
        let given = Given { expr: typed.expr.clone(), to: var, place: value.place.clone() };
        self.travels.given.push(given);
        self.may_go(&typed, about.class, &sink, &value.place).then_some(typed.expr)
    }

    /// Names and values for an agent or the audit log.
    pub(crate) fn passed(&mut self, node: Option<&'n Node>, most: Class, sink: &str) -> Vec<Passed> {
        let mut out = Vec::new();
        for item in node.map(fields::items).unwrap_or_default() {
            let Some(name) = fields::text(item, "what is passed", self.findings) else { continue };
            let Some(typed) = self.expr(item, None, &[]) else { continue };
            if most == Class::Public || typed.class > Class::Personal {
                if self.may_go(&typed, most, sink, &item.place) {
                    out.push(Passed { name, expr: typed.expr });
                }
            } else {
                out.push(Passed { name, expr: typed.expr });
            }
        }
        out
    }

    /// What interrupts a prompt.
    pub(crate) fn interrupt(&mut self, node: Option<&Node>) -> Interrupt {
        let from_defaults = self.shared.defaults.and_then(|defaults| defaults.get("interrupt"));
        let Some(node) = node.or(from_defaults) else { return Interrupt::Keys };
        let choices = [
            ("keys", Interrupt::Keys),
            ("keys_and_speech", Interrupt::KeysAndSpeech),
            ("never", Interrupt::Never),
        ];
        fields::choice(node, "interrupt", &choices, self.findings).unwrap_or(Interrupt::Keys)
    }

    /// What all input steps have.
    pub(crate) fn input(&mut self, fields: &Fields<'n>, locals: &[Local]) -> Input {
        let defaults = self.shared.defaults;
        let field =
            |name: &str| fields.get(name).or_else(|| defaults.and_then(|defaults| defaults.get(name)));
        let mut time = |name: &str, otherwise: u64| {
            let read = field(name).and_then(|node| fields::duration(node, name, self.findings));
            read.unwrap_or(std::time::Duration::from_secs(otherwise))
        };
        let (first, between, total) = (time("first", 6), time("between", 4), time("total", 60));
        let tries =
            field("tries").and_then(|node| fields::count(node, "tries", 1..=9, self.findings)).unwrap_or(3);
        let place =
            fields.get("between").or_else(|| fields.get("total")).map_or(&fields.place, |node| &node.place);
        if between >= total {
            self.error(
                "E152",
                place,
                "the wait between two keys is as long as the whole entry may be",
                "make `between` shorter or `total` longer",
            );
        }
        if first.is_zero() || between.is_zero() {
            self.error(
                "E153",
                place,
                "a wait of nothing: no caller is that fast",
                "write a few seconds, such as `6s`",
            );
        }
        let always = match fields.get("always") {
            Some(node) => fields::choice(node, "always", &[("off_here", ())], self.findings).is_none(),
            None => true,
        };
        Input {
            first,
            between,
            total,
            tries,
            interrupt: self.interrupt(fields.get("interrupt")),
            no_input: self.prompts(fields.get("no_input"), locals),
            no_match: self.prompts(fields.get("no_match"), locals),
            always,
        }
    }

    /// The steps of a block.
    pub(crate) fn steps(&mut self, node: &'n Node) -> Vec<Step> {
        let mut out = Vec::new();
        if !matches!(node.data, super::yaml::Data::Sequence(_)) {
            self.error("E113", &node.place, "a block is a list of steps", "begin each step with `- `");
            out.push(ended(&node.place));
            return out;
        }
        for item in fields::items(node) {
            let fields = match item.scalar().filter(|scalar| step::spec(&scalar.text).is_some()) {
                Some(verb) => {
                    let help = format!("write `- {}:`, with the colon", verb.text);
                    self.error("E113", &item.place, "a step is a verb, a colon and what it does", help);
                    None
                }
                None => Fields::of(item, "a step", self.findings),
            };
            let step = fields.and_then(|fields| step::read(self, &fields));
            out.push(step.unwrap_or_else(|| ended(&item.place)));
        }
        out
    }

    /// A literal of a type, for the value of a choice.
    pub(crate) fn literal(&mut self, node: &Node, ty: &Type) -> Option<Literal> {
        match self.expr(node, Some(ty), &[])?.expr {
            Expr::Literal(literal) => Some(literal),
            _ => {
                self.error(
                    "E115",
                    &node.place,
                    "the value of a choice is fixed",
                    "write one of the words of its variable",
                );
                None
            }
        }
    }
}

/// Stands for a step that can't be read, so that the checks of paths end there instead of finding more.
fn ended(place: &Place) -> Step {
    let kind = StepKind::Hangup(Hangup { cause: Cause::Normal, say: None });
    Step { kind, when: None, place: place.clone() }
}
