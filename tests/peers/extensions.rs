//! Extensions of SIP with SIPp as caller and as agent: transfers by REFER, acknowledged responses, session timers, early
//! media, User-to-User.

use super::sipp::{
    AGENT_ANSWER, AWAIT_BYE, CALLER_ANSWERED, CALLER_BYE, CALLER_REFUSED, CALLER_TIMER, Sipp, agent_refers,
    agent_told, early_caller, invite_header, pause,
};
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

/// Says something before it answers; who was sent on often is refused then, the others are put through.
const EARLY: &str = "callflow: 1
id: early
title: Early
entry: start
targets: {desk: from_settings}
blocks:
  start:
    - play: tones/beep
      times: 3
      early: true
      outcome: {finished: continue, failed: continue}
    - decide:
        - {when: call.diversions > 2, goto: closed}
        - otherwise: continue
    - transfer: desk
      ring: 20s
      pass: [call.from, call.diverted_by, call.user_to_user]
      outcome:
        done: {goto: done}
        busy: {goto: closed}
        no_answer: {goto: closed}
        refused: {goto: closed}
        failed: {goto: closed}
  closed:
    - hangup: busy
  done:
    - hangup: normal
";

#[test]
fn a_sipp_caller_hears_early_media_and_is_refused_or_put_through_with_what_it_says() {
    if !peers("a_sipp_caller_hears_early_media_and_is_refused_or_put_through_with_what_it_says") {
        return;
    }
    let transfers = "transfers: {desk: \"sip:desk@127.0.0.1:5304\"}\n";
    let site = Site::with_flow(EARLY, transfers, "early", 5300);
    Sipp::call(&site, "refused", (5302, 41_860), "u1", &early_caller(3, CALLER_REFUSED)).succeeds();
    let desk = Sipp::agent(&site, "desk", (5304, 41_870), &(AGENT_ANSWER.to_owned() + AWAIT_BYE));
    let script = CALLER_ANSWERED.to_owned() + &pause(2000) + CALLER_BYE;
    Sipp::call(&site, "caller", (5306, 41_880), "u1", &early_caller(1, &script)).succeeds();
    let told = desk.succeeds();
    let header = |name| invite_header(&told, name).unwrap_or_default();
    assert_eq!(header("User-to-User"), "004f524445522d3432;encoding=hex;purpose=isdn-uui");
    assert_eq!(header("X-Countersign-Call-From"), "+441632960001");
    assert_eq!(header("X-Countersign-Call-Diverted-By"), "+441632960102");
    // The phone is in a network of a trunk that is trusted.
    assert_eq!(header("P-Asserted-Identity"), "<sip:+441632960001@127.0.0.1>");
    let records = site.records(2);
    assert_eq!(
        (text(&records[0], "cause"), &records[0]["answered"]),
        ("flow_busy", &serde_json::Value::Null)
    );
    for record in &records {
        assert!(has_event(record, &[("event", "early_media")]), "{record}");
    }
    assert!(has_event(&records[1], &[("event", "joined"), ("who", "desk")]), "{}", records[1]);
    assert!(!site.log().contains("ORDER-42") && !site.log().contains("4f524445522d3432"), "{}", site.log());
}
