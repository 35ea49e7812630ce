//! What is said around a code that was sent and around other ways to prove it, and the keys for both: what
//! `authenticate` and `verify` have beside the prompts for factors.

use std::time::Duration;

use super::{FieldSpec, Reader, Shape};
use crate::auth::{FactorId, Meeting};
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Piece, Prompt};
use crate::flow::expr::{Expr, Field};
use crate::units::Digit;

/// The key that has something sent again.
pub(super) const AGAIN: FieldSpec = FieldSpec::optional(
    "again",
    Shape::Choice(&["star", "hash"]),
    "the key that has a code sent again; it counts before any digit is typed",
);
/// The key that takes another way.
pub(super) const ANOTHER: FieldSpec = FieldSpec::optional(
    "another",
    Shape::Choice(&["star", "hash"]),
    "the key that takes another way of those on offer; it counts before any digit is typed",
);
/// How long what was sent may take to arrive.
pub(super) const WAIT_FOR_CODE: FieldSpec = FieldSpec::optional(
    "wait_for_code",
    Shape::Duration,
    "the longest wait for the first digit of what was sent, where that is longer than `first`; 60s when left out",
);

/// The names of what is said here, among `prompts`.
pub(super) const PROMPTS: [&str; 7] =
    ["expired", "resent", "not_resent", "instead", "unsure", "again", "another"];

/// What is said, and by which keys a caller asks for it.
#[derive(Debug)]
pub struct Ways {
    /// What had been sent was too old, and something new is on its way; `failed` when `None`.
    pub expired: Option<Prompt>,
    /// What was asked for again was sent.
    pub resent: Option<Prompt>,
    /// It is not sent again, or not yet.
    pub not_resent: Option<Prompt>,
    /// A way can't be used now; the next one follows.
    pub instead: Option<Prompt>,
    /// What was said leaves a doubt; it is asked for once more, or the next way follows.
    pub unsure: Option<Prompt>,
    /// How to have it sent again; said after the prompt of what was sent.
    pub again: Option<Prompt>,
    /// How to take another way; said where there is one.
    pub another: Option<Prompt>,
    /// The key that has it sent again.
    pub again_key: Option<Digit>,
    /// The key that takes another way.
    pub another_key: Option<Digit>,
    /// The longest wait for the first digit of what was sent.
    pub wait: Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            expired: None,
            resent: None,
            not_resent: None,
            instead: None,
            unsure: None,
            again: None,
            another: None,
            again_key: None,
            another_key: None,
            wait: WAIT,
        }
    }
}

impl Ways {
    /// All that is said.
    pub(super) fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        let said = [&self.expired, &self.resent, &self.not_resent, &self.instead, &self.unsure];
        said.into_iter().chain([&self.again, &self.another]).flatten()
    }
}

/// Short messages come within seconds, and sometimes within a minute.
const WAIT: Duration = Duration::from_secs(60);

/// Reads them. `None` when something is wrong.
pub(super) fn read(step: &mut Reader<'_, '_, '_>, offer: &[FactorId]) -> Option<Ways> {
    let keys = [("star", Digit::STAR), ("hash", Digit::HASH)];
    let mut ways = Ways::default();
    let sent = offer.iter().any(|factor| factor.meeting() == Meeting::Sent);
    if let Some(node) = step.get("again") {
        ways.again_key = Some(fields::choice(node, "again", &keys, step.build.findings)?);
        if !sent {
            let message = "nothing on offer is sent, so nothing can be sent again";
            step.error("E115", &node.place, message, "remove it, or offer a code that is sent");
        }
    }
    if let Some(node) = step.get("another") {
        ways.another_key = Some(fields::choice(node, "another", &keys, step.build.findings)?);
        if ways.another_key == ways.again_key {
            step.error("E160", &node.place, "this key is `again` already", "give one of them the other key");
        }
    }
    if let Some(node) = step.get("wait_for_code") {
        ways.wait = fields::duration(node, "wait_for_code", step.build.findings)?;
    }
    let node = step.get("prompts")?;
    let said = Fields::of(node, "`prompts`", step.build.findings)?;
    for (name, key) in [("again", ways.again_key), ("another", ways.another_key)] {
        if let (Some(node), None) = (said.get(name), key) {
            let message = format!("`{name}` is said, but no key does it");
            step.error(
                "E115",
                &node.place,
                message,
                format!("add `{name}: hash` or `{name}: star` beside `prompts`"),
            );
        }
    }
    let locals = [local("tries_left", Field::TriesLeft)];
    let mut prompt = |name: &str| said.get(name).map(|node| step.build.prompt(node, &locals));
    ways.expired = prompt("expired").flatten();
    ways.resent = prompt("resent").flatten();
    ways.not_resent = prompt("not_resent").flatten();
    ways.instead = prompt("instead").flatten();
    ways.unsure = prompt("unsure").flatten();
    ways.again = prompt("again").flatten();
    ways.another = prompt("another").flatten();
    Some(ways)
}

/// Whether a prompt says this in each language.
pub(super) fn says(prompt: &Prompt, field: Field) -> bool {
    fn among(pieces: &[Piece], field: Field) -> bool {
        pieces.iter().any(|piece| match piece {
            Piece::Value { expr, .. } => matches!(expr, Expr::Field(said) if *said == field),
            Piece::Plural { branches, .. } => branches.iter().any(|(_, pieces)| among(pieces, field)),
            Piece::Clip(_) => false,
        })
    }
    prompt.pieces.iter().all(|language| among(language, field))
}
