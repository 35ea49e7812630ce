//! URIs (RFC 3261 §19.1, RFC 3986 for the schemes that SIP merely carries).
//!
//! User, parameters and headers keep their escapes as they were written: unescaping is for comparing and
//! for reading the user, never for rewriting (RFC 4475 §3.1.1.3).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::Params;
use super::lexer;

/// A URI of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// Any other scheme (`tel:`, `http:` …), carried but not understood.
    Other {
        /// The scheme, in lower case.
        scheme: String,
        /// What follows the colon.
        rest: String,
    },
}

/// A `sip:` or `sips:` URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// Whether it is `sips:`.
    pub secure: bool,
    /// The user part with its escapes and parameters, without a password.
    pub user: Option<String>,
    /// The password; carried, never used (RFC 3261 §19.1.1 advises against it).
    pub password: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, when written.
    pub port: Option<u16>,
    /// `;transport=…` and the like.
    pub params: Params,
    /// What follows `?`, as it was written.
    pub headers: Option<String>,
}

/// A host: a name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, in lower case.
    Name(String),
    /// An address; IPv6 is written in brackets.
    Ip(IpAddr),
}

impl Uri {
    /// A `sip:` URI from its parts. `user` is escaped where it must be.
    #[must_use]
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self::Sip(SipUri {
            secure: false,
            user: user.map(escape_user),
            password: None,
            host,
            port,
            params: Params::new(),
            headers: None,
        })
    }

    /// Reads a whole URI; `None` when it breaks the grammar.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let raw = std::str::from_utf8(raw).ok()?;
        if raw.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"')) {
            return None;
        }
        let (scheme, rest) = raw.split_once(':')?;
        let mut letters = scheme.bytes();
        // RFC 3986 §3.1: a letter, then letters, digits, `+`, `-`, `.`.
        if !letters.next()?.is_ascii_alphabetic()
            || !letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            || rest.is_empty()
        {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "sip" => SipUri::parse(false, rest).map(Self::Sip),
            "sips" => SipUri::parse(true, rest).map(Self::Sip),
            _ => Some(Self::Other { scheme, rest: rest.to_owned() }),
        }
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) if uri.secure => "sips",
            Self::Sip(_) => "sip",
            Self::Other { scheme, .. } => scheme,
        }
    }

    /// The `sip:` or `sips:` URI.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Other { .. } => None,
        }
    }

    /// The user with its escapes undone, or the number of a `tel:` URI. Never cut at a `%00`.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        match self {
            Self::Sip(uri) => uri.user.as_deref().map(unescape),
            Self::Other { scheme, rest } if scheme == "tel" => {
                Some(rest.split(';').next().unwrap_or(rest).to_owned())
            }
            Self::Other { .. } => None,
        }
    }

    /// The user without the parameters that may follow in it (`+15551234;npdi` → `+15551234`).
    #[must_use]
    pub fn user_without_params(&self) -> Option<String> {
        self.user().map(|user| user.split(';').next().unwrap_or_default().to_owned())
    }

    /// The parameter of a SIP URI.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.as_sip()?.params.get(name)
    }

    /// Without what a Request-URI or a Route may not carry: headers, and the `method` parameter
    /// (RFC 3261 §19.1.1 table 1).
    #[must_use]
    pub fn for_request(mut self) -> Self {
        if let Self::Sip(uri) = &mut self {
            uri.headers = None;
            uri.params.remove("method");
        }
        self
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(own), Self::Sip(theirs)) => own.equivalent(theirs),
            _ => self == other,
        }
    }
}

impl SipUri {
    fn parse(secure: bool, rest: &str) -> Option<Self> {
        // No `@` may stand unescaped after the user part, so the only one ends it; `;`, `?` and `/` before
        // it belong to the user (RFC 4475 §3.1.1.9).
        let (user_info, rest) = match rest.split_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let (user, password) = match user_info {
            None => (None, None),
            Some(info) => {
                let (user, password) = match info.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (info, None),
                };
                if user.is_empty()
                    || !valid(user, is_user)
                    || !password.is_none_or(|text| valid(text, is_user))
                {
                    return None;
                }
                (Some(user.to_owned()), password.map(str::to_owned))
            }
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        if !headers.is_none_or(|headers| !headers.is_empty() && valid(headers, is_header)) {
            return None;
        }
        let mut pieces = rest.split(';');
        let (host, port) = host_port(pieces.next()?)?;
        let mut params = Params::new();
        for piece in pieces {
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (piece, None),
            };
            if name.is_empty() || !valid(name, is_param) || !value.is_none_or(|value| valid(value, is_param))
            {
                return None;
            }
            params.push(name.to_owned(), value.map(str::to_owned))?;
        }
        Some(Self { secure, user, password, host, port, params, headers: headers.map(str::to_owned) })
    }

    fn equivalent(&self, other: &Self) -> bool {
        let same = |own: &Option<String>, theirs: &Option<String>| {
            own.as_deref().map(unescape) == theirs.as_deref().map(unescape)
        };
        self.secure == other.secure
            && same(&self.user, &other.user)
            && same(&self.password, &other.password)
            && self.host == other.host
            && self.port == other.port
            && self.params_equivalent(other)
            && self.headers_equivalent(other)
    }

    /// Parameters on both sides must match; `user`, `ttl`, `method`, `maddr` and `transport` must be on both
    /// sides or on none; any other on one side only is ignored.
    fn params_equivalent(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(SipUri::plain_params);
        let one_way = |own: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
            own.iter().all(|(name, value)| match other.get(name) {
                Some(there) => there == value,
                None => !["user", "ttl", "method", "maddr", "transport"].contains(&name.as_str()),
            })
        };
        one_way(&ours, &theirs) && one_way(&theirs, &ours)
    }

    /// The parameters in lower case without escapes; of two that are the same then (`k`, `%4B`) the first counts.
    fn plain_params(&self) -> BTreeMap<String, String> {
        let mut plain = BTreeMap::new();
        for (name, value) in self.params.iter() {
            let value = unescape(value.unwrap_or("")).to_ascii_lowercase();
            plain.entry(unescape(name).to_ascii_lowercase()).or_insert(value);
        }
        plain
    }

    fn headers_equivalent(&self, other: &Self) -> bool {
        let sorted = |headers: &Option<String>| {
            let mut all: Vec<String> =
                headers.iter().flat_map(|text| text.split('&')).map(unescape).collect();
            all.sort_unstable();
            all
        };
        sorted(&self.headers) == sorted(&other.headers)
    }
}

impl Host {
    /// Reads a name, an IPv4 address or a bracketed IPv6 reference.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            // RFC 5118 §4.10: the grammar of RFC 3261 lets a third colon stand before an IPv4 tail.
            let address =
                inner.parse::<Ipv6Addr>().or_else(|_| inner.replacen(":::", "::", 1).parse()).ok()?;
            return Some(Self::Ip(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(IpAddr::V4(address)));
        }
        // Underscores are no host names but stand in many: carried.
        let named =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        (named && !text.is_empty() && text.len() <= MAX_NAME).then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// The address, when it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

/// `host[:port]`.
pub(super) fn host_port(text: &str) -> Option<(Host, Option<u16>)> {
    let host_end = match text.strip_prefix('[') {
        Some(inner) => inner.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end)?;
    let port = match rest.strip_prefix(':') {
        Some(digits) => Some(u16::try_from(lexer::decimal(digits.as_bytes())?).ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((Host::parse(host)?, port))
}

/// Every character allowed, and every `%` followed by two hexadecimal digits.
fn valid(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(index, &byte)| match byte {
        b'%' => bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        _ => allowed(byte),
    })
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// RFC 3261 §25.1 `user`, plus `#` and raw UTF-8, which phones send as they dial them.
const fn is_user(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#')
        || byte >= 0x80
}

const fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

const fn is_header(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$' | b'&' | b'=' | b';' | b',')
}

/// Undoes `%xx`; bytes that are no UTF-8 become Latin-1 characters.
pub(super) fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let hex = (byte == b'%').then(|| bytes.get(index + 1..index + 3)).flatten();
        let decoded = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(decoded.unwrap_or(byte));
        index += if decoded.is_some() { 3 } else { 1 };
    }
    lexer::text(&out).into_owned()
}

/// Escapes what may not stand in a user part.
fn escape_user(user: &str) -> String {
    use std::fmt::Write as _;
    user.bytes().fold(String::with_capacity(user.len()), |mut out, byte| {
        if is_user(byte) && byte < 0x80 && byte != b'#' {
            out.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// RFC 1035 §2.3.4: a name has at most 255 octets.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn users_are_read_with_escapes_and_semicolons() {
        for (text, user) in [
            ("sip:user;par=u%40example.net@example.com", Some("user;par=u@example.net")),
            ("sip:sips%3Auser%40example.com@example.net", Some("sips:user@example.com")),
            ("sip:null-%00-null@example.com", Some("null-\0-null")),
            ("sip:example.com", None),
            ("sip:+15551234;npdi:secret@example.com", Some("+15551234;npdi")),
            ("sip:*98#@example.com", Some("*98#")),
            ("tel:+15551234;phone-context=x", Some("+15551234")),
        ] {
            assert_eq!(uri(text).user().as_deref(), user, "{text}");
        }
        assert_eq!(uri("sip:+15551234;npdi@b").user_without_params().as_deref(), Some("+15551234"));
    }

    /// The lists of RFC 3261 §19.1.4.
    #[test]
    fn equivalence_is_that_of_the_rfc() {
        for (one, other, same) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true),
            ("sip:a;k;%4B=a", "sip:a;k;%4B=a", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
                true,
            ),
            (
                "sip:alice@atlanta.com?subject=a&priority=b",
                "sip:alice@atlanta.com?priority=b&subject=a",
                true,
            ),
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com", false),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next", false),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
        ] {
            assert_eq!(uri(one).equivalent(&uri(other)), same, "{one} {other}");
            assert_eq!(uri(other).equivalent(&uri(one)), same, "{other} {one}");
        }
    }

    #[test]
    fn the_port_of_an_ipv6_reference_stands_outside_its_brackets() {
        for (text, port) in [("sip:[2001:db8::10:5070]", None), ("sip:[2001:db8::10]:5070", Some(5070))] {
            assert_eq!(uri(text).as_sip().and_then(|uri| uri.port), port, "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip:",
            "sip",
            ":a@b",
            "sip:@b",
            "sip:a@",
            "sip:a@b@c",
            "sip:a%4@b",
            "sip:a%zz@b",
            "sip:a@b:",
            "sip:a@b:70000",
            "sip:a@b;;lr",
            "sip:a@b; lr",
            "sip:a@b?",
            "sip:2001:db8::10",
            "sip:[2001:db8::10",
            "<sip:a@b>",
            "1sip:a@b",
        ] {
            assert_eq!(Uri::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_request_uri_has_no_headers_and_no_method() {
        let made = uri("sip:a@b;method=INVITE;lr?Subject=x").for_request();
        assert_eq!(made.to_string(), "sip:a@b;lr");
    }
}
