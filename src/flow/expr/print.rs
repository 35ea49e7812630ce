//! An expression as text: as an admin would write it, with no bracket too many. Reading it again gives the
//! same expression.

use std::fmt;

use super::parse::{Node, Written};
use super::{CompareOp, Expr, Filter, Literal, SumOp};
use crate::flow::document::Application;

/// How tightly a node binds; one that binds looser than its place needs brackets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Filter,
    Operand,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Binds::Or)
    }
}

impl Node {
    const fn binds(&self) -> Binds {
        match self {
            Self::Or(..) => Binds::Or,
            Self::And(..) => Binds::And,
            Self::Not(_) => Binds::Not,
            Self::Compare(..) | Self::In(..) | Self::IsSet(_) => Binds::Comparison,
            Self::Sum(..) => Binds::Sum,
            Self::Filtered(..) => Binds::Filter,
            Self::Name(_) | Self::Text(_) | Self::Number(_) | Self::Flag(_) => Binds::Operand,
        }
    }

    /// Writes it into a place that needs something that binds at least so.
    fn write(&self, f: &mut fmt::Formatter<'_>, place: Binds) -> fmt::Result {
        if self.binds() < place {
            f.write_str("(")?;
            self.bare(f)?;
            return f.write_str(")");
        }
        self.bare(f)
    }

    fn bare(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Text(text) if text.contains('\'') => write!(f, "\"{text}\""),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.node.write(f, Binds::Not)
            }
            Self::And(left, right) => pair(f, left, "and", right, Binds::And, Binds::Not),
            Self::Or(left, right) => pair(f, left, "or", right, Binds::Or, Binds::And),
            Self::Compare(op, left, right) => pair(f, left, op.sign(), right, Binds::Sum, Binds::Sum),
            Self::Sum(op, left, right) => pair(f, left, op.sign(), right, Binds::Sum, Binds::Filter),
            Self::IsSet(item) => {
                item.node.write(f, Binds::Sum)?;
                f.write_str(" is set")
            }
            Self::Filtered(item, filter) => {
                item.node.write(f, Binds::Filter)?;
                match filter {
                    Filter::Last(count) => write!(f, " | last: {count}"),
                    Filter::Length => f.write_str(" | length"),
                }
            }
            Self::In(item, list) => {
                item.node.write(f, Binds::Sum)?;
                f.write_str(" in [")?;
                for (at, entry) in list.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    entry.node.write(f, Binds::Operand)?;
                }
                f.write_str("]")
            }
        }
    }
}

fn pair(
    f: &mut fmt::Formatter<'_>,
    left: &Written,
    between: &str,
    right: &Written,
    left_place: Binds,
    right_place: Binds,
) -> fmt::Result {
    left.node.write(f, left_place)?;
    write!(f, " {between} ")?;
    right.node.write(f, right_place)
}

impl CompareOp {
    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl SumOp {
    const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
        }
    }
}

impl Application {
    /// An expression of this application as an admin would write it.
    #[must_use]
    pub fn print(&self, expr: &Expr) -> String {
        self.written(expr).to_string()
    }

    fn written(&self, expr: &Expr) -> Written {
        let inner = |expr: &Expr| Box::new(self.written(expr));
        let node = match expr {
            Expr::Literal(literal) => written(literal),
            Expr::Var(var) => Node::Name(self.var(*var).map_or_else(String::new, |var| var.name.to_string())),
            Expr::Field(field) => Node::Name(field.name().to_owned()),
            Expr::Not(item) => Node::Not(inner(item)),
            Expr::And(left, right) => Node::And(inner(left), inner(right)),
            Expr::Or(left, right) => Node::Or(inner(left), inner(right)),
            Expr::Compare { op, left, right, .. } => Node::Compare(*op, inner(left), inner(right)),
            Expr::In { item, list } => Node::In(
                inner(item),
                list.iter().map(|literal| Written { span: 0..0, node: written(literal) }).collect(),
            ),
            Expr::IsSet(item) => Node::IsSet(inner(item)),
            Expr::Sum { op, left, right } => Node::Sum(*op, inner(left), inner(right)),
            Expr::Filtered { item, filter } => Node::Filtered(inner(item), *filter),
        };
        Written { span: 0..0, node }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written(self).fmt(f)
    }
}

/// Words are written bare, as they are compared with.
fn written(literal: &Literal) -> Node {
    match literal {
        Literal::Text(text) if crate::flow::document::scalar::is_name(text) => Node::Name(text.to_string()),
        Literal::Text(text) => Node::Text(text.to_string()),
        Literal::Number(number) => Node::Number(*number),
        Literal::Flag(flag) => Node::Flag(*flag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::expr::parse::parse;
    use proptest::prelude::*;

    /// Without places.
    fn bare(written: &Written) -> Written {
        let inner = |written: &Written| Box::new(bare(written));
        let node = match &written.node {
            Node::Not(item) => Node::Not(inner(item)),
            Node::And(left, right) => Node::And(inner(left), inner(right)),
            Node::Or(left, right) => Node::Or(inner(left), inner(right)),
            Node::Compare(op, left, right) => Node::Compare(*op, inner(left), inner(right)),
            Node::Sum(op, left, right) => Node::Sum(*op, inner(left), inner(right)),
            Node::In(item, list) => Node::In(inner(item), list.iter().map(bare).collect()),
            Node::IsSet(item) => Node::IsSet(inner(item)),
            Node::Filtered(item, filter) => Node::Filtered(inner(item), *filter),
            node => node.clone(),
        };
        Written { span: 0..0, node }
    }

    fn node() -> impl Strategy<Value = Written> {
        let leaf = prop_oneof![
            "[a-z][a-z_]{0,3}(\\.[a-z]{1,4})?"
                .prop_filter("not a keyword", |name| {
                    !["and", "or", "in", "not", "is", "true", "false"].contains(&name.as_str())
                })
                .prop_map(Node::Name),
            "[a-zé \"]{0,5}".prop_map(Node::Text),
            any::<i64>().prop_map(Node::Number),
            any::<bool>().prop_map(Node::Flag),
        ];
        let written = |node: Node| Written { span: 0..0, node };
        leaf.prop_map(written).prop_recursive(4, 24, 3, move |inner| {
            let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
            let one = || inner.clone().prop_map(Box::new);
            let compare = prop_oneof![
                Just(CompareOp::Equal),
                Just(CompareOp::NotEqual),
                Just(CompareOp::Less),
                Just(CompareOp::LessOrEqual),
                Just(CompareOp::Greater),
                Just(CompareOp::GreaterOrEqual)
            ];
            let sum = prop_oneof![Just(SumOp::Add), Just(SumOp::Subtract)];
            let filter = prop_oneof![(1..=255_u8).prop_map(Filter::Last), Just(Filter::Length)];
            prop_oneof![
                two().prop_map(|(a, b)| Node::And(a, b)),
                two().prop_map(|(a, b)| Node::Or(a, b)),
                (compare, two()).prop_map(|(op, (a, b))| Node::Compare(op, a, b)),
                (sum, two()).prop_map(|(op, (a, b))| Node::Sum(op, a, b)),
                (one(), filter).prop_map(|(a, filter)| Node::Filtered(a, filter)),
                one().prop_map(Node::Not),
                one().prop_map(Node::IsSet),
                (one(), prop::collection::vec(inner.clone(), 0..3)).prop_map(|(a, list)| Node::In(a, list)),
            ]
            .prop_map(written)
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_it_was(written in node()) {
            let text = written.to_string();
            if text.len() <= 1_000 {
                let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error:?}")))?;
                prop_assert_eq!(bare(&read), written, "{}", text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s)([a-z0-9 ()\\[\\]<>=!|&+:.,'\"é-]|and|or|not|in|is set|last){0,80}") {
            if let Ok(read) = parse(&text) {
                let again = parse(&read.to_string()).map(|again| bare(&again));
                prop_assert_eq!(again, Ok(bare(&read)));
            }
        }
    }

    #[test]
    fn brackets_stand_only_where_they_are_needed() {
        for (written, printed) in [
            ("a and (b or c)", "a and (b or c)"),
            ("(a and b) or c", "a and b or c"),
            ("not (a or b)", "not (a or b)"),
            ("topic not in [x, y]", "not topic in [x, y]"),
            ("x is not set", "not x is set"),
            ("a - (b - c) == 1", "a - (b - c) == 1"),
            ("tries -1 > 0", "tries - 1 > 0"),
            ("account | last 4 == '0042'", "account | last: 4 == '0042'"),
            ("(a + b) | length", "(a + b) | length"),
        ] {
            assert_eq!(parse(written).map(|read| read.to_string()).as_deref(), Ok(printed));
        }
    }
}
