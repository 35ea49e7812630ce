//! A name that leads to several servers: the next one is called when the first does not answer (RFC 3263 §4.3), and no
//! other when it does.

mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::audio::Codec;
use countersign::media::{MediaTerms, SrtpPolicy};
use countersign::sip::locate::{Hop, Locations};
use countersign::sip::trunk::Outward;
use countersign::sip::{Host, StatusCode, Transport, Uri};
use countersign::units::Places;
use world::{Manner, World, agent_address, apps};

/// One name, with the phones of the first agents behind it; notes who failed.
#[derive(Clone)]
struct Branch {
    servers: usize,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Locations for Branch {
    fn hops(&self, uri: &Uri, _draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        assert_eq!(uri.to_string(), NAME);
        (0..self.servers).map(|n| Hop { transport: Transport::Udp, remote: agent_address(n) }).collect()
    }

    fn failed(&self, hop: Hop) {
        self.failed.lock().expect("no panic").push(hop.remote.ip().to_string());
    }
}

const NAME: &str = "sip:desk@branch.example";

/// A caller who presses 2 for the branch, whose servers have these manners.
fn world(seed: u8, manners: &[Manner]) -> (World, Branch, usize, Vec<usize>) {
    let branch = Branch { servers: manners.len(), failed: Arc::default() };
    let locations = Arc::new(branch.clone());
    let mut world =
        World::with_settings(apps::desk_to(NAME), seed, |settings| settings.locations = locations);
    let phones = world.agents(manners);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(Duration::from_secs(2));
    world.press(caller, "2");
    (world, branch, caller, phones)
}

fn answers() -> Manner {
    Manner::Answers { after: Duration::from_secs(1), hangs_up_after: None }
}

/// What the record says of the transfer.
fn events(world: &World) -> Vec<String> {
    let record = serde_json::to_value(&world.records[0]).expect("a record");
    let events = record["events"].as_array().expect("events").iter();
    let names = events.filter_map(|event| event["event"].as_str().map(str::to_owned));
    names.filter(|name| ["calling", "elsewhere", "not_reached", "joined"].contains(&name.as_str())).collect()
}

/// Everybody hangs up; nothing is left.
fn over(mut world: World) -> World {
    world.hang_up_everywhere();
    world.run_for(Duration::from_secs(80));
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.open_ports(), 0);
    world
}

#[test]
fn a_server_that_says_nothing_is_left_after_four_seconds() {
    let (mut world, branch, _, phones) = world(1, &[Manner::Dead, Manner::Dead, answers()]);
    let joined = |world: &World| world.is_joined();
    assert!(!world.run_until(Duration::from_millis(7_900), joined));
    assert!(world.phones[phones[2]].is_idle(), "each has its four seconds");
    assert!(world.run_until(Duration::from_secs(3), joined));
    assert_eq!(*branch.failed.lock().expect("no panic"), ["10.0.2.1", "10.0.2.2"]);
    assert_eq!(events(&over(world)), ["calling", "elsewhere", "elsewhere", "joined"]);
}

#[test]
fn a_server_that_has_no_time_is_left_at_once() {
    let busy = Manner::Refuses(StatusCode::SERVICE_UNAVAILABLE);
    let (mut world, branch, ..) = world(2, &[busy, answers()]);
    assert!(world.run_until(Duration::from_secs(2), World::is_joined));
    assert_eq!(*branch.failed.lock().expect("no panic"), ["10.0.2.1"]);
    over(world);
}

#[test]
fn an_answer_is_an_answer_for_all_servers() {
    for status in [StatusCode::BUSY_HERE, StatusCode::DECLINE, StatusCode::NOT_FOUND] {
        let (mut world, branch, _, phones) = world(3, &[Manner::Refuses(status), answers()]);
        world.run_for(Duration::from_secs(12));
        assert!(world.phones[phones[1]].is_idle(), "{status}");
        assert!(branch.failed.lock().expect("no panic").is_empty());
        assert_eq!(events(&over(world)), ["calling", "not_reached"], "{status}");
    }
}

#[test]
fn a_phone_that_rings_has_been_found() {
    let (mut world, branch, _, phones) = world(4, &[Manner::Rings, answers()]);
    world.run_for(Duration::from_secs(17));
    assert!(world.phones[phones[1]].is_idle());
    assert!(branch.failed.lock().expect("no panic").is_empty());
    assert_eq!(events(&over(world)), ["calling", "not_reached"]);
}

#[test]
fn when_none_answers_the_flow_goes_on() {
    let (mut world, branch, ..) = world(5, &[Manner::Dead, Manner::Dead]);
    world.run_for(Duration::from_secs(20));
    assert_eq!(
        *branch.failed.lock().expect("no panic"),
        ["10.0.2.1"],
        "the last one has all the time that is left"
    );
    assert_eq!(events(&over(world)), ["calling", "elsewhere", "not_reached"]);
}

#[test]
fn a_name_that_leads_nowhere_is_told_at_once() {
    let (mut world, ..) = world(6, &[]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(events(&over(world)), ["not_reached"]);
}

#[test]
fn a_caller_may_hang_up_at_every_moment() {
    for (seed, tenths) in (10..).zip((0..110).step_by(3)) {
        let busy = Manner::Refuses(StatusCode::SERVICE_UNAVAILABLE);
        let (mut world, _, caller, _) = world(seed, &[busy, Manner::Dead, answers()]);
        world.run_for(Duration::from_millis(tenths * 100));
        world.hang_up(caller);
        world.run_for(Duration::from_secs(80));
        assert_eq!((world.records.len(), world.open_ports()), (1, 0), "{tenths} tenths of a second");
        assert!(world.phones.iter().all(|phone| phone.is_idle()), "{tenths} tenths of a second");
    }
}

/// A trunk whose servers are the phones of the first agents; one call at a time.
struct Trunk {
    servers: usize,
    places: Places,
}

impl Locations for Trunk {
    fn hops(&self, _uri: &Uri, _draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        Vec::new()
    }

    fn failed(&self, _hop: Hop) {}

    fn by_trunk(&self, number: &Uri, _draw: &mut dyn FnMut(u32) -> u32) -> Option<Outward> {
        assert_eq!(number.to_string(), "tel:+441632960111;tgrp=carrier");
        let way = |n| {
            let remote = agent_address(n);
            let uri = Uri::sip(Some("+441632960111"), Host::from(remote.ip()), None);
            (Hop { transport: Transport::Udp, remote }, uri)
        };
        Some(Outward {
            trunk: "carrier".into(),
            ways: (0..self.servers).map(way).collect(),
            from: Some("+441632960000".to_owned()),
            domain: None,
            credentials: None,
            place: Some(self.places.take()?),
        })
    }
}

#[test]
fn a_telephone_is_called_by_a_trunks_servers_in_turn_and_the_carrier_is_told_nothing_but_numbers() {
    let places = Places::new(1);
    let trunk = Arc::new(Trunk { servers: 2, places: places.clone() });
    let target = "tel:+441632960111;tgrp=carrier";
    let mut world = World::with_settings(apps::desk_to(target), 7, |settings| settings.locations = trunk);
    let phones = world.agents(&[Manner::Dead, answers()]);
    let callers = [world.caller(), world.caller()];
    for caller in callers {
        world.dial(caller);
        world.run_for(Duration::from_secs(2));
        world.press(caller, "2");
    }
    assert!(world.run_until(Duration::from_secs(8), World::is_joined));
    let line = &world.phones[phones[1]].lines[0];
    let headers = line.headers.as_ref().expect("it was called");
    let (from, to) = (headers.from().expect("From"), headers.to().expect("To"));
    assert_eq!(from.uri.user().as_deref(), Some("+441632960000"));
    assert_eq!(to.uri.to_string(), "sip:+441632960111@10.0.2.2", "each server is asked by its own address");
    let told = |name: &str| headers.iter().any(|field| field.name.to_string().starts_with(name));
    assert!(!told("X-Countersign") && !told("Referred-By"), "{headers:?}");
    assert_eq!(places.taken(), 1, "the second caller found no place");
    assert_eq!(world.phones[phones[1]].lines.len(), 1);
    world.hang_up_everywhere();
    world.run_for(Duration::from_secs(80));
    assert_eq!((world.records.len(), world.open_ports(), places.taken()), (2, 0, 0));
}

/// Who is put through by a trunk of these terms to a telephone that has G.722 only: whether they are joined, and which of its legs the
/// record calls encrypted.
fn put_through(seed: u8, terms: MediaTerms, telephone: SrtpPolicy) -> (bool, Vec<bool>) {
    let places = Places::new(1);
    let trunk = Arc::new(Trunk { servers: 1, places });
    let target = "tel:+441632960111;tgrp=carrier";
    let mut world = World::with_settings(apps::desk_to(target), seed, |settings| {
        settings.locations = trunk;
        settings.carriers = Arc::new(HashMap::from([("carrier".to_owned(), terms)]));
    });
    let phone = world.agents(&[answers()])[0];
    world.phones[phone].codecs = vec![Codec::G722];
    world.phones[phone].srtp = telephone;
    let caller = world.caller();
    world.dial(caller);
    world.run_for(Duration::from_secs(2));
    world.press(caller, "2");
    let joined = world.run_until(Duration::from_secs(4), World::is_joined);
    world.run_for(Duration::from_secs(2));
    world.hang_up_everywhere();
    world.run_for(Duration::from_secs(80));
    (joined, world.records[0].other_media.iter().map(|media| media.encrypted).collect())
}

#[test]
fn the_media_of_a_call_that_goes_out_is_what_is_settled_with_its_trunk() {
    let usual = MediaTerms::default();
    assert!(!put_through(21, usual, SrtpPolicy::Off).0, "G.711 is not what it has");
    let wide = MediaTerms { codecs: std::iter::once(Codec::G722).collect(), ..usual };
    assert_eq!(put_through(22, wide, SrtpPolicy::Optional), (true, vec![false]));
    let sealed = MediaTerms { srtp: SrtpPolicy::Required, srtp_keys_in_clear: true, ..wide };
    assert_eq!(put_through(23, sealed, SrtpPolicy::Optional), (true, vec![true]));
    assert!(!put_through(24, sealed, SrtpPolicy::Off).0, "in clear with nobody");
}
