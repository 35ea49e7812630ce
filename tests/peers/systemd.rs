//! The socket is systemd's: the first call starts the engine, and is taken by it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::peers;
use super::site::{ENGINE_RTP, end, free_port, quiet, until};

#[test]
fn the_first_call_starts_the_engine_at_a_socket_of_systemds() {
    if !peers("the_first_call_starts_the_engine_at_a_socket_of_systemds") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("countersign-systemd-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let log = folder.join("log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--datagram", "--listen", &address, env!("CARGO_BIN_EXE_countersign")]);
    command.args(["serve", "--bench", "--shards", "1", "--sip", &address, "--data"]).arg(folder.join("data"));
    command.args(["--rtp-ports", &format!("{}-{}", ENGINE_RTP.start(), ENGINE_RTP.end())]);
    let mut engine = quiet(&mut command, &log);
    let waits = until(Duration::from_secs(10), || said().contains("Listening on").then_some(()));
    assert!(waits.is_some() && !said().contains("ready;"), "{}", said());
    for call in 0..2 {
        let mut command = Command::new("sipp");
        command.current_dir(&folder).args(["-sn", "uac", "-s", "setup", "-m", "1", "-d", "300", "-nostdin"]);
        command.args(["-i", "127.0.0.1", "-p", &free_port().to_string(), "-timeout", "60", "-timeout_error"]);
        let mut caller = quiet(command.arg(&address), &folder.join("screen"));
        let status = until(Duration::from_secs(70), || caller.try_wait().expect("a process"));
        let screen = fs::read_to_string(folder.join("screen")).unwrap_or_default();
        assert!(
            status.is_some_and(|status| status.success()),
            "call {call}: {status:?}\n{screen}\n{}",
            said()
        );
    }
    assert!(said().contains("ready;"), "{}", said());
    end(&mut engine);
    let status = engine.try_wait().expect("a process");
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", said());
    fs::remove_dir_all(&folder).expect("removed");
}
