//! Media types: Content-Type and Accept (RFC 3261 §20.15, §20.1).

use std::fmt;

use super::super::lexer::Lexer;
use super::params::Params;

/// `type/subtype;params`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType {
    /// `application`, `text`, `*` …
    pub kind: String,
    /// `sdp`, `*` …
    pub subtype: String,
    /// `charset`, `boundary`, `q` …
    pub params: Params,
}

impl MediaType {
    /// Reads one media type or range.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        let kind = lexer.token()?.to_ascii_lowercase();
        if !lexer.eat_spaced(b'/') {
            return None;
        }
        let subtype = lexer.token()?.to_ascii_lowercase();
        let params = Params::parse(&mut lexer)?;
        Some(Self { kind, subtype, params })
    }

    /// Whether it is `kind/subtype`, parameters aside.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// Whether this range (`*/*`, `application/*`, `application/sdp`) holds `kind/subtype` and isn't refused
    /// by `q=0`.
    #[must_use]
    pub fn admits(&self, kind: &str, subtype: &str) -> bool {
        let refused = self
            .params
            .get("q")
            .is_some_and(|q| q.starts_with('0') && !q.bytes().any(|b| (b'1'..=b'9').contains(&b)));
        !refused
            && (self.kind == "*" || self.kind == kind)
            && (self.subtype == "*" || self.subtype == subtype)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}
