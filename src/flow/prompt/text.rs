//! What recordings say, as text: for transcripts, for a call that is typed, for a synthesiser of speech.
//!
//! The words of the catalogues are known by their recordings. The words that values are spoken with are known
//! by their names: `en-GB/numbers/42` says 42, `es-ES/numbers/21-una` says *veintiuna*.

use super::speak::words;
use crate::flow::ClipKey;
use crate::flow::document::Application;

impl Application {
    /// What a recording says: the words of its prompt, the word of a value, `[beep]` for a tone. Nothing for a
    /// pause. It may hold a digit of somebody's account number: it belongs to no log.
    #[must_use]
    pub fn clip_text(&self, clip: &ClipKey) -> String {
        self.spoken_text(clip).unwrap_or_else(|| sound(clip.as_str()))
    }

    /// What a recording says, where it is speech and the words are known: what a synthesiser is given.
    #[must_use]
    pub fn spoken_text(&self, clip: &ClipKey) -> Option<String> {
        match self.texts.get(clip) {
            Some(known) => {
                Some(known.text.trim_start_matches([' ', '.', ',', ';', ':', '!', '?']).to_owned())
            }
            None => {
                let (language, name) = clip.as_str().split_once('/')?;
                self.languages.iter().find(|known| known.tag == language)?;
                words::word(language, name)
            }
        }
    }

    /// Recordings that are played one after the other, as one text.
    #[must_use]
    pub fn read(&self, clips: &[ClipKey]) -> String {
        let text = |clip: &ClipKey| match self.texts.get(clip) {
            Some(known) => known.text.clone(),
            None if clip.as_str().starts_with("pause/") => ",".to_owned(),
            None => self.clip_text(clip),
        };
        join(clips.iter().map(text))
    }
}

/// Puts texts behind each other: a space between them, none before punctuation, and no punctuation twice.
pub(super) fn join(texts: impl IntoIterator<Item = String>) -> String {
    let mut out = String::new();
    for text in texts {
        let joined = text.starts_with([',', '.', ';', ':', '!', '?']);
        if joined && out.is_empty() {
            continue;
        }
        if !out.is_empty() && !joined {
            out.push(' ');
        }
        if text != "," || !out.ends_with([',', '.', ';', ':', '!', '?']) {
            out.push_str(&text);
        }
    }
    out.trim_end_matches(',').trim().to_owned()
}

/// A recording that is no speech, or whose words nobody wrote down.
fn sound(name: &str) -> String {
    match name.split_once('/') {
        Some(("pause", _)) => String::new(),
        Some(("tones", tone)) => format!("[{tone}]"),
        Some(("music", music)) => format!("[music: {music}]"),
        _ => format!("[{name}]"),
    }
}
