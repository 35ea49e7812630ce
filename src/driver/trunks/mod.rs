//! Trunks by which calls go out: which one carries a number, its servers in the order in which they are tried, and what is
//! known of them. And how many calls each brings in.
//!
//! [`Trunks`] answers for a call and never waits. A thread of its own ([`watch`]) asks the servers whether they live and
//! keeps our registrations.

mod explain;
mod inward;
mod quota;
mod trial;
mod view;
pub mod watch;

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::config::{Config, Dial, OutwardConfig, TrunkConfig};
use super::names::{Followed, Names};
use super::numbers::{self, Barred};
use super::os;
use super::secrets::{SecretError, Secrets};
use crate::sip::locate::{Hop, Locations, in_order};
use crate::sip::stir::NumberPlan;
use crate::sip::trunk::{Outward, Pulse, RegistrationConfig};
use crate::sip::{Credentials, Host, Uri};

pub use explain::{Explained, explain};
pub use inward::InwardView;
pub use quota::QuotaView;
pub use trial::Tried;
pub use view::{ServerView, TrunkView};

use inward::Inward;
use quota::{Bound, Quota};
use view::Seen;
use watch::Mail;

/// The trunks by which calls go out.
pub struct Trunks {
    all: Vec<Trunk>,
    /// Every trunk of the settings.
    inward: Vec<Arc<Inward>>,
    names: Arc<Names>,
    /// The thread that watches them, once it runs.
    watch: OnceLock<SyncSender<Mail>>,
    /// Their servers' names are looked after as long as there are trunks.
    _followed: Arc<Followed>,
}

/// One of them.
struct Trunk {
    name: Arc<str>,
    out: OutwardConfig,
    /// What its profile says, in words.
    profile: Option<String>,
    servers: Vec<(u16, u16, Uri)>,
    plan: NumberPlan,
    domain: Option<Host>,
    quota: Quota,
    /// What the thread that watches has seen.
    seen: Mutex<Seen>,
    login: Mutex<Option<Credentials>>,
}

/// Why a number has no way by a trunk.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoWay {
    /// There is no such trunk, or no calls go out by it.
    #[error("no calls go out by a trunk `{0}`")]
    Unknown(String),
    /// The number is not carried.
    #[error("{0}")]
    Barred(Barred),
    /// As many calls as may be are running.
    #[error("the trunk `{0}` has as many calls as `out.calls` allows")]
    Full(String),
    /// They begin too fast.
    #[error("as many calls by the trunk `{0}` began within a second as `out.per_second` allows")]
    TooFast(String),
    /// Its servers' names lead nowhere.
    #[error("the servers of the trunk `{0}` lead nowhere: the DNS does not know them")]
    Nowhere(String),
}

/// A server that did not answer is asked again so soon.
const DOUBT: Duration = Duration::from_secs(5);
/// An answer to OPTIONS that is not there by then does not come: four transmissions over UDP.
const PATIENCE: Duration = Duration::from_secs(4);
/// A start waits so long until the servers' names have been looked up for the first time.
const FIRST_LOOK: Duration = Duration::from_secs(5);

impl Trunks {
    /// The trunks of the settings. Their passwords are not read yet.
    #[must_use]
    pub fn new(config: &Config, names: &Arc<Names>) -> Self {
        let all: Vec<Trunk> = config.trunks.iter().filter_map(Trunk::of).collect();
        let uris = all.iter().flat_map(|trunk| trunk.servers.iter().map(|(.., uri)| uri.clone()));
        let followed = names.follow(uris.collect(), FIRST_LOOK);
        let inward = config.trunks.iter().map(Inward::of).map(Arc::new).collect();
        Self { all, inward, names: Arc::clone(names), watch: OnceLock::new(), _followed: followed }
    }

    /// Reads the passwords, as they are now.
    ///
    /// # Errors
    /// When one can't be had.
    pub fn read_logins(&self, secrets: &Secrets) -> Result<(), SecretError> {
        self.all.iter().try_for_each(|trunk| trunk.read_login(secrets))
    }

    /// The ways to a number by the trunk that is named, or by the one that carries it. The telephone is shown `show`, or what
    /// the trunk's settings say.
    ///
    /// # Errors
    /// [`NoWay`].
    pub fn outward(
        &self,
        number: &str,
        by: Option<&str>,
        show: Option<&str>,
        draw: &mut dyn FnMut(u32) -> u32,
    ) -> Result<Outward, NoWay> {
        let trunk = self.carrier(number, by)?;
        let hops = self.hops(trunk, draw);
        if hops.is_empty() {
            return Err(NoWay::Nowhere(trunk.name.to_string()));
        }
        let place = trunk.quota.take(os::now()).map_err(|bound| match bound {
            Bound::Calls => NoWay::Full(trunk.name.to_string()),
            Bound::PerSecond => NoWay::TooFast(trunk.name.to_string()),
        })?;
        let user = trunk.written(number);
        let ways = hops.into_iter().map(|(hop, server)| (hop, trunk.request_uri(&user, hop, &server)));
        Ok(Outward {
            trunk: Arc::clone(&trunk.name),
            ways: ways.collect(),
            from: show.or(trunk.out.from.as_deref()).map(|from| trunk.written(from)),
            domain: trunk.domain.clone(),
            credentials: held(&trunk.login).clone(),
            place: Some(place),
        })
    }

    /// Which trunk carries a number: the one that is named; else the one that names its beginning most closely, and of those
    /// the first that has a server that answers.
    fn carrier(&self, number: &str, by: Option<&str>) -> Result<&Trunk, NoWay> {
        let mut barred = Barred::NotNamed;
        let mut best: Option<(bool, usize, &Trunk)> = None;
        for trunk in self.all.iter().filter(|trunk| by.is_none_or(|by| by == &*trunk.name)) {
            match numbers::allowed(&trunk.out.carries, number) {
                Ok(beginning) => {
                    let found = (!self.is_dead(trunk), beginning.len(), trunk);
                    if best.is_none_or(|(lives, length, _)| (found.1, found.0) > (length, lives)) {
                        best = Some(found);
                    }
                }
                Err(why) if barred == Barred::NotNamed => barred = why,
                Err(_) => {}
            }
        }
        match (best, by) {
            (Some((.., trunk)), _) => Ok(trunk),
            (None, Some(by)) if !self.all.iter().any(|trunk| by == &*trunk.name) => {
                Err(NoWay::Unknown(by.to_owned()))
            }
            (None, _) => Err(NoWay::Barred(barred)),
        }
    }

    /// The addresses of its servers in the order in which they are tried, each with its server as it is written: those that
    /// do not answer, or did not lately, come last.
    fn hops(&self, trunk: &Trunk, draw: &mut dyn FnMut(u32) -> u32) -> Vec<(Hop, Uri)> {
        let mut hops = self.addresses(in_order(trunk.servers.clone(), draw), draw);
        let seen = held(&trunk.seen);
        // Stable: among those that answer, and among the others, the order holds.
        hops.sort_by_key(|(hop, _)| (seen.is_down(*hop), self.names.rests(*hop)));
        hops
    }

    /// The addresses of its servers as they would be preferred if all answered.
    fn preferred(&self, trunk: &Trunk) -> Vec<(Hop, Uri)> {
        let mut servers = trunk.servers.clone();
        servers.sort_by_key(|(priority, weight, _)| (*priority, std::cmp::Reverse(*weight)));
        self.addresses(servers.into_iter().map(|(.., server)| server).collect(), &mut |_| 0)
    }

    fn addresses(&self, servers: Vec<Uri>, draw: &mut dyn FnMut(u32) -> u32) -> Vec<(Hop, Uri)> {
        let mut hops: Vec<(Hop, Uri)> = Vec::new();
        for server in servers {
            for hop in self.addresses_of(&server, draw) {
                if !hops.iter().any(|(other, _)| *other == hop) {
                    hops.push((hop, server.clone()));
                }
            }
        }
        hops
    }

    fn addresses_of(&self, server: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        Hop::literal(server).map_or_else(|| self.names.hops(server, draw), |hop| vec![hop])
    }

    fn is_dead(&self, trunk: &Trunk) -> bool {
        let (hops, seen) = (self.preferred(trunk), held(&trunk.seen));
        hops.iter().all(|(hop, _)| seen.is_down(*hop))
    }

    /// Whether anybody is called by a trunk at all.
    #[must_use]
    pub fn are_there(&self) -> bool {
        !self.all.is_empty()
    }

    /// The thread that watches them runs.
    pub fn watched_by(&self, mail: SyncSender<Mail>) {
        // Set once, at the start.
        let _ = self.watch.set(mail);
    }

    /// A call found nobody there.
    fn failed(&self, hop: Hop) {
        if let Some(mail) = self.watch.get() {
            // A full mailbox loses it: whether the server lives is asked anyway.
            let _ = mail.try_send(Mail::Failed(hop));
        }
    }

    /// Asks all servers of a trunk, and waits for what they say. `None`: no calls go out by such a trunk, or nobody watches.
    #[must_use]
    pub fn try_out(&self, trunk: &str) -> Option<Vec<Tried>> {
        let (to, told) = std::sync::mpsc::sync_channel(1);
        self.watch.get()?.try_send(Mail::Try { trunk: trunk.to_owned(), to }).ok()?;
        told.recv_timeout(LONGEST_TRIAL).ok()?
    }
}

/// Longer than any server is waited for.
const LONGEST_TRIAL: Duration = Duration::from_secs(10);

/// Where calls of one version lead: names, and numbers by trunks.
pub struct Ways {
    /// The names that it calls.
    pub names: Arc<Followed>,
    /// The trunks.
    pub trunks: Arc<Trunks>,
}

impl Locations for Ways {
    fn hops(&self, uri: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        self.names.hops(uri, draw)
    }

    fn failed(&self, hop: Hop) {
        self.names.failed(hop);
        self.trunks.failed(hop);
    }

    fn by_trunk(&self, number: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Option<Outward> {
        let Uri::Other { rest, .. } = number else { return None };
        let mut parts = rest.split(';');
        let (number, mut params) = (parts.next()?, parts);
        let by = params.find_map(|param| param.strip_prefix("tgrp="));
        let found = self.trunks.outward(number, by, None, draw);
        found.inspect_err(|why| tracing::warn!(%why, "a number has no way by a trunk")).ok()
    }
}

impl Trunk {
    fn of(config: &TrunkConfig) -> Option<Self> {
        let out = config.out.clone()?;
        let server =
            |server: &super::config::ServerConfig| Some((server.priority, server.weight, server.next_hop()?));
        Some(Self {
            name: config.name.as_str().into(),
            servers: out.servers.iter().filter_map(server).collect(),
            profile: config.profile_told(),
            plan: config.plan(),
            domain: out.domain.as_deref().and_then(Host::parse),
            quota: Quota::new(out.bounds()),
            seen: Mutex::default(),
            login: Mutex::default(),
            out,
        })
    }

    /// The password may change while we run.
    fn read_login(&self, secrets: &Secrets) -> Result<(), SecretError> {
        if let Some(login) = &self.out.login {
            let password = secrets.find(&login.password)?;
            *held(&self.login) = Some(Credentials { user: login.user.clone(), password });
        }
        Ok(())
    }

    /// A number as the carrier wants it written.
    fn written(&self, number: &str) -> String {
        match self.out.dial {
            Dial::Plus => number.to_owned(),
            Dial::Digits => number.trim_start_matches('+').to_owned(),
            Dial::National => self.plan.national(number),
        }
    }

    fn request_uri(&self, user: &str, hop: Hop, server: &Uri) -> Uri {
        let (host, port) = self.host_at(hop, Some(server));
        Uri::sip(Some(user), host, port)
    }

    /// What a Request-URI to a server names: the carrier's domain, the server's name, or its address.
    fn host_at(&self, hop: Hop, server: Option<&Uri>) -> (Host, Option<u16>) {
        match (&self.domain, server.and_then(Uri::as_sip)) {
            (Some(domain), _) => (domain.clone(), None),
            (None, Some(sip)) if sip.host.ip().is_none() => (sip.host.clone(), sip.port),
            _ => (Host::from(hop.remote.ip()), Some(hop.remote.port())),
        }
    }

    /// Whose address is registered.
    fn user(&self) -> String {
        let named = self.out.register.as_ref().and_then(|register| register.user.clone());
        let login = || self.out.login.as_ref().map(|login| login.user.clone());
        named.or_else(login).unwrap_or_default()
    }

    fn pulse(&self) -> Option<Pulse> {
        let every = Duration::from_secs(self.out.options_seconds);
        (!every.is_zero()).then(|| Pulse { every, doubt: DOUBT.min(every), patience: PATIENCE.min(every) })
    }

    fn registration(&self) -> Option<RegistrationConfig> {
        let register = self.out.register.as_ref()?;
        let expires = Duration::from_secs(register.expires_seconds);
        Some(RegistrationConfig { expires, ..RegistrationConfig::default() })
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(limits: &str) -> Config {
        let text = format!(
            "trunks: [{{name: carrier, out: {{servers: [\"sip:192.0.2.7\"], carries: [\"+44\"]{limits}}}}}]\n"
        );
        Config::parse(Path::new("countersign.yaml"), &text).expect("settings")
    }

    #[test]
    fn as_many_calls_go_out_as_may_and_after_a_reload_as_many_as_may_then() {
        let trunks = Trunks::new(&settings(", calls: 2"), &Names::start(&[], false).expect("names"));
        let way = || trunks.outward("+441632960001", None, None, &mut |_| 0);
        let two = [way(), way()].map(|way| way.expect("a way"));
        assert_eq!(way().err(), Some(NoWay::Full("carrier".to_owned())));
        trunks.bound(&settings(", per_second: 1").trunks);
        let start = os::now();
        let more: Vec<_> = (0..200).map(|_| way().err()).collect();
        let seconds = usize::try_from((os::now() - start).as_secs()).expect("few");
        let begun = more.iter().filter(|why| why.is_none()).count();
        // However slow the machine is: one at once, and one more for each second that went by.
        assert!((1..=1 + seconds).contains(&begun), "{begun} within {seconds} s");
        assert!(more.iter().flatten().all(|why| *why == NoWay::TooFast("carrier".to_owned())), "{more:?}");
        let calls = || trunks.view(os::now())[0].calls;
        assert_eq!((calls().calls, calls().most_calls, calls().per_second), (2, None, Some(1)));
        drop(two);
        assert_eq!((calls().calls, calls().refused_by_calls), (0, 1));
    }
}
