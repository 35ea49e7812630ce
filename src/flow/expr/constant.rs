//! Conditions that can't end in two ways: all words that their variables can have are tried.
//!
//! What is not a word of a small set (a comparison of numbers, whether something is set) counts as one
//! question that can be answered either way.

use super::{CompareOp, Expr, Literal, Order};

/// What is known of values.
pub(crate) trait Domains {
    /// All values that a variable or a field can have, where they are few.
    fn values(&self, expr: &Expr) -> Option<Vec<Literal>>;
    /// The place of a level in its order.
    fn rank(&self, level: &str) -> Option<usize>;
}

/// Whether all of some conditions can end as wanted at once; `true` when there are too many ways to try.
pub(crate) fn possible(conditions: &[(&Expr, bool)], domains: &dyn Domains) -> bool {
    const MOST: usize = 20_000;
    let mut atoms: Vec<(Expr, Vec<Literal>)> = Vec::new();
    conditions.iter().for_each(|(condition, _)| collect(condition, domains, &mut atoms));
    let ways = atoms
        .iter()
        .try_fold(1_usize, |ways, (_, values)| ways.checked_mul(values.len()).filter(|ways| *ways <= MOST));
    let Some(ways) = ways else { return true };
    (0..ways).any(|way| {
        let world = World { atoms: &atoms, way, domains };
        conditions.iter().all(|(condition, wanted)| world.holds(condition) == *wanted)
    })
}

/// What a condition always ends as, if it does.
pub(crate) fn always(condition: &Expr, domains: &dyn Domains) -> Option<bool> {
    match (possible(&[(condition, true)], domains), possible(&[(condition, false)], domains)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The questions that a condition asks, each with all its answers.
fn collect(expr: &Expr, domains: &dyn Domains, atoms: &mut Vec<(Expr, Vec<Literal>)>) {
    match expr {
        Expr::Literal(_) => {}
        Expr::Not(inner) => collect(inner, domains, atoms),
        Expr::And(left, right) | Expr::Or(left, right) => {
            collect(left, domains, atoms);
            collect(right, domains, atoms);
        }
        Expr::Compare { left, right, .. } if few(left, domains) && few(right, domains) => {
            collect(left, domains, atoms);
            collect(right, domains, atoms);
        }
        Expr::In { item, .. } if few(item, domains) => collect(item, domains, atoms),
        atom => {
            if !atoms.iter().any(|(known, _)| known == atom) {
                let either = || vec![Literal::Flag(true), Literal::Flag(false)];
                atoms.push((atom.clone(), domains.values(atom).unwrap_or_else(either)));
            }
        }
    }
}

fn few(expr: &Expr, domains: &dyn Domains) -> bool {
    matches!(expr, Expr::Literal(_)) || domains.values(expr).is_some()
}

/// One way to answer all questions.
struct World<'a> {
    atoms: &'a [(Expr, Vec<Literal>)],
    way: usize,
    domains: &'a dyn Domains,
}

impl World<'_> {
    fn value(&self, expr: &Expr) -> Option<Literal> {
        if let Expr::Literal(literal) = expr {
            return Some(literal.clone());
        }
        let mut way = self.way;
        for (atom, values) in self.atoms {
            let at = way % values.len().max(1);
            if atom == expr {
                return values.get(at).cloned();
            }
            way /= values.len().max(1);
        }
        None
    }

    fn holds(&self, condition: &Expr) -> bool {
        match condition {
            Expr::Literal(literal) => *literal == Literal::Flag(true),
            Expr::Not(inner) => !self.holds(inner),
            Expr::And(left, right) => self.holds(left) && self.holds(right),
            Expr::Or(left, right) => self.holds(left) || self.holds(right),
            Expr::Compare { op, by, left, right } if few(left, self.domains) && few(right, self.domains) => {
                self.compare(*op, *by, left, right)
            }
            Expr::In { item, list } if few(item, self.domains) => {
                self.value(item).is_some_and(|value| list.contains(&value))
            }
            atom => self.value(atom) == Some(Literal::Flag(true)),
        }
    }

    fn compare(&self, op: CompareOp, by: Order, left: &Expr, right: &Expr) -> bool {
        let (Some(left), Some(right)) = (self.value(left), self.value(right)) else { return false };
        let order = match (by, &left, &right) {
            (Order::Level, Literal::Text(left), Literal::Text(right)) => {
                self.domains.rank(left).cmp(&self.domains.rank(right))
            }
            (_, Literal::Number(left), Literal::Number(right)) => left.cmp(right),
            _ if left == right => std::cmp::Ordering::Equal,
            _ => std::cmp::Ordering::Less,
        };
        match op {
            CompareOp::Equal => order.is_eq(),
            CompareOp::NotEqual => order.is_ne(),
            CompareOp::Less => order.is_lt(),
            CompareOp::LessOrEqual => order.is_le(),
            CompareOp::Greater => order.is_gt(),
            CompareOp::GreaterOrEqual => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::document::VarId;
    use crate::flow::expr::Field;

    struct Two;

    impl Domains for Two {
        fn values(&self, expr: &Expr) -> Option<Vec<Literal>> {
            let words = |words: &[&str]| Some(words.iter().map(|w| Literal::Text((*w).into())).collect());
            match expr {
                Expr::Var(VarId(0)) => words(&["balance", "cards"]),
                Expr::Field(Field::AuthLevel) => words(&["none", "basic", "strong"]),
                _ => None,
            }
        }

        fn rank(&self, level: &str) -> Option<usize> {
            ["basic", "strong"].iter().position(|name| *name == level)
        }
    }

    fn is(left: Expr, op: CompareOp, by: Order, word: &str) -> Expr {
        let right = Box::new(Expr::Literal(Literal::Text(word.into())));
        Expr::Compare { op, by, left: Box::new(left), right }
    }

    fn topic(op: CompareOp, word: &str) -> Expr {
        is(Expr::Var(VarId(0)), op, Order::Value, word)
    }

    #[test]
    fn all_words_are_tried() {
        let (balance, cards) = (topic(CompareOp::Equal, "balance"), topic(CompareOp::Equal, "cards"));
        let both = Expr::And(Box::new(balance.clone()), Box::new(cards.clone()));
        let either = Expr::Or(Box::new(balance.clone()), Box::new(cards.clone()));
        assert_eq!(always(&balance, &Two), None);
        assert_eq!(always(&both, &Two), Some(false));
        assert_eq!(always(&either, &Two), Some(true));
        assert!(!possible(&[(&balance, false), (&cards, false)], &Two), "no third word");
        let lowest = is(Expr::Field(Field::AuthLevel), CompareOp::GreaterOrEqual, Order::Level, "none");
        assert_eq!(always(&lowest, &Two), Some(true));
    }

    #[test]
    fn what_can_be_anything_ends_either_way_but_the_same_way_each_time() {
        let great = is(Expr::Var(VarId(7)), CompareOp::Greater, Order::Value, "5");
        assert_eq!(always(&great, &Two), None);
        let never = Expr::And(Box::new(great.clone()), Box::new(Expr::Not(Box::new(great))));
        assert_eq!(always(&never, &Two), Some(false));
    }
}
