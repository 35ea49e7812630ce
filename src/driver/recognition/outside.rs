//! A recogniser of others as somebody who understands speech.

use crate::driver::recognisers::{NotHeard, Outside};
use crate::flow::prompt::hear;
use crate::voice::{Ear, EarError, Hearing, SpokenGrammar, Understood, Utterance, words};

impl Ear for Outside {
    fn name(&self) -> &str {
        self.title()
    }

    fn is_outside(&self) -> bool {
        true
    }

    fn hears(&self, language: &str) -> bool {
        self.knows(language)
    }

    fn hear(&self, utterance: &Utterance, hearing: &Hearing) -> Result<Vec<Understood>, EarError> {
        let Some(grammar) = &hearing.grammar else { return Ok(Vec::new()) };
        let phrases = phrases(grammar, &hearing.language);
        let samples = utterance.samples().expose();
        match self.transcribe(samples, &hearing.language, phrases.as_deref()) {
            Ok(said) => Ok(said
                .map(|said| Understood { words: said.words, choice: None, confidence: said.confidence })
                .into_iter()
                .collect()),
            Err(why) => {
                tracing::warn!(ear = self.title(), "{why}");
                Err(told(&why))
            }
        }
    }
}

const fn told(why: &NotHeard) -> EarError {
    match why {
        NotHeard::LeftAlone | NotHeard::Broken(_) => EarError::Unreachable,
        _ => EarError::Failed,
    }
}

/// What a recogniser that can be held to words is held to; `None` where it is not known, or is anything.
fn phrases(grammar: &SpokenGrammar, language: &str) -> Option<Vec<String>> {
    let mut all: Vec<String> = match grammar {
        SpokenGrammar::Digits { .. } => owned(&hear::digit_words(language)),
        SpokenGrammar::YesNo(own) => {
            let own = own.iter().map(|(_, phrase)| phrase.to_lowercase()).collect();
            [owned(words::yes(language)), owned(words::no(language)), own].concat()
        }
        SpokenGrammar::Phrases(phrases) => phrases.iter().map(|(_, phrase)| phrase.to_lowercase()).collect(),
        SpokenGrammar::Date => owned(&words::date(language)),
        SpokenGrammar::Money => owned(&words::money(language)),
        SpokenGrammar::Letters { .. } | SpokenGrammar::Free => Vec::new(),
    };
    if all.is_empty() {
        return None;
    }
    // Vosk: what is said beside them is this, and fits nothing.
    all.push("[unk]".to_owned());
    Some(all)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_can_be_held_to_words_is_held_to_those_that_flows_understand() {
        let digits = phrases(&SpokenGrammar::Digits { min: 4, max: 6 }, "en-GB").expect("known words");
        for word in ["zero", "oh", "nine", "double", "[unk]"] {
            assert!(digits.iter().any(|known| known == word), "{word}");
        }
        for word in
            digits.iter().filter(|word| !["[unk]", "double", "triple", "treble"].contains(&word.as_str()))
        {
            assert!(hear::digits("en-GB", word).is_some(), "{word}");
        }
        assert!(phrases(&SpokenGrammar::Digits { min: 4, max: 6 }, "es-ES").is_some());
        assert_eq!(phrases(&SpokenGrammar::Digits { min: 4, max: 6 }, "de-DE"), None);
        assert_eq!(phrases(&SpokenGrammar::Free, "en-GB"), None);
        let menu = SpokenGrammar::Phrases(vec![(1, Arc::from("Pay by card"))]);
        assert_eq!(phrases(&menu, "de-DE"), Some(vec!["pay by card".to_owned(), "[unk]".to_owned()]));
    }
}
