//! From text to a tree with places. Bounded: an expression of more than 1,000 bytes or 32 levels is
//! refused before it is read.
//!
//! ```text
//! either     = both { "or" both }
//! both       = negation { "and" negation }
//! negation   = "not" negation | comparison
//! comparison = sum [ compare sum | ["not"] "in" list | "is" ["not"] "set" ]
//! sum        = filtered { ("+" | "-") filtered }
//! filtered   = operand { "|" ("last" [":"] number | "length") }
//! operand    = name | text | number | "true" | "false" | "(" either ")"
//! ```

use std::ops::Range;

use super::{CompareOp, Filter, SumOp};

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
    /// `x is set`
    IsSet(Box<Written>),
    /// `a + b`
    Sum(SumOp, Box<Written>, Box<Written>),
    /// `x | length`
    Filtered(Box<Written>, Filter),
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
    Colon,
    Bar,
    Plus,
    Minus,
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
    const OPERATORS: [(&str, Token); 14] = [
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
        (":", Token::Colon),
        ("|", Token::Bar),
        ("+", Token::Plus),
    ];
    let twice = rest.starts_with("||");
    let operator = OPERATORS.iter().find(|(spelling, _)| !twice && rest.starts_with(spelling));
    if let Some((spelling, token)) = operator {
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
    if first == '-' {
        return Ok((Token::Minus, 1));
    }
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        return Ok((Token::Name(rest[..length].to_owned()), length));
    }
    let help = match first {
        '=' => "`=` compares nothing: write `==`",
        '&' => "write `and`",
        '|' => "write `or`; a filter is written `account | last: 4`",
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
        let left = self.sum(depth)?;
        if let Some((Token::Compare(op), _)) = self.peek().cloned() {
            self.at += 1;
            let right = self.sum(depth)?;
            let span = left.span.start..right.span.end;
            return Ok(Written { span, node: Node::Compare(op, Box::new(left), Box::new(right)) });
        }
        if self.word("is") {
            return self.whether_set(left);
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

    /// What stands behind `is`.
    fn whether_set(&mut self, item: Written) -> Result<Written, Unreadable> {
        let negated = self.word("not");
        let (start, end) = match self.next() {
            Some((Token::Name(name), span)) if name == "set" => (item.span.start, span.end),
            Some((_, span)) => {
                return Err(Unreadable {
                    span,
                    message: "`is` goes with `set`: write `is set`, or `==`".into(),
                });
            }
            None => return Err(self.at_end("`set`")),
        };
        let set = Written { span: start..end, node: Node::IsSet(Box::new(item)) };
        Ok(if negated { Written { span: start..end, node: Node::Not(Box::new(set)) } } else { set })
    }

    fn sum(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let mut left = self.filtered(depth)?;
        loop {
            let op = match self.tokens.get_mut(self.at) {
                Some((Token::Plus, _)) => SumOp::Add,
                Some((Token::Minus, _)) => SumOp::Subtract,
                // `tries -1`: the sign stands with the number, and means the same.
                Some((Token::Number(number), _)) if *number < 0 && *number > i64::MIN => {
                    *number = -*number;
                    self.at -= 1;
                    SumOp::Subtract
                }
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.filtered(depth)?;
            let span = left.span.start..right.span.end;
            left = Written { span, node: Node::Sum(op, Box::new(left), Box::new(right)) };
        }
    }

    fn filtered(&mut self, depth: usize) -> Result<Written, Unreadable> {
        let mut item = self.operand(depth)?;
        while matches!(self.peek(), Some((Token::Bar, _))) {
            self.at += 1;
            let (filter, end) = self.filter()?;
            item = Written { span: item.span.start..end, node: Node::Filtered(Box::new(item), filter) };
        }
        Ok(item)
    }

    fn filter(&mut self) -> Result<(Filter, usize), Unreadable> {
        match self.next() {
            Some((Token::Name(name), span)) if name == "length" => Ok((Filter::Length, span.end)),
            Some((Token::Name(name), _)) if name == "last" => {
                if matches!(self.peek(), Some((Token::Colon, _))) {
                    self.at += 1;
                }
                match self.next() {
                    Some((Token::Number(number), span)) => match u8::try_from(number) {
                        Ok(number) if number > 0 => Ok((Filter::Last(number), span.end)),
                        _ => Err(Unreadable { span, message: "`last` is how many from the end".into() }),
                    },
                    Some((_, span)) => Err(Unreadable { span, message: "a number was expected here".into() }),
                    None => Err(self.at_end("a number")),
                }
            }
            Some((_, span)) => {
                let message = "there are the filters `last: 4` and `length`".into();
                Err(Unreadable { span, message })
            }
            None => Err(self.at_end("a filter")),
        }
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
            Token::Name(name) if matches!(name.as_str(), "and" | "or" | "in" | "not" | "is") => {
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
