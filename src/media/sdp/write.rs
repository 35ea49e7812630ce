//! The text of our descriptions (RFC 8866 §5): the same few lines each time, so they are simply written.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::super::srtp::{Keying, LocalSrtp, OurKeys, sdes};
use super::{
    DEFAULT_PTIME_MS, Direction, Layout, LocalMedia, Meaning, MediaLine, Numbers, event_rate, takes_noise,
};
use crate::audio::Codec;
use crate::units::PayloadType;

/// Our first offer of a dialog.
#[must_use]
pub fn offer(local: &LocalMedia) -> Bytes {
    reoffer(local, &Layout { lines: vec![MediaLine::Ours] })
}

/// Our offer within a session whose m-lines are known: it repeats them all (RFC 3264 §8).
#[must_use]
pub fn reoffer(local: &LocalMedia, layout: &Layout) -> Bytes {
    let Offered { formats, noise, events, .. } = Offered::by(local);
    let stream = Stream {
        formats: &formats,
        noise,
        events: &events,
        ptime: Duration::from_millis(DEFAULT_PTIME_MS),
        direction: local.direction,
        rtcp: Rtcp::offered(local),
        lines: offered_keys(local).map_or(Lines::Plain, Lines::Offer),
    };
    description(local, layout, &stream)
}

/// The formats of an offer of ours, with their numbers.
pub(super) struct Offered {
    pub(super) formats: Vec<(PayloadType, Codec)>,
    pub(super) noise: Option<PayloadType>,
    /// One for each clock (RFC 4733 §2.1), in the order of the codecs; at 8,000 Hz always, for those who know no other.
    pub(super) events: Vec<(PayloadType, u32)>,
    /// With what is offered here.
    pub(super) numbers: Numbers,
}

impl Offered {
    /// What such a side offers. It is the same until the numbers change.
    pub(super) fn by(local: &LocalMedia) -> Self {
        let mut numbers = local.numbers.clone();
        let codecs = || local.codecs.iter().copied();
        let formats =
            codecs().filter_map(|codec| Some((numbers.ours(Meaning::Codec(codec))?, codec))).collect();
        let wants_noise = local.comfort_noise && codecs().any(takes_noise);
        let noise = wants_noise.then(|| numbers.ours(Meaning::Noise)).flatten();
        let mut events: Vec<(PayloadType, u32)> = Vec::new();
        for clock in codecs().map(Codec::clock_of_tick).chain([1]) {
            let event = numbers.ours(Meaning::Event(clock)).map(|number| (number, event_rate(clock)));
            events.extend(event.filter(|event| !events.contains(event)));
        }
        Self { formats, noise, events, numbers }
    }

    /// The number of telephone-events that go so far in a tick.
    pub(super) fn event(&self, clock: u16) -> Option<PayloadType> {
        let rate = event_rate(clock);
        self.events.iter().find(|(_, other)| *other == rate).map(|&(number, _)| number)
    }

    /// The number of a codec.
    pub(super) fn format(&self, codec: Codec) -> Option<PayloadType> {
        self.formats.iter().find(|(_, other)| *other == codec).map(|&(number, _)| number)
    }
}

/// Where a description wants reports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rtcp {
    /// Nowhere.
    None,
    /// On a port of their own.
    Apart,
    /// On the RTP port.
    Muxed,
    /// On the RTP port, or on their own where the peer does not know that (RFC 5761 §5.1.3).
    Either,
}

impl Rtcp {
    /// Where both sides have settled on one port, or have not.
    pub(super) const fn beside(local: &LocalMedia, muxed: bool) -> Self {
        match (local.rtcp, muxed) {
            (false, _) => Self::None,
            (true, false) => Self::Apart,
            (true, true) => Self::Muxed,
        }
    }

    fn offered(local: &LocalMedia) -> Self {
        match (local.rtcp, local.rtcp_mux) {
            (false, _) => Self::None,
            (true, false) => Self::Apart,
            (true, true) => Self::Either,
        }
    }
}

/// The keys that go into an offer of ours: where plain media is allowed we offer that, since a peer can't take either.
pub(super) fn offered_keys(local: &LocalMedia) -> Option<&OurKeys> {
    match &local.srtp {
        LocalSrtp::Required(keys) => Some(keys),
        LocalSrtp::Off | LocalSrtp::Optional(_) => None,
    }
}

/// The protocol of plain media (RFC 3551).
pub(super) const PLAIN: &str = "RTP/AVP";
/// The protocol of encrypted media (RFC 3711 §12).
pub(super) const ENCRYPTED: &str = "RTP/SAVP";

/// What a description says of encryption.
pub(super) enum Lines<'a> {
    /// Nothing.
    Plain,
    /// All that we can do.
    Offer(&'a OurKeys),
    /// What was taken of an offer, by its tag.
    Answer(u32, &'a Keying),
}

/// The audio stream of a description.
pub(super) struct Stream<'a> {
    /// Formats in order of preference.
    pub(super) formats: &'a [(PayloadType, Codec)],
    /// Comfort noise.
    pub(super) noise: Option<PayloadType>,
    /// Telephone-events and their clock rates.
    pub(super) events: &'a [(PayloadType, u32)],
    /// What goes into a packet.
    pub(super) ptime: Duration,
    /// Our direction.
    pub(super) direction: Direction,
    /// Where reports go.
    pub(super) rtcp: Rtcp,
    /// Encryption.
    pub(super) lines: Lines<'a>,
}

/// A whole description: the stream in its place, all other lines refused.
pub(super) fn description(local: &LocalMedia, layout: &Layout, stream: &Stream<'_>) -> Bytes {
    let mut text = String::with_capacity(400);
    // Writing to a String cannot fail.
    let _ = head(&mut text, local);
    for line in &layout.lines {
        let _ = match line {
            MediaLine::Ours => audio(&mut text, local, stream),
            // RFC 3264 §6: a refused stream keeps its place, with port zero.
            MediaLine::Refused { media, proto, formats } => {
                write!(text, "m={media} 0 {proto} {formats}\r\n")
            }
        };
    }
    Bytes::from(text)
}

pub(super) fn head(text: &mut String, local: &LocalMedia) -> std::fmt::Result {
    let address = Address(local.address.ip());
    write!(
        text,
        "v=0\r\no=- {} {} IN {address}\r\ns=-\r\nc=IN {address}\r\nt=0 0\r\n",
        local.session_id, local.version
    )
}

pub(super) fn audio(text: &mut String, local: &LocalMedia, stream: &Stream<'_>) -> std::fmt::Result {
    let protocol = if matches!(stream.lines, Lines::Plain) { PLAIN } else { ENCRYPTED };
    write!(text, "m=audio {} {protocol}", local.address.port())?;
    for (payload_type, _) in stream.formats {
        write!(text, " {}", payload_type.0)?;
    }
    if let Some(PayloadType(number)) = stream.noise {
        write!(text, " {number}")?;
    }
    for (PayloadType(number), _) in stream.events {
        write!(text, " {number}")?;
    }
    text.push_str("\r\n");
    for (payload_type, codec) in stream.formats {
        write!(text, "a=rtpmap:{} {}/{}", payload_type.0, codec.name(), codec.clock_rate())?;
        if let Some(channels) = codec.channels() {
            write!(text, "/{channels}")?;
        }
        text.push_str("\r\n");
        if let Some(parameters) = codec.parameters() {
            write!(text, "a=fmtp:{} {parameters}\r\n", payload_type.0)?;
        }
    }
    if let Some(PayloadType(number)) = stream.noise {
        write!(text, "a=rtpmap:{number} CN/8000\r\n")?;
    }
    for (PayloadType(number), rate) in stream.events {
        // RFC 4733 §2.4.1: the sixteen keys.
        write!(text, "a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-15\r\n")?;
    }
    write!(text, "a=ptime:{}\r\na={}\r\n", stream.ptime.as_millis(), stream.direction.name())?;
    match stream.lines {
        Lines::Plain => {}
        Lines::Offer(ours) => sdes::write_offer(text, ours),
        Lines::Answer(tag, key) => sdes::write_line(text, tag, key),
    }
    if matches!(stream.rtcp, Rtcp::Muxed | Rtcp::Either) {
        text.push_str("a=rtcp-mux\r\n");
    }
    // RFC 3556 §2: no bandwidth for RTCP means none is sent. `b=` may not follow `a=`, so it is left out; a peer that
    // reports anyway is not answered.
    if matches!(stream.rtcp, Rtcp::Apart | Rtcp::Either) {
        write!(text, "a=rtcp:{}\r\n", rtcp_address(local.address).port())?;
    }
    Ok(())
}

/// RTCP goes to the next port (RFC 3550 §11).
pub(super) fn rtcp_address(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

/// `<addrtype> <address>`.
struct Address(IpAddr);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = if self.0.is_ipv4() { "IP4" } else { "IP6" };
        write!(f, "{family} {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_names_every_codec_and_the_keys() {
        let local = LocalMedia::new("192.0.2.7:20000".parse().expect("an address"), 42);
        let text = String::from_utf8(offer(&local).to_vec()).expect("ASCII");
        assert_eq!(
            text,
            "v=0\r\no=- 42 0 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\na=rtcp:20001\r\n"
        );
    }

    #[test]
    fn an_ipv6_offer_says_so_and_a_bumped_one_counts() {
        let mut local = LocalMedia::new("[2001:db8::1]:4000".parse().expect("an address"), 7);
        local.bump();
        let text = String::from_utf8(offer(&local).to_vec()).expect("ASCII");
        assert!(text.contains("o=- 7 1 IN IP6 2001:db8::1\r\n"), "{text}");
        assert!(text.contains("c=IN IP6 2001:db8::1\r\n"), "{text}");
    }
}
