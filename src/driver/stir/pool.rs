//! The workers: some judge, some fetch.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::cache::{Cache, Keep};
use super::fetch::{CertificateSource, LONGEST};
use super::trust::TrustFiles;
use crate::driver::os;
use crate::engine::Vouch;
use crate::sip::stir::{CertificateUrl, Chain, Reason, Replays, Seen, Verdict};
use crate::units::Epoch;

/// Takes the verdict: on a worker's thread, or at once on the asker's.
pub(super) type Reply = Box<dyn FnOnce(Verdict) + Send>;

/// Judging takes less than a millisecond; two keep going while one is held up.
const JUDGES: usize = 2;
const FETCHERS: usize = 8;
/// Fetches from one host at once: a slow one leaves workers for the others.
const FETCHERS_PER_HOST: usize = 2;
/// Questions under way, and addresses that wait to be asked.
const MOST_JOBS: usize = 4096;
const MOST_ADDRESSES: usize = 256;
/// Of one host: a slow one takes no room from the others.
const MOST_ADDRESSES_OF_HOST: usize = 8;
/// PASSporTs that are remembered: more than arrive in two minutes at 1,000 calls a second.
const MOST_SEEN: usize = 131_072;
/// A PASSporT is fresh for a minute both ways.
const REPLAY_WINDOW: Duration = Duration::from_secs(130);
/// How often the lists of authorities are looked at.
const LOOK: Duration = Duration::from_secs(15);

/// Looks into callers' numbers.
pub struct Verifier {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    source: Box<dyn CertificateSource>,
    trust: TrustFiles,
    epoch: Epoch,
    patience: Duration,
    state: Mutex<State>,
    judge: Condvar,
    fetch: Condvar,
}

struct State {
    cache: Cache,
    replays: Replays,
    ready: VecDeque<Job>,
    /// By the address that they wait for.
    waiting: HashMap<CertificateUrl, Vec<Job>>,
    to_fetch: VecDeque<CertificateUrl>,
    /// By host: how many fetches are under way.
    fetching: HashMap<String, usize>,
    jobs: usize,
    looked: Instant,
    closed: bool,
}

/// What was fetched for one question.
type Chains = HashMap<CertificateUrl, Result<Arc<Chain>, Reason>>;

struct Job {
    vouch: Box<Vouch>,
    until: Instant,
    reply: Reply,
}

impl Verifier {
    /// Starts the workers. A question is answered within `patience` or not at all in time: whoever asks waits no longer.
    #[expect(clippy::disallowed_methods, reason = "the pool is a number of threads")]
    pub(super) fn start(
        source: Box<dyn CertificateSource>,
        trust: TrustFiles,
        epoch: Epoch,
        patience: Duration,
        keep: Keep,
    ) -> std::io::Result<Self> {
        let now = os::now();
        let state = State {
            cache: Cache::new(keep),
            replays: Replays::new(now, REPLAY_WINDOW, MOST_SEEN),
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            to_fetch: VecDeque::new(),
            fetching: HashMap::new(),
            jobs: 0,
            looked: now,
            closed: false,
        };
        let (judge, fetch) = (Condvar::new(), Condvar::new());
        let shared = Shared { source, trust, epoch, patience, state: Mutex::new(state), judge, fetch };
        let mut pool = Self { shared: Arc::new(shared), threads: Vec::new() };
        for number in 0..JUDGES + FETCHERS {
            let shared = Arc::clone(&pool.shared);
            let work = move || if number < JUDGES { shared.judge_all() } else { shared.fetch_all() };
            pool.threads.push(Builder::new().name(format!("stir-{number}")).stack_size(STACK).spawn(work)?);
        }
        Ok(pool)
    }

    /// Asks; `reply` is called exactly once.
    pub fn submit(&self, vouch: Box<Vouch>, reply: Box<dyn FnOnce(Verdict) + Send>) {
        let now = os::now();
        let mut state = self.shared.state();
        if state.closed || state.jobs >= MOST_JOBS {
            drop(state);
            return reply(Reason::Busy.into());
        }
        state.jobs += 1;
        let job = Job { vouch, until: now + self.shared.patience, reply };
        let refused = self.shared.route(&mut state, now, job);
        drop(state);
        self.shared.answer(refused, Reason::Busy.into());
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let left: Vec<Job> = {
            let mut state = self.shared.state();
            state.closed = true;
            state.to_fetch.clear();
            let waiting = std::mem::take(&mut state.waiting).into_values().flatten();
            let ready = std::mem::take(&mut state.ready);
            ready.into_iter().chain(waiting.collect::<Vec<_>>()).collect()
        };
        self.shared.judge.notify_all();
        self.shared.fetch.notify_all();
        for job in left {
            self.shared.answer(Some(job), Reason::Busy.into());
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker for callers' numbers ended badly");
            }
        }
    }
}

impl State {
    /// Takes out what waits for an address that nobody has begun to ask, and for which it would come too late.
    fn late(&mut self, now: Instant) -> Vec<Job> {
        let waiting = &mut self.waiting;
        let mut late = Vec::new();
        self.to_fetch.retain(|url| {
            let over = waiting.get(url).is_none_or(|jobs| jobs.iter().all(|job| job.until <= now));
            if over {
                late.extend(waiting.remove(url).unwrap_or_default());
            }
            !over
        });
        late
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever asked, when there is one.
    fn answer(&self, job: Option<Job>, verdict: Verdict) {
        if let Some(job) = job {
            let mut state = self.state();
            state.jobs = state.jobs.saturating_sub(1);
            drop(state);
            (job.reply)(verdict);
        }
    }

    /// To the judges, or to those who wait for the same certificate; given back when there is no room.
    fn route(&self, state: &mut State, now: Instant, job: Job) -> Option<Job> {
        let missing =
            job.vouch.candidate.certificates().into_iter().find(|url| state.cache.get(now, url).is_none());
        let Some(url) = missing.cloned() else {
            state.ready.push_back(job);
            self.judge.notify_one();
            return None;
        };
        if let Some(others) = state.waiting.get_mut(&url) {
            others.push(job);
        } else if state.to_fetch.len() >= MOST_ADDRESSES
            || state.to_fetch.iter().filter(|other| other.host() == url.host()).count()
                >= MOST_ADDRESSES_OF_HOST
        {
            return Some(job);
        } else {
            state.waiting.insert(url.clone(), vec![job]);
            state.to_fetch.push_back(url);
            self.fetch.notify_one();
        }
        None
    }

    fn judge_all(&self) {
        while let Some((job, chains)) = self.next_job() {
            let verdict = if os::now() >= job.until {
                Reason::TooSlow.into()
            } else {
                // A defect here must not leave callers at the door.
                let judged = catch_unwind(AssertUnwindSafe(|| self.verdict(&job.vouch, &chains)));
                judged.unwrap_or(Verdict::Unverified(Reason::Busy))
            };
            self.answer(Some(job), verdict);
        }
    }

    fn verdict(&self, vouch: &Vouch, chains: &Chains) -> Verdict {
        let now = os::now();
        let judged = vouch.candidate.judge(chains, &self.trust.current(), self.epoch.unix_at(now));
        match judged {
            Err(reason) => reason.into(),
            // Only what holds is remembered: nobody can fill the memory with what does not.
            Ok(level) => match self.state().replays.see(now, vouch.candidate.signed(), &vouch.call_id) {
                Seen::First => Verdict::Valid(level),
                Seen::Before => Reason::Replayed.into(),
                Seen::Full => Reason::Busy.into(),
            },
        }
    }

    /// The next that can be judged, with what was fetched for it.
    fn next_job(&self) -> Option<(Job, Chains)> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let now = os::now();
            if now.saturating_duration_since(state.looked) >= LOOK {
                state.looked = now;
                drop(state);
                self.trust.look();
                state = self.state();
                continue;
            }
            if let Some(job) = state.ready.pop_front() {
                let urls = job.vouch.candidate.certificates();
                let known = urls.into_iter().filter_map(|url| {
                    state.cache.get(now, url).map(|fetched| (url.clone(), fetched.clone()))
                });
                let chains = known.collect();
                return Some((job, chains));
            }
            let waited = self.judge.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn fetch_all(&self) {
        while let Some(url) = self.next_address() {
            let deadline = os::now() + LONGEST;
            let fetched = catch_unwind(AssertUnwindSafe(|| self.source.fetch(&url, deadline)));
            let fetched = fetched.unwrap_or_else(|_| Err("a defect".to_owned()));
            let (octets, fetched) = match fetched {
                Ok(bytes) => (bytes.len(), Chain::read(&bytes).map(Arc::new)),
                Err(error) => {
                    tracing::debug!(url = url.as_str(), error, "a caller's certificate can't be fetched");
                    (0, Err(Reason::CertificateUnavailable))
                }
            };
            self.fetched(url, octets, fetched);
        }
    }

    fn fetched(&self, url: CertificateUrl, octets: usize, fetched: Result<Arc<Chain>, Reason>) {
        let now = os::now();
        let mut state = self.state();
        if let Some(count) = state.fetching.get_mut(url.host()) {
            *count -= 1;
            if *count == 0 {
                state.fetching.remove(url.host());
            }
        }
        let waited = state.waiting.remove(&url).unwrap_or_default();
        state.cache.put(now, url, octets, fetched);
        let mut refused = Vec::new();
        for job in waited {
            // Who waited in vain waits no longer: with the certificate gone again this could go round for ever.
            let over = now >= job.until || state.closed;
            refused.extend(if over { Some(job) } else { self.route(&mut state, now, job) });
        }
        drop(state);
        // Another address of that host may be asked now.
        self.fetch.notify_one();
        for job in refused {
            self.answer(Some(job), Reason::TooSlow.into());
        }
    }

    fn next_address(&self) -> Option<CertificateUrl> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let late = state.late(os::now());
            if !late.is_empty() {
                drop(state);
                for job in late {
                    self.answer(Some(job), Reason::TooSlow.into());
                }
                state = self.state();
                continue;
            }
            let fetching = &state.fetching;
            let free = |url: &CertificateUrl| {
                fetching.get(url.host()).is_none_or(|count| *count < FETCHERS_PER_HOST)
            };
            if let Some(at) = state.to_fetch.iter().position(free) {
                let url = state.to_fetch.remove(at)?;
                *state.fetching.entry(url.host().to_owned()).or_default() += 1;
                return Some(url);
            }
            state = self.fetch.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A TLS handshake needs some 100 KiB of stack in a debug build.
const STACK: usize = 1024 * 1024;
