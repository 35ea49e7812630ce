//! Via (RFC 3261 §18.2, §20.42; RFC 3581 `rport`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::super::lexer::{self, Lexer};
use super::super::uri::Host;
use super::params::Params;

/// One hop of a request's way, and so of the way back for its responses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    /// `UDP`, `TCP`, or a transport unknown here, in upper case.
    pub transport: String,
    /// The host of `sent-by`.
    pub host: Host,
    /// The port of `sent-by`, when written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, `maddr`, `ttl` …
    pub params: Params,
}

impl Via {
    /// A Via of our own, asking for `rport` (RFC 3581 §3).
    #[must_use]
    pub fn new(transport: &str, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", Some(branch));
        params.set("rport", None);
        Self {
            transport: transport.to_owned(),
            host: Host::Ip(sent_by.ip()),
            port: Some(sent_by.port()),
            params,
        }
    }

    /// Reads one value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_space();
        let protocol = lexer.token()?;
        if !protocol.eq_ignore_ascii_case("SIP") || !lexer.eat_spaced(b'/') {
            return None;
        }
        lexer.token()?;
        if !lexer.eat_spaced(b'/') {
            return None;
        }
        let transport = lexer.token()?.to_ascii_uppercase();
        if !lexer.peek().is_some_and(lexer::is_space) {
            return None;
        }
        lexer.skip_space();
        let raw_host = if lexer.peek() == Some(b'[') {
            let open = lexer.take_while(|byte| byte != b']');
            lexer.eat(b']').then(|| [open, b"]"].concat())?
        } else {
            lexer.take_while(|byte| !lexer::is_space(byte) && byte != b':' && byte != b';').to_vec()
        };
        let host = Host::parse(std::str::from_utf8(&raw_host).ok()?)?;
        let port = if lexer.eat_spaced(b':') {
            let digits = lexer.take_while(|byte| byte.is_ascii_digit());
            Some(u16::try_from(lexer::decimal(digits)?).ok()?)
        } else {
            None
        };
        let params = Params::parse(&mut lexer)?;
        Some(Self { transport, host, port, params })
    }

    /// The branch as it was sent.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch when it names a transaction by itself: the magic cookie and something after it
    /// (RFC 3261 §8.1.1.7, RFC 4475 §3.2.1).
    #[must_use]
    pub fn transaction_branch(&self) -> Option<&str> {
        self.branch().filter(|branch| {
            branch.len() > MAGIC_COOKIE.len()
                && branch
                    .get(..MAGIC_COOKIE.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(MAGIC_COOKIE))
        })
    }

    /// `host[:port]` as part of a transaction's key.
    #[must_use]
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The address that the previous hop saw, when it wrote one. With or without brackets (RFC 5118 §4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let raw = self.params.get("received")?;
        raw.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `rport`: `None` when absent, `Some(None)` when asked for, `Some(Some(port))` when filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| value.parse().ok())
    }

    /// Notes where a request came from: `received` when it differs from `sent-by` or `rport` was asked for,
    /// and `rport`'s value (RFC 3261 §18.2.1, RFC 3581 §4). Returns whether anything changed.
    pub fn stamp(&mut self, source: SocketAddr) -> bool {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        let differs = self.host != Host::Ip(source.ip());
        if asked || differs {
            self.params.set("received", Some(&source.ip().to_string()));
        }
        asked || differs
    }

    /// Where a response over UDP goes, for a request that came from `source` (RFC 3261 §18.2.2,
    /// RFC 3581 §4). `maddr` is not obeyed: a response goes to who asked, and to nobody else.
    #[must_use]
    pub fn response_address(&self, source: SocketAddr) -> SocketAddr {
        if self.params.has("rport") {
            source
        } else {
            SocketAddr::new(source.ip(), self.port.unwrap_or(DEFAULT_PORT))
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// RFC 3261 §8.1.1.7: begins every branch that is unique by itself.
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// RFC 3261 §19.1.2: the port of `sip:` without one.
const DEFAULT_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via {
        Via::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn white_space_may_stand_between_the_parts() {
        let read = via("SIP  / 2.0  / udp     192.0.2.2 : 5070  ;  branch  =   z9hG4bK9 ; rport");
        assert_eq!(read.to_string(), "SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK9;rport");
        assert_eq!(read.sent_by(), "192.0.2.2:5070");
    }

    #[test]
    fn a_branch_that_is_no_more_than_the_cookie_names_no_transaction() {
        assert_eq!(via("SIP/2.0/UDP a;branch=z9hG4bK").transaction_branch(), None);
        assert_eq!(via("SIP/2.0/UDP a;branch=390skdjuw").transaction_branch(), None);
        assert_eq!(via("SIP/2.0/UDP a;branch=z9hG4bKx").transaction_branch(), Some("z9hG4bKx"));
    }

    #[test]
    fn the_source_is_noted_and_answered() {
        let source = address("198.51.100.7:40000");
        let mut asked = via("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx");
        assert!(asked.stamp(source));
        assert_eq!((asked.received(), asked.rport()), (Some(source.ip()), Some(Some(40000))));
        assert_eq!(asked.response_address(source), source);
        let mut plain = via("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx");
        assert!(plain.stamp(source));
        assert_eq!(plain.response_address(source), address("198.51.100.7:5070"));
        let mut same = via("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx");
        assert!(!same.stamp(source));
        assert_eq!(same.response_address(source), address("198.51.100.7:5060"));
    }

    #[test]
    fn ipv6_is_read_with_and_without_brackets_in_received() {
        for received in ["2001:db8::9:255", "[2001:db8::9:255]"] {
            let read =
                via(&format!("SIP/2.0/UDP [2001:db8::9:1]:5070;received={received};branch=z9hG4bKas3"));
            assert_eq!(read.received(), "2001:db8::9:255".parse().ok());
            assert_eq!(read.port, Some(5070));
        }
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "HTTP/1.1/TCP a",
            "SIP/2.0/UDP a:99999",
            "SIP/2.0/UDP a;;branch=x",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP [2001:db8::1",
            "SIP/2.0/UDP a;branch=x trailing",
        ] {
            assert_eq!(Via::parse(text.as_bytes()), None, "{text}");
        }
    }
}
