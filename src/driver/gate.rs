//! Who gets a SIP message: which shard, the registrar, or nobody.
//!
//! A shard's own calls carry its number and this run's token in their Call-ID, so that responses and requests
//! within them find the way back. New calls are spread over the shards by their Call-ID. Sources that are
//! neither a trunk nor, for registrations, in the phones' networks get one and the same refusal.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::sip::{
    AccessList, Message, Method, Name, Path, Request, Response, RouteKey, StatusCode, Transport, route_key,
};

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this shard.
    Shard(usize),
    /// To this shard, if it has time: it begins something.
    Beginning(usize),
    /// Nowhere: it ends what was refused here.
    Settled,
    /// To the registrar.
    Registrar,
    /// To whoever watches trunks.
    Trunks,
    /// Refused, the same for everything and everyone.
    Refused,
    /// Nowhere: not worth an answer.
    Dropped,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The address.
    pub ip: IpAddr,
    /// Over what.
    pub over: Transport,
    /// The trunks whose certificate the connection has shown.
    pub proven: &'a [Arc<str>],
}

/// What a trunk's address alone does not let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Only what comes over TLS, or a WebSocket over it.
    pub tls: bool,
    /// Only over connections that have shown the trunk's certificate.
    pub certificate: bool,
}

/// The rules.
#[derive(Clone, Debug)]
pub struct Gate {
    trunks: AccessList,
    phones: AccessList,
    /// By trunk; those that are not here demand nothing.
    demands: HashMap<String, Demand>,
    phones_by_tls: bool,
    token: String,
    /// The To tag of what is refused here for want of time, in this run and no other.
    refusal_tag: String,
    shards: usize,
}

impl Gate {
    /// Lets in calls from `trunks` and registrations from `phones`. `token` marks our own calls of this run.
    #[must_use]
    pub fn new(trunks: AccessList, phones: AccessList, token: String, shards: usize) -> Self {
        Self {
            trunks,
            phones,
            demands: HashMap::new(),
            phones_by_tls: false,
            refusal_tag: format!("{:016x}", RandomState::new().hash_one(&token)),
            token,
            shards,
        }
    }

    /// Demands more of trunks than an address, and of phones TLS.
    #[must_use]
    pub fn demanding(self, demands: HashMap<String, Demand>, phones_by_tls: bool) -> Self {
        Self { demands, phones_by_tls, ..self }
    }

    /// What the Call-IDs of a shard's own calls end with.
    #[must_use]
    pub fn call_id_suffix(&self, shard: usize) -> String {
        format!(".{shard}@{}", self.token)
    }

    /// What the Call-IDs of questions to trunks' servers end with.
    #[must_use]
    pub fn trunks_suffix(&self) -> String {
        format!(".{TRUNKS}@{}", self.token)
    }

    /// Whether `source` is a trunk's or in the phones' networks.
    #[must_use]
    pub fn knows(&self, source: IpAddr) -> bool {
        self.trunks.find(source).is_some() || self.phones.find(source).is_some()
    }

    /// Whose address `source` is, if it is a trunk's.
    #[must_use]
    pub fn trunk(&self, source: IpAddr) -> Option<&str> {
        self.trunks.find(source)
    }

    /// The names of all trunks that have addresses.
    pub fn trunks(&self) -> impl Iterator<Item = &str> {
        self.trunks.names()
    }

    /// Where a message from `source` goes.
    #[must_use]
    pub fn way(&self, source: &Source<'_>, message: &[u8]) -> Way {
        let Some(key) = route_key(message) else {
            // No Call-ID or no start line: only a trunk is told what is wrong with it.
            return if self.is_trunk(source) { Way::Shard(0) } else { Way::Dropped };
        };
        if let Some(way) = self.own(&key) {
            return way;
        }
        if key.method_is_register && self.is_phone(source) {
            return Way::Registrar;
        }
        if !self.is_trunk(source) {
            return if key.is_response { Way::Dropped } else { Way::Refused };
        }
        if key.is_ack && key.to_tag == Some(self.refusal_tag.as_str()) {
            return Way::Settled;
        }
        let shard = self.spread(&key);
        if key.begins() { Way::Beginning(shard) } else { Way::Shard(shard) }
    }

    /// The answer to what begins something when its shard has no time for it, and the way it goes. Nothing is kept of it
    /// (RFC 3261 §8.2.7).
    #[must_use]
    pub fn overloaded(&self, path: Path, message: &Bytes) -> Option<(Path, Bytes)> {
        let (back, request) = asked(path, message)?;
        let response = Response::to(&request, StatusCode::SERVICE_UNAVAILABLE).with_to_tag(&self.refusal_tag);
        Some((back, response.with(Name::RetryAfter, RETRY_AFTER).write()))
    }

    /// Who has, or would have, the call of a message: a shard, or those who watch trunks.
    #[must_use]
    pub fn owner(&self, message: &[u8]) -> Option<Way> {
        let key = route_key(message)?;
        Some(self.own(&key).unwrap_or_else(|| Way::Shard(self.spread(&key))))
    }

    fn is_trunk(&self, source: &Source<'_>) -> bool {
        self.trunks.find(source.ip).is_some_and(|name| {
            let demand = self.demands.get(name).copied().unwrap_or_default();
            (!demand.tls || source.over.is_encrypted())
                && (!demand.certificate || source.proven.iter().any(|proven| **proven == *name))
        })
    }

    fn is_phone(&self, source: &Source<'_>) -> bool {
        (!self.phones_by_tls || source.over.is_encrypted()) && self.phones.find(source.ip).is_some()
    }

    fn spread(&self, key: &RouteKey<'_>) -> usize {
        let mut hasher = DefaultHasher::new();
        key.call_id.hash(&mut hasher);
        let spread = hasher.finish() % u64::try_from(self.shards.max(1)).unwrap_or(1);
        usize::try_from(spread).unwrap_or(0)
    }

    fn own(&self, key: &RouteKey<'_>) -> Option<Way> {
        let (left, token) = key.call_id.rsplit_once('@')?;
        let written = left.rsplit_once('.')?.1;
        if token != self.token {
            return None;
        }
        if written == TRUNKS {
            return Some(Way::Trunks);
        }
        let shard: usize = written.parse().ok()?;
        // As we write it and no other way: `00` is nobody's.
        (shard < self.shards && written == shard.to_string()).then_some(Way::Shard(shard))
    }
}

/// Seconds until whoever was refused for want of time asks again (RFC 3261 §20.33): a burst is over by then.
const RETRY_AFTER: &str = "5";

/// Stands where a shard's number would.
const TRUNKS: &str = "t";

/// The answer to a source that we do not know, and the way it goes: nothing of it depends on what was asked for.
#[must_use]
pub fn refusal(path: Path, message: &Bytes) -> Option<(Path, Bytes)> {
    let (back, request) = asked(path, message)?;
    Some((back, Response::stateless(&request, StatusCode::FORBIDDEN).write()))
}

/// A message that may be answered, and the way back.
fn asked(path: Path, message: &Bytes) -> Option<(Path, Request)> {
    let Ok(Message::Request(mut request)) = Message::from_bytes(message) else { return None };
    if request.method == Method::Ack {
        return None;
    }
    let mut via = request.headers.via().ok()?;
    let back = path.back(&mut via);
    request.headers.set_top_via(&via);
    Some((back, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: &str = "192.0.2.7";
    const PHONE: &str = "198.51.100.9";
    const STRANGER: &str = "203.0.113.66";

    fn gate() -> Gate {
        let trunks = AccessList::parse([("carrier", ["192.0.2.0/24"].as_slice())]).expect("a list");
        let phones = AccessList::parse([("phones", ["198.51.100.0/24"].as_slice())]).expect("a list");
        Gate::new(trunks, phones, "f00d".to_owned(), 4)
    }

    fn request(method: &str, to: &str, call_id: &str) -> Bytes {
        Bytes::from(format!(
            "{method} sip:{to}@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bKa\r\n\
             From: <sip:x@203.0.113.66>;tag=1\r\nTo: <sip:{to}@198.51.100.1>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    /// One within a dialog.
    fn tagged(method: &str, call_id: &str, tag: &str) -> Bytes {
        let text = String::from_utf8_lossy(&request(method, "bank", call_id)).into_owned();
        Bytes::from(text.replace(
            "<sip:bank@198.51.100.1>\r\nCall",
            &format!("<sip:bank@198.51.100.1>;tag={tag}\r\nCall"),
        ))
    }

    fn way(source: &str, message: &[u8]) -> Way {
        gate().way(&from(source, Transport::Udp, &[]), message)
    }

    fn from<'a>(ip: &str, over: Transport, proven: &'a [Arc<str>]) -> Source<'a> {
        Source { ip: ip.parse().expect("an address"), over, proven }
    }

    fn trunk_path() -> Path {
        let at = |text: &str| text.parse().expect("an address");
        let (local, remote) = (at("198.51.100.1:5060"), at("192.0.2.7:40000"));
        Path { transport: Transport::Udp, local, remote, connection: None }
    }

    #[test]
    fn what_a_trunk_demands_beside_its_address_is_demanded_of_every_message() {
        let demand = |tls, certificate| HashMap::from([("carrier".to_owned(), Demand { tls, certificate })]);
        let invite = request("INVITE", "bank", "abc");
        let own: [Arc<str>; 1] = ["carrier".into()];
        let other: [Arc<str>; 1] = ["another".into()];
        let by_tls = gate().demanding(demand(true, false), true);
        for plain in [Transport::Udp, Transport::Tcp, Transport::Ws] {
            assert_eq!(by_tls.way(&from(TRUNK, plain, &[]), &invite), Way::Refused);
            assert_eq!(by_tls.way(&from(TRUNK, plain, &own), b"no message"), Way::Dropped);
            assert_eq!(by_tls.way(&from(PHONE, plain, &[]), &request("REGISTER", "ana", "r")), Way::Refused);
        }
        let register = request("REGISTER", "ana", "r");
        for secure in [Transport::Tls, Transport::Wss] {
            assert!(matches!(by_tls.way(&from(TRUNK, secure, &[]), &invite), Way::Beginning(_)));
            assert_eq!(by_tls.way(&from(PHONE, secure, &[]), &register), Way::Registrar);
        }
        assert_eq!(by_tls.way(&from(STRANGER, Transport::Tls, &own), &invite), Way::Refused);
        let by_name = gate().demanding(demand(true, true), false);
        assert_eq!(by_name.way(&from(TRUNK, Transport::Tls, &[]), &invite), Way::Refused);
        assert_eq!(by_name.way(&from(TRUNK, Transport::Tls, &other), &invite), Way::Refused);
        assert!(matches!(by_name.way(&from(TRUNK, Transport::Tls, &own), &invite), Way::Beginning(_)));
        let own_call = request("BYE", "x", &format!("9f3c{}", by_name.call_id_suffix(3)));
        assert_eq!(by_name.way(&from(TRUNK, Transport::Udp, &[]), &own_call), Way::Shard(3));
    }

    #[test]
    fn a_call_goes_to_one_shard_whichever_message_of_it_comes() {
        let Way::Beginning(shard) = way(TRUNK, &request("INVITE", "bank", "abc")) else {
            panic!("not let in")
        };
        assert_eq!(way(TRUNK, &tagged("BYE", "abc", "1")), Way::Shard(shard));
        assert_eq!(way(TRUNK, &request("CANCEL", "bank", "abc")), Way::Shard(shard));
        let spread: std::collections::HashSet<_> = (0..64)
            .map(|n| format!("{:?}", way(TRUNK, &request("INVITE", "bank", &n.to_string()))))
            .collect();
        assert_eq!(spread.len(), 4);
    }

    #[test]
    fn what_is_refused_for_want_of_time_ends_at_the_gate() {
        let gate = gate();
        let trunk = from(TRUNK, Transport::Udp, &[]);
        let (back, refused) =
            gate.overloaded(trunk_path(), &request("INVITE", "bank", "abc")).expect("an answer");
        let text = String::from_utf8_lossy(&refused).into_owned();
        assert!(text.starts_with("SIP/2.0 503 ") && text.contains("Retry-After: 5\r\n"), "{text}");
        // RFC 3261 §18.2.2: its Via asks for no port, so the answer goes to the usual one.
        assert!(text.contains(";received=192.0.2.7"), "{text}");
        assert_eq!(back.remote, "192.0.2.7:5060".parse().expect("an address"));
        let (_, tag) = text.split_once("198.51.100.1>;tag=").expect("a tag");
        let (tag, _) = tag.split_once('\r').expect("a line");
        assert_eq!(gate.way(&trunk, &tagged("ACK", "abc", tag)), Way::Settled);
        assert!(matches!(gate.way(&trunk, &tagged("ACK", "abc", "another")), Way::Shard(_)));
        assert!(matches!(gate.way(&trunk, &tagged("INVITE", "abc", tag)), Way::Shard(_)));
        assert_eq!(gate.overloaded(trunk_path(), &request("ACK", "bank", "abc")), None);
    }

    #[test]
    fn our_own_calls_find_their_shard_from_anywhere() {
        let own = format!("9f3c{}", gate().call_id_suffix(3));
        assert_eq!(way(STRANGER, &request("BYE", "x", &own)), Way::Shard(3));
        assert_eq!(way(STRANGER, &request("BYE", "x", "9f3c.3@beef")), Way::Refused);
        let of_trunks = format!("9f3c{}", gate().trunks_suffix());
        assert_eq!(way(STRANGER, &request("OPTIONS", "x", &of_trunks)), Way::Trunks);
        assert_eq!(way(STRANGER, &request("BYE", "x", "9f3c.9@f00d")), Way::Refused);
        for written in ["00", "+0", "03", " 3"] {
            assert_eq!(way(STRANGER, &request("INVITE", "x", &format!("9f3c.{written}@f00d"))), Way::Refused);
        }
    }

    #[test]
    fn a_registration_is_considered_from_the_phones_networks_only() {
        assert_eq!(way(PHONE, &request("REGISTER", "ana", "r1")), Way::Registrar);
        assert_eq!(way(STRANGER, &request("REGISTER", "ana", "r1")), Way::Refused);
        assert_eq!(way(PHONE, &request("INVITE", "ana", "r1")), Way::Refused);
    }

    #[test]
    fn a_stranger_gets_the_same_refusal_for_every_user() {
        let (_, known) = refusal(trunk_path(), &request("INVITE", "bank", "a")).expect("an answer");
        let (_, unknown) = refusal(trunk_path(), &request("INVITE", "nobody", "a")).expect("an answer");
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let without_echo = |answer: String, user: &str| {
            let lines = answer.lines().filter(|line| !line.starts_with("To:")).collect::<Vec<_>>().join("\n");
            lines.replace(user, "")
        };
        assert_eq!(without_echo(text(&known), "bank"), without_echo(text(&unknown), "nobody"));
        assert!(text(&known).starts_with("SIP/2.0 403 "));
        assert!(!text(&known).contains("Server") && !text(&known).contains("ountersign"));
        assert!(refusal(trunk_path(), &request("ACK", "bank", "a")).is_none());
    }
}
