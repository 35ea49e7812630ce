//! The program at the hands of an admin: what goes wrong is said with what, where and what to do, ends with
//! exit status 2, and leaves nothing half made; what goes right is done.

mod site;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Output, Stdio};

use site::{ACCOUNT, Folder, PHONE_ON_FILE, PIN, countersign, root, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ended as an admin's error whose message has all of `says`; nothing went to standard output.
#[track_caller]
fn refused(output: &Output, says: &[&str]) {
    let (told, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{told}\n{error}");
    assert!(error.contains("error"), "{error}");
    assert!(!error.contains("panicked") && !error.contains("Error {"), "{error}");
    for says in says {
        assert!(error.contains(says), "does not say `{says}`: {error}");
    }
}

/// Ended well; gives what it said.
#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Runs with `input` at standard input.
fn piped(arguments: &[&str], input: &str) -> Output {
    let mut command = countersign(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// A copy of the bank whose flow is changed.
fn changed_bank(folder: &Folder, from: &str, to: &str) -> String {
    let bank = folder.file("bank");
    for part in ["", "prompts", "data"] {
        fs::create_dir_all(bank.join(part)).expect("made");
        for entry in fs::read_dir(root().join("flows/bank").join(part)).expect("the bank") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::copy(&path, bank.join(part).join(path.file_name().expect("a name"))).expect("copied");
            }
        }
    }
    let flow = bank.join("bank.flow.yaml");
    let before = fs::read_to_string(&flow).expect("a flow");
    assert!(before.contains(from));
    fs::write(&flow, before.replacen(from, to, 1)).expect("written");
    display(&bank)
}

/// What becomes of a server that can't start; one that starts after all is ended and shows by its greeting.
fn serve(application: Option<&str>, data: &str, sip: &str) -> Output {
    let mut arguments =
        vec!["serve", "--sip", sip, "--data", data, "--shards", "1", "--rtp-ports", "45900-45999"];
    arguments.extend(application);
    let mut command = countersign(&arguments);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut greeting = String::new();
    while lines.read_line(&mut greeting).expect("its output") > 0 {
        if greeting.contains("ready;") {
            child.kill().expect("killed");
        }
    }
    let mut output = child.wait_with_output().expect("it ends");
    output.stdout = greeting.into_bytes();
    output
}

const ANY: &str = "127.0.0.1:0";

/// A data folder with one customer.
fn with_customer(folder: &Folder) -> String {
    let data = display(&folder.file("data"));
    let added =
        run(&["subject", "add", "C1001", "--account", ACCOUNT, "--phone", PHONE_ON_FILE, "--data", &data]);
    assert!(done(&added).contains("C1001 is added"));
    data
}

#[test]
fn a_flow_error_is_shown_with_file_line_and_caret_and_nothing_starts() {
    let folder = Folder::new("cli-flow");
    let data = display(&folder.file("data"));
    // A caller who failed gets to the balance, and nothing stands before it any more.
    let bank = changed_bank(&folder, "not_proved: {goto: agent}", "not_proved: {goto: balance}");
    let flow = Path::new(&bank).join("bank.flow.yaml");
    let text_before = fs::read_to_string(&flow).expect("a flow");
    fs::write(&flow, text_before.replacen("    - require: basic\n", "", 1)).expect("written");
    let output = run(&["check", &bank]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stdout);
    for says in ["bank.flow.yaml:", "accounts.balance", "^", "help", "can't be served"] {
        assert!(told.contains(says), "{told}");
    }
    refused(&serve(Some(&bank), &data, ANY), &["bank.flow.yaml:", "accounts.balance", "help"]);
    assert!(!Path::new(&data).exists(), "no data folder was made");
}

#[test]
fn prompts_that_are_not_there_are_named_before_any_call() {
    let folder = Folder::new("cli-prompt");
    let data = display(&folder.file("data"));
    let bank = changed_bank(&folder, "- say: greeting", "- say: hello_there");
    refused(&serve(Some(&bank), &data, ANY), &["hello_there", "bank.flow.yaml:"]);
    // In the catalogues, but nobody has spoken it.
    for (language, words) in [("en-GB", "Hello there."), ("es-ES", "Hola.")] {
        let catalogue = Path::new(&bank).join("prompts").join(format!("{language}.yaml"));
        let before = fs::read_to_string(&catalogue).expect("a catalogue");
        fs::write(
            &catalogue,
            before.replacen("prompts:\n", &format!("prompts:\n  hello_there: \"{words}\"\n"), 1),
        )
        .expect("written");
    }
    refused(&serve(Some(&bank), &data, ANY), &["en-GB/hello_there", "es-ES/hello_there", "audio"]);
    assert!(!Path::new(&data).exists(), "no data folder was made");
}

#[test]
fn an_application_that_is_not_there_is_an_error() {
    let folder = Folder::new("cli-none");
    let data = display(&folder.file("data"));
    let nowhere = display(&folder.file("nowhere"));
    refused(&serve(Some(&nowhere), &data, ANY), &[&nowhere, "help:", "*.flow.yaml"]);
    refused(&run(&["check", &nowhere]), &[&nowhere, "help:"]);
    assert!(!Path::new(&data).exists());
}

#[test]
fn a_port_in_use_is_an_error_and_no_keys_are_made() {
    let folder = Folder::new("cli-port");
    let data = folder.file("data");
    let udp = UdpSocket::bind(ANY).expect("a port");
    let taken = udp.local_addr().expect("its address").to_string();
    refused(&serve(None, &display(&data), &taken), &[&taken, "UDP", "--sip"]);
    let tcp = TcpListener::bind(ANY).expect("a port");
    let taken = tcp.local_addr().expect("its address").to_string();
    refused(&serve(None, &display(&data), &taken), &[&taken, "TCP", "--sip"]);
    for file in ["master.key", "pepper.key", "countersign.db", "demo-credentials.txt"] {
        assert!(!data.join(file).exists(), "{file} was made");
    }
}

#[test]
fn bad_settings_are_an_error_with_their_place_and_no_keys_are_made() {
    let folder = Folder::new("cli-settings");
    let data = display(folder.path());
    let settings = folder.file("countersign.yaml");
    for (yaml, says) in [
        ("trunk: []\n", vec!["trunk", "line 1"]),
        (
            "queues: {cards: {}, general: {}, payments: {}}\ntrunks:\n  - {name: x, addresses: [\"1.2.3\"]}\n",
            vec!["1.2.3", "help:"],
        ),
        ("limits: {calls: many}\n", vec!["calls", "line 1"]),
        ("agents:\n  - {name: ana, queues: [sales]}\n", vec!["ana", "sales", "help:"]),
        ("queues: {sales: {}}\n", vec!["queue `", "help:", "queues:"]),
    ] {
        fs::write(&settings, yaml).expect("written");
        let output = serve(None, &data, ANY);
        refused(&output, &says);
        refused(&output, &[&display(&settings)]);
        assert!(!folder.file("master.key").exists() && !folder.file("countersign.db").exists(), "{yaml}");
    }
}

#[test]
fn a_damaged_database_a_missing_key_and_a_wrong_key_are_errors() {
    let folder = Folder::new("cli-store");
    let data = with_customer(&folder);
    let path = |name: &str| folder.file("data").join(name);

    let key = fs::read(path("pepper.key")).expect("a key");
    fs::remove_file(path("pepper.key")).expect("removed");
    refused(&serve(None, &data, ANY), &["pepper", &display(&path("pepper.key")), "backup"]);
    assert!(!path("pepper.key").exists(), "a missing key is not made anew");

    let other = Folder::new("cli-store-other");
    let other_data = with_customer(&other);
    fs::copy(Path::new(&other_data).join("pepper.key"), path("pepper.key")).expect("copied");
    refused(&serve(None, &data, ANY), &["pepper", &display(&path("pepper.key")), "help:"]);
    fs::write(path("pepper.key"), "not a key\n").expect("written");
    refused(&serve(None, &data, ANY), &["not a key file", &display(&path("pepper.key")), "help:"]);
    fs::write(path("pepper.key"), &key).expect("written");
    done(&run(&["subject", "show", "--data", &data]));

    // Ten damaged pages in the middle, and then a file of another kind.
    let database = fs::read(path("countersign.db")).expect("bytes");
    fs::write(
        path("countersign.db"),
        b"this is a text file, and long enough to be looked at as a header.........",
    )
    .expect("written");
    for output in [serve(None, &data, ANY), run(&["subject", "show", "--data", &data])] {
        refused(&output, &[&display(&path("countersign.db")), "can't be read", "help:", "backup"]);
    }
    fs::write(path("countersign.db"), &database).expect("written");
    done(&run(&["subject", "show", "C1001", "--data", &data]));
}

#[test]
fn one_changed_byte_of_the_audit_log_is_named_with_its_record() {
    let folder = Folder::new("cli-audit");
    let data = with_customer(&folder);
    done(&run(&["enrol", "totp", "C1001", "--data", &data]));
    done(&run(&["agent", "password", "ana", "--data", &data]));
    let verify = || run(&["audit", "verify", "--data", &data]);
    assert!(done(&verify()).contains("3 audit records"));
    let log = folder.file("data").join("audit.jsonl");
    let before = fs::read_to_string(&log).expect("text");
    let at = before.find("enrolled").expect("the second record says so");
    fs::write(&log, format!("{}E{}", &before[..at], &before[at + 1..])).expect("written");
    refused(&verify(), &["audit.jsonl", "record 2", "help:"]);
    fs::write(&log, before.lines().take(2).map(|line| format!("{line}\n")).collect::<String>())
        .expect("written");
    refused(&verify(), &["record 3", "cut off"]);
    fs::write(&log, before).expect("written");
    assert!(done(&verify()).contains("3 audit records"));
}

#[test]
fn customers_are_added_imported_shown_masked_and_removed() {
    let folder = Folder::new("cli-subjects");
    let data = with_customer(&folder);
    let show = |id: &str| run(&["subject", "show", id, "--data", &data]);
    let shown = done(&show("C1001"));
    assert!(
        shown.contains("021") && !shown.contains(ACCOUNT) && !shown.contains(&PHONE_ON_FILE[1..]),
        "{shown}"
    );
    let again = run(&[
        "subject",
        "add",
        "C1001",
        "--account",
        "44110039",
        "--phone",
        "+441632960102",
        "--data",
        &data,
    ]);
    refused(&again, &["already"]);

    let csv = folder.file("people.csv");
    let head = "subject,account,phone,name,language,pin\n";
    fs::write(
        &csv,
        format!("{head}C2,44110039,+441632960102,Ben,en-GB,{PIN}\nC3,xy,+441632960103,Cy,en-GB,\n"),
    )
    .expect("written");
    let import = || run(&["subject", "import", &display(&csv), "--data", &data]);
    let output = import();
    refused(&output, &[&format!("{}:3:", display(&csv)), "account", "nothing was imported"]);
    assert!(!text(&output.stderr).contains(PIN));
    refused(&show("C2"), &["C2"]);
    fs::write(
        &csv,
        format!("{head}C2,44110039,+441632960102,Ben,en-GB,{PIN}\nC3,44110047,+441632960103,Cy,en-GB,\n"),
    )
    .expect("written");
    assert!(done(&import()).contains("2 customers are imported"));
    assert!(done(&show("C2")).contains("pin"));
    refused(
        &run(&["subject", "import", &display(&folder.file("none.csv")), "--data", &data]),
        &["none.csv", "help:"],
    );

    assert!(done(&run(&["subject", "erase", "C2", "--data", &data])).contains("C2 is erased"));
    refused(&show("C2"), &["C2", "help:"]);
    refused(&run(&["subject", "erase", "C2", "--data", &data]), &["C2", "help:"]);
    assert!(done(&run(&["audit", "verify", "--data", &data])).contains("audit records"));
}

#[test]
fn factors_are_enrolled_from_a_pipe_made_up_and_shown_as_a_code_to_scan() {
    let folder = Folder::new("cli-enrol");
    let data = with_customer(&folder);
    let pin = ["enrol", "pin", "C1001", "--data", &data];
    assert!(done(&piped(&pin, &format!("{PIN}\n"))).contains("C1001 has a PIN"));
    for (weak, why) in
        [("12345678\n", "pattern"), ("1234\n", "8"), ("44110021\n", "own account"), ("abcdefgh\n", "digits")]
    {
        let output = piped(&pin, weak);
        refused(&output, &[why]);
        assert!(
            !text(&output.stderr).contains(weak.trim()) || weak.trim() == "8",
            "what was typed is not shown"
        );
    }
    let made = done(&run(&["enrol", "pin", "C1001", "--generate", "--data", &data]));
    let made = made.trim().rsplit(' ').next().expect("a PIN").to_owned();
    assert!(made.len() == 8 && made.bytes().all(|byte| byte.is_ascii_digit()), "{made}");

    let app = done(&run(&["enrol", "totp", "C1001", "--issuer", "Example Bank", "--data", &data]));
    let uri = app.lines().find(|line| line.starts_with("otpauth://totp/")).unwrap_or_else(|| panic!("{app}"));
    for part in ["Example%20Bank", "C1001", "secret=", "issuer="] {
        assert!(uri.contains(part), "{uri}");
    }
    assert!(app.chars().filter(|c| "█▀▄".contains(*c)).count() > 300, "a QR code is drawn");
    assert!(done(&run(&["subject", "show", "C1001", "--data", &data])).contains("pin, totp"));
    refused(&run(&["enrol", "totp", "C9", "--data", &data]), &["C9", "help:"]);
    refused(&run(&["enrol", "pin", "C9", "--generate", "--data", &data]), &["C9", "help:"]);
}

#[test]
fn a_token_is_made_shown_once_replaced_and_revoked() {
    let folder = Folder::new("cli-token");
    let data = display(folder.path());
    let create = |scopes: &str, expires: &str| {
        run(&["token", "create", "--name", "crm", "--scopes", scopes, "--expires", expires, "--data", &data])
    };
    let made = done(&create("subjects:read,calls:read", "90d"));
    let shown = made.lines().next().expect("the token").to_owned();
    assert!(shown.starts_with("cst_") && shown.len() > 60, "{made}");
    let id = shown.split('_').nth(1).expect("a name").to_owned();
    let list = || done(&run(&["token", "list", "--data", &data]));
    assert!(list().contains(&id) && list().contains("subjects:read, calls:read"), "{}", list());
    assert!(!list().contains(&shown));
    let next = done(&run(&["token", "rotate", &id, "--overlap", "12h", "--data", &data]));
    assert!(next.starts_with("cst_") && next.contains("12 hour"), "{next}");
    done(&run(&["token", "revoke", &id, "--data", &data]));
    assert!(list().contains("REVOKED"), "{}", list());
    refused(&run(&["token", "rotate", &id, "--data", &data]), &["not good any more"]);
    refused(&create("everything", "90d"), &["subjects:read"]);
    refused(&create("subjects:read", "900d"), &["a year"]);
    refused(&create("subjects:read", "soon"), &["90d"]);
}

#[test]
fn a_mistyped_data_folder_is_an_error_and_is_not_made() {
    let folder = Folder::new("cli-typo");
    let typo = folder.file("dat");
    let data = display(&typo);
    for arguments in [
        vec!["subject", "show"],
        vec!["subject", "remove", "C1"],
        vec!["subject", "unlock", "C1", "--reason", "x"],
        vec!["token", "list"],
        vec!["token", "revoke", "x"],
        vec!["token", "rotate", "x"],
        vec!["enrol", "pin", "C1", "--generate"],
        vec!["enrol", "totp", "C1"],
        vec!["audit", "verify"],
        vec!["keys"],
    ] {
        let output = run(&[arguments.as_slice(), &["--data", &data]].concat());
        refused(&output, &[&data, "help:", "--data"]);
        assert!(!typo.exists(), "{arguments:?} made it");
    }
}

#[test]
fn agents_passwords_and_the_tokens_key_are_printed() {
    let folder = Folder::new("cli-agent");
    let data = with_customer(&folder);
    let told = done(&run(&["agent", "password", "ana", "--data", &data]));
    assert!(told.contains("user ana") && told.contains("realm countersign"), "{told}");
    refused(&run(&["agent", "password", "an a", "--data", &data]), &["agent's name"]);
    let keys = done(&run(&["keys", "--data", &data]));
    let keys: serde_json::Value = serde_json::from_str(&keys).expect("a JSON Web Key set");
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&"OKP".into(), &"Ed25519".into()));
    assert_eq!(keys["keys"][0]["d"], serde_json::Value::Null, "no private part");
}

#[test]
fn the_bank_is_checked_as_ready() {
    let bank = display(&root().join("flows/bank"));
    assert!(done(&run(&["check", &bank])).contains("1 application checked, ready: 0 errors"));
    let json = done(&run(&["check", "--format", "json", &bank]));
    assert!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON").is_array());
}

#[test]
fn what_a_test_caller_can_not_do_is_said_before_it_calls() {
    let folder = Folder::new("cli-call");
    let none = display(&folder.file("none.wav"));
    let good = "sip:bank@127.0.0.1:9";
    for (arguments, says) in [
        (vec!["sip:bank@nowhere.example"], vec!["nowhere.example", "help:"]),
        (vec!["bank"], vec!["`bank`", "help:"]),
        (vec![good, "--keys", "~ 1 80x21537#"], vec!["word 3", "--keys"]),
        (vec![good, "--codec", "speex"], vec!["speex", "help:"]),
        (vec![good, "--say", none.as_str()], vec!["none.wav", "help:"]),
        (vec![good, "--demo", none.as_str()], vec!["none.wav", "help:"]),
        (vec![good, "--record", "/nowhere/at/all.wav"], vec!["/nowhere/at/all.wav", "help:"]),
        (vec![good, "--rtp-ports", "9"], vec!["--rtp-ports"]),
    ] {
        let output = run(&[&["call"], arguments.as_slice()].concat());
        refused(&output, &says);
        assert!(!text(&output.stderr).contains("80x"), "keys are not shown");
    }
}

#[test]
fn a_call_that_nobody_takes_ends_with_status_1_and_says_why() {
    // A port that is bound and never answers.
    let silent = UdpSocket::bind(ANY).expect("a port");
    let uri = format!("sip:bank@{}", silent.local_addr().expect("its address"));
    let output =
        run(&["call", &uri, "--patience", "1", "--stay", "0", "--json", "--rtp-ports", "45800-45899"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&outcome["ok"], &outcome["answered"]), (&false.into(), &false.into()));
    assert!(outcome["reason"].as_str().is_some_and(|why| why.contains("not answered")), "{outcome}");
}
