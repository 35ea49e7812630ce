//! The control socket, the commands that use it and the signals, with the real program: who may use it, what
//! it bears, what it says.

mod light;
mod site;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::driver::control::{self, OnDisk, Reply, Request, SOCKET_FILE, Status};
use countersign::driver::os;
use light::Light;
use serde_json::Value;
use site::{Folder, IN_TIME, SOON, Served, run};

struct Server {
    folder: Folder,
    light: Light,
    served: Served,
}

impl Server {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let light = Light::in_folder(&folder.file("app"));
        let served = serve(&folder.file("data"), &light, Some(&folder.file("log")));
        Self { folder, light, served }
    }

    fn data(&self) -> PathBuf {
        self.folder.file("data")
    }

    fn status(&self) -> Status {
        status(&self.data())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.served.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Asks for the status until it is as wanted.
    fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = os::now() + SOON;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(os::now() < deadline, "{status:#?}");
        }
    }

    fn socket(&self) -> UnixStream {
        let stream = UnixStream::connect(self.data().join(SOCKET_FILE)).expect("connected");
        stream.set_read_timeout(Some(IN_TIME)).expect("a timeout");
        stream
    }
}

fn serve(data: &Path, light: &Light, log: Option<&Path>) -> Served {
    Served::start(data, &[&light.path().display().to_string()], log)
}

fn status(data: &Path) -> Status {
    match control::ask(data, &Request::Status, SOON) {
        Ok(Reply::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn read_reply(stream: &mut impl BufRead) -> Value {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a reply");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_commands_show_and_change_what_is_served_and_a_refusal_ends_with_status_2() {
    let server = Server::start("commands");
    let (data, app) = (server.data().display().to_string(), server.light.path().display().to_string());
    let first = server.status();
    assert_eq!((first.running.title.as_str(), &first.running.files), ("Light 1", &OnDisk::Same));
    assert_eq!(first.running.folder.as_deref(), Some(server.light.path()));

    server.light.write(2);
    let seen = run(&["status", "--data", &data]);
    let shown = text(&seen.stdout);
    assert!(seen.status.success() && shown.contains(&first.running.hash), "{shown}");
    assert!(shown.contains("its files have changed") && shown.contains("queue     general"), "{shown}");
    let reloaded = run(&["reload", "--data", &data]);
    assert!(reloaded.status.success() && text(&reloaded.stdout).contains("`Light 2`"), "{reloaded:?}");
    let second = server.status();
    assert!(second.running.hash != first.running.hash && second.running.files == OnDisk::Same);

    let named = server.light.spoil(3);
    let refused = run(&["reload", "--data", &data]);
    let why = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{why}");
    assert!(why.contains(named) && why.contains("-->") && why.contains("help"), "{why}");
    assert!(why.contains(&format!("version {} runs on", second.running.hash)), "{why}");
    let after = server.status();
    assert_eq!(after.running.hash, second.running.hash);
    assert!(after.refused.is_some() && matches!(after.running.files, OnDisk::Changed { .. }), "{after:#?}");
    let log = fs::read_to_string(server.folder.file("log")).expect("the log");
    assert!(log.contains("a reload is refused") && log.contains(named), "the log says what was wrong");

    let trial = run(&["reload", &app, "--percent", "20", "--data", &data]);
    assert_eq!(trial.status.code(), Some(2), "a bad version is not tried either");
    server.light.write(4);
    let trial = run(&["reload", &app, "--percent", "20", "--data", &data, "--format", "json"]);
    let reply: Value = serde_json::from_slice(&trial.stdout).expect("JSON");
    assert_eq!((&reply["reply"], &reply["canary"]["percent"]), (&"applied".into(), &20.into()), "{reply}");
    let shown = text(&run(&["status", "--data", &data]).stdout);
    assert!(shown.contains("on trial") && shown.contains("gets 20 % of new calls"), "{shown}");
    let json = run(&["status", "--data", &data, "--format", "json"]);
    let status: Status = serde_json::from_slice(&json.stdout).expect("a status");
    assert_eq!(status.canary.expect("on trial").version.title, "Light 4");
    assert!(run(&["reload", "--back", "--data", &data]).status.success());
    let again = run(&["reload", "--promote", "--data", &data]);
    assert!(text(&again.stderr).contains("no version is on trial"), "{again:?}");
    assert!(server.status().refused.is_none(), "a mistake in a command refuses no version");
}

#[test]
fn hangup_reloads_and_a_server_whose_output_nobody_reads_goes_on() {
    let server = Server::start("hangup");
    let first = server.status().running.hash;
    server.light.write(2);
    server.signal("-HUP");
    let second = server.until(|status| status.running.hash != first).running;
    assert_eq!(second.title, "Light 2");
    let named = server.light.spoil(3);
    server.signal("-HUP");
    let refused = server.until(|status| status.refused.is_some());
    assert_eq!(refused.running.hash, second.hash);
    assert!(refused.refused.is_some_and(|refused| refused.error.contains(named)));
}

#[test]
fn a_trial_can_begin_with_the_start_and_a_bad_one_starts_nothing() {
    let folder = Folder::new("begin");
    let [light, other] = ["app", "other"].map(|name| Light::in_folder(&folder.file(name)));
    let named = other.spoil(1);
    let [data, app, trial] = ["data", "app", "other"].map(|name| folder.file(name).display().to_string());
    let arguments =
        ["serve", &app, "--canary", &trial, "--percent", "30", "--sip", "127.0.0.1:0", "--data", &data];
    let bad = run(&arguments);
    assert_eq!(bad.status.code(), Some(2));
    assert!(text(&bad.stderr).contains(named), "{}", text(&bad.stderr));
    other.write(2);
    let _served = Served::start(Path::new(&data), &[&app, "--canary", &trial, "--percent", "30"], None);
    let status = status(Path::new(&data));
    let canary = status.canary.expect("on trial");
    assert_eq!((canary.percent, canary.version.title.as_str()), (30, "Light 2"));
    drop(light);
}

#[test]
fn the_application_inside_the_program_says_that_it_can_not_change() {
    let folder = Folder::new("inside");
    let data = folder.file("data");
    let _served = Served::start(&data, &[], None);
    let refused = run(&["reload", "--data", &data.display().to_string()]);
    let why = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(why.contains("inside the program") && why.contains("countersign reload DIR"), "{why}");
    let light = Light::in_folder(&folder.file("app"));
    let arguments = ["reload", &light.path().display().to_string(), "--data", &data.display().to_string()];
    assert!(run(&arguments).status.success(), "a folder can take its place");
}

#[test]
fn the_socket_is_its_users_own_and_goes_with_the_server() {
    let folder = Folder::new("own");
    let light = Light::in_folder(&folder.file("app"));
    // Longer than an address of a socket may be, by far.
    let data = folder.file(&"long-name-of-a-data-folder-".repeat(6));
    let shown = data.display().to_string();
    let nobody = run(&["status", "--data", &shown]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("no countersign serves"), "{}", text(&nobody.stderr));
    assert!(!data.exists(), "asking makes no folder");

    let served = serve(&data, &light, None);
    let mode = fs::metadata(data.join(SOCKET_FILE)).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second =
        run(&["serve", &light.path().display().to_string(), "--sip", "127.0.0.1:0", "--data", &shown]);
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("another countersign serves"), "{}", text(&second.stderr));
    assert_eq!(status(&data).running.title, "Light 1", "the first one did not notice");

    served.kill();
    assert!(data.join(SOCKET_FILE).exists(), "a killed server leaves its socket");
    assert!(text(&run(&["status", "--data", &shown]).stderr).contains("no countersign serves"));
    let mut served = serve(&data, &light, None);
    let drained = run(&["drain", "--within", "5", "--data", &shown]);
    assert!(drained.status.success(), "{drained:?}");
    assert!(served.ended().success());
    assert!(!data.join(SOCKET_FILE).exists());
}

#[test]
fn what_is_no_request_is_answered_and_a_connection_carries_many() {
    let server = Server::start("requests");
    let mut stream = BufReader::new(server.socket());
    for request in ["", "hello", "{\"do\":\"dance\"}", "{\"do\":\"reload\",\"percent\":-1}", "\u{1b}[2J\0"] {
        stream.get_mut().write_all(format!("{request}\n").as_bytes()).expect("sent");
        let reply = read_reply(&mut stream);
        assert_eq!(reply["reply"], "refused", "{request}: {reply}");
        assert!(reply["error"].as_str().is_some_and(|error| error.contains("no request")), "{reply}");
    }
    // Two lines at once, and one in pieces.
    stream.get_mut().write_all(b"{\"do\":\"status\"}\n{\"do\":\"status\"}\n{\"do\"").expect("sent");
    assert_eq!(read_reply(&mut stream)["reply"], "status");
    assert_eq!(read_reply(&mut stream)["reply"], "status");
    stream.get_mut().write_all(b":\"status\"}\n").expect("sent");
    assert_eq!(read_reply(&mut stream)["reply"], "status");
    let folder = "{\"do\":\"reload\",\"folder\":\"/nonexistent\"}\n";
    stream.get_mut().write_all(folder.as_bytes()).expect("sent");
    let reply = read_reply(&mut stream);
    assert!(reply["error"].as_str().is_some_and(|error| error.contains("/nonexistent")), "{reply}");
    assert_eq!(reply["running"], *server.status().running.hash);
}

#[test]
fn a_line_without_end_many_connections_and_slow_ones_keep_nobody_out_for_long() {
    let server = Server::start("abuse");
    let mut stream = server.socket();
    let chunk = vec![b'x'; 1 << 20];
    // The server stops reading at 16 kB; the rest of the ten megabytes meets a closed connection.
    let sent = (0..10).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 10, "ten megabytes were read");
    let mut reply = String::new();
    // A connection closed on unread bytes may lose the reply.
    let _ = stream.read_to_string(&mut reply);
    assert!(reply.is_empty() || reply.contains("at most"), "{reply}");

    // Ten who connect and say nothing: those above the bound are told at once, the others cut off in time.
    let slow: Vec<UnixStream> = (0..10).map(|_| server.socket()).collect();
    let refused: Vec<Value> =
        slow.iter().skip(8).map(|stream| read_reply(&mut BufReader::new(stream))).collect();
    assert!(refused.iter().all(|reply| reply["error"].as_str().is_some_and(|e| e.contains("too many"))));
    let mut first = &slow[0];
    first.write_all(b"{").expect("a slow client");
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).expect("cut off in time");
    assert_eq!(rest, b"");
    assert_eq!(server.until(|_| true).running.title, "Light 1");
    drop(slow);

    // Many who leave before the answer.
    for _ in 0..100 {
        let _ = server.socket().write_all(b"{\"do\":\"status\"}\n");
    }
    let deadline = os::now() + SOON;
    let answered = || matches!(control::ask(&server.data(), &Request::Status, SOON), Ok(Reply::Status(_)));
    while !answered() {
        assert!(os::now() < deadline, "nobody gets in any more");
    }
}

#[test]
fn a_huge_file_and_one_that_never_ends_are_refused_soon() {
    let server = Server::start("huge");
    let data = server.data().display().to_string();
    let before = server.status().running.hash;
    let refused = |what: &str| {
        let start = os::now();
        let refused = run(&["reload", "--data", &data]);
        assert_eq!(refused.status.code(), Some(2), "{what}");
        assert!(start.elapsed() < SOON, "{what} takes {:?}", start.elapsed());
        text(&refused.stderr)
    };
    server.light.put("huge.flow.yaml", &"# nothing\n".repeat(6_500_000));
    assert!(refused("64 MB").contains("too big"));
    fs::remove_file(server.light.path().join("huge.flow.yaml")).expect("removed");
    let services = server.light.path().join("services.yaml");
    fs::remove_file(&services).expect("removed");
    assert!(Command::new("mkfifo").arg(&services).status().expect("mkfifo runs").success());
    assert!(refused("a pipe").contains("services.yaml"));
    assert_eq!(server.status().running.hash, before);
}
