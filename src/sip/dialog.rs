//! Dialogs: RFC 3261 §12. Identity, sequence numbers, route set and remote target; requests inside a dialog
//! and where they go.
//!
//! Host names are not resolved here. A request goes to the address that the first Route or, without one, the
//! remote target names literally; if that is a name, or a private address that the peer's messages do not come
//! from (a phone behind a NAT), it goes to where the dialog's messages come from. On a stream it goes over
//! the stream that the dialog's messages came on.

use std::net::{IpAddr, SocketAddr};

use crate::sip::message::Core;
use crate::sip::{HeaderError, Method, Name, NameAddr, Path, Request, Response, Transport, Uri, Via};

/// One side's view of a dialog.
#[derive(Debug)]
pub struct Dialog {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    route_set: Vec<NameAddr>,
    remote_target: Uri,
    /// Where the peer's messages come from, and on what.
    path: Path,
}

impl Dialog {
    /// The callee's, from the INVITE that it received on `path` (RFC 3261 §12.1.1).
    pub fn of_request(invite: &Request, path: Path, local_tag: &str) -> Result<Self, HeaderError> {
        let headers = &invite.headers;
        let remote = headers.from()?;
        let remote_target = target(headers.contact(), &remote.uri)?;
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local: headers.to()?.with_tag(local_tag),
            remote,
            local_cseq: 0,
            remote_cseq: Some(headers.cseq()?.number),
            route_set: bounded(headers.record_route()?),
            remote_target,
            path,
        })
    }

    /// The caller's, from its INVITE and the response that came on `path` (RFC 3261 §12.1.2).
    pub fn of_response(invite: &Request, response: &Response, path: Path) -> Result<Self, HeaderError> {
        let headers = &response.headers;
        let remote_target = target(headers.contact(), &invite.uri)?;
        let mut route_set = bounded(headers.record_route()?);
        route_set.reverse();
        Ok(Self {
            call_id: invite.headers.call_id()?.to_owned(),
            local: invite.headers.from()?,
            remote: headers.to()?,
            local_cseq: invite.headers.cseq()?.number,
            remote_cseq: None,
            route_set,
            remote_target,
            path,
        })
    }

    /// Whether a message with this Call-ID and this tag of the peer belongs to the dialog. A peer of RFC 2543
    /// has no tag.
    #[must_use]
    pub fn matches(&self, call_id: &str, remote_tag: Option<&str>) -> bool {
        self.call_id == call_id && self.remote.tag() == remote_tag
    }

    /// The peer's tag.
    #[must_use]
    pub fn remote_tag(&self) -> Option<&str> {
        self.remote.tag()
    }

    /// The way of the last message from the peer.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Goes on from what was said while the callee had not picked up (RFC 3261 §13.2.2.4).
    pub fn continue_from(&mut self, early: &Self) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = self.remote_cseq.max(early.remote_cseq);
    }

    /// Takes the peer's next sequence number: only a higher one is in order (RFC 3261 §12.2.2). An equal one
    /// is the same request on a second way, and no more to be obeyed twice.
    pub fn take_cseq(&mut self, number: u32) -> bool {
        let in_order = self.is_next(number);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// Whether a request of this number comes in order, of which nothing is noted.
    #[must_use]
    pub fn is_next(&self, number: u32) -> bool {
        self.remote_cseq.is_none_or(|last| number > last)
    }

    /// Notes where the peer's messages come from now.
    pub fn seen(&mut self, path: Path) {
        self.path = path;
    }

    /// Whether nobody on the way to the next hop reads along.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.path.transport.is_encrypted()
    }

    /// The stream is gone: the next request asks for another.
    pub fn forget_connection(&mut self, failed: Path) {
        if self.path == failed {
            self.path.connection = None;
        }
    }

    /// A target refresh (RFC 3261 §12.2): the peer's new Contact, when there is a usable one.
    pub fn refresh_target(&mut self, contact: Result<NameAddr, HeaderError>) {
        if let Ok(contact) = contact {
            self.remote_target = contact.uri;
        }
    }

    /// The next request of ours in the dialog, and its way (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method, branch: &str) -> (Request, Path) {
        self.local_cseq += 1;
        self.build(method, self.local_cseq, branch)
    }

    /// The ACK of a 2xx to our INVITE with this sequence number (RFC 3261 §13.2.2.4).
    #[must_use]
    pub fn ack(&self, invite_cseq: u32, branch: &str) -> (Request, Path) {
        self.build(Method::Ack, invite_cseq, branch)
    }

    /// Our last sequence number; an authenticated repeat of a request took another.
    pub fn set_local_cseq(&mut self, number: u32) {
        self.local_cseq = self.local_cseq.max(number);
    }

    fn build(&self, method: Method, cseq: u32, branch: &str) -> (Request, Path) {
        let path = self.next_hop();
        let via = Via::new(path.transport.via_name(), path.local, branch);
        let core = Core { via: &via, from: &self.local, to: &self.remote, call_id: &self.call_id, cseq };
        // RFC 3261 §12.2.1.1: a first route without `lr` is a strict router; it wants to stand in the
        // Request-URI, and the target at the end of the routes.
        let strict = self.route_set.first().filter(|first| first.uri.param("lr").is_none());
        let (uri, routes, tail) = match strict {
            Some(first) => {
                (&first.uri, self.route_set.get(1..).unwrap_or_default(), Some(&self.remote_target))
            }
            None => (&self.remote_target, self.route_set.as_slice(), None),
        };
        let mut request = Request::build(method, uri.clone(), &core);
        for route in routes {
            request.headers.push(Name::Route, route.to_string());
        }
        if let Some(target) = tail {
            request.headers.push(Name::Route, NameAddr::new(target.clone()).to_string());
        }
        (request, path)
    }

    fn next_hop(&self) -> Path {
        let transport = self.path.transport;
        // RFC 7118 §5.2.2: the name in a WebSocket's Contact leads nowhere; its connection alone does.
        if transport.is_websocket() || (transport.is_reliable() && self.path.connection.is_some()) {
            return self.path;
        }
        let hop = self.route_set.first().map_or(&self.remote_target, |route| &route.uri);
        let remote = literal_address(hop, self.path.transport).filter(|named| usable(*named, self.path));
        let remote = remote.unwrap_or(self.path.remote);
        Path { remote, ..self.path }
    }
}

/// A missing Contact breaks the RFC, but the peer's own URI stands in; a malformed one is an error.
fn target(contact: Result<NameAddr, HeaderError>, fallback: &Uri) -> Result<Uri, HeaderError> {
    match contact {
        Ok(contact) => Ok(contact.uri),
        Err(HeaderError::Missing(_)) => Ok(fallback.clone()),
        Err(malformed) => Err(malformed),
    }
}

fn bounded(mut routes: Vec<NameAddr>) -> Vec<NameAddr> {
    routes.truncate(MAX_ROUTES);
    routes
}

/// The address and port that a URI names without a look-up.
fn literal_address(uri: &Uri, over: Transport) -> Option<SocketAddr> {
    let sip = uri.as_sip()?;
    let ip = sip.host.ip()?;
    Some(SocketAddr::new(ip, sip.port.unwrap_or(over.default_port())))
}

/// Whether a named address can be where the peer is, given where its messages come from.
fn usable(named: SocketAddr, path: Path) -> bool {
    let same_family = named.is_ipv4() == path.local.is_ipv4();
    same_family
        && named.port() != 0
        && !named.ip().is_unspecified()
        && !named.ip().is_multicast()
        && (named.ip() == path.remote.ip() || !is_private(named.ip()))
}

/// Addresses that mean something only in their own network (RFC 1918, 6598, 3927, 4193, 4291).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Ours: no carrier needs more hops, and every request of the dialog carries them all.
const MAX_ROUTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;

    fn path(remote: &str) -> Path {
        Path {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            connection: None,
        }
    }

    fn dialog(contact: &str, record_route: &str, source: &str) -> Dialog {
        let text = format!(
            "INVITE sip:ivr@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n\
             {record_route}From: <sip:a@h.example>;tag=theirs\r\nTo: <sip:ivr@192.0.2.1>\r\n\
             Call-ID: c1\r\nCSeq: 7 INVITE\r\nContact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(invite)) => {
                Dialog::of_request(&invite, path(source), "ours").expect("a dialog")
            }
            other => panic!("a request, not {other:?}"),
        }
    }

    #[test]
    fn a_request_goes_where_the_peer_can_be_reached() {
        let table = [
            ("sip:a@198.51.100.7:5070", "", "198.51.100.1:5060", "198.51.100.7:5070"),
            ("sip:a@198.51.100.7", "", "198.51.100.1:5060", "198.51.100.7:5060"),
            // Behind a NAT, or named: back to the source.
            ("sip:a@10.0.0.4:5070", "", "198.51.100.1:33000", "198.51.100.1:33000"),
            ("sip:a@100.64.3.4:5070", "", "198.51.100.1:33000", "198.51.100.1:33000"),
            ("sip:a@host.example", "", "198.51.100.1:33000", "198.51.100.1:33000"),
            ("sip:a@0.0.0.0", "", "198.51.100.1:33000", "198.51.100.1:33000"),
            ("sip:a@[2001:db8::1]", "", "198.51.100.1:33000", "198.51.100.1:33000"),
            // Inside the same private network: as named.
            ("sip:a@10.0.0.4:5070", "", "10.0.0.4:5060", "10.0.0.4:5070"),
            (
                "sip:a@10.0.0.4:5070",
                "Record-Route: <sip:203.0.113.5;lr>\r\n",
                "203.0.113.5:5060",
                "203.0.113.5:5060",
            ),
        ];
        for (contact, route, source, expected) in table {
            let (_, way) = dialog(contact, route, source).request(Method::Bye, "z9hG4bKb");
            assert_eq!(way.remote.to_string(), expected, "{contact} from {source}");
        }
    }

    #[test]
    fn a_websocket_that_is_gone_is_not_looked_for_elsewhere() {
        let mut dialog = dialog("sip:a@203.0.113.9:5070;transport=ws", "", "198.51.100.1:33000");
        let path = Path { transport: Transport::Ws, connection: Some(7), ..path("198.51.100.1:33000") };
        dialog.seen(path);
        assert_eq!(dialog.request(Method::Bye, "z9hG4bKb").1, path);
        dialog.forget_connection(path);
        assert_eq!(dialog.request(Method::Bye, "z9hG4bKb").1, Path { connection: None, ..path });
    }

    #[test]
    fn routes_stand_in_order_and_a_strict_router_takes_the_request_uri() {
        let loose = "Record-Route: <sip:203.0.113.5;lr>, <sip:203.0.113.6;lr>\r\n";
        let (bye, _) =
            dialog("sip:a@198.51.100.7", loose, "203.0.113.5:5060").request(Method::Bye, "z9hG4bKb");
        assert_eq!(bye.uri.to_string(), "sip:a@198.51.100.7");
        let routes = |request: &Request| -> Vec<String> {
            let all = request.headers.route().expect("routes");
            all.iter().map(ToString::to_string).collect()
        };
        assert_eq!(routes(&bye), ["<sip:203.0.113.5;lr>", "<sip:203.0.113.6;lr>"]);

        let strict = "Record-Route: <sip:203.0.113.5>, <sip:203.0.113.6;lr>\r\n";
        let (bye, _) =
            dialog("sip:a@198.51.100.7", strict, "203.0.113.5:5060").request(Method::Bye, "z9hG4bKb");
        assert_eq!(bye.uri.to_string(), "sip:203.0.113.5");
        assert_eq!(routes(&bye), ["<sip:203.0.113.6;lr>", "<sip:a@198.51.100.7>"]);
    }

    #[test]
    fn only_a_higher_sequence_number_is_in_order() {
        let mut dialog = dialog("sip:a@198.51.100.7", "", "198.51.100.7:5060");
        assert!(!dialog.take_cseq(7) && !dialog.take_cseq(3));
        assert!(dialog.take_cseq(9));
        assert!(!dialog.take_cseq(8));
        assert!(dialog.matches("c1", Some("theirs")));
        assert!(!dialog.matches("c1", None) && !dialog.matches("c2", Some("theirs")));
    }
}
