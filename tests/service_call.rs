//! A whole call that asks services: real sockets on both sides, everything logged that can be logged.

#![expect(clippy::disallowed_methods, reason = "servers are processes and threads")]

#[expect(dead_code, reason = "shared with other tests")]
mod service_world;
mod site;

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign::driver::application::ApplicationSource;
use countersign::driver::serve::{self, ServeSettings};
use service_world::{Folder, Server, header};
use site::{Handset, SOON, Stage, rtp_ports};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const CALLER: &str = "+441632960177";
const TOKEN: &str = "t0ken-of-the-crm";

const FLOW: &str = r#"callflow: 1
id: asks
title: Asks services
entry: start
vars:
  about: {type: text, class: personal}
blocks:
  start:
    - answer:
    - lookup: crm.search
      outcome: {ok: {goto: unknown}, not_found: {goto: known}, unavailable: {goto: bye}}
  known:
    - set: {about: call.from}
    - update: crm.result
      give: {customer: about, topic: call.id}
      spool: true
      outcome: {ok: {goto: bye}, unavailable: {goto: bye}}
  unknown:
    - goto: bye
  bye:
    - hangup: normal
"#;

fn application(folder: &Path, port: u16) {
    let services = format!(
        "services:\n  crm:\n    kind: http\n    base: http://127.0.0.1:{port}/v2\n    auth: {{bearer: \"secret:crm/token\"}}\n    calls:\n      \
         search: {{get: \"/search?phone=${{call.from}}\", log_safe: true, not_found: true, list: people, reply: {{customer: {{class: personal, path: \
         id}}}}}}\n      result: {{post: \"/people/${{customer}}/calls\", body: [topic]}}\n"
    );
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    fs::create_dir_all(folder.join("prompts")).expect("a folder");
    write("asks.flow.yaml", FLOW);
    write("services.yaml", &services);
    write("prompts/en-GB.yaml", "language: en-GB\nprompts: {}\n");
}

fn settings(application: &Path, data: &Path) -> ServeSettings {
    ServeSettings::on_loopback(
        ApplicationSource::Folder(application.to_owned()),
        data.to_owned(),
        rtp_ports(),
    )
}

const SITE: &str = "trunks: [{name: loopback, addresses: [\"127.0.0.0/8\"], trace: true}]\nsecrets: {crm/token: {file: token}}\n";

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Everything {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(event.metadata().target());
        event.record(&mut Line(&mut text));
        text.push('\n');
    }
}

#[test]
fn a_call_asks_a_server_orders_from_it_and_logs_neither_what_nor_with_what() {
    let everything = Everything::default();
    let subscriber = tracing_subscriber::registry().with(everything.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the only one in this process");
    let (folder, data) = (Folder::new("call-app"), Folder::new("call-data"));
    let server = Server::start(None, &[]);
    application(&folder.0, server.port);

    // What is missing is told before the first call, with the way out.
    let refused = |says: &[&str]| {
        let told = serve::start(&settings(&folder.0, &data.0)).map(drop).expect_err("refused").to_string();
        assert!(says.iter().all(|says| told.contains(says)), "{told}");
    };
    fs::write(data.0.join("countersign.yaml"), SITE.replace("secrets: {crm/token: {file: token}}\n", ""))
        .expect("settings");
    refused(&["there is no secret `crm/token`", "countersign.yaml", "help:"]);
    fs::write(data.0.join("countersign.yaml"), SITE).expect("settings");
    refused(&["crm/token", "can't be read", "help:"]);
    data.secret("token", TOKEN.as_bytes());

    let deployment = serve::start(&settings(&folder.0, &data.0)).unwrap_or_else(|error| panic!("{error}"));
    let mut stage = Stage::new(vec![Handset::new(CALLER)]);
    stage.handsets[0].dial(&format!("sip:asks@{}", deployment.sip));
    assert!(stage.until(SOON, |handsets| handsets[0].ended.is_some()), "the flow ends the call");
    let outcomes = stage.handsets[0].traced("outcome", "outcome");
    assert_eq!(outcomes, ["not_found", "ok"]);
    let (search, result) = (server.request(), server.request());
    assert_eq!(search["target"], "/v2/search?phone=%2B441632960177");
    assert_eq!(header(&search, "authorization"), [format!("Bearer {TOKEN}")]);
    assert_eq!(result["target"], "/v2/people/%2B441632960177/calls");
    assert_eq!(header(&result, "idempotency-key").len(), 1);

    // The server goes: the caller's way is the one for that.
    drop(server);
    stage.handsets[0].dial(&format!("sip:asks@{}", deployment.sip));
    assert!(
        stage.until(Duration::from_secs(20), |handsets| handsets[0].ended.is_some()),
        "the flow ends the call"
    );
    assert_eq!(stage.handsets[0].traced("outcome", "outcome"), ["unavailable"]);
    deployment.stop();

    let log = everything.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(log.contains("crm") && log.contains("search"), "services are in the log");
    for secret in ["1632960177", "C1001", TOKEN, "/v2/", "Bearer"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
