//! A whole call to the bank with everything logged that can be logged: no PIN, code, account number or
//! calling number in it, nor in what is kept of the call.
//!
//! Looked for are all runs of six of a secret's digits. What can't be found this way is a secret that is
//! logged digit by digit; `Digit` has no debug format that would do so.

mod site;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use countersign::sip::Headers;
use site::{ACCOUNT, Handset, PHONE_ON_FILE, PIN, SOON, Site, Stage, add_customer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The number that the caller calls from.
const CALLER: &str = "+441632960177";

/// Everything that is logged, at every level, with every field as its debug format says it.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn write(&self, name: &str, write: impl FnOnce(&mut Line<'_>)) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(name);
        write(&mut Line(&mut text));
        text.push('\n');
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?} / {value:#?}", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Everything {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.write(attributes.metadata().name(), |line| attributes.record(line));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.write("record", |line| values.record(line));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(event.metadata().target(), |line| event.record(line));
    }
}

#[test]
fn a_whole_call_leaves_no_secret_in_logs_records_or_files() {
    let everything = Everything::default();
    let subscriber = tracing_subscriber::registry().with(everything.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the only one in this process");

    let agent = Handset::agent();
    let site = Site::start("no-secret", &[&agent]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new(CALLER), agent]);
    stage.claim(0, &site.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "3");
    // One wrong PIN, as it is a secret of somebody too.
    stage.answer(0, "pin_please", "80421538#");
    let code = stage.proved_to_the_agent(0, &app);
    assert_eq!(stage.handsets[0].level(), "strong");
    stage.hang_up(0);
    assert!(stage.until(SOON, |_| site.deployment.ended() == 1), "the engine ends the call");

    let secrets: Vec<String> = [PIN, "80421538", ACCOUNT, &code, CALLER, PHONE_ON_FILE]
        .into_iter()
        .map(|secret| secret.trim_start_matches('+').to_owned())
        .collect();
    let looks = Looks::new(&secrets);
    let headers = stage.handsets[1].headers.take().expect("the agent was called");
    looks.nothing_in("the headers that the agent gets", all_headers(&headers).as_bytes());
    looks.nothing_in("the trace for the caller", format!("{:?}", stage.handsets[0].traces).as_bytes());

    let Site { folder, deployment } = site;
    let vault = Arc::clone(&deployment.vault);
    deployment.stop();
    let records = vault.calls(10).expect("readable");
    assert_eq!(records.len(), 1);
    looks.nothing_in("the call record", records[0].record.as_bytes());
    let caller = records[0].caller.as_ref().expect("the number is kept, sealed");
    assert!(caller.expose().contains("1632960177"), "kept apart from the record");

    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder.path()).expect("the data folder") {
        let path = entry.expect("an entry").path();
        // The socket that the server is steered by has no bytes of its own.
        if !path.is_file() {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        looks.nothing_in(&name, &std::fs::read(&path).expect("its bytes"));
        files.insert(name);
    }
    for expected in ["audit.jsonl", "countersign.db", "countersign.db-wal"] {
        assert!(files.contains(expected), "{expected} was looked at: {files:?}");
    }

    // The control: what is looked for would be found, in a log line as in bytes.
    let log = everything.text();
    assert!(log.contains("call begins") && log.contains("call over"), "the call was logged:\n{log}");
    looks.nothing_in("the log", log.as_bytes());
    tracing::trace!(canary = ?Some(PIN), "a planted one");
    assert!(looks.found_in(everything.text().as_bytes()).is_some(), "a PIN in the log is noticed");
}

fn all_headers(headers: &Headers) -> String {
    // Contact, Via and the like carry addresses of this machine; the proof is in the X-Countersign ones.
    let fields = headers.iter().map(|field| String::from_utf8_lossy(&field.value).into_owned());
    fields.collect::<Vec<_>>().join("\n")
}

/// The runs that are looked for.
struct Looks(BTreeSet<String>);

const RUN: usize = 6;

impl Looks {
    fn new(secrets: &[String]) -> Self {
        let runs = secrets.iter().flat_map(|secret| {
            let digits: Vec<char> = secret.chars().collect();
            digits.windows(RUN).map(String::from_iter).collect::<Vec<_>>()
        });
        Self(runs.collect())
    }

    #[track_caller]
    fn nothing_in(&self, what: &str, bytes: &[u8]) {
        if let Some(run) = self.found_in(bytes) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let line = text.lines().find(|line| line.contains(&run)).unwrap_or_default();
            panic!("{what} has {run} of a secret: {line}");
        }
    }

    /// The first run in `bytes`, read as text word by word. Long words of hexadecimal digits with letters
    /// among them are MACs, keys' names and identifiers, which have six such digits by chance.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
        for word in words.filter(|word| word.len() >= RUN) {
            let random = word.len() >= 16
                && word.iter().all(u8::is_ascii_hexdigit)
                && word.iter().any(u8::is_ascii_alphabetic);
            if random {
                continue;
            }
            let run = word.windows(RUN).find_map(|run| {
                let run = std::str::from_utf8(run).ok()?;
                self.0.contains(run).then(|| run.to_owned())
            });
            if run.is_some() {
                return run;
            }
        }
        None
    }
}

#[test]
fn a_planted_secret_is_found_wherever_it_lies() {
    let looks = Looks::new(&[PIN.to_owned(), ACCOUNT.to_owned()]);
    for planted in [
        format!("keys {PIN}#"),
        format!("sip:{ACCOUNT}@192.0.2.1"),
        format!("x{}y", &PIN[2..]),
        format!("\0\u{1}{ACCOUNT}\u{2}"),
        format!("Some(\"{}\")", &ACCOUNT[..6]),
    ] {
        assert!(looks.found_in(planted.as_bytes()).is_some(), "{planted}");
    }
    assert_eq!(looks.found_in(b"80421 537 4411 0021"), None);
}
