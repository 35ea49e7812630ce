use super::*;
use crate::sip::NameAddr;

const HEADERS: &str = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:b@192.0.2.9>;tag=1\r\n\
    To: <sip:a@192.0.2.1>\r\nCall-ID: x@192.0.2.9\r\nCSeq: 1 OPTIONS\r\n";

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(text.as_bytes())
}

fn options(extra: &str, body: &str) -> Result<Message, ParseError> {
    parse(&format!("OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n{HEADERS}{extra}\r\n{body}"))
}

fn problem(text: &str) -> (Problem, Option<u16>) {
    let error = parse(text).expect_err(text);
    (error.problem, error.answer.map(|answer| answer.status.code()))
}

#[test]
fn a_body_is_as_long_as_announced() {
    for (extra, body, expected) in [
        ("", "all of it", Ok("all of it")),
        ("Content-Length: 3\r\n", "all of it", Ok("all")),
        ("l: 0\r\n", "all of it", Ok("")),
        ("l: 10\r\n", "all of it", Err(Problem::BodyTooShort)),
        ("l: -1\r\n", "", Err(Problem::Header(HeaderError::Malformed(Name::ContentLength)))),
        ("l: 4294967296\r\n", "", Err(Problem::Header(HeaderError::Malformed(Name::ContentLength)))),
        ("l: 1\r\nContent-Length: 1\r\n", "a", Err(Problem::Repeated(Name::ContentLength))),
    ] {
        let got = options(extra, body);
        let got = got.as_ref().map(|message| message.body().as_ref()).map_err(|error| error.problem);
        assert_eq!(got, expected.map(str::as_bytes), "{extra}");
    }
}

#[test]
fn headers_keep_their_order_and_fold() {
    let message = options("X-One:  a\r\n\tb  \r\nx-two :c\r\nX-ONE: d\r\n", "").expect("a message");
    let headers = message.headers();
    assert_eq!(
        headers.all("x-one").map(|value| value.as_ref()).collect::<Vec<_>>(),
        [b"a  \tb".as_slice(), b"d"]
    );
    assert_eq!(headers.text("X-Two").as_deref(), Some("c"));
}

#[test]
fn values_are_slices_of_the_datagram() {
    let datagram = Bytes::from(format!("OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n{HEADERS}\r\nbody"));
    let message = Message::from_bytes(&datagram).expect("a message");
    let within = |slice: &Bytes| datagram.as_ptr_range().contains(&slice.as_ptr());
    assert!(message.headers().iter().all(|field| within(&field.value)));
    assert!(within(message.body()));
}

#[test]
fn comma_lists_and_lines_are_one_list() {
    let message = options(
        "Record-Route: <sip:p1;lr>, \"a, b\" <sip:p2,x@p;lr>\r\nRecord-Route: <sip:p3;lr>\r\nk: a ,b,\r\n",
        "",
    )
    .expect("a message");
    let routes = message.headers().record_route().expect("routes");
    let routes: Vec<_> = routes.iter().map(|route: &NameAddr| route.uri.to_string()).collect();
    assert_eq!(routes, ["sip:p1;lr", "sip:p2,x@p;lr", "sip:p3;lr"]);
    assert_eq!(message.headers().supported(), ["a", "b"]);
}

#[test]
fn latin_1_and_utf_8_are_text() {
    let raw = [b"SIP/2.0 200 \xc3\xa4\r\n", HEADERS.as_bytes(), b"Subject: caf\xe9\r\n\r\n"].concat();
    let Ok(Message::Response(response)) = Message::parse(&raw) else { panic!("a response") };
    assert_eq!(response.reason, "ä");
    assert_eq!(response.headers.text(Name::Subject).as_deref(), Some("café"));
}

#[test]
fn what_can_be_answered_is_answered() {
    for (start, problem_is, status) in [
        ("OPTIONS sip:a SIP/7.0", Problem::Version, Some(505)),
        ("OPTIONS sip:a SIP/two", Problem::StartLine, Some(400)),
        ("OPTIONS sip:a  SIP/2.0", Problem::StartLine, Some(400)),
        ("OPTIONS <sip:a> SIP/2.0", Problem::RequestUri, Some(400)),
        ("BYE sip:a SIP/2.0", Problem::MethodMismatch, Some(400)),
        ("ACK sip:a SIP/2.0", Problem::MethodMismatch, None),
        ("SIP/2.0 99 Low", Problem::Status, None),
        ("SIP/2.0 700 High", Problem::Status, None),
        ("SIP/2.0 4294967301 Wrapped", Problem::Status, None),
        ("SIP/3.0 200 OK", Problem::Version, None),
    ] {
        let text = format!("{start}\r\n{HEADERS}\r\n");
        assert_eq!(problem(&text), (problem_is, status), "{start}");
    }
    let without_via = HEADERS.replace("Via", "X-Via");
    let text = format!("OPTIONS sip:a SIP/2.0\r\n{without_via}\r\n");
    assert_eq!(problem(&text), (Problem::Header(HeaderError::Missing(Name::Via)), None));
    assert_eq!(problem("OPTIONS sip:a SIP/2.0").0, Problem::StartLine);
    assert_eq!(problem(&format!("OPTIONS sip:a SIP/2.0\r\n{HEADERS}")), (Problem::Unfinished, Some(400)));
}

#[test]
fn an_answer_copies_what_the_rfc_wants_copied() {
    let text = format!(
        "OPTIONS sip:a SIP/7.0\r\n{HEADERS}v: SIP/2.0/TCP p\r\nX-Other: y\r\nMax-Forwards: 3\r\n\r\n"
    );
    let answer = parse(&text).expect_err("another version").answer.expect("an answer");
    let names: Vec<_> = answer.headers.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["Via", "From", "To", "Call-ID", "CSeq", "Via"]);
    assert!(answer.headers.to().expect("To").tag().is_some());
    let again = parse(&text).expect_err("another version").answer.expect("an answer");
    assert_eq!(again, answer, "a copy gets the same tag");
}

#[test]
fn bounds_hold() {
    assert_eq!(options(&"X: y\r\n".repeat(MAX_HEADERS), "").expect_err("many").problem, Problem::Bounds);
    let long = format!("X: {}\r\n", "y".repeat(MAX_LINE));
    assert_eq!(options(&long, "").expect_err("long").problem, Problem::Bounds);
    let folded = format!("X: y\r\n{}", " y\r\n".repeat(MAX_LINE / 2));
    assert_eq!(options(&folded, "").expect_err("long").problem, Problem::Bounds);
    assert_eq!(options("", &"y".repeat(MAX_MESSAGE)).expect_err("large").problem, Problem::TooLarge);
}

#[test]
fn nobody_writes_headers_by_way_of_a_value() {
    let Ok(Message::Request(request)) = options("", "") else { panic!("a request") };
    let answer =
        Response::to(&request, StatusCode::OK).with("X-Note", "a\r\nX-Evil: b").with_reason("c\r\nd");
    let written = String::from_utf8(answer.write().to_vec()).expect("text");
    assert!(written.starts_with("SIP/2.0 200 cd\r\n") && written.contains("X-Note: a  X-Evil: b\r\n"));
}
