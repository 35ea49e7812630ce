//! Expressions: `topic == agent`, `auth.level >= basic and amount < 100`.
//!
//! They are small on purpose: literals, variables, fields, comparisons, `in`, `is set`, sums, two filters,
//! `and`, `or`, `not`. There are no loops, calls or patterns, so an expression always ends, and [`check`] types
//! all of it before a call ever runs it. [`parse`] gives what is written with its places, `print` writes it
//! again, [`check`] says what it means, and the run its value.

pub mod check;
pub(crate) mod constant;
pub mod parse;
pub mod print;
mod types;

pub use types::{Field, Type};

use std::sync::Arc;

use crate::flow::document::VarId;

/// An expression, resolved and typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A fixed value.
    Literal(Literal),
    /// A variable.
    Var(VarId),
    /// Something that the engine knows.
    Field(Field),
    /// Not.
    Not(Box<Self>),
    /// Both; the right side only when the left one holds.
    And(Box<Self>, Box<Self>),
    /// Either; the right side only when the left one does not hold.
    Or(Box<Self>, Box<Self>),
    /// A comparison. With an unset side only `!=` holds.
    Compare {
        /// How.
        op: CompareOp,
        /// What the order of the two is.
        by: Order,
        /// The left side.
        left: Box<Self>,
        /// The right side.
        right: Box<Self>,
    },
    /// Whether a value is one of a list.
    In {
        /// The value.
        item: Box<Self>,
        /// The list.
        list: Vec<Literal>,
    },
    /// Whether something has a value.
    IsSet(Box<Self>),
    /// A sum or difference of numbers, or of money in one currency; unset when a side is, when the currencies
    /// differ or when it is too big.
    Sum {
        /// Which.
        op: SumOp,
        /// The left side.
        left: Box<Self>,
        /// The right side.
        right: Box<Self>,
    },
    /// A part or property of a value.
    Filtered {
        /// The value.
        item: Box<Self>,
        /// What of it.
        filter: Filter,
    },
}

/// `+` or `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
}

/// What stands behind a `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The last characters.
    Last(u8),
    /// How many characters, or how many in a list.
    Length,
}

/// A fixed value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Literal {
    /// Text, a word of an enumeration, a level, a language, digits, money or a date as written.
    Text(Arc<str>),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
}

/// What a comparison compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What makes a value greater than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The value's own order.
    Value,
    /// The order of levels in the policy; `none` is below all of them.
    Level,
}
