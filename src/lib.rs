//! Countersign: an IVR engine that proves who is calling.
//!
//! The crate is built in layers; dependencies point down only (`tests/layers.rs` holds the table):
//!
//! ```text
//! main, cli, phone      exit codes, subcommands, the test caller and the demo agent
//! driver                sockets, clock, randomness, files, stores, worker pools
//! ── below: no I/O, no clock, no locks, no threads ──
//! engine                all calls of a shard
//! call                  one call: legs, flow run, media, record
//! flow                  the YAML language: document, check, run, steps
//! routing   auth        agents and queues; claims, factors, levels, grants
//! media                 SDP, RTP, RTCP, telephone-events, players
//! sip       audio       messages, transactions, dialogs; codecs, tones, files
//! units, secret, diagnostic
//! ```
//!
//! Machines of the core have one shape: `handle(now, input)`, then `poll()` until it says when it wants to
//! be woken. Slow outside work leaves as a question and comes back as an answer.
//!
//! # Laws
//!
//! 1. The core never reads a clock.
//! 2. Outputs are drained before the next input.
//! 3. A level rises only by `Accept`.
//! 4. Every error, timeout or full queue leaves it unchanged.
//! 5. No secret reaches a log, error, trace, metric, record or panic message.
//! 6. One press is one `Digit`, under loss, repeats, a missing marker or end packet.
//! 7. The media tick never waits.
//! 8. Every call ends in exactly one `CallRecord` and gives back its ports and timers.
//! 9. Failed attempts are counted per subject across calls, and committed before the verdict is spoken.
//! 10. Every queue, buffer and wait has a bound.

pub mod audio;
pub mod auth;
pub mod call;
pub mod diagnostic;
pub mod driver;
pub mod engine;
pub mod flow;
pub mod media;
pub mod phone;
pub mod routing;
pub mod secret;
pub mod sip;
pub mod units;
