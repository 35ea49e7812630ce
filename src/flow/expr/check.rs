//! From what is written to what it means: names, types, classes.

use std::ops::Range;
use std::sync::Arc;

use super::parse::{Node, Written};
use super::{CompareOp, Expr, Filter, Literal, Order, SumOp, Type};
use crate::flow::document::Class;

/// An expression with its type, and where its value may travel.
#[derive(Clone, Debug)]
pub struct Typed {
    /// What it means.
    pub expr: Expr,
    /// What it is.
    pub ty: Type,
    /// Where it may travel: the strictest class of all values in it.
    pub class: Class,
}

/// What the names in an expression mean where it stands.
pub trait Names {
    /// A variable or a field.
    fn find(&self, name: &str) -> Option<Typed>;
    /// All names, for a suggestion.
    fn names(&self) -> Vec<String>;
    /// The words that a type allows; `None` when it is not a type of words.
    fn words(&self, ty: &Type) -> Option<Vec<Arc<str>>>;
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The code of the diagnostic.
    pub code: &'static str,
    /// Where in the expression's own text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Types an expression. `expected` is what it is for, where only some types fit; bare words are words of
/// that type.
///
/// # Errors
/// The first problem.
pub fn check(written: &Written, expected: Option<&Type>, names: &dyn Names) -> Result<Typed, Problem> {
    let typed = resolve(written, expected, names)?;
    match expected {
        Some(wanted) if !typed.ty.fits(wanted) => Err(mismatch(written, &typed.ty, wanted)),
        _ => Ok(typed),
    }
}

fn mismatch(written: &Written, found: &Type, wanted: &Type) -> Problem {
    problem("E181", written, format!("this is {found}, and {wanted} is wanted"), String::new())
}

fn problem(code: &'static str, at: &Written, message: impl Into<String>, help: impl Into<String>) -> Problem {
    Problem { code, span: at.span.clone(), message: message.into(), help: help.into() }
}

fn resolve(written: &Written, expected: Option<&Type>, names: &dyn Names) -> Result<Typed, Problem> {
    match &written.node {
        Node::Name(name) => match names.find(name) {
            Some(typed) => Ok(typed),
            None => word(name, written, expected, names),
        },
        Node::Text(text) => literal_text(text, written, expected, names),
        Node::Number(number) => Ok(public(Expr::Literal(Literal::Number(*number)), Type::Number)),
        Node::Flag(flag) => Ok(public(Expr::Literal(Literal::Flag(*flag)), Type::Flag)),
        Node::Not(inner) => {
            let inner = condition(inner, names)?;
            Ok(Typed { expr: Expr::Not(Box::new(inner.expr)), ..inner })
        }
        Node::And(left, right) => {
            let (left, right) = (condition(left, names)?, condition(right, names)?);
            Ok(flag(Expr::And(Box::new(left.expr), Box::new(right.expr)), left.class.max(right.class)))
        }
        Node::Or(left, right) => {
            let (left, right) = (condition(left, names)?, condition(right, names)?);
            Ok(flag(Expr::Or(Box::new(left.expr), Box::new(right.expr)), left.class.max(right.class)))
        }
        Node::Compare(op, left, right) => compare(*op, left, right, written, names),
        Node::In(item, list) => inside(item, list, names),
        Node::IsSet(item) => {
            let item = asked(item, names)?;
            Ok(flag(Expr::IsSet(Box::new(item.expr)), Class::Public))
        }
        Node::Sum(op, left, right) => sum(*op, left, right, written, names),
        Node::Filtered(item, filter) => filtered(item, *filter, names),
    }
}

/// A bare word: of the expected type, or unknown.
fn word(name: &str, at: &Written, expected: Option<&Type>, names: &dyn Names) -> Result<Typed, Problem> {
    if let Some(ty) = expected
        && let Some(words) = names.words(ty)
    {
        if words.iter().any(|word| **word == *name) {
            return Ok(public(Expr::Literal(Literal::Text(Arc::from(name))), ty.clone()));
        }
        let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let holds = |found: Typed| found.ty == *ty && matches!(found.expr, Expr::Var(_));
        let declared = names.names().into_iter().find(|known| names.find(known).is_some_and(holds));
        let help = match declared.filter(|_| matches!(ty, Type::Enum(_))) {
            Some(variable) => {
                format!("values: {list}; a new one is added to `of` of the variable `{variable}`")
            }
            None => format!("values: {list}"),
        };
        return Err(problem("E182", at, format!("`{name}` is none of its values"), help));
    }
    let all = names.names();
    let help = crate::flow::document::suggestion(name, all.iter().map(String::as_str), "known here");
    Err(problem("E180", at, format!("nothing is named `{name}` here"), help))
}

fn literal_text(
    text: &str,
    at: &Written,
    expected: Option<&Type>,
    names: &dyn Names,
) -> Result<Typed, Problem> {
    let literal = |ty: Type| Ok(public(Expr::Literal(Literal::Text(Arc::from(text))), ty));
    match expected {
        Some(ty) if names.words(ty).is_some() => word(text, at, expected, names),
        Some(Type::Digits) if text.chars().all(|c| c.is_ascii_digit()) => literal(Type::Digits),
        Some(Type::Money) if is_money(text) => literal(Type::Money),
        Some(Type::Date) if is_date(text) => literal(Type::Date),
        Some(Type::Time) if is_time(text) => literal(Type::Time),
        _ => literal(Type::Text),
    }
}

/// `1204.50 EUR`
fn is_money(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(amount, currency)| {
        amount.parse::<f64>().is_ok_and(f64::is_finite)
            && currency.len() == 3
            && currency.bytes().all(|b| b.is_ascii_uppercase())
    })
}

/// `2026-05-03`
fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}

/// `14:30`
fn is_time(text: &str) -> bool {
    text.parse::<jiff::civil::Time>().is_ok()
}

fn public(expr: Expr, ty: Type) -> Typed {
    Typed { expr, ty, class: Class::Public }
}

/// Whether something holds says little enough about a personal value to steer a flow; of a secret value
/// nothing may be asked at all, see `compare`.
fn flag(expr: Expr, class: Class) -> Typed {
    Typed { expr, ty: Type::Flag, class }
}

fn condition(written: &Written, names: &dyn Names) -> Result<Typed, Problem> {
    check(written, Some(&Type::Flag), names)
}

fn compare(
    op: CompareOp,
    left: &Written,
    right: &Written,
    whole: &Written,
    names: &dyn Names,
) -> Result<Typed, Problem> {
    let (left, right) = both(left, right, names)?;
    if left.class.max(right.class) >= Class::Secret {
        let message = "a secret can't be compared in a flow";
        return Err(problem("E190", whole, message, "have `authenticate` check it"));
    }
    if !left.ty.fits(&right.ty) && !right.ty.fits(&left.ty) {
        let message = format!("{} can't be compared with {}", left.ty, right.ty);
        return Err(problem("E181", whole, message, "text stands in quotes, a number does not"));
    }
    let ordered = !matches!(op, CompareOp::Equal | CompareOp::NotEqual);
    if ordered && !matches!(left.ty, Type::Number | Type::Money | Type::Date | Type::Time | Type::Level) {
        let message = format!("{} has no order", left.ty);
        return Err(problem(
            "E181",
            whole,
            message,
            "numbers, money, dates, times and levels can be greater than another",
        ));
    }
    if matches!((&left.expr, &right.expr), (Expr::Literal(_), Expr::Literal(_))) || left.expr == right.expr {
        return Err(problem(
            "E183",
            whole,
            "this is always the same",
            "compare a variable or a field with something",
        ));
    }
    let by = if left.ty == Type::Level || right.ty == Type::Level { Order::Level } else { Order::Value };
    let expr = Expr::Compare { op, by, left: Box::new(left.expr), right: Box::new(right.expr) };
    Ok(flag(expr, Class::Public))
}

/// Two sides that belong together. The one that says more goes first: a bare word is a word of the other
/// side's type.
fn both(left: &Written, right: &Written, names: &dyn Names) -> Result<(Typed, Typed), Problem> {
    let known = |side: &Written| match &side.node {
        Node::Name(name) => names.find(name).is_some(),
        Node::Text(_) => false,
        _ => true,
    };
    if known(left) || !known(right) {
        let left = resolve(left, None, names)?;
        let right = resolve(right, Some(&left.ty), names)?;
        return Ok((left, right));
    }
    let right = resolve(right, None, names)?;
    Ok((resolve(left, Some(&right.ty), names)?, right))
}

/// A value that a question is asked about.
fn asked(item: &Written, names: &dyn Names) -> Result<Typed, Problem> {
    let typed = resolve(item, None, names)?;
    if typed.class >= Class::Secret {
        let message = "a secret can't be compared in a flow";
        return Err(problem("E190", item, message, "have `authenticate` check it"));
    }
    Ok(typed)
}

/// Numbers with numbers, money with money.
fn sum(
    op: SumOp,
    left: &Written,
    right: &Written,
    whole: &Written,
    names: &dyn Names,
) -> Result<Typed, Problem> {
    let (left, right) = both(left, right, names)?;
    let ty = match (&left.ty, &right.ty) {
        (Type::Number, Type::Number) => Type::Number,
        (Type::Money, Type::Money) => Type::Money,
        (one, other) => {
            let message = format!("{one} and {other} have no sum");
            let help = "numbers go with numbers, money with money such as '5.00 GBP'";
            return Err(problem("E181", whole, message, help));
        }
    };
    let class = left.class.max(right.class);
    let expr = Expr::Sum { op, left: Box::new(left.expr), right: Box::new(right.expr) };
    Ok(Typed { expr, ty, class })
}

fn filtered(item: &Written, filter: Filter, names: &dyn Names) -> Result<Typed, Problem> {
    let typed = resolve(item, None, names)?;
    let ty = match (filter, &typed.ty) {
        (Filter::Last(_), Type::Digits) => Type::Digits,
        (Filter::Last(_), Type::Text) => Type::Text,
        (Filter::Length, Type::Digits | Type::Text | Type::List) => Type::Number,
        (Filter::Last(_), ty) => {
            return Err(problem(
                "E181",
                item,
                format!("{ty} has no last characters"),
                "digits and text have",
            ));
        }
        (Filter::Length, ty) => {
            return Err(problem("E181", item, format!("{ty} has no length"), "digits, text and lists have"));
        }
    };
    let expr = Expr::Filtered { item: Box::new(typed.expr), filter };
    Ok(Typed { expr, ty, class: typed.class })
}

fn inside(item: &Written, list: &[Written], names: &dyn Names) -> Result<Typed, Problem> {
    let typed = asked(item, names)?;
    let mut literals = Vec::new();
    for entry in list {
        let entry_typed = resolve(entry, Some(&typed.ty), names)?;
        let Expr::Literal(literal) = entry_typed.expr else {
            return Err(problem(
                "E181",
                entry,
                "a list holds fixed values only",
                "compare with `==` and `or`",
            ));
        };
        if !entry_typed.ty.fits(&typed.ty) && !typed.ty.fits(&entry_typed.ty) {
            return Err(mismatch(entry, &entry_typed.ty, &typed.ty));
        }
        literals.push(literal);
    }
    Ok(flag(Expr::In { item: Box::new(typed.expr), list: literals }, Class::Public))
}

impl Expr {
    /// Every variable whose value it reads; asking whether one is set reads nothing.
    #[must_use]
    pub fn reads(&self) -> Vec<crate::flow::document::VarId> {
        match self {
            Self::Literal(_) | Self::Field(_) | Self::IsSet(_) => Vec::new(),
            Self::Var(var) => vec![*var],
            Self::Not(inner) | Self::In { item: inner, .. } | Self::Filtered { item: inner, .. } => {
                inner.reads()
            }
            Self::And(left, right)
            | Self::Or(left, right)
            | Self::Compare { left, right, .. }
            | Self::Sum { left, right, .. } => {
                let mut reads = left.reads();
                reads.extend(right.reads());
                reads
            }
        }
    }

    /// The variables that surely have a value when this holds (or does not): `x is set`.
    #[must_use]
    pub fn assures(&self, holds: bool) -> Vec<crate::flow::document::VarId> {
        match self {
            Self::IsSet(item) if holds => item.reads(),
            Self::Not(inner) => inner.assures(!holds),
            Self::And(left, right) if holds => [left.assures(true), right.assures(true)].concat(),
            Self::Or(left, right) if !holds => [left.assures(false), right.assures(false)].concat(),
            _ => Vec::new(),
        }
    }
}
