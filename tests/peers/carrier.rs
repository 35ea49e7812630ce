//! A carrier's proxy made by others: kamailio. It stays in the way of all that belongs to a call, wants a password from
//! whoever calls out, and finds the engine by its registration. Behind it are telephones by SIPp.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::bare::certify_in;
use super::sipp::{
    AGENT_ANSWER, AGENT_BYE, AWAIT_BYE, CALLER_BYE, Sipp, agent_holds, agent_refers, agent_told,
    invite_header, pause,
};
use super::site::{Site, end, free_port, quiet, until};
use super::wire::{Capture, keys_to, tone_to};
use super::{agents, by_stream, has_event, longest_pause, peers, text, times};

const PASSWORD: &str = "open sesame 71";

/// A running kamailio.
struct Kamailio {
    port: u16,
    /// Where it takes TLS.
    tls: u16,
    /// Where the telephones behind it are.
    far: u16,
    folder: PathBuf,
    child: Child,
}

impl Kamailio {
    /// Starts one that reckons with this digest.
    fn start(name: &str, algorithm: &str) -> Self {
        let [port, tls, far] = [free_port(), free_port(), free_port()];
        let folder = std::env::temp_dir().join(format!("countersign-kamailio-{name}-{}", std::process::id()));
        certify_in(&folder);
        let config = include_str!("kamailio.cfg")
            .replace("@PORT@", &port.to_string())
            .replace("@TLS@", &tls.to_string())
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@FAR@", &far.to_string())
            .replace("@ALGORITHM@", algorithm)
            .replace("@PASSWORD@", PASSWORD);
        fs::write(folder.join("kamailio.cfg"), config).expect("a config");
        let mut command = Command::new(program());
        // In the foreground with its children, which end with it.
        command.args(["-DDE", "-m", "64", "-M", "8", "-f"]).arg(folder.join("kamailio.cfg"));
        command.arg("-Y").arg(&folder).arg("-w").arg(&folder);
        let child = quiet(&mut command, &folder.join("log"));
        let kamailio = Self { port, tls, far, folder, child };
        // It has its port before its children run.
        let taken = until(Duration::from_secs(10), || UdpSocket::bind(("127.0.0.1", port)).err());
        assert!(taken.is_some(), "kamailio does not listen: {}", kamailio.log());
        kamailio
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it says something.
    fn says(&self, what: &str) {
        let said = until(Duration::from_secs(10), || self.log().contains(what).then_some(()));
        assert!(said.is_some(), "kamailio did not say {what}: {}", self.log());
    }

    /// How often it wanted the password for a call, and let it out.
    fn asked_and_let_out(&self) -> (usize, usize) {
        let log = self.log();
        (log.matches("asked for the password: INVITE").count(), log.matches("let out: INVITE").count())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        end(&mut self.child);
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A file that only its owner reads.
fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its owner's");
    path
}

/// Debian has it where only an administrator's path leads.
fn program() -> &'static Path {
    let places = ["/usr/sbin/kamailio", "/usr/local/sbin/kamailio"].map(Path::new);
    places.into_iter().find(|place| place.exists()).unwrap_or(Path::new("kamailio"))
}

/// Who presses 1 is put through to a telephone, who presses 2 to an agent.
pub(crate) const SWITCH: &str = "callflow: 1
id: switch
title: Switch
entry: start
targets: {desk: from_settings}
blocks:
  start:
    - menu: tones/beep
      options:
        - {key: \"1\", goto: desk}
        - {key: \"2\", goto: line}
      give_up: {goto: done}
  desk:
    - transfer: desk
      ring: 20s
      outcome: {done: {goto: done}, busy: {goto: done}, no_answer: {goto: done}, refused: {goto: done}, failed: {goto: done}}
  line:
    - queue: general
      outcome: {joined: {goto: done}, timeout: {goto: done}, full: {goto: done}}
  done:
    - hangup: normal
";

/// A deployment whose carrier is kamailio; `first` are servers of the second trunk that are tried before it.
fn switch(name: &str, carrier: &Kamailio, first: &str, agents: &str) -> Site {
    let secret = secret(&carrier.folder, "password", PASSWORD);
    let (port, tls) = (carrier.port, carrier.tls);
    let place = |name: &str| carrier.folder.join(name).display().to_string();
    // The trunk of the template is named `carrier`; these lines go on with it.
    let trunk = format!(
        ", trusted: true, country: \"+44\", out: {{servers: [\"sip:127.0.0.1:{port}\"], carries: [\"+44\"], from: \"+441632960000\", \
         login: {{user: acme, password: carrier/password}}, register: {{}}}}}}\n  - {{name: spare, out: {{servers: [{first}{{uri: \
         \"sip:127.0.0.1:{tls};transport=tls\", priority: 2}}], carries: [\"+34\"], from: \"+441632960000\", login: {{user: acme, password: \
         carrier/password}}, options_seconds: 0}}"
    );
    let more = format!(
        "secrets: {{carrier/password: {{file: {}}}}}\ntransfers: {{desk: \"+441632960111\", abroad: \"+34911234567\"}}\n\
         sip: {{tls: {{listen: \"127.0.0.1:{}\", certificate: {}, key: {}, authorities: {}}}}}\n",
        secret.display(),
        free_port(),
        place("engine.pem"),
        place("engine.key"),
        place("authority.pem")
    );
    let site = Site::switching(SWITCH, [&trunk, ", transfer_to: [abroad]"], &more, name, free_port(), agents);
    carrier.says("registered <sip:acme@127.0.0.1");
    site
}

/// What the telephone behind the carrier got came by the carrier, asked for there, and tells nothing that is the house's.
fn check_far(told: &str, carrier: &Kamailio, number: &str) {
    let header = |name| invite_header(told, name).unwrap_or_default();
    let way = format!("sip:127.0.0.1:{};", carrier.port);
    assert!(header("Record-Route").contains(&way), "{told}");
    assert!(header("From").contains("sip:+441632960000@") && header("To").contains(number), "{told}");
    assert!(!told.contains("X-Countersign") && !told.contains("Authorization"), "{told}");
    assert!(!told.contains(PASSWORD) && !carrier.log().contains(PASSWORD));
    // Nothing reached the telephone but by the proxy.
    let by_carrier = format!("SIP/2.0/UDP 127.0.0.1:{};", carrier.port);
    let requests = told.split("UDP message received").skip(1).filter(|message| {
        let line = message.lines().nth(2).unwrap_or_default();
        line.ends_with("SIP/2.0")
    });
    let mut count = 0;
    for request in requests {
        let via = request.lines().find(|line| line.starts_with("Via:")).unwrap_or_default();
        assert!(via.contains(&by_carrier), "{request}");
        count += 1;
    }
    assert!(count >= 2, "INVITE and ACK at least: {told}");
}

#[test]
fn a_call_comes_and_goes_by_a_carrier_that_stays_in_the_way() {
    if !peers("a_call_comes_and_goes_by_a_carrier_that_stays_in_the_way") {
        return;
    }
    let carrier = Kamailio::start("way", "SHA-256");
    let site = switch("way", &carrier, "", &agents(&[("ana", None)]));
    let capture = Capture::start(&site.folder);
    let holds = agent_holds(4500, 1500) + AWAIT_BYE;
    let desk = Sipp::agent(&site, "desk", (carrier.far, 41_900), &holds);
    let plan = [(1500, "1".to_owned()), (2500, "5".to_owned()), (4500, String::new())];
    let script = by_stream(&site, "caller", &plan, CALLER_BYE);
    let caller = Sipp::call_by(&site, "caller", (free_port(), 41_910), carrier.port, &script);
    caller.succeeds();
    let told = desk.succeeds();
    check_far(&told, &carrier, "+441632960111");
    assert_eq!(carrier.asked_and_let_out(), (1, 1), "{}", carrier.log());
    let record = &site.records(1)[0];
    assert_eq!((text(record, "cause"), text(record, "trunk")), ("caller_hung_up", "carrier"), "{record}");
    assert!(has_event(record, &[("event", "joined"), ("who", "desk")]), "{record}");
    let packets = capture.packets();
    let (there, back) = (tone_to(&packets, 41_900, 440.0), tone_to(&packets, 41_910, 440.0));
    eprintln!("audio through the carrier: {there:.1} dBm0 there, {back:.1} dBm0 back");
    assert!(there > -15.0 && back > -15.0, "{there} {back}");
    assert_eq!(
        keys_to(&packets, 41_900, 101),
        [5],
        "the key that was pressed while they spoke, and no other"
    );
    let longest = longest_pause(&times(&packets, 41_900));
    assert!((1.2..2.1).contains(&longest), "held for {longest} s");
}

#[test]
fn an_agent_puts_a_caller_through_over_tls_by_a_carrier_whose_first_server_is_dead() {
    if !peers("an_agent_puts_a_caller_through_over_tls_by_a_carrier_whose_first_server_is_dead") {
        return;
    }
    let carrier = Kamailio::start("dead", "MD5");
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a socket that says nothing");
    let dead = format!("\"sip:{}\", ", nobody.local_addr().expect("an address"));
    let ana = free_port();
    let site = switch("dead", &carrier, &dead, &agents(&[("ana", Some(ana))]));
    let capture = Capture::start(&site.folder);
    let script = AGENT_ANSWER.to_owned()
        + &pause(1500)
        + &agent_refers(&format!("<sip:abroad@{}>", site.address()), "202")
        + &agent_told("100")
        + &agent_told("200")
        + AWAIT_BYE;
    let agent = Sipp::agent(&site, "ana", (ana, 41_920), &script);
    let hangs_up = AGENT_ANSWER.to_owned() + &pause(2500) + AGENT_BYE;
    let abroad = Sipp::agent(&site, "abroad", (carrier.far, 41_930), &hangs_up);
    let script = by_stream(&site, "caller", &[(1500, "2".to_owned())], AWAIT_BYE);
    let caller = Sipp::call_by(&site, "caller", (free_port(), 41_940), carrier.port, &script);
    agent.succeeds();
    let told = abroad.succeeds();
    caller.succeeds();
    check_far(&told, &carrier, "+34911234567");
    assert_eq!(carrier.asked_and_let_out(), (1, 1), "{}", carrier.log());
    assert!(carrier.log().contains("by tls"), "{}", carrier.log());
    let record = &site.records(1)[0];
    assert_eq!(record["agents"], serde_json::json!(["ana", "abroad"]), "{record}");
    assert!(has_event(record, &[("event", "transferring"), ("by", "ana"), ("to", "abroad")]), "{record}");
    assert!(has_event(record, &[("event", "elsewhere")]), "{record}");
    assert_eq!(text(record, "cause"), "flow_done", "{record}");
    let packets = capture.packets();
    assert!(tone_to(&packets, 41_930, 440.0) > -15.0 && tone_to(&packets, 41_940, 440.0) > -15.0);
    drop(nobody);
}

#[test]
fn a_sipp_registrar_knows_us_by_the_password_and_commands_tell_what_it_says() {
    if !peers("a_sipp_registrar_knows_us_by_the_password_and_commands_tell_what_it_says") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("countersign-registrar-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let [right, wrong] =
        [("right", PASSWORD), ("wrong", "open barley")].map(|(name, text)| secret(&folder, name, text));
    let [port, other] = [free_port(), free_port()];
    let out = |port: u16, carries: &str, login: &str| {
        format!(
            "out: {{servers: [\"sip:127.0.0.1:{port}\"], carries: [\"{carries}\"], login: {{user: acme, password: {login}}}, register: {{}}}}"
        )
    };
    let right_one = out(port, "+44", "carrier/right");
    let trunk = format!(", {right_one}}}\n  - {{name: mistaken, {}", out(other, "+34", "carrier/wrong"));
    let more = format!(
        "secrets: {{carrier/right: {{file: {}}}, carrier/wrong: {{file: {}}}}}\ntransfers: {{desk: \"+441632960111\"}}\n",
        right.display(),
        wrong.display()
    );
    let site =
        Site::switching(SWITCH, [&trunk, ""], &more, "registrar", free_port(), &agents(&[("ana", None)]));
    let registrar = Sipp::registrar(&site, "right", (port, 41_884), PASSWORD);
    let _other = Sipp::registrar(&site, "other", (other, 41_888), PASSWORD);
    let tell = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output =
            command.args(arguments).arg("--data").arg(site.folder.join("data")).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let way = format!("registered with UDP 127.0.0.1:{port}");
    let registered = || tell(&["status"]).1.contains(&way).then_some(());
    assert!(until(Duration::from_secs(10), registered).is_some(), "{:?}", tell(&["status"]));
    let (code, text) = tell(&["trunk", "test", "carrier"]);
    assert!(code == Some(0) && text.contains("REGISTER was answered 200"), "{text}");
    let (code, text) = tell(&["trunk", "test", "mistaken"]);
    assert!(code == Some(1) && text.contains("REGISTER was answered 401"), "{text}");
    assert!(text.contains("OPTIONS was answered 200") && text.contains("check `out.login.user`"), "{text}");
    let (code, text) = tell(&["route", "explain", "caller", "desk"]);
    assert!(
        code == Some(0) && text.contains(&format!("INVITE sip:+441632960111@127.0.0.1:{port}")),
        "{text}"
    );
    let messages = registrar.messages();
    assert!(messages.contains("Authorization: Digest") && !messages.contains(PASSWORD), "{messages}");
    assert!(!site.log().contains(PASSWORD));
    let _ = fs::remove_dir_all(folder);
}
