//! Decides what an offer or an answer means for us (RFC 3264 §6 and §7, RFC 6337).
//!
//! The first audio stream over `RTP/AVP` or `RTP/SAVP` that is not refused is ours. There is no downgrade: where any audio
//! is offered encrypted and we may, it is encrypted or refused. An answer of ours names one codec, the
//! first of the offer that we have: the peer then can't change codecs from packet to packet.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sdp_types::{Media, Session};

use super::super::srtp::{Crypto, LocalSrtp, sdes};
use super::write::{ENCRYPTED, Lines, Offered, PLAIN, Rtcp, Stream, description, offered_keys, rtcp_address};
use super::{
    COMFORT_NOISE, DEFAULT_PTIME_MS, Direction, Layout, LocalMedia, Meaning, MediaLine, Negotiated, Numbers,
    Remote, SdpError, event_rate, takes_noise,
};
use crate::audio::Codec;
use crate::units::PayloadType;

/// Our answer to an offer.
///
/// # Errors
///
/// When the offer is garbage (400) or holds nothing we can take part in (488): [`SdpError::status`].
pub fn answer(offer: &[u8], local: &LocalMedia) -> Result<Negotiated, SdpError> {
    let session = parse(offer)?;
    let (index, crypto) = offered_audio(&session, local)?;
    let media = session.medias.get(index).ok_or(SdpError::NoAudio)?;
    let formats = Formats::of(media);
    let (payload_type, codec) = formats.first_of(&local.codecs).ok_or(SdpError::NoCommonCodec)?;
    let mut remote = remote(&session, media, (local, local.rtcp), payload_type, codec)?;
    let numbers = formats.offer(&local.numbers);
    // RFC 3264 §6.1: the answer uses the offer's numbers, so both ways are the same.
    remote.receive_event = remote.telephone_event;
    remote.receive_noise = remote.comfort_noise;
    remote.crypto = crypto.as_ref().map(|(_, crypto)| crypto.clone());
    let layout = layout(&session, index)?;
    let events: Vec<_> =
        remote.telephone_event.map(|number| (number, event_rate(remote.event_clock))).into_iter().collect();
    let stream = Stream {
        formats: &[(payload_type, codec)],
        noise: remote.comfort_noise,
        events: &events,
        ptime: remote.ptime,
        direction: remote.direction,
        rtcp: Rtcp::beside(local, remote.rtcp_mux),
        lines: crypto.as_ref().map_or(Lines::Plain, |(tag, crypto)| Lines::Answer(*tag, &crypto.ours)),
    };
    let body = description(local, &layout, &stream);
    Ok(Negotiated { body, remote, numbers, layout })
}

/// Takes the peer's answer to our offer.
///
/// # Errors
///
/// When the answer is garbage or refuses the stream.
pub fn accept_answer(answer: &[u8], local: &LocalMedia) -> Result<Negotiated, SdpError> {
    let session = parse(answer)?;
    let ours = offered_keys(local);
    let wanted = if ours.is_some() { ENCRYPTED } else { PLAIN };
    let index = audio_index(&session, wanted).ok_or(SdpError::NoAudio)?;
    let media = session.medias.get(index).ok_or(SdpError::NoAudio)?;
    // RFC 6337 §2: of several codecs in an answer the first is the one to use.
    let formats = Formats::of(media);
    let (payload_type, codec) = formats.first_of(&local.codecs).ok_or(SdpError::NoCommonCodec)?;
    // RFC 5761 §5.1.1: what was not offered can't be accepted, and who does not accept it wants two ports.
    let mut remote = remote(&session, media, (local, local.rtcp && local.rtcp_mux), payload_type, codec)?;
    // RFC 3264 §5.1: numbers are those of whoever receives.
    let offered = Offered::by(local);
    remote.receive_type = offered.format(codec).unwrap_or(payload_type);
    remote.receive_event = remote.telephone_event.and_then(|_| offered.event(remote.event_clock));
    remote.receive_noise = remote.comfort_noise.and(offered.noise);
    let numbers = formats.answer(offered.numbers);
    remote.crypto = match ours {
        Some(ours) => Some(sdes::accepted(crypto_lines(media), ours).ok_or(SdpError::Encryption)?),
        None => None,
    };
    Ok(Negotiated { body: Bytes::new(), remote, numbers, layout: layout(&session, index)? })
}

pub(super) fn parse(text: &[u8]) -> Result<Session, SdpError> {
    let lines_of_media = text.windows(3).filter(|window| *window == b"\nm=").count();
    if text.len() > MAX_OCTETS || lines_of_media > MAX_MEDIA_LINES {
        return Err(SdpError::TooLarge);
    }
    Session::parse(text).map_err(|_| SdpError::Malformed)
}

/// The stream of an offer to use, with the tag and the keys when it is encrypted.
fn offered_audio(session: &Session, local: &LocalMedia) -> Result<(usize, Option<(u32, Crypto)>), SdpError> {
    let encrypted = audio_index(session, ENCRYPTED);
    let plain = audio_index(session, PLAIN);
    match (&local.srtp, encrypted, plain) {
        (_, None, None) => Err(SdpError::NoAudio),
        (LocalSrtp::Optional(ours) | LocalSrtp::Required(ours), Some(index), _) => {
            let media = session.medias.get(index).ok_or(SdpError::NoAudio)?;
            let crypto = sdes::choose(crypto_lines(media), ours).ok_or(SdpError::Encryption)?;
            Ok((index, Some(crypto)))
        }
        (LocalSrtp::Off | LocalSrtp::Optional(_), _, Some(index)) => Ok((index, None)),
        (LocalSrtp::Off, Some(_), None) | (LocalSrtp::Required(_), None, Some(_)) => {
            Err(SdpError::Encryption)
        }
    }
}

pub(super) fn crypto_lines(media: &Media) -> impl Iterator<Item = &str> {
    media.get_attribute_values("crypto").flatten().take(MAX_CRYPTO_LINES)
}

/// The first audio with this protocol and a port.
fn audio_index(session: &Session, protocol: &str) -> Option<usize> {
    session.medias.iter().position(|media| {
        media.media.eq_ignore_ascii_case("audio")
            && media.proto.eq_ignore_ascii_case(protocol)
            && media.port != 0
    })
}

/// All m-lines of the session, the one at `ours` in use.
pub(super) fn layout(session: &Session, ours: usize) -> Result<Layout, SdpError> {
    let line = |(index, media): (usize, &Media)| {
        if index == ours {
            return Ok(MediaLine::Ours);
        }
        // What we write back must be tokens, whatever the parser let through.
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let formats_plain = media.fmt.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !plain(&media.media) || !plain(&media.proto) || !formats_plain {
            return Err(SdpError::Malformed);
        }
        Ok(MediaLine::Refused {
            media: media.media.clone(),
            proto: media.proto.clone(),
            formats: media.fmt.clone(),
        })
    };
    let lines = session.medias.iter().enumerate().map(line).collect::<Result<_, _>>()?;
    Ok(Layout { lines })
}

/// What the peer's stream says about where and how to send.
pub(super) fn remote(
    session: &Session,
    media: &Media,
    (local, may_mux): (&LocalMedia, bool),
    payload_type: PayloadType,
    codec: Codec,
) -> Result<Remote, SdpError> {
    let ip = connection_address(session, media)?;
    if ip.is_multicast() || ip.is_ipv4() != local.address.is_ipv4() {
        return Err(SdpError::Address);
    }
    let rtp = SocketAddr::new(ip, media.port);
    let formats = Formats::of(media);
    let event = formats.telephone_event(codec);
    let comfort_noise = formats.comfort_noise().filter(|_| local.comfort_noise && takes_noise(codec));
    let numbers = [Some(payload_type), event.map(|(number, _)| number), comfort_noise];
    let rtcp_mux =
        may_mux && media.has_attribute("rtcp-mux") && !numbers.into_iter().flatten().any(looks_like_rtcp);
    let rtcp = if !local.rtcp || !wants_rtcp(media) {
        None
    } else if rtcp_mux {
        Some(rtp)
    } else {
        Some(rtcp_attribute(media, ip).unwrap_or_else(|| rtcp_address(rtp)))
    };
    let mut direction = local.direction.and(direction(session, media).reversed());
    if ip.is_unspecified() {
        // RFC 3264 §8.4: the hold of older peers; nothing may be sent to them.
        direction = Direction::from_flows(false, direction.receives());
    }
    Ok(Remote {
        rtp,
        rtcp,
        codec,
        payload_type,
        receive_type: payload_type,
        telephone_event: event.map(|(number, _)| number),
        event_clock: event.map_or(1, |(_, clock)| clock),
        receive_event: None,
        comfort_noise,
        receive_noise: None,
        ptime: ptime(media, codec),
        direction,
        rtcp_mux,
        crypto: None,
    })
}

/// The stream's own address, else the session's (RFC 8866 §5.7).
fn connection_address(session: &Session, media: &Media) -> Result<IpAddr, SdpError> {
    let connection = media.connections.first().or(session.connection.as_ref()).ok_or(SdpError::Malformed)?;
    connection.try_address().map(|address| address.ip).map_err(|_| SdpError::Address)
}

/// RFC 3556 §2: bandwidth 0 for senders and receivers turns RTCP off.
fn wants_rtcp(media: &Media) -> bool {
    let is_off = |kind: &str| media.bandwidths.iter().any(|line| line.bwtype == kind && line.bandwidth == 0);
    !(is_off("RS") && is_off("RR"))
}

/// `a=rtcp:<port> [IN IP4 <address>]` (RFC 3605 §2.1).
fn rtcp_attribute(media: &Media, default_ip: IpAddr) -> Option<SocketAddr> {
    let value = media.get_first_attribute_value("rtcp")??;
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse::<u16>().ok().filter(|&port| port != 0)?;
    // Reports go to the host that gets the audio: another one may never have asked for them.
    let elsewhere = words.nth(2).is_some_and(|word| word.parse() != Ok(default_ip));
    (!elsewhere).then_some(SocketAddr::new(default_ip, port))
}

/// The stream's own direction, else the session's, else both ways (RFC 8866 §6.7).
fn direction(session: &Session, media: &Media) -> Direction {
    let first = |attributes: &[sdp_types::Attribute]| {
        attributes.iter().find_map(|attribute| Direction::from_name(&attribute.attribute))
    };
    first(&media.attributes).or_else(|| first(&session.attributes)).unwrap_or_default()
}

/// What the peer wants in a packet (RFC 8866 §6.4): the nearest that we send.
fn ptime(media: &Media, codec: Codec) -> Duration {
    let milliseconds = |name: &str| {
        let value = media.get_first_attribute_value(name)??;
        // Some write "20.0"; the fraction does not matter.
        value.trim().split('.').next()?.parse::<u64>().ok()
    };
    let most = codec.longest_packet_ms();
    let wanted = milliseconds("ptime")
        .filter(|&ms| ms > 0)
        .map_or(DEFAULT_PTIME_MS, |ms| (ms.min(most) + 4) / 10 * 10);
    let allowed = milliseconds("maxptime").filter(|&ms| ms > 0).map_or(most, |ms| ms / 10 * 10);
    Duration::from_millis(codec.packet_ms(wanted.min(allowed).clamp(SHORTEST_PTIME_MS, most)))
}

/// The formats of an m-line in their order, with what `a=rtpmap` says about each.
pub(super) struct Formats<'a> {
    list: Vec<(PayloadType, Option<&'a str>)>,
}

impl<'a> Formats<'a> {
    pub(super) fn of(media: &'a Media) -> Self {
        let list = media
            .fmt
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .filter(|&number: &u8| number < 128)
            .map(|number| (PayloadType(number), rtpmap(media, number)))
            .take(MAX_FORMATS)
            .collect();
        Self { list }
    }

    /// What each number means.
    fn meanings(&self) -> impl Iterator<Item = (PayloadType, Meaning)> {
        self.list.iter().map(|&(number, map)| {
            let codec = match map {
                Some(map) => codec_of_map(map),
                None => Codec::from_payload_type(number),
            };
            let event = [1, 6].into_iter().find(|&clock| map.is_some_and(|map| is_event(map, clock)));
            let noise = map.map_or(number == COMFORT_NOISE, is_noise).then_some(Meaning::Noise);
            let meaning = codec.map(Meaning::Codec).or(event.map(Meaning::Event)).or(noise);
            (number, meaning.unwrap_or(Meaning::Other))
        })
    }

    /// The numbers of a session behind this offer of the peer's.
    fn offer(&self, before: &Numbers) -> Numbers {
        let mut numbers = before.clone();
        self.meanings().for_each(|(number, meaning)| numbers.offered(number, meaning));
        numbers
    }

    /// Those behind this answer of the peer's to an offer of ours.
    fn answer(&self, mut numbers: Numbers) -> Numbers {
        self.meanings().for_each(|(number, meaning)| numbers.answered(number, meaning));
        numbers
    }

    /// The first format of the peer's that is one of `codecs`.
    pub(super) fn first_of(&self, codecs: &[Codec]) -> Option<(PayloadType, Codec)> {
        self.list.iter().find_map(|&(number, map)| {
            let codec = match map {
                Some(map) => codec_of_map(map)?,
                // RFC 3551 §6: static numbers need no rtpmap.
                None => Codec::from_payload_type(number)?,
            };
            codecs.contains(&codec).then_some((number, codec))
        })
    }

    /// Comfort noise at 8,000 Hz.
    fn comfort_noise(&self) -> Option<PayloadType> {
        let found = self.list.iter().find(|(number, map)| map.map_or(*number == COMFORT_NOISE, is_noise));
        found.map(|&(number, _)| number)
    }

    /// Telephone-events and how far they count in a tick: at the codec's clock (RFC 4733 §2.1: a stream has one), else at
    /// 8,000 Hz, which some phones say beside Opus too: of theirs only the durations count so.
    fn telephone_event(&self, codec: Codec) -> Option<(PayloadType, u16)> {
        let at = |clock: u16| {
            let found = self.list.iter().find(|(_, map)| map.is_some_and(|map| is_event(map, clock)));
            found.map(|&(number, _)| (number, clock))
        };
        at(codec.clock_of_tick()).or_else(|| at(1))
    }
}

/// `<encoding name>/<clock rate>[/<channels>]` of a payload type.
fn rtpmap(media: &Media, number: u8) -> Option<&str> {
    media.get_attribute_values("rtpmap").find_map(|value| {
        let (word, map) = value?.trim().split_once(' ')?;
        (word.parse() == Ok(number)).then_some(map.trim())
    })
}

/// Telephone-events that go so far in a tick.
fn is_event(map: &str, clock: u16) -> bool {
    let mut parts = map.split('/').map(str::trim);
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("telephone-event"))
        && parts.next().is_some_and(|rate| rate.parse() == Ok(event_rate(clock)))
}

/// Comfort noise at 8,000 Hz.
fn is_noise(map: &str) -> bool {
    let mut parts = map.split('/').map(str::trim);
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("CN")) && parts.next() == Some("8000")
}

/// RFC 5761 §4: behind a marker such a number is a packet type of RTCP.
fn looks_like_rtcp(number: PayloadType) -> bool {
    (64..=95).contains(&number.0)
}

fn codec_of_map(map: &str) -> Option<Codec> {
    let mut parts = map.split('/');
    let codec = Codec::from_name(parts.next()?.trim())?;
    let is_clock = parts.next()?.trim().parse() == Ok(codec.clock_rate());
    let channels = parts.next().map(str::trim);
    let is_layout = match codec.channels() {
        Some(wanted) => channels == Some(wanted),
        None => channels.is_none_or(|channels| channels == "1"),
    };
    (is_clock && is_layout).then_some(codec)
}

/// The shortest packet that we send: a receiver that wants still less gets this.
const SHORTEST_PTIME_MS: u64 = 10;
/// A description of one call has a handful of streams; the rest is an attack.
const MAX_MEDIA_LINES: usize = 32;
/// More octets than any description of a call.
const MAX_OCTETS: usize = 16 * 1024;
/// Suites that anybody offers.
const MAX_CRYPTO_LINES: usize = 16;
/// There are 128 payload types.
const MAX_FORMATS: usize = 128;

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
