//! From text to a tree with places. Bounded: an expression of more than 1,000 bytes or 32 levels is
//! refused before it is read.

use std::ops::Range;

use super::CompareOp;

/// What is written, before names mean anything. Spans are bytes in the expression's own text.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Where.
    pub span: Range<usize>,
    /// What.
    pub node: Node,
}

/// A node of what is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A name: a variable, a field, or a word of an enumeration.
    Name(String),
    /// Text in quotes.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// `not x`
    Not(Box<Written>),
    /// `a and b`
    And(Box<Written>, Box<Written>),
    /// `a or b`
    Or(Box<Written>, Box<Written>),
    /// A comparison.
    Compare(CompareOp, Box<Written>, Box<Written>),
    /// `x in [a, b]`
    In(Box<Written>, Vec<Written>),
}

/// Why it can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// Reads an expression.
///
/// # Errors
/// The first place where it stops being one.
pub fn parse(text: &str) -> Result<Written, Unreadable> {
    if text.len() > LONGEST {
        return Err(Unreadable {
            span: 0..0,
            message: format!("an expression of more than {LONGEST} bytes"),
        });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, end: text.len() };
    let written = parser.either(0)?;
    match parser.peek() {
        None => Ok(written),
        Some((_, span)) => {
            Err(Unreadable { span: span.clone(), message: "nothing more was expected here".into() })
        }
    }
}

/// Longer ones belong into `set` steps.
const LONGEST: usize = 1_000;
/// Nesting of brackets and `not`.
const DEEPEST: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(i64),
    Compare(CompareOp),
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
}

fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Unreadable> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) =
            token(&text[at..]).map_err(|(length, message)| Unreadable { span: at..at + length, message })?;
        out.push((token, at..at + length));
        at += length;
    }
    Ok(out)
}

/// The token at the start of `rest` and its length; or the length of what is wrong.
fn token(rest: &str) -> Result<(Token, usize), (usize, String)> {
    const OPERATORS: [(&str, Token); 11] = [
        ("==", Token::Compare(CompareOp::Equal)),
        ("!=", Token::Compare(CompareOp::NotEqual)),
        ("<=", Token::Compare(CompareOp::LessOrEqual)),
        (">=", Token::Compare(CompareOp::GreaterOrEqual)),
        ("<", Token::Compare(CompareOp::Less)),
        (">", Token::Compare(CompareOp::Greater)),
        ("(", Token::Open),
        (")", Token::Close),
        ("[", Token::ListOpen),
        ("]", Token::ListClose),
        (",", Token::Comma),
    ];
    if let Some((spelling, token)) = OPERATORS.iter().find(|(spelling, _)| rest.starts_with(spelling)) {
        return Ok((token.clone(), spelling.len()));
    }
    let first = rest.chars().next().unwrap_or(' ');
    if first == '\'' || first == '"' {
        let inside = &rest[1..];
        return match inside.find(first) {
            Some(end) => Ok((Token::Text(inside[..end].to_owned()), end + 2)),
            None => Err((rest.len(), "the quote is not closed".into())),
        };
    }
    if first.is_ascii_digit() || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
        let length = 1 + rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
        return match rest[..length].parse() {
            Ok(number) => Ok((Token::Number(number), length)),
            Err(_) => Err((length, "this number is too big".into())),
        };
    }
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        return Ok((Token::Name(rest[..length].to_owned()), length));
    }
    let help = match first {
        '=' => "`=` compares nothing: write `==`",
        '&' => "write `and`",
        '|' => "write `or`",
        '!' => "write `not`",
        _ => "no expression has this character",
    };
    Err((first.len_utf8(), help.into()))
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&(Token, Range<usize>)> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<(Token, Range<usize>)> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the next token when it is the name `word`.
    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some((Token::Name(name), _)) if name == word);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let mut left = self.both(depth)?;
        while self.word("or") {
            let right = self.both(depth)?;
            let span = left.span.start..right.span.end;
            left = Written { span, node: Node::Or(Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let mut left = self.negation(depth)?;
        while self.word("and") {
            let right = self.negation(depth)?;
            let span = left.span.start..right.span.end;
            left = Written { span, node: Node::And(Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn negation(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let start = self.peek().map_or(self.end, |(_, span)| span.start);
        if depth > DEEPEST {
            return Err(Unreadable { span: start..start, message: "nested too deeply".into() });
        }
        if !self.word("not") {
            return self.comparison(depth);
        }
        let inner = self.negation(depth + 1)?;
        Ok(Written { span: start..inner.span.end, node: Node::Not(Box::new(inner)) })
    }

    fn comparison(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let left = self.operand(depth)?;
        if let Some((Token::Compare(op), _)) = self.peek().cloned() {
            self.at += 1;
            let right = self.operand(depth)?;
            let span = left.span.start..right.span.end;
            return Ok(Written { span, node: Node::Compare(op, Box::new(left), Box::new(right)) });
        }
        let negated = matches!(self.peek(), Some((Token::Name(name), _)) if name == "not")
            && matches!(self.tokens.get(self.at + 1), Some((Token::Name(name), _)) if name == "in");
        self.at += usize::from(negated);
        if !self.word("in") {
            return Ok(left);
        }
        let (list, end) = self.list(depth)?;
        let span = left.span.start..end;
        let inside = Written { span: span.clone(), node: Node::In(Box::new(left), list) };
        Ok(if negated { Written { span, node: Node::Not(Box::new(inside)) } } else { inside })
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Written>, usize), Unreadable> {
        self.expect(&Token::ListOpen, "a list such as `[balance, agent]`")?;
        let mut list = Vec::new();
        loop {
            if let Some((Token::ListClose, span)) = self.peek().cloned() {
                self.at += 1;
                return Ok((list, span.end));
            }
            if !list.is_empty() {
                self.expect(&Token::Comma, "a comma or the end of the list")?;
            }
            list.push(self.operand(depth + 1)?);
        }
    }

    fn expect(&mut self, wanted: &Token, what: &str) -> Result<Range<usize>, Unreadable> {
        match self.next() {
            Some((token, span)) if token == *wanted => Ok(span),
            Some((_, span)) => Err(Unreadable { span, message: format!("{what} was expected here") }),
            None => Err(self.at_end(what)),
        }
    }

    fn at_end(&self, what: &str) -> Unreadable {
        Unreadable { span: self.end..self.end, message: format!("it ends where {what} was expected") }
    }

    fn operand(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let Some((token, span)) = self.next() else { return Err(self.at_end("a value")) };
        let node = match token {
            Token::Name(name) if matches!(name.as_str(), "and" | "or" | "in" | "not") => {
                return Err(Unreadable { span, message: format!("a value was expected before `{name}`") });
            }
            Token::Name(name) if name == "true" => Node::Flag(true),
            Token::Name(name) if name == "false" => Node::Flag(false),
            Token::Name(name) => Node::Name(name),
            Token::Text(text) => Node::Text(text),
            Token::Number(number) => Node::Number(number),
            Token::Open if depth < DEEPEST => {
                let inner = self.either(depth + 1)?;
                let close = self.expect(&Token::Close, "a closing bracket")?;
                return Ok(Written { span: span.start..close.end, node: inner.node });
            }
            Token::Open => return Err(Unreadable { span, message: "nested too deeply".into() }),
            _ => return Err(Unreadable { span, message: "a value was expected here".into() }),
        };
        Ok(Written { span, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_tighter_than_or() {
        let Ok(Written { node: Node::Or(_, right), .. }) = parse("a or b and c") else { panic!("an or") };
        assert!(matches!(right.node, Node::And(..)));
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, at, message) in [
            ("topic = agent", 6..7, "`=` compares nothing: write `==`"),
            ("topic ==", 8..8, "it ends where a value was expected"),
            ("topic == agent)", 14..15, "nothing more was expected here"),
            ("topic in agent", 9..14, "a list such as `[balance, agent]` was expected here"),
            ("a == 'x", 5..7, "the quote is not closed"),
            ("", 0..0, "it ends where a value was expected"),
            ("99999999999999999999", 0..20, "this number is too big"),
            ("a && b", 2..3, "write `and`"),
        ] {
            assert_eq!(parse(text), Err(Unreadable { span: at, message: message.into() }), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(parse(&"(".repeat(900)).is_err());
        assert!(parse(&"not ".repeat(200)).is_err());
        assert!(parse(&"a and ".repeat(200)).is_err());
    }
}
