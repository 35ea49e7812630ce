//! Flow tests: an application's calls, played from a file in virtual time.
//!
//! A test is a script for a caller ([`document`]); [`read()`] makes one from a file and tells all that is
//! wrong with it. [`play()`] runs it: the flow run is the one of a real call, the world around it
//! ([`Stage`]) is made of fixtures. What it walked through is counted as [`Coverage`]; what went otherwise
//! than written is a [`Diagnostic`](crate::diagnostic::Diagnostic) at the place in the test, with the
//! transcript beside it.

mod booth;
mod caller;
mod coverage;
pub mod document;
mod failure;
mod leaks;
mod line;
mod names;
mod performer;
mod places;
mod play;
pub mod read;
mod report;
mod schema;
mod seen;
mod sent;
mod services;
mod stage;
mod transcript;
mod vault;
mod wanted;
mod world;

pub use booth::{Booth, Visit};
pub use coverage::{Coverage, Share};
pub use failure::Failure;
pub use leaks::Leaks;
pub(crate) use names::question_prompts;
pub use performer::in_words;
pub use play::{Played, Problem, perform, play};
pub use read::read;
pub use report::{Choice, Report, Tested, junit};
pub use schema::schema;
pub use seen::{Asked, Seen};
pub use services::Services;
pub use stage::Stage;
pub use transcript::{Line, Transcript};
pub(crate) use vault::answer;
pub use world::Sounds;
