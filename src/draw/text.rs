//! How wide text is, without a font at hand, and how it is cut.

/// The longest label of a jump.
const MOST: usize = 34;

/// About as wide as the text is in a sans-serif font of that size, rather more than less: the widths of Helvetica
/// in four classes, with room for the wider fonts that stand in for it.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']'
        | ' ' => 0.33,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '→' => 0.9,
        'A'..='Z' | '+' | '=' | '<' | '>' => 0.72,
        c if c.is_ascii() || (c.is_alphabetic() && c < '\u{250}') => 0.58,
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * size * 1.07
}

/// The text, cut when it is longer than a label should be.
pub(super) fn shortened(text: &str) -> String {
    cut(text, MOST)
}

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Text inside of XML: nothing in it is taken for a mark. What XML can't hold at all is left out.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // XML 1.0 §2.2: what a character may be.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
            // Marks that turn the direction of text could make a label say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_only_text() {
        assert_eq!(xml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
        assert_eq!(xml("x\u{0}\u{8}\u{202e}y\nz"), "xy z");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöüß", 4), "äöüß");
    }

    #[test]
    fn wider_text_is_wider() {
        assert!(width("mmm", 10.0) > width("iii", 10.0));
        assert!(width("abc", 20.0) > width("abc", 10.0));
    }
}
