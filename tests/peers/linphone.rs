//! linphone as registered agent's telephone: the console client, without a sound card, led by the commands that somebody would
//! type.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use countersign::audio::wav;
use countersign::driver::os;
use countersign::units::SampleRate;

use super::desk::Desk;
use super::sipp::{AWAIT_BYE, CALLER_BYE};
use super::site::{Site, end, free_port, until};
use super::wire::{Capture, keys_to, tone_to};
use super::{check_secrets, from_engine, has_event, loudest, peers, text, tone};

/// A running linphone.
struct Linphone {
    folder: PathBuf,
    child: Child,
    keyboard: ChildStdin,
    /// What it said until here has been taken note of.
    read: usize,
}

impl Linphone {
    /// Starts one that is registered as `ana`, says this, and has its media at this port.
    fn start(site: &Site, rtp: u16, said: &[i16]) -> Self {
        let folder = site.folder.join("linphone");
        // Where it keeps its own things below its home.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder");
        let config = include_str!("linphone.config")
            .replace("@SIP@", &free_port().to_string())
            .replace("@RTP@", &rtp.to_string())
            .replace("@ENGINE@", &site.address())
            .replace("@PASSWORD@", &site.agent_password);
        fs::write(folder.join("config"), config).expect("a config");
        fs::write(folder.join("said.wav"), wav::write(said, SampleRate::TELEPHONE)).expect("its words");
        let log = fs::File::create(folder.join("log")).expect("a log");
        // It reads commands from a terminal only.
        let mut command = Command::new("script");
        command.args(["-qfec", "linphonec -c config", "/dev/null"]).current_dir(&folder);
        command.env("HOME", &folder).env("XDG_RUNTIME_DIR", &folder).env("TERM", "dumb");
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a log")).stderr(log);
        let mut child = command.spawn().expect("linphonec (Debian: linphone-cli)");
        let keyboard = child.stdin.take().expect("a pipe");
        let mut linphone = Self { folder, child, keyboard, read: 0 };
        linphone.says("linphonec>");
        for order in ["soundcard use files", "play said.wav", "record heard.wav"] {
            linphone.order(order);
        }
        linphone
    }

    /// Types a command.
    fn order(&mut self, command: &str) {
        writeln!(self.keyboard, "{command}").expect("linphone reads");
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// Waits until it says something more.
    fn says(&mut self, what: &str) {
        let found = until(Duration::from_secs(10), || {
            self.log().get(self.read..)?.find(what).map(|at| self.read + at + what.len())
        });
        self.read = found.unwrap_or_else(|| panic!("linphone did not say {what}: {}", self.log()));
    }

    fn answers(&mut self) {
        self.says("Receiving new incoming call");
        self.order("answer");
        self.says("Media streams established");
    }

    /// What it has heard. Its WAV header says more than there is: it counts itself.
    fn heard(&self) -> Vec<i16> {
        let bytes = fs::read(self.folder.join("heard.wav")).expect("a recording");
        let samples = bytes.get(44..).unwrap_or_default().as_chunks().0;
        samples.iter().map(|&pair| i16::from_le_bytes(pair)).collect()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = writeln!(self.keyboard, "quit");
        end(&mut self.child);
    }
}

#[test]
fn linphone_is_an_agents_phone() {
    if !peers("linphone_is_an_agents_phone") {
        return;
    }
    let desk = Desk::open("linphone", ", sha256: true", "");
    let site = &desk.site;
    let capture = Capture::start(&site.folder);
    let mut linphone = Linphone::start(site, 41_950, &tone(1000.0));
    linphone.order("status register");

    // A key, a hold, and the agent hangs up.
    let caller = desk.caller("first", 41_960, &[(3500, "5")], AWAIT_BYE);
    linphone.answers();
    linphone.says("Receiving tone 5");
    linphone.order("pause");
    linphone.says("is now paused");
    os::pause(Duration::from_millis(1500));
    linphone.order("resume");
    linphone.says("Media streams established");
    os::pause(Duration::from_millis(1000));
    linphone.order("terminate");
    caller.succeeds();
    let heard = loudest(&linphone.heard(), 440.0);

    // The caller hangs up.
    let caller = desk.caller("second", 41_970, &[(3000, "")], CALLER_BYE);
    linphone.answers();
    caller.succeeds();
    linphone.says("ended");

    // The agent puts the caller through.
    let target = desk.sales(41_980);
    let caller = desk.caller("third", 41_990, &[(6000, "")], CALLER_BYE);
    linphone.answers();
    linphone.order(&format!("transfer {}", desk.sales_uri()));
    linphone.says("has been transfered");
    caller.succeeds();
    let told = target.succeeds();
    assert!(told.contains("Referred-By: <sip:ana@127.0.0.1>"), "{told}");

    let records = site.records(3);
    assert_eq!(text(&records[0], "cause"), "flow_done", "{}", records[0]);
    assert_eq!(text(&records[1], "cause"), "caller_hung_up", "{}", records[1]);
    assert!(
        has_event(&records[2], &[("event", "transferring"), ("by", "ana"), ("to", "sales")]),
        "{}",
        records[2]
    );
    for record in &records {
        assert!(has_event(record, &[("event", "joined"), ("who", "ana")]), "{record}");
    }
    let packets = capture.packets();
    let to_caller = tone_to(&packets, 41_960, 1000.0);
    eprintln!(
        "audio: linphone hears the caller at {heard:.1} dBm0, the caller linphone at {to_caller:.1} dBm0"
    );
    assert!(heard > -15.0 && to_caller > -15.0);
    assert_eq!(keys_to(&packets, 41_950, 101), [5], "the caller's key for the agent");
    let times: Vec<f64> = from_engine(&packets, 41_950).map(|packet| packet.at).collect();
    check_secrets(site, &site.log(), "the log");
    assert!(!site.log().contains(&site.agent_password));
    assert!(times.windows(2).any(|pair| (1.2..2.5).contains(&(pair[1] - pair[0]))), "a hold");
}
