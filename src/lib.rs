//! Countersign: an IVR engine that proves who is calling.
//!
//! The crate is built in layers; dependencies point down only (`tests/layers.rs` holds the table):
//!
//! ```text
//! main, cli             exit codes, subcommands
//! rehearsal             flow tests as real calls over loopback
//! load                  many callers at once, measured
//! phone                 the test caller and the demo agent
//! driver                sockets, clock, randomness, files, stores, worker pools
//! ── below: no I/O, no clock, no locks, no threads ──
//! engine                all calls of a shard
//! scenario              flow tests: scripts of callers, played in virtual time
//! call                  one call: legs, flow run, media, record
//! diff, draw            what changed between two versions of a flow; a flow as a picture
//! flow                  the YAML language: document, check, run, steps
//! routing   auth        agents and queues; claims, factors, levels, grants
//! voice                 networks that hear: what is said, whose voice it is
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
//! Each is followed by the tests that hold it.
//!
//! 1. The core never reads a clock.
//!    - `tests/layers.rs`: `the_core_does_no_io_and_reads_no_clock`
//! 2. Outputs are drained before the next input.
//!    - `tests/laws.rs`: `every_machine_wants_its_outputs_drained_before_the_next_input`
//!    - `tests/laws_flow.rs`: `law_2_an_input_before_the_orders_are_drained_is_a_broken_law`
//! 3. A level rises only by `Accept`.
//!    - `tests/auth_model.rs`: `level_rises_only_by_accept`
//!    - `tests/laws_flow.rs`: `law_3_a_level_rises_only_by_accept_in_any_order_of_inputs`
//! 4. Every error, timeout or full queue leaves it unchanged.
//!    - `tests/auth_model.rs`: `errors_leave_the_level`
//!    - `tests/laws_flow.rs`: `law_4_every_error_timeout_or_full_queue_leaves_the_level_unchanged`
//! 5. No secret reaches a log, error, trace, metric, record or panic message.
//!    - `tests/no_secret_in_logs.rs`: `a_whole_call_leaves_no_secret_in_logs_records_or_files`
//!    - `tests/laws_flow.rs`: `law_5_no_key_is_in_any_trace`
//!    - `tests/auth_at_rest.rs`: `no_pin_code_number_name_or_seed_is_in_the_files`
//! 6. One press is one `Digit`, under loss, repeats, a missing marker or end packet, or told in two ways.
//!    - `tests/media_keys.rs`: `one_press_is_one_digit`
//!    - `src/call/press.rs`: `a_press_told_in_two_ways_counts_once`
//! 7. The media tick never waits.
//!    - `tests/media_loop.rs`: `the_media_tick_never_waits`
//! 8. Every call ends in exactly one `CallRecord` and gives back its ports and timers.
//!    - `tests/call_orders.rs`: `every_call_ends_in_exactly_one_record`, `any_order_of_events_settles`
//! 9. Failed attempts are counted per subject across calls, and committed before the verdict is spoken.
//!    - `tests/auth_limits.rs`: `failed_attempts_are_counted_per_subject_and_committed_before_the_verdict`
//! 10. Every queue, buffer and wait has a bound.
//!     - `tests/laws.rs`: `a_flooded_machine_keeps_no_more_than_its_bound`, `no_wait_is_without_end`
//!     - `tests/layers.rs`: `no_queue_between_threads_is_without_a_bound`

pub mod audio;
pub mod auth;
pub mod call;
pub mod diagnostic;
pub mod diff;
pub mod draw;
pub mod driver;
pub mod engine;
pub mod flow;
pub mod load;
pub mod media;
pub mod phone;
pub mod rehearsal;
pub mod routing;
pub mod scenario;
pub mod secret;
pub mod sip;
pub mod units;
pub mod voice;
