//! Bar 7: after whole calls to the real program no run of six digits of what was keyed lies anywhere: log at TRACE,
//! output, database and its log, audit log, messages (heard as tones too), traces, status, call records, headers for
//! the agent, web API, memory. In each place something is planted that is found.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;

use countersign::audio::dtmf::Detector;
use countersign::audio::{Clip, Law};
use countersign::auth::factor::totp::Parameters;
use countersign::driver::keys::Keys;
use countersign::driver::messages::Messages;
use countersign::driver::os;
use countersign::driver::vault::Vault;
use countersign::secret::Secret;

use crate::deployed::{Gateway, application, asked_for_an_account};
use crate::site::{Folder, Handset, IN_TIME, SOON, Served, Stage, countersign};
use crate::vault_world::{customer, secret};

/// Behind the account.
const FLOW: &str = "  prove:
    - authenticate: customer
      level: strong
      offer: [pin, totp, otp_sms]
      wait_for_code: 100s
      prompts: {pin: pin_please, totp: totp_please, otp_sms: sms_sent, failed: not_quite}
      outcome:
        reached: {goto: message}
        insufficient: {goto: bye}
        not_enrolled: {goto: bye}
        locked: {goto: bye}
        unavailable: {goto: bye}
  message:
    - take_message: please
      max: 20s
      silence: 3s
      mailbox: reception
      outcome: {saved: {goto: desk}, empty: {goto: desk}, failed: {goto: bye}}
  desk:
    - queue: general
      max_wait: 1m
      outcome: {joined: {goto: bye}, timeout: {goto: bye}, full: {goto: bye}}
  bye:
    - hangup:
";

const POLICY: &str = "authpolicy: 1
title: Two factors
factors:
  pin: {digits: 8}
  totp: {digits: 6, step: 30s, drift: 1}
  otp_sms: {digits: 6, life: 5m, resend: {max: 2, gap: 30s}}
levels:
  strong: {factors: 2, different_kinds: true, max_age: 15m}
";

/// Who calls, and what they key.
pub(crate) struct Caller {
    pub(crate) account: &'static str,
    pin: &'static str,
    /// A slip, or a card's number where the PIN is asked for.
    wrong: &'static str,
    from: &'static str,
    on_file: &'static str,
}

pub(crate) const FIRST: Caller = Caller {
    account: "61749382",
    pin: "38520641",
    wrong: "38520614",
    from: "+441632960771",
    on_file: "+447700900417",
};
pub(crate) const SECOND: Caller = Caller {
    account: "27395816",
    pin: "92047163",
    wrong: "4539578763621486",
    from: "+441632960538",
    on_file: "+447700900862",
};

/// The program with its customers.
pub(crate) struct Hunted {
    pub(crate) served: Served,
    gateway: Gateway,
    app: (Parameters, Secret<Vec<u8>>),
    agent: Handset,
    pub(crate) folder: Folder,
}

impl Hunted {
    pub(crate) fn start() -> Self {
        let folder = Folder::new("hunt");
        let (app, data) = (folder.file("app"), folder.file("data"));
        fs::create_dir_all(&data).expect("a folder");
        let write = |path: &Path, text: &str| fs::write(path, text).expect("written");
        let prompts = ["account_number", "pin_please", "totp_please", "sms_sent", "not_quite", "please"];
        let flow = asked_for_an_account("hunted", "What is keyed here is looked for everywhere") + FLOW;
        application(&app, ("hunted", &flow), POLICY, &prompts);
        let (gateway, agent) = (Gateway::start(), Handset::agent());
        write(
            &data.join("countersign.yaml"),
            &format!(
                "trunks: [{{name: loopback, addresses: [\"127.0.0.1\"], trace: true}}]\nqueues: {{general: {{places: 5}}}}\n\
                 agents: [{{name: ana, queues: [general], sip: \"sip:agent@{}\"}}]\nweb: {{listen: \"127.0.0.1:0\"}}\n\
                 {}",
                agent.phone.address,
                gateway.settings()
            ),
        );
        Gateway::key(&data);
        let vault = Vault::open_data(&data).expect("made");
        let add = |caller: &Caller, id: &str, declined: &[countersign::auth::FactorId]| {
            let mut new = customer(id, caller.account);
            new.profile.phone = caller.on_file.to_owned();
            new.profile.declined = declined.to_vec();
            new.pin = Some(secret(caller.pin));
            assert!(vault.add_subjects(os::unix_now(), &[new]).is_ok());
        };
        add(&FIRST, "H1", &[countersign::auth::FactorId::OtpSms]);
        add(&SECOND, "H2", &[]);
        let authenticator = vault.enrol_totp(os::unix_now(), "H1").expect("enrolled");
        drop(vault);
        let application = app.display().to_string();
        let served = Served::start(&data, &[&application], Some(&folder.file("log")));
        Self { served, gateway, app: authenticator, agent, folder }
    }

    /// The first caller's code now.
    fn code(&self) -> String {
        let (parameters, seed) = &self.app;
        parameters.code(seed, parameters.step_at(os::unix_now())).expose().clone()
    }

    /// What a command of the program says.
    fn says(&self, arguments: &[&str]) -> Vec<u8> {
        let data = self.folder.file("data").display().to_string();
        let output = countersign(arguments).args(["--data", &data]).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        [output.stdout, output.stderr].concat()
    }

    /// What the web API answers.
    fn web(&self, token: &str, path: &str) -> Vec<u8> {
        let web = self.served.greeting.split("HTTP on ").nth(1).expect("it listens");
        let mut stream = TcpStream::connect(web.lines().next().expect("an address")).expect("connected");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
        answer
    }
}

/// A call from the account's number to the agent. `code` gives the second factor's code once it is asked for.
fn call(
    stage: &mut Stage,
    uri: &str,
    caller: &Caller,
    second: &str,
    code: impl FnOnce() -> String,
) -> String {
    stage.handsets[0].dial(uri);
    stage.answer(0, "account_number", &format!("{}#", caller.account));
    stage.answer(0, "pin_please", &format!("{}#", caller.wrong));
    // A card's number is two PINs long: whoever keys it is asked again before all of it is heard.
    stage.settled(0);
    stage.handsets[0].press(&format!("{}#", caller.pin));
    stage.hear(0, second);
    let code = code();
    stage.handsets[0].press(&format!("{code}#"));
    let listening = |all: &[Handset]| all[0].traced("fact", "value").iter().any(|value| value == "listening");
    assert!(stage.until(IN_TIME, listening), "a message is taken: {:#?}", stage.handsets[0].traces);
    let said: Vec<i16> = (0..16_000_i32).map(|n| i16::try_from((n * n / 700) % 9_000).unwrap_or(0)).collect();
    stage.handsets[0].say(&std::sync::Arc::new(Clip::from_pcm(&said)));
    assert!(stage.until(SOON, |all| all[0].plays_finished > 0), "it was said");
    stage.handsets[0].plays_finished = 0;
    stage.handsets[0].press("#");
    stage.joined(0);
    stage.hang_up(0);
    code
}

/// Runs of six digits, or whole secrets where much is random.
struct Hunter {
    runs: Vec<Vec<u8>>,
    whole: Vec<Vec<u8>>,
}

impl Hunter {
    fn new(secrets: &[&str]) -> Self {
        let runs =
            secrets.iter().flat_map(|secret| secret.as_bytes().windows(6).map(<[u8]>::to_vec)).collect();
        let whole = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        Self { runs, whole }
    }

    /// The first run in the text of `bytes`. Words of hexadecimal digits with letters among them are MACs and names.
    fn found(&self, bytes: &[u8]) -> Option<String> {
        let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
        let random = |word: &&[u8]| {
            word.len() >= 16
                && word.iter().all(u8::is_ascii_hexdigit)
                && word.iter().any(u8::is_ascii_alphabetic)
        };
        let mut words = words.filter(|word| word.len() >= 6 && !random(word));
        words.find_map(|word| {
            let run =
                self.runs.iter().find(|run| word.windows(run.len()).any(|part| part == run.as_slice()))?;
            Some(String::from_utf8_lossy(run).into_owned())
        })
    }

    /// Nothing in a place, and what is planted there is found.
    #[track_caller]
    fn nothing_in(&self, place: &str, bytes: &[u8], marker: &str) {
        let text = String::from_utf8_lossy(bytes);
        assert!(
            text.contains(marker),
            "{place} has no {marker}: it was not what was meant to be looked at\n{text}"
        );
        if let Some(run) = self.found(bytes) {
            let line = text.lines().find(|line| line.contains(&run)).unwrap_or_default();
            panic!("{place} has {run} of a secret: {line}");
        }
        let mut planted = bytes.to_vec();
        let at = planted.len() / 2;
        let canary = [b" ", self.whole[0].as_slice(), b" "].concat();
        planted.splice(at..at, canary);
        assert!(self.found(&planted).is_some(), "what is planted in {place} is not found");
    }

    /// Whole secrets in the memory that a process writes to, as text or as numbers, by how often.
    fn in_memory(&self, process: u32, known: &str) -> (BTreeMap<String, usize>, usize) {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("its map");
        let mut memory = fs::File::open(format!("/proc/{process}/mem")).expect("its memory");
        let (mut found, mut control) = (BTreeMap::new(), 0);
        for line in
            maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|may| may.starts_with("rw")))
        {
            let range = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
            let at = |text: &str| u64::from_str_radix(text, 16).expect("an address");
            let length = usize::try_from(at(range.1) - at(range.0)).expect("it fits");
            let mut bytes = vec![0; length];
            if memory.seek(SeekFrom::Start(at(range.0))).is_err() || memory.read_exact(&mut bytes).is_err() {
                continue;
            }
            for secret in &self.whole {
                let numbers: Vec<u8> = secret.iter().map(|digit| digit - b'0').collect();
                let times = count(&bytes, secret) + count(&bytes, &numbers);
                if times > 0 {
                    *found.entry(String::from_utf8_lossy(secret).into_owned()).or_default() += times;
                }
            }
            control += count(&bytes, known.as_bytes());
        }
        (found, control)
    }
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    let mut times = 0;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == needle[0]) {
        from += at + 1;
        times += usize::from(bytes[from - 1..].starts_with(needle));
    }
    times
}

/// The keys that can be heard.
fn heard(samples: &[i16]) -> String {
    let (mut detector, mut keys) = (Detector::default(), String::new());
    detector.push(samples, |digit| keys.push(digit.as_char()));
    keys
}

/// Keys as a telephone in the band sounds them.
fn tones(keys: &str) -> Vec<i16> {
    let row = [697.0, 770.0, 852.0, 941.0];
    let column = [1209.0, 1336.0, 1477.0];
    let mut samples = vec![0; 800];
    for key in keys.bytes() {
        let place = b"123456789*0#".iter().position(|known| *known == key).expect("a key");
        let (low, high): (f64, f64) = (row[place / 3], column[place % 3]);
        for n in 0..1_600 {
            let t = std::f64::consts::TAU * f64::from(n) / 8_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within 16,000")]
            let sample = ((low * t).sin() * 7_000.0 + (high * t).sin() * 7_000.0) as i16;
            samples.push(if n < 800 { sample } else { 0 });
        }
    }
    samples
}

#[test]
#[expect(clippy::print_stdout, reason = "what was looked at is of interest")]
fn bar_7_nothing_that_was_keyed_is_left_anywhere() {
    let hunted = Hunted::start();
    let uri = format!("sip:hunted@{}", hunted.served.sip);
    let mut stage = Stage::new(vec![Handset::new(FIRST.from), Handset::agent()]);
    // The agent's telephone is the one of the settings.
    let Hunted { served, gateway, app, agent, folder } = hunted;
    stage.handsets[1] = agent;
    let hunted = Hunted { served, gateway, app, agent: Handset::agent(), folder };
    let app_code = call(&mut stage, &uri, &FIRST, "totp_please", || hunted.code());
    let traces = format!("{:?}", stage.handsets[0].traces);
    let headers = stage.handsets[1].headers.take().expect("the agent was called");
    stage.handsets[0] = Handset::new(SECOND.from);
    let sms_code = call(&mut stage, &uri, &SECOND, "sms_sent", || hunted.gateway.code());
    let second_traces = format!("{:?}", stage.handsets[0].traces);
    let second_headers = stage.handsets[1].headers.take().expect("the agent was called");

    let keyed = [FIRST.pin, FIRST.wrong, SECOND.pin, SECOND.wrong, &app_code, &sms_code];
    let personal = [FIRST.account, SECOND.account, &FIRST.on_file[1..], &SECOND.on_file[1..]];
    let hunter = Hunter::new(&[&keyed[..], &personal[..]].concat());
    let text = |headers: &countersign::sip::Headers| {
        headers
            .iter()
            .map(|field| String::from_utf8_lossy(&field.value).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    hunter.nothing_in("the agent's headers", text(&headers).as_bytes(), "strong");
    hunter.nothing_in("the second call's headers", text(&second_headers).as_bytes(), "strong");
    hunter.nothing_in("a trace", traces.as_bytes(), "pin_please");
    hunter.nothing_in("the second trace", second_traces.as_bytes(), "sms_sent");

    // What is asked of the program while it serves: over the control socket, the web, the command line.
    hunter.nothing_in("the status", &hunted.says(&["status", "--format", "json"]), "calls");
    let calls = hunted.says(&["calls", "--format", "json"]);
    hunter.nothing_in("the call records", &calls, "strong");
    hunter.nothing_in("the subjects", &hunted.says(&["subject", "show"]), "H1");
    let made = hunted.says(&["token", "create", "--name", "crm", "--scopes", SCOPES]);
    let token = String::from_utf8_lossy(&made).into_owned();
    let token = token.split_whitespace().find(|word| word.starts_with("cst_")).expect("a token").to_owned();
    for (path, marker) in [
        ("/v1/engine", "version"),
        ("/v1/subjects", "pin"),
        ("/v1/calls", "strong"),
        ("/v1/audit", "verified"),
        ("/v1/policy", "strong"),
    ] {
        hunter.nothing_in(path, &hunted.web(&token, path), marker);
    }

    // Memory: what was keyed is wiped after its use. The number of a caller is no secret and is found.
    // The code of a letter was in a request to the gateway as well, whose bytes are the HTTP library's; it is spent.
    let only_keyed = Hunter::new(&[FIRST.pin, FIRST.wrong, SECOND.pin, SECOND.wrong, &app_code]);
    let (found, control) = only_keyed.in_memory(hunted.served.pid(), &FIRST.from[1..]);
    println!("in memory: {found:?}; the caller's number {control} times");
    let limits = fs::read_to_string(format!("/proc/{}/limits", hunted.served.pid())).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "no core file is written: {core}");

    // Messages, decrypted: as text, and heard for tones.
    let data = hunted.folder.file("data");
    let messages = Messages::open(&data, &Keys::open(&data).expect("keys")).expect("there");
    let kept = messages.list().expect("a list");
    assert_eq!(kept.len(), 2, "two were left");
    for head in kept {
        let (_, audio) = messages.read(&head.id).expect("opens");
        let mut samples = Vec::new();
        Law::Mu.decode(audio.expose(), &mut samples);
        assert_eq!(heard(&samples), "", "no key is heard in a message");
        let mut planted = samples.clone();
        planted.extend(tones(FIRST.pin));
        assert_eq!(heard(&planted), FIRST.pin, "the control: planted tones are heard");
    }

    // Files: everything in the data folder but the keys' files, and the log at its finest.
    let log = fs::read(hunted.folder.file("log")).expect("the log");
    let (mut looked, mut files) = (Vec::new(), vec![data.clone()]);
    while let Some(folder) = files.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                files.push(path);
            } else if path.is_file() && !name.ends_with(".key") {
                let bytes = fs::read(&path).expect("a file");
                let run = hunter.found(&bytes);
                // The caller's own numbers are on file, sealed; nothing is in clear.
                assert_eq!(run, None, "{name} has a run of a secret");
                looked.push(name);
            }
        }
    }
    for expected in ["audit.jsonl", "countersign.db", "countersign.db-wal"] {
        assert!(looked.iter().any(|name| name == expected), "{expected} was looked at: {looked:?}");
    }
    let database = fs::read(data.join("countersign.db-wal")).expect("the write-ahead log");
    hunter.nothing_in("the write-ahead log", &database, "throttles");
    let audit = fs::read(data.join("audit.jsonl")).expect("the audit log");
    hunter.nothing_in("the audit log", &audit, "verified");
    hunter.nothing_in("the log", &log, "call over");
    println!("looked at {} bytes of log and {} files", log.len(), looked.len());
    assert!(control > 0, "the control: what is in memory is found");
    assert_eq!(found, BTreeMap::new(), "what was keyed is still in memory");
}

const SCOPES: &str = "subjects:read,calls:read,audit:read,engine:read,policy:read";
