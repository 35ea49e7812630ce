use proptest::prelude::*;

use super::*;
use crate::flow::document::{Base, Breaker, Retry};
use crate::secret::Secret;

fn service(base: &str) -> HttpService {
    let (authority, path) =
        base.split_once('/').map_or((base, String::new()), |(host, path)| (host, format!("/{path}")));
    HttpService {
        base: Base { tls: true, authority: authority.into(), path },
        auth: Vec::new(),
        ca: None,
        cards: true,
        connect: std::time::Duration::from_secs(1),
        retry: Retry::default(),
        breaker: Breaker::default(),
        idempotency_header: "Idempotency-Key".into(),
    }
}

fn template(text: &str) -> Template {
    let mut parts = Vec::new();
    for (at, part) in text.split('$').enumerate() {
        match at % 2 {
            0 if part.is_empty() => {}
            0 => parts.push(Part::Literal(part.into())),
            _ => parts.push(Part::Argument(part.into())),
        }
    }
    Template(parts)
}

/// `GET /people/$x$/a?q=$y$`, with a header and a body of all kinds.
fn request() -> Request {
    Request {
        method: Method::Post,
        path: vec![template("people"), template("$x$"), template("v-$x$.json")],
        query: vec![("q".into(), template("$y$")), ("fixed".into(), template("1"))],
        headers: vec![("X-Who".into(), template("caller $z$"))],
        body: Body::Json(JsonTemplate::Object(vec![
            ("who".into(), JsonTemplate::Text(template("$b$"))),
            ("all".into(), JsonTemplate::List(vec![JsonTemplate::Text(template("<$b$>"))])),
        ])),
        ok: Vec::new(),
        not_found: Vec::new(),
        declined: Vec::new(),
        list: None,
        idempotent: false,
    }
}

fn lookup(arguments: &[(&str, &str)]) -> Lookup {
    Lookup {
        service: "crm".into(),
        call: "any".into(),
        arguments: arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        card: None,
        idempotency: None,
        grant: None,
        timeout: std::time::Duration::from_secs(1),
        cache: None,
        spool: false,
    }
}

fn made(x: &str, y: &str, z: &str, b: &str) -> Result<Built, NotBuilt> {
    build(&service("crm.example:8443/v2"), &request(), &lookup(&[("x", x), ("y", y), ("z", z), ("b", b)]))
}

#[test]
fn values_stand_escaped_where_they_were_meant_to() {
    let built = made("C 1?é#", "a&b=c/d", "Ana", "\"\\\n{}é").expect("a request");
    assert_eq!(
        built.url,
        "https://crm.example:8443/v2/people/C%201%3F%C3%A9%23/v-C%201%3F%C3%A9%23.json?q=a%26b%3Dc%2Fd&fixed=1"
    );
    assert_eq!(built.headers, [("X-Who".to_owned(), "caller Ana".to_owned())]);
    let (media, body) = built.body.expect("a body");
    assert_eq!(media, "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body, serde_json::json!({"who": "\"\\\n{}é", "all": ["<\"\\\n{}é>"]}));
}

#[test]
fn what_could_lead_elsewhere_is_not_sent() {
    let long = "x".repeat(1025);
    for x in ["", ".", "..", "../admin", "a/b", "a\\b", "%2e%2e", "a;b", "a\nb", "a\0b", &long] {
        assert!(made(x, "y", "z", "b").is_err(), "{x:?} in a path");
    }
    for z in ["a\r\nX-Admin: 1", "a\nb", "é", "a\0"] {
        assert!(made("x", "y", z, "b").is_err(), "{z:?} in a header");
    }
    assert!(made("x", "a\nb", "z", "b").is_err(), "a newline in a query");
    let missing = build(&service("crm.example"), &request(), &lookup(&[("x", "1")]));
    assert_eq!(missing.err(), Some(NotBuilt::Missing("y".into())));
}

#[test]
fn numbers_and_cards_go_as_they_are_declared() {
    let body = JsonTemplate::Object(vec![
        ("amount".into(), JsonTemplate::Number("amount".into())),
        ("really".into(), JsonTemplate::Flag("really".into())),
        ("card".into(), JsonTemplate::Card),
    ]);
    let request = Request {
        path: vec![template("charges")],
        query: vec![],
        headers: vec![],
        body: Body::Json(body),
        ..request()
    };
    let mut lookup = lookup(&[("amount", "12.50 EUR"), ("really", "true")]);
    let service = service("pay.example");
    assert_eq!(build(&service, &request, &lookup).err(), Some(NotBuilt::NoCard));
    let secret = |text: &str| Secret::new(text.to_owned());
    let card = CardData { number: secret("4111111111111111"), expiry: secret("1230"), cvv: secret("") };
    lookup.card = Some(("card".into(), Box::new(card)));
    lookup.idempotency = Some("call-1".into());
    let built = build(&service, &request, &lookup).expect("a request");
    assert_eq!(built.headers, [("Idempotency-Key".to_owned(), "call-1".to_owned())]);
    let body: serde_json::Value = serde_json::from_slice(&built.body.expect("a body").1).expect("JSON");
    let expected = serde_json::json!({"amount": 12.50, "really": true, "card": {"number": "4111111111111111", "expiry": "1230"}});
    assert_eq!(body, expected);
    let refused = HttpService { cards: false, ..service };
    assert_eq!(build(&refused, &request, &lookup).err(), Some(NotBuilt::CardRefused));
    lookup.arguments[0].1 = "1, \"admin\": 1".into();
    assert!(build(&HttpService { cards: true, ..refused }, &request, &lookup).is_err());
}

#[test]
fn a_form_is_escaped_like_a_query() {
    let form = Body::Form(vec![("to".into(), template("$x$")), ("text".into(), template("Hi & $y$"))]);
    let request =
        Request { path: vec![template("send")], query: vec![], headers: vec![], body: form, ..request() };
    let built = build(&service("sms.example"), &request, &lookup(&[("x", "+44 1"), ("y", "a=b&c\n")]))
        .expect("a request");
    let (media, body) = built.body.expect("a body");
    assert_eq!(media, "application/x-www-form-urlencoded");
    assert_eq!(&**body, b"to=%2B44%201&text=Hi%20%26%20a%3Db%26c%0A");
}

proptest! {
    /// Whatever is given: the same server, the same number of segments, the same names in the query, one header
    /// of its name; or no request at all.
    #[test]
    fn no_value_changes_where_a_request_goes_or_how_it_is_built(
        x in "\\PC{0,12}|[./%\\\\;?#@:\r\n\t 0-9a-f]{0,12}|\\.{1,3}",
        y in "\\PC{0,12}|[&=?#/%\r\n a-z]{0,12}",
        z in "\\PC{0,12}|[\r\n:; a-z]{0,12}",
        b in "\\PC{0,12}|[\"\\\\{}\\[\\],:\r\n\0a-z]{0,12}",
    ) {
        let Ok(built) = made(&x, &y, &z, &b) else { return Ok(()) };
        let uri: ureq::http::Uri = built.url.parse().expect("a URI");
        prop_assert_eq!(uri.scheme_str(), Some("https"));
        prop_assert_eq!(uri.authority().map(ureq::http::uri::Authority::as_str), Some("crm.example:8443"));
        let segments: Vec<&str> = uri.path().split('/').collect();
        prop_assert_eq!(segments.len(), 5);
        prop_assert_eq!(&segments[..3], &["", "v2", "people"]);
        for segment in &segments[3..] {
            let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
            prop_assert!(!matches!(decoded.as_str(), "" | "." | ".."), "{}", segment);
            prop_assert!(!segment.to_ascii_lowercase().contains("%2f") && !segment.to_ascii_lowercase().contains("%5c"));
        }
        let names: Vec<&str> = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split('=').next()).collect();
        prop_assert_eq!(names, ["q", "fixed"]);
        prop_assert_eq!(built.headers.len(), 1);
        prop_assert!(built.headers[0].1.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let body = built.body.expect("a body").1;
        let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let object = value.as_object().expect("an object");
        prop_assert_eq!(object.len(), 2);
        prop_assert_eq!(object["who"].as_str(), Some(b.as_str()));
    }
}
