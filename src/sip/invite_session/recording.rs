//! A session that records another: our side is the session recording client (RFC 7866 §6.1, §9.1).
//!
//! Its INVITE demands a recording server (`Require: siprec`), its Contact says whose side we are (`+sip.src`), and beside
//! each offer of ours stands what is known of the recorded session. The last of it goes with the BYE.

use bytes::Bytes;

use super::{Context, InviteSession, Received, SDP, contact};
use crate::sip::endpoint::api::Event;
use crate::sip::{Path, Request, body};

/// The type of what is said of a recorded session (RFC 7865 §12).
const METADATA: &str = "application/rs-metadata+xml";
/// What that part of a body is for (RFC 7866 §9.1).
const RECORDING_SESSION: &str = "recording-session";

impl InviteSession {
    /// Says this of the recorded session from the next message on.
    pub(crate) fn describe(&mut self, metadata: Bytes) {
        if self.metadata.is_some() {
            self.metadata = Some(metadata);
        }
    }

    /// Hears whether the recording server wants to be told everything again.
    pub(super) fn heed(&mut self, received: &Received) {
        let request = &received.request;
        if self.metadata.is_some() && body::asks_for_metadata(&request.headers, &request.body) {
            self.raise(Event::MetadataRequested { session: self.id });
        }
    }

    /// Our Contact on a path.
    pub(super) fn contact(&self, path: Path) -> String {
        let mut contact = contact(&self.contact_user, path);
        if self.metadata.is_some() {
            contact.push_str(";+sip.src");
        }
        contact
    }

    /// An INVITE with our offer, and what is known of the recorded session.
    pub(super) fn with_offer(&self, cx: &mut Context<'_>, mut request: Request, sdp: Bytes) -> Request {
        let Some(metadata) = &self.metadata else { return request.with_body(SDP, sdp) };
        request.headers.push("Require", "siprec");
        // RFC 2046 §5.1.1: it must not stand in any part; 96 random bits don't.
        let boundary = cx.entropy.hex(12);
        let body = [
            format!("--{boundary}\r\nContent-Type: {SDP}\r\n\r\n").as_bytes(),
            &sdp,
            format!(
                "\r\n--{boundary}\r\nContent-Type: {METADATA}\r\nContent-Disposition: {RECORDING_SESSION}\r\n\r\n"
            )
            .as_bytes(),
            metadata,
            format!("\r\n--{boundary}--\r\n").as_bytes(),
        ]
        .concat();
        request.with_body(&format!("multipart/mixed;boundary={boundary}"), body.into())
    }

    /// The BYE, with the last that is to be said of the recorded session.
    pub(super) fn with_last_words(&self, mut request: Request) -> Request {
        let Some(metadata) = &self.metadata else { return request };
        request.headers.push("Content-Disposition", RECORDING_SESSION);
        request.with_body(METADATA, metadata.clone())
    }
}
