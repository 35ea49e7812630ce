//! What a name in an expression or a prompt means where it stands.

use std::ops::Range;
use std::sync::Arc;

use super::build::{Build, Local};
use super::yaml::Node;
use crate::diagnostic::Place;
use crate::flow::expr::check::{Names, Typed};
use crate::flow::expr::constant::Domains;
use crate::flow::expr::{Expr, Field, Literal, Type};

/// What is known where an expression stands.
pub(super) struct Scope<'s, 'a, 'n> {
    pub(super) build: &'s Build<'a, 'n>,
    pub(super) locals: &'s [Local],
}

/// Fields that only some prompts know; there they are locals.
const LOCAL_FIELDS: [Field; 5] =
    [Field::TriesLeft, Field::MatchNumber, Field::SpokenDigits, Field::Answer, Field::QueuePlace];

impl Names for Scope<'_, '_, '_> {
    fn find(&self, name: &str) -> Option<Typed> {
        if let Some((_, typed)) = self.locals.iter().find(|(local, _)| local == name) {
            return Some(typed.clone());
        }
        let decl = self.build.shared.flow(self.build.flow)?;
        let var = match (name.strip_prefix("result."), name.strip_prefix("consent.")) {
            (Some(result), _) => decl.results.get(result),
            (_, Some(purpose)) => self.build.shared.consents.get(purpose),
            _ => decl.scope.get(name),
        };
        if let Some(id) = var {
            let var = self.build.shared.var(*id)?;
            return Some(Typed { expr: Expr::Var(*id), ty: var.ty.clone(), class: var.class });
        }
        let field = Field::from_name(name).filter(|field| !LOCAL_FIELDS.contains(field))?;
        Some(Typed { expr: Expr::Field(field), ty: field.ty(), class: field.class() })
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.locals.iter().map(|(name, _)| name.clone()).collect();
        if let Some(decl) = self.build.shared.flow(self.build.flow) {
            names.extend(decl.scope.keys().cloned());
            names.extend(decl.results.keys().map(|name| format!("result.{name}")));
            names.extend(self.build.shared.consents.keys().map(|name| format!("consent.{name}")));
        }
        let fields = Field::ALL.iter().filter(|field| !LOCAL_FIELDS.contains(field));
        names.extend(fields.map(|field| field.name().to_owned()));
        names
    }

    fn words(&self, ty: &Type) -> Option<Vec<Arc<str>>> {
        let shared = self.build.shared;
        match ty {
            Type::Enum(words) => Some(words.clone()),
            Type::Band => Some(shared.bands.iter().map(|(name, _)| Arc::clone(name)).collect()),
            Type::Language => Some(shared.languages.iter().map(|tag| Arc::from(tag.as_str())).collect()),
            Type::Level => {
                let levels = shared.policy.levels.iter().map(|level| Arc::from(level.name.as_str()));
                Some(levels.chain([Arc::from("none")]).collect())
            }
            _ => None,
        }
    }
}

impl Domains for Scope<'_, '_, '_> {
    fn values(&self, expr: &Expr) -> Option<Vec<Literal>> {
        let ty = match expr {
            Expr::Var(var) => self.build.shared.var(*var)?.ty.clone(),
            Expr::Field(field) => field.ty(),
            _ => return None,
        };
        match ty {
            Type::Flag => Some(vec![Literal::Flag(true), Literal::Flag(false)]),
            ty => Some(self.words(&ty)?.into_iter().map(Literal::Text).collect()),
        }
    }

    fn rank(&self, level: &str) -> Option<usize> {
        self.build.shared.policy.rank(&crate::auth::LevelName::from(level))
    }
}

/// The place of a piece of a scalar's text; the whole scalar where quotes and escapes moved it.
pub(super) fn inside(node: &Node, text: &str, span: Range<usize>) -> Place {
    let whole = &node.place;
    let written = whole.source.text.get(whole.span.clone()).unwrap_or("");
    let Some(at) = written.find(text) else { return whole.clone() };
    let start = whole.span.start + at;
    Place { source: Arc::clone(&whole.source), span: start + span.start..start + span.end }
}
