//! What is said when anything may be: the likeliest texts, token by token, out of all tokens.

use zeroize::Zeroize;

use super::{Recogniser, count};
use crate::voice::nn::{Matrix, log_sum_exp};

/// A text that was heard.
pub(super) struct Text {
    pub(super) pieces: Vec<u16>,
    /// The logarithm of how likely it is.
    pub(super) score: f32,
}

struct Open {
    /// Its last token in the decoder's tree, and the row that says what comes next.
    node: usize,
    row: usize,
    pieces: Vec<u16>,
    score: f32,
    token: u32,
}

/// The likeliest texts, the best first.
pub(super) fn run(recogniser: &Recogniser, encoded: &Matrix) -> Vec<Text> {
    let (network, tokens) = (&recogniser.network, &recogniser.tokens);
    let unspoken = tokens.unspoken();
    let mut decoder = network.decode(encoded);
    let (mut last, mut rows) = (None, Matrix::default());
    for token in &network.prompt {
        let Some((node, next)) = decoder.extend(&[(last, *token)]) else { return Vec::new() };
        (last, rows) = (Some(node), next);
    }
    let Some(node) = last else { return Vec::new() };
    let mut open = vec![Open { node, row: 0, pieces: Vec::new(), score: 0.0, token: 0 }];
    let mut ended: Vec<Text> = Vec::new();
    for _ in 0..MOST_TOKENS {
        let logits = network.all(&rows);
        let mut next: Vec<Open> = Vec::new();
        for text in &open {
            let row = logits.row(text.row);
            let sum = log_sum_exp(row);
            let end = usize::try_from(network.ends[0]).unwrap_or(usize::MAX);
            if let Some(end) = row.get(end) {
                ended.push(Text { pieces: text.pieces.clone(), score: text.score + end - sum });
            }
            for token in best(row, &unspoken, end) {
                let mut pieces = text.pieces.clone();
                pieces.extend(u16::try_from(token));
                let score = text.score + row[token] - sum;
                next.push(Open { pieces, score, token: u32::try_from(token).unwrap_or(u32::MAX), ..*text });
            }
        }
        next.retain(|text| {
            let mut written = tokens.text(&text.pieces);
            let again = says_again(&written);
            written.zeroize();
            !again
        });
        next.sort_by(|one, other| other.score.total_cmp(&one.score));
        next.truncate(WIDTH);
        let whole = ended.iter().map(|text| text.score).fold(f32::NEG_INFINITY, f32::max);
        next.retain(|text| text.score > whole - BEHIND);
        let more: Vec<(Option<usize>, u32)> = next.iter().map(|text| (Some(text.node), text.token)).collect();
        if more.is_empty() {
            break;
        }
        let Some((first, after)) = decoder.extend(&more) else { break };
        rows = after;
        for (row, text) in next.iter_mut().enumerate() {
            (text.node, text.row) = (first + row, row);
        }
        open = next;
    }
    // A long text is not worse for being long.
    let each = |text: &Text| text.score / count(text.pieces.len() + 1);
    ended.sort_by(|one, other| each(other).total_cmp(&each(one)));
    ended.truncate(WIDTH);
    ended
}

/// Whether the sentence that a text ends with was said right before, or stood in it as a sentence. The network falls into circles:
/// having written what it heard it writes that again, each time surer. Of who does say something twice, once is taken.
fn says_again(text: &str) -> bool {
    if !text.ends_with(ENDS) {
        return false;
    }
    let sentences: Vec<Vec<&str>> = text.split(ENDS).map(words).filter(|words| !words.is_empty()).collect();
    let Some((last, before)) = sentences.split_last().filter(|(last, _)| last.len() >= PHRASE) else {
        return false;
    };
    let alike = |(one, other): &(&&str, &&str)| one.eq_ignore_ascii_case(other);
    let said = before.concat();
    // It may be written otherwise the second time: `five minutes`, `5 minutes`.
    let right_before = last.iter().rev().zip(said.iter().rev()).take_while(alike).count();
    let as_sentence =
        |other: &Vec<&str>| other.len() == last.len() && other.iter().zip(last).all(|pair| alike(&pair));
    (right_before >= PHRASE && right_before * 4 >= last.len() * 3) || before.iter().any(as_sentence)
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()).collect()
}

/// The likeliest tokens that may go on.
fn best(row: &[f32], unspoken: &[bool], end: usize) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(WIDTH + 1);
    for (token, value) in row.iter().enumerate() {
        if token == end || unspoken.get(token).copied().unwrap_or(true) {
            continue;
        }
        if best.len() < WIDTH || best.last().is_some_and(|last| row[*last] < *value) {
            let at = best.iter().position(|other| row[*other] < *value).unwrap_or(best.len());
            best.insert(at, token);
            best.truncate(WIDTH);
        }
    }
    best
}

/// What ends a sentence.
const ENDS: [char; 3] = ['.', '?', '!'];
/// Words of a sentence at least: "Yes. Yes." and "Two. Two." are said.
const PHRASE: usize = 2;
/// Texts that are followed.
const WIDTH: usize = 4;
/// One that is so far behind the best whole one is given up.
const BEHIND: f32 = 3.0;
/// Tokens of a text at most.
const MOST_TOKENS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_is_written_again_is_known() {
        for (text, again) in [
            ("Sales will answer in a moment. Sales will answer in a moment.", true),
            ("a call for the shop. A call for the shop.", true),
            ("Your password is reset. Write it down. Your password is reset.", true),
            ("Who is it? who is it?", true),
            ("Sales will answer in a moment. Sales will answer", false),
            ("Sales will answer in a moment. Thank you.", false),
            ("Yes. Yes.", false),
            ("More tries. More tries.", true),
            ("Welcome to the shop, in an emergency, hang up. In an emergency, hang up.", true),
            ("You find us five minutes on foot from the station. 5 minutes on foot from the station.", true),
            ("I want to check my balance. I need to check my balance.", false),
            ("I can't pay the bill. I won't pay the bill.", false),
            ("Call me. Please call me.", false),
            ("Two. Two.", false),
            ("One call at a time.", false),
            ("...", false),
            ("", false),
        ] {
            assert_eq!(says_again(text), again, "{text}");
        }
    }
}
