//! Status codes and their usual phrases (RFC 3261 §21 and the IANA registry).

use std::fmt;

/// A status code from 100 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $phrase:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The usual phrase; empty for a code that this engine doesn't name.
            #[must_use]
            pub const fn phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    /// 100
    TRYING = 100, "Trying";
    /// 180
    RINGING = 180, "Ringing";
    /// 181
    FORWARDED = 181, "Call Is Being Forwarded";
    /// 182
    QUEUED = 182, "Queued";
    /// 183
    SESSION_PROGRESS = 183, "Session Progress";
    /// 200
    OK = 200, "OK";
    /// 202
    ACCEPTED = 202, "Accepted";
    /// 300
    MULTIPLE_CHOICES = 300, "Multiple Choices";
    /// 301
    MOVED_PERMANENTLY = 301, "Moved Permanently";
    /// 302
    MOVED_TEMPORARILY = 302, "Moved Temporarily";
    /// 305
    USE_PROXY = 305, "Use Proxy";
    /// 400
    BAD_REQUEST = 400, "Bad Request";
    /// 401
    UNAUTHORIZED = 401, "Unauthorized";
    /// 403
    FORBIDDEN = 403, "Forbidden";
    /// 404
    NOT_FOUND = 404, "Not Found";
    /// 405
    METHOD_NOT_ALLOWED = 405, "Method Not Allowed";
    /// 406
    NOT_ACCEPTABLE = 406, "Not Acceptable";
    /// 407
    PROXY_AUTHENTICATION_REQUIRED = 407, "Proxy Authentication Required";
    /// 408
    REQUEST_TIMEOUT = 408, "Request Timeout";
    /// 410
    GONE = 410, "Gone";
    /// 413
    REQUEST_ENTITY_TOO_LARGE = 413, "Request Entity Too Large";
    /// 415
    UNSUPPORTED_MEDIA_TYPE = 415, "Unsupported Media Type";
    /// 416
    UNSUPPORTED_URI_SCHEME = 416, "Unsupported URI Scheme";
    /// 420
    BAD_EXTENSION = 420, "Bad Extension";
    /// 421
    EXTENSION_REQUIRED = 421, "Extension Required";
    /// 422 (RFC 4028)
    SESSION_INTERVAL_TOO_SMALL = 422, "Session Interval Too Small";
    /// 423
    INTERVAL_TOO_BRIEF = 423, "Interval Too Brief";
    /// 469 (RFC 6086)
    BAD_INFO_PACKAGE = 469, "Bad Info Package";
    /// 480
    TEMPORARILY_UNAVAILABLE = 480, "Temporarily Unavailable";
    /// 481
    NO_SUCH_TRANSACTION = 481, "Call/Transaction Does Not Exist";
    /// 482
    LOOP_DETECTED = 482, "Loop Detected";
    /// 483
    TOO_MANY_HOPS = 483, "Too Many Hops";
    /// 484
    ADDRESS_INCOMPLETE = 484, "Address Incomplete";
    /// 486
    BUSY_HERE = 486, "Busy Here";
    /// 487
    REQUEST_TERMINATED = 487, "Request Terminated";
    /// 488
    NOT_ACCEPTABLE_HERE = 488, "Not Acceptable Here";
    /// 489 (RFC 6665)
    BAD_EVENT = 489, "Bad Event";
    /// 491
    REQUEST_PENDING = 491, "Request Pending";
    /// 493
    UNDECIPHERABLE = 493, "Undecipherable";
    /// 500
    SERVER_INTERNAL_ERROR = 500, "Server Internal Error";
    /// 501
    NOT_IMPLEMENTED = 501, "Not Implemented";
    /// 503
    SERVICE_UNAVAILABLE = 503, "Service Unavailable";
    /// 504
    SERVER_TIMEOUT = 504, "Server Time-out";
    /// 505
    VERSION_NOT_SUPPORTED = 505, "Version Not Supported";
    /// 513
    MESSAGE_TOO_LARGE = 513, "Message Too Large";
    /// 600
    BUSY_EVERYWHERE = 600, "Busy Everywhere";
    /// 603
    DECLINE = 603, "Decline";
    /// 604
    DOES_NOT_EXIST_ANYWHERE = 604, "Does Not Exist Anywhere";
    /// 606
    NOT_ACCEPTABLE_ANYWHERE = 606, "Not Acceptable";
}

impl StatusCode {
    /// From its number; `None` outside 100–699.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx: more will follow.
    #[must_use]
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx–6xx: ends the transaction.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// 2xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
