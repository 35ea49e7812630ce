//! `countersign serve` as a child on a core of its own, for generators of load on the other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The core of the server.
pub(crate) const SERVER_CORE: usize = 0;
/// That of the generator.
pub(crate) const OWN_CORE: usize = 1;

/// The program with one shard, on its core.
pub(crate) struct Server {
    /// The process.
    pub(crate) child: Child,
    /// Where it listens for SIP.
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl Server {
    /// With these settings; serves the folder that `application` makes below the one it is given, or what `serve --bench`
    /// has.
    pub(crate) fn start(name: &str, settings: &str, application: Option<fn(&Path)>) -> Self {
        let data = std::env::temp_dir().join(format!("countersign-{name}-{}", std::process::id()));
        fs::create_dir_all(&data).expect("a folder");
        fs::write(data.join("countersign.yaml"), settings).expect("written");
        let core = SERVER_CORE.to_string();
        let mut command = Command::new("taskset");
        command.args(["-c", &core, env!("CARGO_BIN_EXE_countersign"), "serve", "--shards", "1"]);
        command.args(["--sip", "127.0.0.1:0", "--data"]).arg(&data).stdout(Stdio::piped());
        if let Some(application) = application {
            let folder = data.join("flow");
            application(&folder);
            command.arg(folder);
        } else {
            command.arg("--bench");
        }
        let mut child = command.spawn().expect("taskset, of util-linux");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines
            .by_ref()
            .find_map(|line| line.split_once("answers on sip:")?.1.split(' ').next()?.parse().ok())
            .expect("it tells its address");
        lines.find(|line| line.starts_with("ready")).or_else(|| Some(String::new()));
        Self { child, address, data }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Binds the calling thread to a core.
pub(crate) fn pin(core: usize) {
    let thread = fs::read_link("/proc/thread-self").expect("Linux");
    let thread = thread.file_name().expect("a number").to_string_lossy().into_owned();
    let done =
        Command::new("taskset").args(["-p", "-c", &core.to_string(), &thread]).stdout(Stdio::null()).status();
    assert!(done.expect("taskset, of util-linux").success());
}
