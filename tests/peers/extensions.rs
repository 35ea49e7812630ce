//! Extensions of SIP with SIPp as caller and as agent: transfers by REFER, acknowledged responses, session timers.

use super::sipp::{AGENT_ANSWER, AWAIT_BYE, CALLER_BYE, CALLER_TIMER, Sipp, agent_refers, agent_told, pause};
use super::site::Site;
use super::{agents, has_event, peers, text, to_an_agent};

#[test]
fn a_sipp_agent_puts_the_caller_through_to_whom_it_may() {
    if !peers("a_sipp_agent_puts_the_caller_through_to_whom_it_may") {
        return;
    }
    let transfers = "transfers: {sales: \"sip:sales@127.0.0.1:5284\"}\n";
    let media = ["", ", transfer_to: [sales]"];
    let site = Site::with_media(media, transfers, "refer", 5280, &agents(&[("ana", Some(5282))]), "");
    let script = AGENT_ANSWER.to_owned()
        + &pause(6000)
        + &agent_refers("<sip:+19005550100@127.0.0.1:5284>", "403").replace("CSeq: 5", "CSeq: 4")
        + &agent_refers("<sip:sales@127.0.0.1:5284>", "202")
        + &agent_told("100")
        + &agent_told("200")
        + AWAIT_BYE;
    let agent = Sipp::agent(&site, "ana", (5282, 41_800), &script);
    let target = Sipp::agent(&site, "sales", (5284, 41_810), &(AGENT_ANSWER.to_owned() + AWAIT_BYE));
    let caller =
        Sipp::call(&site, "caller", (5286, 41_820), "u1", &to_an_agent(&site, "caller", 14_000, CALLER_BYE));
    agent.succeeds();
    caller.succeeds();
    let told = target.succeeds();
    assert!(told.contains("Referred-By: <sip:ana@127.0.0.1>") && told.contains("X-Countersign-Token"));
    let record = &site.records(1)[0];
    assert_eq!(record["agents"], serde_json::json!(["ana", "sales"]), "{record}");
    assert!(has_event(record, &[("event", "transferring"), ("by", "ana"), ("to", "sales")]), "{record}");
    assert!(has_event(record, &[("event", "transfer_refused")]), "{record}");
}

#[test]
fn a_sipp_agent_that_answers_in_an_acknowledged_response_is_joined() {
    if !peers("a_sipp_agent_that_answers_in_an_acknowledged_response_is_joined") {
        return;
    }
    let site = Site::start("reliable", 5288, &agents(&[("ana", Some(5290))]), "");
    let agent = Sipp::reliable_agent(&site, "ana", (5290, 41_830), AWAIT_BYE);
    let caller =
        Sipp::call(&site, "caller", (5292, 41_840), "u1", &to_an_agent(&site, "caller", 8000, CALLER_BYE));
    caller.succeeds();
    agent.succeeds();
    let record = &site.records(1)[0];
    assert!(has_event(record, &[("event", "joined"), ("who", "ana")]), "{record}");
}

#[test]
fn a_sipp_caller_agrees_on_signs_of_life() {
    if !peers("a_sipp_caller_agrees_on_signs_of_life") {
        return;
    }
    let site = Site::start("timer", 5294, &agents(&[("ana", Some(5296))]), "");
    Sipp::call(&site, "caller", (5298, 41_850), "u1", CALLER_TIMER).succeeds();
    assert_eq!(text(&site.records(1)[0], "cause"), "caller_hung_up");
}
