//! The likeliest ways through a grammar, all of them a token further at a time.

use std::collections::BTreeMap;

use super::Recogniser;
use super::grammar::{Grammar, State};
use crate::voice::nn::{Matrix, linear, log_sum_exp};

/// A search for what was said.
pub(super) struct Search<'a> {
    recogniser: &'a Recogniser,
    grammar: &'a Grammar,
    /// Which texts are followed.
    pub(super) beam: Beam,
    /// Tokens of the grammar that are no usual rivals: they compete too.
    others: Matrix,
}

/// How many texts are followed on each way, and how far behind the best they may be.
pub(super) struct Beam {
    pub(super) width: usize,
    pub(super) behind: f32,
}

/// A text that is not at its end.
struct Text {
    /// Its last token in the decoder's tree, and the row that says what comes next.
    node: usize,
    row: usize,
    state: usize,
    meaning: Vec<u16>,
    score: f32,
    /// The token that it is to be extended by.
    token: u32,
}

/// Scores by meaning, one for each way to write it.
type Ended = BTreeMap<Vec<u16>, Vec<f32>>;

impl<'a> Search<'a> {
    pub(super) fn new(recogniser: &'a Recogniser, grammar: &'a Grammar) -> Self {
        let tokens = grammar.states.iter().flat_map(|state| &state.steps).map(|step| step.token);
        let mut tokens: Vec<u32> = tokens
            .chain(recogniser.network.ends)
            .filter(|token| recogniser.rivals.binary_search(token).is_err())
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        let mut others = Matrix::zeros(0, recogniser.network.width());
        for token in tokens {
            others.push_row(recogniser.network.row_of(token));
        }
        Self { recogniser, grammar, beam: Beam { width: WIDTH, behind: BEHIND }, others }
    }

    /// What may have been said, each with the logarithm of how likely it is.
    pub(super) fn run(&self, encoded: &Matrix) -> Vec<(Vec<u16>, f32)> {
        let network = &self.recogniser.network;
        let mut decoder = network.decode(encoded);
        let (mut last, mut rows) = (None, Matrix::default());
        for token in &network.prompt {
            let Some((node, next)) = decoder.extend(&[(last, *token)]) else { return Vec::new() };
            (last, rows) = (Some(node), next);
        }
        let Some(node) = last else { return Vec::new() };
        let mut texts = vec![Text { node, row: 0, state: 0, meaning: Vec::new(), score: 0.0, token: 0 }];
        let mut ended = Ended::new();
        while !texts.is_empty() {
            let sums = self.sums(&rows);
            texts = self.kept(self.next(&texts, &rows, &sums, &mut ended), &ended);
            let more: Vec<(Option<usize>, u32)> =
                texts.iter().map(|text| (Some(text.node), text.token)).collect();
            let Some((first, next)) = decoder.extend(&more) else { break };
            rows = next;
            for (row, text) in texts.iter_mut().enumerate() {
                (text.node, text.row) = (first + row, row);
            }
        }
        ended.into_iter().map(|(meaning, ways)| (meaning, log_sum_exp(&ways))).collect()
    }

    /// Every text by every token that may follow it; those that may end here go to `ended`.
    fn next(&self, texts: &[Text], rows: &Matrix, sums: &[f32], ended: &mut Ended) -> Vec<Text> {
        let network = &self.recogniser.network;
        let mut next = Vec::new();
        for text in texts {
            let likely = |token: u32| {
                let product = rows.row(text.row).iter().zip(network.row_of(token)).map(|(a, b)| a * b);
                text.score + product.sum::<f32>() - sums[text.row]
            };
            let State { steps, end, way } = &self.grammar.states[text.state];
            if *end {
                let ways = ended
                    .entry(text.meaning.clone())
                    .or_insert_with(|| vec![f32::NEG_INFINITY; self.grammar.ways]);
                ways[*way] = log_sum_exp(&[ways[*way], likely(network.ends[0]), likely(network.ends[1])]);
            }
            for step in steps {
                let mut meaning = text.meaning.clone();
                meaning.extend(step.means);
                next.push(Text {
                    meaning,
                    state: step.to,
                    score: likely(step.token),
                    token: step.token,
                    ..*text
                });
            }
        }
        next
    }

    /// The best of each way, none of them far behind the best of all.
    fn kept(&self, mut texts: Vec<Text>, ended: &Ended) -> Vec<Text> {
        texts.sort_by(|one, other| other.score.total_cmp(&one.score));
        let best = ended.values().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
        let best = texts.first().map_or(best, |text| text.score.max(best));
        let mut room = vec![self.beam.width; self.grammar.ways];
        texts.retain(|text| {
            let room = &mut room[self.grammar.states[text.state].way];
            let keep = *room > 0 && text.score > best - self.beam.behind;
            if keep {
                *room -= 1;
            }
            keep
        });
        texts
    }

    /// The logarithm of the sum over all tokens that compete, for each row.
    fn sums(&self, rows: &Matrix) -> Vec<f32> {
        let usual = linear(rows.view(), self.recogniser.rival_rows.view(), None);
        let others = linear(rows.view(), self.others.view(), None);
        let both = usual.each_row().map(log_sum_exp).zip(others.data().chunks(self.others.rows().max(1)));
        if self.others.rows() == 0 {
            return usual.each_row().map(log_sum_exp).collect();
        }
        both.map(|(usual, others)| log_sum_exp(&[usual, log_sum_exp(others)])).collect()
    }
}

/// Texts that are followed on each way.
const WIDTH: usize = 6;
/// One whose score is so far behind the best is given up.
const BEHIND: f32 = 12.0;
