//! What a caller holds for certain at one point of a path: a level, and how long ago at most it was proved.
//!
//! A level is a rank: 0 is none, 1 the lowest of the policy. A level with a `max_age` is gone some day;
//! what is left then is its [`lasting`](Levels::lasting) part.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::{LevelName, LevelPolicy, Policy};
use crate::flow::document::{LevelRef, VarId, Variable};
use crate::flow::expr::{CompareOp, Expr, Field, Literal, Order, Type};

/// A level as a number.
pub(super) type Rank = usize;
/// What a sub-flow was given, where it is fixed.
pub(super) type Env = BTreeMap<VarId, Literal>;

/// What is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// At least this level.
    pub(super) rank: Rank,
    /// Proved at most so long ago, when it was looked at last; `None`: nobody has looked.
    pub(super) age: Option<Duration>,
}

impl Held {
    /// Nothing is proved: the least of all.
    pub(super) const NOTHING: Self = Self { rank: 0, age: None };

    /// With what was found out beside it.
    pub(super) fn and(self, other: Self) -> Self {
        match self.rank.cmp(&other.rank) {
            Ordering::Less => other,
            Ordering::Greater => self,
            Ordering::Equal => {
                let age = [self.age, other.age].into_iter().flatten().min();
                Self { age, ..self }
            }
        }
    }
}

/// The levels of a policy.
pub(super) struct Levels<'a> {
    policy: &'a Policy,
    /// By rank: what is left of it when every proof has grown too old.
    lasting: Vec<Rank>,
}

impl<'a> Levels<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        let lasting = (0..=policy.levels.len()).map(|rank| lasting(policy, rank)).collect();
        Self { policy, lasting }
    }

    /// The rank of a level by its name; 0 for `none`.
    pub(super) fn rank_of(&self, level: &str) -> Rank {
        self.policy.rank(&LevelName::from(level)).map_or(0, |rank| rank + 1)
    }

    /// The level of a rank.
    pub(super) fn at(&self, rank: Rank) -> Option<&'a LevelPolicy> {
        self.policy.levels.get(rank.checked_sub(1)?)
    }

    /// What is left of a level when time passes without end.
    pub(super) fn lasting(&self, held: Held) -> Held {
        Held { rank: self.lasting.get(held.rank).copied().unwrap_or(0), age: None }
    }

    /// A level that was just found to be held.
    pub(super) fn found(&self, rank: Rank, max_age: Option<Duration>) -> Held {
        let policy = self.at(rank).and_then(|level| level.max_age);
        Held { rank, age: [policy, max_age].into_iter().flatten().min() }
    }

    /// What a step's level is at least.
    pub(super) fn named(&self, level: &LevelRef, env: &Env, vars: &[Variable]) -> Rank {
        match level {
            LevelRef::Named(name) => self.rank_of(name.as_str()),
            LevelRef::From(Expr::Literal(Literal::Text(word))) => self.rank_of(word),
            LevelRef::From(Expr::Var(var)) => {
                match (env.get(var), vars.get(var.index()).map(|var| &var.ty)) {
                    (Some(Literal::Text(word)), _) => self.rank_of(word),
                    (_, Some(Type::Enum(words))) => {
                        words.iter().map(|word| self.rank_of(word)).min().unwrap_or(0)
                    }
                    _ => 0,
                }
            }
            LevelRef::From(_) => 0,
        }
    }

    /// What is held by callers for whom a condition ends as `wanted`, and whether that was found out just
    /// now; `None` when there are no such callers.
    pub(super) fn narrowed(
        &self,
        held: Held,
        condition: &Expr,
        wanted: bool,
        env: &Env,
    ) -> Option<(Held, bool)> {
        let may = |rank: &Rank| self.truth(condition, env, *rank) != Some(!wanted);
        let highest = self.policy.levels.len();
        if let Some(rank) = (held.rank..=highest).find(may) {
            // Whoever comes past a condition that is never so below a level has that level now.
            let certain = (0..=highest).find(may).unwrap_or(0);
            let found = certain > 0 && certain >= rank;
            let held = if found { Held { age: None, ..held }.and(self.found(certain, None)) } else { held };
            return Some((Held { rank: held.rank.max(rank), ..held }, found));
        }
        // Not with this level: but it may be gone by now.
        let rank = (self.lasting(held).rank..held.rank).find(may)?;
        Some((self.found(rank, None), rank > 0))
    }

    /// Whether a condition holds for callers of exactly that level, where that is certain.
    pub(super) fn truth(&self, condition: &Expr, env: &Env, rank: Rank) -> Option<bool> {
        let truth = |condition: &Expr| self.truth(condition, env, rank);
        match condition {
            Expr::Literal(Literal::Flag(flag)) => Some(*flag),
            Expr::Var(_) => match self.fixed(condition, env, rank)? {
                Literal::Flag(flag) => Some(flag),
                _ => None,
            },
            Expr::Not(inner) => truth(inner).map(|holds| !holds),
            Expr::And(left, right) => match (truth(left), truth(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expr::Or(left, right) => match (truth(left), truth(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expr::Compare { op, by, left, right } => {
                let (left, right) = (self.fixed(left, env, rank)?, self.fixed(right, env, rank)?);
                let order = match (by, &left, &right) {
                    (Order::Level, Literal::Text(left), Literal::Text(right)) => {
                        self.rank_of(left).cmp(&self.rank_of(right))
                    }
                    (_, Literal::Number(left), Literal::Number(right)) => left.cmp(right),
                    // Only whether they are the same is known of all others.
                    _ if matches!(op, CompareOp::Equal | CompareOp::NotEqual) => {
                        if left == right {
                            Ordering::Equal
                        } else {
                            Ordering::Less
                        }
                    }
                    _ => return None,
                };
                Some(match op {
                    CompareOp::Equal => order.is_eq(),
                    CompareOp::NotEqual => order.is_ne(),
                    CompareOp::Less => order.is_lt(),
                    CompareOp::LessOrEqual => order.is_le(),
                    CompareOp::Greater => order.is_gt(),
                    CompareOp::GreaterOrEqual => order.is_ge(),
                })
            }
            Expr::In { item, list } => self.fixed(item, env, rank).map(|item| list.contains(&item)),
            _ => None,
        }
    }

    fn fixed(&self, expr: &Expr, env: &Env, rank: Rank) -> Option<Literal> {
        match expr {
            Expr::Literal(literal) => Some(literal.clone()),
            Expr::Var(var) => env.get(var).cloned(),
            Expr::Field(Field::AuthLevel) => {
                let name = self.at(rank).map_or("none", |level| level.name.as_str());
                Some(Literal::Text(name.into()))
            }
            _ => None,
        }
    }
}

/// The highest level that never ends among those that every proof of this one proves too.
fn lasting(policy: &Policy, rank: Rank) -> Rank {
    let level = |rank: Rank| policy.levels.get(rank.checked_sub(1)?);
    let Some(held) = level(rank) else { return 0 };
    let lasts = |rank: &Rank| {
        level(*rank).is_some_and(|lower| lower.max_age.is_none() && policy.implies(held, lower))
    };
    (1..=rank).rev().find(lasts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_is(op: CompareOp, level: &str) -> Expr {
        Expr::Compare {
            op,
            by: Order::Level,
            left: Box::new(Expr::Field(Field::AuthLevel)),
            right: Box::new(Expr::Literal(Literal::Text(level.into()))),
        }
    }

    #[test]
    fn strong_ends_and_leaves_basic() {
        let policy = Policy::default();
        let levels = Levels::new(&policy);
        let strong = levels.found(2, None);
        assert_eq!(strong.age, Some(Duration::from_secs(15 * 60)));
        assert_eq!(levels.lasting(strong), Held { rank: 1, age: None });
        assert_eq!(levels.lasting(Held { rank: 1, age: None }), Held { rank: 1, age: None });
        assert_eq!(levels.found(2, Some(Duration::from_secs(60))).age, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_condition_on_the_level_tells_what_is_held_on_both_of_its_sides() {
        let policy = Policy::default();
        let levels = Levels::new(&policy);
        let env = Env::new();
        let side = |held: Held, condition: &Expr, wanted: bool| {
            levels.narrowed(held, condition, wanted, &env).map(|(held, _)| held.rank)
        };
        let strong = level_is(CompareOp::Equal, "strong");
        assert_eq!(side(Held::NOTHING, &strong, true), Some(2));
        assert_eq!(side(Held::NOTHING, &strong, false), Some(0));
        let none = level_is(CompareOp::Equal, "none");
        assert_eq!(side(Held::NOTHING, &none, false), Some(1));
        assert_eq!(side(Held { rank: 1, age: None }, &none, true), None, "a basic proof does not end");
        assert_eq!(side(levels.found(2, None), &level_is(CompareOp::Less, "strong"), true), Some(1));
        let other = Expr::Field(Field::CallAnonymous);
        assert_eq!(side(levels.found(2, None), &other, true), Some(2), "another condition says nothing");
    }
}
