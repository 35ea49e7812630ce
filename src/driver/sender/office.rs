//! The post office: the courier of a deployment.
//!
//! A letter is counted by the budgets, committed, and queued. Workers hand it to the first sender of its channel;
//! when that one does not take it, to the next; when none does, again after a pause, until one does or the letter
//! is of no use any more. Each step is kept in the store and told in the log by the letter's name alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use thiserror::Error;

use super::budget::{Budgets, LettersConfig};
use super::letter::{Channel, Courier, Letter, LetterId, Purpose, Refused, Shown};
use super::line::{Job, Line, Next, Size};
use super::outcome::{NotTaken, Report, ReportRefused, Status};
use super::{Reports, Sender, SenderConfig, SenderError, Told};
use crate::auth::SubjectKey;
use crate::driver::config::Config;
use crate::driver::dialler::Dialler;
use crate::driver::numbers::international;
use crate::driver::os;
use crate::driver::seal;
use crate::driver::secrets::{SecretError, Secrets};
use crate::driver::services::Fuse;
use crate::driver::store::StoreError;
use crate::driver::store::letters::{ENDED, Move, Taken};
use crate::driver::vault::{Vault, Writing};
use crate::flow::document::Breaker;
use crate::secret::Secret;
use crate::units::UnixTime;

/// A number that nobody has.
const NOBODY: &str = "+440000000000";
/// A letter leaves a moment after it was written: what is kept of its way must not slow down the answer to whoever
/// waits for it, who would hear in it that it was not pretended.
const MOMENT: Duration = Duration::from_millis(20);
/// Letters that wait, over all senders.
const QUEUE: usize = 512;
/// Workers for each sender, and how many of all one sender may hold.
const PER_SENDER: usize = 2;
/// Threads at most.
const MOST_WORKERS: usize = 16;
/// How often a letter is tried, over all senders.
const MOST_TRIES: u32 = 8;
/// After every sender of the channel was tried once; twice as long each round.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long letters that were never tried are still handed over when the engine ends.
const LAST_LETTERS: Duration = Duration::from_secs(3);

/// Why there is no post office.
#[derive(Debug, Error)]
pub enum PostError {
    /// The settings.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// A secret that a sender needs.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Codes would be shown to whoever sits at this machine while others can call it.
    #[error(
        "the sender `{sender}` prints one-time codes in place of sending them, and {listener} can be reached from \
         elsewhere\n  help: listen on 127.0.0.1 only, or take `{sender}` out of `senders:` in countersign.yaml"
    )]
    Shows {
        /// The sender.
        sender: String,
        /// What listens.
        listener: SocketAddr,
    },
    /// The system starts no thread.
    #[error("the operating system did not give threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// The courier of a deployment.
pub struct PostOffice {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    vault: Weak<Vault>,
    letters: LettersConfig,
    budgets: Budgets,
    senders: Vec<Open>,
    line: Line,
    pauses: (Duration, Duration),
}

/// A sender in use.
struct Open {
    name: String,
    channels: Vec<Channel>,
    /// It shows letters here, so that nothing costs and every number is allowed.
    shows: bool,
    timeout: Duration,
    breaker: Breaker,
    fuse: Fuse,
    sender: Box<dyn Sender>,
}

impl PostOffice {
    /// The post office of a deployment, as the vault's courier; none when the settings have no senders. A sender
    /// that shows letters to whoever sits here is for machines that nobody else can call.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn of(
        vault: &Arc<Vault>,
        config: &Config,
        secrets: &Arc<Secrets>,
        dialler: &Arc<Dialler>,
        mut listeners: impl Iterator<Item = SocketAddr>,
    ) -> Result<Option<Arc<Self>>, PostError> {
        if let Some(sender) = config.senders.iter().find(|sender| sender.shows())
            && let Some(listener) = listeners.find(|listener| !listener.ip().to_canonical().is_loopback())
        {
            return Err(PostError::Shows { sender: sender.name.clone(), listener });
        }
        if config.senders.is_empty() {
            return Ok(None);
        }
        let post = Self::open(vault, (&config.senders, &config.letters), secrets, dialler)?;
        vault.set_courier(Arc::clone(&post) as Arc<dyn Courier>);
        Ok(Some(post))
    }

    /// Opens the senders of the settings and starts the workers.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn open(
        vault: &Arc<Vault>,
        (senders, letters): (&[SenderConfig], &LettersConfig),
        secrets: &Arc<Secrets>,
        dialler: &Arc<Dialler>,
    ) -> Result<Arc<Self>, PostError> {
        super::check(senders, letters)?;
        for name in senders.iter().flat_map(SenderConfig::secrets) {
            secrets.find(name)?;
        }
        let open = |config: &SenderConfig| {
            let reports = reports(Arc::downgrade(vault), config.name.clone());
            Ok::<_, PostError>(Open {
                name: config.name.clone(),
                channels: config.channels(),
                shows: config.shows(),
                timeout: config.timeout(),
                breaker: SenderConfig::breaker(),
                fuse: Fuse::default(),
                sender: config.open_with(secrets, reports, dialler)?,
            })
        };
        let senders = senders.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Self::start(vault, senders, letters, (FIRST_PAUSE, LONGEST_PAUSE))
    }

    #[expect(clippy::disallowed_methods, reason = "the post office is a number of threads")]
    fn start(
        vault: &Arc<Vault>,
        senders: Vec<Open>,
        letters: &LettersConfig,
        pauses: (Duration, Duration),
    ) -> Result<Arc<Self>, PostError> {
        let left = vault.abandon_letters()?;
        if left > 0 {
            tracing::warn!(
                letters = left,
                "letters were queued when the engine ended badly: see `senders letters`"
            );
        }
        let workers = (senders.len() * PER_SENDER).min(MOST_WORKERS);
        let shared = Arc::new(Shared {
            vault: Arc::downgrade(vault),
            letters: letters.clone(),
            budgets: letters.budgets(),
            senders,
            line: Line::new(Size { queue: QUEUE, per_sender: PER_SENDER }),
            pauses,
        });
        let office = Self { shared, workers: Mutex::default() };
        for number in 1..=workers {
            let shared = Arc::clone(&office.shared);
            let worker = Builder::new().name(format!("post-{number}")).spawn(move || shared.work())?;
            office.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
        Ok(Arc::new(office))
    }

    /// Ends when the letters in hand are handed over, and within a moment those that were never tried. What is left
    /// then is not sent, and is kept as such.
    pub fn close(&self) {
        self.shared.line.close(LAST_LETTERS);
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker of the post office ended badly");
            }
        }
        for job in self.shared.line.left() {
            self.shared.note(&job, Fate { reason: Some(ENDED), ..Fate::of(Status::Failed, None) });
        }
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.close();
    }
}

/// Keeps what a sender hears later.
fn reports(vault: Weak<Vault>, sender: String) -> Reports {
    Arc::new(move |report| {
        if let Some(vault) = vault.upgrade() {
            keep_report(&vault, &sender, &report);
        }
    })
}

fn keep_report(vault: &Vault, sender: &str, report: &Report) -> bool {
    let reason = match (report.status, report.code) {
        (Status::Failed, _) if report.why.is_some() => report.why.map(str::to_owned),
        (Status::Failed, Some(code)) => Some(format!("the provider could not deliver it (code {code})")),
        (Status::Failed, None) => Some("the provider could not deliver it".to_owned()),
        _ => None,
    };
    let kept = vault.letter_reported(sender, report, reason.as_deref());
    match &kept {
        Ok(Some(letter)) => {
            let status = report.status.name();
            tracing::info!(%letter, sender, status, reason, "a letter's delivery is told");
        }
        Ok(None) => tracing::debug!(sender, "a delivery report about no letter that waits for one"),
        Err(error) => tracing::error!(sender, %error, "a delivery report can't be kept"),
    }
    matches!(kept, Ok(Some(_)))
}

impl Courier for PostOffice {
    fn send(&self, now: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        self.shared.send(now, letter)
    }

    fn pretend(&self, now: UnixTime, channel: Channel, subject: SubjectKey) -> Result<LetterId, Refused> {
        let shared = &self.shared;
        shared.is_up(channel)?;
        // What is looked at of an address, for one that is nobody's.
        let nobody = std::hint::black_box(international(NOBODY));
        std::hint::black_box(shared.reaches(channel, nobody.as_deref().unwrap_or(NOBODY)));
        let place = shared.line.place().ok_or(Refused::Full)?;
        let writing = Writing { channel, purpose: Purpose::Code, subject, to: None, same: None };
        let (Counted::New(id) | Counted::Again(id)) = shared.count(now, &writing)?;
        shared.line.nudge(place);
        Ok(id)
    }

    fn reaches(&self, channel: Channel, to: &str) -> bool {
        self.shared.reaches(channel, to)
    }

    fn shown(&self) -> Option<Vec<Shown>> {
        let mut all = Vec::new();
        let mut any = false;
        for shown in self.shared.senders.iter().filter_map(|open| open.sender.shown()) {
            any = true;
            all.extend(shown);
        }
        all.sort_by_key(|shown| shown.at_ms);
        any.then_some(all)
    }

    fn delivery_report(&self, sender: &str, told: &Told<'_>) -> Result<usize, ReportRefused> {
        let open = self.shared.senders.iter().find(|open| open.name == sender);
        let reports = open.ok_or(ReportRefused::Unexpected)?.sender.report(told)?;
        let Some(vault) = self.shared.vault.upgrade() else { return Ok(0) };
        Ok(reports.iter().filter(|report| keep_report(&vault, sender, report)).count())
    }
}

/// A letter's name, and whether it is on its way already.
enum Counted {
    New(LetterId),
    Again(LetterId),
}

impl Shared {
    fn of_channel(&self, channel: Channel) -> impl Iterator<Item = (usize, &Open)> {
        self.senders.iter().enumerate().filter(move |(_, open)| open.channels.contains(&channel))
    }

    /// Whether a letter that a caller waits for has a sender that may be asked now. It says the same of every
    /// subject, so it tells nothing of any.
    fn is_up(&self, channel: Channel) -> Result<(), Refused> {
        let (mut of_channel, now) = (self.of_channel(channel).peekable(), os::now());
        of_channel.peek().ok_or(Refused::NoSender)?;
        let up = of_channel.any(|(_, open)| !open.fuse.is_open(open.breaker, now));
        if up { Ok(()) } else { Err(Refused::Down) }
    }

    /// Senders that only show letters show those to everywhere.
    fn reaches(&self, channel: Channel, to: &str) -> bool {
        self.of_channel(channel).all(|(_, open)| open.shows) || self.letters.allows(channel, to)
    }

    fn send(&self, now: UnixTime, mut letter: Letter) -> Result<LetterId, Refused> {
        let channel = letter.channel;
        match letter.purpose {
            Purpose::Code | Purpose::Link => self.is_up(channel)?,
            // It is of use for longer than a caller waits.
            Purpose::Notice => drop(self.of_channel(channel).next().ok_or(Refused::NoSender)?),
        }
        if matches!(channel, Channel::Sms | Channel::Call)
            && let Some(number) = international(letter.to.expose())
        {
            letter.to = Secret::new(number);
        }
        if !self.reaches(channel, letter.to.expose()) {
            tracing::warn!(%channel, subject = %letter.subject, "a letter to a destination that `letters:` does not allow");
            return Err(Refused::Country);
        }
        let place = self.line.place().ok_or_else(|| {
            tracing::error!(%channel, "a letter is refused: as many as may wait are waiting");
            Refused::Full
        })?;
        let same = (letter.purpose == Purpose::Notice).then_some(&letter.text);
        let writing =
            Writing { channel, purpose: letter.purpose, subject: letter.subject, to: Some(&letter.to), same };
        let id = match self.count(now, &writing)? {
            Counted::New(id) => id,
            Counted::Again(id) => return Ok(id),
        };
        let at = os::now();
        let until = at + letter.until.since(now);
        self.line.put(place, Job { id, letter, until, due: at + MOMENT, tries: 0, next: 0, last: None });
        Ok(id)
    }

    /// Counts a letter by the budgets and keeps it.
    fn count(&self, now: UnixTime, writing: &Writing<'_>) -> Result<Counted, Refused> {
        let vault = self.vault.upgrade().ok_or(Refused::Full)?;
        let id = LetterId(seal::random().map_err(|_| Refused::Full)?);
        match vault.take_letter(now, id, writing, &self.budgets) {
            Ok(Taken::New) => Ok(Counted::New(id)),
            Ok(Taken::Again(id)) => Ok(Counted::Again(id)),
            Ok(Taken::Spent(scope)) => {
                let (channel, scope) = (writing.channel, scope.name());
                tracing::warn!(%channel, scope, subject = %writing.subject, "a letter is refused: a budget is spent");
                Err(Refused::Budget)
            }
            Err(error) => {
                tracing::error!(%error, "a letter is refused: it can't be counted");
                Err(Refused::Full)
            }
        }
    }

    fn work(&self) {
        loop {
            match self.line.next(|job, free| self.choose(job, free)) {
                Next::End => return,
                Next::Over(job) => {
                    let reason = job
                        .last
                        .map_or_else(|| "no sender had time for it".to_owned(), |why| why.to_string());
                    self.note(&job, Fate { reason: Some(&reason), ..Fate::of(Status::Failed, None) });
                }
                Next::Deliver(job, at) => {
                    self.deliver(*job, at);
                    self.line.done(at);
                }
            }
        }
    }

    /// The next sender of the letter's channel that has hands to spare and is not left alone.
    fn choose(&self, job: &Job, free: &dyn Fn(usize) -> bool) -> Option<usize> {
        let places: Vec<usize> = self.of_channel(job.letter.channel).map(|(at, _)| at).collect();
        let first = job.next.checked_rem(places.len())?;
        let in_turn = places.iter().cycle().skip(first).take(places.len()).copied();
        let now = os::now();
        let admits = |at: &usize| {
            self.senders.get(*at).is_some_and(|open| free(*at) && open.fuse.admits(open.breaker, now))
        };
        in_turn.into_iter().find(admits)
    }

    fn deliver(&self, mut job: Job, at: usize) {
        let Some(open) = self.senders.get(at) else { return };
        let deadline = job.until.min(os::now() + open.timeout);
        // From now on it may arrive, and its fate is this sender's to tell.
        self.keep(&job, Fate::of(Status::Queued, Some(&open.name)));
        // A defect in one sender must not take the worker from all others.
        let handed = std::panic::AssertUnwindSafe(|| open.sender.deliver(job.id, &job.letter, deadline));
        let handed = std::panic::catch_unwind(handed).unwrap_or(Err(NotTaken::Garbage));
        let healthy = handed.as_ref().map_or_else(|why| !why.is_the_senders(), |_| true);
        if open.fuse.note(open.breaker, os::now(), healthy) {
            let pause = open.breaker.open_for.as_secs();
            tracing::error!(sender = %open.name, "a sender fails and is left alone for {pause} s");
        }
        match handed {
            Ok(accepted) => {
                let status = if accepted.delivered { Status::Delivered } else { Status::Accepted };
                let reference = accepted.reference.as_deref();
                self.note(&job, Fate { reference, ..Fate::of(status, Some(&open.name)) });
            }
            Err(why) => {
                tracing::warn!(letter = %job.id, sender = %open.name, %why, "a sender did not take a letter");
                job.tries += 1;
                job.last = Some(why);
                job.next = self.after(&job, at);
                job.due = os::now() + self.pause(&job);
                let told = why.to_string();
                let reason = Some(told.as_str());
                if why.is_final() || job.tries >= MOST_TRIES || job.due >= job.until {
                    self.note(&job, Fate { reason, ..Fate::of(Status::Failed, Some(&open.name)) });
                } else {
                    self.keep(&job, Fate { reason, ..Fate::of(Status::Queued, Some(&open.name)) });
                    self.line.back(job);
                }
            }
        }
    }

    /// The place, among the senders of the channel, behind the one at `at`.
    fn after(&self, job: &Job, at: usize) -> usize {
        self.of_channel(job.letter.channel).position(|(place, _)| place == at).map_or(0, |place| place + 1)
    }

    /// None before another sender is tried; growing when all were.
    fn pause(&self, job: &Job) -> Duration {
        let senders = u32::try_from(self.of_channel(job.letter.channel).count()).unwrap_or(1).max(1);
        if !job.tries.is_multiple_of(senders) {
            return Duration::ZERO;
        }
        let (first, longest) = self.pauses;
        let rounds = (job.tries / senders).saturating_sub(1).min(16);
        first.saturating_mul(2_u32.saturating_pow(rounds)).min(longest)
    }

    fn note(&self, job: &Job, fate: Fate<'_>) {
        let Fate { status, sender, reason, .. } = fate;
        let (letter, channel, told) = (job.id, job.letter.channel, status.name());
        if status == Status::Failed {
            tracing::error!(%letter, %channel, sender, reason, "a letter is not sent");
        } else {
            tracing::info!(%letter, %channel, sender, status = told, "a letter is handed over");
        }
        self.keep(job, fate);
    }

    fn keep(&self, job: &Job, fate: Fate<'_>) {
        let Some(vault) = self.vault.upgrade() else { return };
        let Fate { status, sender, reference, reason } = fate;
        let to = Move { at: vault.calendar().now(), status, sender, reference, reason };
        if let Err(error) = vault.move_letter(job.id, &to) {
            tracing::error!(letter = %job.id, %error, "what became of a letter can't be kept");
        }
    }
}

/// What became of a letter.
#[derive(Clone, Copy)]
struct Fate<'a> {
    status: Status,
    sender: Option<&'a str>,
    reference: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Fate<'a> {
    fn of(status: Status, sender: Option<&'a str>) -> Self {
        Self { status, sender, reference: None, reason: None }
    }
}

#[cfg(test)]
#[path = "office_tests.rs"]
mod tests;
