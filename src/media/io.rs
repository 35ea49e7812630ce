//! The interface of a media session: what happens to it, what it wants done, what it noticed.

use std::net::SocketAddr;
use std::time::Instant;

use super::capture::Said;
use super::frame::Frame;
use super::rtp::packet::Packet;
use crate::units::{Digit, PlayId};

/// Something that happened to a session.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came to the RTP port.
    Rtp {
        /// When it came, which may be a while ago: it lay at its socket.
        came: Instant,
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// A datagram came to the RTCP port.
    Rtcp {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// The time of the last [`Output::Timeout`] has come.
    Timeout,
}

/// What a session wants done.
pub enum Output {
    /// Send from the RTP port.
    Rtp {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Send from the RTCP port.
    Rtcp {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Something the call may care about.
    Event(Event),
    /// 20 ms of what the peer says, while someone listens.
    Frame(Frame),
    /// What the peer said in one go, while somebody wants it: see [`Event::Speaking`].
    Said(Box<Said>),
    /// What the peer hears from now on, while someone wants it: the audio of the packet before this.
    Heard(Frame),
    /// Nothing more to do until then; `None`: until the next input.
    Timeout(Option<Instant>),
}

/// What a session noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed. Reported once a press, when its first packet is seen.
    Digit(Digit),
    /// A key was heard in the audio. Once a press; the same press may also have come as a [`Event::Digit`].
    Tone(Digit),
    /// The peer has begun to speak. Once a stretch of speech, while somebody attends.
    Voice,
    /// The peer speaks (`true`); or was only taken for somebody who speaks. While what is said is wanted. After `true` comes
    /// `false` or [`Output::Said`].
    Speaking(bool),
    /// The last packet of this order to play has been handed out.
    PlayFinished(PlayId),
    /// From now on this source is the peer.
    Latched(SocketAddr),
    /// The first packet from the peer came.
    FirstPacket,
    /// No media for the silence timeout; once per silence.
    Silent,
    /// No media for three seconds, and why, as far as that can be seen here; once per silence.
    NoAudio(NoAudio),
    /// Media is here again after [`Event::NoAudio`].
    AudioAgain,
}

/// Why no media comes, by what came meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAudio {
    /// Nothing ever came: a firewall, or an address that leads elsewhere.
    Never,
    /// It came and stopped.
    Stopped,
    /// It comes from an address that is not the peer's.
    Elsewhere,
    /// It is of a kind that nobody agreed on.
    OtherKind,
    /// Its keys are not those of the description.
    WrongKeys,
    /// What comes is no media.
    Garbage,
}

impl NoAudio {
    /// As the record names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Stopped => "stopped",
            Self::Elsewhere => "elsewhere",
            Self::OtherKind => "other_kind",
            Self::WrongKeys => "wrong_keys",
            Self::Garbage => "garbage",
        }
    }
}
