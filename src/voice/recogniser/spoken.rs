//! What is listened for, in plain words, and what was understood.

use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroize;

use super::confidence::{PHRASES, SIGNS, Scale, YES_NO, percent};
use super::{Grammar, Heard, LONGEST, MOST_DIGITS, Recogniser, count, free};
use crate::secret::Secret;
use crate::voice::model::ModelError;
use crate::voice::nn::exp;
use crate::voice::words;

/// What a caller is asked to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpokenGrammar {
    /// Digits, so many of them.
    Digits {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Yes, which is 1, or no, which is 0, in the usual words and in these.
    YesNo(Vec<(u16, Arc<str>)>),
    /// One of these phrases, each with the number of what it means; several may mean the same.
    Phrases(Vec<(u16, Arc<str>)>),
    /// A day.
    Date,
    /// An amount of money.
    Money,
    /// Letters one by one, by their names or as pilots spell them.
    Letters {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Anything.
    Free,
}

/// What may have been said.
#[derive(Clone)]
pub struct Understood {
    /// The words: digits and letters as such, the phrase, anything else as it is written.
    pub words: Secret<String>,
    /// The number of the phrase; of yes 1, of no 0.
    pub choice: Option<u16>,
    /// In how many of a hundred such cases this is what was said.
    pub confidence: u8,
}

impl std::fmt::Debug for Understood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Understood(… with {} %)", self.confidence)
    }
}

/// Why nothing is listened for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListenError {
    /// The network does not know the language.
    #[error("the recogniser does not know this language")]
    Language,
    /// It does not know what is listened for.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Recogniser {
    /// What may have been said in these samples at 8,000 Hz, the surest first; empty when nothing that was listened for
    /// is in them. `language` is a tag such as `en-GB`. What is `expected`, digits that the caller was told or
    /// sent, says how many digits there are, and nothing else: so it makes no answer likelier ([`super::strings_within`]).
    ///
    /// # Errors
    /// When the network does not know the language, or the vocabulary lacks what is listened for.
    pub fn listen(
        &self,
        samples: &[i16],
        grammar: &SpokenGrammar,
        language: &str,
        expected: Option<&Secret<String>>,
    ) -> Result<Vec<Understood>, ListenError> {
        if language.split('-').next() != Some("en") {
            return Err(ListenError::Language);
        }
        let mut understood = match grammar {
            SpokenGrammar::Digits { min, max } => {
                let known = expected
                    .map(|text| text.expose().chars().count())
                    .filter(|known| (*min..=*max).contains(known));
                let (min, max) = known.map_or((*min, *max), |known| (known, known));
                let heard = self.hear(samples, &self.digits(min, max)?);
                heard.iter().map(|heard| signs(heard, b'0')).collect()
            }
            SpokenGrammar::Letters { min, max } => {
                let heard =
                    self.hear(samples, &Grammar::letters(&self.tokens, *min, (*max).min(MOST_DIGITS)));
                heard.iter().map(|heard| signs(heard, b'A')).collect()
            }
            SpokenGrammar::YesNo(own) => {
                let yes = words::yes(language).iter().map(|word| (1, Arc::from(*word)));
                let no = words::no(language).iter().map(|word| (0, Arc::from(*word)));
                let all: Vec<_> = yes.chain(no).chain(own.iter().cloned()).collect();
                self.choices(samples, &all, &YES_NO)
            }
            SpokenGrammar::Phrases(phrases) => self.choices(samples, phrases, &PHRASES),
            SpokenGrammar::Date => self.texts(samples, &words::date(language)),
            SpokenGrammar::Money => self.texts(samples, &words::money(language)),
            SpokenGrammar::Free => self.free(samples),
        };
        understood.sort_by_key(|understood| std::cmp::Reverse(understood.confidence));
        understood.truncate(N_BEST);
        Ok(understood)
    }

    fn choices(&self, samples: &[i16], phrases: &[(u16, Arc<str>)], scale: &Scale) -> Vec<Understood> {
        let plain: Vec<(u16, &str)> = phrases.iter().map(|(means, phrase)| (*means, &**phrase)).collect();
        let heard = self.hear(samples, &self.phrases(&plain));
        let choice = |heard: &Heard| {
            let number = *heard.meaning.first()?;
            let phrase = plain.iter().find(|(means, _)| *means == number)?.1;
            let words = Secret::new(phrase.to_owned());
            // Which of the phrases that mean the same was said is not known: it may have been the shortest.
            let said = plain.iter().filter(|(means, _)| *means == number);
            let length = said.map(|(_, phrase)| phrase.split_whitespace().count()).min().unwrap_or(1);
            Some(Understood { words, choice: Some(number), confidence: scale.percent(heard, length) })
        };
        heard.iter().filter_map(choice).collect()
    }

    fn texts(&self, samples: &[i16], words: &[&str]) -> Vec<Understood> {
        let heard = self.hear(samples, &Grammar::words(&self.tokens, words));
        heard.iter().map(|heard| self.text(&heard.meaning, SIGNS.percent(heard, 1))).collect()
    }

    fn free(&self, samples: &[i16]) -> Vec<Understood> {
        let samples = samples.get(..LONGEST).unwrap_or(samples);
        let texts = free::run(self, &self.listened(samples));
        let texts = texts
            .iter()
            .map(|text| self.text(&text.pieces, percent(exp(text.score / count(text.pieces.len() + 1)))));
        texts.filter(|text| !text.words.expose().is_empty()).collect()
    }

    fn text(&self, pieces: &[u16], confidence: u8) -> Understood {
        let mut text = self.tokens.text(pieces);
        let words = Secret::new(text.trim().to_owned());
        text.zeroize();
        Understood { words, choice: None, confidence }
    }
}

/// Digits or letters, counted from this sign on.
fn signs(heard: &Heard, from: u8) -> Understood {
    let signs =
        heard.meaning.iter().filter_map(|at| Some(char::from(from.checked_add(u8::try_from(*at).ok()?)?)));
    Understood { words: Secret::new(signs.collect()), choice: None, confidence: SIGNS.percent(heard, 1) }
}

/// How much is told at most of what may have been said.
const N_BEST: usize = 10;
