//! Methods (RFC 3261 §7.1 and the extensions' own RFCs). Method names are case-sensitive.

use std::fmt;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Start or change a session (RFC 3261 §13, §14).
    Invite,
    /// The third leg of the INVITE handshake (RFC 3261 §13.2.2.4, §17.1.1.3).
    Ack,
    /// End a session (RFC 3261 §15).
    Bye,
    /// Give up a pending INVITE (RFC 3261 §9).
    Cancel,
    /// Ask for capabilities (RFC 3261 §11).
    Options,
    /// Bind a contact to an address of record (RFC 3261 §10).
    Register,
    /// Information inside a dialog (RFC 6086).
    Info,
    /// Acknowledge a reliable provisional response (RFC 3262).
    Prack,
    /// Change a session that is not confirmed yet (RFC 3311).
    Update,
    /// Subscribe to events (RFC 6665).
    Subscribe,
    /// Report an event (RFC 6665).
    Notify,
    /// Ask the peer to call someone (RFC 3515).
    Refer,
    /// A text message (RFC 3428).
    Message,
    /// Publish event state (RFC 3903).
    Publish,
    /// A method that this engine has never heard of.
    Other(Box<str>),
}

impl Method {
    /// From the token of a start line or CSeq. Unknown tokens, and known ones in another case, are `Other`.
    #[must_use]
    pub fn from_token(token: &str) -> Self {
        match token {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "REGISTER" => Self::Register,
            "INFO" => Self::Info,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "SUBSCRIBE" => Self::Subscribe,
            "NOTIFY" => Self::Notify,
            "REFER" => Self::Refer,
            "MESSAGE" => Self::Message,
            "PUBLISH" => Self::Publish,
            other => Self::Other(other.into()),
        }
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(token) => token,
        }
    }

    /// Whether the method is one of those named above.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
