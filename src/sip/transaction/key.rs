//! Which transaction a message belongs to: RFC 3261 §17.1.3 and §17.2.3, with the fallback for peers of
//! RFC 2543, whose branch does not name a transaction by itself.

use crate::sip::{HeaderError, Method, Request, Response};

/// Names a server transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionKey {
    /// RFC 3261: the branch, who made it, and the method.
    Branch {
        /// The branch of the top Via.
        branch: Box<str>,
        /// `sent-by` of the top Via, in lower case.
        sent_by: Box<str>,
        /// The method; ACK counts as INVITE.
        method: Box<str>,
    },
    /// RFC 2543: what the retransmissions of a request, and the ACK of a failure, have in common. The tag of
    /// To is left out: it is ours, and an INVITE lacks it while its ACK has it.
    Classic {
        /// Request-URI, From tag, Call-ID, CSeq number and top Via, one per line.
        identity: Box<str>,
        /// The method; ACK counts as INVITE.
        method: Box<str>,
    },
}

impl TransactionKey {
    /// Of a received request.
    pub fn of_request(request: &Request) -> Result<Self, HeaderError> {
        Self::with_method(request, counted(&request.method))
    }

    /// Of the INVITE that a CANCEL wants to end (RFC 3261 §9.2).
    pub fn of_cancelled(cancel: &Request) -> Result<Self, HeaderError> {
        Self::with_method(cancel, Method::Invite.as_str())
    }

    /// The method; an ACK's is INVITE.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Branch { method, .. } | Self::Classic { method, .. } => method,
        }
    }

    fn with_method(request: &Request, method: &str) -> Result<Self, HeaderError> {
        let headers = &request.headers;
        let via = headers.via()?;
        let method = method.into();
        if let Some(branch) = via.transaction_branch() {
            let sent_by = via.sent_by().to_ascii_lowercase().into();
            return Ok(Self::Branch { branch: branch.into(), sent_by, method });
        }
        let from = headers.from()?;
        let identity = format!(
            "{}\n{}\n{}\n{}\n{via}",
            request.uri,
            from.tag().unwrap_or_default(),
            headers.call_id()?,
            headers.cseq()?.number,
        );
        Ok(Self::Classic { identity: identity.into(), method })
    }
}

/// Names a client transaction: the branch is ours and random; the method distinguishes a CANCEL from its
/// INVITE (RFC 3261 §17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    /// The branch that we made.
    pub branch: Box<str>,
    /// The method of CSeq.
    pub method: Box<str>,
}

impl ClientKey {
    /// Of a received response.
    pub fn of_response(response: &Response) -> Result<Self, HeaderError> {
        let via = response.headers.via()?;
        let method = response.headers.cseq()?.method.as_str().into();
        Ok(Self { branch: via.branch().unwrap_or_default().into(), method })
    }

    /// Of a request of ours.
    #[must_use]
    pub fn new(branch: &str, method: &Method) -> Self {
        Self { branch: branch.into(), method: method.as_str().into() }
    }
}

/// An ACK belongs to its INVITE (RFC 3261 §17.2.3).
fn counted(method: &Method) -> &str {
    match method {
        Method::Ack => Method::Invite.as_str(),
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;

    fn request(method: &str, to_tag: &str, via: &str) -> Request {
        let text = format!(
            "{method} sip:ivr@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@192.0.2.9>;tag=a\r\nTo: <sip:ivr@192.0.2.1>{to_tag}\r\n\
             Call-ID: c1\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("a request, not {other:?}"),
        }
    }

    fn key(method: &str, to_tag: &str, via: &str) -> TransactionKey {
        TransactionKey::of_request(&request(method, to_tag, via)).expect("a key")
    }

    #[test]
    fn an_ack_of_a_failure_finds_its_invite_by_branch_or_the_old_way() {
        for via in ["SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx1", "SIP/2.0/UDP 192.0.2.9"] {
            let invite = key("INVITE", "", via);
            assert_eq!(invite, key("ACK", ";tag=ours", via));
            assert_ne!(invite, key("CANCEL", "", via));
            let cancel = request("CANCEL", "", via);
            assert_eq!(invite, TransactionKey::of_cancelled(&cancel).expect("a key"));
        }
    }

    #[test]
    fn the_same_branch_from_another_sender_is_another_transaction() {
        let one = key("INVITE", "", "SIP/2.0/UDP Host.example:5060;branch=z9hG4bKx1");
        let same = key("INVITE", "", "SIP/2.0/UDP host.example:5060;branch=z9hG4bKx1;rport");
        let other = key("INVITE", "", "SIP/2.0/UDP host.example:5061;branch=z9hG4bKx1");
        assert_eq!(one, same);
        assert_ne!(one, other);
    }
}
