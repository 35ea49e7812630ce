//! The real networks, as `countersign models install` brings them: callers whom they know by their voice.
//!
//! With `COUNTERSIGN_PEERS=1`, in a release build; voices and digits are people's, of `COUNTERSIGN_CORPUS`.
#![expect(clippy::print_stderr, reason = "the figures are the result")]

#[path = "../bank_world/mod.rs"]
mod bank_world;
mod callers;
#[path = "../folder/mod.rs"]
mod folder;
#[path = "../networks_world/mod.rs"]
mod networks_world;
mod person;
#[path = "../world/mod.rs"]
mod world;
