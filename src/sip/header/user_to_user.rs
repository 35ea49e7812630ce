//! User-to-User (RFC 7433): what the caller's side has to say to ours, such as the number of an order.

use super::super::header_name::Name;
use super::super::headers::Headers;
use super::super::lexer::{self, Lexer};
use super::Params;

/// What came. It may say anything about anybody: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserToUser {
    /// As it came, with its parameters, to be handed on.
    pub value: String,
    /// What it says.
    pub text: String,
}

impl UserToUser {
    /// The first value that can be read; one that is longer than anybody may send is none.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        let values = headers.all(Name::UserToUser).flat_map(|value| lexer::split_commas(value));
        values.take(MAX_VALUES).find_map(Self::parse)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        let quoted = lexer.peek() == Some(b'"');
        let said =
            if quoted { lexer::unquote(&lexer::text(lexer.quoted()?)) } else { lexer.token()?.to_owned() };
        let params = Params::parse(&mut lexer)?;
        // RFC 7433 §4.1: a purpose that is not written is `isdn-uui`, whose only encoding is `hex` (RFC 7434 §4.2).
        let isdn = params.get("purpose").is_none_or(|purpose| {
            purpose.eq_ignore_ascii_case("isdn-uui") || purpose.eq_ignore_ascii_case("isdn-interwork")
        });
        let hex =
            params.get("encoding").map_or(isdn && !quoted, |encoding| encoding.eq_ignore_ascii_case("hex"));
        let text = if hex { decoded(&said, isdn).unwrap_or(said) } else { said };
        let shown = !text.is_empty() && !text.chars().any(char::is_control);
        shown.then(|| Self { value: lexer::text(lexer::trim(value)).into_owned(), text })
    }
}

/// Octets as text; `None` when they are none. The first of ISDN's says what the others are (ITU-T Q.931 §4.5.30): `00` is the
/// users' own, `04` characters.
fn decoded(hex: &str, isdn: bool) -> Option<String> {
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    let octets = match octets.split_first() {
        Some((0 | 4, rest)) if isdn => rest,
        _ => &octets,
    };
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Ours: ISDN carries 128 octets and what they are (RFC 7434 §4.2), two digits each, and some parameters.
const MAX_VALUE: usize = 2 * 129 + 128;
const MAX_VALUES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let mut headers = Headers::new();
        headers.push(Name::UserToUser, value.as_bytes().to_vec());
        let found = UserToUser::of(&headers)?;
        Some((found.text, found.value))
    }

    #[test]
    fn what_is_written_in_hex_is_read_as_text_where_it_is_text() {
        for (value, text) in [
            ("004f524445522d3432;encoding=hex;purpose=isdn-uui;content=isdn-uui", "ORDER-42"),
            ("044f524445522d3432;encoding=hex", "ORDER-42"),
            ("4F524445522D3432", "ORDER-42"),
            ("56a390f3d2b7310023a2;encoding=hex", "56a390f3d2b7310023a2"),
            ("\"order 42\";encoding=ascii", "order 42"),
            ("\"3432\";purpose=shop;encoding=hex", "42"),
            ("\"3432\"", "3432"),
            ("3432;purpose=shop", "3432"),
            ("abc", "abc"),
        ] {
            assert_eq!(read(value), Some((text.to_owned(), value.to_owned())), "{value}");
        }
        let first = read("a b, 3432, 3433").expect("one");
        assert_eq!(first, ("42".to_owned(), "3432".to_owned()), "the first that can be read");
    }

    #[test]
    fn what_is_too_long_or_can_not_be_read_is_none() {
        for value in ["", ";encoding=hex", "\"open", "a;b;b", "\"\""] {
            assert_eq!(read(value), None, "{value}");
        }
        assert!(read(&"ab".repeat(129)).is_some());
        assert_eq!(read(&"ab".repeat(200)), None);
    }
}
