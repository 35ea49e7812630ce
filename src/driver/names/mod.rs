//! Where the names of the settings lead (RFC 3263): looked up on a thread of its own, so that no call waits for the DNS.
//!
//! What was found holds until its records have run out, and is looked up again then; while the DNS does not answer it holds
//! on. An address that did not answer comes last for a while.

mod resolver;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use resolver::Resolver;

use super::os;
use crate::sip::locate::{Dns, Hop, Located, Locations, Unanswered};
use crate::sip::{Host, Transport, Uri};

/// The names of one run, and where they lead.
pub struct Names {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    /// Whose names are looked after.
    holders: Mutex<Vec<Weak<Followed>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The names that a version calls: they are looked after while it is held.
pub struct Followed {
    names: Arc<Names>,
    uris: Vec<Uri>,
}

#[derive(Default)]
struct Shared {
    /// Looked at by every call: replaced as a whole.
    found: RwLock<Arc<BTreeMap<String, Arc<Located>>>>,
    failed: Mutex<HashSet<Hop>>,
    /// How many names have not been looked up yet.
    waiting: Mutex<usize>,
    looked: Condvar,
}

enum Order {
    Follow(BTreeMap<String, Uri>),
    /// This one rests from now on.
    Rest(Hop),
    Stop,
}

/// A name that is looked up again and again.
struct Sought {
    uri: Uri,
    due: Instant,
    looked: bool,
    /// It was said that it leads nowhere.
    lost: bool,
}

/// How often is looked.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// However short the records' life, and however long.
    soonest: Duration,
    latest: Duration,
    /// After a DNS that gave no answer.
    again: Duration,
    /// An address that did not answer comes last for so long.
    rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let [soonest, latest, again, rest] = [10, 3_600, 15, 60].map(Duration::from_secs);
        Self { soonest, latest, again, rest }
    }
}

/// Addresses that rest at most.
const MOST_RESTING: usize = 1_024;
/// Orders that wait.
const ORDERS: usize = 16;

impl Names {
    /// Starts to look up: by these servers, or by the system's when there are none. `tls`: whether TLS is spoken here.
    ///
    /// # Errors
    /// When the system gives no thread or no socket.
    pub fn start(servers: &[SocketAddr], tls: bool) -> io::Result<Arc<Self>> {
        Self::by(Resolver::new(servers)?, tls, Pace::default())
    }

    #[expect(clippy::disallowed_methods, reason = "names are looked up on a thread of their own")]
    fn by(dns: impl Dns + Send + 'static, tls: bool, pace: Pace) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared::default());
        let (orders, mail) = sync_channel(ORDERS);
        let running = Arc::clone(&shared);
        let work = move || {
            Lookups { shared: running, dns, tls, pace, followed: BTreeMap::new(), resting: Vec::new() }
                .run(&mail)
        };
        let thread = std::thread::Builder::new().name("names".to_owned()).spawn(work)?;
        Ok(Arc::new(Self { shared, orders, holders: Mutex::default(), thread: Mutex::new(Some(thread)) }))
    }

    /// Looks after the names of these URIs for as long as somebody holds what is returned; what names an address is left out.
    /// Waits for the first look at each, at most for `patience`.
    #[must_use]
    pub fn follow(self: &Arc<Self>, uris: Vec<Uri>, patience: Duration) -> Arc<Followed> {
        let new = Arc::new(Followed { names: Arc::clone(self), uris });
        let mut holders = held(&self.holders);
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push(Arc::downgrade(&new));
        let alive: Vec<Arc<Followed>> = holders.iter().filter_map(Weak::upgrade).collect();
        drop(holders);
        let uris = alive.iter().flat_map(|holder| &holder.uris);
        let named: BTreeMap<String, Uri> = uris.filter_map(|uri| Some((key(uri)?, uri.clone()))).collect();
        *held(&self.shared.waiting) = named.len();
        if self.orders.send(Order::Follow(named)).is_ok() {
            let waiting = held(&self.shared.waiting);
            let wait = self.shared.looked.wait_timeout_while(waiting, patience, |left| *left > 0);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
        }
        new
    }

    /// The names that lead to this address over TLS: each must be in the certificate there.
    #[must_use]
    pub fn of(&self, remote: SocketAddr) -> Vec<String> {
        let hop = Hop { transport: Transport::Tls, remote };
        let found = self.shared.found();
        let leads = found.iter().filter(|(_, located)| located.addresses().any(|other| other == hop));
        let mut names: Vec<String> =
            leads.filter_map(|(key, _)| key.split_whitespace().next().map(str::to_owned)).collect();
        names.dedup();
        names
    }
}

impl Names {
    /// The addresses of a URI whose host is a name, in the order in which they are to be tried.
    pub fn hops(&self, uri: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        let located = key(uri).and_then(|key| self.shared.found().get(&key).cloned());
        let Some(located) = located else { return Vec::new() };
        let mut hops = located.order(draw);
        let failed = held(&self.shared.failed);
        // Stable: among those that rest, and among the others, the order holds.
        hops.sort_by_key(|hop| failed.contains(hop));
        hops
    }

    /// Whether nobody answered there lately.
    #[must_use]
    pub fn rests(&self, hop: Hop) -> bool {
        held(&self.shared.failed).contains(&hop)
    }

    /// Nobody answered there: for a while others are tried first.
    pub fn failed(&self, hop: Hop) {
        let mut failed = held(&self.shared.failed);
        // The thread ends its rest; where that has too much to do nobody rests.
        if failed.len() < MOST_RESTING
            && failed.insert(hop)
            && self.orders.try_send(Order::Rest(hop)).is_err()
        {
            failed.remove(&hop);
        }
    }
}

impl Locations for Followed {
    fn hops(&self, uri: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        self.names.hops(uri, draw)
    }

    fn failed(&self, hop: Hop) {
        self.names.failed(hop);
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // A thread that is gone needs no word.
        let _ = self.orders.send(Order::Stop);
        if held(&self.thread).take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks up names ended badly");
        }
    }
}

impl Shared {
    fn found(&self) -> Arc<BTreeMap<String, Arc<Located>>> {
        Arc::clone(&self.found.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, with: impl FnOnce(&mut BTreeMap<String, Arc<Located>>)) {
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        with(Arc::make_mut(&mut found));
    }

    fn one_looked_up(&self) {
        let mut waiting = held(&self.waiting);
        *waiting = waiting.saturating_sub(1);
        self.looked.notify_all();
    }
}

/// What the thread owns.
struct Lookups<D> {
    shared: Arc<Shared>,
    dns: D,
    tls: bool,
    pace: Pace,
    followed: BTreeMap<String, Sought>,
    /// Who rests, until when.
    resting: Vec<(Instant, Hop)>,
}

impl<D: Dns> Lookups<D> {
    fn run(mut self, mail: &Receiver<Order>) {
        loop {
            let due = self.followed.values().map(|followed| followed.due);
            let due = due.chain(self.resting.iter().map(|(until, _)| *until)).min();
            let order = match due.map(|due| due.saturating_duration_since(os::now())) {
                None => mail.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => mail.recv_timeout(wait),
            };
            match order {
                Ok(Order::Follow(uris)) => self.follow(uris),
                Ok(Order::Rest(hop)) => self.resting.push((os::now() + self.pace.rest, hop)),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.wake();
                    self.look();
                }
            }
        }
    }

    fn follow(&mut self, named: BTreeMap<String, Uri>) {
        let due = os::now();
        self.followed.retain(|key, _| named.contains_key(key));
        self.shared.change(|found| found.retain(|key, _| named.contains_key(key)));
        for (key, uri) in named {
            let new = || Sought { uri, due, looked: false, lost: false };
            if self.followed.entry(key).or_insert_with(new).looked {
                self.shared.one_looked_up();
            }
        }
    }

    /// Ends the rest of those who have rested.
    fn wake(&mut self) {
        let now = os::now();
        let mut failed = held(&self.shared.failed);
        self.resting.retain(|(until, hop)| *until > now || !failed.remove(hop));
    }

    /// Looks up what is due first, if it is due.
    fn look(&mut self) {
        let first = self.followed.iter().min_by_key(|(_, followed)| followed.due).map(|(key, _)| key.clone());
        let Some(key) = first else { return };
        let Some(followed) = self.followed.get_mut(&key).filter(|followed| followed.due <= os::now()) else {
            return;
        };
        // A defect in reading one answer must not end all looking up.
        let (uri, tls, dns) = (&followed.uri, self.tls, &mut self.dns);
        let known = self.shared.found().contains_key(&key);
        let found = catch_unwind(AssertUnwindSafe(|| match Located::find(uri, tls, dns) {
            // Of a DNS that knows hosts only: better than nothing, and never in the place of what was found.
            Err(unanswered) if !known => Located::host(uri, tls, dns).ok_or(unanswered),
            found => found,
        }));
        let found = found.unwrap_or_else(|_| Err(Unanswered("its answer could not be read".to_owned())));
        let wait = match found {
            Ok(located) => {
                let (none, ttl) = (located.addresses().next().is_none(), located.ttl);
                if none && !followed.lost {
                    tracing::warn!(
                        name = %followed.uri, help = "check the name, and that the DNS has it: `dig`, `host`",
                        "the name leads nowhere: no call can be made to it"
                    );
                } else if !none && (followed.lost || !followed.looked) {
                    let to: Vec<String> =
                        located.addresses().map(|hop| format!("{} {}", hop.transport, hop.remote)).collect();
                    tracing::info!(name = %followed.uri, to = to.join(", "), "the name leads to servers");
                }
                followed.lost = none;
                self.shared.change(|found| drop(found.insert(key, Arc::new(located))));
                ttl.clamp(self.pace.soonest, self.pace.latest)
            }
            Err(unanswered) => {
                if !followed.lost {
                    tracing::warn!(name = %followed.uri, why = %unanswered, "the DNS does not answer; what was known holds on");
                }
                followed.lost = true;
                self.pace.again
            }
        };
        followed.due = os::now() + wait;
        if !std::mem::replace(&mut followed.looked, true) {
            self.shared.one_looked_up();
        }
    }
}

/// What tells one question from another: the host, and what of the URI decides where it is. `None` for an address.
fn key(uri: &Uri) -> Option<String> {
    let sip = uri.as_sip()?;
    let Host::Name(host) = &sip.host else { return None };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let transport = uri.param("transport").unwrap_or_default().to_ascii_lowercase();
    Some(format!("{host} {} {transport} {}", sip.port.unwrap_or(0), sip.secure))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
