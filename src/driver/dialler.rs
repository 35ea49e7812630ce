//! The dialler: has the shards make calls of the engine's own, and brings what becomes of them to whoever ordered
//! them, on a thread of its own: no shard waits for what they do with it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::edge::Edge;
use super::os;
use super::shard::{Mail, Mailbox};
use super::trunks::{NoWay, Ways};
use crate::call::{CodeCall, News, Ticket};
use crate::sip::locate::{Hop, Locations};
use crate::sip::trunk::Outward;
use crate::sip::{Transport, Uri};

/// Told what becomes of a call, in order.
pub type Tell = Box<dyn FnMut(News) + Send>;

/// Has calls made. The default one has no engine behind it.
#[derive(Default)]
pub struct Dialler {
    shared: Arc<Shared>,
    next: AtomicU64,
    news: Option<SyncSender<Told>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDialled {
    /// No engine runs behind it.
    NoEngine,
    /// As many calls as may be are made for this sender, or the shard has no room.
    Full,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    lines: Option<Lines>,
    waiting: HashMap<Ticket, Waiting>,
}

/// The way out.
struct Lines {
    edge: Edge,
    shards: Vec<Mailbox>,
    /// Where the senders' next hops are: they are those of the start.
    ways: Arc<Ways>,
}

/// Somebody who waits for what becomes of a call.
struct Waiting {
    by: Arc<str>,
    /// Lent to the thread while it tells.
    tell: Option<Tell>,
    /// The call is over by then, whatever was told of it.
    over: Instant,
}

enum Told {
    News(Ticket, News),
    Stop,
}

/// News that may wait: two for each call that runs.
const NEWS: usize = 4096;
/// A call is over this long after its code is.
const AFTER: Duration = Duration::from_secs(10);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, news: &Receiver<Told>) {
        while let Ok(Told::News(ticket, what)) = news.recv() {
            // Told without the lock: whoever is told may write to a disk.
            let tell = self.state().waiting.get_mut(&ticket).and_then(|waiting| waiting.tell.take());
            let Some(mut tell) = tell else { continue };
            tell(what);
            let mut state = self.state();
            match what {
                News::Over(_) => drop(state.waiting.remove(&ticket)),
                News::Rings => {
                    if let Some(waiting) = state.waiting.get_mut(&ticket) {
                        waiting.tell = Some(tell);
                    }
                }
            }
        }
        *self.state() = State::default();
    }
}

impl Dialler {
    /// Starts its thread. It can call once it is connected.
    ///
    /// # Errors
    /// When the system gives no thread.
    #[expect(clippy::disallowed_methods, reason = "the dialler is a thread")]
    pub fn start() -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared::default());
        let (news, told) = sync_channel(NEWS);
        let running = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("dialler".to_owned()).spawn(move || running.run(&told))?;
        let thread = Mutex::new(Some(thread));
        Ok(Arc::new(Self { shared, next: AtomicU64::new(1), news: Some(news), thread }))
    }

    /// Calls go out by these shards from now on.
    pub fn connect(&self, edge: Edge, shards: Vec<Mailbox>, ways: Arc<Ways>) {
        self.shared.state().lines = Some(Lines { edge, shards, ways });
    }

    /// The name for an order.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Our SIP address as `remote` sees it; `None` when no engine runs.
    #[must_use]
    pub fn local_for(&self, remote: SocketAddr, over: Transport) -> Option<SocketAddr> {
        let edge = self.shared.state().lines.as_ref().map(|lines| lines.edge.clone());
        Some(edge?.local_for(remote, over))
    }

    /// Where a next hop is: its address, or the one of its name that is to be tried now. `None` while the name leads nowhere,
    /// or no engine runs.
    #[must_use]
    pub fn hop(&self, uri: &Uri) -> Option<Hop> {
        if let Some(hop) = Hop::literal(uri) {
            return Some(hop);
        }
        with_draw(|draw| self.ways()?.hops(uri, draw).into_iter().next())?
    }

    /// The ways to a number by a trunk, whose calls show `from`. `None` when no engine runs.
    #[must_use]
    pub fn by_trunk(&self, number: &str, trunk: &str, from: Option<&str>) -> Option<Result<Outward, NoWay>> {
        let ways = self.ways()?;
        with_draw(|draw| ways.trunks.outward(number, Some(trunk), from, draw))
    }

    /// A next hop did not answer: where there is another one, that is tried first for a while.
    pub fn failed(&self, hop: Hop) {
        if let Some(ways) = self.ways() {
            ways.failed(hop);
        }
    }

    fn ways(&self) -> Option<Arc<Ways>> {
        self.shared.state().lines.as_ref().map(|lines| Arc::clone(&lines.ways))
    }

    /// Has a call made; `tell` hears of it until it is over. A sender has `at_once` calls at most.
    ///
    /// # Errors
    /// [`NotDialled`]; nothing is told then.
    pub fn place(&self, order: CodeCall, at_once: usize, tell: Tell) -> Result<(), NotDialled> {
        let (ticket, now) = (order.ticket, os::now());
        let mut state = self.shared.state();
        // Should word of a call ever be lost, its place is not.
        state.waiting.retain(|_, waiting| waiting.over > now);
        let State { lines, waiting } = &mut *state;
        let lines = lines.as_ref().ok_or(NotDialled::NoEngine)?;
        if waiting.values().filter(|other| other.by == order.by).count() >= at_once {
            return Err(NotDialled::Full);
        }
        let in_turn = ticket.0.checked_rem(u64::try_from(lines.shards.len()).unwrap_or(1));
        let shard = in_turn.and_then(|at| lines.shards.get(usize::try_from(at).unwrap_or(0)));
        let shard = shard.ok_or(NotDialled::NoEngine)?;
        let (by, over) = (Arc::clone(&order.by), order.until + AFTER);
        waiting.insert(ticket, Waiting { by, tell: Some(tell), over });
        if shard.send(Mail::Place(Box::new(order))).is_err() {
            waiting.remove(&ticket);
            return Err(NotDialled::Full);
        }
        Ok(())
    }

    /// What a shard tells of a call. Never waits.
    pub fn told(&self, ticket: Ticket, news: News) {
        let told = self.news.as_ref().map(|to| to.try_send(Told::News(ticket, news)));
        if told.is_none_or(|sent| sent.is_err()) {
            tracing::error!("what became of a call is lost: too much is told at once");
        }
    }

    /// Ends when all that was told has reached whoever waits for it.
    pub fn close(&self) {
        if let Some(news) = &self.news {
            // A thread that is gone needs no word.
            let _ = news.send(Told::Stop);
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the dialler ended badly");
        }
    }
}

/// Lends numbers drawn at random; `None` when the system has none.
fn with_draw<T>(of: impl FnOnce(&mut dyn FnMut(u32) -> u32) -> T) -> Option<T> {
    let mut entropy = os::entropy().ok()?;
    Some(of(&mut |below| u32::try_from(entropy.below(below.into())).unwrap_or(0)))
}

impl Drop for Dialler {
    fn drop(&mut self) {
        self.close();
    }
}
