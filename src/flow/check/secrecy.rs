//! Proof of secrecy: no value comes to where its class may not go.
//!
//! The class of a variable is declared, and no step may be read that gives it more; so what is declared
//! bounds what any path can bring, and each sink was asked when its step was read. Here the whole is looked
//! at once more: from the classes of what is really given to each variable, over `set`, sub-flows and their
//! results, to every sink of every step. And whatever was found is told with its route, from where the
//! value comes into the call to where it may not go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::findings::Findings;
use crate::flow::document::travels::Travels;
use crate::flow::document::{Application, Class, Piece, Prompt, Step, StepKind, VarId};
use crate::flow::expr::{Expr, Field};
use crate::flow::step::Sink;

/// Tells the routes of what was found, and what only the whole shows.
pub(super) fn check(app: &Application, travels: &Travels, findings: &mut Findings) {
    let map = Map::of(app, travels);
    for leak in &travels.leaks {
        let route = map.route(&leak.expr, leak.class);
        findings.amend("E190", &leak.place, |found| route.onto(found, &leak.sink));
    }
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for step in app.all_steps() {
        for (expr, most, sink) in map.sinks(step) {
            let class = map.class(&expr);
            if class <= most || !told.insert(step.place.span.start) {
                continue;
            }
            let source = map.source(&expr, class);
            let message = format!("{source} is {}: it may not go to {sink}", class.name());
            let found = Diagnostic::error("E190", Some(step.place.clone()), message)
                .help(format!("{sink} takes what is {} at most", most.name()));
            findings.push(map.route(&expr, class).onto(found, &sink));
        }
    }
}

/// From where a variable gets its values.
struct Origin {
    /// Of which class.
    class: Class,
    /// From which variable; `None` when it comes into the call here.
    from: Option<VarId>,
    how: String,
    place: Option<Place>,
}

struct Map<'a> {
    app: &'a Application,
    classes: Vec<Class>,
    origins: BTreeMap<VarId, Vec<Origin>>,
}

impl<'a> Map<'a> {
    fn of(app: &'a Application, travels: &Travels) -> Self {
        let classes = app.vars.iter().map(|var| var.class).collect();
        let mut map = Self { app, classes, origins: BTreeMap::new() };
        for step in app.all_steps() {
            map.filled(step);
        }
        map.spread(travels);
        for given in &travels.given {
            let name = map.name(given.to);
            map.arrive(&given.expr, given.to, format!("given to {name}"), Some(given.place.clone()));
        }
        map
    }

    /// What a step itself puts into variables.
    fn filled(&mut self, step: &Step) {
        let node = step.kind.node();
        let place = Some(step.place.clone());
        if let StepKind::Run(run) = &step.kind {
            for (theirs, ours) in &run.results {
                let how = format!("given back as {}", self.name(*ours));
                self.arrive(&Expr::Var(*theirs), *ours, how, place.clone());
            }
            return;
        }
        let outcomes = step.kind.arms();
        let filled: BTreeSet<VarId> =
            outcomes.iter().flat_map(|(outcome, _)| node.sets(outcome)).chain(node.results()).collect();
        for var in filled.into_iter().filter(|_| !matches!(step.kind, StepKind::Set(_))) {
            let class = self.classes.get(var.index()).copied().unwrap_or(Class::Secret);
            let how = format!("{} by `{}`", self.name(var), node.title());
            self.origins.entry(var).or_default().push(Origin {
                class,
                from: None,
                how,
                place: place.clone(),
            });
        }
    }

    /// Raises the class of each variable to what is really given to it, until nothing changes.
    fn spread(&mut self, travels: &Travels) {
        let app = self.app;
        let results = app.all_steps().into_iter().filter_map(|step| match &step.kind {
            StepKind::Run(run) => Some(&run.results),
            _ => None,
        });
        let results: Vec<(VarId, VarId)> = results.flatten().copied().collect();
        loop {
            let before = self.classes.clone();
            for given in &travels.given {
                let class = self.class(&given.expr);
                self.raise(given.to, class);
            }
            for (theirs, ours) in &results {
                let class = self.class(&Expr::Var(*theirs));
                self.raise(*ours, class);
            }
            if self.classes == before {
                return;
            }
        }
    }

    fn raise(&mut self, var: VarId, class: Class) {
        if let Some(known) = self.classes.get_mut(var.index()) {
            *known = class.max(*known);
        }
    }

    fn arrive(&mut self, expr: &Expr, to: VarId, how: String, place: Option<Place>) {
        let mut from: Vec<Option<VarId>> = carried(expr).0.into_iter().map(Some).collect();
        if from.is_empty() {
            from.push(None);
        }
        let class = self.class(expr);
        for from in from {
            let how = match from {
                None => format!("{} {how}", self.source(expr, class)),
                Some(_) => how.clone(),
            };
            let origin = Origin { class, from, how, place: place.clone() };
            self.origins.entry(to).or_default().push(origin);
        }
    }

    /// The strictest class of all that an expression may be made of.
    fn class(&self, expr: &Expr) -> Class {
        let (vars, fields) = carried(expr);
        let of = |var: VarId| self.classes.get(var.index()).copied().unwrap_or(Class::Secret);
        let classes = vars.into_iter().map(of).chain(fields.into_iter().map(Field::class));
        classes.max().unwrap_or(Class::Public)
    }

    fn name(&self, var: VarId) -> String {
        let name = self.app.var(var).map_or("", |var| &*var.name);
        format!("`{}`", name.strip_prefix("gives.").unwrap_or(name))
    }

    /// What gives an expression its class.
    fn source(&self, expr: &Expr, class: Class) -> String {
        let (vars, fields) = carried(expr);
        let var = vars.iter().find(|var| self.class(&Expr::Var(**var)) == class).map(|var| self.name(*var));
        let field = || fields.iter().find(|field| field.class() == class);
        var.or_else(|| field().map(|field| format!("`{}`", field.name())))
            .unwrap_or_else(|| "this".to_owned())
    }

    /// What a step sends somewhere, each with the strictest class that may go there.
    fn sinks(&self, step: &Step) -> Vec<(Expr, Class, String)> {
        let node = step.kind.node();
        let mut out = Vec::new();
        for prompt in step.kind.prompts() {
            let said = values(prompt).into_iter();
            out.extend(said.map(|expr| (expr, Class::Personal, format!("the prompt `{}`", prompt.key))));
        }
        for used in node.uses() {
            let (most, sink) = match &used.sink {
                // What is compared says yes or no; of a secret nothing may be asked at all.
                Sink::Decision => (Class::Personal, "a condition".to_owned()),
                // Told where it is given.
                Sink::Variable(_) => continue,
                Sink::Service { service, call, argument } => {
                    let most = self.accepted(service, call, argument);
                    (most, format!("`{argument}` of `{service}.{call}`"))
                }
                Sink::Agent(name) => (Class::Personal, format!("an agent (`{name}`)")),
                Sink::Audit(name) => (Class::Public, format!("the audit log (`{name}`)")),
                Sink::Claim => (Class::Personal, "a claim".to_owned()),
                Sink::File => (Class::Personal, "what is on file".to_owned()),
                Sink::Judge(name) => (Class::Secret, format!("the judge of `{name}`")),
            };
            out.push((used.expr, most, sink));
        }
        out
    }

    /// What an argument of a service may be.
    fn accepted(&self, service: &str, call: &str, argument: &str) -> Class {
        let call = self.app.services.service(service).and_then(|service| service.call(call));
        call.and_then(|call| call.argument(argument)).map_or(Class::Personal, |argument| argument.class)
    }

    /// How a value of that class comes to an expression: the shortest way back to where it enters the call.
    fn route(&self, expr: &Expr, class: Class) -> Route {
        let starts: Vec<VarId> =
            carried(expr).0.into_iter().filter(|var| self.class(&Expr::Var(*var)) >= class).collect();
        let Some(first) = starts.first().copied() else {
            return Route { source: self.source(expr, class), legs: Vec::new() };
        };
        let mut came: BTreeMap<VarId, Option<(VarId, &Origin)>> =
            starts.iter().map(|var| (*var, None)).collect();
        let mut open: VecDeque<VarId> = starts.into_iter().collect();
        let (mut end, mut entry) = (first, None);
        while let Some(var) = open.pop_front() {
            end = var;
            let origins = self.origins.get(&var).map(Vec::as_slice).unwrap_or_default();
            let fitting = || origins.iter().filter(|origin| origin.class >= class);
            entry = fitting().find(|origin| origin.from.is_none());
            if entry.is_some() {
                break;
            }
            for origin in fitting() {
                let Some(from) = origin.from.filter(|from| self.class(&Expr::Var(*from)) >= class) else {
                    continue;
                };
                if let std::collections::btree_map::Entry::Vacant(slot) = came.entry(from) {
                    slot.insert(Some((var, origin)));
                    open.push_back(from);
                }
            }
        }
        let mut legs: Vec<(String, Option<Place>)> = Vec::new();
        legs.extend(entry.map(|origin| (origin.how.clone(), origin.place.clone())));
        let mut next = end;
        while let Some(Some((to, origin))) = came.get(&next) {
            legs.push((origin.how.clone(), origin.place.clone()));
            next = *to;
        }
        Route { source: self.name(end), legs }
    }
}

/// A way from where a value enters the call.
struct Route {
    source: String,
    legs: Vec<(String, Option<Place>)>,
}

impl Route {
    fn onto(&self, mut found: Diagnostic, sink: &str) -> Diagnostic {
        let mut told: Vec<&str> = self.legs.iter().map(|(how, _)| how.as_str()).collect();
        if told.is_empty() {
            told.push(&self.source);
        }
        found.label = format!("the route: {} → {sink}", told.join(" → "));
        for (how, place) in &self.legs {
            let here = found.place.as_ref().map(|place| place.span.clone());
            if let Some(place) = place.as_ref().filter(|place| Some(&place.span) != here.as_ref()) {
                found.related.push((place.clone(), how.clone()));
            }
        }
        found
    }
}

/// The values that an expression hands on: not those that it only compares.
fn carried(expr: &Expr) -> (Vec<VarId>, Vec<Field>) {
    match expr {
        Expr::Var(var) => (vec![*var], Vec::new()),
        Expr::Field(field) => (Vec::new(), vec![*field]),
        Expr::Sum { left, right, .. } => {
            let (mut vars, mut fields) = carried(left);
            let (more, others) = carried(right);
            vars.extend(more);
            fields.extend(others);
            (vars, fields)
        }
        Expr::Filtered { item, .. } => carried(item),
        _ => (Vec::new(), Vec::new()),
    }
}

/// The values that a prompt says, in any language.
fn values(prompt: &Prompt) -> Vec<Expr> {
    fn of(piece: &Piece, out: &mut Vec<Expr>) {
        match piece {
            Piece::Clip(_) => {}
            Piece::Value { expr, .. } => out.push(expr.clone()),
            Piece::Plural { expr, branches } => {
                out.push(expr.clone());
                branches.iter().flat_map(|(_, pieces)| pieces).for_each(|piece| of(piece, out));
            }
        }
    }
    let mut out = Vec::new();
    prompt.pieces.iter().flatten().for_each(|piece| of(piece, &mut out));
    out
}
