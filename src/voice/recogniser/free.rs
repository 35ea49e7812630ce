//! What is said when anything may be: the likeliest texts, token by token, out of all tokens.

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

/// Texts that are followed.
const WIDTH: usize = 4;
/// One that is so far behind the best whole one is given up.
const BEHIND: f32 = 3.0;
/// Tokens of a text at most.
const MOST_TOKENS: usize = 80;
