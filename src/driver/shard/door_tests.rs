//! What reaches a shard that has no time: what belongs to calls always, what begins something up to a bound, and no trunk
//! takes it all.

use std::iter::from_fn;
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Mail, Prepared, prepare};
use crate::driver::beginnings::PLACES;
use crate::driver::edge::{self, Edge, Listeners, Readers};
use crate::driver::gate::Gate;
use crate::driver::house;
use crate::driver::names::Names;
use crate::driver::records::{Backlog, LONG};
use crate::driver::supervisor::PassedSockets;
use crate::driver::trunks::watch;
use crate::sip::AccessList;
use crate::sip::strangers::Patience;
use crate::units::{Place, Places};

const IN_TIME: Duration = Duration::from_secs(20);

fn request(method: &str, id: usize, to_tag: &str) -> String {
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{id}{method};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@127.0.0.1>;tag=f\r\nTo: <sip:bank@127.0.0.1>{to_tag}\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// An edge with two trunks before a shard that reads nothing.
struct Door {
    edge: Edge,
    shard: Prepared,
    trunk: UdpSocket,
    other: UdpSocket,
    records: Places,
    _readers: (std::sync::mpsc::Receiver<house::Mail>, std::sync::mpsc::Receiver<watch::Mail>),
}

impl Door {
    fn new() -> Self {
        let (mailbox, shard) = prepare().expect("a mailbox");
        let ((house, house_mail), (trunks, trunks_mail)) = (house::mailbox(), watch::mailbox());
        let records = Places::new(LONG);
        let readers = Readers { shards: vec![mailbox], house, trunks, records: Backlog::of(records.clone()) };
        let at = "127.0.0.1:0".parse().expect("an address");
        let listeners = Listeners::bind(at, &PassedSockets::default()).expect("bound");
        let socket = |ip: &str| {
            let socket = UdpSocket::bind((ip, 0)).expect("a socket");
            socket.connect(listeners.local.plain).expect("connected");
            socket.set_read_timeout(Some(IN_TIME)).expect("a timeout");
            socket
        };
        let (trunk, other) = (socket("127.0.0.1"), socket("127.0.0.9"));
        let trunks = [("carrier", ["127.0.0.1"].as_slice()), ("another", ["127.0.0.9"].as_slice())];
        let phones = AccessList::new();
        let gate = Gate::new(AccessList::parse(trunks).expect("a list"), phones, "f00d".to_owned(), 1);
        let names = Names::start(&[], false).expect("a thread");
        let edge = edge::start(listeners, gate, readers, names, Patience::default()).expect("a thread");
        Self { edge, shard, trunk, other, records, _readers: (house_mail, trunks_mail) }
    }

    fn send(&self, text: &str) {
        self.trunk.send(text.as_bytes()).expect("sent");
    }

    /// The tag of the refusal that comes for somebody.
    fn refused(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.trunk.recv(&mut buffer).expect("an answer in time");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
        let (_, tag) = answer.split_once("bank@127.0.0.1>;tag=").expect("a tag");
        format!(";tag={}", tag.split('\r').next().unwrap_or_default())
    }

    fn mail(&self) -> Mail {
        self.shard.receiver.recv_timeout(IN_TIME).expect("mail")
    }
}

fn begins(mail: &Mail) -> bool {
    matches!(mail, Mail::Sip { place: Some(_), .. })
}

#[test]
fn a_shard_without_time_is_asked_no_more_and_hears_what_belongs_to_its_calls() {
    let door = Door::new();
    let most = PLACES / 2;
    for id in 0..most + 20 {
        door.send(&request("INVITE", id, ""));
    }
    for _ in 0..20 {
        let tag = door.refused();
        door.send(&request("ACK", 1_000, &tag));
    }
    for (method, tag) in
        [("BYE", ";tag=theirs"), ("INVITE", ";tag=theirs"), ("CANCEL", ""), ("ACK", ";tag=theirs")]
    {
        door.send(&request(method, 0, tag));
    }
    // It is read after all of these.
    door.send(&request("OPTIONS", 2_000, ""));
    door.refused();
    assert_eq!(door.edge.counters().overloaded.full.load(Ordering::Relaxed), 21);
    let mail: Vec<Mail> = door.shard.receiver.try_iter().collect();
    assert_eq!(mail.iter().filter(|mail| begins(mail)).count(), most);
    assert_eq!(mail.len(), most + 4, "no ACK of a refusal");
    // Another trunk has places of its own.
    door.other.send(request("INVITE", 2_500, "").as_bytes()).expect("sent");
    assert!(begins(&door.mail()));
    // It has read them: there is time again.
    drop(mail);
    door.send(&request("INVITE", 3_000, ""));
    door.send(&request("BYE", 3_000, ";tag=theirs"));
    assert_eq!([door.mail(), door.mail()].each_ref().map(begins), [true, false]);
    door.edge.close();
}

#[test]
fn no_call_begins_while_many_records_wait_for_the_store() {
    let door = Door::new();
    let mut waiting: Vec<Place> = from_fn(|| door.records.take()).collect();
    door.send(&request("INVITE", 1, ""));
    door.refused();
    door.send(&request("BYE", 2, ";tag=theirs"));
    assert!(!begins(&door.mail()), "what belongs to calls is heard");
    assert_eq!(door.edge.counters().overloaded.records.load(Ordering::Relaxed), 1);
    waiting.pop();
    door.send(&request("INVITE", 3, ""));
    assert!(begins(&door.mail()));
    door.edge.close();
}
