//! `Digest name=value, name="value"` (RFC 3261 §25.1 `credentials`, `challenge`).

use super::super::lexer::{self, Lexer};

/// The fields of one challenge or of credentials, unquoted.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `None` for another scheme than Digest, a broken list, or a field that stands twice.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        if !lexer.token()?.eq_ignore_ascii_case("Digest") || !lexer.peek().is_some_and(lexer::is_space) {
            return None;
        }
        lexer.skip_space();
        let mut fields = Self(Vec::new());
        loop {
            let name = lexer.token()?.to_ascii_lowercase();
            if !lexer.eat_spaced(b'=') || fields.0.len() >= MAX_FIELDS || fields.get(&name).is_some() {
                return None;
            }
            let value = if lexer.peek() == Some(b'"') {
                lexer::unquote(&lexer::text(lexer.quoted()?))
            } else {
                let raw = lexer.take_while(|byte| !lexer::is_space(byte) && byte != b',');
                lexer::text(raw).into_owned()
            };
            fields.0.push((name, value));
            if !lexer.eat_spaced(b',') {
                break;
            }
        }
        lexer.skip_space();
        lexer.is_end().then_some(fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// RFC 7616 names eleven; the rest is room for extensions.
const MAX_FIELDS: usize = 32;
