use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A zone, and what was asked of it.
#[derive(Default)]
struct Zone {
    naptr: BTreeMap<String, Vec<Naptr>>,
    srv: BTreeMap<String, Vec<Srv>>,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    asked: Vec<String>,
    silent: bool,
    /// Nobody answers for this host.
    broken: Option<String>,
}

impl Zone {
    fn found<T: Clone>(
        &mut self,
        what: &str,
        name: &str,
        all: Option<Vec<T>>,
    ) -> Result<Records<T>, Unanswered> {
        self.asked.push(format!("{what} {name}"));
        if self.silent || self.broken.as_deref() == Some(name) {
            return Err(Unanswered("no answer".to_owned()));
        }
        Ok(Records { ttl: Duration::from_secs(name.len() as u64), all: all.unwrap_or_default() })
    }

    fn with_host(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.hosts.insert(name.to_owned(), addresses);
        self
    }

    fn with_srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        };
        self.srv.insert(name.to_owned(), records.iter().map(record).collect());
        self
    }

    fn with_naptr(mut self, name: &str, records: &[(u16, u16, &str, &str, &str)]) -> Self {
        let record = |(order, preference, flags, service, to): &(u16, u16, &str, &str, &str)| Naptr {
            order: *order,
            preference: *preference,
            flags: (*flags).to_owned(),
            service: (*service).to_owned(),
            replacement: (*to).to_owned(),
        };
        self.naptr.insert(name.to_owned(), records.iter().map(record).collect());
        self
    }
}

impl Dns for Zone {
    fn naptr(&mut self, domain: &str) -> Result<Records<Naptr>, Unanswered> {
        let all = self.naptr.get(domain).cloned();
        self.found("NAPTR", domain, all)
    }

    fn srv(&mut self, service: &str) -> Result<Records<Srv>, Unanswered> {
        let all = self.srv.get(service).cloned();
        self.found("SRV", service, all)
    }

    fn addresses(&mut self, host: &str) -> Result<Records<IpAddr>, Unanswered> {
        let all = self.hosts.get(host).cloned();
        self.found("host", host, all)
    }
}

fn find(uri: &str, tls: bool, zone: &mut Zone) -> Vec<String> {
    let uri = Uri::parse(uri.as_bytes()).expect("a URI");
    let located = Located::find(&uri, tls, zone).expect("answered");
    let hops = located.order(&mut |_| 0);
    hops.iter().map(|hop| format!("{} {}", hop.transport, hop.remote)).collect()
}

/// The network of RFC 3263 §4: three transports by NAPTR, two servers for UDP.
fn example() -> Zone {
    Zone::default()
        .with_naptr(
            "example.com",
            &[
                (50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
                (90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
                (100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
            ],
        )
        .with_srv("_sips._tcp.example.com", &[(0, 1, 5061, "server3.example.com")])
        .with_srv(
            "_sip._tcp.example.com",
            &[(0, 1, 5060, "server1.example.com."), (0, 2, 5060, "server2.example.com")],
        )
        .with_srv("_sip._udp.example.com", &[(0, 1, 5060, "server1.example.com")])
        .with_host("server1.example.com", &["192.0.2.1", "2001:db8::1"])
        .with_host("server2.example.com", &["192.0.2.2"])
        .with_host("server3.example.com", &["192.0.2.3"])
        .with_host("example.com", &["192.0.2.9"])
}

#[test]
fn the_preferred_transport_that_is_spoken_is_taken() {
    assert_eq!(find("sip:user@example.com", true, &mut example()), ["TLS 192.0.2.3:5061"]);
    let without = find("sip:user@example.com", false, &mut example());
    assert_eq!(without, ["TCP 192.0.2.1:5060", "TCP [2001:db8::1]:5060", "TCP 192.0.2.2:5060"]);
    assert_eq!(find("sips:user@example.com", true, &mut example()), ["TLS 192.0.2.3:5061"]);
    assert!(
        find("sips:user@example.com", false, &mut example()).is_empty(),
        "never without the TLS that it asks for"
    );
}

#[test]
fn what_is_written_is_not_asked_for() {
    for (uri, hops, asked) in [
        ("sip:192.0.2.7", vec!["UDP 192.0.2.7:5060"], vec![]),
        ("sips:192.0.2.7", vec!["TLS 192.0.2.7:5061"], vec![]),
        ("sip:[2001:db8::7]:5070;transport=tcp", vec!["TCP [2001:db8::7]:5070"], vec![]),
        ("sip:example.com:5080", vec!["UDP 192.0.2.9:5080"], vec!["host example.com"]),
        ("sip:example.com:5080;transport=tls", vec!["TLS 192.0.2.9:5080"], vec!["host example.com"]),
        (
            "sip:example.com;transport=udp",
            vec!["UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"],
            vec!["SRV _sip._udp.example.com", "host server1.example.com"],
        ),
    ] {
        let mut zone = example();
        assert_eq!(find(uri, true, &mut zone), hops, "{uri}");
        assert_eq!(zone.asked, asked, "{uri}");
    }
}

#[test]
fn without_naptr_there_may_be_srv_and_without_srv_a_host() {
    let mut plain = Zone::default().with_host("pbx.example", &["192.0.2.5"]);
    assert_eq!(find("sip:pbx.example", true, &mut plain), ["UDP 192.0.2.5:5060"]);
    let asked = [
        "NAPTR pbx.example",
        "SRV _sip._udp.pbx.example",
        "SRV _sip._tcp.pbx.example",
        "SRV _sips._tcp.pbx.example",
    ];
    assert_eq!(plain.asked[..4], asked);
    assert_eq!(find("sips:pbx.example", true, &mut plain), ["TLS 192.0.2.5:5061"]);
    let mut tcp = Zone::default()
        .with_srv("_sip._tcp.pbx.example", &[(1, 0, 5070, "a.example")])
        .with_host("a.example", &["192.0.2.6"])
        .with_host("pbx.example", &["192.0.2.5"]);
    assert_eq!(find("sip:pbx.example", true, &mut tcp), ["TCP 192.0.2.6:5070"]);
    assert!(find("sip:nobody.example", true, &mut tcp).is_empty());
}

#[test]
fn a_service_that_is_decidedly_not_there_has_no_second_way() {
    let mut zone = Zone::default()
        .with_srv("_sip._udp.pbx.example", &[(0, 0, 0, ".")])
        .with_host("pbx.example", &["192.0.2.5"]);
    assert!(find("sip:pbx.example", false, &mut zone).is_empty());
}

#[test]
fn a_server_that_is_not_known_hides_no_other_and_one_service_no_other() {
    let mut zone = Zone::default()
        .with_srv("_sip._udp.c.example", &[(20, 0, 5060, "b.example"), (10, 0, 5060, "broken.example")])
        .with_host("b.example", &["192.0.2.2"])
        .with_host("c.example", &["192.0.2.9"]);
    zone.broken = Some("broken.example".to_owned());
    assert_eq!(find("sip:c.example", false, &mut zone), ["UDP 192.0.2.2:5060"]);
    let uri = Uri::parse(b"sip:c.example").expect("a URI");
    assert_eq!(
        Located::find(&uri, false, &mut zone).expect("answered").ttl,
        Duration::ZERO,
        "asked again soon"
    );
    zone.hosts.remove("b.example");
    zone.srv.insert(
        "_sip._udp.c.example".to_owned(),
        vec![Srv { priority: 1, weight: 0, port: 5060, target: "broken.example".to_owned() }],
    );
    assert!(Located::find(&uri, false, &mut zone).is_err(), "nobody can tell");
    // No UDP, but TCP; of many the first by priority are looked for.
    let many: Vec<(u16, u16, u16, &str)> =
        (1..40).rev().map(|n| (n, 0, 5060, if n == 1 { "b.example" } else { "none.example" })).collect();
    let mut zone = Zone::default()
        .with_srv("_sip._udp.c.example", &[(0, 0, 0, ".")])
        .with_srv("_sip._tcp.c.example", &many)
        .with_host("b.example", &["192.0.2.2"]);
    assert_eq!(find("sip:c.example", false, &mut zone), ["TCP 192.0.2.2:5060"]);
}

#[test]
fn naptr_that_is_no_sip_is_passed_over() {
    let mut zone = example().with_naptr(
        "example.com",
        &[
            (1, 1, "u", "E2U+sip", "!^.*$!sip:x@example.net!"),
            (2, 1, "s", "SIP+D2S", "_sip._sctp.example.com"),
            (3, 1, "", "SIP+D2U", "_sip._udp.example.com"),
            (4, 1, "S", "sip+d2u", "_sip._udp.example.com"),
        ],
    );
    assert_eq!(find("sip:example.com", true, &mut zone)[0], "UDP 192.0.2.1:5060");
}

#[test]
fn priorities_come_in_order_and_weights_in_proportion() {
    let mut zone = Zone::default()
        .with_srv(
            "_sip._udp.c.example",
            &[
                (20, 0, 5060, "late.example"),
                (10, 60, 5060, "a.example"),
                (10, 20, 5060, "b.example"),
                (10, 0, 5060, "z.example"),
            ],
        )
        .with_host("late.example", &["192.0.2.100"])
        .with_host("a.example", &["192.0.2.1"])
        .with_host("b.example", &["192.0.2.2"])
        .with_host("z.example", &["192.0.2.3"]);
    let uri = Uri::parse(b"sip:c.example").expect("a URI");
    let located = Located::find(&uri, false, &mut zone).expect("answered");
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    let mut orders = BTreeSet::new();
    let mut state = 7_u64;
    for _ in 0..8_100 {
        let order = located.order(&mut |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from((state >> 33) % u64::from(below)).expect("small")
        });
        assert_eq!(order.len(), 4);
        assert_eq!(order[3].remote.to_string(), "192.0.2.100:5060", "the late one is last");
        *first.entry(order[0].remote.ip().to_string()).or_default() += 1;
        orders.insert(order.iter().map(|hop| hop.remote.to_string()).collect::<Vec<_>>());
    }
    // 60, 20 and 1 of 81.
    let share = |ip: &str| first.get(ip).copied().unwrap_or(0);
    assert!((5_700..6_300).contains(&share("192.0.2.1")), "{first:?}");
    assert!((1_700..2_300).contains(&share("192.0.2.2")), "{first:?}");
    assert!((50..200).contains(&share("192.0.2.3")), "one of weight zero is rare, not impossible: {first:?}");
    assert!(orders.len() >= 4, "{orders:?}");
}

#[test]
fn what_is_found_is_kept_for_the_shortest_time_of_all() {
    let mut zone = example();
    let uri = Uri::parse(b"sip:example.com").expect("a URI");
    let located = Located::find(&uri, true, &mut zone).expect("answered");
    assert_eq!(located.ttl, Duration::from_secs(11), "of `example.com`, the shortest name in this zone");
    assert_eq!(located.addresses().count(), 1);
    zone.silent = true;
    assert_eq!(Located::find(&uri, true, &mut zone), Err(Unanswered("no answer".to_owned())));
}

#[test]
fn a_zone_that_names_very_many_is_not_followed_for_ever() {
    let records: Vec<(u16, u16, u16, &str)> = (0..500).map(|n| (n, 0, 5060, "many.example")).collect();
    let addresses: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut zone =
        Zone::default().with_srv("_sip._udp.m.example", &records).with_host("many.example", &addresses);
    assert_eq!(find("sip:m.example", false, &mut zone).len(), MOST_SERVERS * MOST_ADDRESSES);
    assert!(zone.asked.len() < 20);
}
