//! Header names: compared without case, with their compact forms (RFC 3261 §7.3.3).

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

/// The name of a header.
#[derive(Clone, Debug)]
pub enum HeaderName {
    /// A name from the list below.
    Known(Name),
    /// Any other token, as it was written.
    Other(Bytes),
}

macro_rules! names {
    ($($name:ident = $text:literal $(, $compact:literal)?;)*) => {
        /// The names that this engine reads or writes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the header of that name")]
        pub enum Name {
            $($name,)*
        }

        impl Name {
            /// The usual spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            fn from_token(token: &[u8]) -> Option<Self> {
                $(
                    if token.eq_ignore_ascii_case($text.as_bytes()) $(|| token.eq_ignore_ascii_case($compact))? {
                        return Some(Self::$name);
                    }
                )*
                None
            }
        }
    };
}

names! {
    Via = "Via", b"v";
    From = "From", b"f";
    To = "To", b"t";
    CallId = "Call-ID", b"i";
    CSeq = "CSeq";
    Contact = "Contact", b"m";
    MaxForwards = "Max-Forwards";
    ContentLength = "Content-Length", b"l";
    ContentType = "Content-Type", b"c";
    ContentEncoding = "Content-Encoding", b"e";
    ContentDisposition = "Content-Disposition";
    ContentLanguage = "Content-Language";
    Route = "Route";
    RecordRoute = "Record-Route";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Supported = "Supported", b"k";
    Unsupported = "Unsupported";
    Allow = "Allow";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Date = "Date";
    Event = "Event", b"o";
    Reason = "Reason";
    RetryAfter = "Retry-After";
    Rseq = "RSeq";
    Rack = "RAck";
    Server = "Server";
    UserAgent = "User-Agent";
    Subject = "Subject", b"s";
    ReferTo = "Refer-To", b"r";
    ReferredBy = "Referred-By", b"b";
    Replaces = "Replaces";
    SessionExpires = "Session-Expires", b"x";
    MinSe = "Min-SE";
    Identity = "Identity", b"y";
    PAssertedIdentity = "P-Asserted-Identity";
    Privacy = "Privacy";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    UserToUser = "User-to-User";
    MimeVersion = "MIME-Version";
    Timestamp = "Timestamp";
    Warning = "Warning";
}

impl HeaderName {
    /// From a token; compact forms become the names that they stand for.
    #[must_use]
    pub fn from_token(token: &Bytes) -> Self {
        Name::from_token(token).map_or_else(|| Self::Other(token.clone()), Self::Known)
    }

    /// From a name in the source or from a setting.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Name::from_token(name.as_bytes())
            .map_or_else(|| Self::Other(Bytes::copy_from_slice(name.as_bytes())), Self::Known)
    }

    /// The name in its usual spelling, or as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name.as_str(),
            Self::Other(token) => std::str::from_utf8(token).unwrap_or_default(),
        }
    }
}

impl From<Name> for HeaderName {
    fn from(name: Name) -> Self {
        Self::Known(name)
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(own), Self::Known(theirs)) => own == theirs,
            (Self::Other(own), Self::Other(theirs)) => own.eq_ignore_ascii_case(theirs),
            _ => false,
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
