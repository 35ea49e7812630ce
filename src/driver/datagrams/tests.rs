//! Both ways do the same with the same datagrams.

use std::net::UdpSocket;

use super::*;

fn pair(local: &str) -> Option<(UdpSocket, UdpSocket)> {
    let bound = || {
        let socket = UdpSocket::bind(local).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(socket)
    };
    Some((bound()?, bound()?))
}

/// Datagrams of all lengths up to the room, and beyond it.
fn exchange(sends: Way, receives: Way, local: &str) -> Option<Vec<(SocketAddr, usize, Vec<u8>)>> {
    let (from, to) = pair(local)?;
    let target = to.local_addr().ok()?;
    let mut outbox = Outbox::new(sends, 4, 300);
    let mut inbox = Inbox::new(receives, 3, 200);
    assert!(!outbox.push(target, &[0; 301]), "longer than the room");
    let mut came = Vec::new();
    for round in 0..3_u8 {
        for number in 0..4 {
            assert!(outbox.push(target, &vec![round * 4 + number; usize::from(number) * 80]));
        }
        assert!(outbox.is_full() && !outbox.push(target, b"one too many"));
        assert_eq!(outbox.send(&from), Sent { taken: 4, refused: 0 });
        assert_eq!(outbox.send(&from), Sent::default(), "it is empty now");
        while let Ok(count) = inbox.receive(&to) {
            assert!((1..=3).contains(&count));
            for number in 0..count {
                let (arrival, octets) = inbox.datagram(number).expect("one of them");
                assert_eq!(arrival.from, from.local_addr().ok()?);
                came.push((arrival.from, arrival.length, octets.to_vec()));
            }
            assert_eq!(inbox.datagram(count), None);
        }
    }
    Some(came)
}

#[test]
fn both_ways_bring_the_same_datagrams_in_the_same_order() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        for sends in [Way::Plain, Way::best()] {
            for receives in [Way::Plain, Way::best()] {
                // A machine without IPv6 has nothing to compare there.
                let Some(came) = exchange(sends, receives, local) else { continue };
                let lengths: Vec<usize> = came.iter().map(|(_, length, _)| *length).collect();
                assert_eq!(lengths, [0, 80, 160, 200].repeat(3), "{sends:?} to {receives:?}");
                assert!((0..12).zip(&came).all(|(n, (_, _, octets))| octets.iter().all(|octet| *octet == n)));
            }
        }
    }
}

#[test]
fn nothing_to_take_is_said_so_by_both() {
    let (socket, _) = pair("127.0.0.1:0").expect("sockets");
    for way in [Way::Plain, Way::best()] {
        let mut inbox = Inbox::new(way, 2, 100);
        let error = inbox.receive(&socket).expect_err("nothing there");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!((inbox.datagram(0), inbox.places()), (None, 2));
    }
}

#[test]
fn one_that_has_no_way_keeps_back_none_of_the_others() {
    let (from, to) = pair("127.0.0.1:0").expect("sockets");
    for way in [Way::Plain, Way::best()] {
        let mut outbox = Outbox::new(way, 3, 100);
        let target = to.local_addr().expect("bound");
        let nowhere: SocketAddr = "[2001:db8::1]:9".parse().expect("an address");
        for address in [target, nowhere, target] {
            assert!(outbox.push(address, b"hello"));
        }
        assert_eq!(outbox.send(&from), Sent { taken: 2, refused: 1 }, "{way:?}");
    }
}

#[test]
fn the_age_of_a_datagram_is_known_where_the_system_tells_it() {
    let (from, to) = pair("127.0.0.1:0").expect("sockets");
    let tells = stamp_arrivals(&to) && Way::best() == Way::Batched;
    from.send_to(b"hello", to.local_addr().expect("bound")).expect("sent");
    let mut inbox = Inbox::new(Way::best(), 2, 100);
    assert_eq!(inbox.receive(&to).expect("one"), 1);
    let (arrival, octets) = inbox.datagram(0).expect("one");
    assert_eq!(octets, b"hello");
    assert_eq!(arrival.age.is_some(), tells);
}
