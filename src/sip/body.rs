//! The session description of a message, alone or as a part of a multipart body (RFC 5621, RFC 2046 §5.1).

use bytes::Bytes;

use super::header::MediaType;
use super::headers::Headers;
use super::lexer;

/// Where a session description stands in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// There is no body.
    None,
    /// The description.
    Sdp(Bytes),
    /// There is a body, and nothing of it is a session description.
    Unsupported,
}

/// Finds the session description.
#[must_use]
pub fn description(headers: &Headers, body: &Bytes) -> Description {
    if body.is_empty() {
        return Description::None;
    }
    match headers.content_type() {
        Ok(Some(kind)) if kind.is("application", "sdp") => Description::Sdp(body.clone()),
        Ok(Some(kind)) if kind.kind == "multipart" => {
            in_parts(&kind, body, SDP).map_or(Description::Unsupported, Description::Sdp)
        }
        _ => Description::Unsupported,
    }
}

/// The description in the body of a response: alone, in a part, or whatever stands there without a type.
#[must_use]
pub fn answer(headers: &Headers, body: &Bytes) -> Bytes {
    match description(headers, body) {
        Description::Sdp(sdp) => sdp,
        Description::None | Description::Unsupported => body.clone(),
    }
}

/// Whether a recording server asks for all that is known of the recorded session (RFC 7866 §9.2).
#[must_use]
pub fn asks_for_metadata(headers: &Headers, body: &Bytes) -> bool {
    match headers.content_type() {
        Ok(Some(kind)) if kind.is("application", METADATA_REQUEST) => true,
        Ok(Some(kind)) if kind.kind == "multipart" => in_parts(&kind, body, METADATA_REQUEST).is_some(),
        _ => false,
    }
}

/// A session description.
const SDP: &str = "sdp";
/// RFC 7866 §12.4: the wish for the metadata.
const METADATA_REQUEST: &str = "rs-metadata-request";

/// The first part of this type below `application`; carriers put ISUP or location beside a description.
fn in_parts(kind: &MediaType, body: &Bytes, wanted: &str) -> Option<Bytes> {
    let boundary = lexer::unquote(kind.params.get("boundary")?);
    // RFC 2046 §5.1.1: 1 to 70 characters.
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let mark = format!("--{boundary}");
    let mut starts = boundaries(body, mark.as_bytes());
    let mut from = starts.next()?;
    for next in starts.take(MAX_PARTS) {
        // Two boundary lines with nothing between them hold no part.
        let found = body.get(from.1..next.0).and_then(|part| content(&body.slice_ref(part), wanted));
        if found.is_some() {
            return found;
        }
        from = next;
    }
    None
}

/// Each boundary line: where the line end before it begins, and where the part after it begins.
fn boundaries<'a>(body: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < body.len() {
            let rest = body.get(at..)?;
            let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |found| found + 1);
            let start = at;
            at += length;
            if rest.starts_with(mark) {
                let before = body.get(..start)?;
                let before = before.strip_suffix(b"\n").unwrap_or(before);
                let before = before.strip_suffix(b"\r").unwrap_or(before);
                return Some((before.len(), at));
            }
        }
        None
    })
}

/// The content of a part when its headers say that it is of this type.
fn content(part: &Bytes, wanted: &str) -> Option<Bytes> {
    let mut at = 0;
    let mut is_wanted = false;
    loop {
        let (range, next) = super::parse::line(part, at)?;
        let line = part.get(range)?;
        if line.is_empty() {
            return is_wanted.then(|| part.slice(next..));
        }
        if let Some(colon) = line.iter().position(|&byte| byte == b':') {
            let (name, value) = line.split_at_checked(colon)?;
            if name.trim_ascii().eq_ignore_ascii_case(b"Content-Type") {
                let kind = MediaType::parse(value.get(1..)?);
                is_wanted = kind.is_some_and(|kind| kind.is("application", wanted));
            }
        }
        at = next;
    }
}

/// Ours: carriers send two or three.
const MAX_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Name;

    fn find(kind: &'static str, body: &'static [u8]) -> Description {
        let mut headers = Headers::new();
        headers.push(Name::ContentType, kind);
        description(&headers, &Bytes::from_static(body))
    }

    #[test]
    fn a_description_beside_other_parts_is_found() {
        let body = b"preamble\r\n--b1\r\nContent-Type: application/isup\r\n\r\n\x00\x01\r\n--b1\r\n\
            Content-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";
        assert_eq!(
            find("multipart/mixed;boundary=\"b1\"", body),
            Description::Sdp(Bytes::from_static(b"v=0\r\ns=-\r\n"))
        );
        assert_eq!(find("multipart/mixed;boundary=other", body), Description::Unsupported);
        assert_eq!(find("multipart/mixed;boundary=x", b"--x\r\n--x\r\n--x--"), Description::Unsupported);
        assert_eq!(find("multipart/mixed", body), Description::Unsupported);
    }

    #[test]
    fn a_wish_for_metadata_is_seen_alone_and_beside_a_description() {
        let asks = |kind: &'static str, body: &'static [u8]| {
            let mut headers = Headers::new();
            headers.push(Name::ContentType, kind);
            asks_for_metadata(&headers, &Bytes::from_static(body))
        };
        assert!(asks("application/rs-metadata-request", b"SRS internal error"));
        let both = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\n\
            Content-Type: application/rs-metadata-request\r\n\r\n\r\n--b--";
        assert!(asks("multipart/mixed;boundary=b", both));
        assert!(!asks("application/sdp", b"v=0\r\n") && !asks("multipart/mixed;boundary=x", both));
    }

    #[test]
    fn a_plain_description_is_the_body() {
        assert_eq!(find("Application/SDP", b"v=0\r\n"), Description::Sdp(Bytes::from_static(b"v=0\r\n")));
        assert_eq!(find("application/sdp", b""), Description::None);
        assert_eq!(find("text/plain", b"hello"), Description::Unsupported);
    }
}
