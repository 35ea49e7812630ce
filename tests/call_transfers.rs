//! An agent's phone puts callers through by REFER. The phone is played by hand, line by line, so that it can be early, late,
//! silent or gone; the target is a telephone. Whatever happens, one record is left and nothing else (law 8).

mod world;

use std::time::Duration;

use bytes::Bytes;
use countersign::engine::Input;
use countersign::sip::{Message, Method, Name, Path, Request, StatusCode, Transport};
use world::{ENGINE, Manner, STRANGER, World, apps};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than the network takes.
const A_MOMENT: Duration = Duration::from_millis(200);
const LONG_AFTER: Duration = Duration::from_secs(200);
const BRANCH: &str = "<sip:agent@10.0.2.1:5060>";

fn answers(after: Duration) -> Manner {
    Manner::Answers { after, hangs_up_after: None }
}

fn assert_settled(world: &mut World) {
    world.run_for(LONG_AFTER);
    assert_eq!(world.engine.active(), countersign::engine::Active::default(), "something is left");
    assert_eq!(world.engine.endpoint_active(), countersign::sip::Active::default(), "SIP is left");
    assert_eq!(world.open_ports(), 0, "ports are left");
    assert_eq!(world.records.len(), 1, "one record");
    assert!(world.phones.iter().all(world::Phone::is_idle), "a phone still has a call");
}

/// The agent's phone.
struct Hand {
    invite: Request,
    cseq: u32,
    /// Whether it answers what it is told.
    attentive: bool,
    seen: usize,
    /// What it was told: requests as method and first line of the body, responses as status.
    heard: Vec<String>,
}

impl Hand {
    /// A caller who talks to it.
    fn talking(world: &mut World, caller: usize) -> Self {
        world.dial(caller);
        world.run_for(SECOND * 2);
        world.press(caller, "1");
        assert!(world.run_until(SECOND * 20, |world| !world.strange.is_empty()), "it is called");
        let Ok(Message::Request(invite)) = Message::parse(&world.strange[0]) else { panic!("an INVITE") };
        let mut hand = Self { invite, cseq: 0, attentive: true, seen: 1, heard: Vec::new() };
        let sdp = "v=0\r\no=hand 1 1 IN IP4 10.0.1.250\r\ns=-\r\nc=IN IP4 10.0.1.250\r\nt=0 0\r\n\
                   m=audio 7000 RTP/AVP 0\r\n";
        let invite = hand.invite.clone();
        hand.responds(world, &invite, 200, sdp);
        world.run_for(SECOND * 3);
        hand.listen(world);
        hand.heard.clear();
        hand
    }

    fn sends(world: &mut World, text: &str) {
        let path = Path { transport: Transport::Udp, local: ENGINE, remote: STRANGER, connection: None };
        world.tell_engine(Input::Sip { path, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    fn responds(&self, world: &mut World, to: &Request, status: u16, sdp: &str) {
        let text = |name: Name| to.headers.text(name).expect("a header").into_owned();
        let tag = if to.headers.to().expect("To").tag().is_some() { "" } else { ";tag=hand" };
        let response = format!(
            "SIP/2.0 {status} Fine\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:agent@10.0.1.250:5060>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            text(Name::Via),
            text(Name::From),
            text(Name::To),
            text(Name::CallId),
            text(Name::CSeq),
            sdp.len()
        );
        Self::sends(world, &response);
    }

    /// A request in the dialog; the next sequence number unless `again`.
    fn asks(&mut self, world: &mut World, method: &str, extra: &str, again: bool) {
        self.cseq += u32::from(!again);
        let own = self.invite.headers.to().expect("To").with_tag("hand");
        let engine = self.invite.headers.from().expect("From");
        let call_id = self.invite.headers.call_id().expect("Call-ID");
        let cseq = self.cseq;
        let request = format!(
            "{method} sip:countersign@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.250;branch=z9hG4bKh{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {own}\r\nTo: {engine}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:agent@10.0.1.250:5060>\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        Self::sends(world, &request);
    }

    fn refers(&mut self, world: &mut World, to: &str) {
        self.asks(world, "REFER", &format!("Refer-To: {to}\r\n"), false);
        self.stays(world, A_MOMENT);
    }

    /// Reads what came, and answers it.
    fn listen(&mut self, world: &mut World) {
        while let Some(bytes) = world.strange.get(self.seen).cloned() {
            self.seen += 1;
            match Message::parse(&bytes) {
                Ok(Message::Request(request)) if request.method == Method::Ack => {}
                Ok(Message::Request(request)) => {
                    let body = String::from_utf8_lossy(&request.body);
                    let state = request.headers.text("Subscription-State").unwrap_or_default();
                    let state = state.split(';').next().unwrap_or_default().to_owned();
                    let line = body.lines().next().unwrap_or_default();
                    self.heard.push(format!("{} {line} {state}", request.method).trim_end().to_owned());
                    if self.attentive {
                        self.responds(world, &request, 200, "");
                    }
                }
                Ok(Message::Response(response)) => self.heard.push(response.status.to_string()),
                // Media.
                Err(_) => {}
            }
        }
    }

    /// Lets time pass, listening all the while.
    fn stays(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        while world.now < end {
            world.run_for((end - world.now).min(Duration::from_millis(50)));
            self.listen(world);
        }
    }
}

/// A caller who talks to the phone that is played by hand; the target is of this manner.
fn put_through(manner: Manner, seed: u8) -> (World, usize, Hand) {
    let mut world = World::new(apps::desk(), seed);
    let caller = world.caller();
    world.agent_by_hand(manner);
    let hand = Hand::talking(&mut world, caller);
    (world, caller, hand)
}

/// Two legs, and nobody else.
fn two_talk(world: &World) -> bool {
    let active = world.engine.active();
    (active.sessions, active.ports) == (2, 2)
}

fn events(world: &World) -> String {
    serde_json::to_string(&world.records[0].events).expect("JSON")
}

#[test]
fn a_caller_is_put_through_and_the_agent_is_told_and_hung_up() {
    let (mut world, caller, mut hand) = put_through(answers(SECOND), 1);
    hand.refers(&mut world, BRANCH);
    assert_eq!(hand.heard, ["202", "NOTIFY SIP/2.0 100 Trying active"]);
    hand.stays(&mut world, SECOND * 5);
    assert_eq!(hand.heard[2..], ["NOTIFY SIP/2.0 200 OK terminated", "BYE"]);
    let target = world.phones[caller + 1].lines[0].headers.clone().expect("it was called");
    assert_eq!(target.text("Referred-By").as_deref(), Some("<sip:hand@10.0.0.1>"));
    assert!(target.get("X-Countersign-Token").is_some(), "what was proven goes along");
    assert!(target.get(Name::Replaces).is_none());
    // The two hear each other.
    let says = world::noise(5, 4);
    world.with_phone(caller, |phone, now| phone.play(now, &says));
    world.run_for(SECOND * 5);
    assert!(world::correlation(&says, &world.phones[caller + 1].lines[0].heard) > 0.9);
    world.hang_up(caller);
    assert_settled(&mut world);
    assert_eq!(world.records[0].agents, ["hand", "branch"]);
    assert_eq!(world.records[0].other_media.len(), 2);
    assert!(
        events(&world).contains(r#""event":"transferring","by":"hand","to":"branch""#),
        "{}",
        events(&world)
    );
}

#[test]
fn nobody_is_called_whom_the_settings_do_not_name() {
    for target in [
        "<sip:+19005550100@10.0.2.1:5060>",
        "<sip:agent@198.51.100.1>",
        "<sip:agent@10.0.2.1:5061>",
        "<sip:branch@198.51.100.1>",
        "<sip:+19005550100@10.0.0.1>",
    ] {
        let (mut world, caller, mut hand) = put_through(answers(SECOND), 2);
        hand.refers(&mut world, target);
        hand.stays(&mut world, SECOND * 3);
        assert_eq!(hand.heard, ["403"], "{target}");
        assert!(world.phones[caller + 1].lines.is_empty());
        assert!(two_talk(&world), "the two talk on");
        world.hang_up(caller);
        hand.stays(&mut world, SECOND);
        assert_settled(&mut world);
    }
    // What is no reference at all.
    let (mut world, caller, mut hand) = put_through(answers(SECOND), 2);
    for (extra, status) in [
        ("", "400"),
        ("Refer-To: <sip:agent@10.0.2.1>\r\nRefer-To: <sip:agent@10.0.2.1>\r\n", "400"),
        ("Refer-To: <tel:+19005550100>\r\n", "416"),
        ("Refer-To: <sip:agent@10.0.2.1:5060;method=BYE>\r\n", "501"),
        ("Refer-To: <sip:agent@10.0.2.1:5060?Replaces=a%0d%0aX: y%3bto-tag=1>\r\n", "400"),
        ("Refer-To: <sip:agent@10.0.2.1:5060?Replaces=a%0D%0AX%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n", "400"),
        ("Refer-To: <sip:agent@10.0.2.1:5060?Replaces=a%3Bto-tag%3D1>\r\n", "400"),
    ] {
        hand.heard.clear();
        hand.asks(&mut world, "REFER", extra, false);
        hand.stays(&mut world, A_MOMENT);
        assert_eq!(hand.heard, [status], "{extra}");
    }
    world.hang_up(caller);
    hand.stays(&mut world, SECOND);
    assert_settled(&mut world);
}

#[test]
fn a_target_that_is_named_is_reached_by_its_name_and_in_place_of_another_conversation() {
    let (mut world, caller, mut hand) = put_through(answers(SECOND), 3);
    hand.refers(
        &mut world,
        "<sip:branch@10.0.0.1:5060?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=evil>",
    );
    hand.stays(&mut world, SECOND * 5);
    let target = world.phones[caller + 1].lines[0].headers.clone().expect("it was called");
    assert_eq!(target.text(Name::Replaces).as_deref(), Some("a@b;to-tag=1;from-tag=2"));
    assert!(target.get(Name::Require).is_none(), "a phone that does not know it rings");
    assert!(target.get(Name::Subject).is_none(), "a phone writes no other header");
    world.hang_up(caller);
    assert_settled(&mut world);
}

#[test]
fn a_target_that_refuses_leaves_the_caller_with_the_agent() {
    let (mut world, caller, mut hand) = put_through(Manner::Refuses(StatusCode::BUSY_HERE), 4);
    hand.refers(&mut world, BRANCH);
    hand.stays(&mut world, SECOND * 2);
    assert_eq!(hand.heard[2..], ["NOTIFY SIP/2.0 486 Busy Here terminated"]);
    assert!(two_talk(&world));
    // Once more, with what tells the reports apart; it is refused again, and then the agent hangs up.
    hand.heard.clear();
    hand.refers(&mut world, BRANCH);
    hand.stays(&mut world, SECOND * 2);
    assert_eq!(hand.heard.len(), 3);
    hand.asks(&mut world, "BYE", "", false);
    world.run_for(SECOND * 5);
    assert_settled(&mut world);
    let told = events(&world);
    assert_eq!(told.matches("not_reached").count(), 2, "{told}");
    assert!(told.contains("parted"), "{told}");
    assert_eq!(world.phones[caller].lines.len(), 1);
}

#[test]
fn one_reference_at_a_time_and_each_counts_once() {
    let (mut world, caller, mut hand) = put_through(Manner::Rings, 5);
    hand.refers(&mut world, BRANCH);
    hand.asks(&mut world, "REFER", &format!("Refer-To: {BRANCH}\r\n"), true);
    hand.refers(&mut world, BRANCH);
    hand.stays(&mut world, SECOND);
    assert_eq!(hand.heard, ["202", "NOTIFY SIP/2.0 100 Trying active", "202", "491"]);
    assert_eq!(world.phones[caller + 1].lines.len(), 1);
    // It rings in vain.
    hand.stays(&mut world, SECOND * 25);
    assert_eq!(hand.heard[4..], ["NOTIFY SIP/2.0 480 Temporarily Unavailable terminated"]);
    assert!(two_talk(&world));
    world.hang_up(caller);
    hand.stays(&mut world, SECOND * 2);
    assert_settled(&mut world);
}

#[test]
fn a_phone_that_wants_no_reports_gets_none() {
    let (mut world, caller, mut hand) = put_through(answers(SECOND), 6);
    hand.asks(&mut world, "REFER", &format!("Refer-To: {BRANCH}\r\nRefer-Sub: false\r\n"), false);
    hand.stays(&mut world, SECOND * 3);
    assert_eq!(hand.heard, ["202", "BYE"]);
    world.hang_up(caller);
    assert_settled(&mut world);
}

#[test]
fn whoever_goes_at_whatever_moment_nothing_is_left() {
    let moments = [0, 60, 700, 1500].map(Some).into_iter().chain([None]);
    let moments: Vec<Option<u64>> = moments.collect();
    let manners = [
        answers(SECOND),
        Manner::Answers { after: SECOND, hangs_up_after: Some(SECOND) },
        Manner::Refuses(StatusCode::DECLINE),
        Manner::Rings,
        Manner::Dead,
    ];
    for manner in manners {
        for agent_goes in &moments {
            for caller_goes in &moments {
                for attentive in [true, false] {
                    let (mut world, caller, mut hand) = put_through(manner.clone(), 7);
                    hand.attentive = attentive;
                    hand.refers(&mut world, BRANCH);
                    let mut deeds = vec![(*agent_goes, true), (*caller_goes, false)];
                    deeds.sort();
                    let mut at = 0;
                    for (moment, agent) in deeds.into_iter().filter_map(|(at, who)| Some((at?, who))) {
                        hand.stays(&mut world, Duration::from_millis(moment - at));
                        at = moment;
                        if agent {
                            hand.asks(&mut world, "BYE", "", false);
                        } else {
                            world.hang_up(caller);
                        }
                    }
                    hand.stays(&mut world, SECOND * 2);
                    world.hang_up(caller);
                    hand.stays(&mut world, SECOND * 40);
                    world.hang_up(caller + 1);
                    hand.stays(&mut world, SECOND * 2);
                    assert_settled(&mut world);
                }
            }
        }
    }
}
