//! What is settled about a peer's media before it describes any.

use std::net::IpAddr;

use serde::Deserialize;

use super::inband::InbandKeys;
use super::srtp::SrtpPolicy;
use crate::audio::Codec;

/// The terms of a trunk, or of the phones that the engine calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTerms {
    /// The codecs that are offered and taken.
    pub codecs: CodecList,
    /// Whether comfort noise is offered and taken.
    pub comfort_noise: bool,
    /// Whether calls that we make offer to have RTCP on the RTP port.
    pub rtcp_mux: bool,
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
    /// The terms towards a peer whose signalling goes to this address, encrypted or not. RFC 4568 §7: keys in a description
    /// are as secret as the way it takes. Nobody else reads TLS, or what stays within this machine; for another way the
    /// settings must say so.
    #[must_use]
    pub const fn told_by(self, signalling: IpAddr, encrypted: bool) -> Self {
        let is_secret = encrypted || signalling.is_loopback() || self.srtp_keys_in_clear;
        let srtp = match self.srtp {
            SrtpPolicy::Optional if !is_secret => SrtpPolicy::Off,
            srtp => srtp,
        };
        Self { srtp, signalling: Some(signalling), ..self }
    }
}

/// Codecs, the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct CodecList {
    codecs: [Codec; Codec::ALL.len()],
    count: usize,
}

impl CodecList {
    /// In their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Codec] {
        self.codecs.get(..self.count).unwrap_or_default()
    }

    /// With one more at the end, unless there is no room because all are there.
    fn push(&mut self, codec: Codec) {
        if let Some(place) = self.codecs.get_mut(self.count) {
            *place = codec;
            self.count += 1;
        }
    }
}

impl Default for CodecList {
    /// G.711, which every telephone has.
    fn default() -> Self {
        Codec::G711.iter().copied().collect()
    }
}

impl FromIterator<Codec> for CodecList {
    /// Each codec once.
    fn from_iter<I: IntoIterator<Item = Codec>>(codecs: I) -> Self {
        let mut list = Self { codecs: [Codec::Pcmu; Codec::ALL.len()], count: 0 };
        for codec in codecs {
            if !list.as_slice().contains(&codec) {
                list.push(codec);
            }
        }
        list
    }
}

/// Why a list of codecs can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CodecListError {
    /// No such codec.
    #[error("`{0}` is no codec here: there are {known}", known = known())]
    Unknown(String),
    /// Without a codec there is no call.
    #[error("no codec is named: write `[PCMU, PCMA]`, or leave `codecs` out for just these")]
    Empty,
}

fn known() -> String {
    let names: Vec<&str> = Codec::ALL.iter().map(|codec| codec.name()).collect();
    names.join(", ")
}

impl TryFrom<Vec<String>> for CodecList {
    type Error = CodecListError;

    fn try_from(names: Vec<String>) -> Result<Self, CodecListError> {
        let find = |name: String| Codec::from_name(&name).ok_or(CodecListError::Unknown(name));
        let list: Self = names.into_iter().map(find).collect::<Result<_, _>>()?;
        if list.count == 0 { Err(CodecListError::Empty) } else { Ok(list) }
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
        assert_eq!(terms.told_by(here, false).srtp, SrtpPolicy::Optional);
        assert_eq!(terms.told_by(there, false).srtp, SrtpPolicy::Off);
        assert_eq!(terms.told_by(there, true).srtp, SrtpPolicy::Optional);
        let allowed = MediaTerms { srtp_keys_in_clear: true, ..terms };
        assert_eq!(allowed.told_by(there, false).srtp, SrtpPolicy::Optional);
    }

    #[test]
    fn codecs_are_named_in_any_case_in_the_order_of_preference_and_unknown_ones_are_told() {
        let list =
            |names: &[&str]| CodecList::try_from(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        let told = |names: &[&str]| list(names).expect_err("refused").to_string();
        let wide = list(&["g722", "PCMA", "G722"]).expect("two codecs");
        assert_eq!(wide.as_slice(), [Codec::G722, Codec::Pcma]);
        assert_eq!(CodecList::default().as_slice(), [Codec::Pcmu, Codec::Pcma]);
        assert!(
            told(&["PCMA", "G729"])
                .starts_with("`G729` is no codec here: there are PCMU, PCMA, G722, L16, opus")
        );
        assert!(told(&[]).contains("leave `codecs` out"));
        assert_eq!(Codec::ALL.iter().copied().collect::<CodecList>().as_slice(), Codec::ALL);
    }
}
