//! The vault's workers: a fixed number of threads behind a bounded queue, and one that gives their answers.
//!
//! Each worker hashes one PIN at a time, so the memory that argon2 takes is bounded by their number. A full
//! queue is refused at once: the caller of [`VaultPool::submit`] answers `Unavailable`, which lifts nothing.
//!
//! Answers are given on the beat: a whole number of [`BEAT`]s after the question. What work an answer took, and so
//! what the vault found (a lock, a row more), is not told by when it comes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::os;
use super::vault::Vault;
use crate::auth::{Answer, Policy, Question, Source};

/// Takes the answer, on a worker's thread.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Threads that work on questions.
pub struct VaultPool {
    queue: Option<SyncSender<Job>>,
    /// The workers, then who gives their answers.
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    asked: Instant,
    question: Question,
    asker: Asker,
    reply: Reply,
}

/// An answer that waits for its beat.
struct Answered {
    due: Instant,
    reply: Reply,
    answer: Answer,
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
/// Those of a pool for questions with sounds to measure, a tenth of a second each and more: PINs do not wait behind voices.
pub const VOICE_WORKERS: usize = 1;
/// Such questions that wait.
pub const VOICES: usize = 16;
/// An answer is given so long after its question, or twice, or three times: as long as the voice in a packet.
pub const BEAT: Duration = Duration::from_millis(20);

impl VaultPool {
    /// Starts `workers` threads behind a queue of `queue` questions, that answer on every `beat` (at once when it is
    /// zero).
    ///
    /// # Errors
    /// When the system starts no thread.
    #[expect(clippy::disallowed_methods, reason = "the pool is a number of threads")]
    pub fn start(vault: &Arc<Vault>, workers: usize, queue: usize, beat: Duration) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let (answered, answers) = sync_channel(queue);
        let worker = |number: usize| {
            let (vault, jobs, answered) = (Arc::clone(vault), Arc::clone(&receiver), answered.clone());
            let work = move || work(&vault, &jobs, beat, &answered);
            Builder::new().name(format!("vault-{number}")).spawn(work)
        };
        let mut threads: Vec<_> = (1..=workers.max(1)).map(worker).collect::<std::io::Result<_>>()?;
        threads.push(Builder::new().name("vault-beat".to_owned()).spawn(move || give(&answers))?);
        Ok(Self { queue: Some(sender), threads })
    }

    /// Queues a question. `reply` is called once, unless the queue is full: then never.
    ///
    /// # Errors
    /// [`Full`]: answer the question with [`Answer::Unavailable`].
    pub fn submit(&self, question: Question, asker: Asker, reply: Reply) -> Result<(), Full> {
        let queue = self.queue.as_ref().ok_or(Full)?;
        queue.try_send(Job { asked: os::now(), question, asker, reply }).map_err(|_| Full)
    }
}

impl Drop for VaultPool {
    /// Ends when every queued question is answered.
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the vault ended badly");
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

fn work(vault: &Vault, jobs: &Mutex<Receiver<Job>>, beat: Duration, answered: &SyncSender<Answered>) {
    // Hashing takes all of a core for some 20 ms; the shards share the cores and may not wait that long.
    os::step_back();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { asked, question, asker, reply }) = next else { return };
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
        let due = on_the_beat(asked, os::now(), beat);
        let answered = answered.send(Answered { due, reply, answer: answer.unwrap_or(Answer::Unavailable) });
        if answered.is_err() {
            return;
        }
    }
}

/// The first beat after `asked` that is not before `now`.
fn on_the_beat(asked: Instant, now: Instant, beat: Duration) -> Instant {
    if beat.is_zero() {
        return now;
    }
    let beats = now.saturating_duration_since(asked).as_nanos().div_ceil(beat.as_nanos()).max(1);
    // A question waits for seconds at most, in a queue that is bounded.
    asked + beat.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX))
}

/// Gives each answer when it is due; at the end those that wait at once. They are as many as the workers make in a
/// beat: some hundreds.
fn give(answers: &Receiver<Answered>) {
    let mut waiting: BTreeMap<(Instant, u64), (Reply, Answer)> = BTreeMap::new();
    for number in 0.. {
        let next = match waiting.first_key_value() {
            None => answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(((due, _), _)) => answers.recv_timeout(due.saturating_duration_since(os::now())),
        };
        match next {
            Ok(Answered { due, reply, answer }) => drop(waiting.insert((due, number), (reply, answer))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= os::now()) {
            told(first.remove());
        }
    }
    waiting.into_values().for_each(told);
}

/// A defect in whoever takes an answer must not take the others' from them.
fn told((reply, answer): (Reply, Answer)) {
    if catch_unwind(AssertUnwindSafe(|| reply(answer))).is_err() {
        tracing::error!("an answer of the vault was not taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_a_whole_number_of_beats_after_its_question() {
        let (asked, beat) = (os::now(), Duration::from_millis(20));
        let after = |micros| on_the_beat(asked, asked + Duration::from_micros(micros), beat) - asked;
        for (took, waits) in [(0, 20), (1, 20), (19_999, 20), (20_000, 20), (20_001, 40), (61_000, 80)] {
            assert_eq!(after(took), Duration::from_millis(waits), "{took} us");
        }
        let now = asked + Duration::from_micros(70);
        assert_eq!(on_the_beat(asked, now, Duration::ZERO), now);
    }
}
