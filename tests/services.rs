//! Services against servers that others wrote: Python's http.server in clear and with TLS, files made by the
//! sqlite3 of Python; and against a server of ours that does what none should.

#![expect(clippy::disallowed_methods, reason = "servers are processes and threads, deadlines are moments")]

mod service_world;

use std::process::Command;
use std::time::{Duration, Instant};

use countersign::flow::run::CardData;
use countersign::secret::Secret;
use service_world::{Act, Asked, Folder, Scripted, Server, certificates, header, load, lookup, ok};

fn http(port: u16, settings: &str, calls: &str) -> String {
    format!(
        "services:\n  crm:\n    kind: http\n    base: http://127.0.0.1:{port}/v2\n{settings}    calls:\n{calls}"
    )
}

const BALANCE: &str = "      balance: {get: \"/people/${customer}/balance\", not_found: true, reply: {name: {class: personal, path: data.name}, \
                       balance: {class: personal, type: money, currency: EUR, path: data.balance}}}\n";

#[test]
fn a_call_gets_its_declared_fields_and_nothing_else() {
    let folder = Folder::new("fields");
    let server = Server::start(None, &[]);
    let calls = format!(
        "{BALANCE}      search: {{get: \"/search?phone=${{call.from}}\", list: people, reply: {{customer: {{class: personal, path: id}}}}}}\n      \
         result: {{post: \"/people/${{customer}}/calls\", body: [level, topic]}}\n"
    );
    let crm = Asked::new(&folder, &http(server.port, "", &calls), &[]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C1001")]), "name=Ana Ruiz balance=1204.5 EUR");
    let request = server.request();
    assert_eq!(
        (request["method"].as_str(), request["target"].as_str()),
        (Some("GET"), Some("/v2/people/C1001/balance"))
    );
    assert_eq!(header(&request, "accept"), ["application/json"]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C9")]), "not found");
    assert_eq!(crm.ask("crm.search", &[("call.from", "+441234")]), "customer=C1001");
    assert_eq!(crm.ask("crm.search", &[("call.from", "1")]), "not found");
    assert_eq!(crm.ask("crm.search", &[("call.from", "2")]), "not found");
    let told = crm.ask("crm.result", &[("customer", "C1001"), ("level", "strong"), ("topic", "bal\"ance")]);
    assert_eq!(told, "");
    let requests: Vec<_> = (0..5).map(|_| server.request()).collect();
    assert_eq!(requests[4]["body"], "{\"level\":\"strong\",\"topic\":\"bal\\\"ance\"}");
    assert_eq!(header(&requests[4], "content-type"), ["application/json"]);
}

#[test]
fn what_an_argument_says_stays_in_its_place() {
    let folder = Folder::new("place");
    let server = Server::start(None, &[]);
    let crm = Asked::new(&folder, &http(server.port, "", BALANCE), &[]);
    for customer in ["../../admin", "..", "a/b", "a%2fb", "x\r\nX-Admin: 1", ""] {
        assert_eq!(crm.ask("crm.balance", &[("customer", customer)]), "unavailable", "{customer:?}");
    }
    assert_eq!(server.more(), 0, "nothing was sent");
    assert_eq!(crm.ask("crm.balance", &[("customer", "C 1?a=b#c @evil.example")]), "not found");
    let request = server.request();
    assert_eq!(request["target"], "/v2/people/C%201%3Fa%3Db%23c%20%40evil.example/balance");
    assert_eq!(header(&request, "host"), [format!("127.0.0.1:{}", server.port)]);
}

#[test]
fn secrets_go_into_their_headers_and_change_with_their_files() {
    let folder = Folder::new("auth");
    let server = Server::start(None, &[]);
    let call = "      auth: {get: /auth}\n";
    for (settings, secret) in [
        ("    auth: {bearer: \"secret:crm/token\"}\n", "t0ken\n"),
        ("    auth: {basic: \"secret:crm/token\"}\n", "user:pass"),
        ("    auth: {header: {X-Api-Key: \"secret:crm/token\"}}\n", "k3y"),
    ] {
        folder.secret("crm-token", b"wrong:one");
        let crm = Asked::new(&folder, &http(server.port, settings, call), &["crm/token"]);
        assert_eq!(crm.ask("crm.auth", &[]), "unavailable", "{settings}");
        folder.secret("crm-token", secret.as_bytes());
        assert_eq!(crm.ask("crm.auth", &[]), "", "{settings}");
        folder.secret("crm-token", b"two\nlines: 1");
        assert_eq!(crm.ask("crm.auth", &[]), "unavailable", "{settings}");
    }
    assert_eq!(server.more(), 6, "a secret that is no header is not sent");
}

fn https(port: u16, host: &str, settings: &str) -> String {
    format!(
        "services:\n  crm:\n    kind: http\n    base: https://{host}:{port}/v2\n{settings}    calls:\n{BALANCE}"
    )
}

#[test]
fn tls_is_verified_against_the_authority_that_is_named() {
    let folder = Folder::new("tls");
    certificates(&folder.0);
    let server = Server::start(Some(&folder.0), &[]);
    let customer = [("customer", "C1001")];
    for host in ["127.0.0.1", "localhost"] {
        let crm = Asked::new(&folder, &https(server.port, host, "    ca: ca.pem\n"), &[]);
        assert_eq!(crm.ask("crm.balance", &customer), "name=Ana Ruiz balance=1204.5 EUR", "{host}");
        assert_eq!(server.request()["target"], "/v2/people/C1001/balance");
    }
    // Signed by nobody the system knows; by another authority; for another name.
    let unknown = Asked::new(&folder, &https(server.port, "localhost", ""), &[]);
    assert_eq!(unknown.ask("crm.balance", &customer), "unavailable");
    let other = Folder::new("tls-other");
    certificates(&other.0);
    let wrong = Asked::new(&other, &https(server.port, "localhost", "    ca: ca.pem\n"), &[]);
    assert_eq!(wrong.ask("crm.balance", &customer), "unavailable");
    let renamed = Asked::new(&folder, &https(server.port, "127.0.0.2", "    ca: ca.pem\n"), &[]);
    assert_eq!(renamed.ask("crm.balance", &customer), "unavailable");
    assert_eq!(server.more(), 0, "no request left before the certificate was found to be right");
}

#[test]
fn a_service_may_want_a_certificate_of_ours() {
    let folder = Folder::new("mtls");
    certificates(&folder.0);
    let server = Server::start(Some(&folder.0), &["mtls"]);
    let settings = "    ca: ca.pem\n    auth: {mtls: \"secret:client.both\"}\n";
    let crm = Asked::new(&folder, &https(server.port, "localhost", settings), &["client.both"]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C1001")]), "name=Ana Ruiz balance=1204.5 EUR");
    let without = Asked::new(&folder, &https(server.port, "localhost", "    ca: ca.pem\n"), &[]);
    assert_eq!(without.ask("crm.balance", &[("customer", "C1001")]), "unavailable");
    assert_eq!(server.request()["method"], "GET");
    assert_eq!(server.more(), 0);
}

#[test]
fn a_card_goes_where_cards_are_accepted_once() {
    let folder = Folder::new("card");
    let server = Server::start(None, &[]);
    let call = "      charge: {post: /charges, body: {amount: \"${amount, number}\", card: \"${card}\"}, declined: true, reply: {receipt: \
                public}}\n";
    let pay = Asked::new(&folder, &http(server.port, "    accepts: [card]\n", call), &[]);
    for (number, expected) in [("4111111111111111", "receipt=R-1"), ("4111111111111112", "declined")] {
        let mut charge = lookup("crm.charge", &[("amount", "12.50 EUR")]);
        let secret = |text: &str| Secret::new(text.to_owned());
        charge.card = Some((
            "card".into(),
            Box::new(CardData { number: secret(number), expiry: secret("1230"), cvv: secret("123") }),
        ));
        charge.idempotency = Some("call-7".into());
        assert_eq!(pay.ask_for(charge), expected);
        let request = server.request();
        assert_eq!(header(&request, "idempotency-key"), ["call-7"]);
        let expected = format!(
            "{{\"amount\":12.50,\"card\":{{\"number\":\"{number}\",\"expiry\":\"1230\",\"cvv\":\"123\"}}}}"
        );
        assert_eq!(request["body"].as_str(), Some(expected.as_str()));
    }
}

#[test]
fn a_redirect_is_an_answer_of_no_use_and_never_followed() {
    let folder = Folder::new("redirect");
    let server = Server::start(None, &[]);
    let crm = Asked::new(&folder, &http(server.port, "", "      away: {get: /away}\n"), &[]);
    assert_eq!(crm.ask("crm.away", &[]), "unavailable");
    assert_eq!(server.request()["target"], "/v2/away");
    assert_eq!(server.more(), 0);
}

#[test]
fn what_no_server_should_do_is_unavailable_within_its_time() {
    let folder = Folder::new("faults");
    let big = format!("{{\"data\": \"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let endless =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"1\r\nx\r\n".repeat(100_000)]
            .concat();
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\": {".to_vec();
    let header = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), b"y".repeat(200_000), b"\r\n\r\n".to_vec()].concat();
    let quick = Duration::from_secs(10);
    let short = Duration::from_millis(400);
    for (name, act, timeout) in [
        ("silence", Act::Hang(Vec::new()), short),
        ("half a reply", Act::Hang(half.clone()), short),
        ("a reply cut off", Act::Say(half), quick),
        ("a reset", Act::Reset, quick),
        ("ten megabytes", ok(&big), quick),
        ("no end", Act::Say(endless), quick),
        ("a header without end", Act::Say(header), quick),
        ("no JSON", ok("<html>"), quick),
        ("no field", ok("{}"), quick),
        ("no HTTP", Act::Say(b"SSH-2.0-x\r\n".to_vec()), quick),
        ("a strange status", Act::Say(b"HTTP/1.1 999 Oops\r\nContent-Length: 2\r\n\r\n{}".to_vec()), quick),
        ("100 for ever", Act::Hang(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(3)), short),
    ] {
        let server = Scripted::start(vec![act]);
        let crm = Asked::new(&folder, &http(server.port, "    retry: {times: 0}\n", BALANCE), &[]);
        let mut balance = lookup("crm.balance", &[("customer", "C1")]);
        balance.timeout = timeout;
        let start = Instant::now();
        assert_eq!(crm.ask_for(balance), "unavailable", "{name}");
        assert!(start.elapsed() < timeout + Duration::from_secs(3), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn what_broke_is_tried_again_only_where_that_does_no_harm() {
    let folder = Folder::new("retry");
    let good = ok("{\"data\": {\"name\": \"Ana\", \"balance\": 1}}");
    let busy = Act::Say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec());
    let calls = format!("{BALANCE}      note: {{post: /notes, body: [text]}}\n");
    let settings = "    retry: {times: 2, only: [connect, lost, \"503\"]}\n";
    let server = Scripted::start(vec![Act::Reset, busy.clone(), good]);
    let crm = Asked::new(&folder, &http(server.port, settings, &calls), &[]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C1")]), "name=Ana balance=1 EUR");
    assert_eq!(server.asked.try_iter().count(), 3);
    for (key, times) in [(None, 1), (Some("note-1".to_owned()), 3)] {
        let server = Scripted::start(vec![busy.clone()]);
        let crm = Asked::new(&folder, &http(server.port, settings, &calls), &[]);
        let mut note = lookup("crm.note", &[("text", "x")]);
        note.idempotency = key;
        assert_eq!(crm.ask_for(note), "unavailable");
        let asked: Vec<String> = server.asked.try_iter().collect();
        assert_eq!(asked.len(), times, "a second order could be a second payment");
        assert!(
            times == 1
                || asked.iter().all(|head| head.to_ascii_lowercase().contains("idempotency-key: note-1"))
        );
    }
}

#[test]
fn a_service_that_fails_is_left_alone_and_asked_again_later() {
    let folder = Folder::new("breaker");
    let broken = Act::Say(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec());
    let missing = Act::Say(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec());
    let good = ok("{\"data\": {\"name\": \"Ana\", \"balance\": 1}}");
    let server =
        Scripted::start(vec![missing.clone(), missing.clone(), missing, broken.clone(), broken, good]);
    let settings = "    breaker: {open_after: 2, for: 300ms}\n";
    let crm = Asked::new(&folder, &http(server.port, settings, BALANCE), &[]);
    let ask = || crm.ask("crm.balance", &[("customer", "C1")]);
    assert_eq!([ask(), ask(), ask()], ["not found"; 3], "no such customer is no failure");
    assert_eq!([ask(), ask()], ["unavailable"; 2]);
    let open = Instant::now();
    assert_eq!([ask(), ask(), ask()], ["unavailable"; 3]);
    assert_eq!(server.asked.try_iter().count(), 5, "it is left alone");
    while open.elapsed() < Duration::from_millis(320) {
        std::thread::yield_now();
    }
    assert_eq!(ask(), "name=Ana balance=1 EUR");
}

#[test]
fn a_reply_is_used_again_while_its_time_lasts_and_until_something_is_written() {
    let folder = Folder::new("cache");
    let server = Server::start(None, &[]);
    let calls = BALANCE.replace("not_found: true", "cache: {for: 60s}, not_found: true")
        + "      note: {post: \"/people/${customer}/notes\", body: [text]}\n";
    let crm = Asked::new(&folder, &http(server.port, "", &calls), &[]);
    let balance = || crm.ask("crm.balance", &[("customer", "C1001")]);
    assert_eq!([balance(), balance(), balance()], ["name=Ana Ruiz balance=1204.5 EUR"; 3]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C9")]), "not found");
    let targets = |many: usize| {
        (0..many).map(|_| server.request()["target"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(targets(2), ["/v2/people/C1001/balance", "/v2/people/C9/balance"]);
    let mut fresh = lookup("crm.balance", &[("customer", "C1001")]);
    fresh.cache = Some(Duration::ZERO);
    assert_eq!(crm.ask_for(fresh), "name=Ana Ruiz balance=1204.5 EUR");
    assert_eq!(targets(1), ["/v2/people/C1001/balance"], "this step wants no old reply");
    assert_eq!(balance(), "name=Ana Ruiz balance=1204.5 EUR");
    assert_eq!(crm.ask("crm.note", &[("customer", "C1001"), ("text", "x")]), "");
    assert_eq!(balance(), "name=Ana Ruiz balance=1204.5 EUR");
    assert_eq!(targets(2), ["/v2/people/C1001/notes", "/v2/people/C1001/balance"]);
    assert_eq!(server.more(), 0);
}

#[test]
fn nobody_listens_on_the_port_and_the_answer_is_quick() {
    let folder = Folder::new("refused");
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let crm = Asked::new(&folder, &http(port, "", BALANCE), &[]);
    let start = Instant::now();
    assert_eq!(crm.ask("crm.balance", &[("customer", "C1")]), "unavailable");
    assert!(start.elapsed() < Duration::from_secs(3));
    let outside = "services:\n  crm:\n    kind: http\n    base: http://192.0.2.1\n    plain: true\n    calls:\n      any: {get: /x}\n";
    let crm = Asked::new(&folder, outside, &[]);
    let start = Instant::now();
    assert_eq!(crm.ask("crm.any", &[]), "unavailable", "no private address: not even tried");
    assert!(start.elapsed() < Duration::from_secs(2));
}

const DATABASE: &str = r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("""
create table accounts (id integer primary key, customer text, phone text, balance real, vip integer, photo blob);
insert into accounts values (7, 'C1001', '+441', 1204.5, 1, x'00'), (8, 'C1002', '+442', 3, 0, null), (9, 'C1003', '+442', 4, 0, null);
create table notes (customer text not null, text text not null check (length(text) < 100));
""")
"#;

const SQL: &str = r#"services:
  crm:
    kind: sql
    path: crm.db
    calls:
      balance:
        query: "select balance, id as account, vip from accounts where customer = :customer"
        not_found: true
        reply: {balance: {class: personal, type: money, currency: EUR}, number: {class: personal, type: digits, path: account}}
      by_id: {query: "select customer from accounts where id = :id", reply: {customer: personal}}
      by_phone: {query: "select customer from accounts where phone = :call_from", reply: {customer: personal}}
      photo: {query: "select photo from accounts where id = :id", reply: {photo: personal}}
      note: {execute: "insert into notes values (:customer, :text)"}
      forget: {execute: "delete from notes where customer = :customer", not_found: true}
      last: {query: "select text from notes where customer = :customer order by rowid desc limit 1", reply: {text: personal}}
      slow: {query: "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) as x from n", reply: {x: public}}
"#;

fn database(folder: &Folder) {
    let done = Command::new("python3").args(["-c", DATABASE]).arg(folder.0.join("crm.db")).status();
    assert!(done.expect("python3 is needed for these tests").success());
}

#[test]
fn a_database_made_by_others_is_asked_and_changed() {
    let folder = Folder::new("sql");
    database(&folder);
    let crm = Asked::new(&folder, SQL, &[]);
    assert_eq!(crm.ask("crm.balance", &[("customer", "C1001")]), "balance=1204.5 EUR number=7");
    assert_eq!(crm.ask("crm.balance", &[("customer", "C9")]), "not found");
    assert_eq!(crm.ask("crm.by_id", &[("id", "8")]), "customer=C1002", "a column of numbers takes digits");
    assert_eq!(crm.ask("crm.by_phone", &[("call_from", "+441")]), "customer=C1001");
    assert_eq!(crm.ask("crm.by_phone", &[("call_from", "+442")]), "many");
    assert_eq!(crm.ask("crm.photo", &[("id", "7")]), "unavailable");
    assert_eq!(crm.ask("crm.photo", &[("id", "8")]), "unavailable");
    assert_eq!(crm.ask("crm.forget", &[("customer", "C1001")]), "not found");
    for text in ["hello", "'); drop table notes; --", "\" or 1=1", ":customer"] {
        assert_eq!(crm.ask("crm.note", &[("customer", "C1001"), ("text", text)]), "");
        assert_eq!(crm.ask("crm.last", &[("customer", "C1001")]), format!("text={text}"));
    }
    assert_eq!(crm.ask("crm.note", &[("customer", "C1001"), ("text", &"x".repeat(100))]), "unavailable");
    assert_eq!(crm.ask("crm.forget", &[("customer", "C1001")]), "");
    assert_eq!(crm.ask("crm.balance", &[("customer", "' or 1=1 --")]), "not found");
    assert_eq!(crm.ask("crm.balance", &[]), "unavailable");
}

#[test]
fn a_statement_that_takes_too_long_is_ended_and_the_next_one_runs() {
    let folder = Folder::new("slow");
    database(&folder);
    let crm = Asked::new(&folder, SQL, &[]);
    let mut slow = lookup("crm.slow", &[]);
    slow.timeout = Duration::from_millis(200);
    let start = Instant::now();
    assert_eq!(crm.ask_for(slow), "unavailable");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(crm.ask("crm.by_id", &[("id", "8")]), "customer=C1002");
}

#[test]
fn what_sqlite_does_not_take_is_told_before_any_call() {
    let folder = Folder::new("statements");
    database(&folder);
    let with = |call: &str| {
        format!("services:\n  crm:\n    kind: sql\n    path: crm.db\n    calls:\n      any: {call}\n")
    };
    for (call, code, says) in [
        (
            "{query: \"select balanse from accounts where customer = :c\", reply: {balanse: personal}}",
            "E247",
            "no such column",
        ),
        (
            "{query: \"select balance from accounts\", reply: {balanse: personal}}",
            "E252",
            "did you mean `balance`?",
        ),
        ("{query: \"delete from accounts\"}", "E247", "this `query` writes"),
        ("{query: \"selct 1\"}", "E247", "syntax error"),
    ] {
        let told = load(&folder.0, &with(call)).err().unwrap_or_default();
        assert!(
            told.contains(code) && told.contains(says) && told.contains("services.yaml:6"),
            "{call}\n{told}"
        );
    }
    let told = load(&folder.0, &with("{query: \"select 1\"}").replace("crm.db", "none.db"))
        .err()
        .unwrap_or_default();
    assert!(told.contains("E257") && told.contains("none.db"), "{told}");
    assert!(!folder.0.join("none.db").exists(), "nothing is made by looking");
}

#[test]
fn a_table_may_have_several_keys() {
    let folder = Folder::new("table");
    std::fs::write(
        folder.0.join("cards.csv"),
        "customer,card,state\nC1,1,open\nC1,2,lost\nC2,1,open\nC2,1,lost\n",
    )
    .expect("a file");
    let services = "services:\n  cards:\n    kind: table\n    calls:\n      state: {table: cards.csv, key: [customer, card], not_found: true, \
                    reply: {state: public}}\n";
    let cards = Asked::new(&folder, services, &[]);
    for (customer, card, expected) in
        [("C1", "2", "state=lost"), ("C1", "3", "not found"), ("C2", "2", "not found"), ("C2", "1", "many")]
    {
        assert_eq!(cards.ask("cards.state", &[("customer", customer), ("card", card)]), expected);
    }
    assert_eq!(cards.ask("cards.state", &[("customer", "C1")]), "unavailable");
}

/// The examples of the manual, by what they begin with.
fn examples(page: &str, first: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).expect("the manual");
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.starts_with(first)).map(|block| format!("{block}\n")).collect()
}

#[test]
fn every_example_of_the_manual_is_read() {
    let folder = Folder::new("manual");
    std::fs::create_dir(folder.0.join("data")).expect("a folder");
    std::fs::write(folder.0.join("data/customers.csv"), "customer,name,balance\n").expect("a table");
    let script = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).executescript('create table accounts (customer, phone, balance, opened); \
                  create table calls (customer, topic)')";
    let done = Command::new("python3").args(["-c", script]).arg(folder.0.join("data/crm.db")).status();
    assert!(done.expect("python3 is needed for these tests").success());
    let mut read = 0;
    for page in ["services.md", "flows.md"] {
        for example in examples(page, "services:") {
            let told = load(&folder.0, &example).err();
            assert_eq!(told, None, "{page}\n{example}");
            read += 1;
        }
    }
    assert_eq!(read, 4, "the manual has its examples");
    let secrets = examples("services.md", "secrets:").remove(0);
    let data = folder.0.join("site");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("countersign.yaml"), secrets).expect("settings");
    let config = countersign::driver::config::Config::read(&data).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.secrets.len(), 3);
}

/// A small generator of our own: the same mutations on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX multiplier; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides.max(1)
    }
}

#[test]
fn no_mutation_of_the_manuals_services_makes_the_check_panic() {
    const PIECES: [&str; 20] = [
        "${", "}", "..", "/", "%", "secret:", "http://", "@", "[", "]", "{", ":", "é", "\u{0}", "\"", "'",
        "--", "/*", "0", "\n",
    ];
    let folder = Folder::new("mutations");
    let mut dice = Dice(20_261_122);
    let mut refused = 0;
    for example in examples("services.md", "services:") {
        // A database is opened for each: that is another test's matter.
        let example = example.replace("kind: sql", "kind: http\n    base: https://x.example");
        for example in
            [example.clone(), example.replace("kind: http\n    base: https://x.example", "kind: sql")]
        {
            for _ in 0..150 {
                let mut text = example.clone();
                for _ in 0..=dice.roll(2) {
                    let floor = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    let (at, to) = (floor(dice.roll(text.len())), floor(dice.roll(text.len())));
                    let to = if to >= at && to - at < 12 { to } else { at };
                    let piece = PIECES[dice.roll(PIECES.len())];
                    text.replace_range(at..to, piece);
                }
                refused += usize::from(load(&folder.0, &text).is_err());
            }
        }
    }
    assert!(refused > 300, "only {refused} mutations were noticed");
}
