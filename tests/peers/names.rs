//! A name that leads to two servers, told by somebody else's DNS: dnsmasq.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::sipp::{AGENT_ANSWER, AWAIT_BYE, CALLER_BYE, Sipp};
use super::site::{Site, end, until};
use super::{agents, has_event, peers, to_an_agent};

/// A DNS of our own until the end of the test.
struct Dns(Child);

impl Dns {
    fn start(records: &[&str]) -> Self {
        let port = format!("--port={DNS}");
        let own =
            ["--no-daemon", "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts"];
        let child = Command::new("dnsmasq")
            .args(own)
            .args(["--conf-file=/dev/null", "--pid-file", &port])
            .args(records)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq (Debian: dnsmasq-base)");
        let listens = || std::net::TcpStream::connect(("127.0.0.1", DNS)).ok();
        assert!(until(Duration::from_secs(10), listens).is_some(), "dnsmasq listens");
        Self(child)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

const DNS: u16 = 5298;

#[test]
fn a_name_leads_to_the_server_that_answers() {
    if !peers("a_name_leads_to_the_server_that_answers") {
        return;
    }
    // Nobody is at the first one.
    let _dns = Dns::start(&[
        "--naptr-record=branch.example,10,10,s,SIP+D2U,,_sip._udp.branch.example",
        "--srv-host=_sip._udp.branch.example,one.branch.example,5297,1,0",
        "--srv-host=_sip._udp.branch.example,two.branch.example,5292,2,0",
        "--host-record=one.branch.example,127.0.0.1",
        "--host-record=two.branch.example,127.0.0.1",
    ]);
    let ana = agents(&[("ana", None)]).replace("[general]}", "[general], sip: \"sip:ana@branch.example\"}");
    let dns = format!("sip: {{dns: [\"127.0.0.1:{DNS}\"]}}\n");
    let site = Site::with_media(["", ""], &dns, "names", 5290, &ana, "");
    let log = site.log();
    assert!(log.contains("UDP 127.0.0.1:5297") && log.contains("UDP 127.0.0.1:5292"), "{log}");
    let agent = Sipp::agent(&site, "ana", (5292, 41_960), &(AGENT_ANSWER.to_owned() + AWAIT_BYE));
    let script = to_an_agent(&site, "caller", 12_000, CALLER_BYE);
    let caller = Sipp::call(&site, "caller", (5294, 41_970), "u1", &script);
    caller.succeeds();
    agent.succeeds();
    let record = &site.records(1)[0];
    assert!(has_event(record, &[("event", "elsewhere"), ("who", "ana")]), "{record}");
    assert_eq!(record["agents"], serde_json::json!(["ana"]), "{record}");
}
