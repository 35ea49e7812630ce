//! The registrar (RFC 3261 §10.3): whose phone is where. Digest decides who may say so.
//!
//! Knows no users: whose request it is asks [`Output::Lookup`], and the answer is what is kept of the
//! password. A user that does not exist gets the same challenges, the same refusals and the same work as one
//! with a wrong password. Requests without credentials of a nonce that is ours leave no trace here.

mod bindings;
mod replies;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::bindings::{Bindings, Refusal};
use self::replies::{Key, Replies, Seen};
use super::digest::{Algorithm, Authorization, Challenge, Freshness, Nonces, Qop, StoredHa1};
use super::header_name::Name;
use super::message::{Message, Request, Response};
use super::method::Method;
use super::path::{Path, Transport};
use super::status::StatusCode;
use super::uri::Uri;
use super::validate;
use crate::secret::Secret;
use crate::units::{AskId, Entropy};

/// The realm that passwords of phones are kept for.
pub const REALM: &str = "countersign";

/// How the registrar is set up.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// Named in challenges; what is kept of a password holds for this realm only.
    pub realm: String,
    /// A shorter registration is refused with 423.
    pub min_expires: Duration,
    /// When the phone names none.
    pub default_expires: Duration,
    /// A longer one is cut to this.
    pub max_expires: Duration,
    /// How long a nonce may be used.
    pub nonce_lifetime: Duration,
    /// What phones are challenged with, the stronger first (RFC 8760 §2.4).
    pub algorithms: Vec<Algorithm>,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            realm: REALM.to_owned(),
            min_expires: Duration::from_secs(60),
            // RFC 3261 §10.2.1.1: 3600 when nothing else is said.
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(3600),
            nonce_lifetime: Duration::from_secs(300),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A message came; only REGISTER is served.
    Received {
        /// On which way.
        path: Path,
        /// The datagram or frame.
        message: Bytes,
    },
    /// The answer to a [`Output::Lookup`].
    Credential {
        /// Which one.
        ask: AskId,
        /// What is kept of the password; `None` when there is no such user.
        stored: Option<StoredHa1>,
    },
    /// A [`Output::Lookup`] can't be answered now.
    Unavailable {
        /// Which one.
        ask: AskId,
    },
    /// A connection is gone: who registered over it can't be reached.
    TransportFailed(Path),
    /// The time that [`Output::Timeout`] named has come.
    Timeout,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// On this way.
        path: Path,
        /// A response.
        bytes: Bytes,
    },
    /// Find what is kept of this user's password.
    Lookup {
        /// To be named in the answer.
        ask: AskId,
        /// The user as the phone wrote it; perhaps nobody.
        user: String,
    },
    /// The user is to be called here from now on.
    Registered {
        /// The user.
        user: String,
        /// The Request-URI for calls.
        contact: Uri,
        /// The way that the registration came.
        path: Path,
        /// How long it holds unless refreshed.
        expires: Duration,
    },
    /// The user can't be called any more.
    Unregistered {
        /// The user.
        user: String,
    },
    /// Nothing more to do until an input comes, or this time.
    Timeout(Option<Instant>),
}

/// A request that waits for what is kept of the password.
struct Pending {
    request: Request,
    credentials: Authorization,
    path: Path,
    key: Key,
}

/// The registrar.
pub struct Registrar {
    config: RegistrarConfig,
    entropy: Entropy,
    nonces: Nonces,
    /// Makes up a password for a user that does not exist.
    ghost: Secret<String>,
    bindings: Bindings,
    replies: Replies,
    pending: HashMap<AskId, Pending>,
    /// The asks in `pending` by age; those that were answered are passed over.
    asked: VecDeque<(Instant, AskId)>,
    next_ask: u64,
    outputs: VecDeque<Output>,
}

impl Registrar {
    /// A registrar without bindings. `now` is where nonces count their age from.
    #[must_use]
    pub fn new(config: RegistrarConfig, now: Instant, mut entropy: Entropy) -> Self {
        Self {
            nonces: Nonces::new(now, config.nonce_lifetime, &mut entropy),
            ghost: Secret::new(entropy.hex(32)),
            bindings: Bindings::default(),
            replies: Replies::default(),
            pending: HashMap::new(),
            asked: VecDeque::new(),
            next_ask: 0,
            outputs: VecDeque::new(),
            config,
            entropy,
        }
    }

    /// Takes what happened. Poll until [`Output::Timeout`] before the next.
    pub fn handle(&mut self, now: Instant, input: Input) {
        // What a question asked for may be given while the other orders are still being taken.
        debug_assert!(
            self.outputs.is_empty() || matches!(input, Input::Credential { .. } | Input::Unavailable { .. }),
            "law 2: outputs are drained before the next input"
        );
        match input {
            Input::Received { path, message } => self.received(now, path, &message),
            Input::Credential { ask, stored } => {
                if let Some(pending) = self.pending.remove(&ask) {
                    self.judge(now, pending, stored);
                }
            }
            Input::Unavailable { ask } => {
                if let Some(pending) = self.pending.remove(&ask) {
                    self.unavailable(now, &pending);
                }
            }
            Input::TransportFailed(path) => {
                self.bindings.forget_connection(&path);
                self.announce(now);
            }
            Input::Timeout => {}
        }
        self.expire(now);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let asked = self.asked.front().map(|(since, _)| *since + ASK_TIME);
            Output::Timeout(asked.into_iter().chain(self.bindings.next_expiry()).min())
        })
    }

    /// How many users can be called.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.bindings.users()
    }

    fn received(&mut self, now: Instant, path: Path, message: &Bytes) {
        let mut request = match Message::from_bytes(message) {
            Ok(Message::Request(request)) => request,
            Ok(Message::Response(_)) => return,
            Err(error) => {
                let bytes = error.answer.map(|answer| answer.write());
                self.outputs.extend(bytes.map(|bytes| Output::Transmit { path, bytes }));
                return;
            }
        };
        let Ok(mut via) = request.headers.via() else { return };
        let reply_path = match path.transport {
            Transport::Udp => Path { remote: via.response_address(path.remote), ..path },
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => path,
        };
        if via.stamp(path.remote) {
            request.headers.set_top_via(&via);
        }
        if request.method == Method::Ack {
            return;
        }
        let Some(key) = Key::of(&request, &via, path.remote) else { return };
        match self.replies.find(now, &key) {
            Seen::Never => self.fresh(now, request, path, reply_path, key),
            Seen::Pending => {}
            Seen::Answered(bytes) => self.outputs.push_back(Output::Transmit { path: reply_path, bytes }),
        }
    }

    /// A request that was not seen before.
    fn fresh(&mut self, now: Instant, request: Request, path: Path, reply_path: Path, key: Key) {
        let refused = if request.method == Method::Register {
            validate::check_request(&request, path.transport).err()
        } else {
            let answer = Response::stateless(&request, StatusCode::METHOD_NOT_ALLOWED);
            Some(answer.with(Name::Allow, Method::Register.as_str().to_owned()))
        };
        if let Some(answer) = refused {
            return self.transmit(reply_path, &answer);
        }
        let Some(credentials) = self.usable_credentials(now, &request) else {
            let challenge = self.challenge(now, &request, false);
            return self.transmit(reply_path, &challenge);
        };
        if self.pending.len() >= MAX_PENDING {
            let answer = Response::stateless(&request, StatusCode::SERVICE_UNAVAILABLE);
            return self.transmit(reply_path, &answer.with(Name::RetryAfter, RETRY_AFTER));
        }
        self.replies.begin(now, key.clone());
        let ask = AskId(self.next_ask);
        self.next_ask = self.next_ask.wrapping_add(1);
        self.outputs.push_back(Output::Lookup { ask, user: credentials.username.clone() });
        self.asked.push_back((now, ask));
        self.pending.insert(ask, Pending { request, credentials, path, key });
    }

    /// Credentials that deserve the work of a look-up: for our realm, with a nonce that we made, and counted.
    fn usable_credentials(&self, now: Instant, request: &Request) -> Option<Authorization> {
        request.headers.all(Name::Authorization).find_map(|value| {
            let credentials = Authorization::parse(value)?;
            let usable = credentials.realm == self.config.realm
                && credentials.qop.is_some()
                && credentials.username.len() <= MAX_USER
                && self.nonces.check(now, &credentials.nonce) != Freshness::Foreign;
            usable.then_some(credentials)
        })
    }

    /// Decides about a request whose user was looked up.
    fn judge(&mut self, now: Instant, pending: Pending, stored: Option<StoredHa1>) {
        let Pending { request, credentials, path, key } = pending;
        // Made up in any case, so that a user that does not exist costs what any other does.
        let ghost = StoredHa1::of(&credentials.username, &self.config.realm, &self.ghost);
        let exists = stored.is_some();
        let proven = credentials.verify(&stored.unwrap_or(ghost), &request.method, &request.body);
        // RFC 7616 §3.4.6: the URI that was hashed must be the one that was asked for.
        let same_uri = Uri::parse(credentials.uri.as_bytes()).is_some_and(|uri| uri.equivalent(&request.uri));
        // RFC 3261 §10.3 step 4: a user may register for itself only.
        let own = address_of_record(&request).is_some_and(|user| user == credentials.username);
        let answer = if !(exists & proven & same_uri & own) {
            self.challenge(now, &request, false)
        } else if self.nonces.check(now, &credentials.nonce) != Freshness::Fresh
            || !self.nonces.spend(now, &credentials.nonce, credentials.count)
        {
            self.challenge(now, &request, true)
        } else {
            self.register(now, &request, &credentials.username, path)
        };
        self.reply(now, &request, path, key, &answer);
        self.announce(now);
    }

    /// Changes the bindings as the request says (RFC 3261 §10.3 steps 6 to 8).
    fn register(&mut self, now: Instant, request: &Request, user: &str, path: Path) -> Response {
        let answer = |status| Response::to(request, status);
        match self.bindings.update(now, user, request, path, &self.config) {
            Ok(()) => {
                let mut ok = answer(StatusCode::OK);
                for (contact, left) in self.bindings.of(now, user) {
                    ok.headers.push(Name::Contact, format!("<{contact}>;expires={}", left.as_secs()));
                }
                ok
            }
            Err(Refusal::Malformed) => answer(StatusCode::BAD_REQUEST),
            Err(Refusal::TooBrief) => answer(StatusCode::INTERVAL_TOO_BRIEF)
                .with(Name::MinExpires, self.config.min_expires.as_secs().to_string()),
            Err(Refusal::TooMany) => answer(StatusCode::FORBIDDEN).with_reason("Too Many Contacts"),
            // RFC 3261 §10.3 step 7: an older request than the one that made the binding.
            Err(Refusal::OutOfOrder) => answer(StatusCode::SERVER_INTERNAL_ERROR),
        }
    }

    /// 401 with a challenge for each algorithm, the stronger first (RFC 8760 §2.4).
    fn challenge(&mut self, now: Instant, request: &Request, stale: bool) -> Response {
        let nonce = self.nonces.issue(now, &mut self.entropy);
        let mut answer = Response::stateless(request, StatusCode::UNAUTHORIZED);
        for algorithm in self.config.algorithms.iter().copied() {
            let challenge = Challenge {
                realm: self.config.realm.clone(),
                nonce: nonce.clone(),
                opaque: None,
                algorithm,
                qop: vec![Qop::Auth],
                stale,
            };
            answer.headers.push(Name::WwwAuthenticate, challenge.to_string());
        }
        answer
    }

    fn unavailable(&mut self, now: Instant, pending: &Pending) {
        let answer = Response::stateless(&pending.request, StatusCode::SERVICE_UNAVAILABLE)
            .with(Name::RetryAfter, RETRY_AFTER);
        self.reply(now, &pending.request, pending.path, pending.key.clone(), &answer);
    }

    /// Sends the final answer to a request that was looked up, and keeps it for copies of the request.
    fn reply(&mut self, now: Instant, request: &Request, path: Path, key: Key, answer: &Response) {
        let tag = format!("{:016x}", self.entropy.next_u64());
        let bytes = answer.clone().with_to_tag(&tag).write();
        self.replies.answered(now, key, bytes.clone());
        let path = match (path.transport, request.headers.via()) {
            (Transport::Udp, Ok(via)) => Path { remote: via.response_address(path.remote), ..path },
            _ => path,
        };
        self.outputs.push_back(Output::Transmit { path, bytes });
    }

    fn transmit(&mut self, path: Path, answer: &Response) {
        self.outputs.push_back(Output::Transmit { path, bytes: answer.write() });
    }

    /// Gives up look-ups that were never answered, and bindings that ran out.
    fn expire(&mut self, now: Instant) {
        while let Some((since, ask)) = self.asked.front().copied() {
            let answered = !self.pending.contains_key(&ask);
            if !answered && now.saturating_duration_since(since) < ASK_TIME {
                break;
            }
            self.asked.pop_front();
            if let Some(pending) = self.pending.remove(&ask) {
                self.unavailable(now, &pending);
            }
        }
        if self.bindings.next_expiry().is_some_and(|at| at <= now) {
            self.bindings.forget_expired(now);
            self.announce(now);
        }
    }

    /// Tells what changed about where users are to be called.
    fn announce(&mut self, now: Instant) {
        for (user, place) in self.bindings.take_changes() {
            self.outputs.push_back(match place {
                Some((contact, path, at)) => {
                    let expires = at.saturating_duration_since(now);
                    Output::Registered { user, contact, path, expires }
                }
                None => Output::Unregistered { user },
            });
        }
    }
}

/// The user that To names (RFC 3261 §10.3 step 5).
fn address_of_record(request: &Request) -> Option<String> {
    request.headers.to().ok()?.uri.user()
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar").field("registered", &self.registered()).finish_non_exhaustive()
    }
}

/// Ours: a store that takes longer than this is down. Well below timer F of the phone (RFC 3261 §17.1.2.2).
const ASK_TIME: Duration = Duration::from_secs(5);

/// Ours: look-ups under way.
const MAX_PENDING: usize = 1_024;

/// Ours: the longest user name that is looked up.
const MAX_USER: usize = 128;

/// Ours: seconds until a phone that was sent away should come again.
const RETRY_AFTER: &str = "10";

#[cfg(test)]
mod tests;
