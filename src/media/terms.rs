//! What is settled about a peer's media before it describes any.

use std::net::IpAddr;

use super::inband::InbandKeys;
use super::srtp::SrtpPolicy;

/// The terms of a trunk, or of the phones that the engine calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTerms {
    /// When keys are listened for in the audio.
    pub inband_keys: InbandKeys,
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
    /// Keys may be told by signalling that others could read.
    pub srtp_keys_in_clear: bool,
    /// Where the peer's signalling comes from, once there is a peer.
    pub signalling: Option<IpAddr>,
}

impl MediaTerms {
    /// The terms towards a peer whose signalling goes to this address. RFC 4568 §7: keys in a description are as secret as
    /// the way it takes. There is one nobody else reads, within this machine; for another the settings must say so.
    #[must_use]
    pub const fn told_by(self, signalling: IpAddr) -> Self {
        let srtp = match self.srtp {
            SrtpPolicy::Optional if !signalling.is_loopback() && !self.srtp_keys_in_clear => SrtpPolicy::Off,
            srtp => srtp,
        };
        Self { srtp, signalling: Some(signalling), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_only_where_nobody_else_reads_unless_the_settings_say_so() {
        let [here, there] =
            ["127.0.0.1", "192.0.2.1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        let terms = MediaTerms { srtp: SrtpPolicy::Optional, ..MediaTerms::default() };
        assert_eq!(terms.told_by(here).srtp, SrtpPolicy::Optional);
        assert_eq!(terms.told_by(there).srtp, SrtpPolicy::Off);
        let allowed = MediaTerms { srtp_keys_in_clear: true, ..terms };
        assert_eq!(allowed.told_by(there).srtp, SrtpPolicy::Optional);
    }
}
