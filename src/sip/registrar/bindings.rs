//! Which contacts each user has (RFC 3261 §10.3 steps 6 and 7). `q` is not read: the newest contact is called.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::super::header::{Contacts, NameAddr};
use super::super::header_name::Name;
use super::super::lexer;
use super::super::message::Request;
use super::super::path::{Path, Transport};
use super::super::uri::Uri;
use super::RegistrarConfig;

/// Why a REGISTER changes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `*` without `Expires: 0`, a contact that can't be called.
    Malformed,
    /// Shorter than we take.
    TooBrief,
    /// More contacts than a user may have.
    TooMany,
    /// A later request was here before.
    OutOfOrder,
}

/// Where to call: the Request-URI, the way, until when.
pub(super) type Place = (Uri, Path, Instant);

#[derive(Clone)]
struct Binding {
    contact: Uri,
    path: Path,
    call_id: String,
    cseq: u32,
    until: Instant,
}

#[derive(Default)]
struct User {
    /// In the order of their last refresh.
    bindings: Vec<Binding>,
    /// What was last told about where to call.
    announced: Option<(Uri, Path)>,
}

/// The bindings of all users.
#[derive(Default)]
pub(super) struct Bindings {
    users: HashMap<String, User>,
    /// Users whose bindings changed since [`Bindings::take_changes`].
    changed: BTreeSet<String>,
    next_expiry: Option<Instant>,
}

/// One contact of a request: bind it this long, or (`None`) take it away.
struct Change {
    contact: Uri,
    expires: Option<Duration>,
}

impl Bindings {
    /// Does all that the request says, or nothing.
    pub(super) fn update(
        &mut self,
        now: Instant,
        user: &str,
        request: &Request,
        path: Path,
        config: &RegistrarConfig,
    ) -> Result<(), Refusal> {
        let call_id = request.headers.call_id().map_err(|_| Refusal::Malformed)?;
        let cseq = request.headers.cseq().map_err(|_| Refusal::Malformed)?.number;
        let mut bindings: Vec<Binding> =
            self.users.get(user).map_or_else(Vec::new, |own| own.bindings.clone());
        bindings.retain(|binding| binding.until > now);
        let newer = |binding: &Binding| binding.call_id != call_id || cseq > binding.cseq;
        match request.headers.contacts().map_err(|_| Refusal::Malformed)? {
            Contacts::All => {
                // RFC 3261 §10.2.2: `*` only with `Expires: 0`.
                if request.headers.expires() != Ok(Some(0)) {
                    return Err(Refusal::Malformed);
                }
                if !bindings.iter().all(newer) {
                    return Err(Refusal::OutOfOrder);
                }
                bindings.clear();
            }
            Contacts::List(list) => {
                for contact in &list {
                    let change = Change::of(contact, request, path.transport, config)?;
                    let same = bindings.iter().position(|own| own.contact.equivalent(&change.contact));
                    if let Some(same) = same
                        && !newer(&bindings.remove(same))
                    {
                        return Err(Refusal::OutOfOrder);
                    }
                    if let Some(expires) = change.expires {
                        let (contact, call_id) = (change.contact, call_id.to_owned());
                        bindings.push(Binding { contact, path, call_id, cseq, until: now + expires });
                    }
                }
            }
        }
        if bindings.len() > MAX_CONTACTS {
            return Err(Refusal::TooMany);
        }
        self.users.entry(user.to_owned()).or_default().bindings = bindings;
        self.settle(user.to_owned());
        Ok(())
    }

    /// The contacts of a user and how long each still holds.
    pub(super) fn of(&self, now: Instant, user: &str) -> impl Iterator<Item = (&Uri, Duration)> {
        let bindings = self.users.get(user).map(|own| own.bindings.as_slice()).unwrap_or_default();
        bindings.iter().map(move |binding| (&binding.contact, binding.until.saturating_duration_since(now)))
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) const fn next_expiry(&self) -> Option<Instant> {
        self.next_expiry
    }

    pub(super) fn forget_expired(&mut self, now: Instant) {
        self.retain(|binding| binding.until > now);
    }

    pub(super) fn forget_connection(&mut self, path: &Path) {
        if path.connection.is_some() {
            self.retain(|binding| {
                binding.path.connection != path.connection || binding.path.transport != path.transport
            });
        }
    }

    fn retain(&mut self, keep: impl Fn(&Binding) -> bool) {
        let hit = self.users.iter().filter(|(_, own)| !own.bindings.iter().all(&keep));
        let hit: Vec<String> = hit.map(|(user, _)| user.clone()).collect();
        for user in hit {
            if let Some(own) = self.users.get_mut(&user) {
                own.bindings.retain(&keep);
            }
            self.settle(user);
        }
    }

    /// After a user's bindings changed. The walk is over users who proved a password.
    fn settle(&mut self, user: String) {
        self.changed.insert(user);
        let all = self.users.values().flat_map(|own| &own.bindings);
        self.next_expiry = all.map(|binding| binding.until).min();
    }

    /// Each user whose place to be called is another than was last told, with that place.
    pub(super) fn take_changes(&mut self) -> Vec<(String, Option<Place>)> {
        let mut changes = Vec::new();
        for user in std::mem::take(&mut self.changed) {
            let Some(own) = self.users.get_mut(&user) else { continue };
            let newest = own.bindings.last();
            let place = newest.map(|binding| (binding.contact.clone(), binding.path));
            let gone = newest.is_none();
            if place != own.announced {
                own.announced.clone_from(&place);
                let until = newest.map(|binding| binding.until);
                changes.push((user.clone(), place.zip(until).map(|((uri, path), until)| (uri, path, until))));
            }
            if gone {
                self.users.remove(&user);
            }
        }
        changes
    }
}

impl Change {
    fn of(
        contact: &NameAddr,
        request: &Request,
        over: Transport,
        config: &RegistrarConfig,
    ) -> Result<Self, Refusal> {
        // RFC 3261 §10.2.1: `sips:` is registered over TLS, by which it is called.
        let callable = match contact.uri.scheme() {
            "sip" => true,
            "sips" => over.is_encrypted(),
            _ => false,
        };
        if !callable {
            return Err(Refusal::Malformed);
        }
        let asked = match contact.params.get("expires") {
            // RFC 3261 §10.2.1.1: a malformed value counts as 3600.
            Some(text) => Some(lexer::decimal(text.as_bytes()).unwrap_or(3600)),
            None if request.headers.get(Name::Expires).is_some() => {
                Some(request.headers.expires().ok().flatten().unwrap_or(3600))
            }
            None => None,
        };
        let asked = asked.map_or(config.default_expires, |seconds| Duration::from_secs(u64::from(seconds)));
        let expires = asked.min(config.max_expires);
        let contact = contact.uri.clone();
        match expires {
            Duration::ZERO => Ok(Self { contact, expires: None }),
            brief if brief < config.min_expires => Err(Refusal::TooBrief),
            expires => Ok(Self { contact, expires: Some(expires) }),
        }
    }
}

/// Ours: a desk phone, a softphone, and what is left of them after a crash.
const MAX_CONTACTS: usize = 8;
