//! Letters through servers made by others: a mail server of aiosmtpd, a carrier of node-smpp.
//!
//! They run when COUNTERSIGN_PEERS=1 says that these programs are there: `.ci/run` puts them into `target/peers`, or
//! COUNTERSIGN_PEERS_TOOLS says where they are.
#![expect(clippy::disallowed_methods, reason = "servers in processes of their own need clocks and threads")]
#![expect(clippy::print_stderr, reason = "figures are for whoever runs the tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use countersign::auth::SubjectKey;
use countersign::driver::os;
use countersign::driver::secrets::{SecretConfig, Secrets};
use countersign::driver::sender::{
    Accepted, Channel, Code, Letter, LetterId, NotTaken, Purpose, Report, Sender, SenderConfig, Status,
};
use countersign::secret::Secret;
use serde_json::Value;

/// Whether other people's programs are to be used.
fn peers(test: &str) -> bool {
    let wanted = std::env::var("COUNTERSIGN_PEERS").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!("{test}: skipped, since COUNTERSIGN_PEERS is not 1 (it needs aiosmtpd and node-smpp)");
    }
    wanted
}

fn tools() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    std::env::var_os("COUNTERSIGN_PEERS_TOOLS").map_or(beside, PathBuf::from)
}

const PASSWORD: &str = "s3cret-8";

/// A server in a process of its own, that ends with this, and what it says line by line.
struct Server {
    child: Child,
    _stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str, mut command: Command, folder: PathBuf) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = child.stdout.take().expect("piped");
        let (told, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = told.send(serde_json::from_str(&line).unwrap_or(Value::Null));
            }
        });
        let stdin = child.stdin.take();
        Self { child, _stdin: stdin, lines, folder }
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(20)).expect("the server says something")
    }

    /// The next line that has this name.
    fn next_with(&self, name: &str) -> Value {
        loop {
            let line = self.next();
            if !line[name].is_null() {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("countersign-senders-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn secrets(folder: &Path) -> Arc<Secrets> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(folder.join("password"), PASSWORD).expect("a file");
    fs::set_permissions(folder.join("password"), fs::Permissions::from_mode(0o600)).expect("permissions");
    fs::write(folder.join("wrong"), "wrong").expect("a file");
    fs::set_permissions(folder.join("wrong"), fs::Permissions::from_mode(0o600)).expect("permissions");
    let place = |file: &str| SecretConfig { file: Some(file.into()), ..SecretConfig::default() };
    let places = [("right", "password"), ("wrong", "wrong")];
    Arc::new(Secrets::new(folder, places.map(|(name, file)| (name.to_owned(), place(file))).into()))
}

fn open(yaml: &str, secrets: &Arc<Secrets>) -> (Box<dyn Sender>, Receiver<Report>) {
    let config: SenderConfig = serde_saphyr::from_str(yaml).expect("settings");
    config.check().expect("usable");
    let (told, reports) = sync_channel(100);
    let take = Arc::new(move |report| told.try_send(report).expect("few"));
    (config.open(secrets, take).expect("opens"), reports)
}

fn letter(channel: Channel, to: &str, text: &str) -> Letter {
    Letter {
        channel,
        to: Secret::new(to.to_owned()),
        subject: SubjectKey([1; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new(text.to_owned()),
        code: None,
        title: Some("Your code".to_owned()),
        purpose: Purpose::Code,
        until: os::unix_now().plus(Duration::from_secs(600)),
    }
}

fn deliver(sender: &dyn Sender, number: u8, letter: &Letter) -> Result<Accepted, NotTaken> {
    sender.deliver(LetterId([number; 16]), letter, os::now() + Duration::from_secs(10))
}

fn mail_server() -> (Server, [u64; 2]) {
    let folder = scratch("mail");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    let mut command = Command::new(tools().join("bin/python3"));
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders/smtpd.py"))
        .arg(&folder)
        .arg(PASSWORD);
    let server = Server::start("aiosmtpd", command, folder);
    let ports = server.next()["ports"].clone();
    let port = |at: usize| ports[at].as_u64().expect("a port");
    (server, [port(0), port(1)])
}

/// The mails in the mailbox.
fn mailbox(server: &Server) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let found = fs::read_dir(server.folder.join("box/new")).into_iter().flatten().flatten();
        let mails: Vec<String> = found.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
        if !mails.is_empty() || Instant::now() > until {
            return mails;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_code_is_fetched_out_of_the_mailbox_of_a_real_mail_server() {
    if !peers("mail") {
        return;
    }
    let (server, [starttls, implicit]) = mail_server();
    let secrets = secrets(&server.folder);
    let ca = server.folder.join("cert.pem");
    let sender = |port, more: &str| {
        let yaml = format!(
            "{{name: mail, smtp: {{server: localhost, port: {port}, from: no-reply@bank.example, ca: {}, user: ivr, {more}}}}}",
            ca.display()
        );
        open(&yaml, &secrets).0
    };
    let code = letter(Channel::Email, "amelia@customer.example", "Your code is 804215.\n.and a dot");
    for (port, tls) in [(starttls, "starttls"), (implicit, "implicit")] {
        let begun = Instant::now();
        deliver(&*sender(port, &format!("tls: {tls}, password: right")), 1, &code).expect("taken");
        eprintln!("mail by {tls}: {} ms", begun.elapsed().as_millis());
        let mails = mailbox(&server);
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(mails[0].contains("Your code is 804215.\n.and a dot\n"), "{}", mails[0]);
        assert!(mails[0].contains("Subject: Your code\n"), "{}", mails[0]);
        fs::remove_dir_all(server.folder.join("box/new")).expect("a mailbox");
        fs::create_dir(server.folder.join("box/new")).expect("a mailbox");
    }
    let right = |more: &str| sender(starttls, more);
    let refused = deliver(&*right("password: wrong"), 2, &code);
    assert_eq!(refused, Err(NotTaken::Credentials(Code::Smtp(535))));
    let nobody = letter(Channel::Email, "nobody@customer.example", "Your code is 804215.");
    assert_eq!(deliver(&*right("password: right"), 3, &nobody), Err(NotTaken::Address(Code::Smtp(550))));
    // A certificate of somebody that nobody here trusts.
    let yaml = format!(
        "{{name: mail, smtp: {{server: localhost, port: {starttls}, from: a@b.example, user: ivr, password: right}}}}"
    );
    assert_eq!(deliver(&*open(&yaml, &secrets).0, 4, &code), Err(NotTaken::Tls));
}

#[test]
fn the_command_for_admins_sends_a_test_letter_and_says_what_came_back() {
    if !peers("senders test") {
        return;
    }
    let (server, [starttls, _]) = mail_server();
    secrets(&server.folder);
    let settings = format!(
        "secrets: {{right: {{file: password}}}}\nsenders:\n  - {{name: mail, smtp: {{server: localhost, port: {starttls}, from: \
         no-reply@bank.example, ca: {}, user: ivr, password: right}}}}\n",
        server.folder.join("cert.pem").display()
    );
    fs::write(server.folder.join("countersign.yaml"), settings).expect("settings");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let done =
            command.arg("senders").args(arguments).arg("--data").arg(&server.folder).output().expect("runs");
        let text = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (done.status.code(), text.concat())
    };
    let (status, told) = run(&["test", "mail", "--to", "amelia@customer.example"]);
    assert!(status == Some(0) && told.contains("email by `mail`: accepted in "), "{told}");
    assert!(mailbox(&server)[0].contains("This is a test of the sender mail."));
    let (status, told) = run(&["test", "mail", "--to", "nobody@customer.example"]);
    assert!(status == Some(2) && told.contains("does not take this address (SMTP 550)"), "{told}");
    let (status, told) = run(&["test", "mail", "--to", "not an address"]);
    assert!(status == Some(2) && told.contains("help:"), "{told}");
    let (status, told) = run(&["list"]);
    assert!(status == Some(0) && told.contains("smtp") && told.contains("email"), "{told}");
}

fn carrier() -> (Server, u64) {
    let folder = scratch("carrier");
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders/smsc.js")).arg(PASSWORD);
    command.env("NODE_PATH", tools().join("node_modules"));
    let server = Server::start("node-smpp", command, folder);
    let port = server.next()["port"].as_u64().expect("a port");
    (server, port)
}

fn bound(server: &Server, port: u64, secret: &str) -> (Box<dyn Sender>, Receiver<Report>) {
    let yaml = format!(
        "{{name: carrier, smpp: {{server: 127.0.0.1, port: {port}, tls: false, system_id: bank, password: {secret}, from: Bank, \
         enquire_seconds: 5}}}}"
    );
    open(&yaml, &secrets(&server.folder))
}

fn reported(reports: &Receiver<Report>) -> (Option<LetterId>, Status, Option<u32>) {
    let report = reports.recv_timeout(Duration::from_secs(10)).expect("a report");
    (report.letter, report.status, report.code)
}

#[test]
fn short_messages_reach_a_carrier_made_by_others_and_its_receipts_come_back() {
    if !peers("carrier") {
        return;
    }
    let (server, port) = carrier();
    let (sender, reports) = bound(&server, port, "right");
    assert_eq!(server.next_with("bind")["known"], true);
    let sms = |to: &str, text: &str| letter(Channel::Sms, to, text);
    let begun = Instant::now();
    let accepted = deliver(&*sender, 1, &sms("+447400123400", "Your code is 804215 {€}")).expect("taken");
    eprintln!("short message: {} ms", begun.elapsed().as_millis());
    let told = server.next_with("id");
    assert_eq!(accepted.reference.as_deref(), told["id"].as_str());
    assert_eq!(told["text"], "Your code is 804215 {€}");
    assert_eq!((&told["to"], &told["from"]), (&"447400123400".into(), &"Bank".into()));
    assert_eq!(
        (&told["ton"], &told["coding"], &told["receipt"]),
        (&serde_json::json!([5, 1]), &0.into(), &1.into())
    );
    assert_eq!(reported(&reports), (Some(LetterId([1; 16])), Status::Delivered, None));
    assert_eq!(server.next_with("receipted")["receipted"], 0);

    // Other alphabets, and parts that the other side joins.
    let cyrillic = "Ваш код для входа: 804215. Никому его не сообщайте, даже сотрудникам банка. 😀 Спасибо!";
    deliver(&*sender, 2, &sms("+447400123400", cyrillic)).expect("taken");
    let parts: Vec<Value> = (0..2).map(|_| server.next_with("id")).collect();
    let joined: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    assert_eq!(joined, cyrillic);
    let heads: Vec<&str> = parts.iter().filter_map(|part| part["udh"][0].as_str()).collect();
    assert_eq!(heads, ["0003020201", "0003020202"]);
    assert_eq!(reported(&reports), (Some(LetterId([2; 16])), Status::Delivered, None));

    // What the carrier refuses, throttles, and can't deliver.
    assert_eq!(deliver(&*sender, 3, &sms("+447400123411", "x")), Err(NotTaken::Address(Code::Smpp(0x0B))));
    assert_eq!(deliver(&*sender, 4, &sms("+447400123422", "x")), Err(NotTaken::Throttled(Code::Smpp(0x58))));
    deliver(&*sender, 4, &sms("+447400123422", "x")).expect("taken");
    assert_eq!(reported(&reports), (Some(LetterId([4; 16])), Status::Delivered, None));
    deliver(&*sender, 5, &sms("+447400123433", "x")).expect("taken");
    assert_eq!(reported(&reports), (Some(LetterId([5; 16])), Status::Failed, Some(69)));

    // Many at once keep their pace and their names.
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 10..30_u8 {
            let sender = &sender;
            scope.spawn(move || {
                deliver(&**sender, number, &letter(Channel::Sms, "+447400123444", "x")).expect("taken")
            });
        }
    });
    let took = begun.elapsed();
    eprintln!("20 short messages at 10 a second: {} ms", took.as_millis());
    assert!(took >= Duration::from_millis(1700), "{took:?}");
    server.next_with("enquired");
    drop(sender);
    server.next_with("unbind");
}

#[test]
fn a_carrier_that_is_gone_or_knows_us_not_is_told_at_once_and_bound_again_when_it_is_back() {
    if !peers("carrier again") {
        return;
    }
    let (server, port) = carrier();
    let (sender, _) = bound(&server, port, "wrong");
    assert_eq!(server.next_with("bind")["known"], false);
    let sms = letter(Channel::Sms, "+447400123444", "x");
    let until = Instant::now() + Duration::from_secs(20);
    let mut answer = deliver(&*sender, 1, &sms);
    while answer != Err(NotTaken::Credentials(Code::Smpp(0x0E))) && Instant::now() < until {
        answer = deliver(&*sender, 1, &sms);
    }
    assert_eq!(answer, Err(NotTaken::Credentials(Code::Smpp(0x0E))));
    drop(sender);
    let (sender, _) = bound(&server, port, "right");
    deliver(&*sender, 1, &sms).expect("taken");
    drop(server);
    let until = Instant::now() + Duration::from_secs(20);
    while deliver(&*sender, 1, &sms).is_ok() && Instant::now() < until {}
    let begun = Instant::now();
    assert!(deliver(&*sender, 1, &sms).is_err());
    assert!(begun.elapsed() < Duration::from_secs(5), "another sender is tried soon");
}
