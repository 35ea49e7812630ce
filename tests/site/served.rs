//! The real program as a child.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{countersign, rtp_ports};

/// The real program, serving; killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) sip: SocketAddr,
    /// What it printed before it was ready.
    pub(crate) greeting: String,
}

impl Served {
    /// Serves the embedded bank on a port that the system chooses.
    pub(crate) fn start(data: &Path, more: &[&str], log: Option<&Path>) -> Self {
        let arguments: Vec<&str> = ["--sip", "127.0.0.1:0"].iter().chain(more).copied().collect();
        Self::by(countersign, data, &arguments, log)
    }

    /// As [`Self::start`], started by somebody: `command` makes a command out of the arguments, which have `--sip`.
    pub(crate) fn by(
        command: impl FnOnce(&[&str]) -> Command,
        data: &Path,
        more: &[&str],
        log: Option<&Path>,
    ) -> Self {
        let ports = rtp_ports();
        let ports = format!("{}-{}", ports.start(), ports.end());
        let data = data.display().to_string();
        let mut arguments = vec!["serve", "--data", &data, "--shards", "1"];
        if !more.contains(&"--rtp-ports") {
            arguments.extend(["--rtp-ports", &ports]);
        }
        arguments.extend(more);
        let mut command = command(&arguments);
        command.stdout(Stdio::piped());
        if let Some(log) = log {
            let file = fs::File::create(log).expect("a log file");
            command.stderr(file).env("COUNTERSIGN_LOG", "trace");
        }
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut greeting = String::new();
        while !greeting.contains("ready;") {
            let read = lines.read_line(&mut greeting).expect("its greeting");
            assert!(read > 0, "it ended before it was ready: {greeting}");
        }
        let sip = greeting.split("answers on sip:").nth(1).and_then(|rest| rest.split(' ').next());
        let sip = sip.and_then(|sip| sip.parse().ok()).unwrap_or_else(|| panic!("no address: {greeting}"));
        Self { child, sip, greeting }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:bank@{}", self.sip)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended, and says how.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.stop();
    }

    /// As [`Self::kill`], of what stands among others.
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
