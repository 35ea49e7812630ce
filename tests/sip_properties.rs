//! Properties of the SIP message layer: what is written is read again, and no bytes bring it down.

mod readers;

use bytes::Bytes;
use countersign::sip::digest::{Authorization, Challenge};
use countersign::sip::{
    CSeq, Host, Message, Method, Name, NameAddr, Params, Request, Response, SipUri, StatusCode, StreamParser,
    Uri, Via, route_key,
};
use proptest::prelude::*;
use readers::look_at_everything;

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn params() -> impl Strategy<Value = Params> {
    let value = prop_oneof![Just(None), token().prop_map(Some), "\"[a-z ;,<>]{0,8}\"".prop_map(Some)];
    prop::collection::vec((token(), value), 0..4).prop_map(|pairs| {
        pairs.into_iter().fold(Params::new(), |mut params, (name, value)| {
            params.set(&name, value.as_deref());
            params
        })
    })
}

fn uri_params() -> impl Strategy<Value = Params> {
    let part = "([a-zA-Z0-9_.!~*'()&+$:/-]|%4[1-9A-F]){1,8}";
    prop::collection::vec((part, prop::option::of(part)), 0..3).prop_map(|pairs| {
        pairs.into_iter().fold(Params::new(), |mut params, (name, value)| {
            params.set(&name, value.as_deref());
            params
        })
    })
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,5}){0,2}".prop_map(Host::Name),
        any::<std::net::Ipv4Addr>().prop_map(|address| Host::Ip(address.into())),
        any::<std::net::Ipv6Addr>().prop_map(|address| Host::Ip(address.into())),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = prop::option::of("([a-zA-Z0-9_.!~*'()&=+$,;?/-]|%[0-9A-F]{2}){1,16}");
    let headers = prop::option::of("[a-z]{1,5}=([a-zA-Z0-9+]|%3C){0,9}");
    let sip = (any::<bool>(), user, "[a-z0-9]{0,4}", host(), any::<Option<u16>>(), uri_params(), headers);
    let sip = sip.prop_map(|(secure, user, password, host, port, params, headers)| {
        let password = (user.is_some() && !password.is_empty()).then_some(password);
        Uri::Sip(SipUri { secure, user, password, host, port, params, headers })
    });
    let other = ("(tel|http|x-y\\.z)", "[a-zA-Z0-9+./=;-]{1,20}");
    prop_oneof![4 => sip, 1 => other.prop_map(|(scheme, rest)| Uri::Other { scheme, rest })]
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    (prop::option::of("[ -~äж日]{1,16}"), uri(), params()).prop_map(|(display, uri, params)| NameAddr {
        display,
        uri,
        params,
    })
}

fn via() -> impl Strategy<Value = Via> {
    ("(UDP|TCP|TLS|SCTP)", host(), any::<Option<u16>>(), params())
        .prop_map(|(transport, host, port, params)| Via { transport, host, port, params })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof!["(INVITE|ACK|BYE|REGISTER|OPTIONS|INFO)", token()]
        .prop_map(|token| Method::from_token(&token))
        // A status line begins so.
        .prop_filter("a version", |method| !method.as_str().to_ascii_lowercase().starts_with("sip/"))
}

/// Headers in any order would do; this is the usual one.
fn message() -> impl Strategy<Value = Message> {
    let first = (method(), uri(), prop::collection::vec(via(), 1..4), name_addr(), name_addr());
    let extra = prop::collection::vec(("X-[a-zA-Z]{1,8}", "[!-~ä]([ -~ä]{0,20}[!-~ä])?"), 0..6);
    let rest =
        ("[!-~]{1,30}", 0_u32..1 << 31, extra, prop::collection::vec(any::<u8>(), 0..64), 100_u16..700);
    (first, rest, any::<bool>()).prop_map(|(first, rest, is_request)| {
        let (method, uri, vias, from, to) = first;
        let (call_id, number, extra, body, status) = rest;
        let mut request = Request::new(method.clone(), uri);
        for via in vias {
            request.headers.push(Name::Via, via.to_string());
        }
        request.headers.push(Name::From, from.to_string());
        request.headers.push(Name::To, to.to_string());
        request.headers.push(Name::CallId, call_id);
        request.headers.push(Name::CSeq, CSeq { number, method }.to_string());
        for (name, value) in extra {
            request.headers.push(name.as_str(), value);
        }
        request.headers.push(Name::ContentLength, body.len().to_string());
        request.body = body.into();
        if is_request {
            return Message::Request(request);
        }
        let status = StatusCode::new(status).expect("100 to 699");
        let reason = status.phrase().to_owned();
        Message::Response(Response { status, reason, headers: request.headers, body: request.body })
    })
}

/// Bytes that went through a bad line: some changed, dropped, doubled or cut.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(b"\r\n \t:;,<>\"\\@[]%=?\0\xff/.0".to_vec());
    let byte = prop_oneof![3 => special, 1 => any::<u8>()];
    let edit = (any::<prop::sample::Index>(), 0_u8..5, byte);
    (message(), prop::collection::vec(edit, 1..12)).prop_map(|(message, edits)| {
        let mut bytes = message.write().to_vec();
        for (index, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                3 => {
                    let end = (at + 40).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_survives_writing_and_reading(message in message()) {
        let bytes = message.write();
        prop_assert_eq!(&Message::parse(&bytes).expect("a message"), &message);
        let key = route_key(&bytes).expect("a key");
        prop_assert_eq!(key.call_id, message.headers().call_id().expect("a Call-ID"));
        prop_assert_eq!(key.is_response, matches!(message, Message::Response(_)));
        let mut parser = StreamParser::new();
        parser.push(&bytes);
        prop_assert_eq!(parser.next_message(), Ok(Some(bytes)));
    }

    #[test]
    fn a_uri_survives_writing_and_reading(uri in uri()) {
        let read = Uri::parse(uri.to_string().as_bytes()).expect("a URI");
        prop_assert_eq!(&read, &uri);
        prop_assert!(read.equivalent(&uri));
    }

    #[test]
    fn an_address_survives_writing_and_reading(address in name_addr()) {
        prop_assert_eq!(NameAddr::parse(address.to_string().as_bytes()), Some(address));
    }

    #[test]
    fn a_via_survives_writing_and_reading(via in via()) {
        prop_assert_eq!(Via::parse(via.to_string().as_bytes()), Some(via));
    }

    #[test]
    fn any_user_can_be_put_into_a_uri(user in "\\PC{1,20}") {
        let uri = Uri::sip(Some(&user), Host::Name("example.com".to_owned()), None);
        let read = Uri::parse(uri.to_string().as_bytes()).expect("a URI");
        prop_assert_eq!(read.user(), Some(user));
    }

    #[test]
    fn no_message_on_a_bad_line_brings_the_parser_down(bytes in mutated()) {
        look_at_everything(&bytes);
    }

    #[test]
    fn no_bytes_bring_the_parser_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        look_at_everything(&bytes);
    }

    #[test]
    fn no_header_value_brings_its_reader_down(value in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (NameAddr::parse(&value), Via::parse(&value), CSeq::parse(&value), Uri::parse(&value));
        let _ = (Authorization::parse(&value), Challenge::parse(&value));
        let digest = [b"Digest ".as_slice(), &value].concat();
        let _ = (Authorization::parse(&digest), Challenge::parse(&digest));
    }
}

/// 64 KiB of what a careless parser walks over again and again.
#[test]
fn large_and_hostile_messages_are_read_in_bounded_time() {
    let head = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n";
    for filler in
        ["Contact: ,\r\n", "A:\r\n b\r\n", "\"", "<", ";a", ",", "\\", "%", "m: <sip:a@b>, ", "--x\r\n", "\r"]
    {
        for prefix in
            ["", "m: ", "Record-Route: ", "Accept: ", "Content-Type: multipart/mixed;boundary=x\r\n\r\n"]
        {
            let filling = filler.repeat(64_000 / filler.len());
            let bytes = [head, prefix, &filling].concat();
            look_at_everything(&bytes.as_bytes()[..bytes.len().min(65_000)]);
        }
    }
    let huge = vec![b'a'; 200_000];
    assert!(Message::from_bytes(&Bytes::from(huge)).is_err());
}
