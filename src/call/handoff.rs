//! A hand-off: what the flow asked for, whom to call for it, and what their phone is told.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::io::CallSettings;
use super::vouching::Signed;
use crate::auth::AuthSession;
use crate::auth::token::{self, Claims};
use crate::flow::ClipKey;
use crate::flow::run::Pass;
use crate::media::{InbandKeys, MediaTerms};
use crate::routing::{AgentName, Contact};
use crate::sip::locate::Hop;
use crate::sip::trunk::Outward;
use crate::sip::{Host, Listening, NameAddr, Path, StatusCode, Uri};
use crate::units::{CallId, Entropy};

/// What the flow wants done with the caller.
pub(super) enum HandOffState {
    /// Nothing: the flow has the caller.
    None,
    /// In a queue, or with the agent that came of it.
    Queue { brief: Brief, since: Instant },
    /// Being put through to a target of the flow's.
    Transfer { brief: Brief },
}

/// What the other side is told.
#[derive(Clone)]
pub(super) struct Brief {
    pub(super) pass: Pass,
    pub(super) whisper: Vec<ClipKey>,
}

/// Whom leg B leads to.
pub(super) struct Party {
    /// The agent, when the switchboard offered one.
    pub(super) agent: Option<AgentName>,
    /// The name for the record, the flow and the token.
    pub(super) name: String,
    pub(super) uri: Uri,
    pub(super) path: Path,
    /// Its name was looked up: the way is one of those that it leads to.
    pub(super) located: bool,
    /// Where else it can be reached, the next one first, each with the Request-URI there.
    pub(super) others: VecDeque<(Path, Uri)>,
    /// A telephone that is called by a trunk: what the carrier is told, and the call's place there.
    pub(super) outward: Option<Outward>,
    /// The dialog that the call takes the place of (RFC 3891).
    pub(super) replaces: Option<String>,
    /// Who put the caller through.
    pub(super) referred_by: Option<String>,
}

impl Party {
    /// The agent that the switchboard offered; `None` when the contact can't be called.
    pub(super) fn agent(
        agent: AgentName,
        contact: &Contact,
        settings: &CallSettings,
        caller: &Path,
        entropy: &mut Entropy,
    ) -> Option<Self> {
        let name = agent.as_str().to_owned();
        Self::at(Some(agent), name, contact, settings, caller, entropy)
    }

    /// A target as the flow names it: a name of the configuration, or a SIP URI.
    pub(super) fn target(
        target: &str,
        settings: &CallSettings,
        caller: &Path,
        entropy: &mut Entropy,
    ) -> Option<Self> {
        let contact = match settings.targets.get(target) {
            Some(contact) => contact.clone(),
            None => Contact::new(target.to_owned(), None),
        };
        Self::at(None, target.to_owned(), &contact, settings, caller, entropy)
    }

    /// What is settled about its media: with agents' phones, or with the trunk that the call goes out by. Other addresses of
    /// transfers may be anybody's: their media is plain.
    pub(super) fn terms(&self, settings: &CallSettings) -> MediaTerms {
        let trunk = self.outward.as_ref().map(|outward| &*outward.trunk);
        let settled = if self.agent.is_some() { settings.phones } else { settings.terms_of(trunk) };
        // Whoever is called presses keys for nobody.
        let terms = MediaTerms { inband_keys: InbandKeys::Off, rtcp_mux: self.agent.is_some(), ..settled };
        told_on(terms, self.others.iter().map(|(path, _)| path).chain([&self.path]))
    }

    fn at(
        agent: Option<AgentName>,
        name: String,
        contact: &Contact,
        settings: &CallSettings,
        caller: &Path,
        entropy: &mut Entropy,
    ) -> Option<Self> {
        let uri = Uri::parse(contact.uri.as_bytes())?;
        let outward = match uri.scheme() {
            "tel" => Some(settings.locations.by_trunk(&uri, &mut drawing(entropy))?),
            _ => None,
        };
        let mut others: VecDeque<(Path, Uri)> = match (&outward, contact.path) {
            (Some(outward), _) => ways_of(outward, settings, caller),
            (None, Some(path)) => VecDeque::from([(path, uri.clone())]),
            (None, None) => paths_to(&uri, settings, caller, entropy)
                .into_iter()
                .map(|path| (path, uri.clone()))
                .collect(),
        };
        let located = outward.is_some() || (contact.path.is_none() && Hop::literal(&uri).is_none());
        let (path, uri) = others.pop_front()?;
        let (replaces, referred_by) = (None, None);
        Some(Self { agent, name, uri, path, located, others, outward, replaces, referred_by })
    }
}

fn drawing(entropy: &mut Entropy) -> impl FnMut(u32) -> u32 + '_ {
    move |below| u32::try_from(entropy.below(below.into())).unwrap_or(0)
}

/// The ways by a trunk's servers. All begin at the same address of ours.
fn ways_of(outward: &Outward, settings: &CallSettings, caller: &Path) -> VecDeque<(Path, Uri)> {
    let way = |(hop, uri): &(Hop, Uri)| Some((path_to(*hop, settings.listen, caller)?, uri.clone()));
    let mut ways: VecDeque<(Path, Uri)> = outward.ways.iter().filter_map(way).collect();
    let ours = ways.front().map(|(path, _)| path.local.ip());
    ways.retain(|(path, _)| Some(path.local.ip()) == ours);
    ways
}

/// The ways to a URI, in the order in which they are tried: one for an address, those that are known for a host name.
/// All begin at the same address of ours.
pub(super) fn paths_to(
    uri: &Uri,
    settings: &CallSettings,
    caller: &Path,
    entropy: &mut Entropy,
) -> VecDeque<Path> {
    let hops = match Hop::literal(uri) {
        Some(hop) => vec![hop],
        None => settings.locations.hops(uri, &mut drawing(entropy)),
    };
    let mut paths: VecDeque<Path> =
        hops.into_iter().filter_map(|hop| path_to(hop, settings.listen, caller)).collect();
    let ours = paths.front().map(|path| path.local.ip());
    paths.retain(|path| Some(path.local.ip()) == ours);
    paths
}

fn path_to(hop: Hop, listen: Listening, caller: &Path) -> Option<Path> {
    let Hop { transport, remote } = hop;
    let listen = listen.over(transport)?;
    let local = SocketAddr::new(local_for(remote.ip(), listen.ip(), caller.local.ip())?, listen.port());
    Some(Path { transport, local, remote, connection: None })
}

/// Which of our addresses the peer can answer to.
fn local_for(remote: IpAddr, listen: IpAddr, caller_side: IpAddr) -> Option<IpAddr> {
    if remote.is_ipv4() != listen.is_ipv4() {
        return None;
    }
    if !listen.is_unspecified() {
        return Some(listen);
    }
    // Bound to every address: on the same machine the loopback address, else the one the caller's side uses.
    if remote.is_loopback() {
        return Some(remote);
    }
    (caller_side.is_ipv4() == remote.is_ipv4() && !caller_side.is_unspecified()).then_some(caller_side)
}

/// What the phone of leg B is told: readable headers, and the same signed.
pub(super) fn headers(
    auth: Option<&AuthSession>,
    brief: &Brief,
    (party, signed): (&Party, &Signed),
    call: CallId,
    now: Instant,
    settings: &CallSettings,
) -> Vec<(String, String)> {
    // A carrier is told nothing of what was proved, and nothing that the flow passes: they are for phones of the house.
    if party.outward.is_some() {
        return Vec::new();
    }
    let mut headers = vec![("X-Countersign-Call".to_owned(), call.to_string())];
    if let Some(auth) = auth {
        let claims = Claims::of(auth, call, now, settings.epoch.unix_at(now), &party.name);
        headers.push(("X-Countersign-Level".to_owned(), claims.level.clone()));
        headers.push(("X-Countersign-Factors".to_owned(), claims.factors.join(", ")));
        headers.push(("X-Countersign-Age".to_owned(), claims.age.to_string()));
        headers.push(("X-Countersign-Token".to_owned(), token::sign(&settings.signer, &claims)));
    }
    for (name, value) in brief.pass.values.iter().take(MAX_PASSED) {
        // RFC 7433 has a header for it, and phones that read it; it goes as it came.
        if let Some(told) = signed.user_to_user.as_ref().filter(|_| name == USER_TO_USER) {
            headers.push(("User-to-User".to_owned(), told.expose().clone()));
            continue;
        }
        let name = header_name(name);
        if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            headers.push((name, header_value(value)));
        }
    }
    headers
}

/// What the phone of leg B is told when an agent put the caller through: by whom, in our words and not in those of the
/// agent's phone (RFC 3892), and the conversation that this one takes the place of (RFC 3891).
pub(super) fn referral(party: &Party) -> Vec<(String, String)> {
    if party.outward.is_some() {
        return Vec::new();
    }
    let by = party.referred_by.as_ref().map(|name| {
        let uri = Uri::sip(Some(name), Host::from(party.path.local.ip()), None);
        ("Referred-By".to_owned(), NameAddr::new(uri).to_string())
    });
    // Not demanded: a phone that does not know it rings, which is better than nothing.
    let replaces = party.replaces.as_ref().map(|dialog| ("Replaces".to_owned(), dialog.clone()));
    by.into_iter().chain(replaces).collect()
}

/// What the caller's side said, as a flow names it.
const USER_TO_USER: &str = "call.user_to_user";
/// Values of a flow that are put into headers at most; a datagram has an end.
const MAX_PASSED: usize = 16;
/// Characters of one value.
const MAX_VALUE: usize = 128;

/// A value's name of the flow as a header name: `customer.segment` is `X-Countersign-Customer-Segment`.
fn header_name(name: &str) -> String {
    let mut header = String::from("X-Countersign");
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        header.push('-');
        let mut letters = word.chars();
        header.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        header.extend(letters);
    }
    header
}

/// RFC 3261 §25.1: no control character may stand in a header value; a line break would start another header.
fn header_value(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(MAX_VALUE).collect()
}

/// Who calls, as the agent's display shows it: the result of authentication in words, no number. A telephone is shown the
/// number that the trunk's settings name.
pub(super) fn from(auth: Option<&AuthSession>, now: Instant, party: &Party) -> NameAddr {
    let path = &party.path;
    if let Some(outward) = &party.outward {
        let hidden = || NameAddr::new(Uri::sip(Some("anonymous"), Host::from(path.local.ip()), None));
        return outward.from(path.local.ip().into()).unwrap_or_else(hidden);
    }
    let level = auth.map(|auth| auth.level(now).to_string()).unwrap_or_default();
    let display = match level.as_str() {
        "" | "none" => "Caller, not verified".to_owned(),
        level => format!("Caller, verified {level}"),
    };
    let uri = Uri::sip(Some("countersign"), Host::from(path.local.ip()), None);
    NameAddr::new(uri).with_display(&display)
}

/// The outcome of a call to somebody, by the final status (RFC 3261 §21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotReached {
    Busy,
    NoAnswer,
    Refused,
    Failed,
}

impl NotReached {
    pub(super) const fn of(status: u16) -> Self {
        match status {
            486 | 600 => Self::Busy,
            408 | 480 | 487 => Self::NoAnswer,
            401 | 403 | 407 | 603 => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// What the phone that put the caller through is told.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::BUSY_HERE,
            Self::NoAnswer => StatusCode::TEMPORARILY_UNAVAILABLE,
            Self::Refused => StatusCode::DECLINE,
            Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A transfer may ring this long at most, whatever the flow says (RFC 3261 timer C: three minutes).
pub(super) const LONGEST_RING: Duration = Duration::from_secs(180);

/// Terms for all the servers that may be tried, the first one last: what one of them would be told in clear, none is.
fn told_on<'a>(terms: MediaTerms, ways: impl Iterator<Item = &'a Path>) -> MediaTerms {
    let told =
        |terms: MediaTerms, path: &Path| terms.told_by(path.remote.ip(), path.transport.is_encrypted());
    ways.fold(terms, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::srtp::SrtpPolicy;
    use crate::sip::Transport;

    #[test]
    fn keys_are_settled_for_every_server_that_may_be_tried() {
        let way = |transport, remote: &str| Path { transport, ..path(remote) };
        let sealed = way(Transport::Tls, "198.51.100.7:5061");
        let clear = way(Transport::Udp, "198.51.100.8:5060");
        let wanted = MediaTerms { srtp: SrtpPolicy::Optional, ..MediaTerms::default() };
        let first = Some(sealed.remote.ip());
        let both = told_on(wanted, [&clear, &sealed].into_iter());
        assert_eq!((both.srtp, both.signalling), (SrtpPolicy::Off, first));
        let one = told_on(wanted, [&sealed].into_iter());
        assert_eq!((one.srtp, one.signalling), (SrtpPolicy::Optional, first));
    }

    fn path(local: &str) -> Path {
        let local = local.parse().expect("an address");
        Path { transport: Transport::Udp, local, remote: local, connection: None }
    }

    #[test]
    fn a_way_is_found_to_every_uri_with_an_address() {
        let caller = path("192.0.2.1:5060");
        let any: SocketAddr = "0.0.0.0:5070".parse().expect("an address");
        let way_by = |listen: Listening, uri: &str| {
            let hop = Hop::literal(&Uri::parse(uri.as_bytes()).expect("a uri"))?;
            path_to(hop, listen, &caller)
        };
        let way = |uri| way_by(any.into(), uri);
        let udp = way("sip:ann@198.51.100.7").expect("a way");
        assert_eq!((udp.remote.port(), udp.transport), (5060, Transport::Udp));
        assert_eq!(udp.local, "192.0.2.1:5070".parse().expect("an address"));
        let tcp = way("sip:ann@127.0.0.1:5062;transport=tcp").expect("a way");
        assert_eq!((tcp.transport, tcp.local.ip().is_loopback()), (Transport::Tcp, true));
        assert!(way("sip:ann@phones.example").is_none());
        assert!(way("sip:ann@[2001:db8::1]").is_none());
        for secure in ["sip:ann@198.51.100.7;transport=tls", "sips:ann@198.51.100.7;transport=tcp"] {
            assert!(way(secure).is_none(), "no TLS is spoken");
            let tls = "0.0.0.0:5071".parse().expect("an address");
            let tls = way_by(Listening { tls: Some(tls), ..any.into() }, secure).expect("a way");
            assert_eq!((tls.transport, tls.remote.port(), tls.local.port()), (Transport::Tls, 5061, 5071));
        }
        for unspoken in ["sip:ann@198.51.100.7;transport=sctp", "sip:ann@198.51.100.7;transport=ws"] {
            assert!(way(unspoken).is_none());
        }
    }

    #[test]
    fn a_value_cannot_start_another_header() {
        assert_eq!(header_value("a\r\nX-Countersign-Level: strong"), "aX-Countersign-Level: strong");
        assert_eq!(header_name("customer.segment"), "X-Countersign-Customer-Segment");
        assert_eq!(header_name("x: y\r\nz"), "X-Countersign-X-Y-Z");
    }

    #[test]
    fn final_statuses_become_the_outcomes_of_a_transfer() {
        for (status, outcome) in [
            (486, NotReached::Busy),
            (600, NotReached::Busy),
            (480, NotReached::NoAnswer),
            (408, NotReached::NoAnswer),
            (603, NotReached::Refused),
            (403, NotReached::Refused),
            (404, NotReached::Failed),
            (503, NotReached::Failed),
            (302, NotReached::Failed),
        ] {
            assert_eq!(NotReached::of(status), outcome, "{status}");
        }
    }
}
