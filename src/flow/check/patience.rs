//! Prompts that are long and that no key ends: callers hang up, or press anything.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Interrupt, LanguageId, Piece, Prompt, Step, StepKind};

/// Nobody listens longer to what can't be skipped; the usual rule of the trade.
const LONGEST: Duration = Duration::from_secs(12);
/// How fast prompts are spoken: characters in a second, measured on our own recordings.
const CHARACTERS: usize = 14;
/// What a spoken value takes: an amount, an account number.
const VALUE: usize = 3 * CHARACTERS;

/// Tells about them.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    for step in app.all_steps() {
        let Some(length) = longest(app, step).filter(|length| *length > LONGEST) else { continue };
        let message = format!("callers have to listen for about {} s: no key ends this", length.as_secs());
        findings.push(
            Diagnostic::warning("W154", Some(step.place.clone()), message)
                .help("say less, or let a key end it: leave `interrupt: never` out"),
        );
    }
}

/// How long a step speaks at a stretch, where no key ends it.
fn longest(app: &Application, step: &Step) -> Option<Duration> {
    let together = |prompts: &[&Prompt]| languages(app).map(|tongue| said(app, prompts, tongue)).max();
    match &step.kind {
        StepKind::Say(say) if say.interrupt == Interrupt::Never => {
            together(&say.prompts.iter().collect::<Vec<_>>())
        }
        StepKind::Notice(notice) if notice.interrupt == Interrupt::Never => together(&[&notice.prompt]),
        kind => {
            let node = kind.node();
            node.input().filter(|input| input.interrupt == Interrupt::Never)?;
            node.prompts().into_iter().filter_map(|prompt| together(&[prompt])).max()
        }
    }
}

fn languages(app: &Application) -> impl Iterator<Item = LanguageId> + use<> {
    (0..app.languages.len()).filter_map(|at| u8::try_from(at).ok()).map(LanguageId)
}

fn said(app: &Application, prompts: &[&Prompt], language: LanguageId) -> Duration {
    let longest = |prompt: &&Prompt| {
        let both = [prompt.in_language(language), prompt.to_who_is_heard(language)];
        both.map(|pieces| pieces.iter().map(|piece| characters(app, piece)).sum::<usize>()).into_iter().max()
    };
    let characters: usize = prompts.iter().filter_map(longest).sum();
    let millis = u64::try_from(characters * 1000 / CHARACTERS).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

fn characters(app: &Application, piece: &Piece) -> usize {
    match piece {
        Piece::Clip(clip) => app.clip_text(clip).chars().count(),
        Piece::Value { .. } => VALUE,
        Piece::Plural { branches, .. } => {
            let branch = |pieces: &[Piece]| pieces.iter().map(|piece| characters(app, piece)).sum::<usize>();
            branches.iter().map(|(_, pieces)| branch(pieces)).max().unwrap_or(0)
        }
    }
}
