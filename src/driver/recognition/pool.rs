//! Workers for what takes long and is not urgent: a fixed number of threads with the lowest priority behind a bounded queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use thiserror::Error;

use crate::driver::os;

/// A piece of work, and who is told what came of it.
type Job = Box<dyn FnOnce() + Send>;

/// Threads that work.
pub struct WorkPool {
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// What waits is not done any more.
    closing: Arc<AtomicBool>,
}

/// There is no worker for it now, or at all. Nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no worker is free")]
pub struct Full;

impl WorkPool {
    /// Starts so many workers behind a queue of so many pieces of work.
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "the pool is a number of threads")]
    pub fn start(name: &str, workers: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let closing = Arc::new(AtomicBool::new(false));
        let worker = |number: usize| {
            let (jobs, closing) = (Arc::clone(&receiver), Arc::clone(&closing));
            Builder::new().name(format!("{name}-{number}")).spawn(move || work(&jobs, &closing))
        };
        let threads = (1..=workers).map(worker).collect::<std::io::Result<_>>()?;
        Ok(Self { queue: (workers > 0).then_some(sender), threads, closing })
    }

    /// Has a piece of work done. `told` is called once with what came of it, on a worker's thread; with `None` when it ended
    /// badly.
    ///
    /// # Errors
    /// [`Full`]: then it is not called.
    pub fn submit<T>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        told: impl FnOnce(Option<T>) + Send + 'static,
    ) -> Result<(), Full> {
        let job = Box::new(move || {
            // A defect in one piece of work must not take the worker from all others.
            let done = catch_unwind(AssertUnwindSafe(work)).ok();
            if catch_unwind(AssertUnwindSafe(|| told(done))).is_err() {
                tracing::error!("what a worker found was not taken");
            }
        });
        self.queue.as_ref().ok_or(Full)?.try_send(job).map_err(|_| Full)
    }
}

impl Drop for WorkPool {
    /// Ends when what is being worked on is done.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker ended badly");
            }
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, closing: &AtomicBool) {
    os::step_far_back();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if !closing.load(Ordering::Relaxed) {
            job();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_badly_is_told_and_takes_no_worker_away() {
        let pool = WorkPool::start("test", 1, 4).expect("threads");
        let (sender, answers) = sync_channel(4);
        for number in 0..3 {
            let sender = sender.clone();
            let work = move || {
                assert_ne!(number, 1, "as a defect would");
                number
            };
            pool.submit(work, move |done| sender.send(done).expect("room")).expect("room");
        }
        let answers: Vec<_> = answers.iter().take(3).collect();
        assert_eq!(answers, [Some(0), None, Some(2)]);
    }

    #[test]
    fn a_full_queue_is_told_at_once_and_so_is_a_pool_without_workers() {
        let pool = WorkPool::start("test", 1, 1).expect("threads");
        let (begun, begins) = sync_channel(1);
        let (go, goes) = sync_channel::<()>(0);
        let busy = move || {
            begun.send(()).expect("room");
            let _ = goes.recv();
        };
        pool.submit(busy, |_| {}).expect("room");
        begins.recv().expect("it began");
        pool.submit(|| (), |_| {}).expect("one may wait");
        assert_eq!(pool.submit(|| (), |_| panic!("nobody is told")), Err(Full));
        drop(go);
        let none = WorkPool::start("test", 0, 1).expect("threads");
        assert_eq!(none.submit(|| (), |_| {}), Err(Full));
    }
}
