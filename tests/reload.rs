//! A new version under running calls, over real sockets: none is dropped, none changes version, a bad one is
//! refused, and nothing is left of a version when its last call ends.
//!
//! `cargo test` does it with a small crowd. With `COUNTERSIGN_PEERS=1`, in a release build, it is 100 reloads
//! under 200 calls.

#![expect(clippy::print_stdout, reason = "a load test shows its figures")]

mod light;
mod site;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign::driver::application::ApplicationSource;
use countersign::driver::os;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::versions::{Change, ReloadError};
use countersign::flow::document::Does;
use countersign::sip::SessionId;
use light::Light;
use light::callers::{Callers, hash};
use serde_json::Value;
use site::{Folder, Handset, IN_TIME, SOON, Site, Stage};

/// The records of a deployment, by the number that was dialled.
fn records(deployment: &Deployment) -> HashMap<String, Value> {
    let stored = deployment.vault.calls(u32::MAX).expect("the store is read");
    let record = |text: &str| serde_json::from_str::<Value>(text).expect("a record is JSON");
    let all = stored.iter().map(|call| record(&call.record));
    all.map(|record| (record["dialled"].as_str().expect("a number").to_owned(), record)).collect()
}

fn blocks(record: &Value) -> Vec<&str> {
    let events = record["events"].as_array().expect("events").iter();
    events.filter(|event| event["event"] == "block").filter_map(|event| event["block"].as_str()).collect()
}

fn in_full() -> bool {
    std::env::var_os("COUNTERSIGN_PEERS").is_some_and(|value| value == "1")
}

/// The tests with many calls share ports and processors.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn deployment(folder: &Folder, application: &Light) -> Deployment {
    let settings = ServeSettings {
        shards: 2,
        ..ServeSettings::on_loopback(
            ApplicationSource::Folder(application.path().to_owned()),
            folder.file("data-folder"),
            40_000..=41_999,
        )
    };
    serve::start(&settings).unwrap_or_else(|error| panic!("{error}"))
}

/// An application that is served, alone, from a folder of its own.
fn served(name: &str) -> (MutexGuard<'static, ()>, Folder, Light, Deployment) {
    let turn = alone();
    let folder = Folder::new(name);
    let light = Light::in_folder(&folder.file("app"));
    let site = deployment(&folder, &light);
    (turn, folder, light, site)
}

/// A link to one of two versions.
struct Link {
    path: PathBuf,
    one: Light,
    two: Light,
}

impl Link {
    /// It leads to the first.
    fn new(folder: &Folder) -> Self {
        let [one, two] = ["one", "two"].map(|name| Light::in_folder(&folder.file(name)));
        two.write(2);
        let path = folder.file("current");
        symlink(one.path(), &path).expect("a link");
        Self { path, one, two }
    }

    /// As deployments do: a new link takes the old one's name in one step.
    fn turn_to(&self, target: &Light) {
        let next = self.path.with_file_name("next");
        symlink(target.path(), &next).expect("a link");
        fs::rename(&next, &self.path).expect("the link turns");
    }
}

#[test]
fn reloads_under_running_calls_drop_none_and_none_changes_its_version() {
    let (calls, reloads) = if in_full() { (200, 100) } else { (40, 25) };
    let (_turn, _folder, light, site) = served("reloads");
    let mut callers = Callers::new();
    for number in 0..calls {
        callers.dial(&site, number);
        callers.until(Duration::from_millis(5), |_| false);
    }
    callers.all_answered();
    let first: Vec<SessionId> = callers.open.keys().copied().collect();
    let (mut took, mut hashes) = (Vec::new(), BTreeSet::from([hash(&site)]));
    for round in 1..=reloads {
        light.write(round + 1);
        let start = os::now();
        let applied = site.reload(None).unwrap_or_else(|error| panic!("{error}"));
        took.push(start.elapsed());
        assert!(hashes.insert(applied.running.hash.to_string()), "each version has a hash of its own");
        // One old caller asks their version's table, and a new one calls.
        callers.press(first[round % first.len()], '1');
        callers.dial(&site, calls + round);
        callers.all_answered();

        let named = light.spoil(round + 1);
        let error = site.reload(None).expect_err("a bad version").to_string();
        assert!(error.contains(named), "round {round}: {error}");
        assert_eq!(hash(&site), &*applied.running.hash, "what ran runs on");
        for served in site.versions.served() {
            assert_eq!(served.expect("a shard answers").running, applied.running.hash);
        }
        assert_eq!(callers.dropped, Vec::<String>::new(), "round {round}");
    }
    assert_eq!(site.calls(), (calls + reloads) as u64, "all at once");
    for session in callers.open.keys().copied().collect::<Vec<_>>() {
        callers.press(session, '1');
    }
    callers.until(Duration::from_secs(2), |_| false);
    assert_eq!(callers.dropped, Vec::<String>::new());
    let expected = callers.leave();
    assert!(callers.until(SOON, |_| records(&site).len() == expected.len()), "one record a call");
    let records = records(&site);
    for (name, hash) in &expected {
        let record = &records[name];
        assert_eq!(record["application"]["hash"], **hash, "{name} kept its version");
        assert_eq!(
            (&record["application"]["id"], &record["cause"]),
            (&"light".into(), &"caller_hung_up".into())
        );
        let blocks = blocks(record);
        assert!(blocks.contains(&"own") && !blocks.contains(&"foreign"), "{name}: {blocks:?}");
    }
    took.sort_unstable();
    println!(
        "{reloads} reloads and as many refusals under {calls} to {} calls: a reload takes {:?} (median), {:?} at most",
        expected.len(),
        took[took.len() / 2],
        took[took.len() - 1]
    );
    site.stop();
}

#[test]
fn a_version_goes_from_memory_with_its_last_call() {
    let (_turn, _folder, light, site) = served("freed");
    let first = Arc::downgrade(&site.application().application);
    let clips = Arc::downgrade(&site.application().clips);
    let mut callers = Callers::new();
    callers.dial(&site, 1);
    callers.all_answered();
    for version in 2..5 {
        light.write(version);
        site.reload(None).unwrap_or_else(|error| panic!("{error}"));
    }
    let second = Arc::downgrade(&site.application().application);
    assert!(first.upgrade().is_some() && clips.upgrade().is_some(), "its call runs");
    light.write(5);
    site.reload(None).unwrap_or_else(|error| panic!("{error}"));
    assert!(second.upgrade().is_none(), "a version without calls goes at once");
    callers.leave();
    let gone = callers.until(SOON, |_| first.strong_count() == 0 && clips.strong_count() == 0);
    assert!(gone, "{} and {} still hold it", first.strong_count(), clips.strong_count());
    site.stop();
}

#[test]
fn a_trial_gets_its_share_of_new_calls_and_ends_both_ways() {
    let _turn = alone();
    let folder = Folder::new("trial");
    let light = Light::in_folder(&folder.file("app"));
    let other = Light::in_folder(&folder.file("other"));
    other.write(2);
    let site = deployment(&folder, &light);
    let main = hash(&site);
    let mut callers = Callers::new();
    let from = Some(ApplicationSource::Folder(other.path().to_owned()));
    let trial = site.versions.apply(Change::Canary { from, percent: 40 }).expect("a trial");
    let trial = trial.canary.expect("on trial").0.hash.to_string();
    let mut number = 0;
    let mut call = |callers: &mut Callers, count: usize| {
        for _ in 0..count {
            callers.dial(&site, number);
            number += 1;
        }
        callers.all_answered();
        callers.leave();
        callers.leaving = false;
        assert!(callers.until(SOON, |_| records(&site).len() == number), "records of {number} calls");
        records(&site)
    };
    // 60 calls at 40 %: outside of 8 to 42 less often than once in a million runs.
    let seen = call(&mut callers, 60);
    let on_trial = seen.values().filter(|record| record["application"]["canary"] == true).count();
    assert!((8..=42).contains(&on_trial), "{on_trial} of 60");
    for record in seen.values() {
        let wanted = if record["application"]["canary"] == true { &trial } else { &main };
        assert_eq!(record["application"]["hash"], **wanted);
    }
    let begun =
        |place: usize| -> u64 { site.versions.served().iter().flatten().map(|s| s.begun[place]).sum() };
    assert_eq!((begun(0), begun(1)), (60 - on_trial as u64, on_trial as u64), "what the status counts");

    // A new running version leaves the trial alone; no share means no call.
    light.write(3);
    site.reload(None).expect("a new running version");
    let none = site.versions.apply(Change::Canary { from: None, percent: 0 }).expect("another share");
    assert_eq!(none.canary.expect("still there").0.hash.to_string(), trial);
    let all_main = call(&mut callers, 10);
    assert_eq!(all_main.values().filter(|r| r["application"]["canary"] == true).count(), on_trial);
    site.versions.apply(Change::Promote).expect("promoted");
    assert_eq!(hash(&site), trial);
    let promoted = call(&mut callers, 10);
    let of_trial = promoted.values().filter(|record| record["application"]["hash"] == *trial).count();
    assert_eq!(of_trial, on_trial + 10);
    assert!(matches!(site.versions.apply(Change::Back), Err(ReloadError::NoCanary)));
    assert!(matches!(
        site.versions.apply(Change::Canary { from: None, percent: 101 }),
        Err(ReloadError::Percent(101))
    ));
    assert_eq!(hash(&site), trial, "the running version now is loaded from the other folder");
    other.write(4);
    assert_ne!(site.reload(None).expect("reloaded").running.hash.to_string(), trial);
    site.stop();
}

/// Callers come without a pause while versions change: each is served by one version, whole, and by one that
/// was served while they called.
#[test]
fn a_call_that_begins_during_a_reload_gets_one_version_whole() {
    let (_turn, _folder, light, site) = served("set-up");
    let calls = if in_full() { 150 } else { 40 };
    let mut callers = Callers::new();
    let done = AtomicBool::new(false);
    let versions = std::thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            let mut versions = vec![hash(&site)];
            let mut version = 1;
            while !done.load(Ordering::Relaxed) {
                version += 1;
                light.write(version);
                versions.push(site.reload(None).expect("a good version").running.hash.to_string());
            }
            versions
        });
        for number in 0..calls {
            callers.dial(&site, number);
            callers.until(Duration::from_millis(8), |_| false);
        }
        callers.all_answered();
        for session in callers.open.keys().copied().collect::<Vec<_>>() {
            callers.press(session, '1');
        }
        callers.until(Duration::from_secs(2), |_| false);
        done.store(true, Ordering::Relaxed);
        reloading.join().expect("no panic")
    });
    assert_eq!(callers.dropped, Vec::<String>::new());
    let expected = callers.leave();
    assert!(callers.until(SOON, |_| records(&site).len() == expected.len()), "one record a call");
    let mut later = 0;
    for (name, record) in records(&site) {
        let [at_dialling, served] =
            [&*expected[&name], record["application"]["hash"].as_str().expect("a hash")]
                .map(|hash| versions.iter().position(|version| *version == hash).expect("a version of ours"));
        assert!(
            // One reload may be under way, and one more may end before the call arrives.
            (at_dialling..=at_dialling + 2).contains(&served),
            "{name}: dialled at {at_dialling}, got {served}"
        );
        later += usize::from(served > at_dialling);
        let blocks = blocks(&record);
        assert!(blocks.contains(&"own") && !blocks.contains(&"foreign"), "{name}: {blocks:?}");
    }
    println!(
        "{} reloads under {calls} calls as they came; {later} came in the middle of one",
        versions.len() - 1
    );
    assert!(versions.len() > 2);
    site.stop();
}

/// An editor that empties a file before it writes it, and a copy that takes its time.
#[test]
fn files_that_are_being_written_are_never_served_by_halves() {
    let (_turn, _folder, light, site) = served("writing");
    let (mut good, mut bad) = (0, 0);
    for version in 2..32 {
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                light.write(version);
                light.write(version);
            });
            match site.reload(None) {
                Ok(_) => good += 1,
                Err(ReloadError::Application(_)) => bad += 1,
                Err(error) => panic!("{error}"),
            }
            writing.join().expect("no panic");
        });
        let application = site.application().application;
        let Does::Find(table) = &application.services.services[0].calls[0].does else { panic!("a table") };
        assert_eq!((table.rows.len(), application.blocks.len()), (1, 6), "whole files");
        assert_eq!(site.reload(None).expect("written").running.title, format!("Light {version}"));
    }
    println!("{good} reloads of files that were being written, {bad} refused");
    site.stop();
}

/// Somebody in the queue, and then with an agent, while versions change.
#[test]
fn who_waits_and_who_talks_keeps_their_version() {
    let _turn = alone();
    let folder = Folder::new("handoff");
    let light = Light::in_folder(&folder.file("app"));
    let agent = Handset::agent();
    let site = Site::of("handoff-data", light.path(), 1, &[]);
    let first = hash(&site.deployment);
    let mut stage = Stage::new(vec![Handset::new("caller"), agent]);
    stage.handsets[0].dial(&site.uri());
    stage.answer(0, "hello", "2");
    let waits = |all: &[Handset]| all[0].traces.iter().any(|trace| trace["state"] == "waiting");
    assert!(stage.until(IN_TIME, waits), "the caller waits");
    light.write(2);
    site.deployment.reload(None).expect("a reload while somebody waits");
    // An agent who comes with new settings takes the caller who waited before.
    let path = site.folder.file("countersign.yaml");
    let settings = fs::read_to_string(&path).expect("settings");
    let address = stage.handsets[1].phone.address;
    let ana = "- {name: ana, queues: [general]";
    assert!(settings.contains(ana));
    fs::write(&path, settings.replace(ana, &format!("{ana}, sip: \"sip:agent@{address}\"")))
        .expect("settings");
    site.deployment.reload(None).expect("new settings");
    stage.joined(0);
    light.write(3);
    site.deployment.reload(None).expect("a reload while two talk");
    assert!(!stage.until(Duration::from_secs(1), |all| all[0].ended.is_some()), "they go on talking");
    stage.hang_up(0);
    let done = stage.until(SOON, |_| records(&site.deployment).len() == 1);
    assert!(done);
    let record = records(&site.deployment).remove("bank").expect("its record");
    assert_eq!(record["application"]["hash"], *first);
    assert_eq!(record["agents"].as_array().map(Vec::len), Some(1));
    site.deployment.stop();
}

#[test]
fn settings_come_with_a_reload_and_a_missing_queue_is_refused() {
    let (_turn, folder, light, site) = served("settings");
    let before = hash(&site);
    let flow = fs::read_to_string(light.path().join("light.flow.yaml")).expect("the flow");
    light.put("light.flow.yaml", &flow.replace("queue: general", "queue: cards"));
    let error = site.reload(None).expect_err("no such queue").to_string();
    assert!(error.contains("`cards`") && error.contains("`queues:`"), "{error}");
    assert_eq!(hash(&site), before);
    let path = folder.file("data-folder").join("countersign.yaml");
    let settings = fs::read_to_string(&path).expect("settings");
    fs::write(
        &path,
        settings.replace("  general: {places: 100}", "  cards: {places: 7}\n  general: {places: 9}"),
    )
    .expect("new settings");
    let applied = site.reload(None).expect("the queue is there now");
    assert!(applied.notes.is_empty(), "{:?}", applied.notes);
    let house = site.versions.house().expect("the switchboard answers");
    let queues: Vec<(&str, usize)> = house.queues.iter().map(|q| (q.name.as_str(), q.places)).collect();
    assert_eq!(queues, [("cards", 7), ("general", 9)]);
    let settings = fs::read_to_string(&path).expect("settings");
    fs::write(&path, settings.replace("calls: 2000", "calls: 3000")).expect("new settings");
    for _ in 0..2 {
        let notes = site.reload(None).expect("reloaded").notes;
        assert!(notes.len() == 1 && notes[0].contains("`limits.calls`"), "said until it is done: {notes:?}");
    }
    fs::write(&path, "trunk: []\n").expect("bad settings");
    let error = site.reload(None).expect_err("bad settings").to_string();
    assert!(error.contains("countersign.yaml"), "{error}");
    site.stop();
}

#[test]
fn a_folder_that_goes_a_link_that_turns_and_a_second_write_do_no_harm() {
    let (_turn, folder, _light, site) = served("files");
    let link = Link::new(&folder);
    let source = ApplicationSource::Folder(link.path.clone());
    let first = site.reload(Some(source)).expect("by the link").running.hash;
    link.turn_to(&link.two);
    let second = site.reload(None).expect("by the turned link").running;
    assert!(second.title == "Light 2" && second.hash != first, "{second:?}");
    fs::remove_dir_all(link.two.path()).expect("the folder goes");
    let error = site.reload(None).expect_err("nothing there").to_string();
    assert!(error.contains("current"), "{error}");
    assert_eq!(hash(&site), *second.hash);
    let mut callers = Callers::new();
    callers.dial(&site, 1);
    callers.all_answered();
    callers.leave();
    site.stop();
}

#[test]
fn a_reload_never_sees_half_of_a_deployment_by_link_nor_two_halves_of_two() {
    let (_turn, folder, _light, site) = served("halves");
    let link = Link::new(&folder);
    let source = ApplicationSource::Folder(link.path.clone());
    let done = AtomicBool::new(false);
    let turning = || {
        let mut turns = 0_u32;
        while !done.load(Ordering::Relaxed) {
            for target in [&link.two, &link.one] {
                link.turn_to(target);
                turns += 1;
            }
        }
        turns
    };
    std::thread::scope(|scope| {
        let turns = scope.spawn(turning);
        for _ in 0..20 {
            let applied = site.reload(Some(source.clone())).unwrap_or_else(|error| panic!("{error}"));
            let application = site.application().application;
            let Does::Find(table) = &application.services.services[0].calls[0].does else {
                panic!("a table")
            };
            let version = table.rows[0][1].as_str();
            assert_eq!(
                applied.running.title,
                format!("Light {version}"),
                "flow and table are of one version"
            );
        }
        done.store(true, Ordering::Relaxed);
        assert!(turns.join().expect("the link turned") > 20);
    });
    site.stop();
}

#[test]
fn reloads_at_once_are_made_one_after_the_other_and_none_while_draining() {
    let _turn = alone();
    let folder = Folder::new("at-once");
    let light = Light::in_folder(&folder.file("app"));
    let others: Vec<Light> = (2..6)
        .map(|version| {
            let other = Light::in_folder(&folder.file(&format!("app{version}")));
            other.write(version);
            other
        })
        .collect();
    let site = deployment(&folder, &light);
    std::thread::scope(|scope| {
        let reload = |light: &Light| {
            let source = ApplicationSource::Folder(light.path().to_owned());
            site.reload(Some(source)).map(|applied| (applied.before, applied.running.hash))
        };
        let threads: Vec<_> = others.iter().map(|other| scope.spawn(move || reload(other))).collect();
        let made: Vec<_> = threads.into_iter().map(|t| t.join().expect("no panic").expect("made")).collect();
        // A chain: each found what another had left, and the last one runs.
        let befores: BTreeSet<_> = made.iter().map(|(before, _)| before.clone()).collect();
        assert_eq!(befores.len(), others.len(), "{made:?}");
        let last = made.iter().find(|(_, hash)| !befores.contains(hash)).expect("a last one");
        assert_eq!(hash(&site), *last.1);
    });
    let running = hash(&site);
    site.drain();
    assert!(matches!(site.reload(None), Err(ReloadError::Draining)));
    assert_eq!(hash(&site), running);
    site.stop();
}
