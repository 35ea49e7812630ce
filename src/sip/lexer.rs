//! The basic rules of RFC 3261 §25.1 over bytes: tokens, white space, quoted strings, parameters.
//!
//! Works on bytes because header values may hold UTF-8 or, from old equipment, Latin-1.

use std::borrow::Cow;

/// Walks over the bytes of one header value.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// Takes `byte` when it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes `byte` with white space on both sides (`SEMI`, `COMMA`, `EQUAL`, `SLASH` …).
    pub(super) fn eat_spaced(&mut self, byte: u8) -> bool {
        let start = self.at;
        self.skip_space();
        if self.eat(byte) {
            self.skip_space();
            true
        } else {
            self.at = start;
            false
        }
    }

    pub(super) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// A non-empty token.
    pub(super) fn token(&mut self) -> Option<&'a str> {
        let taken = self.take_while(is_token);
        if taken.is_empty() { None } else { std::str::from_utf8(taken).ok() }
    }

    /// A quoted string, with its quotes and escapes as they stand.
    pub(super) fn quoted(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        if rest.first() != Some(&b'"') {
            return None;
        }
        let mut index = 1;
        loop {
            match rest.get(index)? {
                b'"' => break,
                b'\\' => index += 2,
                _ => index += 1,
            }
        }
        self.at += index + 1;
        rest.get(..=index)
    }
}

/// White space inside a header value: folded lines have become spaces when the message was split.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// RFC 3261 §25.1 `token`.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether the whole text is one token.
pub(super) fn is_token_text(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token(byte))
}

/// Text of a header: UTF-8 as RFC 3261 §25.1 wants it, or else every byte taken for a Latin-1 character.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), Cow::Borrowed)
}

/// The content of a quoted string (given with its quotes), its escapes undone; anything else as it is.
pub(super) fn unquote(raw: &str) -> String {
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return raw.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// The text as a quoted string. Control characters can't be said in one and become spaces.
pub(super) fn quote(content: &str) -> String {
    let mut out = String::with_capacity(content.len() + 2);
    out.push('"');
    for c in content.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Without white space at either end.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// A decimal number without sign; `None` when empty, not digits, or beyond `u32`.
pub(super) fn decimal(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Splits a header value at its commas (RFC 3261 §7.3.1), not at those in quotes or angle brackets.
pub(super) fn split_commas(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let current = rest?;
        let end = comma(current);
        rest = end.and_then(|at| current.get(at + 1..));
        Some(trim(current.get(..end.unwrap_or(current.len())).unwrap_or_default()))
    })
}

/// The place of the first comma outside quotes and angle brackets.
fn comma(value: &[u8]) -> Option<usize> {
    let (mut quoted, mut angle, mut escaped) = (false, false, false);
    for (index, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angle => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => return Some(index),
            _ => {}
        }
    }
    None
}
