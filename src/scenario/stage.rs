//! Where a script is played: in the virtual world, or in a real call.

use std::time::Duration;

use crate::auth::FactorId;
use crate::secret::Secret;
use crate::units::Digit;

use super::document::{AgentAct, Keys, Reply, Voice, Want};
use super::seen::Seen;

/// A call that a script can be played in.
pub trait Stage {
    /// What happened since this was last called.
    fn news(&mut self) -> Vec<Seen>;
    /// Lets the next thing happen; `false` when nothing will any more.
    fn go_on(&mut self) -> bool;
    /// Lets so much time pass, with whatever happens in it.
    fn pass(&mut self, time: Duration);
    /// Presses keys, and waits until they are pressed.
    fn press(&mut self, keys: &Keys, secret: bool);
    /// Says words, or makes a noise; the error says why that can't be.
    ///
    /// # Errors
    /// When nobody would hear it.
    fn say(&mut self, words: &str, confidence: u8) -> Result<(), String>;
    /// Says what is asked for to be known by their voice: whose it is, and whether the words are right.
    ///
    /// # Errors
    /// When nobody would hear it.
    fn speak(&mut self, voice: Voice, right: bool) -> Result<(), String>;
    /// Says a secret, digit by digit.
    ///
    /// # Errors
    /// When nobody would hear it.
    fn say_secret(&mut self, digits: &Secret<String>) -> Result<(), String>;
    /// Hangs up, and lets everything end that comes after it.
    fn hang_up(&mut self);
    /// What an agent does.
    ///
    /// # Errors
    /// When there is nothing that they could do it to.
    fn agent(&mut self, act: &AgentAct) -> Result<(), String>;
    /// What a service says from now on, or once.
    fn answers(&mut self, call: &str, reply: &Reply, once: bool);
    /// What the caller would key for a factor, were they who they say; digits that are wrong when `wrong`. Of
    /// questions, the answer to the one that is asked.
    fn response(&mut self, factor: FactorId, question: Option<&str>, wrong: bool) -> Option<Secret<String>>;
    /// Whether something is so that only the world outside of the flow knows.
    ///
    /// # Errors
    /// When it is not; what is.
    fn holds(&mut self, want: &Want) -> Result<(), String>;
    /// Whether something outside of the flow is under way that ends by itself at once: a judgement, a reply.
    fn busy(&self) -> bool;
    /// Writes a line of the caller's into the transcript.
    fn tell(&mut self, what: &str);
    /// Writes into the transcript that the test failed here.
    fn mark(&mut self, why: &str);
}

/// The keys of a text, as a script writes them.
pub(super) fn keys_of(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::from_char).collect()
}
