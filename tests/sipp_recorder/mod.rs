//! A recording server made by others: SIPp speaks SIP, dumpcap takes the media off the wire, tshark reads it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::audio::Law;
use countersign::driver::os;
use rustix::process::{Pid, Signal, kill_process};

/// Where it takes what the caller says, and what they hear.
const PORTS: [u16; 2] = [42_810, 42_812];

pub(crate) struct Recorder {
    folder: PathBuf,
    sipp: Child,
    dumpcap: Child,
}

impl Recorder {
    /// Listens over TCP at this port of 127.0.0.1.
    pub(crate) fn start(folder: &Path, port: u16) -> Self {
        let [said, heard] = PORTS.map(|port| port.to_string());
        let scenario = include_str!("server.xml").replace("@SAID@", &said).replace("@HEARD@", &heard);
        fs::write(folder.join("server.xml"), scenario).expect("a scenario");
        let mut dumpcap = Command::new("dumpcap");
        dumpcap.args(["-q", "-P", "-i", "lo", "-f", &format!("udp port {said} or udp port {heard}"), "-w"]);
        let dumpcap = started(dumpcap.arg(folder.join("media.pcap")), &folder.join("dumpcap.log"));
        until(|| fs::read_to_string(folder.join("dumpcap.log")).unwrap_or_default().contains("File:"));
        let mut sipp = Command::new("sipp");
        sipp.current_dir(folder).args([
            "-sf",
            "server.xml",
            "-t",
            "t1",
            "-m",
            "1",
            "-nostdin",
            "-i",
            "127.0.0.1",
        ]);
        sipp.args(["-p", &port.to_string(), "-trace_msg", "-message_file", "messages", "-trace_err"]);
        sipp.args(["-error_file", "errors", "-timeout", "60", "-timeout_error"]);
        let sipp = started(&mut sipp, &folder.join("screen"));
        until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { folder: folder.to_owned(), sipp, dumpcap }
    }

    /// Waits for its end, which must be a success: what SIPp received and sent, and both streams by their timestamps.
    pub(crate) fn finish(mut self) -> (String, [Vec<i16>; 2]) {
        until(|| self.sipp.try_wait().expect("a process").is_some());
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let status = self.sipp.wait().expect("its end");
        assert_eq!(status.code(), Some(0), "{}\n{}", read("errors"), read("messages"));
        end(&mut self.dumpcap);
        (read("messages"), PORTS.map(|port| self.stream(port)))
    }

    fn stream(&self, port: u16) -> Vec<i16> {
        let output = Command::new("tshark")
            .arg("-r")
            .arg(self.folder.join("media.pcap"))
            .args(["-d", &format!("udp.port=={port},rtp"), "-Y", &format!("rtp && udp.dstport=={port}")])
            .args([
                "-T",
                "fields",
                "-e",
                "rtp.ssrc",
                "-e",
                "rtp.p_type",
                "-e",
                "rtp.timestamp",
                "-e",
                "rtp.payload",
            ])
            .output()
            .expect("tshark");
        let mut samples: Vec<i16> = Vec::new();
        let mut first: Option<(String, u32)> = None;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let [ssrc, kind, timestamp, payload] =
                line.split('\t').collect::<Vec<_>>().try_into().expect("four fields");
            let timestamp: u32 = timestamp.parse().expect("a number");
            let (source, start) = first.get_or_insert((ssrc.to_owned(), timestamp));
            assert_eq!(source, ssrc, "one source a stream");
            let at = usize::try_from(timestamp.wrapping_sub(*start)).expect("in order");
            samples.resize(samples.len().max(at), 0);
            let payload = payload.replace(':', "");
            let octets: Vec<u8> = (0..payload.len() / 2)
                .map(|n| u8::from_str_radix(&payload[2 * n..2 * n + 2], 16).expect("hexadecimal"))
                .collect();
            let law = if kind == "0" { Law::Mu } else { Law::A };
            law.decode(&octets, &mut samples);
        }
        samples
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        end(&mut self.sipp);
        end(&mut self.dumpcap);
    }
}

/// Whether a document is well-formed, by a parser made by others; how often it has an element.
pub(crate) fn elements(document: &str, name: &str) -> usize {
    let program = "import sys, xml.etree.ElementTree as t; n = '{urn:ietf:params:xml:ns:recording:1}' + sys.argv[1]; \
                   print(len(list(t.fromstring(sys.stdin.buffer.read()).iter(n))))";
    let mut command = Command::new("python3");
    command.args(["-c", program, name]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3");
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, document.as_bytes()).expect("read");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "not well-formed: {document}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

fn started(command: &mut Command, log: &Path) -> Child {
    let output = File::create(log).expect("a log");
    command.stdin(Stdio::null()).stdout(output.try_clone().expect("a log")).stderr(output);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for something that comes within seconds.
fn until(mut so: impl FnMut() -> bool) {
    let end = os::now() + Duration::from_secs(30);
    while !so() {
        assert!(os::now() < end, "in time");
        os::pause(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(id), Ok(None)) = (id, child.try_wait()) {
        let _ = kill_process(id, Signal::INT);
    }
    let _ = child.wait();
}
