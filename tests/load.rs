//! Many calls at once, and calls that end at any moment: a whole deployment with one shard, over real sockets.
//!
//! `cargo test` runs a small crowd. With `COUNTERSIGN_PEERS=1`, in a release build, the crowd is the one that
//! the engine must bear: 500 calls at once and 1,000 hang-ups.

#![expect(clippy::print_stdout, reason = "a load test shows its figures")]

mod crowd;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign::driver::os;
use countersign::driver::recognition::WorkPool;
use countersign::driver::shard::Held;
use countersign::phone::{Phone, PhoneConfig, PhoneEvent, agent};
use countersign::sip::SessionId;
use countersign::sip::timers::TimerConfig;
use countersign::units::{Digit, Entropy};
use crowd::{Bank, Figures, Plan, crowds_phone, gather, keys};

/// The tests here share ports and would disturb each other's figures.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_full() -> bool {
    std::env::var_os("COUNTERSIGN_PEERS").is_some_and(|value| value == "1")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn show(name: &str, figures: &Figures) {
    let [half, most, nearly_all, worst] = figures.deviation.map(|time| micros(time) / 1000.0);
    let [quick, slow] = [500, 990].map(|part| micros(figures.set_up(part)) / 1000.0);
    println!("{name}: {} answered, {} refused, {} cut", figures.answered, figures.refused, figures.cut);
    println!("  at once            {} calls for {:.1} s", figures.at_once, figures.over.as_secs_f64());
    println!("  set-up             p50 {quick:.2} ms, p99 {slow:.2} ms");
    println!(
        "  received           {} of {} due, least {} per mille in a call; {} lost ({} unread by the callers), {} twice",
        figures.received,
        figures.due,
        figures.least_per_mille,
        figures.lost,
        figures.unread,
        figures.duplicates
    );
    println!(
        "  gap deviation      p50 {half:.2} ms, p99 {most:.2} ms, p99.9 {nearly_all:.2} ms, worst {worst:.1} ms"
    );
    for thread in ["shard-0", "sip-edge", "vault", "records", "house"] {
        let each = micros(figures.busy(thread)) / figures.call_seconds;
        println!("  {thread:18} {each:.1} µs of processor a call and second");
    }
    println!("  the callers' phone is busy {:.0} % of the time", figures.phone_busy() * 100.0);
}

#[test]
fn a_single_call_is_paced_evenly() {
    let _turn = alone();
    let bank = Bank::open("single", 46_000..=46_019, Vec::new(), TimerConfig::default());
    let mut phone = crowds_phone("load", 53_000..=53_019);
    let hold = Duration::from_secs(if in_full() { 20 } else { 3 });
    let figures = gather(&bank, &mut phone, &Plan { calls: 1, per_second: 1, hold });
    show("one call", &figures);
    assert_eq!((figures.answered, figures.cut, figures.lost), (1, 0, 0));
}

#[test]
fn a_crowd_is_served_on_one_shard_without_a_packet_lost() {
    let _turn = alone();
    let bank = Bank::open("crowd", 46_000..=49_499, Vec::new(), TimerConfig::default());
    let mut phone = crowds_phone("load", 53_000..=55_499);
    let full = in_full();
    let plan = if full {
        Plan { calls: 500, per_second: 100, hold: Duration::from_secs(30) }
    } else {
        Plan { calls: 20, per_second: 20, hold: Duration::from_secs(6) }
    };
    let figures = gather(&bank, &mut phone, &plan);
    show("crowd", &figures);
    let records = records(&bank, &mut phone, plan.calls);
    println!("  records say        {:?}", causes(&records));
    assert_eq!((figures.answered, figures.refused, figures.cut), (plan.calls, 0, 0));
    assert_eq!(figures.at_once, plan.calls as u64, "all at once");
    assert_eq!((figures.lost, figures.duplicates), (0, 0), "every sequence number came once");
    // A machine that is busy with other tests may stall a debug build; nothing may go missing all the same.
    let wanted = if full { 990 } else { 950 };
    assert!(figures.received * 1000 >= figures.due * wanted, "{} of {}", figures.received, figures.due);
    let chosen = records.iter().filter(|record| has_event(record, "language")).count();
    assert_eq!(chosen, plan.calls, "every caller's first key was heard");
    if full {
        let at = |block: &str| records.iter().filter(|record| entered(record, block)).count();
        let proven = records.iter().filter(|record| record["level"] == "basic").count();
        println!("  at the menu {}, with a balance {}, proven {proven}", at("topics"), at("balance"));
        assert_eq!(at("topics"), plan.calls, "every caller's account was heard");
        assert!(proven * 10 >= plan.calls / 10 * 9, "{proven} proved who they are");
        assert_eq!(bank.media()[2], 0, "no packet was refused by a socket");
    }
}

#[test]
fn a_crowd_is_served_as_ever_while_every_core_is_busy_understanding_callers() {
    let _turn = alone();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let over = Arc::new(AtomicBool::new(false));
    let pool = WorkPool::start("ear", cores, cores).expect("threads");
    for _ in 0..cores {
        let over = Arc::clone(&over);
        // As a network works: products of more numbers than a cache holds.
        let work = move || {
            let (weights, mut sum) = (vec![0.5_f32; 4 << 20], 0.0);
            while !over.load(Ordering::Relaxed) {
                sum += weights.iter().map(|weight| weight * weight).sum::<f32>();
            }
            sum
        };
        pool.submit(work, |sum| {
            std::hint::black_box(sum);
        })
        .expect("room");
    }
    let bank = Bank::open("heard", 46_000..=49_999, Vec::new(), TimerConfig::default());
    let mut phone = crowds_phone("load", 53_000..=55_499);
    let plan = match in_full() {
        true => Plan { calls: 500, per_second: 100, hold: Duration::from_secs(20) },
        false => Plan { calls: 10, per_second: 10, hold: Duration::from_secs(3) },
    };
    let figures = gather(&bank, &mut phone, &plan);
    over.store(true, Ordering::Relaxed);
    show("crowd beside busy workers", &figures);
    assert_eq!((figures.answered, figures.refused, figures.cut), (plan.calls, 0, 0));
    assert_eq!((figures.lost, figures.duplicates), (0, 0), "every sequence number came once");
}

/// How many records name which cause.
fn causes(records: &[serde_json::Value]) -> BTreeMap<&str, usize> {
    let mut causes = BTreeMap::new();
    for cause in records.iter().filter_map(|record| record["cause"].as_str()) {
        *causes.entry(cause).or_default() += 1;
    }
    causes
}

fn has_event(record: &serde_json::Value, name: &str) -> bool {
    record["events"].as_array().is_some_and(|events| events.iter().any(|event| event["event"] == name))
}

fn entered(record: &serde_json::Value, block: &str) -> bool {
    let events = record["events"].as_array();
    events
        .is_some_and(|events| events.iter().any(|event| event["event"] == "block" && event["block"] == block))
}

/// Waits for the records of so many calls and for nothing to be left of them.
fn records(bank: &Bank, phone: &mut Phone, calls: usize) -> Vec<serde_json::Value> {
    let deadline = os::now() + Duration::from_secs(60);
    loop {
        let records = bank.records();
        if records.len() >= calls || os::now() >= deadline {
            assert_eq!(records.len(), calls, "one record a call");
            return records;
        }
        pause(phone);
    }
}

fn pause(phone: &mut Phone) {
    let until = os::now() + Duration::from_millis(100);
    while phone.next(until).is_some() {}
}

/// Agents who pick up at once, as many as asked for, all on one phone.
struct Agents {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    list: Vec<(String, String)>,
}

impl Agents {
    #[expect(clippy::disallowed_methods, reason = "the agents' phone is a thread of its own")]
    fn start(count: usize) -> Self {
        let phone = Phone::new(PhoneConfig {
            wants_trace: false,
            ..PhoneConfig::loopback("agents", 57_000..=57_999)
        });
        let phone = phone.expect("a phone");
        let list = (1..=count).map(|n| (format!("agent{n}"), format!("sip:agent{n}@{}", phone.address)));
        let (list, stop) = (list.collect(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let answering = move || agent::run(phone, &agent::Greetings::new(), &stopped);
        let thread =
            std::thread::Builder::new().name("agents".to_owned()).spawn(answering).expect("a thread");
        Self { stop, thread: Some(thread), list }
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A hundredth of RFC 3261's patience and its proportions, so that absorbing transactions go in seconds.
fn quick_timers() -> TimerConfig {
    TimerConfig {
        t1: Duration::from_millis(60),
        t2: Duration::from_millis(480),
        t4: Duration::from_millis(600),
        d: Duration::from_secs(4),
        ..TimerConfig::default()
    }
}

/// How a caller of the second test behaves: what they press, and when they are gone.
struct Manner {
    presses: Vec<(Duration, Vec<Digit>)>,
    gone: Duration,
}

impl Manner {
    /// One of five: gone at once (before the answer, if the engine is not faster), gone while prompts play,
    /// while the PIN is entered, while waiting, while talking.
    fn of(entropy: &mut Entropy, bank: &Bank, longest: Duration) -> Self {
        let kind = entropy.next_u32() % 5;
        let within = |entropy: &mut Entropy, most: Duration| most * (entropy.next_u32() % 1000) / 1000;
        let gone =
            if kind == 0 { within(entropy, Duration::from_millis(4)) } else { within(entropy, longest) };
        let (language, menu, pin) = bank.moments_of_a_known_caller();
        // The number they call from is a customer's, so the menu comes next.
        let presses = match kind {
            2 => vec![(language, keys("1")), (menu, keys("1")), (pin, keys(&format!("{}#", bank.pin)))],
            3 | 4 => vec![(language, keys("1")), (menu, keys("0"))],
            _ => Vec::new(),
        };
        Self { presses, gone }
    }
}

/// Something that a caller does at a moment.
enum Deed {
    Press(Vec<Digit>),
    HangUp,
}

#[test]
fn nothing_is_left_of_callers_who_hang_up_at_any_moment() {
    let _turn = alone();
    let agents = Agents::start(8);
    let bank = Bank::open("hangups", 49_500..=52_999, agents.list.clone(), quick_timers());
    // Identified by the number they call from, so that they come to their PIN soon.
    let mut phone = crowds_phone("+441632960101", 55_500..=56_999);
    let (calls, apart, longest) = if in_full() {
        (1000, Duration::from_millis(25), Duration::from_secs(20))
    } else {
        (50, Duration::from_millis(40), Duration::from_secs(20))
    };
    let descriptors = open_descriptors();
    let seen = hang_up_at_random(&bank, &mut phone, calls, apart, longest);
    let records = records(&bank, &mut phone, calls);
    assert_eq!(bank.deployment().ended(), calls as u64);
    let deadline = os::now() + Duration::from_secs(30);
    while bank.held() != Held::default() && os::now() < deadline {
        pause(&mut phone);
    }
    assert_eq!(bank.held(), Held::default(), "nothing is left");
    let ends = causes(&records);
    let talked = records.iter().filter(|record| record["agents"].as_array().is_some_and(|a| !a.is_empty()));
    let waited = records.iter().filter(|record| record["queue_wait_ms"].as_u64().is_some_and(|ms| ms > 0));
    let (talked, waited) = (talked.count(), waited.count());
    let went = |block: &str| records.iter().filter(|record| entered(record, block)).count();
    let (asked, typed) = (went("agent"), went("prove.start"));
    println!("{calls} hang-ups: callers saw {seen:?}; records say {ends:?}");
    println!("  {typed} were asked for a PIN, {asked} asked for a person, {waited} waited, {talked} talked");
    assert!(typed > 0 && waited > 0 && talked > 0, "hang-ups in each state of a call");
    let unique: std::collections::HashSet<&str> =
        records.iter().filter_map(|record| record["call"].as_str()).collect();
    assert_eq!(unique.len(), calls, "each call has one record");
    // The agents' side hangs up and is settled a moment later.
    let deadline = os::now() + Duration::from_secs(10);
    while open_descriptors() > descriptors && os::now() < deadline {
        pause(&mut phone);
    }
    assert!(open_descriptors() <= descriptors, "{descriptors} descriptors before, {}", open_descriptors());
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Makes the calls and returns how they ended, as their callers saw it.
fn hang_up_at_random(
    bank: &Bank,
    phone: &mut Phone,
    calls: usize,
    apart: Duration,
    longest: Duration,
) -> BTreeMap<String, usize> {
    let mut entropy = Entropy::from_seed([42; 32]);
    let mut deeds: BTreeMap<(Instant, u32, SessionId), Deed> = BTreeMap::new();
    let mut open: HashMap<SessionId, Instant> = HashMap::new();
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    let (uri, mut dialled, mut next_dial) = (bank.uri(), 0, os::now());
    let give_up = os::now() + Duration::from_secs(180);
    while dialled < calls || !open.is_empty() {
        let now = os::now();
        assert!(now < give_up, "{} calls do not end: {:?}", open.len(), bank.held());
        if dialled < calls && next_dial <= now {
            let session = phone.dial(&uri).unwrap_or_else(|error| panic!("{error}"));
            let manner = Manner::of(&mut entropy, bank, longest);
            open.insert(session, now);
            let presses = (0..).zip(manner.presses);
            deeds.extend(presses.map(|(n, (at, keys))| ((now + at, n, session), Deed::Press(keys))));
            deeds.insert((now + manner.gone, u32::MAX, session), Deed::HangUp);
            (dialled, next_dial) = (dialled + 1, next_dial + apart);
        }
        while let Some(((_, _, session), deed)) =
            deeds.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove_entry())
        {
            match deed {
                Deed::Press(digits) => phone.press(session, &digits),
                Deed::HangUp => phone.hang_up(session),
            }
        }
        let dial = if dialled < calls { next_dial } else { now + Duration::from_millis(100) };
        let next = deeds.first_key_value().map_or(dial, |((at, ..), _)| dial.min(*at));
        match phone.next(next) {
            Some(PhoneEvent::Answered(session)) => phone.listen(session, false),
            Some(PhoneEvent::Ended(session, cause)) => {
                *causes.entry(format!("{cause:?}")).or_default() += 1;
                open.remove(&session);
            }
            _ => {}
        }
    }
    causes
}
