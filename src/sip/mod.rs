//! SIP (RFC 3261): messages, transactions, dialogs. No I/O.

pub mod access;
pub mod body;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod header;
pub mod header_name;
pub mod headers;
mod info;
mod invite_session;
mod lexer;
pub mod locate;
pub mod message;
pub mod method;
pub mod parse;
pub mod path;
pub mod registrar;
pub mod route_key;
pub mod session_timer;
pub mod status;
pub mod stir;
pub mod strangers;
pub mod stream;
pub mod timers;
pub mod transaction;
pub mod trunk;
pub mod uri;
pub mod validate;
mod write;

pub use access::{AccessError, AccessList, Network};
pub use endpoint::{
    Active, Counters, Credentials, EndCause, Endpoint, EndpointConfig, Event, Incoming, Input,
    OutgoingInvite, OutgoingRequest, Output, RequestId, SessionId,
};
pub use header::{CSeq, Contacts, Diversions, MediaType, NameAddr, Params, Rack, UserToUser, Via};
pub use header_name::{HeaderName, Name};
pub use headers::{HeaderError, Headers};
pub use invite_session::Refer;
pub use message::{Core, Message, Request, Response};
pub use method::Method;
pub use parse::{ParseError, Problem};
pub use path::{Listening, Path, Transport};
pub use route_key::{RouteKey, route_key};
pub use session_timer::SessionTimer;
pub use status::StatusCode;
pub use stream::{Broken, StreamParser};
pub use uri::{Host, SipUri, Uri};
