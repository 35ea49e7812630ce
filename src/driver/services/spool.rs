//! Orders that a service did not take: kept sealed in the store, over a restart, and sent again in their order,
//! with growing pauses, until the service takes or refuses them or they are too old.
//!
//! An order may arrive twice: when a service carried it out and its answer was lost. Every order has a key of
//! its own that stays the same (`Idempotency-Key`), so that a service can tell.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::real::{RealServices, Tried};
use crate::driver::os;
use crate::driver::vault::Vault;
use crate::flow::document::Application;
use crate::flow::run::Lookup;
use crate::units::UnixTime;

/// What is ordered. No card is ever kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) service: String,
    pub(super) call: String,
    pub(super) arguments: Vec<(String, String)>,
    pub(super) key: String,
    /// When it was ordered.
    since: i64,
}

impl Drop for Order {
    fn drop(&mut self) {
        self.arguments.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl Order {
    /// The order that a lookup is, with a key if it has none.
    pub(super) fn of(lookup: &Lookup) -> Self {
        let key = lookup.idempotency.clone().unwrap_or_else(|| {
            let mut bytes = [0; 16];
            // Without randomness the order goes without a key of its own, as it would have without a spool.
            match os::fill_random(&mut bytes) {
                Ok(()) => data_encoding::HEXLOWER.encode(&bytes),
                Err(_) => String::new(),
            }
        });
        Self {
            service: lookup.service.clone(),
            call: lookup.call.clone(),
            arguments: lookup.arguments.clone(),
            key,
            since: os::unix_now().0,
        }
    }

    /// As a question. Without a grant: that it was allowed was checked when it was ordered.
    pub(super) fn lookup(&self, timeout: Duration) -> Lookup {
        Lookup {
            service: self.service.clone(),
            call: self.call.clone(),
            arguments: self.arguments.clone(),
            card: None,
            idempotency: Some(self.key.clone()).filter(|key| !key.is_empty()),
            grant: None,
            timeout,
            cache: None,
            spool: false,
        }
    }
}

/// How patient the spool is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before an order is sent again for the first time; then twice as long each time.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How old an order may get.
    pub age: Duration,
    /// How many orders are kept for one service.
    pub most: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(600),
            age: Duration::from_secs(7 * 24 * 3600),
            most: 10_000,
        }
    }
}

/// The orders of a deployment.
pub struct Spool {
    vault: Arc<Vault>,
    patience: Patience,
    state: Mutex<State>,
    /// Orders of those who may not wait for a disk.
    handed: Mutex<Vec<Order>>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// The services that have orders here.
    waiting: HashMap<String, Turn>,
    closed: bool,
}

/// When the next order of a service is sent.
#[derive(Clone, Copy)]
struct Turn {
    at: Instant,
    pause: Duration,
}

/// Orders in the hands of those who may not wait.
const MOST_HANDED: usize = 1024;
/// How long one sending may take: nobody listens.
const SENDING: Duration = Duration::from_secs(10);
/// When the store fails.
const REST: Duration = Duration::from_secs(30);

impl Spool {
    /// The spool, with what was kept before a restart.
    #[must_use]
    pub fn open(vault: Arc<Vault>, patience: Patience) -> Arc<Self> {
        let spool =
            Self { vault, patience, state: Mutex::default(), handed: Mutex::default(), wake: Condvar::new() };
        spool.look(&mut spool.state());
        Arc::new(spool)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handed(&self) -> MutexGuard<'_, Vec<Order>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether orders of this service are in line: a new one goes behind them.
    pub(super) fn has(&self, service: &str) -> bool {
        self.state().waiting.contains_key(service)
    }

    /// Keeps an order: it is on the disk when this returns, or lost, and that is in the log.
    pub(super) fn keep(&self, order: &Order) {
        let mut state = self.state();
        let now = os::now();
        if self.write(order) {
            let pause = self.patience.first;
            state.waiting.entry(order.service.clone()).or_insert(Turn { at: now + pause, pause });
            drop(state);
            self.wake.notify_all();
        }
    }

    /// Keeps an order soon: for a thread that may not wait for a disk.
    pub(super) fn hand(&self, order: Order) {
        let mut handed = self.handed();
        if handed.len() >= MOST_HANDED {
            tracing::error!(service = %order.service, call = %order.call, "an order is lost: too many come at once");
            return;
        }
        handed.push(order);
        drop(handed);
        self.wake.notify_all();
    }

    fn write(&self, order: &Order) -> bool {
        let (service, call) = (&order.service, &order.call);
        let Ok(plain) = serde_json::to_vec(order).map(Zeroizing::new) else { return false };
        match self.vault.keep_order(os::unix_now(), service, &plain, self.patience.most) {
            Ok(true) => {
                tracing::warn!(%service, %call, "an order is kept and will be sent later");
                true
            }
            Ok(false) => {
                tracing::error!(%service, %call, "an order is lost: as many as may be kept wait for this service");
                false
            }
            Err(error) => {
                tracing::error!(%service, %call, %error, "an order is lost: it can't be kept");
                false
            }
        }
    }

    /// Which services have orders, as the store knows it; their turns stay.
    fn look(&self, state: &mut State) {
        match self.vault.first_orders() {
            Ok(first) => {
                state.waiting.retain(|service, _| first.iter().any(|(_, kept, _)| kept == service));
                for (_, service, _) in first {
                    let turn = Turn { at: os::now(), pause: self.patience.first };
                    state.waiting.entry(service).or_insert(turn);
                }
            }
            Err(error) => tracing::error!(%error, "the orders that wait can't be read"),
        }
    }

    /// Waits until something is to be done; `false` at the end.
    fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            if state.closed {
                return false;
            }
            let now = os::now();
            let next = state.waiting.values().map(|turn| turn.at).min();
            if !self.handed().is_empty() || next.is_some_and(|at| at <= now) {
                return true;
            }
            // Handed orders wake nobody who is just about to wait: they are looked for now and then.
            let wait = next.map_or(REST, |at| at.saturating_duration_since(now)).min(Duration::from_secs(1));
            state = self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn store_handed(&self) {
        let handed = std::mem::take(&mut *self.handed());
        handed.iter().for_each(|order| self.keep(order));
    }

    /// Sends the first order of every service whose turn it is.
    fn round(&self, services: &RealServices, application: &Application) {
        let first = match self.vault.first_orders() {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(%error, "the orders that wait can't be read");
                let later = os::now() + REST;
                self.state().waiting.values_mut().for_each(|turn| turn.at = turn.at.max(later));
                return;
            }
        };
        for (number, service, opened) in first {
            let due = self.state().waiting.get(&service).is_none_or(|turn| turn.at <= os::now());
            if !due {
                continue;
            }
            let order = opened.ok().and_then(|plain| serde_json::from_slice::<Order>(plain.expose()).ok());
            let done = match &order {
                Some(order) => self.send(services, application, order),
                None => {
                    tracing::error!(%service, "a kept order can't be read any more and is dropped");
                    true
                }
            };
            self.settle(&service, number, done);
        }
    }

    /// Whether the order is done with.
    fn send(&self, services: &RealServices, application: &Application, order: &Order) -> bool {
        let (service, call) = (&order.service, &order.call);
        if os::unix_now().since(UnixTime(order.since)) > self.patience.age {
            tracing::error!(%service, %call, "a kept order is too old and dropped");
            return true;
        }
        match services.deliver(application, &order.lookup(SENDING), os::now() + SENDING) {
            Tried::Replied(_) => {
                tracing::info!(%service, %call, "a kept order was carried out");
                true
            }
            Tried::Never => {
                tracing::error!(%service, %call, "a kept order is refused for good and dropped");
                true
            }
            Tried::Failed => false,
        }
    }

    fn settle(&self, service: &str, number: i64, done: bool) {
        let dropped = done
            && {
                let dropped = self.vault.drop_order(number);
                if let Err(error) = &dropped {
                    tracing::error!(%service, %error, "an order that was carried out can't be dropped: it will be sent again");
                }
                dropped.is_ok()
            };
        let mut state = self.state();
        let patience = self.patience;
        let turn =
            state.waiting.entry(service.to_owned()).or_insert(Turn { at: os::now(), pause: patience.first });
        if dropped {
            *turn = Turn { at: os::now(), pause: patience.first };
            self.look(&mut state);
        } else {
            *turn = Turn { at: os::now() + turn.pause, pause: (turn.pause * 2).min(patience.longest) };
        }
    }
}

/// The thread that sends kept orders; ends, with what it was handed on the disk, when this is dropped.
pub struct Spooler {
    spool: Arc<Spool>,
    thread: Option<JoinHandle<()>>,
}

impl Spooler {
    /// Starts the thread; `current` gives the application that new calls get.
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "the spool is a thread")]
    pub fn start(
        spool: Arc<Spool>,
        services: Arc<RealServices>,
        current: Box<dyn Fn() -> Arc<Application> + Send>,
    ) -> std::io::Result<Self> {
        let work = {
            let spool = Arc::clone(&spool);
            move || {
                while spool.wait() {
                    spool.store_handed();
                    spool.round(&services, &current());
                }
                spool.store_handed();
            }
        };
        let thread = Builder::new().name("orders".to_owned()).spawn(work)?;
        Ok(Self { spool, thread: Some(thread) })
    }
}

impl Drop for Spooler {
    fn drop(&mut self) {
        self.spool.state().closed = true;
        self.spool.wake.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread for kept orders ended badly");
        }
    }
}
