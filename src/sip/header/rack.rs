//! RAck and RSeq (RFC 3262 §7).

use std::fmt;

use super::super::lexer::{self, Lexer};
use super::super::method::Method;

/// Which provisional response a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rack {
    /// Its RSeq.
    pub rseq: u32,
    /// The number of its CSeq.
    pub cseq: u32,
    /// The method of its CSeq.
    pub method: Method,
}

impl Rack {
    /// Reads `rseq cseq method`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        let mut number = || {
            lexer.skip_space();
            lexer::decimal(lexer.take_while(|byte| byte.is_ascii_digit()))
        };
        let (rseq, cseq) = (number()?, number()?);
        lexer.skip_space();
        let method = Method::from_token(lexer.token()?);
        lexer.skip_space();
        lexer.is_end().then_some(Self { rseq, cseq, method })
    }
}

impl fmt::Display for Rack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}
