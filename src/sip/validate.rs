//! What a user agent server and registrar must refuse, before any transaction user sees it
//! (RFC 3261 §8.2.1–§8.2.3, §10.3, §11.2; RFC 4475 §3.3).
//!
//! Order as in RFC 3261 §8.2: the method, the Request-URI, the extensions demanded, the content. Hops are
//! no concern of a user agent server: a request with Max-Forwards 0 that is for us is answered
//! (RFC 4475 §3.3.11).

use super::body::{self, Description};
use super::header::Contacts;
use super::header_name::Name;
use super::message::{Request, Response};
use super::method::Method;
use super::path::Transport;
use super::status::StatusCode;
use super::uri::Uri;

/// The methods that are served, as Allow names them.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, REGISTER";

/// The extensions that may be demanded: reliable provisional responses and session timers.
pub const SUPPORTED: [&str; 2] = ["100rel", "timer"];

/// The bodies that an INVITE may have, as Accept names them.
pub const ACCEPT: &str = "application/sdp, multipart/mixed";

/// The bodies that an INFO may have: keys.
pub const ACCEPT_INFO: &str = "application/dtmf-relay, application/dtmf";

/// Refuses what can't be served, when it came over that transport; the error is the answer to send (with a To tag that needs no state).
///
/// An ACK is never answered and so always passes.
pub fn check_request(request: &Request, over: Transport) -> Result<(), Response> {
    if request.method == Method::Ack {
        return Ok(());
    }
    check_method(request)?;
    check_uri(request, over)?;
    check_addresses(request)?;
    check_require(request)?;
    check_content(request)
}

/// RFC 3261 §8.2.1, §21.5.2: a method never heard of is not implemented, a known one is not allowed.
fn check_method(request: &Request) -> Result<(), Response> {
    let status = match &request.method {
        Method::Other(_) => StatusCode::NOT_IMPLEMENTED,
        method if ALLOW.split(", ").any(|allowed| allowed == method.as_str()) => return Ok(()),
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    Err(Response::stateless(request, status).with(Name::Allow, ALLOW))
}

/// RFC 3261 §8.2.2.1: schemes. `sips:` promises TLS on every hop, so also on the last.
fn check_uri(request: &Request, over: Transport) -> Result<(), Response> {
    match (&request.uri, &request.method) {
        // RFC 4475 §3.1.2.11: headers may not stand in a Request-URI.
        (Uri::Sip(uri), _) if uri.headers.is_some() => Err(bad(request, "Headers in Request-URI")),
        (Uri::Sip(uri), _) if !uri.secure || over.is_encrypted() => Ok(()),
        (Uri::Other { scheme, .. }, Method::Invite | Method::Options) if scheme == "tel" => Ok(()),
        _ => Err(Response::stateless(request, StatusCode::UNSUPPORTED_URI_SCHEME)),
    }
}

/// The addresses that would be acted upon later: Contact, Record-Route, and the address of record.
fn check_addresses(request: &Request) -> Result<(), Response> {
    let Ok(contacts) = request.headers.contacts() else {
        return Err(bad(request, "Malformed Contact"));
    };
    let registering = request.method == Method::Register;
    match contacts {
        Contacts::All if !registering => return Err(bad(request, "Malformed Contact")),
        // RFC 3261 §12.1.1: the remote target is one URI, of a scheme that can be called.
        Contacts::List(list)
            if request.method == Method::Invite
                && (list.len() > 1 || list.iter().any(|contact| contact.uri.as_sip().is_none())) =>
        {
            return Err(bad(request, "Contact must be one SIP URI"));
        }
        _ => {}
    }
    if request.headers.record_route().is_err() || request.headers.route().is_err() {
        return Err(bad(request, "Malformed Route"));
    }
    // RFC 3261 §10.2: the address of record is a SIP or SIPS URI.
    if registering && request.headers.to().is_ok_and(|to| to.uri.as_sip().is_none()) {
        return Err(bad(request, "To must be a SIP URI"));
    }
    Ok(())
}

/// RFC 3261 §8.2.2.3: what is not offered may not be demanded. CANCEL is exempt. Proxy-Require
/// is for proxies.
fn check_require(request: &Request) -> Result<(), Response> {
    let mut demanded = request.headers.require();
    demanded.retain(|tag| !SUPPORTED.iter().any(|known| tag.eq_ignore_ascii_case(known)));
    if demanded.is_empty() || request.method == Method::Cancel {
        return Ok(());
    }
    let answer = Response::stateless(request, StatusCode::BAD_EXTENSION);
    Err(answer.with(Name::Unsupported, demanded.join(", ")))
}

/// RFC 3261 §8.2.3 and §13.3.1: what the body is, and what an answer may be.
fn check_content(request: &Request) -> Result<(), Response> {
    let types = match request.method {
        Method::Invite => ACCEPT,
        Method::Info => ACCEPT_INFO,
        // The body of any other method has no meaning here and does no harm.
        _ => return Ok(()),
    };
    let headers = &request.headers;
    if headers.content_type().is_err() {
        return Err(bad(request, "Malformed Content-Type"));
    }
    let encodings = headers.tokens(Name::ContentEncoding);
    if !request.body.is_empty() && encodings.iter().any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let answer = Response::stateless(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        return Err(answer.with(Name::AcceptEncoding, "identity"));
    }
    if !understood(request) {
        let answer = Response::stateless(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        return Err(answer.with(Name::Accept, types));
    }
    match headers.accept() {
        Err(_) => Err(bad(request, "Malformed Accept")),
        Ok(Some(ranges))
            if request.method == Method::Invite
                && !ranges.iter().any(|range| range.admits("application", "sdp")) =>
        {
            Err(Response::stateless(request, StatusCode::NOT_ACCEPTABLE))
        }
        Ok(_) => Ok(()),
    }
}

/// Whether the body can be read, is absent, or need not be read (RFC 3261 §20.11 `handling=optional`).
fn understood(request: &Request) -> bool {
    let disposition = request.headers.text(Name::ContentDisposition).unwrap_or_default();
    if request.body.is_empty() || disposition.to_ascii_lowercase().contains("handling=optional") {
        return true;
    }
    if request.method == Method::Invite {
        return body::description(&request.headers, &request.body) != Description::Unsupported;
    }
    // RFC 6086 §4.3: the body of an INFO package is the package's matter; who does not know it says 469.
    if request.method == Method::Info && request.headers.get("Info-Package").is_some() {
        return true;
    }
    let kind = request.headers.content_type().ok().flatten();
    kind.is_some_and(|kind| kind.is("application", "dtmf-relay") || kind.is("application", "dtmf"))
}

fn bad(request: &Request, reason: &str) -> Response {
    Response::stateless(request, StatusCode::BAD_REQUEST).with_reason(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;

    fn status(start: &str, extra: &str, body: &str) -> u16 {
        let method = start.split(' ').next().unwrap_or_default();
        let text = format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:b@192.0.2.9>;tag=1\r\n\
             To: <sip:a@192.0.2.1>\r\nCall-ID: x@192.0.2.9\r\nCSeq: 1 {method}\r\n{extra}\r\n{body}"
        );
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else {
            panic!("not a request: {start} {extra}");
        };
        check_request(&request, Transport::Udp).map_or_else(|answer| answer.status.code(), |()| 200)
    }

    #[test]
    fn each_rule_has_its_status() {
        let invite = "INVITE sip:a@192.0.2.1";
        let sdp = "Content-Type: application/sdp\r\n";
        for (start, extra, body, expected) in [
            (invite, "", "", 200),
            (invite, sdp, "v=0\r\n", 200),
            ("INVITE tel:+15551234", "", "", 200),
            ("DANCE sip:a@192.0.2.1", "", "", 501),
            ("invite sip:a@192.0.2.1", "", "", 501),
            ("SUBSCRIBE sip:a@192.0.2.1", "", "", 405),
            ("OPTIONS http://192.0.2.1", "", "", 416),
            ("OPTIONS sips:a@192.0.2.1", "", "", 416),
            ("REGISTER tel:+15551234", "", "", 416),
            ("INVITE sip:a@192.0.2.1?Subject=x", "", "", 400),
            (invite, "Require: 100rel\r\n", "", 200),
            (invite, "Require: 100rel, timer, gruu\r\n", "", 420),
            ("CANCEL sip:a@192.0.2.1", "Require: 100rel\r\n", "", 200),
            ("ACK sip:a@192.0.2.1", "Require: 100rel\r\n", "", 200),
            (invite, "Proxy-Require: x\r\n", "", 200),
            (invite, "", "v=0\r\n", 415),
            (invite, "Content-Type: text/plain\r\n", "hello", 415),
            (
                invite,
                "Content-Type: text/plain\r\nContent-Disposition: x;handling=optional\r\n",
                "hello",
                200,
            ),
            (invite, "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "v=0\r\n", 415),
            (invite, "Content-Type: sdp\r\n", "v=0\r\n", 400),
            (invite, "Accept: text/plain\r\n", "", 406),
            (invite, "Accept: application/*;q=0.5, text/plain\r\n", "", 200),
            (invite, "Accept: application/sdp;q=0\r\n", "", 406),
            (invite, "Contact: *\r\n", "", 400),
            (invite, "Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>\r\n", "", 400),
            (invite, "Contact: <tel:+15551234>\r\n", "", 400),
            (invite, "Record-Route: <sip:p@\r\n", "", 400),
            (invite, "Max-Forwards: 0\r\n", "", 200),
            ("INFO sip:a@192.0.2.1", "Content-Type: application/dtmf-relay\r\n", "Signal=1", 200),
            ("INFO sip:a@192.0.2.1", "Content-Type: text/plain\r\n", "hello", 415),
            ("BYE sip:a@192.0.2.1", "Content-Type: text/plain\r\n", "hello", 200),
        ] {
            assert_eq!(status(start, extra, body), expected, "{start} {extra}");
        }
    }
}
