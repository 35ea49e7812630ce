//! Calls of the engine's own that tell a one-time code, in virtual time: whoever answers and presses the key hears
//! it, nobody and nothing else does.

mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::audio::Clip;
use countersign::call::{CallLimits, CodeCall, Direction, EndCause, Fate, News, Script, Ticket};
use countersign::engine::{Input, Limits};
use countersign::secret::Secret;
use countersign::sip::{Host, NameAddr, Path, StatusCode, Transport, Uri};
use proptest::prelude::*;
use world::{ENGINE, Manner, World, apps};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any farewell: after this nothing may be left.
const LONG_AFTER: Duration = Duration::from_secs(400);
const NUMBER: &str = "+447400123456";
const CODE: &str = "804215";

/// Each thing that is said has a level of its own, so that a listener can tell what it was.
const LEVELS: [(&str, i16); 15] = [
    ("intro", 500),
    ("press", 700),
    ("again", 1000),
    ("bye", 1400),
    ("code", 2000),
    ("0", 2600),
    ("1", 3300),
    ("2", 4200),
    ("3", 5300),
    ("4", 6700),
    ("5", 8400),
    ("6", 10_600),
    ("7", 13_400),
    ("8", 17_000),
    ("9", 21_500),
];

fn clip(name: &str) -> Arc<Clip> {
    let level = LEVELS.iter().find(|(other, _)| *other == name).map_or(0, |(_, level)| *level);
    Arc::new(Clip::from_pcm(&vec![level; 1600]))
}

fn script() -> Arc<Script> {
    Arc::new(Script {
        intro: vec![clip("intro")],
        press: clip("press"),
        code: clip("code"),
        digits: std::array::from_fn(|digit| clip(&digit.to_string())),
        between: clip("pause"),
        again: clip("again"),
        bye: clip("bye"),
    })
}

/// What a line says, word by word.
fn words(heard: &[i16]) -> String {
    let mut said: Vec<(&str, usize)> = Vec::new();
    for sample in heard {
        let word = if sample.unsigned_abs() < 300 {
            ""
        } else {
            let far = |level: i16| (f64::from(*sample) / f64::from(level)).ln().abs();
            let nearest = LEVELS.iter().min_by(|a, b| far(a.1).total_cmp(&far(b.1)));
            nearest.map_or("", |(word, _)| *word)
        };
        match said.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => said.push((word, 1)),
        }
    }
    let whole = said.into_iter().filter(|(word, count)| !word.is_empty() && *count >= 800);
    whole.map(|(word, _)| word).collect::<Vec<_>>().join(" ")
}

const TOLD: &str = "code 8 0 4 2 1 5 code 8 0 4 2 1 5";

struct Site {
    world: World,
    phone: usize,
}

impl Site {
    fn new(manner: Manner) -> Self {
        Self::with(manner, Limits::default())
    }

    fn with(manner: Manner, limits: Limits) -> Self {
        let mut world = World::with(apps::desk(), 1, CallLimits::default(), limits);
        let phone = world.telephone(manner);
        Self { world, phone }
    }

    fn until(&self, seconds: u64) -> Instant {
        self.world.now + SECOND * u32::try_from(seconds).expect("short")
    }

    fn place(&mut self, ticket: u64, lives: u64) {
        let remote = self.world.phones[self.phone].address;
        let order = CodeCall {
            ticket: Ticket(ticket),
            by: "calls".into(),
            letter: "5b0c".to_owned(),
            trunk: None,
            path: Path { transport: Transport::Udp, local: ENGINE, remote, connection: None },
            uri: Uri::sip(Some(NUMBER), Host::from(remote.ip()), Some(remote.port())),
            from: NameAddr::new(Uri::sip(Some("+441632960000"), Host::from(ENGINE.ip()), None)),
            credentials: None,
            number: Secret::new(NUMBER.to_owned()),
            script: script(),
            code: Secret::new(CODE.to_owned()),
            found_until: self.until(10),
            ring: SECOND * 25,
            until: self.until(lives),
        };
        self.world.tell_engine(Input::Place(Box::new(order)));
    }

    fn run(&mut self, seconds: u64) {
        self.world.run_for(SECOND * u32::try_from(seconds).expect("short"));
    }

    fn press(&mut self, keys: &str) {
        self.world.press(self.phone, keys);
    }

    fn heard(&self) -> String {
        self.world.phones[self.phone].lines.first().map(|line| words(&line.heard)).unwrap_or_default()
    }

    fn fates(&self) -> Vec<Fate> {
        let over = |(_, news): &(Ticket, News)| match news {
            News::Over(fate) => Some(*fate),
            News::Rings => None,
        };
        self.world.told.iter().filter_map(over).collect()
    }

    /// Nothing is left, each call has its record, and no record knows code or number.
    fn settled(&mut self) -> Vec<EndCause> {
        self.world.run_for(LONG_AFTER);
        let world = &self.world;
        assert_eq!(world.engine.active(), countersign::engine::Active::default(), "something is left");
        assert_eq!(world.engine.endpoint_active(), countersign::sip::Active::default(), "SIP is left");
        assert_eq!(world.open_ports(), 0, "ports are left");
        assert!(world.phones.iter().all(world::Phone::is_idle), "a phone still has a call");
        let placed = usize::try_from(world.engine.counters().placed).expect("few");
        assert_eq!(world.records.len(), placed, "one record a call");
        for record in &world.records {
            let json = serde_json::to_string(record).expect("a record is JSON");
            assert!(!json.contains(CODE) && !json.contains("7400123456"), "{json}");
            assert_eq!(record.direction, Direction::Outbound);
            assert_eq!((&*record.trunk, record.level.as_str()), ("calls", "none"));
        }
        world.records.iter().map(|record| record.cause).collect()
    }
}

fn answers(after_ms: u64) -> Manner {
    Manner::Answers { after: Duration::from_millis(after_ms), hangs_up_after: None }
}

#[test]
fn whoever_answers_and_presses_the_key_hears_the_code_twice() {
    let mut site = Site::new(answers(3000));
    site.place(7, 300);
    site.run(2);
    assert_eq!(site.world.told, [(Ticket(7), News::Rings)]);
    site.run(4);
    assert_eq!(site.heard(), "intro press");
    site.press("1");
    site.run(60);
    assert_eq!(site.heard(), format!("intro press {TOLD} again bye"));
    assert_eq!(site.world.told, [(Ticket(7), News::Rings), (Ticket(7), News::Over(Fate::Told))]);
    let headers = site.world.phones[site.phone].lines[0].headers.as_ref().expect("it was called");
    for field in headers.iter() {
        assert!(!String::from_utf8_lossy(&field.value).contains(CODE), "{:?}", field.name);
    }
    assert_eq!(site.settled(), [EndCause::CodeTold]);
    assert!(site.world.records[0].answered.is_some() && site.world.records[0].other_media.len() == 1);
}

#[test]
fn a_mailbox_that_presses_nothing_never_hears_the_code() {
    let mut site = Site::new(answers(500));
    site.place(1, 300);
    site.run(120);
    assert_eq!(site.heard(), "intro press press press");
    assert_eq!(site.fates(), [Fate::NoKey]);
    assert_eq!(site.settled(), [EndCause::NoKey]);
}

#[test]
fn other_keys_than_the_one_are_no_wish_to_hear_it() {
    let mut site = Site::new(answers(500));
    site.place(1, 300);
    for _ in 0..20 {
        site.run(2);
        site.press("0234567");
        site.press("89*#");
    }
    assert_eq!(site.heard(), "intro press press press");
    assert_eq!(site.settled(), [EndCause::NoKey]);
}

#[test]
fn the_code_is_said_again_on_the_key_and_not_for_ever() {
    let mut site = Site::new(answers(500));
    site.place(1, 300);
    site.run(2);
    for _ in 0..60 {
        site.press("1");
        site.run(2);
    }
    let heard = site.heard();
    assert_eq!(heard.matches(TOLD).count(), 3, "{heard}");
    assert_eq!(heard.matches("again").count(), 2, "{heard}");
    assert!(heard.ends_with("bye"), "{heard}");
    assert_eq!(site.settled(), [EndCause::CodeTold]);
}

#[test]
fn who_does_not_take_the_call_is_told_apart() {
    let refuses = |status| Manner::Refuses(StatusCode::new(status).expect("a status"));
    for (manner, fate, cause) in [
        (refuses(486), Fate::Busy, EndCause::Busy),
        (refuses(600), Fate::Busy, EndCause::Busy),
        (refuses(480), Fate::NoAnswer, EndCause::NoAnswer),
        (refuses(603), Fate::Declined, EndCause::Declined),
        (refuses(404), Fate::NotPlaced(StatusCode::NOT_FOUND), EndCause::NotPlaced),
        (refuses(503), Fate::NotPlaced(StatusCode::SERVICE_UNAVAILABLE), EndCause::NotPlaced),
        (Manner::Rings, Fate::NoAnswer, EndCause::NoAnswer),
        (Manner::Dead, Fate::NotPlaced(StatusCode::REQUEST_TIMEOUT), EndCause::NotPlaced),
    ] {
        let mut site = Site::new(manner);
        site.place(1, 300);
        site.run(40);
        assert_eq!(site.fates(), [fate]);
        assert_eq!(site.heard(), "");
        assert_eq!(site.settled(), [cause]);
    }
}

#[test]
fn a_telephone_that_rings_too_long_is_given_up() {
    let mut site = Site::new(Manner::Rings);
    site.place(1, 300);
    site.run(24);
    assert_eq!(site.fates(), []);
    site.run(3);
    assert_eq!(site.fates(), [Fate::NoAnswer]);
    let line = &site.world.phones[site.phone].lines[0];
    assert_eq!(line.ended, Some(countersign::sip::EndCause::Cancelled), "it rings no more");
    site.settled();
}

#[test]
fn an_answer_that_crosses_the_end_of_ringing_leaves_nothing_behind() {
    for millis in (24_900..25_200).step_by(10) {
        let mut site = Site::new(answers(millis));
        site.place(1, 300);
        site.run(300);
        assert_eq!(site.fates().len(), 1, "{millis}");
        assert!(!site.heard().contains("code"), "{millis}");
        site.settled();
    }
}

#[test]
fn who_hangs_up_before_the_end_was_not_told() {
    for (keys, after, fate) in
        [("", 4, Fate::HungUp), ("1", 2, Fate::HungUp), ("1", 5, Fate::Told), ("1", 40, Fate::Told)]
    {
        let mut site = Site::new(answers(500));
        site.place(1, 300);
        site.run(2);
        site.press(keys);
        site.run(after);
        site.world.hang_up(site.phone);
        site.run(5);
        assert_eq!(site.fates(), [fate], "{keys} {after}: {}", site.heard());
        site.settled();
    }
}

#[test]
fn nothing_is_said_after_the_end_of_the_codes_life() {
    // Before it is found, while it rings, while the key is waited for, and in the middle of a digit.
    for (manner, lives) in [(Manner::Dead, 5), (Manner::Rings, 10), (answers(500), 5), (answers(500), 3)] {
        let mut site = Site::new(manner);
        site.place(1, lives);
        let end = site.until(lives);
        site.run(2);
        site.press(if lives == 3 { "1" } else { "" });
        site.world.run_for(end - site.world.now + Duration::from_millis(200));
        let expired = matches!(site.fates()[..], [Fate::Expired | Fate::NotPlaced(_) | Fate::NoAnswer]);
        assert!(expired, "{:?}", site.fates());
        let heard = site.heard();
        assert!(!heard.ends_with('5'), "{heard}");
        site.settled();
        assert_eq!(site.heard(), heard);
    }
}

#[test]
fn a_drained_engine_still_calls_for_its_callers_and_a_stopped_one_does_not() {
    let mut site = Site::new(answers(500));
    site.world.tell_engine(Input::Drain);
    site.place(1, 300);
    site.run(3);
    assert_eq!(site.heard(), "intro press");
    site.world.tell_engine(Input::Stop);
    site.place(2, 300);
    site.run(3);
    assert_eq!(site.fates(), [Fate::NoRoom, Fate::NoRoom]);
    assert_eq!(site.settled(), [EndCause::Shutdown]);
}

#[test]
fn calls_of_our_own_take_room_like_all_others() {
    let mut site = Site::with(answers(500), Limits { calls: 1, ..Limits::default() });
    site.place(1, 300);
    site.place(2, 300);
    assert_eq!(site.world.told, [(Ticket(2), News::Over(Fate::NoRoom))]);
    site.settled();
    assert_eq!(site.world.engine.counters().not_placed, 1);
}

#[test]
fn without_a_media_port_nobody_is_called() {
    let mut site = Site::new(answers(500));
    site.world.no_ports = true;
    site.place(1, 300);
    site.run(1);
    assert_eq!(site.fates(), [Fate::NoRoom]);
    assert!(site.world.phones[site.phone].lines.is_empty());
    site.settled();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Law 8, and: one end is told, the last word, whatever happens when.
    #[test]
    fn every_call_ends_once_in_any_order_of_events(
        after in 0_u64..30_000,
        hangs_up in proptest::option::of(0_u64..40),
        lives in 1_u64..90,
        deeds in proptest::collection::vec((0_u64..8_000, 0_u8..5), 0..12),
    ) {
        let hangs_up_after = hangs_up.map(Duration::from_secs);
        let mut site = Site::new(Manner::Answers { after: Duration::from_millis(after), hangs_up_after });
        site.place(1, lives);
        for (wait, deed) in deeds {
            site.world.run_for(Duration::from_millis(wait));
            match deed {
                0 | 1 => site.press("1"),
                2 => site.world.hang_up(site.phone),
                3 => site.press("9"),
                _ => site.world.tell_engine(Input::Stop),
            }
        }
        site.settled();
        prop_assert_eq!(site.fates().len(), 1);
        prop_assert!(matches!(site.world.told.last(), Some((_, News::Over(_)))));
    }
}
