//! The whole bank by baresip, as caller and as registered agent: by IPv4 and IPv6, in clear, encrypted, over TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use countersign::driver::os;
use serde_json::Value;

use super::bare::{Baresip, certify};
use super::desk::Desk;
use super::sipp::{AWAIT_BYE, CALLER_BYE};
use super::site::{self, ENGINE_RTP, Site, free_port};
use super::wire::{self, Capture, keys_to, tone_to};
use super::{agents, bank, check_secrets, has_event, longest_pause, loudest, peers, text, times, tone};

#[test]
fn baresip_goes_through_the_bank_to_a_registered_baresip() {
    if !peers("baresip_goes_through_the_bank_to_a_registered_baresip") {
        return;
    }
    let (_, heard) = through_the_bank("baresip", Way::plain(""), "", &[440.0, 1000.0].map(tone));
    check_tones(&heard);
}

#[test]
fn baresip_goes_through_the_bank_by_srtp() {
    if !peers("baresip_goes_through_the_bank_by_srtp") {
        return;
    }
    let said = [440.0, 1000.0].map(tone);
    let (record, heard) =
        through_the_bank("srtp", Way::plain(", srtp: required"), ";mediaenc=srtp-mand", &said);
    check_tones(&heard);
    for media in [&record["caller_media"], &record["other_media"][0]] {
        assert_eq!(media["encrypted"], true, "{record}");
        assert_eq!(
            (&media["forged"], &media["replayed"], &media["lost"]),
            (&0.into(), &0.into(), &0.into()),
            "{record}"
        );
    }
}

/// Signalling in TLS, checked by baresip against an authority of its own, and the keys of media only there.
#[test]
fn baresip_goes_through_the_bank_by_tls_to_a_baresip_registered_by_tls() {
    if !peers("baresip_goes_through_the_bank_by_tls_to_a_baresip_registered_by_tls") {
        return;
    }
    let folder = certify();
    let place = |name: &str| folder.join(name).display().to_string();
    let more = format!(
        "sip: {{tls: {{listen: \"127.0.0.1:5221\", certificate: {}, key: {}}}}}\n",
        place("engine.pem"),
        place("engine.key")
    );
    let way = Way {
        settings: ", tls: true, srtp: required",
        more: &more,
        host: LOOPBACK,
        at: "127.0.0.1:5221;transport=tls",
    };
    let said = [440.0, 1000.0].map(tone);
    let (record, heard) = through_the_bank("tls", way, ";mediaenc=srtp-mand", &said);
    check_tones(&heard);
    for media in [&record["caller_media"], &record["other_media"][0]] {
        assert_eq!(media["encrypted"], true, "{record}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn baresip_goes_through_the_bank_by_ipv6() {
    if !peers("baresip_goes_through_the_bank_by_ipv6") {
        return;
    }
    let way = Way { host: Ipv6Addr::LOCALHOST.into(), at: "[::1]:5220", ..Way::plain("") };
    let (_, heard) = through_the_bank("ipv6", way, "", &[440.0, 1000.0].map(tone));
    check_tones(&heard);
}

#[test]
fn a_registered_baresip_holds_hangs_up_and_puts_callers_through() {
    if !peers("a_registered_baresip_holds_hangs_up_and_puts_callers_through") {
        return;
    }
    let desk = Desk::open("deskphone", "", "");
    let site = &desk.site;
    let capture = Capture::start(&site.folder);
    let media = 41_700..41_720;
    let phone = SocketAddr::new(LOOPBACK, free_port());
    let mut agent = registered(site, &site.address(), "", phone, (media.start, media.end - 1), &tone(1000.0));
    let moment = || os::pause(Duration::from_millis(1500));

    // A key, a hold, and the agent hangs up.
    let caller = desk.caller("first", 41_730, &[(2500, "5")], AWAIT_BYE);
    agent.says("CALL_ESTABLISHED", Duration::from_secs(10));
    moment();
    moment();
    agent.order("hold", "");
    moment();
    agent.order("resume", "");
    moment();
    agent.order("hangup", "");
    caller.succeeds();
    let packets = capture.packets();

    // The agent puts the next caller through.
    agent.forget();
    let target = desk.sales(41_740);
    let caller = desk.caller("second", 41_750, &[(6000, "")], CALLER_BYE);
    agent.says("CALL_ESTABLISHED", Duration::from_secs(10));
    moment();
    agent.order("transfer", &desk.sales_uri());
    caller.succeeds();
    let told = target.succeeds();
    assert!(told.contains("Referred-By: <sip:ana@127.0.0.1>"), "{told}");

    let records = site.records(2);
    assert_eq!(text(&records[0], "cause"), "flow_done", "{}", records[0]);
    let puts_through = [("event", "transferring"), ("by", "ana"), ("to", "sales")];
    assert!(has_event(&records[1], &puts_through), "{}", records[1]);
    let here = |packet: &&wire::Packet| ENGINE_RTP.contains(&packet.from) && media.contains(&packet.to);
    let at = packets.iter().find(here).expect("the agent was sent audio").to;
    let (there, back) = (tone_to(&packets, at, 440.0), tone_to(&packets, 41_730, 1000.0));
    eprintln!(
        "audio: the agent is sent the caller at {there:.1} dBm0, the caller the agent at {back:.1} dBm0"
    );
    assert!(there > -15.0 && back > -15.0);
    assert_eq!(keys_to(&packets, at, 101), [5], "the caller's key for the agent");
    let longest = longest_pause(&times(&packets, at));
    assert!((1.2..2.5).contains(&longest), "held for {longest} s");
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How telephones reach the bank.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// More for the trunk and for phones.
    settings: &'a str,
    /// More lines of settings.
    more: &'a str,
    /// Where everybody is.
    host: IpAddr,
    /// The address with its parameters.
    at: &'a str,
}

impl<'a> Way<'a> {
    /// Over UDP.
    pub(crate) const fn plain(settings: &'a str) -> Self {
        Self { settings, more: "", host: LOOPBACK, at: "127.0.0.1:5220" }
    }
}

/// A baresip that is registered as `ana` at this address, with more about its media, and picks up by itself.
fn registered(site: &Site, at: &str, media: &str, sip: SocketAddr, rtp: (u16, u16), said: &[i16]) -> Baresip {
    let account = format!(
        "<sip:ana@{at}>;auth_user=ana;auth_pass={};answermode=auto;regint=60{media}",
        site.agent_password
    );
    let agent = Baresip::start(site, "agent", sip, rtp, said, &account);
    let found = site::until(Duration::from_secs(10), || agent.log().contains("200 OK").then_some(()));
    assert!(found.is_some(), "not registered: {}", agent.log());
    agent
}

/// A baresip calls the bank, identifies itself by keys and talks to another one: the record, and what
/// each heard, the caller first.
pub(crate) fn through_the_bank(
    name: &str,
    way: Way<'_>,
    media: &str,
    said: &[Vec<i16>; 2],
) -> (Value, [Vec<i16>; 2]) {
    let sip = |port| SocketAddr::new(way.host, port);
    let ana = agents(&[("ana", None)]);
    let site = Site::at(sip(5220), [way.settings; 2], way.more, name, (&ana, ""));
    let mut agent = registered(&site, way.at, media, sip(5222), (41_600, 41_649), &said[1]);
    let account = format!("<sip:caller@{}>;regint=0{media}", sip(5226));
    let mut caller = Baresip::start(&site, "caller", sip(5226), (41_650, 41_699), &said[0], &account);
    caller.order("dial", &format!("sip:bank@{}", way.at));
    caller.says("CALL_ESTABLISHED", Duration::from_secs(5));
    for (wait, keys) in bank(&site, 0) {
        os::pause(Duration::from_millis(wait));
        caller.press(&keys);
    }
    agent.says("CALL_ESTABLISHED", Duration::from_secs(1));
    caller.order("hangup", "");
    caller.says("CALL_CLOSED", Duration::from_secs(5));
    agent.says("CALL_CLOSED", Duration::from_secs(5));
    let record = &site.records(1)[0];
    assert_eq!((text(record, "level"), text(record, "cause")), ("basic", "caller_hung_up"), "{record}");
    assert_eq!(record["agents"], serde_json::json!(["ana"]), "{record}");
    assert!(record["caller_media"]["round_trip_ms"].is_number(), "baresip sends RTCP: {record}");
    check_secrets(&site, &site.log(), "the log");
    (record.clone(), [caller.heard(), agent.heard()])
}

/// Each hears the tone of the other and not its own.
fn check_tones([by_caller, by_agent]: &[Vec<i16>; 2]) {
    let [from_caller, from_agent] = [loudest(by_agent, 440.0), loudest(by_caller, 1000.0)];
    eprintln!(
        "audio: the agent hears the caller at {from_caller:.1} dBm0, the caller the agent at {from_agent:.1} dBm0"
    );
    assert!(from_caller > -15.0 && from_agent > -15.0);
    // Prompts and whispers are speech, which has a little of every frequency.
    let [agent_itself, caller_itself] = [loudest(by_agent, 1000.0), loudest(by_caller, 440.0)];
    assert!(agent_itself < -20.0 && caller_itself < -20.0, "{agent_itself} {caller_itself}: hears itself");
}
