//! CSeq (RFC 3261 §20.16).

use std::fmt;

use super::super::lexer::{self, Lexer};
use super::super::method::Method;

/// The place of a request in its dialog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Rises with every new request; below 2³¹.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads `number method`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        let number = lexer::decimal(lexer.take_while(|byte| byte.is_ascii_digit()))?;
        // RFC 3261 §8.1.1.5: less than 2**31.
        if number >= 1 << 31 || !lexer.peek().is_some_and(lexer::is_space) {
            return None;
        }
        lexer.skip_space();
        let method = Method::from_token(lexer.token()?);
        lexer.skip_space();
        lexer.is_end().then_some(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
