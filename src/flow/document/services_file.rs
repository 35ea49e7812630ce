//! `services.yaml`: the services that a flow may ask. What all kinds have in common is read here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::ast::Class;
use super::fields::{self, Fields, Node};
use super::files::{Files, Unread};
use super::findings::{Findings, suggestion};
use super::services::{
    Argument, Breaker, Does, ReplyField, SecretRef, Service, ServiceCall, ServiceKind, Services, Statement,
};
use super::{literal_secret, services_http, services_sql, services_table};
use crate::auth::{LevelName, Policy};
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Type;

/// What a service is read with.
pub(super) struct Reading<'a> {
    pub(super) policy: &'a Policy,
    pub(super) files: &'a dyn Files,
}

/// Reads all services.
pub(crate) fn read(root: &Node, policy: &Policy, files: &dyn Files, findings: &mut Findings) -> Services {
    let mut services = Services::default();
    let Some(file) = Fields::of(root, "the services", findings) else { return services };
    file.only(&["services"], "the services", findings);
    let Some(node) = file.need("services", "the services", findings) else { return services };
    let listed = Fields::of(node, "`services`", findings).map(|fields| fields.pairs).unwrap_or_default();
    for (key, value) in listed {
        let Some(name) = fields::name(key, "a service", findings) else { continue };
        services.services.extend(Reading { policy, files }.service(name, key, value, findings));
    }
    services
}

impl Reading<'_> {
    /// A file of the application's folder.
    pub(super) fn file(&self, path: &str) -> Result<String, Unread> {
        if inside(path) { self.files.read(path) } else { Err(Unread::Absent) }
    }

    fn service(&self, name: String, key: &Node, value: &Node, findings: &mut Findings) -> Option<Service> {
        let fields = Fields::of(value, "a service", findings)?;
        let fields = Fields { place: key.place.clone(), pairs: fields.pairs };
        let kind = fields.need("kind", "a service", findings)?;
        let (kind, calls) = match kind.text() {
            "table" => (ServiceKind::Table, services_table::calls(self, &fields, findings)),
            "sql" => services_sql::service(self, &fields, findings),
            "http" => services_http::service(self, &fields, findings),
            "twilio" | "smtp" | "speaker" => {
                let message =
                    format!("services of `kind: {}` are not available in this version", kind.text());
                let help = "use `kind: table`, `sql` or `http`";
                findings.push(Diagnostic::error("E256", Some(kind.place.clone()), message).help(help));
                (ServiceKind::Unknown, Vec::new())
            }
            other => {
                let help = suggestion(other, ["table", "sql", "http"], "kinds");
                fields::wrong(kind, format!("there is no kind of service `{other}`"), help, findings);
                (ServiceKind::Unknown, Vec::new())
            }
        };
        let fingerprint = self.fingerprint(&kind, value);
        Some(Service { name, kind, calls, fingerprint, place: key.place.clone() })
    }

    /// Two declarations that read the same and mean the same files are the same.
    fn fingerprint(&self, kind: &ServiceKind, value: &Node) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.place.source.text.get(value.place.span.clone()).hash(&mut hasher);
        match kind {
            ServiceKind::Sql(sql) => sql.path.hash(&mut hasher),
            ServiceKind::Http(http) => http.ca.hash(&mut hasher),
            ServiceKind::Table | ServiceKind::Unknown => {}
        }
        // What a level is worth is written elsewhere.
        self.policy.levels.iter().for_each(|level| level.name.as_str().hash(&mut hasher));
        hasher.finish()
    }

    /// Reads each of `calls`.
    pub(super) fn calls<'n>(
        &self,
        service: &Fields<'n>,
        findings: &mut Findings,
        mut read: impl FnMut(String, &Fields<'n>, &mut Findings) -> Option<ServiceCall>,
    ) -> Vec<ServiceCall> {
        let listed = service
            .need("calls", "a service", findings)
            .and_then(|node| Fields::of(node, "`calls`", findings));
        let mut calls = Vec::new();
        for (key, value) in listed.map(|fields| fields.pairs).unwrap_or_default() {
            let Some(name) = fields::name(key, "a call", findings) else { continue };
            let Some(call) = Fields::of(value, "a call", findings) else { continue };
            let call = Fields { place: key.place.clone(), pairs: call.pairs };
            let before = findings.errors();
            let made = read(name.clone(), &call, findings);
            // What is wrong with a call is told once, not again at every step that asks it.
            let sound = findings.errors() == before;
            calls.push(match made {
                Some(made) => ServiceCall { sound, ..made },
                None => Frame { level: None, reply: Vec::new() }.unreadable(name, &call),
            });
        }
        calls
    }
}

/// What the calls of all kinds have.
pub(super) struct Frame<'n> {
    pub(super) level: Option<LevelName>,
    /// The fields of the reply, with the nodes that say where they come from.
    pub(super) reply: Vec<(ReplyField, &'n Node)>,
}

impl<'n> Frame<'n> {
    pub(super) fn read(reading: &Reading<'_>, call: &Fields<'n>, findings: &mut Findings) -> Self {
        let level = call.get("level").and_then(|node| level(node, reading.policy, findings));
        let mut reply = Vec::new();
        let listed = call.get("reply").and_then(|node| Fields::of(node, "`reply`", findings));
        for (key, about) in listed.map(|fields| fields.pairs).unwrap_or_default() {
            let Some(name) = fields::name(key, "a field of a reply", findings) else { continue };
            reply.extend(reply_field(name, key, about, findings));
        }
        Self { level, reply }
    }

    /// A call of which nothing is known but its name.
    fn unreadable(self, name: String, call: &Fields<'_>) -> ServiceCall {
        let statement = Statement { text: String::new(), place: call.place.clone() };
        let without_level = Fields { place: call.place.clone(), pairs: Vec::new() };
        let does = Does::Statement(statement);
        let made = self.call(name, &without_level, Vec::new(), does, &mut Findings::default());
        ServiceCall { sound: false, ..made }
    }

    /// The call, with everything else as it usually is.
    pub(super) fn call(
        self,
        name: String,
        call: &Fields<'_>,
        arguments: Vec<Argument>,
        does: Does,
        findings: &mut Findings,
    ) -> ServiceCall {
        let subject = subject(self.level.as_ref(), call, &arguments, findings);
        ServiceCall {
            name,
            arguments,
            reply: self.reply.into_iter().map(|(field, _)| field).collect(),
            level: self.level,
            subject,
            not_found: false,
            declines: false,
            writes: false,
            sound: true,
            cache: None,
            does,
            place: call.place.clone(),
        }
    }
}

/// Whose data a protected call is about: the driver lets it ask for nobody but who was proven.
fn subject(
    level: Option<&LevelName>,
    call: &Fields<'_>,
    arguments: &[Argument],
    findings: &mut Findings,
) -> Option<String> {
    let names = || arguments.iter().map(|argument| argument.name.as_str());
    if let Some(node) = call.get("subject") {
        let name = fields::text(node, "`subject`", findings)?;
        if names().any(|known| known == name) {
            return Some(name);
        }
        let message = format!("the call has no argument `{name}`");
        let help = suggestion(&name, names().collect::<Vec<_>>(), "its arguments");
        findings.push(Diagnostic::error("E251", Some(node.place.clone()), message).help(help));
        return None;
    }
    let usual = ["customer", "customer.id"];
    let found = match arguments {
        [one] => Some(one.name.clone()),
        _ => usual.iter().find(|usual| names().any(|name| name == **usual)).map(|name| (*name).to_owned()),
    };
    if found.is_none() && level.is_some() && !arguments.is_empty() {
        let message = "which argument of this protected call is the proven customer?";
        let help = format!("add `subject: {}`", arguments.first().map_or("customer", |first| &first.name));
        findings.push(Diagnostic::error("E251", Some(call.place.clone()), message).help(help));
    }
    found
}

/// A level that the policy has.
pub(crate) fn level(node: &Node, policy: &Policy, findings: &mut Findings) -> Option<LevelName> {
    let name = fields::text(node, "a level", findings)?;
    let level = LevelName::from(name.as_str());
    if policy.level(&level).is_some() {
        return Some(level);
    }
    let message = format!("the policy has no level `{name}`");
    let help = suggestion(&name, policy.levels.iter().map(|level| level.name.as_str()), "levels");
    findings.push(Diagnostic::error("E280", Some(node.place.clone()), message).help(help));
    None
}

/// `balance: personal` or `balance: {class: personal, type: money, path: data.balance, currency: EUR}`. A field
/// with a mistake stays a field, so that its uses are no mistakes as well.
fn reply_field<'n>(
    name: String,
    key: &'n Node,
    node: &'n Node,
    findings: &mut Findings,
) -> Option<(ReplyField, &'n Node)> {
    let classes = [("public", Class::Public), ("personal", Class::Personal), ("secret", Class::Secret)];
    let usual = vec![name.clone()];
    if node.mapping().is_none() {
        let class = fields::choice(node, "class", &classes, findings).unwrap_or(Class::Personal);
        return Some((ReplyField { name, class, ty: Type::Text, path: usual, currency: None }, key));
    }
    let about = Fields::of(node, "a field of a reply", findings)?;
    about.only(&["class", "type", "path", "currency", "note"], "a field of a reply", findings);
    let class = about.need("class", "a field of a reply", findings);
    let class = class.and_then(|node| fields::choice(node, "class", &classes, findings));
    let ty = about.get("type").and_then(|node| fields::choice(node, "type", &types(), findings));
    let ty = ty.unwrap_or(&Type::Text).clone();
    let path = about.get("path").and_then(|node| Some((reply_path(node, findings)?, node)));
    let (path, source) = path.unwrap_or((usual, key));
    let currency = about.get("currency").and_then(|node| currency(node, &ty, findings));
    Some((ReplyField { name, class: class.unwrap_or(Class::Personal), ty, path, currency }, source))
}

/// What a field of a reply can be.
fn types() -> [(&'static str, &'static Type); 7] {
    [
        ("text", &Type::Text),
        ("digits", &Type::Digits),
        ("number", &Type::Number),
        ("money", &Type::Money),
        ("date", &Type::Date),
        ("time", &Type::Time),
        ("flag", &Type::Flag),
    ]
}

/// `data.items.0.balance`
pub(super) fn reply_path(node: &Node, findings: &mut Findings) -> Option<Vec<String>> {
    let text = fields::text(node, "a path", findings)?;
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    if path.len() <= 16 && path.iter().all(|part| !part.is_empty()) {
        return Some(path);
    }
    fields::wrong(node, format!("`{text}` is no path"), "write names with dots: `data.balance`", findings);
    None
}

fn currency(node: &Node, ty: &Type, findings: &mut Findings) -> Option<String> {
    let text = fields::text(node, "a currency", findings)?;
    if matches!(text.as_str(), "EUR" | "GBP") && *ty == Type::Money {
        return Some(text);
    }
    fields::wrong(
        node,
        "only money has a currency, `EUR` or `GBP`",
        "write `type: money`, `currency: EUR`",
        findings,
    );
    None
}

/// `{open_after: 5, for: 30s}`
pub(super) fn breaker(service: &Fields<'_>, findings: &mut Findings) -> Option<Breaker> {
    let Some(node) = service.get("breaker") else { return Some(Breaker::default()) };
    let about = Fields::of(node, "`breaker`", findings)?;
    about.only(&["open_after", "for"], "`breaker`", findings);
    let usual = Breaker::default();
    let open_after = match about.get("open_after") {
        Some(node) => fields::count(node, "open_after", 1..=1000, findings)?,
        None => usual.open_after,
    };
    let open_for = match about.get("for") {
        Some(node) => fields::duration(node, "for", findings)?,
        None => usual.open_for,
    };
    Some(Breaker { open_after, open_for })
}

/// `cache: 30s` or `cache: {for: 30s}`
pub(crate) fn cache(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let node = match node.mapping() {
        None => node,
        Some(_) => {
            let about = Fields::of(node, "`cache`", findings)?;
            about.only(&["for"], "`cache`", findings);
            about.need("for", "`cache`", findings)?
        }
    };
    let time = fields::duration(node, "cache", findings)?;
    if time <= LONGEST_CACHE {
        return Some(time);
    }
    let help = "a reply is personal data: keep it for 24h at most";
    fields::wrong(node, "that is longer than a reply may be kept", help, findings);
    None
}

/// `secret:crm/token`
pub(super) fn secret(node: &Node, findings: &mut Findings) -> Option<SecretRef> {
    let text = node.text();
    let name = text.strip_prefix("secret:").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if !name.is_empty() && name.len() <= 128 && name.bytes().all(fits) {
        return Some(SecretRef { name: name.to_owned(), place: node.place.clone() });
    }
    findings.push(literal_secret::found(&node.place));
    None
}

/// Whether a path stays in the application's folder.
pub(super) fn inside(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

const LONGEST_CACHE: Duration = Duration::from_secs(24 * 60 * 60);
