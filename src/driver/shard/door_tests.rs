//! What reaches a shard that has no time: what belongs to calls always, what begins something up to a bound.

use std::net::UdpSocket;
use std::time::Duration;

use super::{BEGINNINGS_WAITING, Mail, prepare};
use crate::driver::edge::{self, Edge, Listeners, Readers};
use crate::driver::gate::Gate;
use crate::driver::house;
use crate::driver::names::Names;
use crate::driver::supervisor::PassedSockets;
use crate::sip::AccessList;
use crate::sip::strangers::Patience;

fn request(method: &str, id: usize, to_tag: &str) -> String {
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{id}{method};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@127.0.0.1>;tag=f\r\nTo: <sip:bank@127.0.0.1>{to_tag}\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn edge(readers: Readers) -> (Edge, UdpSocket) {
    let at = "127.0.0.1:0".parse().expect("an address");
    let listeners = Listeners::bind(at, &PassedSockets::default()).expect("bound");
    let trunk = UdpSocket::bind(at).expect("a socket");
    trunk.connect(listeners.local.plain).expect("connected");
    trunk.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let list = |name| AccessList::parse([(name, ["127.0.0.1"].as_slice())]).expect("a list");
    let gate = Gate::new(list("carrier"), list("phones"), "f00d".to_owned(), 1);
    let names = Names::start(&[], false).expect("a thread");
    (edge::start(listeners, gate, readers, names, Patience::default()).expect("a thread"), trunk)
}

#[test]
fn a_shard_without_time_is_asked_no_more_and_hears_what_belongs_to_its_calls() {
    let (mailbox, prepared) = prepare().expect("a mailbox");
    let (house, _mail) = house::mailbox();
    let (trunks, _unread) = crate::driver::trunks::watch::mailbox();
    let (edge, trunk) = edge(Readers { shards: vec![mailbox], house, trunks });
    let send = |text: String| drop(trunk.send(text.as_bytes()));
    let answer = || {
        let mut buffer = [0; 4096];
        let length = trunk.recv(&mut buffer).expect("an answer in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let refused = |answer: &str| {
        assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
        let (_, tag) = answer.split_once("bank@127.0.0.1>;tag=").expect("a tag");
        format!(";tag={}", tag.split('\r').next().unwrap_or_default())
    };
    for id in 0..BEGINNINGS_WAITING + 20 {
        send(request("INVITE", id, ""));
    }
    for _ in 0..20 {
        let tag = refused(&answer());
        send(request("ACK", 1_000, &tag));
    }
    for (method, tag) in
        [("BYE", ";tag=theirs"), ("INVITE", ";tag=theirs"), ("CANCEL", ""), ("ACK", ";tag=theirs")]
    {
        send(request(method, 0, tag));
    }
    // It is read after all of these.
    send(request("OPTIONS", 2_000, ""));
    refused(&answer());
    assert_eq!(edge.counters().overloaded.load(std::sync::atomic::Ordering::Relaxed), 21);
    let mail: Vec<Mail> = prepared.receiver.try_iter().collect();
    let begins = |mail: &Mail| matches!(mail, Mail::Sip { place: Some(_), .. });
    assert_eq!(mail.iter().filter(|mail| begins(mail)).count(), BEGINNINGS_WAITING);
    assert_eq!(mail.len(), BEGINNINGS_WAITING + 4, "no ACK of a refusal");
    // It has read them: there is time again.
    drop(mail);
    send(request("INVITE", 3_000, ""));
    send(request("BYE", 3_000, ";tag=theirs"));
    let next = [(); 2].map(|()| prepared.receiver.recv_timeout(Duration::from_secs(20)).expect("mail"));
    assert_eq!(next.each_ref().map(begins), [true, false]);
    edge.close();
}
