//! Parameters: `;name=value` of headers (RFC 3261 §25.1 `generic-param`) and of URIs.

use std::fmt;

use super::super::lexer::{self, Lexer};

/// An ordered list of parameters. Names compare without case; values are kept as they were written,
/// quotes and escapes included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a parameter: `None` when it is absent, `Some("")` when it stands without value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// Whether the parameter is there, with or without value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a parameter in its place, or appends it.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes a parameter.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `;name=value` until the end of the value. `None` when something else stands there.
    pub(in super::super) fn parse(lexer: &mut Lexer<'_>) -> Option<Self> {
        let mut params = Self::new();
        while lexer.eat_spaced(b';') {
            let name = lexer.token()?.to_owned();
            let value = if lexer.eat_spaced(b'=') { Some(value(lexer)?) } else { None };
            params.push(name, value)?;
        }
        lexer.skip_space();
        lexer.is_end().then_some(params)
    }

    /// Appends while the bound allows; a name may stand only once (RFC 3261 §7.3.1).
    pub(in super::super) fn push(&mut self, name: String, value: Option<String>) -> Option<()> {
        if self.0.len() >= MAX_PARAMS || self.has(&name) {
            return None;
        }
        self.0.push((name, value));
        Some(())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// A token, a host (IPv6 references too) or a quoted string, as it stands.
fn value(lexer: &mut Lexer<'_>) -> Option<String> {
    if lexer.peek() == Some(b'"') {
        return lexer.quoted().map(|raw| lexer::text(raw).into_owned());
    }
    let raw = lexer.take_while(|byte| {
        byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>' | b'=' | b'?')
    });
    (!raw.is_empty()).then(|| lexer::text(raw).into_owned())
}

/// Ours: no peer needs more, and each look-up walks the list.
const MAX_PARAMS: usize = 64;
