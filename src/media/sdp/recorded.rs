//! The description of a recording session (RFC 7866 §7): two lines of G.711 that we only send, each with its label.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use sdp_types::{Media, Session};

use super::super::srtp::sdes;
use super::negotiate::{Formats, crypto_lines, layout, parse, remote};
use super::write::{self, ENCRYPTED, Lines, PLAIN, Rtcp, Stream, offered_keys};
use super::{DEFAULT_PTIME_MS, LocalMedia, MediaLine, Remote, SdpError};
use crate::audio::Codec;
use crate::units::{PayloadType, Ssrc};

/// Our half of one line.
#[derive(Clone, Debug)]
pub struct RecordedLine {
    /// Where its packets come from; the session id and version of the first line count for all.
    pub local: LocalMedia,
    /// Names the line in the metadata (RFC 4574).
    pub label: &'static str,
    /// Whose packets they are (RFC 5576).
    pub ssrc: Ssrc,
    /// The canonical name of that source.
    pub cname: String,
}

/// What became of each line; `None` of one that the peer refused.
pub type Accepted = [Option<Remote>; 2];

/// Our offer, the first and every later one.
#[must_use]
pub fn offer(lines: &[RecordedLine; 2]) -> Bytes {
    let mut text = begin(lines);
    for line in lines {
        let formats: Vec<_> = line.local.codecs.iter().map(|&codec| (codec.payload_type(), codec)).collect();
        let keys = offered_keys(&line.local).map_or(Lines::Plain, Lines::Offer);
        describe(&mut text, line, &formats, keys, None);
    }
    Bytes::from(text)
}

/// Takes the peer's answer to our offer. A line may be refused; what is taken must be as we offered it.
///
/// # Errors
/// When the answer is garbage, or takes a line in a way that we did not offer.
pub fn accept(answer: &[u8], lines: &[RecordedLine; 2]) -> Result<Accepted, SdpError> {
    let session = parse(answer)?;
    let [first, second] = lines;
    let mut taken = [None, None];
    for (index, (line, taken)) in [first, second].into_iter().zip(&mut taken).enumerate() {
        let Some(media) = session.medias.get(index).filter(|media| media.port != 0) else { continue };
        // We did not offer to share a port, so that can't be accepted (RFC 5761 §5.1.1).
        let (mut remote, _) = agreed(&session, media, (&line.local, false))?;
        remote.crypto = match offered_keys(&line.local) {
            Some(ours) => Some(sdes::accepted(crypto_lines(media), ours).ok_or(SdpError::Encryption)?),
            None => None,
        };
        *taken = Some(remote);
    }
    Ok(taken)
}

/// Our answer to a later offer of the peer's: it may hold a line, let it go on, move it or give it up.
///
/// # Errors
/// As [`accept`].
pub fn answer(offer: &[u8], lines: &[RecordedLine; 2]) -> Result<(Bytes, Accepted), SdpError> {
    let session = parse(offer)?;
    // What is not ours to say is repeated with port zero.
    let refused = layout(&session, usize::MAX)?.lines;
    let mut text = begin(lines);
    let mut taken = [None, None];
    for (index, (media, refused)) in session.medias.iter().zip(refused).enumerate() {
        if let (Some(line), Some(taken)) = (lines.get(index), taken.get_mut(index))
            && media.port != 0
        {
            let (mut remote, formats) = agreed(&session, media, (&line.local, line.local.rtcp))?;
            let chosen = match offered_keys(&line.local) {
                Some(ours) => Some(sdes::choose(crypto_lines(media), ours).ok_or(SdpError::Encryption)?),
                None => None,
            };
            let keys =
                chosen.as_ref().map_or(Lines::Plain, |(tag, crypto)| Lines::Answer(*tag, &crypto.ours));
            describe(&mut text, line, &[formats], keys, Some(&remote));
            remote.crypto = chosen.map(|(_, crypto)| crypto);
            *taken = Some(remote);
        } else if let MediaLine::Refused { media, proto, formats } = refused {
            // Writing to a String cannot fail.
            let _ = write!(text, "m={media} 0 {proto} {formats}\r\n");
        }
    }
    Ok((Bytes::from(text), taken))
}

/// What a line of the peer's comes to beside ours.
fn agreed(
    session: &Session,
    media: &Media,
    (local, may_mux): (&LocalMedia, bool),
) -> Result<(Remote, (PayloadType, Codec)), SdpError> {
    let wanted = if offered_keys(local).is_some() { ENCRYPTED } else { PLAIN };
    if !media.media.eq_ignore_ascii_case("audio") {
        return Err(SdpError::NoAudio);
    }
    if !media.proto.eq_ignore_ascii_case(wanted) {
        return Err(SdpError::Encryption);
    }
    let format = Formats::of(media).first_of(&local.codecs).ok_or(SdpError::NoCommonCodec)?;
    let remote = remote(session, media, (local, may_mux), format.0, format.1)?;
    Ok((remote, format))
}

fn begin(lines: &[RecordedLine; 2]) -> String {
    let mut text = String::with_capacity(800);
    let [first, _] = lines;
    // Writing to a String cannot fail.
    let _ = write::head(&mut text, &first.local);
    text
}

fn describe(
    text: &mut String,
    line: &RecordedLine,
    formats: &[(PayloadType, Codec)],
    lines: Lines<'_>,
    agreed: Option<&Remote>,
) {
    let stream = Stream {
        formats,
        events: &[],
        noise: None,
        ptime: Duration::from_millis(DEFAULT_PTIME_MS),
        direction: agreed.map_or(line.local.direction, |remote| remote.direction),
        rtcp: Rtcp::beside(&line.local, agreed.is_some_and(|remote| remote.rtcp_mux)),
        lines,
    };
    let _ = write::audio(text, &line.local, &stream);
    let RecordedLine { label, ssrc, cname, .. } = line;
    let _ = write!(text, "a=label:{label}\r\na=ssrc:{} cname:{cname}\r\n", ssrc.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sdp::Direction;
    use crate::media::srtp::{LocalSrtp, SrtpPolicy};
    use crate::units::Entropy;

    fn lines(policy: SrtpPolicy) -> [RecordedLine; 2] {
        let mut entropy = Entropy::from_seed([3; 32]);
        [("1", 20_000), ("2", 20_002)].map(|(label, port)| {
            let address = std::net::SocketAddr::from(([192, 0, 2, 7], port));
            let mut local = LocalMedia::new(address, 42);
            local.direction = Direction::SendOnly;
            local.srtp = LocalSrtp::draw(policy, &mut entropy);
            RecordedLine { local, label, ssrc: Ssrc(port.into()), cname: "name".to_owned() }
        })
    }

    fn described(media: &str) -> Vec<u8> {
        format!("v=0\r\no=x 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{media}")
            .replace('|', "\r\n")
            .into_bytes()
    }

    #[test]
    fn an_offer_has_two_lines_that_only_send() {
        let text = String::from_utf8(offer(&lines(SrtpPolicy::Off)).to_vec()).expect("ASCII");
        assert_eq!(
            text,
            "v=0\r\no=- 42 0 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n\
             a=sendonly\r\na=rtcp:20001\r\na=label:1\r\na=ssrc:20000 cname:name\r\n\
             m=audio 20002 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n\
             a=sendonly\r\na=rtcp:20003\r\na=label:2\r\na=ssrc:20002 cname:name\r\n"
        );
    }

    #[test]
    fn each_line_is_taken_held_or_refused_for_itself() {
        let ours = lines(SrtpPolicy::Off);
        let table = [
            (
                "m=audio 4000 RTP/AVP 0|a=recvonly|m=audio 4002 RTP/AVP 8|",
                [Some((Codec::Pcmu, true)), Some((Codec::Pcma, true))],
            ),
            ("m=audio 4000 RTP/AVP 0|a=inactive|m=audio 0 RTP/AVP 0|", [Some((Codec::Pcmu, false)), None]),
            ("m=audio 0 RTP/AVP 0|m=audio 4002 RTP/AVP 0|a=sendrecv|", [None, Some((Codec::Pcmu, true))]),
            ("m=audio 4000 RTP/AVP 0|a=recvonly|", [Some((Codec::Pcmu, true)), None]),
            ("m=audio 0 RTP/AVP 0|m=audio 0 RTP/AVP 0|", [None, None]),
        ];
        for (text, expected) in table {
            let taken = accept(&described(text), &ours).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = taken.map(|line| line.map(|remote| (remote.codec, remote.direction.sends())));
            assert_eq!(found, expected, "{text}");
        }
        for (text, error) in [
            ("m=audio 4000 RTP/AVP 18|m=audio 4002 RTP/AVP 0|", SdpError::NoCommonCodec),
            ("m=audio 4000 RTP/SAVP 0|m=audio 4002 RTP/AVP 0|", SdpError::Encryption),
            ("m=video 4000 RTP/AVP 0|m=audio 4002 RTP/AVP 0|", SdpError::NoAudio),
            ("m=audio|", SdpError::Malformed),
        ] {
            assert_eq!(accept(&described(text), &ours).expect_err(text), error, "{text}");
        }
    }

    #[test]
    fn encrypted_lines_are_never_taken_in_clear() {
        let ours = lines(SrtpPolicy::Required);
        let offered = String::from_utf8(offer(&ours).to_vec()).expect("ASCII");
        assert_eq!(offered.matches("RTP/SAVP").count(), 2);
        let keys: Vec<&str> = offered.lines().filter(|line| line.starts_with("a=crypto:1 ")).collect();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0], keys[1], "two streams never share a key");
        let plain = "m=audio 4000 RTP/AVP 0|m=audio 4002 RTP/AVP 0|";
        assert_eq!(accept(&described(plain), &ours).expect_err("plain"), SdpError::Encryption);
        let keyless = "m=audio 4000 RTP/SAVP 0|m=audio 4002 RTP/SAVP 0|";
        assert_eq!(accept(&described(keyless), &ours).expect_err("no keys"), SdpError::Encryption);
        let keyed = format!("m=audio 4000 RTP/SAVP 0|{}|m=audio 0 RTP/SAVP 0|", keys[0]);
        let taken = accept(&described(&keyed), &ours).expect("acceptable");
        assert!(taken[0].as_ref().is_some_and(|remote| remote.crypto.is_some()) && taken[1].is_none());
    }

    #[test]
    fn a_later_offer_is_answered_line_by_line() {
        let ours = lines(SrtpPolicy::Off);
        let offered =
            "m=audio 5000 RTP/AVP 8 0|a=recvonly|m=audio 5002 RTP/AVP 0|a=inactive|m=video 5004 RTP/AVP 99|";
        let (body, taken) = answer(&described(offered), &ours).expect("acceptable");
        let text = String::from_utf8(body.to_vec()).expect("ASCII");
        assert!(text.contains("m=audio 20000 RTP/AVP 8\r\n"), "{text}");
        assert!(text.contains("a=sendonly\r\n") && text.contains("a=inactive\r\n"), "{text}");
        assert!(text.contains("a=label:1\r\n") && text.contains("a=label:2\r\n"), "{text}");
        assert!(text.ends_with("m=video 0 RTP/AVP 99\r\n"), "{text}");
        let [first, second] = taken.map(|remote| remote.expect("taken"));
        assert_eq!((first.rtp.port(), first.direction.sends()), (5000, true));
        assert!(!second.direction.sends());
    }
}
