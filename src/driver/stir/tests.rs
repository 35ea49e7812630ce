//! The workers, with certificates from a table: what is fetched, how often, and what comes of what does not come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Condvar, Mutex};

use super::cache::Keep;
use super::trust::TrustFiles;
use super::*;
use crate::driver::os;
use crate::engine::Vouch;
use crate::sip::stir::authority::{Authority, Holder, Wanted};
use crate::sip::stir::{Attestation, CertificateUrl, NumberPlan, Presented, Reason, Verdict, examine};
use crate::sip::{HeaderName, Headers, Uri};
use crate::units::Epoch;

use std::sync::Arc;
use std::time::{Duration, Instant};

const X5U: &str = "https://cert.carrier.example/shaken.pem";
const SLOW: &str = "https://slow.carrier.example/shaken.pem";

/// Certificates by their address; the slow one comes when the test lets it.
#[derive(Default)]
struct Shelf {
    table: HashMap<String, String>,
    asked: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

struct Shared(Arc<Shelf>);

impl CertificateSource for Shared {
    fn fetch(&self, url: &CertificateUrl, _: Instant) -> Result<Vec<u8>, String> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if url.as_str() == SLOW {
            let mut open = self.0.open.lock().expect("held by none that panicked");
            while !*open {
                open = self.0.opened.wait(open).expect("held by none that panicked");
            }
        }
        self.0
            .table
            .get(url.as_str())
            .map(|pem| pem.clone().into_bytes())
            .ok_or_else(|| "status 404".to_owned())
    }
}

impl Shelf {
    fn let_go(&self) {
        *self.open.lock().expect("held by none that panicked") = true;
        self.opened.notify_all();
    }
}

struct Bench {
    shelf: Arc<Shelf>,
    holder: Holder,
    epoch: Epoch,
    verifier: Verifier,
}

impl Bench {
    fn new(patience: Duration) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let list = std::env::temp_dir().join(format!("countersign-stir-{}-{number}.pem", std::process::id()));
        let authority = Authority::new("Test STI-CA");
        let holder = authority.issue(Wanted::default());
        std::fs::write(&list, authority.pem()).expect("written");
        let table = [X5U, SLOW].map(|url| (url.to_owned(), holder.pem.clone()));
        let shelf = Arc::new(Shelf { table: HashMap::from(table), ..Shelf::default() });
        let epoch = os::epoch();
        let trust = TrustFiles::read(list.clone(), None).expect("a list");
        std::fs::remove_file(list).expect("removed");
        let source = Box::new(Shared(Arc::clone(&shelf)));
        let verifier = Verifier::start(source, trust, epoch, patience, Keep::default()).expect("threads");
        Self { shelf, holder, epoch, verifier }
    }

    fn iat(&self) -> i64 {
        self.epoch.unix_at(os::now()).seconds()
    }

    fn ask(&self, identity: &str, call_id: &str) -> Receiver<Verdict> {
        let mut headers = Headers::new();
        headers.push(HeaderName::new("Identity"), identity.as_bytes().to_vec());
        headers.push(HeaderName::new("Call-ID"), call_id.as_bytes().to_vec());
        let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
        let (caller, bank) = (uri("sip:+441632960001@carrier.example"), uri("sip:+441632960999@192.0.2.1"));
        let presented = Presented::of(&headers, &caller, &bank, &bank, &NumberPlan::default()).expect("one");
        let candidate = examine(&presented, &[], self.epoch.unix_at(os::now()));
        let candidate = candidate.map_err(Reason::name).expect("it is for here");
        let (tell, told) = sync_channel(1);
        let vouch = Box::new(Vouch { candidate, call_id: call_id.into() });
        self.verifier.submit(vouch, Box::new(move |verdict| tell.send(verdict).expect("somebody listens")));
        told
    }

    fn verdict(&self, identity: &str, call_id: &str) -> Verdict {
        self.ask(identity, call_id).recv_timeout(LONG).expect("an answer")
    }

    fn shaken(&self, x5u: &str, iat: i64) -> String {
        self.holder.shaken(x5u, "A", "441632960001", "441632960999", iat)
    }
}

/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_certificate_is_fetched_once_and_a_passport_counts_once() {
    let bench = Bench::new(LONG);
    let iat = bench.iat();
    let first = bench.shaken(X5U, iat);
    assert_eq!(bench.verdict(&first, "call-1"), Verdict::Valid(Some(Attestation::A)));
    assert_eq!(bench.verdict(&first, "call-1"), Verdict::Valid(Some(Attestation::A)), "the same call");
    assert_eq!(bench.verdict(&first, "call-2"), Verdict::Invalid(Reason::Replayed));
    for number in 1..20 {
        let another = bench.shaken(X5U, iat - number);
        assert_eq!(bench.verdict(&another, &format!("call-{number}")), Verdict::Valid(Some(Attestation::A)));
    }
    assert_eq!(bench.shelf.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn what_can_not_be_fetched_is_not_verified_and_not_asked_for_by_every_call() {
    let bench = Bench::new(LONG);
    let missing = bench.shaken("https://cert.carrier.example/missing.pem", bench.iat());
    for call in ["call-1", "call-2", "call-3"] {
        assert_eq!(bench.verdict(&missing, call), Verdict::Unverified(Reason::CertificateUnavailable));
    }
    assert_eq!(bench.shelf.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_slow_host_holds_up_its_own_calls_only_and_is_asked_once_for_all_of_them() {
    let bench = Bench::new(LONG);
    let iat = bench.iat();
    let slow: Vec<_> = (0..50)
        .map(|number| bench.ask(&bench.shaken(SLOW, iat - number), &format!("slow-{number}")))
        .collect();
    assert_eq!(bench.verdict(&bench.shaken(X5U, iat), "quick"), Verdict::Valid(Some(Attestation::A)));
    assert!(slow.iter().all(|told| told.try_recv().is_err()), "they wait");
    bench.shelf.let_go();
    for told in slow {
        assert_eq!(told.recv_timeout(LONG).expect("an answer"), Verdict::Valid(Some(Attestation::A)));
    }
    assert_eq!(bench.shelf.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn what_comes_after_the_callers_time_is_never_valid() {
    let bench = Bench::new(Duration::ZERO);
    let told = bench.ask(&bench.shaken(SLOW, bench.iat()), "call-1");
    bench.shelf.let_go();
    assert_eq!(told.recv_timeout(LONG).expect("an answer"), Verdict::Unverified(Reason::TooSlow));
    let quick = bench.ask(&bench.shaken(X5U, bench.iat()), "call-2");
    assert_eq!(quick.recv_timeout(LONG).expect("an answer"), Verdict::Unverified(Reason::TooSlow));
}

#[test]
fn more_than_there_is_room_for_is_answered_at_once() {
    let bench = Bench::new(LONG);
    let iat = bench.iat();
    let slow = bench.shaken(SLOW, iat);
    let asked: Vec<_> = (0..5000).map(|number| bench.ask(&slow, &format!("call-{number}"))).collect();
    let busy = asked.iter().filter(|told| told.try_recv() == Ok(Verdict::Unverified(Reason::Busy))).count();
    assert_eq!(busy, 5000 - 4096);
    bench.shelf.let_go();
    let later = asked.iter().filter_map(|told| told.recv_timeout(LONG).ok());
    let valid = later.filter(|verdict| matches!(verdict, Verdict::Valid(_))).count();
    assert_eq!(valid, 1, "one call of those with the same PASSporT");
}

#[test]
fn whoever_waits_when_the_engine_stops_is_told() {
    let bench = Bench::new(LONG);
    let told = bench.ask(&bench.shaken(SLOW, bench.iat()), "call-1");
    let shelf = Arc::clone(&bench.shelf);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(bench));
        assert_eq!(told.recv_timeout(LONG).expect("an answer"), Verdict::Unverified(Reason::Busy));
        shelf.let_go();
    });
}
