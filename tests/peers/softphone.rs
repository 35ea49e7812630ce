//! JsSIP as registered agent's telephone by WebSocket: `softphone.js`, whose media is a stand-in for a browser's.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use countersign::driver::os;

use super::bare::certify;
use super::desk::Desk;
use super::sipp::{AWAIT_BYE, CALLER_BYE};
use super::site::{Site, end, free_port, until};
use super::wire::{Capture, tone_to};
use super::{check_secrets, has_event, peers, text};

/// A running JsSIP.
struct JsSip {
    child: Child,
    orders: ChildStdin,
    log: PathBuf,
    /// What it said until here has been taken note of.
    read: usize,
}

impl JsSip {
    /// Starts one that is registered as `ana` at this address, and has its media at this port.
    fn start(site: &Site, url: &str, rtp: u16, authority: &Path) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let log = site.folder.join(format!("jssip-{rtp}.log"));
        let output = fs::File::create(&log).expect("a log");
        let mut command = Command::new("node");
        command.arg(here.join("tests/peers/softphone.js"));
        command.args([url, "ana", &site.agent_password, &rtp.to_string()]);
        command.env("NODE_PATH", here.join("target/peers/node_modules"));
        command.env("NODE_EXTRA_CA_CERTS", authority);
        command.stdin(Stdio::piped()).stdout(output.try_clone().expect("a log")).stderr(output);
        let mut child = command.spawn().expect("node (Debian: nodejs)");
        let orders = child.stdin.take().expect("a pipe");
        let mut phone = Self { child, orders, log, read: 0 };
        phone.says("registered");
        phone
    }

    fn order(&mut self, command: &str) {
        writeln!(self.orders, "{command}").expect("it reads");
    }

    /// Waits until it says something more.
    fn says(&mut self, what: &str) {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        let found = until(Duration::from_secs(10), || {
            log().get(self.read..)?.find(what).map(|at| self.read + at + what.len())
        });
        self.read = found.unwrap_or_else(|| panic!("JsSIP did not say {what}: {}", log()));
    }
}

impl Drop for JsSip {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

#[test]
fn jssip_is_an_agents_phone_by_websocket() {
    if !peers("jssip_is_an_agents_phone_by_websocket") {
        return;
    }
    let folder = certify();
    let file = |name: &str| folder.join(name).display().to_string();
    let (ws, wss) = (free_port(), free_port());
    let more = format!(
        "sip:\n  tls: {{listen: \"127.0.0.1:{}\", certificate: {}, key: {}}}\n  websocket: {{listen: \"127.0.0.1:{ws}\", \
         secure: \"127.0.0.1:{wss}\"}}\n",
        free_port(),
        file("engine.pem"),
        file("engine.key")
    );
    let desk = Desk::open("websocket", "", &more);
    let site = &desk.site;
    let capture = Capture::start(&site.folder);
    let authority = folder.join("authority.pem");

    // The agent hangs up.
    let mut phone = JsSip::start(site, &format!("ws://127.0.0.1:{ws}"), 41_720, &authority);
    let caller = desk.caller("first", 41_730, &[(500, "")], AWAIT_BYE);
    for word in ["rings", "talks", "hears"] {
        phone.says(word);
    }
    os::pause(Duration::from_millis(2000));
    phone.order("hang up");
    phone.says("ended by local");
    caller.succeeds();
    drop(phone);

    // The caller hangs up; this time over TLS.
    let mut phone = JsSip::start(site, &format!("wss://127.0.0.1:{wss}"), 41_740, &authority);
    let caller = desk.caller("second", 41_750, &[(3000, "")], CALLER_BYE);
    for word in ["rings", "talks", "hears"] {
        phone.says(word);
    }
    caller.succeeds();
    phone.says("ended by remote");
    drop(phone);

    let records = site.records(2);
    assert_eq!(text(&records[1], "cause"), "caller_hung_up", "{}", records[1]);
    for record in &records {
        assert!(has_event(record, &[("event", "joined"), ("who", "ana")]), "{record}");
    }
    let packets = capture.packets();
    for (caller, agent) in [(41_730, 41_720), (41_750, 41_740)] {
        let (to_caller, to_agent) = (tone_to(&packets, caller, 1000.0), tone_to(&packets, agent, 440.0));
        eprintln!(
            "audio: the caller hears JsSIP's at {to_caller:.1} dBm0, and is heard at {to_agent:.1} dBm0"
        );
        assert!(to_caller > -15.0 && to_agent > -15.0);
    }
    check_secrets(site, &site.log(), "the log");
    fs::remove_dir_all(&folder).expect("removed");
}
