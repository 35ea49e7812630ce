//! Where values were seen to go while steps were read, for telling by which route one comes to where it may
//! not be.

use super::ast::{Class, VarId};
use crate::diagnostic::Place;
use crate::flow::expr::Expr;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Travels {
    /// Values given to variables: by `set`, to a sub-flow, back from one.
    pub(crate) given: Vec<Given>,
    /// Values that may not go where they were sent. Each was told already, without its route.
    pub(crate) leaks: Vec<Leak>,
}

/// A value given to a variable.
#[derive(Debug)]
pub(crate) struct Given {
    /// The value.
    pub(crate) expr: Expr,
    /// The variable.
    pub(crate) to: VarId,
    /// Where that is written.
    pub(crate) place: Place,
}

/// A value in a wrong place.
#[derive(Debug)]
pub(crate) struct Leak {
    /// The value.
    pub(crate) expr: Expr,
    /// Its class.
    pub(crate) class: Class,
    /// Where it was sent.
    pub(crate) sink: String,
    /// Where that is written.
    pub(crate) place: Place,
}
