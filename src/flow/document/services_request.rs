//! The calls of a service of `kind: http`: method, path, query, headers and body, with `${argument}` where a
//! value goes.
//!
//! What is literal is checked here, what is given is encoded at run time, so that no value can change where a
//! request goes or how it is built: RFC 3986 §3.3 and §3.4 say what may stand in a segment and in a query.

use super::ast::Class;
use super::fields::{self, Fields, Node};
use super::findings::{Findings, suggestion};
use super::scalar;
use super::services::{Argument, Body, Does, JsonTemplate, Method, Part, Request, ServiceCall, Template};
use super::services_file::{Frame, Reading, cache, reply_path};
use super::yaml::Data;
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Field;

/// What a call knows of its service.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) cards: bool,
    pub(super) log_safe: bool,
}

const METHODS: [(&str, Method); 5] = [
    ("get", Method::Get),
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
];

/// One call.
pub(super) fn call(
    reading: &Reading<'_>,
    name: String,
    call: &Fields<'_>,
    about: About,
    findings: &mut Findings,
) -> Option<ServiceCall> {
    let known = [
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "body",
        "form",
        "headers",
        "reply",
        "list",
        "ok",
        "not_found",
        "declined",
        "level",
        "subject",
        "cache",
        "idempotent",
        "log_safe",
        "note",
    ];
    call.only(&known, "a call of a service of `kind: http`", findings);
    let frame = Frame::read(reading, call, findings);
    let mut written = METHODS.into_iter().filter_map(|(verb, method)| Some((method, call.get(verb)?)));
    let Some((method, path)) = written.next() else {
        let message = "a call of a service of `kind: http` needs a method and a path";
        let help = "write `get: /path`, `post: /path`, `put`, `patch` or `delete`";
        findings.push(Diagnostic::error("E114", Some(call.place.clone()), message).help(help));
        return None;
    };
    if let Some((_, second)) = written.next() {
        wrong(second, "a call has one method", "make two calls of it", findings);
    }
    let flag = |name: &str, findings: &mut Findings| {
        call.get(name).and_then(|node| fields::flag(node, name, findings))
    };
    let log_safe = flag("log_safe", findings).unwrap_or(about.log_safe);
    let mut reader = RequestReader { cards: about.cards, arguments: Vec::new(), findings };
    let (path, query) = reader.target(path, log_safe).unwrap_or_default();
    let headers = reader.headers(call.get("headers"));
    let body = reader.body(call, method);
    let arguments = reader.arguments;
    let (not_found, not_found_statuses) = outcome(call.get("not_found"), "not_found", 404, findings);
    let (declines, declined) = outcome(call.get("declined"), "declined", 402, findings);
    let idempotent =
        flag("idempotent", findings).unwrap_or(matches!(method, Method::Get | Method::Put | Method::Delete));
    let request = Request {
        method,
        path,
        query,
        headers,
        body,
        ok: call.get("ok").map(|node| statuses(node, "ok", findings)).unwrap_or_default(),
        not_found: not_found_statuses,
        declined,
        list: call.get("list").and_then(|node| list(node, findings)),
        idempotent,
    };
    let writes = method != Method::Get;
    let keep = call.get("cache").and_then(|node| cache(node, findings));
    if let Some(node) = call.get("cache").filter(|_| writes) {
        wrong(node, "only the reply of a `get` can be used again", "leave `cache` out", findings);
    }
    let made = frame.call(name, call, arguments, Does::Request(Box::new(request)), findings);
    Some(ServiceCall { not_found, declines, writes, cache: keep.filter(|_| !writes), ..made })
}

/// `not_found: true` means the usual status; otherwise the statuses are written.
fn outcome(node: Option<&Node>, what: &str, usual: u16, findings: &mut Findings) -> (bool, Vec<u16>) {
    match node {
        None => (false, Vec::new()),
        Some(node) => match node.scalar().and_then(scalar::flag) {
            Some(true) => (true, vec![usual]),
            Some(false) => (false, Vec::new()),
            None => (true, statuses(node, what, findings)),
        },
    }
}

fn statuses(node: &Node, what: &str, findings: &mut Findings) -> Vec<u16> {
    let mut out = Vec::new();
    for node in fields::items(node) {
        match node.text().parse::<u16>() {
            Ok(status) if (200..600).contains(&status) => out.push(status),
            _ => wrong(node, format!("`{what}` is a status of HTTP, or several"), "write \"404\"", findings),
        }
    }
    out
}

/// `list: data.items`, or `list: true` where the whole reply is one.
fn list(node: &Node, findings: &mut Findings) -> Option<Vec<String>> {
    match node.scalar().and_then(scalar::flag) {
        Some(true) => Some(Vec::new()),
        Some(false) => None,
        None => reply_path(node, findings),
    }
}

struct RequestReader<'f> {
    cards: bool,
    arguments: Vec<Argument>,
    findings: &'f mut Findings,
}

impl RequestReader<'_> {
    /// A path below the base, and a query.
    #[expect(clippy::type_complexity, reason = "segments and pairs, taken apart at once")]
    fn target(&mut self, node: &Node, log_safe: bool) -> Option<(Vec<Template>, Vec<(String, Template)>)> {
        let text = fields::text(node, "a path", self.findings)?;
        let (path, query) =
            text.split_once('?').map_or((text.as_str(), None), |(path, query)| (path, Some(query)));
        let Some(path) = path.strip_prefix('/') else {
            let help = "write the path only; it is put behind `base`: /people/${customer}";
            wrong(
                node,
                "a path begins with `/`: a call goes to the service's own server",
                help,
                self.findings,
            );
            return None;
        };
        let mut segments = Vec::new();
        let parts: Vec<&str> = path.split('/').collect();
        for (at, part) in parts.iter().enumerate() {
            let template = self.template(part, node, Spot { class: Class::Personal, logged: false })?;
            let last = at + 1 == parts.len();
            let literal = template.0.iter().all(|part| {
                matches!(part, Part::Literal(text) if literal_in_segment(text))
                    || matches!(part, Part::Argument(_))
            });
            let whole = match template.0.as_slice() {
                [] => last,
                [Part::Literal(text)] => is_segment(text),
                _ => true,
            };
            if !literal || !whole {
                let help = "a path is made of letters, digits and - . _ ~ between slashes, without `..`; other characters are written %20";
                wrong(node, format!("`{part}` can't be part of a path"), help, self.findings);
                return None;
            }
            segments.push(template);
        }
        let mut pairs = Vec::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let template = self.template(value, node, Spot { class: Class::Personal, logged: !log_safe })?;
            let fits =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| in_query(byte) && byte != b'=');
            let literal = template.0.iter().all(|part| match part {
                Part::Literal(text) => text.bytes().all(in_query),
                Part::Argument(_) => true,
            });
            if !fits(name) || !literal {
                let help =
                    "a query is written ?name=value&other=${argument}; other characters are written %20";
                wrong(node, format!("`{pair}` can't be part of a query"), help, self.findings);
                return None;
            }
            pairs.push((name.to_owned(), template));
        }
        Some((segments, pairs))
    }

    fn headers(&mut self, node: Option<&Node>) -> Vec<(String, Template)> {
        let listed = node.and_then(|node| Fields::of(node, "`headers`", self.findings));
        let mut out = Vec::new();
        for (key, value) in listed.map(|fields| fields.pairs).unwrap_or_default() {
            let Some(name) = header_name(key, false, self.findings) else { continue };
            let Some(text) = fields::text(value, "a header", self.findings) else { continue };
            if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                wrong(value, "a header is one line of ASCII", "leave other characters out", self.findings);
                continue;
            }
            let template = self.template(&text, value, Spot { class: Class::Personal, logged: false });
            out.extend(template.map(|template| (name, template)));
        }
        out
    }

    fn body(&mut self, call: &Fields<'_>, method: Method) -> Body {
        let (json, form) = (call.get("body"), call.get("form"));
        if let (Some(node), Method::Get | Method::Delete) = (json.or(form), method) {
            wrong(
                node,
                "a request that reads or removes has no body",
                "put the values into the path or the query",
                self.findings,
            );
            return Body::None;
        }
        match (json, form) {
            (Some(_), Some(form)) => {
                wrong(form, "a request has one body", "keep `body` (JSON) or `form`", self.findings);
                Body::None
            }
            (Some(node), None) => self.names(node).or_else(|| self.json(node)).map_or(Body::None, Body::Json),
            (None, Some(node)) => Body::Form(self.form(node)),
            (None, None) => Body::None,
        }
    }

    /// `body: [amount, customer]`: an object of arguments under their own names.
    fn names(&mut self, node: &Node) -> Option<JsonTemplate> {
        let Data::Sequence(items) = &node.data else { return None };
        let mut out = Vec::new();
        for item in items {
            let Some(name) = fields::text(item, "an argument", self.findings) else { continue };
            let spot = Spot { class: Class::Personal, logged: false };
            if name == CARD {
                out.extend(self.card(item).map(|card| (name, card)));
            } else if self.argument(&name, item, spot).is_some() {
                let key = name.replace('.', "_");
                out.push((key, JsonTemplate::Text(Template(vec![Part::Argument(name)]))));
            }
        }
        Some(JsonTemplate::Object(out))
    }

    fn json(&mut self, node: &Node) -> Option<JsonTemplate> {
        match &node.data {
            Data::Mapping(pairs) => {
                let pairs =
                    pairs.iter().filter_map(|(key, value)| Some((key.text().to_owned(), self.json(value)?)));
                Some(JsonTemplate::Object(pairs.collect()))
            }
            Data::Sequence(items) => {
                Some(JsonTemplate::List(items.iter().filter_map(|item| self.json(item)).collect()))
            }
            Data::Scalar(scalar) => {
                let text = scalar.text.as_str();
                let spot = Spot { class: Class::Personal, logged: false };
                let inner = text
                    .strip_prefix("${")
                    .and_then(|rest| rest.strip_suffix('}'))
                    .filter(|inner| !inner.contains('}'));
                if inner == Some(CARD) {
                    return self.card(node);
                }
                if let Some((name, kind)) = inner.and_then(|inner| inner.split_once(',')) {
                    let name = name.trim();
                    self.argument(name, node, spot)?;
                    return match kind.trim() {
                        "number" => Some(JsonTemplate::Number(name.to_owned())),
                        "flag" => Some(JsonTemplate::Flag(name.to_owned())),
                        other => {
                            let help = suggestion(other, ["number", "flag"], "an argument can be sent as");
                            wrong(
                                node,
                                format!("an argument can't be sent as `{other}`"),
                                help,
                                self.findings,
                            );
                            None
                        }
                    };
                }
                self.template(text, node, spot).map(JsonTemplate::Text)
            }
        }
    }

    fn form(&mut self, node: &Node) -> Vec<(String, Template)> {
        let spot = Spot { class: Class::Personal, logged: false };
        if let Data::Sequence(items) = &node.data {
            let named = items.iter().filter_map(|item| {
                let name = fields::text(item, "an argument", self.findings)?;
                self.argument(&name, item, spot)?;
                Some((name.replace('.', "_"), Template(vec![Part::Argument(name)])))
            });
            return named.collect();
        }
        let listed = Fields::of(node, "`form`", self.findings).map(|fields| fields.pairs).unwrap_or_default();
        let pairs = listed.into_iter().filter_map(|(key, value)| {
            let text = fields::text(value, "a value", self.findings)?;
            Some((key.text().to_owned(), self.template(&text, value, spot)?))
        });
        pairs.collect()
    }

    fn card(&mut self, node: &Node) -> Option<JsonTemplate> {
        if !self.cards {
            let message = "this service does not accept cards";
            let help = "write `accepts: [card]` at a service that may see card numbers, and at no other";
            self.findings.push(Diagnostic::error("E255", Some(node.place.clone()), message).help(help));
            return None;
        }
        self.add(Argument { name: CARD.to_owned(), field: None, class: Class::Card, logged: false });
        Some(JsonTemplate::Card)
    }

    /// Literals and `${argument}`s.
    fn template(&mut self, text: &str, node: &Node, spot: Spot) -> Option<Template> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            let Some((name, after)) = from.get(2..).and_then(|inner| inner.split_once('}')) else {
                wrong(node, "a `${` without its `}`", "write `${account}`", self.findings);
                return None;
            };
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            self.argument(name, node, spot)?;
            parts.push(Part::Argument(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Some(Template(parts))
    }

    fn argument(&mut self, name: &str, node: &Node, spot: Spot) -> Option<()> {
        if name == CARD {
            wrong(
                node,
                "a card is sent in the body only",
                "write `body: [card]` or `body: {card: \"${card}\"}`",
                self.findings,
            );
            return None;
        }
        let field = Field::from_name(name);
        if let Some(field) = field.filter(|field| field.class() > spot.class) {
            wrong(node, format!("`{}` does not go to a service", field.name()), "", self.findings);
            return None;
        }
        if field.is_none() && !scalar::is_name(name) {
            let known = Field::ALL.iter().map(|field| field.name());
            let help = match name.contains('.') {
                true => suggestion(name, known.collect::<Vec<_>>(), "fields of the engine"),
                false => "a name is letters, digits, `_` and `-`, a letter first".to_owned(),
            };
            wrong(node, format!("`{name}` can't be an argument"), help, self.findings);
            return None;
        }
        self.add(Argument { name: name.to_owned(), field, class: spot.class, logged: spot.logged });
        Some(())
    }

    fn add(&mut self, argument: Argument) {
        match self.arguments.iter_mut().find(|known| known.name == argument.name) {
            Some(known) => known.logged |= argument.logged,
            None => self.arguments.push(argument),
        }
    }
}

/// What may stand in a place of a request.
#[derive(Clone, Copy)]
struct Spot {
    class: Class,
    logged: bool,
}

/// The argument that is a card.
const CARD: &str = "card";

/// A name of a header (RFC 9110 §5.1) that is not ours to set.
pub(super) fn header_name(node: &Node, secret: bool, findings: &mut Findings) -> Option<String> {
    const OURS: [&str; 13] = [
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "accept-encoding",
        "proxy-authorization",
        "proxy-connection",
    ];
    let text = fields::text(node, "a header", findings)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = text.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) {
        wrong(node, format!("`{text}` is set by the engine"), "leave it out", findings);
        return None;
    }
    if lower == "authorization" && !secret {
        wrong(
            node,
            "credentials are `auth`",
            "write `auth: {bearer: \"secret:NAME\"}` at the service",
            findings,
        );
        return None;
    }
    if text.len() <= 64 && text.bytes().all(token) {
        return Some(text);
    }
    wrong(
        node,
        format!("`{text}` can't be the name of a header"),
        "write a name such as X-Request-Id",
        findings,
    );
    None
}

/// RFC 3986 §3.3: `pchar`, with `%` before two hexadecimal digits; no dot segments.
pub(super) fn is_segment(text: &str) -> bool {
    !text.is_empty() && literal_in_segment(text) && {
        let dots = text.to_ascii_lowercase().replace("%2e", ".");
        dots != "." && dots != ".."
    }
}

fn literal_in_segment(text: &str) -> bool {
    escaped(text) && text.bytes().all(|byte| byte == b'%' || in_segment(byte))
}

fn escaped(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| {
        text.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

const fn in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

const fn in_query(byte: u8) -> bool {
    in_segment(byte) || matches!(byte, b'%' | b'/' | b'[' | b']')
}

fn wrong(node: &Node, message: impl Into<String>, help: impl Into<String>, findings: &mut Findings) {
    findings.push(Diagnostic::error("E246", Some(node.place.clone()), message).help(help));
}
