use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use super::*;
use crate::driver::keys::Keys;
use crate::driver::sender::{Accepted, Code, PerDay, PerHourAndDay};
use crate::driver::store::memory::MemoryStore;

/// A deployment's vault over a store in memory.
struct World {
    vault: Arc<Vault>,
    folder: PathBuf,
}

impl World {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("countersign-post-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let keys = Keys::open(&folder).expect("keys");
        let vault = Vault::with_store(&folder, &keys, Box::new(MemoryStore::default())).expect("a vault");
        Self { vault: Arc::new(vault), folder }
    }

    fn office(&self, senders: Vec<Open>, letters: &LettersConfig) -> Arc<PostOffice> {
        let pauses = (Duration::from_millis(5), Duration::from_millis(20));
        PostOffice::start(&self.vault, senders, letters, pauses).expect("starts")
    }

    /// What became of the letters, the oldest first: status, sender, reason.
    fn became(&self) -> Vec<(Status, String, String)> {
        let mut rows = self.vault.letters(100).expect("rows");
        rows.reverse();
        rows.into_iter()
            .map(|row| (row.status, row.sender.unwrap_or_default(), row.reason.unwrap_or_default()))
            .collect()
    }

    /// Waits until no letter is on its way any more.
    fn settled(&self) -> Vec<(Status, String, String)> {
        let until = os::now() + Duration::from_secs(20);
        while self.became().iter().any(|(status, ..)| *status == Status::Queued) && os::now() < until {
            std::thread::yield_now();
        }
        self.became()
    }

    fn now(&self) -> UnixTime {
        self.vault.calendar().now()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Answers = Box<dyn Fn(usize) -> Result<Accepted, NotTaken> + Send + Sync>;

/// A sender that answers as it is told, by how often it was asked.
struct Scripted {
    asked: Arc<AtomicUsize>,
    answers: Answers,
}

impl Sender for Scripted {
    fn deliver(&self, _: LetterId, _: &Letter, _: Instant) -> Result<Accepted, NotTaken> {
        (self.answers)(self.asked.fetch_add(1, Ordering::SeqCst))
    }
}

fn scripted(name: &str, answers: Answers) -> (Open, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let sender = Box::new(Scripted { asked: Arc::clone(&asked), answers });
    let open = Open {
        name: name.to_owned(),
        channels: vec![Channel::Sms],
        shows: false,
        timeout: Duration::from_secs(5),
        breaker: Breaker::default(),
        fuse: Fuse::default(),
        sender,
    };
    (open, asked)
}

fn taken() -> Result<Accepted, NotTaken> {
    Ok(Accepted { reference: Some("m-1".to_owned()), delivered: false })
}

fn letters() -> LettersConfig {
    LettersConfig { countries: vec!["+44".to_owned()], ..LettersConfig::default() }
}

fn letter(world: &World, subject: u8, to: &str) -> Letter {
    Letter {
        channel: Channel::Sms,
        to: Secret::new(to.to_owned()),
        subject: SubjectKey([subject; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new("Your code is 804215".to_owned()),
        code: None,
        title: None,
        purpose: Purpose::Code,
        until: world.now().plus(Duration::from_secs(600)),
    }
}

const NUMBER: &str = "+447400123456";

#[test]
fn a_letter_goes_to_the_first_sender_and_its_report_finds_it() {
    let world = World::new();
    let (one, asked) = scripted("one", Box::new(|_| taken()));
    let (two, unasked) = scripted("two", Box::new(|_| taken()));
    let office = world.office(vec![one, two], &letters());
    let id = office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    assert_eq!(world.settled(), [(Status::Accepted, "one".to_owned(), String::new())]);
    assert_eq!((asked.load(Ordering::SeqCst), unasked.load(Ordering::SeqCst)), (1, 0));
    let tell = reports(Arc::downgrade(&world.vault), "one".to_owned());
    let report = |reference: &str, status| Report {
        reference: reference.to_owned(),
        letter: None,
        status,
        code: None,
        why: None,
    };
    tell(report("m-2", Status::Delivered));
    assert_eq!(world.became()[0].0, Status::Accepted, "another's");
    // A provider that names a letter of another sender moves nothing.
    let other = reports(Arc::downgrade(&world.vault), "two".to_owned());
    other(Report { letter: Some(id), ..report("m-1", Status::Failed) });
    assert_eq!(world.became()[0].0, Status::Accepted, "not its letter");
    tell(report("m-1", Status::Delivered));
    tell(report("m-1", Status::Failed));
    assert_eq!(world.became()[0].0, Status::Delivered, "what is final stays");
    assert_eq!(world.vault.letters(1).expect("rows")[0].id, id);
}

#[test]
fn what_one_sender_does_not_take_the_next_one_gets() {
    let world = World::new();
    let (one, _) = scripted("one", Box::new(|_| Err(NotTaken::Connect)));
    let (two, _) = scripted("two", Box::new(|_| taken()));
    let office = world.office(vec![one, two], &letters());
    office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    assert_eq!(world.settled(), [(Status::Accepted, "two".to_owned(), String::new())]);
}

#[test]
fn a_letter_is_tried_again_until_somebody_takes_it() {
    let world = World::new();
    let flaky: Answers = Box::new(|asked| if asked < 3 { Err(NotTaken::Timeout) } else { taken() });
    let (one, asked) = scripted("one", flaky);
    let office = world.office(vec![one], &letters());
    office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    assert_eq!(world.settled()[0].0, Status::Accepted);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[test]
fn an_address_that_no_provider_takes_is_not_tried_again() {
    let world = World::new();
    let (one, asked) = scripted("one", Box::new(|_| Err(NotTaken::Address(Code::Own(21211)))));
    let (two, unasked) = scripted("two", Box::new(|_| taken()));
    let office = world.office(vec![one, two], &letters());
    office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    let became = world.settled();
    assert_eq!(became[0].0, Status::Failed);
    assert_eq!(became[0].2, "the provider does not take this address (code 21211)");
    assert_eq!((asked.load(Ordering::SeqCst), unasked.load(Ordering::SeqCst)), (1, 0));
}

#[test]
fn a_letter_is_given_up_when_it_is_of_no_use_any_more() {
    let world = World::new();
    let (one, _) = scripted("one", Box::new(|_| Err(NotTaken::Connect)));
    let office = world.office(vec![one], &letters());
    let short = Letter { until: world.now().plus(Duration::from_millis(30)), ..letter(&world, 1, NUMBER) };
    office.send(world.now(), short).expect("taken");
    let became = world.settled();
    assert_eq!((became[0].0, became[0].2.as_str()), (Status::Failed, "no connection"));
}

#[test]
fn a_sender_that_fails_is_left_alone_and_the_next_one_is_asked_first() {
    let world = World::new();
    let (one, asked) = scripted("one", Box::new(|_| Err(NotTaken::Connect)));
    let (two, _) = scripted("two", Box::new(|_| taken()));
    let office = world.office(vec![one, two], &letters());
    for subject in 1..=20 {
        let number = format!("+4474001234{subject:02}");
        office.send(world.now(), letter(&world, subject, &number)).expect("taken");
        world.settled();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5, "the breaker opens after five");
    assert!(world.became().iter().all(|(status, ..)| *status == Status::Accepted));
}

/// Lets the test hold a sender up.
fn held() -> (Answers, SyncSender<()>) {
    let (go, wait): (_, Receiver<()>) = sync_channel(1000);
    let wait = Mutex::new(wait);
    let answers: Answers = Box::new(move |_| {
        let _ = wait.lock().expect("no panic").recv();
        taken()
    });
    (answers, go)
}

#[test]
fn a_line_that_is_full_refuses_and_spends_no_budget() {
    let world = World::new();
    let (answers, go) = held();
    let (one, _) = scripted("one", answers);
    let generous = LettersConfig { engine: PerHourAndDay { hour: 10_000, day: 10_000 }, ..letters() };
    let office = world.office(vec![one], &generous);
    let mut refused = None;
    for number in 0..2000_u32 {
        let mut letter = letter(&world, 1, &format!("+44740{number:07}"));
        letter.subject = SubjectKey(u128::from(number).to_be_bytes());
        if let Err(why) = office.send(world.now(), letter) {
            refused = Some((number, why));
            break;
        }
    }
    let (count, why) = refused.expect("a bound");
    assert_eq!(why, Refused::Full);
    assert!((QUEUE..=QUEUE + PER_SENDER).contains(&usize::try_from(count).expect("small")), "{count}");
    assert_eq!(world.vault.letters(5000).expect("rows").len(), usize::try_from(count).expect("small"));
    for _ in 0..count {
        go.send(()).expect("a sender waits");
    }
    assert!(world.settled().iter().all(|(status, ..)| *status == Status::Accepted));
}

#[test]
fn ghosts_are_answered_as_subjects_are_and_nothing_is_sent() {
    let world = World::new();
    let (one, asked) = scripted("one", Box::new(|_| taken()));
    let office = world.office(vec![one], &letters());
    let (real, ghost) = (SubjectKey([1; 16]), SubjectKey([2; 16]));
    let mut answers = [Vec::new(), Vec::new()];
    for _ in 0..12 {
        answers[0].push(office.send(world.now(), letter(&world, 1, NUMBER)).map(drop));
        answers[1].push(office.pretend(world.now(), Channel::Sms, ghost).map(drop));
        world.vault.calendar().advance(Duration::from_secs(600));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].iter().filter(|answer| answer.is_ok()).count(), 10, "{:?}", answers[0]);
    world.settled();
    assert_eq!(asked.load(Ordering::SeqCst), 10, "only the real ones");
    let rows = world.vault.letters(100).expect("rows");
    assert!(rows.iter().all(|row| row.subject == real), "ghosts' letters are no letters");
    assert_eq!(office.pretend(world.now(), Channel::Email, ghost), Err(Refused::NoSender));
}

#[test]
fn every_budget_holds_and_ghosts_do_not_spend_the_engines() {
    let world = World::new();
    let config = LettersConfig {
        address: PerHourAndDay { hour: 2, day: 3 },
        subject: PerDay { day: 4 },
        engine: PerHourAndDay { hour: 6, day: 7 },
        ..letters()
    };
    let (one, _) = scripted("one", Box::new(|_| taken()));
    let office = world.office(vec![one], &config);
    let send = |subject, number: &str| office.send(world.now(), letter(&world, subject, number)).map(drop);
    let hour = || world.vault.calendar().advance(Duration::from_secs(3601));
    for ghost in 100..120 {
        office.pretend(world.now(), Channel::Sms, SubjectKey([ghost; 16])).expect("as if sent");
    }
    // One number, two within the hour, three within the day, whoever's it is.
    assert_eq!([1, 2, 3].map(|subject| send(subject, NUMBER)), [Ok(()), Ok(()), Err(Refused::Budget)]);
    hour();
    assert_eq!([send(4, "+44 7400 123456"), send(5, NUMBER)], [Ok(()), Err(Refused::Budget)]);
    // One subject, four within the day.
    let numbers = ["+447400000001", "+447400000002", "+447400000003", "+447400000004", "+447400000005"];
    let answers = numbers.map(|number| send(9, number));
    assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Refused::Budget)]);
    // The engine, seven within the day: it is spent for ghosts too.
    hour();
    assert_eq!(send(10, "+447400000006"), Err(Refused::Budget));
    assert_eq!(office.pretend(world.now(), Channel::Sms, SubjectKey([99; 16])), Err(Refused::Budget));
    world.vault.calendar().advance(Duration::from_secs(24 * 3600));
    assert_eq!(send(10, "+447400000006"), Ok(()));
}

#[test]
fn a_country_that_is_not_named_is_refused_before_anything_is_counted() {
    let world = World::new();
    let (one, _) = scripted("one", Box::new(|_| taken()));
    let office = world.office(vec![one], &letters());
    for number in ["+353861234567", "07400123456", "+449098790123", ""] {
        assert_eq!(office.send(world.now(), letter(&world, 1, number)).map(drop), Err(Refused::Country));
    }
    assert!(world.became().is_empty());
}

#[test]
fn the_same_notice_within_a_minute_is_one_letter() {
    let world = World::new();
    let (one, asked) = scripted("one", Box::new(|_| taken()));
    let office = world.office(vec![one], &letters());
    let notice = || Letter { purpose: Purpose::Notice, ..letter(&world, 1, NUMBER) };
    let first = office.send(world.now(), notice());
    assert_eq!(office.send(world.now(), notice()), first);
    world.vault.calendar().advance(Duration::from_secs(61));
    assert_ne!(office.send(world.now(), notice()), first);
    assert_eq!(world.settled().len(), 2);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_restart_forgets_no_budget_and_tells_what_was_never_sent() {
    let world = World::new();
    let (answers, go) = held();
    let (one, _) = scripted("one", answers);
    let office = world.office(vec![one], &letters());
    for _ in 0..5 {
        office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    }
    drop(go);
    office.close();
    let (one, _) = scripted("one", Box::new(|_| taken()));
    let office = world.office(vec![one], &letters());
    assert!(world.became().iter().all(|(status, ..)| *status != Status::Queued));
    assert_eq!(office.send(world.now(), letter(&world, 1, NUMBER)).map(drop), Err(Refused::Budget));
}

#[test]
fn no_secret_is_in_what_is_kept_of_a_letter() {
    let world = World::new();
    let (one, _) = scripted("one", Box::new(|_| Err(NotTaken::Garbage)));
    let office = world.office(vec![one], &letters());
    let short = Letter { until: world.now().plus(Duration::from_millis(20)), ..letter(&world, 1, NUMBER) };
    office.send(world.now(), short).expect("taken");
    world.settled();
    let kept = format!("{:?}", world.vault.letters(10).expect("rows"));
    assert!(!kept.contains("804215") && !kept.contains("7400123456"), "{kept}");
}

#[test]
fn a_channel_whose_senders_all_fail_takes_no_code_for_anybody() {
    let world = World::new();
    let (one, _) = scripted("one", Box::new(|_| Err(NotTaken::Connect)));
    let office = world.office(vec![one], &letters());
    office.send(world.now(), letter(&world, 1, NUMBER)).expect("taken");
    let until = os::now() + Duration::from_secs(20);
    while office.shared.is_up(Channel::Sms).is_ok() && os::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(office.send(world.now(), letter(&world, 2, NUMBER)).map(drop), Err(Refused::Down));
    assert_eq!(office.pretend(world.now(), Channel::Sms, SubjectKey([9; 16])).map(drop), Err(Refused::Down));
    let notice = Letter { purpose: Purpose::Notice, ..letter(&world, 3, NUMBER) };
    assert!(office.send(world.now(), notice).is_ok(), "a notice can wait");
}

#[test]
fn letters_that_were_never_tried_are_handed_over_before_the_end() {
    let world = World::new();
    let (answers, go) = held();
    let (one, asked) = scripted("one", answers);
    let office = world.office(vec![one], &letters());
    for subject in 1..=4 {
        let to = format!("+44740012345{subject}");
        office.send(world.now(), letter(&world, subject, &to)).expect("taken");
    }
    drop(go);
    office.close();
    assert_eq!(asked.load(Ordering::SeqCst), 4, "two at a time");
    assert!(world.became().iter().all(|(status, ..)| *status == Status::Accepted), "{:?}", world.became());
}

#[test]
fn what_is_left_by_an_engine_that_died_is_told_as_it_is() {
    let world = World::new();
    let budgets = LettersConfig::default().budgets();
    let write = |number: u8| {
        let (to, id) = (Secret::new(format!("+44740012345{number}")), LetterId([number; 16]));
        let (channel, purpose, subject) = (Channel::Sms, Purpose::Code, SubjectKey([number; 16]));
        let writing = Writing { channel, purpose, subject, to: Some(&to), same: None };
        world.vault.take_letter(world.now(), id, &writing, &budgets).expect("counted");
        id
    };
    let [_waits, in_hand, given_back] = [write(1), write(2), write(3)];
    let to = |reason| Move {
        at: world.now(),
        status: Status::Queued,
        sender: Some("one"),
        reference: None,
        reason,
    };
    assert!(world.vault.move_letter(in_hand, &to(None)).expect("moves"));
    assert!(world.vault.move_letter(given_back, &to(Some("no connection"))).expect("moves"));
    let (one, _) = scripted("one", Box::new(|_| taken()));
    let _office = world.office(vec![one], &letters());
    let status = |id: LetterId| {
        let rows = world.vault.letters(9).expect("rows");
        rows.into_iter().find(|row| row.id == id).map(|row| row.status).expect("kept")
    };
    let all = [LetterId([1; 16]), in_hand, given_back].map(status);
    assert_eq!(all, [Status::Failed, Status::Unknown, Status::Failed]);
    // Word of it may come after the restart, by its own sender.
    let told = |sender: &str| {
        let tell = reports(Arc::downgrade(&world.vault), sender.to_owned());
        tell(Report {
            reference: String::new(),
            letter: Some(in_hand),
            status: Status::Delivered,
            code: None,
            why: None,
        });
        status(in_hand)
    };
    assert_eq!([told("two"), told("one")], [Status::Unknown, Status::Delivered]);
}
