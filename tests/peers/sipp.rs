//! SIPp as caller and as agent: scenarios from the templates beside this file.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use super::site::{Site, end, quiet, until};

/// The end of the caller's scenario.
pub(crate) const CALLER_BYE: &str = include_str!("caller_bye.xml");
/// The other side hangs up.
pub(crate) const AWAIT_BYE: &str = include_str!("await_bye.xml");
/// The agent rings.
pub(crate) const AGENT_START: &str = include_str!("agent_start.xml");
/// The agent picks up.
pub(crate) const AGENT_ANSWER: &str = include_str!("agent_answer.xml");
/// The engine gives up ringing.
pub(crate) const AGENT_CANCELLED: &str = include_str!("agent_cancelled.xml");
/// The agent hangs up.
pub(crate) const AGENT_BYE: &str = include_str!("agent_bye.xml");

/// The agent refuses, as `486 Busy Here`.
pub(crate) fn agent_refuses(status: &str) -> String {
    include_str!("agent_refuse.xml").replace("@STATUS@", status)
}

/// The agent offers a direction and expects one.
pub(crate) fn agent_offers(cseq: u32, direction: &str, expected: &str) -> String {
    include_str!("agent_reinvite.xml")
        .replace("@CSEQ@", &cseq.to_string())
        .replace("@DIRECTION@", direction)
        .replace("@EXPECTED@", expected)
}

/// The agent picks up, holds the caller after so many milliseconds, and resumes after so many more.
pub(crate) fn agent_holds(after: u64, held: u64) -> String {
    AGENT_ANSWER.to_owned()
        + &pause(after)
        + &agent_offers(2, "sendonly", "recvonly")
        + &pause(held)
        + &agent_offers(3, "sendrecv", "sendrecv")
}

/// The agent puts the caller through to this address, and gets this status.
pub(crate) fn agent_refers(target: &str, status: &str) -> String {
    include_str!("agent_refer.xml").replace("@TARGET@", target).replace("@STATUS@", status)
}

/// The agent is told how it goes.
pub(crate) fn agent_told(status: &str) -> String {
    include_str!("agent_report.xml").replace("@STATUS@", status)
}

/// A caller who shows signs of life, and wants them.
pub(crate) const CALLER_TIMER: &str = include_str!("caller_timer.xml");

/// A caller who was sent on so often, and hears the engine before it answers.
pub(crate) fn early_caller(times: u32, script: &str) -> String {
    include_str!("caller_early.xml").replace("@TIMES@", &times.to_string()).replace("@SCRIPT@", script)
}

/// It is refused then.
pub(crate) const CALLER_REFUSED: &str = include_str!("caller_refused.xml");
/// It is answered then.
pub(crate) const CALLER_ANSWERED: &str = include_str!("caller_answered.xml");

/// Waits.
pub(crate) fn pause(millis: u64) -> String {
    format!("<pause milliseconds=\"{millis}\"/>\n")
}

/// Does something beside the messages: `play_dtmf="1"`.
pub(crate) fn exec(what: &str) -> String {
    format!("<nop><action><exec {what}/></action></nop>\n")
}

/// A caller's scenario: what follows `m=audio <port> RTP/`, the payload type of its events, and what follows the ACK.
pub(crate) fn caller(audio: &str, events: &str, script: &str) -> String {
    include_str!("caller.xml")
        .replace("@AUDIO@", audio)
        .replace("@EVENTS@", events)
        .replace("@SCRIPT@", script)
}

/// What is said of µ-law.
pub(crate) const PCMU: (&str, &str) =
    ("AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000", "101");
/// What is said of A-law; SIPp's own keys have payload type 96.
pub(crate) const PCMA: (&str, &str) =
    ("AVP 8 96\na=rtpmap:8 PCMA/8000\na=rtpmap:96 telephone-event/8000", "96");

/// A running SIPp.
pub(crate) struct Sipp {
    name: String,
    folder: PathBuf,
    child: Child,
}

impl Sipp {
    /// A caller at this SIP and media port.
    pub(crate) fn call(site: &Site, name: &str, ports: (u16, u16), transport: &str, scenario: &str) -> Self {
        Self::start(site, name, ports, &["-t", transport, &site.address()], scenario)
    }

    /// A caller who dials at a carrier's.
    pub(crate) fn call_by(site: &Site, name: &str, ports: (u16, u16), carrier: u16, scenario: &str) -> Self {
        let address = format!("127.0.0.1:{carrier}");
        Self::start(site, name, ports, &["-t", "u1", &address], scenario)
    }

    /// An agent for one call; it gives back the audio it gets.
    pub(crate) fn agent(site: &Site, name: &str, ports: (u16, u16), script: &str) -> Self {
        let scenario = format!("{AGENT_START}{script}<Reference variables=\"caller,me\"/>\n</scenario>\n");
        Self::start(site, name, ports, &["-rtp_echo"], &scenario)
    }

    /// An agent whose ringing has early media, is acknowledged, and answers for good.
    pub(crate) fn reliable_agent(site: &Site, name: &str, ports: (u16, u16), script: &str) -> Self {
        let start = include_str!("agent_reliable.xml");
        let scenario = format!("{start}{script}<Reference variables=\"caller,me\"/>\n</scenario>\n");
        Self::start(site, name, ports, &["-rtp_echo"], &scenario)
    }

    /// A carrier's registrar that knows this password; it listens until it is dropped.
    pub(crate) fn registrar(site: &Site, name: &str, ports: (u16, u16), password: &str) -> Self {
        let scenario = include_str!("registrar.xml").replace("@PASSWORD@", password);
        Self::start(site, name, ports, &["-m", "1000"], &scenario)
    }

    fn start(site: &Site, name: &str, ports: (u16, u16), more: &[&str], scenario: &str) -> Self {
        let folder = site.folder.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("scenario.xml"), scenario).expect("a scenario");
        let mut command = Command::new("sipp");
        command.current_dir(&folder).args(["-m", "1"]).args(more).args(["-sf", "scenario.xml", "-nostdin"]);
        command.args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &ports.0.to_string()]);
        command.args(["-mp", &ports.1.to_string(), "-trace_msg", "-message_file", "messages"]);
        command.args(["-trace_err", "-error_file", "errors", "-timeout", "100", "-timeout_error"]);
        let child = quiet(&mut command, &folder.join("screen"));
        Self { name: name.to_owned(), folder, child }
    }

    /// Everything it sent and received.
    pub(crate) fn messages(&self) -> String {
        fs::read_to_string(self.folder.join("messages")).unwrap_or_default()
    }

    /// Waits for its end, which must be a success, and gives its messages.
    pub(crate) fn succeeds(mut self) -> String {
        let status = until(Duration::from_secs(110), || self.child.try_wait().expect("a process"));
        let errors = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
        let good = status.is_some_and(|status| status.code() == Some(0));
        assert!(good, "SIPp {}: {status:?}\n{errors}\n{}", self.name, self.messages());
        self.messages()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A header of the first INVITE among these messages.
pub(crate) fn invite_header(messages: &str, name: &str) -> Option<String> {
    let invite = messages.split("INVITE sip:").nth(1)?;
    invite.lines().take_while(|line| !line.trim().is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
