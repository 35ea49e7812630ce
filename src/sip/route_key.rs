//! A cheap look at a datagram: which shard is to have it.
//!
//! No validation: whoever gets the message parses it. Only what decides the way is read.

use super::parse;

/// What decides who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKey<'a> {
    /// Whether it is a REGISTER: the registrar's, not a shard's.
    pub method_is_register: bool,
    /// Whether it is an ACK.
    pub is_ack: bool,
    /// Whether it is a CANCEL.
    pub is_cancel: bool,
    /// The Call-ID.
    pub call_id: &'a str,
    /// The tag of To, where that could be read: what has one belongs to something that was begun.
    pub to_tag: Option<&'a str>,
    /// Whether it is a response.
    pub is_response: bool,
}

impl RouteKey<'_> {
    /// Whether it begins something: a call, or a question outside of calls.
    #[must_use]
    pub const fn begins(&self) -> bool {
        !self.is_response && !self.is_ack && !self.is_cancel && self.to_tag.is_none()
    }
}

/// Reads the key; `None` when there is no start line or no Call-ID.
#[must_use]
pub fn route_key(datagram: &[u8]) -> Option<RouteKey<'_>> {
    let lead = datagram.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let (start, mut at) = parse::line(datagram, lead)?;
    let start = datagram.get(start)?;
    let method = start.split(|&byte| byte == b' ').next()?;
    let is_response = parse::starts_with_version(start);
    // A response goes by its Call-ID alone.
    let (mut call_id, mut to) = (None, is_response.then_some(None));
    while call_id.is_none() || to.is_none() {
        let Some((range, next)) = parse::line(datagram, at) else { break };
        let line = datagram.get(range)?;
        if line.is_empty() {
            break;
        }
        // A folded value has its text, or some of it, on the next line.
        let more = || datagram.get(parse::line(datagram, next)?.0);
        if call_id.is_none()
            && let Some(value) = value_of(line, b"Call-ID", b'i')
        {
            let value = if value.is_empty() { more()? } else { value };
            call_id = Some(std::str::from_utf8(value.trim_ascii()).ok()?);
        } else if to.is_none()
            && let Some(value) = value_of(line, b"To", b't')
        {
            let folded = || more().filter(|line| matches!(line.first(), Some(b' ' | b'\t'))).and_then(tag_of);
            to = Some(tag_of(value).or_else(folded));
        }
        at = next;
    }
    Some(RouteKey {
        method_is_register: method == b"REGISTER",
        is_ack: method == b"ACK",
        is_cancel: method == b"CANCEL",
        call_id: call_id?,
        to_tag: to.flatten(),
        is_response,
    })
}

/// The value of a header, by its name or the letter that stands for it.
fn value_of<'a>(line: &'a [u8], name: &[u8], letter: u8) -> Option<&'a [u8]> {
    // Most lines are told apart by their first letter.
    let first = line.first()?.to_ascii_lowercase();
    if first != letter && Some(first) != name.first().map(u8::to_ascii_lowercase) {
        return None;
    }
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (written, value) = line.split_at_checked(colon)?;
    let written = written.trim_ascii_end();
    let is_it = written.eq_ignore_ascii_case(name) || written.eq_ignore_ascii_case(&[letter]);
    is_it.then(|| value.get(1..).unwrap_or_default().trim_ascii())
}

/// The tag among the parameters behind an address.
fn tag_of(value: &[u8]) -> Option<&str> {
    let behind = value.iter().rposition(|&byte| byte == b'>').map_or(0, |at| at + 1);
    let mut parameters = value.get(behind..)?.split(|&byte| byte == b';');
    let tag = parameters.find_map(|parameter| {
        let (name, tag) = parameter.split_at_checked(parameter.iter().position(|&byte| byte == b'=')?)?;
        name.trim_ascii().eq_ignore_ascii_case(b"tag").then(|| tag.get(1..).unwrap_or_default().trim_ascii())
    })?;
    std::str::from_utf8(tag).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_in_every_spelling() {
        for (text, register, response, call_id) in [
            ("INVITE sip:a SIP/2.0\r\nCall-ID: x@y\r\n\r\n", false, false, "x@y"),
            ("REGISTER sip:a SIP/2.0\r\nCSeq: 1 REGISTER\r\ni:x\r\n", true, false, "x"),
            ("SIP/2.0 200 OK\r\nCALL-id  :  x \r\n\r\n", false, true, "x"),
            ("\r\n\r\nBYE sip:a SIP/2.0\nCall-ID:\n folded\n\n", false, false, "folded"),
        ] {
            let key = route_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(key.method_is_register, register, "{text}");
            assert_eq!(key.is_response, response, "{text}");
            assert_eq!(key.call_id, call_id, "{text}");
        }
    }

    #[test]
    fn what_begins_something_has_no_tag_in_to_wherever_that_stands() {
        for (method, to, tag, begins) in [
            ("INVITE", "To: <sip:b@c>", None, true),
            ("INVITE", "t:sip:b@c;user=phone", None, true),
            ("INVITE", "To: \"a;tag=1\" <sip:b@c;tag=2>", None, true),
            ("OPTIONS", "To: <sip:b@c>;x=tag", None, true),
            ("INVITE", "TO : <sip:b@c> ; x=y ; Tag = 7f", Some("7f"), false),
            ("BYE", "t: sip:b@c;tag=7f", Some("7f"), false),
            ("INVITE", "To: <sip:b@c>\r\n ;tag=7f", Some("7f"), false),
            ("ACK", "To: <sip:b@c>", None, false),
            ("CANCEL", "To: <sip:b@c>", None, false),
        ] {
            for text in [
                format!("{method} sip:a SIP/2.0\r\n{to}\r\nCall-ID: x\r\n\r\n"),
                format!("{method} sip:a SIP/2.0\r\nCall-ID: x\r\nTimestamp: 1\r\n{to}\r\n\r\n"),
            ] {
                let key = route_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
                assert_eq!((key.to_tag, key.begins()), (tag, begins), "{text}");
            }
        }
    }

    #[test]
    fn a_call_id_in_the_body_is_none() {
        assert_eq!(route_key(b"INVITE sip:a SIP/2.0\r\nTo: b\r\n\r\nCall-ID: x\r\n"), None);
        assert_eq!(route_key(b"\r\n\r\n"), None);
        assert_eq!(route_key(b""), None);
    }
}
