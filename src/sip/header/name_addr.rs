//! From, To, Contact, Route, Record-Route and their kin (RFC 3261 §20.10 `name-addr` / `addr-spec`).

use std::fmt;

use super::super::lexer::{self, Lexer};
use super::super::uri::Uri;
use super::params::Params;

/// A URI with a display name and header parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// The display name without quotes and escapes; `None` when there is none.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// `tag`, `expires`, `q` …
    pub params: Params,
}

impl NameAddr {
    /// A bare URI.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::new() }
    }

    /// Reads one value (without commas outside quotes and angle brackets).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        let display = if lexer.peek() == Some(b'"') {
            let raw = lexer::text(lexer.quoted()?);
            lexer.skip_space();
            if lexer.peek() != Some(b'<') {
                return None;
            }
            Some(lexer::unquote(&raw))
        } else if lexer.rest().contains(&b'<') && !quote_before_angle(lexer.rest()) {
            unquoted_display(&mut lexer)?
        } else {
            return Self::addr_spec(lexer);
        };
        let uri = bracketed(&mut lexer)?;
        let params = Params::parse(&mut lexer)?;
        Some(Self { display: display.filter(|name| !name.is_empty()), uri, params })
    }

    /// A URI without angle brackets: what follows the first `;` are parameters of the header, and a URI
    /// with `,`, `?` or `;` may not stand so (RFC 3261 §20.10).
    fn addr_spec(mut lexer: Lexer<'_>) -> Option<Self> {
        let raw = lexer.take_while(|byte| !lexer::is_space(byte) && byte != b';');
        if raw.iter().any(|byte| matches!(byte, b'?' | b',')) {
            return None;
        }
        let uri = Uri::parse(raw)?;
        let params = Params::parse(&mut lexer)?;
        Some(Self { display: None, uri, params })
    }

    /// The `tag` parameter, when it is there and not empty.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// With a `tag`.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// With a display name.
    #[must_use]
    pub fn with_display(mut self, display: &str) -> Self {
        self.display = (!display.is_empty()).then(|| display.to_owned());
        self
    }
}

/// `sip:a@b;x="<"`: an angle bracket that stands only in a parameter's value opens no URI.
fn quote_before_angle(rest: &[u8]) -> bool {
    let angle = rest.iter().position(|&byte| byte == b'<').unwrap_or(rest.len());
    rest.iter().position(|&byte| byte == b'"').is_some_and(|quote| quote < angle)
}

/// `*(token LWS)` before the angle bracket. Other characters that can't be mistaken for anything else are let
/// through, and raw bytes above ASCII: carriers and phones send names so.
fn unquoted_display(lexer: &mut Lexer<'_>) -> Option<Option<String>> {
    let raw = lexer.take_while(|byte| byte != b'<');
    let refused = |byte: u8| matches!(byte, b',' | b';' | b'"' | b'\\' | b'>') || byte.is_ascii_control();
    if raw.iter().any(|&byte| refused(byte) && !lexer::is_space(byte)) {
        return None;
    }
    let words: Vec<_> = raw.split(|&byte| lexer::is_space(byte)).filter(|word| !word.is_empty()).collect();
    Some((!words.is_empty()).then(|| lexer::text(&words.join(&b' ')).into_owned()))
}

/// `<uri>`, without white space inside.
fn bracketed(lexer: &mut Lexer<'_>) -> Option<Uri> {
    if !lexer.eat(b'<') {
        return None;
    }
    let raw = lexer.take_while(|byte| byte != b'>');
    lexer.eat(b'>').then(|| Uri::parse(raw))?
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", lexer::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_meant() {
        for (text, display, uri, params) in [
            ("<sip:a@b>", None, "sip:a@b", ""),
            ("sip:a@b;tag=1", None, "sip:a@b", ";tag=1"),
            ("<sip:a@b;lr>;tag=1", None, "sip:a@b;lr", ";tag=1"),
            ("\"A \\\"B\\\" C\"<sip:a@b>", Some("A \"B\" C"), "sip:a@b", ""),
            ("caller<sip:a@b>", Some("caller"), "sip:a@b", ""),
            ("J.  Doe (sales) <sip:a@b>", Some("J. Doe (sales)"), "sip:a@b", ""),
            ("\"\" <sip:a@b>", None, "sip:a@b", ""),
            ("<tel:+15551234>", None, "tel:+15551234", ""),
            ("sip:a@b ; tag = \"<x>\"", None, "sip:a@b", ";tag=\"<x>\""),
        ] {
            let read = NameAddr::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.display.as_deref(), display, "{text}");
            assert_eq!((read.uri.to_string().as_str(), read.params.to_string().as_str()), (uri, params));
        }
        let latin = NameAddr::parse(b"\"J\xe9r\xf4me\" <sip:a@b>").expect("an address");
        assert_eq!(latin.display.as_deref(), Some("Jérôme"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "\"unbalanced <sip:a@b>",
            "Bell, Alexander <sip:a@b>",
            "< sip:a@b >",
            "<sip:a@b",
            "sip:a@b?Route=x",
            "sip:a@b;;tag=1",
            "sip:a@b;tag=1;tag=2",
            "<sip:a@b> trailing",
            "\"name\" sip:a@b",
        ] {
            assert_eq!(NameAddr::parse(text.as_bytes()), None, "{text}");
        }
    }
}
