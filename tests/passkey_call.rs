//! A passkey in a call, from end to end: the real program serves, a telephone calls over SIP and hears the number, a
//! real Chromium opens the links, makes a passkey and signs with it, and the level rises by what the page shows.
//!
//! It runs when COUNTERSIGN_PEERS=1 says that Chromium is there (`.ci/run` installs it).
#![expect(clippy::print_stderr, reason = "it says why it does nothing")]
#![expect(clippy::disallowed_methods, reason = "what a browser tells is read by a thread")]

mod browser;
mod site;

use std::f64::consts::TAU;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use browser::Browser;
use rcgen::PublicKeyData as _;
use serde_json::Value;
use site::{ACCOUNT, Folder, Handset, IN_TIME, Served, Stage, root, run};

const FLOW: &str = "callflow: 1
id: passkeys
title: Passkeys
entry: start
imports: {policy: policy.yaml, prompts: prompts/}
languages: {default: en-GB, offer: [en-GB]}
vars:
  account: {type: digits, class: personal}
defaults:
  input: {first: 60s, between: 5s, total: 120s, tries: 3}
when_error: {goto: done}
blocks:
  start:
    - answer:
    - ask: number
      into: account
      digits: {exact: 8}
      give_up: {goto: done}
    - identify: customer
      by: account
      same_reply: true
      outcome:
        one: continue
        none: continue
        many: {goto: done}
        unavailable: {goto: done}
    - goto: prove
  prove:
    - authenticate: customer
      level: basic
      offer: [push]
      prompts:
        push: approve
        failed: not_right
      outcome:
        reached: {goto: proved}
        insufficient: {goto: done}
        not_enrolled: {goto: none}
        locked: {goto: done}
        unavailable: {goto: done}
  proved:
    - say: proved
    - hangup:
  none:
    - say: nothing
    - hangup:
  done:
    - say: goodbye
    - hangup:
";
const POLICY: &str = "authpolicy: 1
factors:
  push: {send: sms, life: 60s, resend: {max: 9, gap: 1s}}
levels:
  basic: {factors: 1}
lockout:
  per_call: {failures: 3}
  per_subject: {failures: 50, within: 24h, lock: 30m}
";
const PROMPTS: &str = "language: en-GB
prompts:
  number: \"Number?\"
  approve: \"Type ${match_number, spell}\"
  not_right: \"No.\"
  proved: \"Yes.\"
  nothing: \"Nothing.\"
  goodbye: \"Goodbye.\"
";
const CUSTOMERS: [(&str, &str, &str); 2] =
    [("C1001", "44110021", "+441632960101"), ("C1002", "44110039", "+441632960102")];

/// Each digit is a tone of its own.
fn pitch(digit: u32) -> f64 {
    600.0 + 170.0 * f64::from(digit)
}

fn write_tone(path: &Path, hertz: f64, millis: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut out = hound::WavWriter::create(path, spec).expect("a file");
    for at in 0..millis * 8 {
        let sample = (TAU * hertz * f64::from(at) / 8000.0).sin() * 9000.0;
        #[expect(clippy::cast_possible_truncation, reason = "it is small")]
        out.write_sample(sample as i16).expect("written");
    }
    out.finalize().expect("written");
}

/// How much of a tone is in 20 ms, of all that is in it.
fn share(samples: &[i16], hertz: f64) -> f64 {
    let step = TAU * hertz / 8000.0;
    let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
    for (at, sample) in (0_u32..).zip(samples) {
        let (sample, angle) = (f64::from(*sample), step * f64::from(at));
        re += sample * angle.cos();
        im += sample * angle.sin();
        all += sample * sample;
    }
    let length = f64::from(u32::try_from(samples.len()).expect("short"));
    2.0 * (re * re + im * im) / (all * length)
}

/// The digits that are heard.
fn digits_in(heard: &[i16]) -> String {
    let (mut found, mut last, mut run) = (String::new(), None, 0);
    for frame in heard.chunks_exact(160) {
        let loud = frame.iter().any(|sample| sample.unsigned_abs() > 1000);
        let own = |digit: &u32| share(frame, pitch(*digit)) > 0.8;
        let digit = if loud { (0..10).find(own) } else { None };
        run = if digit == last { run + 1 } else { 1 };
        last = digit;
        if run == 5 {
            found.extend(digit.and_then(|digit| char::from_digit(digit, 10)));
        }
    }
    found
}

fn write_application(folder: &Path) {
    fs::create_dir_all(folder.join("prompts")).expect("a folder");
    write_digits(folder);
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    put("passkeys.flow.yaml", FLOW);
    put("policy.yaml", POLICY);
    put("prompts/en-GB.yaml", PROMPTS);
    for name in ["number", "approve-1", "not_right", "proved", "nothing", "goodbye"] {
        let to = folder.join(format!("audio/en-GB/{name}.wav"));
        fs::copy(root().join("audio/tones/beep.wav"), to).expect("a beep");
    }
}

/// The bank as it is shipped, but that each digit it says is a tone.
fn write_bank(folder: &Path) {
    copy(&root().join("flows/bank"), folder);
    write_digits(folder);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("read").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

fn write_digits(folder: &Path) {
    let digits = folder.join("audio/en-GB/digits");
    fs::create_dir_all(&digits).expect("a folder");
    for digit in 0..10 {
        write_tone(&digits.join(format!("{digit}.wav")), pitch(digit), 240);
    }
}

/// A site with a public address, and a browser that trusts its certificate.
struct World {
    folder: Folder,
    _served: Served,
    browser: Browser,
    stage: Stage,
    uri: String,
    public: String,
    /// Links that were read.
    read: usize,
}

impl World {
    fn start(name: &str, write: fn(&Path)) -> Self {
        let folder = Folder::new(name);
        write(&folder.file("app"));
        let data = folder.file("data");
        fs::create_dir_all(&data).expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(data.join("site.pem"), made.cert.pem()).expect("written");
        fs::write(data.join("site.key"), made.signing_key.serialize_pem()).expect("written");
        fs::set_permissions(data.join("site.key"), fs::Permissions::from_mode(0o600)).expect("closed");
        // The port is part of the address that passkeys are for: it is known before the engine listens.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let public = format!("https://localhost:{port}");
        let settings = format!(
            "trunks: [{{name: loopback, addresses: [\"127.0.0.0/8\"], trace: true}}]\n\
             queues: {{general: {{places: 5}}}}\n\
             senders: [{{name: printed, development: {{}}}}]\n\
             letters: {{address: {{hour: 90, day: 90}}, subject: {{day: 90}}}}\n\
             web: {{listen: \"127.0.0.1:{port}\", certificate: site.pem, key: site.key, public: \"{public}\"}}\n"
        );
        fs::write(data.join("countersign.yaml"), settings).expect("settings");
        let application = folder.file("app").display().to_string();
        let served = Served::start(&data, &[&application], Some(&folder.file("engine.log")));
        for (id, account, phone) in CUSTOMERS {
            let data = data.display().to_string();
            let added = run(&["subject", "add", id, "--account", account, "--phone", phone, "--data", &data]);
            assert!(added.status.success(), "{added:?}");
        }
        let hash = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            &made.signing_key.subject_public_key_info(),
        );
        let browser = Browser::start(folder.path(), &data_encoding::BASE64.encode(hash.as_ref()));
        let stage = Stage::new(vec![Handset::new("caller")]);
        let uri = served.uri();
        Self { folder, _served: served, browser, stage, uri, public, read: 0 }
    }

    fn command(&self, arguments: &[&str]) -> String {
        let data = self.folder.file("data").display().to_string();
        let output = run(&[arguments, &["--data", &data]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The link in the next letter that has one. Letters are on their way for a moment.
    fn link(&mut self) -> String {
        for _ in 0..100 {
            let mut links = self.links();
            if links.len() > self.read {
                self.read = links.len();
                return links.pop().expect("a link");
            }
            self.stage.until(Duration::from_millis(100), |_| false);
        }
        panic!("no link comes");
    }

    /// The links of all letters.
    fn links(&self) -> Vec<String> {
        let letters = self.command(&["codes", "--format", "json"]);
        let text = |line: &str| {
            let letter: Value = serde_json::from_str(line).expect("a letter");
            let text = letter["text"].as_str().unwrap_or_default().to_owned();
            text.split(' ').find(|word| word.starts_with(&self.public)).map(str::to_owned)
        };
        letters.lines().filter_map(text).collect()
    }

    /// An operator has a link sent and tells the code.
    fn send_link(&mut self, id: &str, factor: &str) -> (String, String) {
        let told = self.command(&["subject", "link", id, "--factor", factor]);
        let code = told.trim().rsplit(' ').next().expect("a code").to_owned();
        (self.link(), code)
    }

    /// Enrols a passkey in the browser's device.
    fn enrol(&mut self, id: &str) -> String {
        let (link, code) = self.send_link(id, "push");
        self.browser.open(&link);
        self.browser.until("!document.getElementById('ask').hidden");
        self.browser.type_into("code", &code);
        self.browser.click("begin");
        self.browser.until("document.getElementById('told').textContent.startsWith('It is added')");
        link
    }

    /// Calls, and hears the number.
    fn call(&mut self) -> String {
        self.stage.handsets[0].dial(&self.uri);
        self.stage.answer(0, "number", CUSTOMERS[0].1);
        self.number_after("approve")
    }

    /// The two digits that a prompt says.
    fn number_after(&mut self, prompt: &str) -> String {
        self.stage.hear(0, prompt);
        self.stage.handsets[0].heard.clear();
        let all = |handsets: &[Handset]| digits_in(&handsets[0].heard).len() == 2;
        assert!(self.stage.until(IN_TIME, all), "two digits are heard");
        digits_in(&self.stage.handsets[0].heard)
    }

    fn open_approval(&mut self) -> String {
        let link = self.link();
        assert!(link.contains("/approve#"), "{link}");
        self.browser.open(&link);
        self.browser.until("!document.getElementById('ask').hidden");
        link
    }

    fn approve(&mut self, number: &str) {
        self.browser.type_into("number", number);
        self.browser.click("approve");
    }

    fn keyed(&mut self, digits: &str) {
        self.stage.handsets[0].press(&format!("{digits}#"));
    }

    fn hang_up(&mut self) {
        self.stage.handsets[0].hang_up();
        assert!(self.stage.until(IN_TIME, |handsets| handsets[0].ended.is_some()));
    }

    fn audit(&self) -> String {
        fs::read_to_string(self.folder.file("data").join("audit.jsonl")).expect("the log")
    }
}

fn wrong(code: &str) -> String {
    code.chars().map(|c| char::from(b'0' + (c as u8 - b'0' + 5) % 10)).collect()
}

#[test]
fn a_passkey_is_enrolled_by_a_link_and_a_call_goes_on_when_it_has_approved() {
    if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs chromium)");
        return;
    }
    let mut world = World::start("passkey", write_application);
    let device = world.browser.add_device();

    // Enrolment: a wrong code, then the right one; the link is over then.
    let (link, code) = world.send_link("C1001", "push");
    world.browser.open(&link);
    world.browser.until("!document.getElementById('ask').hidden");
    world.browser.type_into("code", &wrong(&code));
    world.browser.click("begin");
    world.browser.until("document.getElementById('told').textContent.includes('left: 2')");
    world.browser.type_into("code", &code);
    world.browser.click("begin");
    world.browser.until("document.getElementById('told').textContent.startsWith('It is added')");
    world.browser.open(&link);
    world.browser.until("document.getElementById('told').textContent.startsWith('This link is over')");
    assert_eq!(world.browser.credentials(&device).len(), 1);

    // A call: the number is heard, the passkey approves, the digits are keyed, the level rises.
    let number = world.call();
    assert_eq!(world.stage.handsets[0].level(), "none");
    let used = world.open_approval();
    world.approve(&number);
    world.browser.until("!document.getElementById('done').hidden");
    assert_eq!(world.stage.handsets[0].level(), "none", "an approval alone lifts nothing");
    let digits = world.browser.text("digits");
    world.keyed(&digits);
    world.stage.hear(0, "proved");
    assert_eq!(world.stage.handsets[0].level(), "basic");
    world.browser.open(&used);
    world.browser.until("document.getElementById('told').textContent.startsWith('This link is over')");

    // A wrong number ends the link.
    let number = world.call();
    world.open_approval();
    world.approve(&wrong(&number));
    world.browser.until("document.getElementById('told').textContent.startsWith('That was not the number')");
    world.hang_up();

    // A device that does not know who holds it, and somebody else's passkey, sign nothing.
    let number = world.call();
    world.open_approval();
    world.browser.verifies(&device, false);
    world.approve(&number);
    world.browser.until("document.getElementById('told').textContent.startsWith('The passkey was not used')");
    world.browser.verifies(&device, true);
    let own = world.browser.credentials(&device).remove(0);
    world.browser.remove_device(&device);
    let others = world.browser.add_device();
    world.enrol("C1002");
    let link = world.command(&["codes", "--format", "json"]);
    let approval = link.lines().rev().find(|line| line.contains("/approve#")).expect("the link of the call");
    let approval: Value = serde_json::from_str(approval).expect("a letter");
    let approval =
        approval["text"].as_str().and_then(|text| text.split(' ').find(|word| word.contains("/approve#")));
    world.browser.open(approval.expect("a link"));
    world.browser.until("!document.getElementById('ask').hidden");
    world.approve(&number);
    world.browser.until("document.getElementById('told').textContent.startsWith('The passkey was not used')");
    assert_eq!(world.stage.handsets[0].level(), "none");
    world.browser.remove_device(&others);
    let device = world.browser.add_device();
    world.browser.add_credential(&device, &own);
    world.hang_up();

    // "This was not me": nothing is approved, and those in charge hear of it.
    world.call();
    world.open_approval();
    world.browser.click("deny");
    world.browser.until("!document.getElementById('sure').hidden");
    world.browser.click("deny-yes");
    world.browser.until("document.getElementById('told').textContent.startsWith('Thank you')");
    world.keyed("000");
    world.stage.hear(0, "not_right");
    assert_eq!(world.stage.handsets[0].level(), "none");
    world.hang_up();
    let audit = world.audit();
    for event in ["approved", "approval_refused", "approval_denied", "link_sent", "link_refused", "enrolled"]
    {
        assert!(audit.contains(&format!("\"event\":\"{event}\"")), "{event}");
    }
    let log = fs::read_to_string(world.folder.file("engine.log")).expect("the log");
    let token = link.split('#').nth(1).expect("a token");
    let used = used.split('#').nth(1).expect("a token");
    assert!(!log.contains(token) && !log.contains(used), "no link in the log");
}

#[test]
fn the_bank_takes_an_approval_with_a_passkey_for_a_balance() {
    if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs chromium)");
        return;
    }
    let mut world = World::start("passkey-bank", write_bank);
    world.browser.add_device();
    world.enrol("C1001");
    let uri = world.uri.clone();
    world.stage.claim(0, &uri, ACCOUNT);
    world.stage.answer(0, "main_menu", "1");
    let number = world.number_after("push_sent");
    world.open_approval();
    world.approve(&number);
    world.browser.until("!document.getElementById('done').hidden");
    assert_eq!(world.stage.handsets[0].level(), "none", "an approval alone lifts nothing");
    let digits = world.browser.text("digits");
    world.stage.handsets[0].press(&digits);
    world.stage.hear(0, "your_balance");
    assert_eq!(world.stage.handsets[0].level(), "basic");
    world.hang_up();
}

#[test]
fn a_tone_is_read_as_its_digit() {
    let folder = Folder::new("tones");
    let mut heard = Vec::new();
    for digit in [4, 4, 0, 9] {
        let path = folder.file("tone.wav");
        write_tone(&path, pitch(digit), 240);
        let read = hound::WavReader::open(&path).expect("a file").into_samples::<i16>();
        heard.extend(read.map(|sample| sample.expect("a sample")));
        heard.extend([0; 800]);
    }
    assert_eq!(digits_in(&heard), "4409");
}
