//! A cheap look at a datagram: which shard is to have it.
//!
//! No validation: whoever gets the message parses it. Only what decides the way is read.

use super::parse;

/// What decides who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKey<'a> {
    /// Whether it is a REGISTER: the registrar's, not a shard's.
    pub method_is_register: bool,
    /// Whether it is an INVITE: worth a 503 when nobody has room.
    pub method_is_invite: bool,
    /// The Call-ID.
    pub call_id: &'a str,
    /// Whether it is a response.
    pub is_response: bool,
}

/// Reads the key; `None` when there is no start line or no Call-ID.
#[must_use]
pub fn route_key(datagram: &[u8]) -> Option<RouteKey<'_>> {
    let lead = datagram.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let (start, mut at) = parse::line(datagram, lead)?;
    let start = datagram.get(start)?;
    let call_id = loop {
        let (range, next) = parse::line(datagram, at)?;
        let line = datagram.get(range)?;
        if line.is_empty() {
            return None;
        }
        if let Some(value) = call_id_of(line) {
            // A folded value has its text on the next line.
            let value = if value.is_empty() { datagram.get(parse::line(datagram, next)?.0)? } else { value };
            break std::str::from_utf8(value.trim_ascii()).ok()?;
        }
        at = next;
    };
    let method = start.split(|&byte| byte == b' ').next()?;
    Some(RouteKey {
        method_is_register: method == b"REGISTER",
        method_is_invite: method == b"INVITE",
        call_id,
        is_response: parse::starts_with_version(start),
    })
}

fn call_id_of(line: &[u8]) -> Option<&[u8]> {
    // Most lines are told apart by their first letter.
    if !matches!(line.first(), Some(b'C' | b'c' | b'I' | b'i')) {
        return None;
    }
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    let is_call_id = name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i");
    is_call_id.then(|| value.get(1..).unwrap_or_default().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_in_every_spelling() {
        for (text, register, invite, response, call_id) in [
            ("INVITE sip:a SIP/2.0\r\nCall-ID: x@y\r\n\r\n", false, true, false, "x@y"),
            ("REGISTER sip:a SIP/2.0\r\nCSeq: 1 REGISTER\r\ni:x\r\n", true, false, false, "x"),
            ("SIP/2.0 200 OK\r\nCALL-id  :  x \r\n\r\n", false, false, true, "x"),
            ("\r\n\r\nBYE sip:a SIP/2.0\nCall-ID:\n folded\n\n", false, false, false, "folded"),
        ] {
            let key = route_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(key.method_is_register, register, "{text}");
            assert_eq!(key.method_is_invite, invite, "{text}");
            assert_eq!(key.is_response, response, "{text}");
            assert_eq!(key.call_id, call_id, "{text}");
        }
    }

    #[test]
    fn a_call_id_in_the_body_is_none() {
        assert_eq!(route_key(b"INVITE sip:a SIP/2.0\r\nTo: b\r\n\r\nCall-ID: x\r\n"), None);
        assert_eq!(route_key(b"\r\n\r\n"), None);
        assert_eq!(route_key(b""), None);
    }
}
