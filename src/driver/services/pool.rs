//! The services' workers: a fixed number of threads behind a bounded queue that no single service can fill.
//!
//! A slow service holds some workers, never all of them, and some of the places in the queue, never all. What
//! finds no place, or waited in line longer than its caller waits, is answered `Unavailable` and not sent.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::{ServiceSource, answer};
use crate::driver::os;
use crate::flow::document::Application;
use crate::flow::run::{Lookup, LookupReply};

/// Takes the answer: on a worker's thread, or at once on the asker's.
pub type Reply = Box<dyn FnOnce(LookupReply) + Send>;

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Threads.
    pub workers: usize,
    /// Threads that one service may hold.
    pub per_service: usize,
    /// Questions that wait.
    pub queue: usize,
    /// Questions that wait for one service.
    pub queue_per_service: usize,
}

impl Default for PoolSize {
    /// Threads that wait for a network cost little; a service that answers in 100 ms gets 160 calls a second.
    fn default() -> Self {
        Self { workers: 32, per_service: 16, queue: 512, queue_per_service: 256 }
    }
}

/// Threads that ask services.
pub struct ServicePool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    source: Arc<dyn ServiceSource>,
    size: PoolSize,
    line: Mutex<Line>,
    wake: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Box<Job>>,
    /// By service: how many of its calls are under way.
    running: HashMap<String, usize>,
    /// When the source wants to be looked after.
    tend: Option<Instant>,
    closed: bool,
}

struct Job {
    application: Arc<Application>,
    lookup: Lookup,
    deadline: Instant,
    reply: Reply,
}

impl ServicePool {
    /// Starts the workers.
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "the pool is a number of threads")]
    pub fn start(source: Arc<dyn ServiceSource>, size: PoolSize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { source, size, line: Mutex::default(), wake: Condvar::new() });
        let mut pool = Self { shared, workers: Vec::new() };
        for number in 1..=size.workers.max(1) {
            let shared = Arc::clone(&pool.shared);
            let worker = Builder::new().name(format!("service-{number}"));
            pool.workers.push(worker.stack_size(STACK).spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// Asks; `reply` is called exactly once. `application` is the version that the call runs.
    pub fn submit(&self, application: Arc<Application>, lookup: Lookup, reply: Reply) {
        if !self.shared.source.waits(&application, &lookup) {
            return reply(answer(&*self.shared.source, &application, &lookup, os::now() + lookup.timeout));
        }
        let deadline = os::now() + lookup.timeout;
        let job = Box::new(Job { application, lookup, deadline, reply });
        if let Err(job) = self.shared.enqueue(job) {
            // Names of the configuration only: arguments are personal.
            tracing::warn!(service = %job.lookup.service, call = %job.lookup.call, "too many calls of services wait");
            self.shared.source.unsent(&job.application, &job.lookup);
            (job.reply)(LookupReply::Unavailable);
        }
    }
}

impl Drop for ServicePool {
    /// Ends when the calls under way are answered; those in line are answered `Unavailable`.
    fn drop(&mut self) {
        let left = {
            let mut line = self.shared.line();
            line.closed = true;
            std::mem::take(&mut line.waiting)
        };
        self.shared.wake.notify_all();
        for job in left {
            self.shared.source.unsent(&job.application, &job.lookup);
            (job.reply)(LookupReply::Unavailable);
        }
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a worker for services ended badly");
            }
        }
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, job: Box<Job>) -> Result<(), Box<Job>> {
        let mut line = self.line();
        let same = line.waiting.iter().filter(|other| other.lookup.service == job.lookup.service).count();
        if line.closed || line.waiting.len() >= self.size.queue || same >= self.size.queue_per_service {
            return Err(job);
        }
        line.waiting.push_back(job);
        drop(line);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let Job { application, lookup, deadline, reply } = *job;
            let reply_with = if os::now() >= deadline {
                // The caller was told already: a payment must not be made behind their back.
                self.source.unsent(&application, &lookup);
                LookupReply::Unavailable
            } else {
                // A defect in one service must not take the worker from all others.
                let asked = AssertUnwindSafe(|| answer(&*self.source, &application, &lookup, deadline));
                catch_unwind(asked).unwrap_or(LookupReply::Unavailable)
            };
            self.done(&lookup.service);
            reply(reply_with);
        }
    }

    /// The first in line whose service has a worker to spare.
    fn next(&self) -> Option<Box<Job>> {
        let mut line = self.line();
        loop {
            if line.closed {
                return None;
            }
            #[expect(
                clippy::borrowed_box,
                reason = "the line holds boxes, and `position` hands them on as they are"
            )]
            let free = |job: &Box<Job>| {
                line.running.get(&job.lookup.service).is_none_or(|n| *n < self.size.per_service)
            };
            if let Some(job) = line.waiting.iter().position(free).and_then(|at| line.waiting.remove(at)) {
                *line.running.entry(job.lookup.service.clone()).or_default() += 1;
                return Some(job);
            }
            line = self.rest(line);
        }
    }

    /// Waits for work; meanwhile somebody looks after what the source keeps.
    fn rest<'l>(&'l self, mut line: MutexGuard<'l, Line>) -> MutexGuard<'l, Line> {
        let now = os::now();
        if line.tend.is_some_and(|at| at <= now) {
            line.tend = None;
            drop(line);
            let next = self.source.tend(now);
            line = self.line();
            line.tend = next.into_iter().chain(line.tend).min();
            return line;
        }
        match line.tend.map(|at| at.saturating_duration_since(now)) {
            None => self.wake.wait(line).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => self.wake.wait_timeout(line, wait).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    fn done(&self, service: &str) {
        // What came may be kept for a while: it is looked after from now on.
        let tend = self.source.tend(os::now());
        let mut line = self.line();
        line.tend = tend.into_iter().chain(line.tend).min();
        if let Some(running) = line.running.get_mut(service) {
            *running -= 1;
            if *running == 0 {
                line.running.remove(service);
            }
        }
        drop(line);
        self.wake.notify_one();
    }
}

/// A TLS handshake needs some 100 KiB of stack in a debug build.
const STACK: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    use super::*;

    /// Answers when the test lets it, and says when it was asked.
    struct Held {
        asked: SyncSender<String>,
        go: Mutex<Receiver<()>>,
    }

    impl ServiceSource for Held {
        fn answer(&self, _: &Application, lookup: &Lookup, _: Instant) -> LookupReply {
            self.asked.send(lookup.service.clone()).expect("the test listens");
            let _ = self.go.lock().expect("no panic").recv();
            LookupReply::NotFound
        }
    }

    fn application() -> Arc<Application> {
        let loaded = crate::driver::application::load(
            &crate::driver::application::ApplicationSource::Embedded("bank"),
        );
        let mut application = Arc::try_unwrap(loaded.expect("the bank").application).expect("the only one");
        let services = &mut application.services.services;
        services.truncate(1);
        let mut call = services[0].calls[0].clone();
        call.level = None;
        for service in services.iter_mut() {
            service.calls = vec![call.clone()];
        }
        let mut second = services[0].clone();
        second.name = "second".into();
        services.push(second);
        Arc::new(application)
    }

    fn lookup(application: &Application, service: usize, timeout: Duration) -> Lookup {
        let service = &application.services.services[service];
        Lookup {
            service: service.name.clone(),
            call: service.calls[0].name.clone(),
            arguments: Vec::new(),
            card: None,
            idempotency: None,
            grant: None,
            timeout,
            cache: None,
            spool: false,
        }
    }

    const PLENTY: Duration = Duration::from_secs(60);

    #[test]
    fn a_slow_service_holds_its_share_only_and_a_full_line_answers_unavailable() {
        let (asked, hears) = sync_channel(16);
        let (go, held) = sync_channel(16);
        let source = Arc::new(Held { asked, go: Mutex::new(held) });
        let size = PoolSize { workers: 3, per_service: 1, queue: 4, queue_per_service: 2 };
        let pool = ServicePool::start(source, size).expect("threads");
        let application = application();
        let (answers, told) = sync_channel(16);
        let ask = |service, name: &'static str| {
            let answers = answers.clone();
            let reply = Box::new(move |reply| {
                let what = if matches!(reply, LookupReply::NotFound) { "answered" } else { "unavailable" };
                answers.send((name, what)).expect("the test listens");
            });
            pool.submit(Arc::clone(&application), lookup(&application, service, PLENTY), reply);
        };
        ask(0, "slow 1");
        assert_eq!(hears.recv().expect("asked"), application.services.services[0].name);
        ask(0, "slow 2");
        ask(0, "slow 3");
        ask(0, "slow 4");
        assert_eq!(told.recv().expect("an answer"), ("slow 4", "unavailable"));
        ask(1, "other");
        assert_eq!(hears.recv().expect("a worker is left"), "second");
        for _ in 0..4 {
            go.send(()).expect("workers wait");
        }
        let mut all: Vec<_> = (0..4).map(|_| told.recv().expect("an answer")).collect();
        all.sort_unstable();
        let names = ["other", "slow 1", "slow 2", "slow 3"];
        assert_eq!(all, names.map(|name| (name, "answered")));
    }

    #[test]
    fn what_waited_longer_than_its_caller_is_never_sent() {
        let (asked, hears) = sync_channel(16);
        let (go, held) = sync_channel(16);
        let source = Arc::new(Held { asked, go: Mutex::new(held) });
        let size = PoolSize { workers: 1, per_service: 1, queue: 4, queue_per_service: 4 };
        let pool = ServicePool::start(source, size).expect("threads");
        let application = application();
        let (answers, told) = sync_channel(16);
        for timeout in [PLENTY, Duration::ZERO, PLENTY] {
            let answers = answers.clone();
            let reply = Box::new(move |reply| {
                answers.send(matches!(reply, LookupReply::Unavailable)).expect("the test listens");
            });
            pool.submit(Arc::clone(&application), lookup(&application, 0, timeout), reply);
        }
        go.send(()).expect("a worker waits");
        go.send(()).expect("a worker waits");
        let refused: Vec<bool> = (0..3).map(|_| told.recv().expect("an answer")).collect();
        assert_eq!(refused, [false, true, false]);
        assert_eq!(hears.try_iter().count(), 2);
    }
}
