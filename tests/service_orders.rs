//! Orders that a service did not take are kept, over a crash, and sent again in their order, once each.

#![expect(clippy::disallowed_methods, reason = "servers are threads, deadlines are moments")]
#![expect(clippy::print_stdout, reason = "a process tells the one that started it")]

#[expect(dead_code, reason = "shared with the tests of services")]
mod service_world;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use countersign::driver::secrets::Secrets;
use countersign::driver::services::spool::{Patience, Spool, Spooler};
use countersign::driver::services::{RealServices, answer};
use countersign::driver::vault::Vault;
use countersign::flow::document::Application;
use countersign::flow::run::Lookup;
use service_world::{Act, Folder, Scripted, header_of, load, lookup, ok, shown};

fn patience() -> Patience {
    Patience {
        first: Duration::from_millis(50),
        longest: Duration::from_millis(200),
        most: 4,
        ..Patience::default()
    }
}

/// Services with a spool in a data folder.
struct Desk {
    application: Arc<Application>,
    services: Arc<RealServices>,
    spool: Arc<Spool>,
    vault: Arc<Vault>,
    data: PathBuf,
}

impl Desk {
    fn open(folder: &Path, port: u16) -> Self {
        let services = format!(
            "services:\n  crm:\n    kind: http\n    base: http://127.0.0.1:{port}\n    retry: {{times: 0}}\n    breaker: {{open_after: 1000}}\n    \
             calls:\n      note: {{post: /notes, body: [text]}}\n"
        );
        let application = Arc::new(load(folder, &services).unwrap_or_else(|told| panic!("{told}")));
        let data = folder.join("data");
        std::fs::create_dir_all(&data).expect("a folder");
        let vault = Arc::new(Vault::open_data(&data).unwrap_or_else(|error| panic!("{error}")));
        let spool = Spool::open(Arc::clone(&vault), patience());
        let secrets = Arc::new(Secrets::new(&data, std::collections::BTreeMap::new()));
        let services = Arc::new(RealServices::new(secrets, Some(Arc::clone(&spool))));
        Self { application, services, spool, vault, data }
    }

    fn order(&self, text: &str) -> String {
        let order = Lookup { spool: true, ..lookup("crm.note", &[("text", text)]) };
        shown(&answer(&*self.services, &self.application, &order, Instant::now() + Duration::from_secs(5)))
    }

    fn send(&self) -> Spooler {
        let application = Arc::clone(&self.application);
        let current = Box::new(move || Arc::clone(&application));
        Spooler::start(Arc::clone(&self.spool), Arc::clone(&self.services), current).expect("a thread")
    }
}

/// A port on which nobody listens.
fn nobody() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn next(asked: &Receiver<String>) -> String {
    asked.recv_timeout(Duration::from_secs(20)).expect("an order arrives")
}

fn text(request: &str) -> &str {
    let from = request.find("\"text\":\"").map_or("", |at| &request[at + 8..]);
    from.split('"').next().unwrap_or_default()
}

fn busy() -> Act {
    Act::Say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec())
}

#[test]
fn orders_arrive_in_their_order_with_the_keys_they_were_first_sent_with() {
    let folder = Folder::new("orders");
    let server = Scripted::start(vec![busy(), busy(), ok("{}")]);
    let desk = Desk::open(&folder.0, server.port);
    let _spooler = desk.send();
    assert_eq!(desk.order("first"), "unavailable");
    assert_eq!(desk.order("second"), "unavailable", "behind the first, not before it");
    let requests: Vec<String> = (0..4).map(|_| next(&server.asked)).collect();
    let texts: Vec<&str> = requests.iter().map(|request| text(request)).collect();
    assert_eq!(texts, ["first", "first", "first", "second"]);
    let keys: Vec<String> = requests.iter().map(|request| header_of(request, "idempotency-key")).collect();
    assert_eq!((&keys[0], &keys[1], keys[0].len()), (&keys[1], &keys[2], 32));
    assert_ne!(keys[0], keys[3]);
    // When all are sent, the next goes its straight way.
    let patience = Instant::now() + Duration::from_secs(20);
    let empty = || desk.vault.first_orders().is_ok_and(|orders| orders.is_empty());
    while !empty() || !desk.order("third").is_empty() {
        assert!(Instant::now() < patience, "the line does not get empty");
        std::thread::yield_now();
    }
}

#[test]
fn what_the_service_refuses_for_good_holds_up_nobody() {
    let folder = Folder::new("orders-refused");
    let bad = Act::Say(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec());
    let server = Scripted::start(vec![busy(), bad.clone(), ok("{}"), bad]);
    let desk = Desk::open(&folder.0, server.port);
    assert_eq!(desk.order("bad"), "unavailable");
    assert_eq!(desk.order("good"), "unavailable");
    let _spooler = desk.send();
    let texts: Vec<String> = (0..3).map(|_| text(&next(&server.asked)).to_owned()).collect();
    assert_eq!(texts, ["bad", "bad", "good"]);
    let patience = Instant::now() + Duration::from_secs(10);
    while server.asked.try_recv().is_err() {
        // Refused at once it is not kept either, or it would be sent again and again.
        assert_eq!(desk.order("refused"), "unavailable");
        assert!(Instant::now() < patience, "it is asked at once when nothing waits");
    }
}

#[test]
fn so_many_are_kept_for_a_service_and_sealed() {
    let folder = Folder::new("orders-sealed");
    let desk = Desk::open(&folder.0, nobody());
    for number in 0..6 {
        assert_eq!(desk.order(&format!("sensitive-{number}")), "unavailable");
    }
    for entry in std::fs::read_dir(&desk.data).expect("the data folder").flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(!bytes.windows(9).any(|bytes| bytes == b"sensitive"), "{}", entry.path().display());
    }
    let server = Scripted::start(vec![ok("{}")]);
    drop(desk);
    let again = Desk::open(&folder.0, server.port);
    let _spooler = again.send();
    let texts: Vec<String> = (0..4).map(|_| text(&next(&server.asked)).to_owned()).collect();
    assert_eq!(texts, ["sensitive-0", "sensitive-1", "sensitive-2", "sensitive-3"]);
    assert!(server.asked.recv_timeout(Duration::from_millis(300)).is_err(), "each once; two found no room");
}

const CHILD: &str = "COUNTERSIGN_TEST_ORDERS";

/// Not a test of its own: what [`orders_survive_a_process_that_is_killed`] kills.
#[test]
fn a_process_that_keeps_orders() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let desk = Desk::open(Path::new(&folder), nobody());
    let _spooler = desk.send();
    for text in ["one", "two", "three"] {
        assert_eq!(desk.order(text), "unavailable");
    }
    println!("\nkept");
    loop {
        std::thread::park();
    }
}

#[test]
fn orders_survive_a_process_that_is_killed() {
    let folder = Folder::new("orders-killed");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["a_process_that_keeps_orders", "--exact", "--nocapture"])
        .env(CHILD, &folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test runs again");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "kept"), "it kept its orders");
    child.kill().expect("killed");
    child.wait().expect("gone");
    let server = Scripted::start(vec![ok("{}")]);
    let desk = Desk::open(&folder.0, server.port);
    let _spooler = desk.send();
    let texts: Vec<String> = (0..3).map(|_| text(&next(&server.asked)).to_owned()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}
