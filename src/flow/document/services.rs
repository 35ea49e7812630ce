//! `services.yaml`: where values come from, and where they are sent.
//!
//! Whatever its kind, a service is a list of [`ServiceCall`]s with the same face: arguments by name, a reply of
//! declared fields, a level. Steps look at that face only; what a call [`Does`] concerns the driver.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ast::Class;
use crate::auth::LevelName;
use crate::diagnostic::Place;
use crate::flow::expr::{Field, Type};

/// All services of an application.
#[derive(Clone, Debug, Default)]
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

    /// The secrets that services are asked with, each once, with where one is named.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let mut secrets: Vec<&SecretRef> = Vec::new();
        for service in &self.services {
            let ServiceKind::Http(http) = &service.kind else { continue };
            for secret in http.auth.iter().map(Auth::secret) {
                if !secrets.iter().any(|known| known.name == secret.name) {
                    secrets.push(secret);
                }
            }
        }
        secrets
    }
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// What can be asked of it.
    pub calls: Vec<ServiceCall>,
    /// Says apart what is kept of one declaration (replies, failures) from what is kept of another.
    pub fingerprint: u64,
    /// Where it is declared.
    pub place: Place,
}

impl Service {
    /// By its name.
    #[must_use]
    pub fn call(&self, name: &str) -> Option<&ServiceCall> {
        self.calls.iter().find(|call| call.name == name)
    }
}

/// What a service is.
#[derive(Clone, Debug)]
pub enum ServiceKind {
    /// Files of comma-separated values, in memory.
    Table,
    /// A SQLite database.
    Sql(SqlService),
    /// A server that speaks HTTP.
    Http(Box<HttpService>),
    /// A kind that this version does not have; that was told, and its calls were not read.
    Unknown,
}

/// A SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlService {
    /// The file.
    pub path: PathBuf,
    /// When it is asked no more for a while.
    pub breaker: Breaker,
}

/// A server that speaks HTTP.
#[derive(Clone, Debug)]
pub struct HttpService {
    /// Where it is.
    pub base: Base,
    /// How we prove who we are.
    pub auth: Vec<Auth>,
    /// The authorities that may sign its certificate, in PEM; those of the system when `None`.
    pub ca: Option<String>,
    /// Whether cards may be sent to it.
    pub cards: bool,
    /// How long making a connection may take.
    pub connect: Duration,
    /// What is tried again.
    pub retry: Retry,
    /// When it is asked no more for a while.
    pub breaker: Breaker,
    /// The header that carries what makes a second sending harmless.
    pub idempotency_header: String,
}

/// `https://host:port/path`: no request of the service goes anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host, as a URL has it, with its port when one is given.
    pub authority: String,
    /// The path that every call's path is put behind, without a slash at the end.
    pub path: String,
}

/// How a service knows us. Secrets stand here by name only.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(SecretRef),
    /// `Authorization: Basic …`, of `user:password`.
    Basic(SecretRef),
    /// A header of its own.
    Header(String, SecretRef),
    /// A client certificate: chain and key in PEM.
    Mtls(SecretRef),
}

impl Auth {
    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &SecretRef {
        match self {
            Self::Bearer(secret) | Self::Basic(secret) | Self::Header(_, secret) | Self::Mtls(secret) => {
                secret
            }
        }
    }
}

/// The name of a secret of `countersign.yaml`, written `secret:NAME`.
#[derive(Clone, Debug)]
pub struct SecretRef {
    /// Its name, without `secret:`.
    pub name: String,
    /// Where it is named.
    pub place: Place,
}

/// What is tried again, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often at most, after the first time.
    pub times: u8,
    /// Whether no connection is a reason.
    pub connect: bool,
    /// Whether a connection that broke is a reason; only where a second sending does no harm.
    pub lost: bool,
    /// The statuses that are a reason; only where a second sending does no harm.
    pub statuses: Vec<u16>,
}

impl Default for Retry {
    /// Once more when nothing arrived: a kept connection may have been closed at the other side meanwhile.
    fn default() -> Self {
        Self { times: 1, connect: true, lost: true, statuses: Vec::new() }
    }
}

/// When a service that fails is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// How many failures in a row.
    pub open_after: u32,
    /// For how long.
    pub open_for: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { open_after: 5, open_for: Duration::from_secs(30) }
    }
}

/// One call of a service.
#[derive(Clone, Debug)]
pub struct ServiceCall {
    /// Its name.
    pub name: String,
    /// What it is given, by name.
    pub arguments: Vec<Argument>,
    /// What it replies with.
    pub reply: Vec<ReplyField>,
    /// The level that protects it.
    pub level: Option<LevelName>,
    /// For a protected call: the argument that has to be the identity that was proven.
    pub subject: Option<String>,
    /// Whether there being no such thing is an outcome of its own.
    pub not_found: bool,
    /// Whether the service may decline, which is an outcome of its own.
    pub declines: bool,
    /// Whether it changes something.
    pub writes: bool,
    /// Whether it was declared without a mistake: only then is anything said about how steps use it.
    pub(crate) sound: bool,
    /// How long a reply may be used again.
    pub cache: Option<Duration>,
    /// What it does.
    pub does: Does,
    /// Where it is declared.
    pub place: Place,
}

impl ServiceCall {
    /// By its name.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// The field of the engine of that name, which is given when a step gives nothing.
    pub field: Option<Field>,
    /// The highest class that may be given.
    pub class: Class,
    /// Whether what is given may stand in somebody's log.
    pub logged: bool,
}

/// What a call does.
#[derive(Clone, Debug)]
pub enum Does {
    /// Finds the row of a table whose columns are the arguments.
    Find(Arc<Table>),
    /// Runs a statement.
    Statement(Statement),
    /// Sends a request.
    Request(Box<Request>),
}

/// A table in a file of the application's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The file, below the application's folder.
    pub path: String,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// The line of the file that each row begins in, counted from 1.
    pub lines: Vec<usize>,
}

/// A statement of SQL with `:name` where arguments are bound.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// Where it is written.
    pub place: Place,
}

/// A request of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The segments of its path.
    pub path: Vec<Template>,
    /// Its query: names and values.
    pub query: Vec<(String, Template)>,
    /// Its headers, beside ours.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Body,
    /// The statuses that are a reply; empty: 200 to 299.
    pub ok: Vec<u16>,
    /// The statuses that say that there is no such thing.
    pub not_found: Vec<u16>,
    /// The statuses that say no.
    pub declined: Vec<u16>,
    /// Where the reply is a list that should have one item: the path to it.
    pub list: Option<Vec<String>>,
    /// Whether sending it twice does no harm.
    pub idempotent: bool,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Anything.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

/// What is sent with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(JsonTemplate),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
}

/// JSON with places for arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTemplate {
    /// A string.
    Text(Template),
    /// An argument as a number.
    Number(String),
    /// An argument as true or false.
    Flag(String),
    /// The card, for a service that takes cards.
    Card,
    /// An object.
    Object(Vec<(String, JsonTemplate)>),
    /// A list.
    List(Vec<JsonTemplate>),
}

/// Text with places for arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As written.
    Literal(String),
    /// The value of an argument.
    Argument(String),
}

/// A field of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyField {
    /// Its name, which is also the column's.
    pub name: String,
    /// Where its value may travel.
    pub class: Class,
    /// What it is.
    pub ty: Type,
    /// Where it stands in a reply: names of objects and numbers of lists, from the outside in.
    pub path: Vec<String>,
    /// The currency of an amount that comes as a bare number.
    pub currency: Option<String>,
}
