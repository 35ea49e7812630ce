//! The vault's workers: a fixed number of threads behind a bounded queue.
//!
//! Each worker hashes one PIN at a time, so the memory that argon2 takes is bounded by their number. A full
//! queue is refused at once: the caller of [`VaultPool::submit`] answers `Unavailable`, which lifts nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use thiserror::Error;

use super::os;
use super::vault::Vault;
use crate::auth::{Answer, Policy, Question, Source};

/// Takes the answer, on a worker's thread.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Threads that work on questions.
pub struct VaultPool {
    queue: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

struct Job {
    question: Question,
    asker: Asker,
    reply: Reply,
}

/// On whose behalf a question is asked.
#[derive(Clone, Default)]
pub struct Asker {
    /// The policy to judge by; the vault's own when `None`.
    pub policy: Option<Arc<Policy>>,
    /// Where the call comes from.
    pub source: Source,
}

/// The queue is full, or the pool is closing. The reply was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the vault has too much to do")]
pub struct Full;

/// Workers unless told otherwise: two PINs are hashed at once, in 38 MiB.
pub const WORKERS: usize = 2;
/// Questions that wait: some two seconds of work for two workers.
pub const QUEUE: usize = 128;

impl VaultPool {
    /// Starts `workers` threads behind a queue of `queue` questions.
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "the pool is a number of threads")]
    pub fn start(vault: &Arc<Vault>, workers: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let worker = |number: usize| {
            let (vault, jobs) = (Arc::clone(vault), Arc::clone(&receiver));
            Builder::new().name(format!("vault-{number}")).spawn(move || work(&vault, &jobs))
        };
        let workers = (1..=workers.max(1)).map(worker).collect::<std::io::Result<_>>()?;
        Ok(Self { queue: Some(sender), workers })
    }

    /// Queues a question. `reply` is called once, unless the queue is full: then never.
    ///
    /// # Errors
    /// [`Full`]: answer the question with [`Answer::Unavailable`].
    pub fn submit(&self, question: Question, asker: Asker, reply: Reply) -> Result<(), Full> {
        let queue = self.queue.as_ref().ok_or(Full)?;
        queue.try_send(Job { question, asker, reply }).map_err(|_| Full)
    }
}

impl Drop for VaultPool {
    /// Ends when every queued question is answered.
    fn drop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a vault worker ended badly");
            }
        }
    }
}

/// Whether the answer may lift a level, or changes what can.
const fn judged(question: &Question) -> bool {
    !matches!(
        question,
        Question::Identify { .. } | Question::Recall { .. } | Question::Remember { .. } | Question::Audit(_)
    )
}

fn work(vault: &Vault, jobs: &Mutex<Receiver<Job>>) {
    // Hashing takes all of a core for some 20 ms; the shards share the cores and may not wait that long.
    os::step_back();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { question, asker, reply }) = next else { return };
        // A defect in one verification must not take the worker from all others, nor lift anyone.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let policy = asker.policy.unwrap_or_else(|| vault.policy());
            match vault.calendar().trusted() {
                Some(now) => vault.answer_for(now, &policy, &asker.source, question),
                // Codes and locks are judged by the clock; who the caller says they are is not.
                None if judged(&question) => Answer::Unavailable,
                None => vault.answer_for(vault.calendar().now(), &policy, &asker.source, question),
            }
        }));
        reply(answer.unwrap_or(Answer::Unavailable));
    }
}
