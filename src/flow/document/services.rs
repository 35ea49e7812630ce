//! `services.yaml`: where values come from.

use super::ast::Class;
use crate::auth::LevelName;

/// All services of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// In the order written.
    pub services: Vec<Service>,
}

impl Services {
    /// By its name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What can be asked of it.
    pub calls: Vec<ServiceCall>,
}

impl Service {
    /// By its name.
    #[must_use]
    pub fn call(&self, name: &str) -> Option<&ServiceCall> {
        self.calls.iter().find(|call| call.name == name)
    }
}

/// One call of a service of `kind: table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCall {
    /// Its name.
    pub name: String,
    /// The table that it reads.
    pub table: Table,
    /// The column that is searched, which is also the name of the one argument.
    pub key: String,
    /// What it replies with.
    pub reply: Vec<ReplyField>,
    /// The level that protects it.
    pub level: Option<LevelName>,
    /// Whether a key that is not there is an outcome of its own.
    pub not_found: bool,
}

/// A table in a file of the application's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The file, below the application's folder.
    pub path: String,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// A field of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyField {
    /// Its name, which is also the column's.
    pub name: String,
    /// Where its value may travel.
    pub class: Class,
    /// What it is.
    pub ty: crate::flow::expr::Type,
}
