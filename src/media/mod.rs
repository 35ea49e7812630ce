//! Media of one leg: SDP offers and answers, RTP and RTCP, telephone-events, the player. No I/O.
//!
//! [`MediaSession`] is the machine; [`sdp`] says what the two sides agreed on; [`rtp`] holds the parts that
//! carry RFC nouns. Nothing here knows SIP, a call or a caller: it sees datagrams and gives datagrams,
//! keys and frames. A telephone-event payload is a key, perhaps of a PIN, so no type here prints a payload.

mod bridge;
mod capture;
mod decoding;
pub mod frame;
pub mod inband;
pub mod inbound;
pub mod io;
pub mod latch;
pub mod outbound;
pub mod player;
pub mod recorded_stream;
pub mod recorder;
pub mod rtp;
pub mod sdp;
pub mod session;
mod silence;
pub mod srtp;
pub mod stats;
pub mod terms;
mod voice;

pub use capture::{Endpoint, Said};
pub use frame::Frame;
pub(crate) use frame::is_quiet;
pub use inband::InbandKeys;
pub use io::{Event, Input, NoAudio, Output};
pub use latch::{Acquaintance, LatchPolicy};
pub use recorded_stream::RecordedStream;
pub use rtp::jitter::JitterConfig;
pub use rtp::packet::Packet;
pub use sdp::{Direction, LocalMedia, Negotiated, Remote, SdpError};
pub use session::{MediaConfig, MediaSession};
pub use srtp::{LocalSrtp, SrtpPolicy};
pub use stats::MediaStats;
pub use terms::{CodecList, MediaTerms};
pub use voice::Attention;
