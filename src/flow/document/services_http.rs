//! Services of `kind: http`: where the server is, how it knows us, when to try again. Their calls are read in
//! [`super::services_request`].

use std::time::Duration;

use super::fields::{self, Fields, Node};
use super::findings::Findings;
use super::services::{Auth, Base, HttpService, Retry, ServiceCall, ServiceKind};
use super::services_file::{Reading, breaker, secret};
use super::services_request;
use crate::diagnostic::{Diagnostic, Place};

/// The service and its calls.
pub(super) fn service(
    reading: &Reading<'_>,
    service: &Fields<'_>,
    findings: &mut Findings,
) -> (ServiceKind, Vec<ServiceCall>) {
    let known = [
        "kind",
        "base",
        "plain",
        "auth",
        "ca",
        "connect",
        "retry",
        "breaker",
        "accepts",
        "idempotency",
        "log_safe",
        "calls",
        "note",
    ];
    service.only(&known, "a service of `kind: http`", findings);
    let flag = |name: &str, findings: &mut Findings| {
        service.get(name).and_then(|node| fields::flag(node, name, findings)).unwrap_or(false)
    };
    let plain = flag("plain", findings);
    let log_safe = flag("log_safe", findings);
    let cards = accepts_cards(service, findings);
    let base = service.need("base", "a service of `kind: http`", findings).and_then(|node| {
        let base = base(node, findings)?;
        allowed(&base, plain, cards, service, node, findings);
        Some(base)
    });
    let settings = HttpService {
        base: base.unwrap_or_else(|| Base { tls: true, authority: String::new(), path: String::new() }),
        auth: auth(service, findings),
        ca: ca(reading, service, findings),
        cards,
        connect: match service.get("connect") {
            Some(node) => fields::duration(node, "connect", findings).unwrap_or(CONNECT),
            None => CONNECT,
        },
        retry: retry(service.get("retry"), findings).unwrap_or_default(),
        breaker: breaker(service, findings).unwrap_or_default(),
        idempotency_header: service
            .get("idempotency")
            .and_then(|node| services_request::header_name(node, false, findings))
            .unwrap_or_else(|| "Idempotency-Key".to_owned()),
    };
    let calls = reading.calls(service, findings, |name, call, findings| {
        services_request::call(reading, name, call, services_request::About { cards, log_safe }, findings)
    });
    (ServiceKind::Http(Box::new(settings)), calls)
}

/// `https://host:port/path`, and nothing that could lead elsewhere.
fn base(node: &Node, findings: &mut Findings) -> Option<Base> {
    let text = fields::text(node, "`base`", findings)?;
    let help = "write https://, the host, a port if it is not 443, and the path that all calls share: \
                https://crm.internal.example/v2";
    let mut wrong = |message: String| {
        findings.push(Diagnostic::error("E245", Some(node.place.clone()), message).help(help));
        None
    };
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return wrong(format!("`{text}` is no address of a server")),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains('@') {
        // It may hold a password: not repeated here.
        return wrong("an address holds no user: credentials are `auth`".to_owned());
    }
    if !is_authority(authority) {
        return wrong(format!("`{authority}` is no host"));
    }
    let path = path.trim_end_matches('/');
    let segments = path.split('/').skip(1);
    if !path.is_empty() && !segments.clone().all(services_request::is_segment) {
        return wrong(format!("`{path}` can't be the path of a base"));
    }
    Some(Base { tls, authority: authority.to_owned(), path: path.to_owned() })
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let port = match port.strip_prefix(':') {
        Some(number) => number.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    port && host.len() <= 253 && host.trim_end_matches('.').split('.').all(label)
}

/// Without TLS everybody on the way reads and changes what is sent.
fn allowed(
    base: &Base,
    plain: bool,
    cards: bool,
    service: &Fields<'_>,
    node: &Node,
    findings: &mut Findings,
) {
    if base.tls {
        if let Some(node) = service.get("plain").filter(|_| plain) {
            fields::wrong(node, "`plain` is for addresses with http://", "leave it out", findings);
        }
        return;
    }
    if is_this_machine(&base.authority) {
        return;
    }
    let mut wrong = |place: &Place, message: &str, help: &str| {
        findings.push(Diagnostic::error("E245", Some(place.clone()), message).help(help));
    };
    if !plain {
        let message = "http:// sends names, numbers and secrets readable for everybody on the way";
        let help = "write https://; or `plain: true` for a server in a private network that you trust";
        wrong(&node.place, message, help);
    } else if cards {
        wrong(&node.place, "a service that accepts cards is spoken to with TLS only", "write https://");
    }
}

fn is_this_machine(authority: &str) -> bool {
    let host = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(|| authority.split(':').next().unwrap_or_default(), |(host, _)| host);
    let address = host.parse::<std::net::IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn auth(service: &Fields<'_>, findings: &mut Findings) -> Vec<Auth> {
    let mut out = Vec::new();
    let Some(about) = service.get("auth").and_then(|node| Fields::of(node, "`auth`", findings)) else {
        return out;
    };
    about.only(&["bearer", "basic", "header", "mtls"], "`auth`", findings);
    for (key, value) in &about.pairs {
        match key.text() {
            "bearer" => out.extend(secret(value, findings).map(Auth::Bearer)),
            "basic" => out.extend(secret(value, findings).map(Auth::Basic)),
            "mtls" => out.extend(secret(value, findings).map(Auth::Mtls)),
            "header" => {
                let listed = Fields::of(value, "`header`", findings).map(|fields| fields.pairs);
                for (name, value) in listed.unwrap_or_default() {
                    let name = services_request::header_name(name, true, findings);
                    let secret = secret(value, findings);
                    out.extend(name.zip(secret).map(|(name, secret)| Auth::Header(name, secret)));
                }
            }
            _ => {}
        }
    }
    if about.get("bearer").is_some()
        && let Some(basic) = about.get("basic")
    {
        let help = "keep one of `bearer` and `basic`: a request has one `Authorization`";
        fields::wrong(basic, "two ways to fill one header", help, findings);
    }
    out
}

/// The text of a file of the application's folder.
fn ca(reading: &Reading<'_>, service: &Fields<'_>, findings: &mut Findings) -> Option<String> {
    let node = service.get("ca")?;
    let path = fields::text(node, "`ca`", findings)?;
    let why = match reading.file(&path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(text),
        Ok(_) => "holds no certificate in PEM".to_owned(),
        Err(why) => why.to_string(),
    };
    let help = "copy the certificate of your own authority there, as text that begins with -----BEGIN CERTIFICATE-----";
    findings.push(Diagnostic::error("E257", Some(node.place.clone()), format!("{path} {why}")).help(help));
    None
}

fn accepts_cards(service: &Fields<'_>, findings: &mut Findings) -> bool {
    let listed = service.get("accepts").map(fields::items).unwrap_or_default();
    let mut cards = false;
    for node in listed {
        cards |= fields::choice(node, "accepts", &[("card", ())], findings).is_some();
    }
    cards
}

/// `{times: 1, only: [connect, lost, "503"]}`
pub(super) fn retry(node: Option<&Node>, findings: &mut Findings) -> Option<Retry> {
    let about = Fields::of(node?, "`retry`", findings)?;
    about.only(&["times", "only"], "`retry`", findings);
    let mut retry = Retry::default();
    if let Some(node) = about.get("times") {
        retry.times = fields::count(node, "times", 0..=5, findings)?;
    }
    let Some(only) = about.get("only") else { return Some(retry) };
    retry = Retry { connect: false, lost: false, ..retry };
    for node in fields::items(only) {
        match node.text() {
            "connect" => retry.connect = true,
            "lost" => retry.lost = true,
            text => match text.parse::<u16>() {
                Ok(status) if (400..600).contains(&status) => retry.statuses.push(status),
                _ => {
                    let message = format!("`{text}` is no reason to try again");
                    let help =
                        "write `connect` (no connection), `lost` (it broke), or a status such as \"503\"";
                    fields::wrong(node, message, help, findings);
                }
            },
        }
    }
    Some(retry)
}

/// A server that is up takes a connection within a fraction of it, over any distance.
const CONNECT: Duration = Duration::from_secs(2);
