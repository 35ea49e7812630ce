//! The media of one leg as the call sees it: the port, the session on it, and our half of its description.

use std::time::Instant;

use bytes::Bytes;

use crate::media::sdp::{self, Layout, LocalMedia, Negotiated, SdpError};
use crate::media::srtp::Keying;
use crate::media::{Acquaintance, LocalSrtp, MediaConfig, MediaSession, MediaTerms, SrtpPolicy};
use crate::units::{Entropy, Epoch, MediaAddress, MediaPort};

/// An open pair of ports with its media session. Large, and not every call has a second: legs keep theirs in a box.
pub(super) struct Stream {
    pub(super) port: MediaPort,
    pub(super) session: MediaSession,
    /// When the session wants to be woken.
    pub(super) due: Option<Instant>,
    /// Whether the peer holds us: we may not send.
    pub(super) held: bool,
    local: LocalMedia,
    layout: Option<Layout>,
    /// The peer's key of the running session.
    theirs: Option<Keying>,
    /// Draws our keys.
    entropy: Entropy,
}

impl Stream {
    pub(super) fn new(
        now: Instant,
        address: &MediaAddress,
        silence: std::time::Duration,
        epoch: Epoch,
        terms: MediaTerms,
        entropy: &mut Entropy,
    ) -> Box<Self> {
        // RFC 8866 §5.2: a numeric session id; 63 bits, since some parsers keep it signed.
        let mut local = LocalMedia::new(address.rtp, entropy.next_u64() >> 1);
        local.codecs = terms.codecs.as_slice().to_vec();
        local.comfort_noise = terms.comfort_noise;
        local.rtcp_mux = terms.rtcp_mux;
        local.srtp = LocalSrtp::draw(terms.srtp, entropy);
        let config = MediaConfig {
            silence_timeout: silence,
            codecs: terms.codecs,
            inband_keys: terms.inband_keys,
            beat: address.beat,
            known: Acquaintance { signalling: terms.signalling, former: address.former },
            ..MediaConfig::from_entropy(entropy, epoch)
        };
        Box::new(Self {
            port: address.port,
            session: MediaSession::new(now, config),
            due: None,
            held: false,
            local,
            layout: None,
            theirs: None,
            entropy: entropy.fork(),
        })
    }

    /// Our first offer.
    pub(super) fn offer(&self) -> Bytes {
        sdp::offer(&self.local)
    }

    /// Our answer to the first offer; nothing flows yet.
    pub(super) fn prepare(&mut self, offer: &[u8]) -> Result<Negotiated, SdpError> {
        let negotiated = sdp::answer(offer, &self.local)?;
        self.layout = Some(negotiated.layout.clone());
        Ok(negotiated)
    }

    /// The peer picked up, with its answer to our first offer unless another description has taken the place of that;
    /// whether media flows from here on.
    pub(super) fn picked_up(&mut self, now: Instant, answer: Option<&[u8]>) -> bool {
        match answer {
            Some(answer) => self.answered(now, answer).is_ok(),
            None => self.layout.is_some(),
        }
    }

    /// Takes the peer's answer to our offer: media flows from here on.
    pub(super) fn answered(&mut self, now: Instant, answer: &[u8]) -> Result<(), SdpError> {
        let negotiated = sdp::accept_answer(answer, &self.local)?;
        self.connect(now, &negotiated);
        Ok(())
    }

    /// Answers a later offer of the peer: hold, resume, a new address.
    pub(super) fn answer_again(&mut self, now: Instant, offer: &[u8]) -> Result<Bytes, SdpError> {
        // RFC 3264 §8: the version counts up whenever the description differs. It is bumped on a copy, so
        // that a refused offer leaves no trace.
        let mut local = self.local.clone();
        local.bump();
        let mut negotiated = sdp::answer(offer, &local)?;
        let theirs = negotiated.remote.crypto.as_ref().map(|crypto| &crypto.theirs);
        if theirs.is_some() && theirs != self.theirs.as_ref() {
            // The peer takes a new key: so do we, and nothing that the old ones protected helps with the new.
            local.srtp = LocalSrtp::draw(SrtpPolicy::Required, &mut self.entropy);
            negotiated = sdp::answer(offer, &local)?;
        }
        self.local = local;
        self.connect(now, &negotiated);
        Ok(negotiated.body)
    }

    /// Our offer in answer to a re-INVITE without one.
    pub(super) fn offer_again(&mut self) -> Bytes {
        self.local.bump();
        match &self.layout {
            Some(layout) => sdp::reoffer(&self.local, layout),
            None => sdp::offer(&self.local),
        }
    }

    pub(super) fn connect(&mut self, now: Instant, negotiated: &Negotiated) {
        self.layout = Some(negotiated.layout.clone());
        self.local.numbers = negotiated.numbers.clone();
        self.local.rtcp_mux = negotiated.remote.rtcp_mux;
        self.held = !negotiated.remote.direction.sends();
        self.theirs = negotiated.remote.crypto.as_ref().map(|crypto| crypto.theirs.clone());
        if self.theirs.is_some() {
            // What was encrypted once stays so: no later offer takes it back.
            self.local.srtp.insist();
        }
        self.session.connect(now, &negotiated.remote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Codec;
    use crate::units::{UnixTime, test_start};

    fn stream(rtcp_mux: bool) -> (Box<Stream>, Instant) {
        let now = test_start();
        let codecs = Codec::ALL.iter().copied().collect();
        let terms = MediaTerms { codecs, comfort_noise: true, rtcp_mux, ..MediaTerms::default() };
        let rtp = "192.0.2.1:4000".parse().expect("an address");
        let address = MediaAddress { port: MediaPort(1), rtp, former: None, beat: None };
        let epoch = Epoch { instant: now, unix: UnixTime(0) };
        let mut entropy = Entropy::from_seed([1; 32]);
        (Stream::new(now, &address, std::time::Duration::from_secs(60), epoch, terms, &mut entropy), now)
    }

    fn described(media: &str) -> Vec<u8> {
        let head = "v=0|o=- 1 1 IN IP4 198.51.100.1|s=-|c=IN IP4 198.51.100.1|t=0 0|";
        format!("{head}{media}").replace('|', "\r\n").into_bytes()
    }

    fn line(text: &[u8]) -> String {
        let text = std::str::from_utf8(text).expect("ASCII");
        text.lines().find(|line| line.starts_with("m=audio")).expect("an audio line").to_owned()
    }

    #[test]
    fn a_later_offer_of_ours_has_the_numbers_in_use_and_gives_no_number_another_meaning() {
        let (mut stream, now) = stream(false);
        // The peer has Opus as 96, its keys as 100, and something unknown where we would have L16 and keys at 8,000 Hz.
        let maps = "a=rtpmap:96 opus/48000/2|a=rtpmap:97 iLBC/8000|a=rtpmap:101 SILK/16000|\
                    a=rtpmap:100 telephone-event/48000|";
        let negotiated = stream
            .prepare(&described(&format!("m=audio 5000 RTP/AVP 96 97 101 100|{maps}")))
            .expect("acceptable");
        stream.connect(now, &negotiated);
        let offer = stream.offer_again();
        assert_eq!(line(&offer), "m=audio 4000 RTP/AVP 0 8 9 98 96 13 99 100");
        let text = String::from_utf8(offer.to_vec()).expect("ASCII");
        for map in ["96 opus/48000/2", "98 L16/8000", "99 telephone-event/8000", "100 telephone-event/48000"]
        {
            assert!(text.contains(&format!("a=rtpmap:{map}\r\n")), "{map}: {text}");
        }
        // The peer's answer to it renumbers; the next offer still has ours.
        stream
            .answered(
                now,
                &described(
                    "m=audio 5000 RTP/AVP 120 121|a=rtpmap:120 L16/8000|a=rtpmap:121 telephone-event/8000|",
                ),
            )
            .expect("acceptable");
        assert_eq!(line(&stream.offer_again()), "m=audio 4000 RTP/AVP 0 8 9 98 96 13 99 100");
        // And what the peer calls Opus in an offer of its own is that from then on.
        let body = stream
            .answer_again(now, &described("m=audio 5000 RTP/AVP 98|a=rtpmap:98 opus/48000/2|"))
            .expect("acceptable");
        assert_eq!(line(&body), "m=audio 4000 RTP/AVP 98");
        assert_eq!(line(&stream.offer_again()), "m=audio 4000 RTP/AVP 0 8 9 120 98 13 99 100");
    }

    #[test]
    fn rtcp_stays_where_it_was_agreed_on_in_later_offers() {
        let muxes = |text: &[u8]| std::str::from_utf8(text).expect("ASCII").contains("a=rtcp-mux\r\n");
        for accepts in [true, false] {
            let (mut stream, now) = stream(true);
            assert!(muxes(&stream.offer()));
            let answer = format!("m=audio 5000 RTP/AVP 8|{}", if accepts { "a=rtcp-mux|" } else { "" });
            stream.answered(now, &described(&answer)).expect("acceptable");
            assert_eq!(muxes(&stream.offer_again()), accepts);
        }
    }
}
