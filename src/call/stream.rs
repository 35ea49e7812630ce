//! The media of one leg as the call sees it: the port, the session on it, and our half of its description.

use std::time::Instant;

use bytes::Bytes;

use crate::media::sdp::{self, Layout, LocalMedia, Negotiated, SdpError};
use crate::media::srtp::Keying;
use crate::media::{Acquaintance, LocalSrtp, MediaConfig, MediaSession, MediaTerms, SrtpPolicy};
use crate::units::{Entropy, Epoch, MediaAddress, MediaPort};

/// An open pair of ports with its media session.
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
    ) -> Self {
        // RFC 8866 §5.2: a numeric session id; 63 bits, since some parsers keep it signed.
        let mut local = LocalMedia::new(address.rtp, entropy.next_u64() >> 1);
        local.codecs = terms.codecs.as_slice().to_vec();
        local.comfort_noise = terms.comfort_noise;
        local.srtp = LocalSrtp::draw(terms.srtp, entropy);
        let config = MediaConfig {
            silence_timeout: silence,
            codecs: terms.codecs,
            inband_keys: terms.inband_keys,
            known: Acquaintance { signalling: terms.signalling, former: address.former },
            ..MediaConfig::from_entropy(entropy, epoch)
        };
        Self {
            port: address.port,
            session: MediaSession::new(now, config),
            due: None,
            held: false,
            local,
            layout: None,
            theirs: None,
            entropy: entropy.fork(),
        }
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
        self.held = !negotiated.remote.direction.sends();
        self.theirs = negotiated.remote.crypto.as_ref().map(|crypto| crypto.theirs.clone());
        if self.theirs.is_some() {
            // What was encrypted once stays so: no later offer takes it back.
            self.local.srtp.insist();
        }
        self.session.connect(now, &negotiated.remote);
    }
}
