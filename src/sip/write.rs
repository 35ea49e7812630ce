//! Messages on the wire. Content-Length always comes from the body, whatever the headers say.

use bytes::{BufMut, Bytes, BytesMut};

use super::header_name::{HeaderName, Name};
use super::headers::Headers;
use super::message::{Request, Response};

pub(super) fn request(request: &Request) -> Bytes {
    let start = format!("{} {} SIP/2.0\r\n", request.method, request.uri);
    finish(start.as_bytes(), &request.headers, &request.body)
}

pub(super) fn response(response: &Response) -> Bytes {
    let start = format!("SIP/2.0 {} {}\r\n", response.status, response.reason);
    finish(start.as_bytes(), &response.headers, &response.body)
}

fn finish(start: &[u8], headers: &Headers, body: &Bytes) -> Bytes {
    let lines: usize = headers.iter().map(|field| field.name.as_str().len() + field.value.len() + 4).sum();
    let mut out = BytesMut::with_capacity(start.len() + lines + body.len() + LENGTH_LINE);
    out.put_slice(start);
    for field in headers.iter().filter(|field| field.name != HeaderName::Known(Name::ContentLength)) {
        out.put_slice(field.name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(&field.value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.put_slice(body);
    out.freeze()
}

/// Room for the Content-Length line and the empty line.
const LENGTH_LINE: usize = 32;
