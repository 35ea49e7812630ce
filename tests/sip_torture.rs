//! The torture messages of RFC 4475 and RFC 5118, read as a user agent server and registrar reads them:
//! as a datagram, and from a stream whole, in single bytes and glued to other messages.
//!
//! The messages are not part of this repository. `COUNTERSIGN_CORPUS` names the folder that holds
//! `sip-torture/rfc4475/*.dat` and its siblings; without it the test says so and passes.
//!
//! Where the RFC leaves a choice, this engine's is:
//! - baddate (§3.1.2.12): Date is not read, so a malformed one does no harm: accepted.
//! - `sips:` and unknown schemes in a Request-URI: 416, unless they come over TLS.
//! - unksm2 (§3.3.4): 400, as a To that is no SIP URI can't be an address of record.
//! - insuf (§3.3.1): 400 with those headers copied that are there.
//! - badbranch (§3.2.1): accepted, and matched as RFC 2543 did, as its branch is no more than the cookie.
//! - inv2543 (§3.4.1): accepted as a datagram; on a stream the missing Content-Length is answered 400 and
//!   the connection closed, as nothing tells where the message ends (RFC 3261 §18.3).
//! - mpart01 (§3.1.1.11): MESSAGE is not served: 405.
//! - ipv6-bug-abnf-3-colons (RFC 5118 §4.10): the third colon is tolerated.

use std::path::{Path, PathBuf};

use countersign::secret::Secret;
use countersign::sip::registrar::{self, Registrar, RegistrarConfig};
use countersign::sip::validate::check_request;
use countersign::sip::{
    self, Endpoint, EndpointConfig, Message, Request, Response, StatusCode, StreamParser, Transport, digest,
};
use countersign::units::Entropy;

/// What a message comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A request that may be served.
    Served,
    /// A request that is answered with this status.
    Answered(u16),
    /// A response that is well formed.
    Response,
    /// Silence.
    Dropped,
}

use Outcome::{Answered, Dropped, Response as Answer, Served};

/// What a stream makes of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// One frame, of the same outcome.
    Same,
    /// One frame, a second one, and then bytes that are none: closed without an answer.
    Two,
    /// Waits for more bytes.
    Waits,
    /// Answered with this status, and closed.
    Closed(u16),
}

use Stream::{Closed, Same, Two, Waits};

const RFC_4475: &[(&str, Outcome, Stream)] = &[
    ("wsinv", Served, Same),
    ("intmeth", Answered(501), Same),
    ("esc01", Served, Same),
    ("escnull", Served, Same),
    ("esc02", Answered(501), Same),
    ("lwsdisp", Served, Same),
    ("longreq", Served, Same),
    ("dblreq", Served, Two),
    ("semiuri", Served, Same),
    ("transports", Served, Same),
    ("mpart01", Answered(405), Same),
    ("unreason", Answer, Same),
    ("noreason", Answer, Same),
    ("badinv01", Answered(400), Same),
    ("clerr", Answered(400), Waits),
    ("ncl", Answered(400), Closed(400)),
    ("scalar02", Answered(400), Same),
    ("scalarlg", Dropped, Same),
    ("quotbal", Answered(400), Same),
    ("ltgtruri", Answered(400), Same),
    ("lwsruri", Answered(400), Same),
    ("lwsstart", Answered(400), Same),
    ("trws", Answered(400), Same),
    ("escruri", Answered(400), Same),
    ("baddate", Served, Same),
    ("regbadct", Answered(400), Same),
    ("badaspec", Answered(400), Same),
    ("baddn", Answered(400), Waits),
    ("badvers", Answered(505), Same),
    ("mismatch01", Answered(400), Same),
    ("mismatch02", Answered(400), Same),
    ("bigcode", Dropped, Same),
    ("badbranch", Served, Same),
    ("insuf", Answered(400), Same),
    ("unkscm", Answered(416), Same),
    ("novelsc", Answered(416), Same),
    ("unksm2", Answered(400), Same),
    ("bext01", Answered(420), Same),
    ("invut", Answered(415), Same),
    ("regaut01", Served, Same),
    ("multi01", Answered(400), Same),
    ("mcl01", Answered(400), Closed(400)),
    ("bcast", Answer, Same),
    ("zeromf", Served, Same),
    ("cparam01", Served, Same),
    ("cparam02", Served, Same),
    ("regescrt", Served, Same),
    ("sdp01", Answered(406), Same),
    ("inv2543", Served, Closed(400)),
];

/// The three with a body announce more or less than they carry; see [`RFC_5118_FIXED`].
const RFC_5118: &[(&str, Outcome)] = &[
    ("ipv6-good", Served),
    ("ipv6-bad", Answered(400)),
    ("port-ambiguous", Served),
    ("port-unambiguous", Served),
    ("via-received-param-with-delim", Served),
    ("via-received-param-no-delim", Served),
    ("mult-ip-in-header", Served),
    ("ipv6-bug-abnf-3-colons", Served),
    ("ipv6-correct-abnf-2-colons", Served),
];

const RFC_5118_FIXED: &[(&str, Outcome)] =
    &[("ipv6-in-sdp", Served), ("mult-ip-in-sdp", Served), ("ipv4-mapped-ipv6", Served)];

/// A message that is beyond doubt.
const GOOD: &[u8] = b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKa\r\n\
    From: <sip:b@192.0.2.9>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: x@192.0.2.9\r\nCSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

#[test]
fn the_messages_of_rfc_4475_come_to_what_the_rfc_says() {
    let Some(folder) = corpus("rfc4475") else { return };
    for &(name, expected, stream) in RFC_4475 {
        let raw = message(&folder, name);
        assert_eq!(outcome(&raw), expected, "{name} as a datagram");
        check_stream(name, &raw, expected, stream);
    }
}

#[test]
fn the_messages_of_rfc_5118_come_to_what_the_rfc_says() {
    let Some(folder) = corpus("rfc5118") else { return };
    for &(name, expected) in RFC_5118 {
        let raw = message(&folder, name);
        assert_eq!(outcome(&raw), expected, "{name} as a datagram");
        check_stream(name, &raw, expected, Same);
    }
    let folder = corpus("rfc5118-fixedlen").expect("beside rfc5118");
    for &(name, expected) in RFC_5118_FIXED {
        let raw = message(&folder, name);
        assert_eq!(outcome(&raw), expected, "{name} as a datagram");
        check_stream(name, &raw, expected, Same);
    }
}

#[test]
fn answers_to_torture_can_be_read_and_carry_what_was_asked() {
    let Some(folder) = corpus("rfc4475") else { return };
    for &(name, _, _) in RFC_4475 {
        let raw = message(&folder, name);
        let Some(answer) = answer(&raw) else { continue };
        let copied = ["Via", "Call-ID", "From"].iter().all(|header| answer.headers.get(*header).is_some());
        assert!(copied || name == "insuf", "{name}");
        match answer.status.code() {
            501 | 405 => assert!(answer.headers.get("Allow").is_some(), "{name}"),
            415 => assert!(answer.headers.get("Accept").is_some(), "{name}"),
            420 => assert!(answer.headers.get("Unsupported").is_some(), "{name}"),
            _ => {}
        }
    }
}

/// REGISTER is the registrar's and MESSAGE nobody's; to an endpoint both are methods that it does not serve.
#[test]
fn an_endpoint_answers_the_torture_and_goes_on() {
    let Some(folder) = corpus("rfc4475") else { return };
    let now = first_instant();
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_seed([5; 32]));
    for &(name, expected, _) in RFC_4475 {
        let raw = message(&folder, name);
        let register = String::from_utf8_lossy(&raw).starts_with("REGISTER");
        let wanted = match expected {
            Answered(status) => Some(status),
            // Its To has a tag, of a dialog that is none of ours.
            Served if name == "wsinv" => Some(481),
            // An INVITE waits for the flow; anything else is answered at once.
            Served if raw.starts_with(b"OPTIONS") => Some(200),
            _ => None,
        };
        let got = final_answer(&mut endpoint, now, &raw);
        if register && Message::parse(&raw).is_ok() {
            assert_eq!(got, Some(405), "{name}");
        } else {
            assert_eq!(got, wanted, "{name}");
        }
        assert_eq!(final_answer(&mut endpoint, now, GOOD), Some(200), "the canary after {name}");
    }
}

/// The final status that is sent for a datagram, if any.
fn final_answer(endpoint: &mut Endpoint, now: std::time::Instant, raw: &[u8]) -> Option<u16> {
    let address = "192.0.2.1:5060".parse().expect("an address");
    let path = sip::Path { transport: Transport::Udp, local: address, remote: address, connection: None };
    endpoint.handle(now, sip::Input::Received { path, message: raw.to_vec().into() });
    let mut status = None;
    loop {
        match endpoint.poll() {
            sip::Output::Transmit { bytes, .. } => {
                let line = String::from_utf8_lossy(&bytes).into_owned();
                let code = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
                status = status.or((code >= 200).then_some(code));
            }
            sip::Output::Event(_) => {}
            sip::Output::Timeout(_) => return status,
        }
    }
}

fn check_stream(name: &str, raw: &[u8], expected: Outcome, stream: Stream) {
    let wanted: Vec<Option<Outcome>> = match stream {
        Same => vec![Some(expected)],
        // Its second message carries five bytes more than it announces.
        Two => vec![Some(expected), Some(expected), None],
        Waits => vec![],
        Closed(status) => vec![None, Some(Answered(status))],
    };
    assert_eq!(frames(&[raw]), wanted, "{name} from a stream, whole");
    let bytes: Vec<&[u8]> = raw.chunks(1).collect();
    assert_eq!(frames(&bytes), wanted, "{name} from a stream, in single bytes");
    let glued = [GOOD, raw, raw].concat();
    let mut wanted_glued = vec![Some(Served)];
    wanted_glued.extend(&wanted);
    // A stream that waits takes the next message for the missing body; a closed one says no more.
    if stream == Same {
        wanted_glued.extend(&wanted);
        assert_eq!(frames(&[&glued]), wanted_glued, "{name} glued to others");
        let bytes: Vec<&[u8]> = glued.chunks(1).collect();
        assert_eq!(frames(&bytes), wanted_glued, "{name} glued to others, in single bytes");
    } else if stream != Waits {
        assert_eq!(frames(&[&glued]), wanted_glued, "{name} glued to others");
    }
}

/// What each frame comes to; a refusal is `None` followed by its answer.
fn frames(pieces: &[&[u8]]) -> Vec<Option<Outcome>> {
    let mut parser = StreamParser::new();
    let mut found = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_message() {
                Ok(Some(raw)) => found.push(Some(outcome(&raw))),
                Ok(None) => break,
                Err(broken) => {
                    found.push(None);
                    found.extend(broken.response().map(|answer| Some(Answered(answer.status.code()))));
                }
            }
        }
    }
    found
}

fn outcome(raw: &[u8]) -> Outcome {
    match Message::parse(raw) {
        Ok(Message::Response(_)) => Answer,
        Ok(Message::Request(request)) => match check_request(&request, Transport::Udp) {
            Ok(()) => Served,
            Err(answer) => checked(&answer),
        },
        Err(error) => error.answer.map_or(Dropped, |answer| checked(&answer)),
    }
}

/// The answer's status; an answer must itself be a message unless the request lacked what makes one.
fn checked(answer: &Response) -> Outcome {
    assert!(answer.write().starts_with(b"SIP/2.0 "));
    Answered(answer.status.code())
}

fn answer(raw: &[u8]) -> Option<Response> {
    match Message::parse(raw) {
        Ok(Message::Request(request)) => check_request(&request, Transport::Udp).err(),
        Ok(Message::Response(_)) => None,
        Err(error) => error.answer.map(|answer| *answer),
    }
}

/// The REGISTERs of §3.3 that a registrar takes once the phone has proved who it is.
#[test]
fn registrations_of_rfc_4475_are_challenged_and_then_taken() {
    let Some(folder) = corpus("rfc4475") else { return };
    for (name, contact) in [
        ("regaut01", None),
        ("cparam01", Some("<sip:+19725552222@gw1.example.net>;expires=3600")),
        ("cparam02", Some("<sip:+19725552222@gw1.example.net;unknownparam>;expires=3600")),
        ("regescrt", Some("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600")),
    ] {
        let mut registrar = registrar();
        let Ok(Message::Request(mut request)) = Message::parse(&message(&folder, name)) else {
            panic!("{name} is a request")
        };
        let challenge = registered(&mut registrar, &request);
        assert_eq!(challenge.status, StatusCode::UNAUTHORIZED, "{name}");
        let Some(contact) = contact else { continue };
        let user = request.headers.to().expect("To").uri.user().expect("a user");
        let (header, value) =
            digest::respond(&challenge, &request, &user, &password(), "cnonce").expect("an answer");
        request.headers.push(header, value);
        let cseq = request.headers.cseq().expect("CSeq").number + 1;
        request.headers.set("CSeq", format!("{cseq} REGISTER"));
        let answer = registered(&mut registrar, &request);
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert_eq!(answer.headers.text("Contact").as_deref(), Some(contact), "{name}");
    }
}

fn password() -> Secret<String> {
    Secret::new("correct horse".to_owned())
}

fn registrar() -> Registrar {
    Registrar::new(RegistrarConfig::default(), first_instant(), Entropy::from_seed([3; 32]))
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn first_instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// What the registrar answers; every user has the same password.
fn registered(registrar: &mut Registrar, request: &Request) -> Response {
    let now = first_instant();
    let address = "192.0.2.1:5060".parse().expect("an address");
    let path = sip::Path { transport: Transport::Udp, local: address, remote: address, connection: None };
    registrar.handle(now, registrar::Input::Received { path, message: request.write() });
    let mut answer = None;
    loop {
        match registrar.poll() {
            registrar::Output::Transmit { bytes, .. } => answer = Some(bytes),
            registrar::Output::Lookup { ask, user } => {
                let stored = Some(digest::StoredHa1::of(&user, registrar::REALM, &password()));
                registrar.handle(now, registrar::Input::Credential { ask, stored });
            }
            registrar::Output::Registered { .. } | registrar::Output::Unregistered { .. } => {}
            registrar::Output::Timeout(_) => break,
        }
    }
    match Message::parse(&answer.expect("an answer")) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// The folder of that name; `None` when no corpus is there to be had.
#[expect(clippy::print_stderr, reason = "a test that checked nothing says so")]
fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("COUNTERSIGN_CORPUS") else {
        eprintln!(
            "skipped: COUNTERSIGN_CORPUS is not set, and the torture messages are not part of this repository"
        );
        return None;
    };
    let folder = Path::new(&root).join("sip-torture").join(name);
    assert!(folder.is_dir(), "COUNTERSIGN_CORPUS is set, but {} is not there", folder.display());
    Some(folder)
}

fn message(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name).with_extension("dat");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
