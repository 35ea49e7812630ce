//! How a phone is set up, what happens to it, and why it may fail.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use bytes::Bytes;
use thiserror::Error;

use crate::audio::Codec;
use crate::driver::ports::PortError;
use crate::media::SrtpPolicy;
use crate::sip::{EndCause, Headers, SessionId, StatusCode};
use crate::units::{Digit, PlayId};

/// Why a phone can't do what it is asked.
#[derive(Debug, Error)]
pub enum PhoneError {
    /// Its address can't be bound, or the system gives no sockets.
    #[error("the phone cannot use {address}: {source}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No media port.
    #[error("the phone has no media port: {0}")]
    Port(#[from] PortError),
    /// The URI is not one that can be dialled.
    #[error(
        "`{0}` cannot be dialled\n  help: write sip:USER@ADDRESS:PORT with a numeric address, such as sip:bank@127.0.0.1:5060"
    )]
    NotDialable(String),
}

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// The SIP address; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// The user part of its address.
    pub user: String,
    /// What it can speak, best first.
    pub codecs: Vec<Codec>,
    /// Its media ports.
    pub rtp_ports: RangeInclusive<u16>,
    /// Whether it sends and expects RTCP.
    pub rtcp: bool,
    /// Whether to ask the engine to tell what happens in the call (RFC 6086, package `countersign-trace`).
    pub wants_trace: bool,
    /// Headers that its calls carry besides, each with its name.
    pub headers: Vec<(String, String)>,
    /// Whether its media is encrypted.
    pub srtp: SrtpPolicy,
}

impl PhoneConfig {
    /// A phone on loopback at a port that the system chooses.
    #[must_use]
    pub fn loopback(user: &str, rtp_ports: RangeInclusive<u16>) -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: user.to_owned(),
            codecs: Codec::G711.to_vec(),
            rtp_ports,
            rtcp: true,
            wants_trace: true,
            headers: Vec::new(),
            srtp: SrtpPolicy::Off,
        }
    }

    /// Calls as a carrier passes them on that verified the number at this level of attestation (`A`, `B`, `C`).
    #[must_use]
    pub fn vouched(mut self, level: &str) -> Self {
        let identity = format!("<sip:{};verstat=TN-Validation-Passed@localhost;user=phone>", self.user);
        self.headers.push(("P-Asserted-Identity".to_owned(), identity));
        self.headers.push(("Attestation-Info".to_owned(), level.to_owned()));
        self
    }
}

/// Something that happened to a phone.
pub enum PhoneEvent {
    /// It rings; [`super::Phone::answer`] or [`super::Phone::reject`].
    Incoming {
        /// The call.
        session: SessionId,
        /// The headers of the INVITE.
        headers: Headers,
    },
    /// The far end rings.
    Ringing(SessionId),
    /// The call is up.
    Answered(SessionId),
    /// 20 ms of what the far end says.
    Heard(SessionId, Vec<i16>),
    /// The far end pressed a key.
    Digit(SessionId, Digit),
    /// What was to be played is over.
    PlayFinished(SessionId, PlayId),
    /// The engine tells what happens in the call.
    Trace(SessionId, Bytes),
    /// An answer to a request of our own.
    Response(StatusCode),
    /// The call was not taken.
    Failed(SessionId, StatusCode),
    /// The call is over.
    Ended(SessionId, EndCause),
}
