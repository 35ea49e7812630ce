//! A deployment of the bank with a crowd of callers, all over real sockets of loopback: for the load test and
//! the benchmark of calls.

#![allow(dead_code, reason = "each user of it uses a part")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersign::audio::Clip;
use countersign::driver::application::ApplicationSource;
use countersign::driver::demo;
use countersign::driver::os;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::shard::Held;
use countersign::flow::ClipKey;
use countersign::phone::{Phone, PhoneConfig, PhoneEvent};
use countersign::sip::SessionId;
use countersign::sip::timers::TimerConfig;
use countersign::units::Digit;

/// The bank on one shard, in a data folder of its own.
pub(crate) struct Bank {
    deployment: Option<Deployment>,
    folder: PathBuf,
    /// The first demo customer.
    pub(crate) account: &'static str,
    pub(crate) pin: String,
}

impl Bank {
    pub(crate) fn open(
        name: &str,
        rtp_ports: RangeInclusive<u16>,
        more_agents: Vec<(String, String)>,
        sip_timers: TimerConfig,
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-{name}-{}", std::process::id()));
        let settings = ServeSettings {
            more_agents,
            sip_timers,
            ..ServeSettings::on_loopback(ApplicationSource::Embedded("bank"), folder.clone(), rtp_ports)
        };
        let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
        let made = demo::create_customers(&deployment.vault, &folder, os::unix_now()).expect("customers");
        let first = made.customers.first().expect("a customer");
        let (account, pin) = (first.account, first.pin.expose().clone());
        Self { deployment: Some(deployment), folder, account, pin }
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        self.deployment.as_ref().expect("it runs until it is dropped")
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:bank@{}", self.deployment().sip)
    }

    pub(crate) fn held(&self) -> Held {
        let mailboxes = self.deployment().mailboxes();
        mailboxes.first().map(|mailbox| mailbox.counters().held()).unwrap_or_default()
    }

    /// Media datagrams received, sent, and not taken by a socket.
    pub(crate) fn media(&self) -> [u64; 3] {
        let mailboxes = self.deployment().mailboxes();
        let Some(counters) = mailboxes.first().map(|mailbox| mailbox.counters()) else { return [0; 3] };
        [&counters.media_received, &counters.media_sent, &counters.media_unsent]
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    /// The call records, as JSON.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let stored = self.deployment().vault.calls(u32::MAX).expect("the store is read");
        stored.iter().map(|call| serde_json::from_str(&call.record).expect("a record is JSON")).collect()
    }

    /// How long a prompt of the bank is in English.
    fn prompt(&self, key: &str) -> Duration {
        let key = ClipKey::new(format!("en-GB/{key}"));
        let clip = self.deployment().application().clips.get(&key).cloned();
        clip.unwrap_or_else(|| panic!("{} is recorded", key.as_str())).duration()
    }

    /// When a caller whose number is known may choose the language, choose in the menu, and type a PIN.
    pub(crate) fn moments_of_a_known_caller(&self) -> (Duration, Duration, Duration) {
        let language = self.prompt("greeting") + self.prompt("choose_language") * 2 + THINKS;
        let menu = language + self.prompt("why_we_ask") + THINKS * 2;
        (language, menu, menu + self.prompt("pin_please") + THINKS)
    }

    /// What caller `number` presses, and when after the answer: the language, the account and that it was
    /// heard well; then every tenth proves who they are and hears the balance, spread over time; every
    /// twentieth asks for a person; the others have the menu repeated.
    pub(crate) fn script(&self, number: usize, hold: Duration) -> Vec<(Duration, Vec<Digit>)> {
        let language = self.prompt("greeting") + self.prompt("choose_language") * 2 + THINKS;
        let account = language + self.prompt("why_we_ask") + self.prompt("account_number") + THINKS;
        let heard = account + KEY * 9 + THINKS * 2;
        let menu = heard + THINKS * 2;
        let stagger = Duration::from_millis(u64::try_from(number % 100).unwrap_or(0) * 100);
        let mut script =
            vec![(language, keys("1")), (account, keys(&format!("{}#", self.account))), (heard, keys("1"))];
        if number % 10 == 3 {
            let asked = menu + stagger;
            script.push((asked, keys("1")));
            script.push((asked + self.prompt("pin_please") + THINKS, keys(&format!("{}#", self.pin))));
        } else if number % 20 == 7 {
            script.push((menu + stagger, keys("0")));
        } else {
            let every = Duration::from_secs(9);
            let times = (0..).map(|turn| menu + stagger + every * turn).take_while(|at| *at < hold);
            script.extend(times.map(|at| (at, keys("*"))));
        }
        script
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const THINKS: Duration = Duration::from_millis(500);
/// A key and the gap after it.
const KEY: Duration = Duration::from_millis(150);

pub(crate) fn keys(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::from_char).collect()
}

/// A phone that makes a crowd's calls: it sends audio and counts what comes, without decoding it.
pub(crate) fn crowds_phone(user: &str, rtp_ports: RangeInclusive<u16>) -> Phone {
    let config = PhoneConfig { wants_trace: false, ..PhoneConfig::loopback(user, rtp_ports) };
    Phone::new(config).expect("a phone")
}

/// Something to say: two seconds of a tone that wanders.
pub(crate) fn words() -> Arc<Clip> {
    let sample = |n: i32| i16::try_from((n * (40 + n / 400)) % 8000 - 4000).unwrap_or(0);
    Arc::new(Clip::from_pcm(&(0..16_000).map(sample).collect::<Vec<i16>>()))
}

/// How many callers, how fast they come, how long each stays.
pub(crate) struct Plan {
    pub(crate) calls: usize,
    pub(crate) per_second: u32,
    pub(crate) hold: Duration,
}

/// What a crowd met.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) answered: usize,
    /// Calls refused, and calls that ended before their caller wanted.
    pub(crate) refused: usize,
    pub(crate) cut: usize,
    /// The most calls at once, as the shard counted.
    pub(crate) at_once: u64,
    /// Sequence numbers that never came, over all calls.
    pub(crate) lost: u64,
    /// Of those, and of reports, what arrived at a caller's socket and was not read in time.
    pub(crate) unread: u64,
    pub(crate) duplicates: u64,
    pub(crate) received: u64,
    pub(crate) due: u64,
    /// The worst call's part of what was due, in per mille.
    pub(crate) least_per_mille: u64,
    /// From INVITE to the answer.
    pub(crate) set_up: Vec<Duration>,
    /// Deviation of gaps from 20 ms: p50, p99, p99.9, worst.
    pub(crate) deviation: [Duration; 4],
    /// While all calls were up: processor time of threads by name, and over how many call-seconds.
    pub(crate) busy: BTreeMap<String, Duration>,
    pub(crate) over: Duration,
    pub(crate) call_seconds: f64,
    /// Media datagrams that the shard received and sent meanwhile.
    pub(crate) packets: u64,
}

impl Figures {
    /// Processor time of the callers' own thread, as a part of the time.
    pub(crate) fn phone_busy(&self) -> f64 {
        let name = fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
        self.busy(name.trim()).as_secs_f64() / self.over.as_secs_f64()
    }

    /// Processor time of the threads whose names begin so.
    pub(crate) fn busy(&self, name: &str) -> Duration {
        self.busy.iter().filter(|(thread, _)| thread.starts_with(name)).map(|(_, time)| *time).sum()
    }

    pub(crate) fn set_up(&self, per_mille: usize) -> Duration {
        let last = self.set_up.len().saturating_sub(1);
        self.set_up.get(last * per_mille / 1000).copied().unwrap_or_default()
    }
}

/// Processor time of each thread of this process so far, by name. Empty where the system does not tell.
pub(crate) fn processor_times() -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        *times.entry(read("comm").trim().to_owned()).or_default() += Duration::from_nanos(nanos);
    }
    times
}

/// Datagrams that the system threw away because the sockets at these ports were full: what was sent to them
/// and not read in time. Zero where the system does not tell.
pub(crate) fn dropped_at(ports: &RangeInclusive<u16>) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let dropped = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        ports.contains(&port).then(|| fields.last()?.parse::<u64>().ok()).flatten()
    };
    table.lines().skip(1).filter_map(dropped).sum()
}

struct Caller {
    dialled: Instant,
    answered: Option<Instant>,
    over: bool,
}

struct Crowd<'a> {
    bank: &'a Bank,
    phone: &'a mut Phone,
    words: Arc<Clip>,
    callers: HashMap<SessionId, (usize, Caller)>,
    /// What is pressed when, soonest first.
    presses: BTreeMap<(Instant, SessionId), Vec<Digit>>,
    hold: Duration,
    leaving: bool,
    figures: Figures,
}

/// Lets the crowd call, waits until all calls are up and have lasted, and hangs all up.
pub(crate) fn gather(bank: &Bank, phone: &mut Phone, plan: &Plan) -> Figures {
    phone.measure_pacing();
    let mut crowd = Crowd {
        bank,
        phone,
        words: words(),
        callers: HashMap::new(),
        presses: BTreeMap::new(),
        hold: plan.hold,
        leaving: false,
        figures: Figures::default(),
    };
    crowd.come(plan);
    crowd.stay();
    crowd.leave();
    crowd.figures.set_up.sort_unstable();
    crowd.figures
}

impl Crowd<'_> {
    fn come(&mut self, plan: &Plan) {
        let apart = Duration::from_secs(1) / plan.per_second;
        let (uri, start) = (self.bank.uri(), os::now());
        for (number, at) in (0..plan.calls).zip((0..).map(|n| start + apart * n)) {
            self.until(at, |_| false);
            let session = self.phone.dial(&uri).unwrap_or_else(|error| panic!("{error}"));
            let caller = Caller { dialled: os::now(), answered: None, over: false };
            self.callers.insert(session, (number, caller));
        }
        self.until(os::now() + PATIENCE, |this| {
            this.callers.values().all(|(_, caller)| caller.answered.is_some() || caller.over)
        });
    }

    fn stay(&mut self) {
        let (began, before, packets) = (os::now(), processor_times(), self.bank.media());
        let up = self.up().len();
        self.until(began + self.hold, |_| false);
        let figures = &mut self.figures;
        figures.at_once = self.bank.held().calls;
        figures.over = began.elapsed();
        for (thread, time) in processor_times() {
            let so_far = before.get(&thread).copied().unwrap_or_default();
            figures.busy.insert(thread, time.saturating_sub(so_far));
        }
        figures.call_seconds = figures.over.as_secs_f64() * f64::from(u32::try_from(up).unwrap_or(0));
        let after = self.bank.media();
        figures.packets = after[0] + after[1] - packets[0] - packets[1];
    }

    fn leave(&mut self) {
        self.figures.least_per_mille = 1000;
        for session in self.up() {
            self.settle(session);
        }
        if let Some(pacing) = self.phone.pacing() {
            let [half, most, nearly_all] = [500, 990, 999].map(|part| pacing.quantile(part));
            self.figures.deviation = [half, most, nearly_all, pacing.worst()];
        }
        self.figures.unread = dropped_at(&PHONES);
        self.leaving = true;
        for session in self.up() {
            self.phone.hang_up(session);
        }
        self.until(os::now() + PATIENCE, |this| this.callers.values().all(|(_, caller)| caller.over));
    }

    fn up(&self) -> Vec<SessionId> {
        let up = self.callers.iter().filter(|(_, (_, caller))| caller.answered.is_some() && !caller.over);
        up.map(|(session, _)| *session).collect()
    }

    /// Adds what came in a call.
    fn settle(&mut self, session: SessionId) {
        let Some(stats) = self.phone.media_stats(session) else { return };
        let (received, due) =
            self.phone.pacing().map_or((0, 0), |pacing| pacing.received_of_due(os::now(), session));
        let figures = &mut self.figures;
        figures.lost += stats.packets_lost;
        figures.duplicates += stats.duplicates;
        figures.received += received;
        figures.due += due;
        figures.least_per_mille =
            figures.least_per_mille.min((received * 1000).checked_div(due).unwrap_or(0));
    }

    /// Lets things happen until `done`, or that moment.
    fn until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        loop {
            let now = os::now();
            while let Some(((_, session), digits)) =
                self.presses.first_entry().filter(|entry| entry.key().0 <= now).map(|e| e.remove_entry())
            {
                self.phone.press(session, &digits);
            }
            if now >= end || done(self) {
                return;
            }
            let next = self.presses.first_key_value().map_or(end, |((at, _), _)| end.min(*at));
            if let Some(event) = self.phone.next(next) {
                self.happened(&event);
            }
        }
    }

    fn happened(&mut self, event: &PhoneEvent) {
        let now = os::now();
        match *event {
            PhoneEvent::Answered(session) => {
                let Some((number, caller)) = self.callers.get_mut(&session) else { return };
                if caller.answered.replace(now).is_some() {
                    return;
                }
                self.figures.answered += 1;
                self.figures.set_up.push(now.saturating_duration_since(caller.dialled));
                let script = self.bank.script(*number, self.hold);
                self.presses.extend(script.into_iter().map(|(after, keys)| ((now + after, session), keys)));
                self.phone.listen(session, false);
                self.phone.play(session, vec![Arc::clone(&self.words)], true);
            }
            PhoneEvent::Failed(..) => self.figures.refused += 1,
            PhoneEvent::Ended(session, _) => {
                let Some((_, caller)) = self.callers.get_mut(&session) else { return };
                caller.over = true;
                if caller.answered.is_some() && !self.leaving {
                    self.figures.cut += 1;
                }
                self.presses.retain(|(_, of), _| *of != session);
            }
            _ => {}
        }
    }
}

/// Where the callers' media ports are.
pub(crate) const PHONES: RangeInclusive<u16> = 53_000..=57_999;
/// The longest wait for all answers, or all farewells.
const PATIENCE: Duration = Duration::from_secs(10);
