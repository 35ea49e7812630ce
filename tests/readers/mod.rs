//! All that reads a SIP message before anybody trusts it.

use countersign::sip::body::description;
use countersign::sip::digest::{Authorization, Challenge};
use countersign::sip::validate::check_request;
use countersign::sip::{Message, Name, StreamParser, Transport, route_key};

/// Everything that ever looks at a message from outside.
pub(crate) fn look_at_everything(bytes: &[u8]) {
    let _ = route_key(bytes);
    match Message::parse(bytes) {
        Ok(message) => {
            let headers = message.headers();
            let top = headers.via().expect("checked by the parser");
            assert_eq!(headers.vias().expect("checked by the parser").first(), Some(&top));
            headers.from().expect("checked by the parser");
            headers.to().expect("checked by the parser");
            headers.call_id().expect("checked by the parser");
            headers.cseq().expect("checked by the parser");
            let _ = (headers.contacts(), headers.record_route(), headers.route(), headers.expires());
            let _ = (headers.content_type(), headers.accept(), headers.require(), headers.allow());
            let _ = description(headers, message.body());
            for value in headers.all(Name::Authorization).chain(headers.all(Name::WwwAuthenticate)) {
                let _ = (Authorization::parse(value), Challenge::parse(value));
            }
            if let Message::Request(request) = &message
                && let Err(answer) = check_request(request, Transport::Udp)
            {
                Message::from_bytes(&answer.write()).expect("an answer is a message");
            }
            let again = Message::from_bytes(&message.write()).expect("what was read can be written and read");
            assert_eq!(again.body(), message.body());
        }
        Err(error) => {
            if let Some(answer) = error.answer {
                assert!(answer.write().starts_with(b"SIP/2.0 "));
            }
        }
    }
    let mut parser = StreamParser::new();
    for piece in bytes.chunks(7) {
        parser.push(piece);
        while let Ok(Some(message)) = parser.next_message() {
            let _ = Message::from_bytes(&message);
        }
    }
    assert!(parser.buffered() <= bytes.len());
}
