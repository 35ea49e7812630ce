//! `countersign status`: what a running server serves.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use countersign::driver::control::{
    self, Alarms, EdgeView, OnDisk, OverloadedView, Reply, Request, Status, VersionStatus,
};
use countersign::driver::trunks::{QuotaView, TrunkView};
use countersign::units::UnixTime;

/// Show what is served.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The data folder of the running server.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    format: super::Format,
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let asked = control::ask(&arguments.data, &Request::Status, Duration::from_secs(30));
    super::ended(match asked {
        Ok(Reply::Status(status)) => {
            match arguments.format {
                super::Format::Text => print!("{}", shown(&status)),
                super::Format::Json => println!("{}", serde_json::to_string(&status).unwrap_or_default()),
            }
            Ok(())
        }
        Ok(_) => Err("a strange answer".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

fn shown(status: &Status) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    // Writing to a string does not fail.
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<9} {text}");
    };
    let Status { countersign, sip, pid, calls, ended, .. } = status;
    line(
        "server",
        &format!("countersign {countersign}, process {pid}, sip:{sip}, up {}", span(status.uptime_s)),
    );
    line(
        "calls",
        &format!(
            "{calls} running, {ended} ended{}",
            if status.draining { "; no new ones are taken" } else { "" }
        ),
    );
    if status.alarms != Alarms::default() {
        let Alarms { subjects_locked, places_locked, mining, duress, denied, copied } = status.alarms;
        line(
            "alarms",
            &format!(
                "{subjects_locked} subject(s) and {places_locked} place(s) locked, {mining} × accounts tried, \
                 {duress} × duress, {denied} × \"this was not me\", {copied} × a copied passkey, since the start"
            ),
        );
    }
    if status.edge != EdgeView::default() {
        let EdgeView { strangers, unanswered, bans, connections, overloaded } = status.edge;
        let OverloadedView { full, late, records } = overloaded;
        line(
            "edge",
            &format!(
                "{strangers} message(s) of strangers, {unanswered} of them not answered, {bans} × banned, {connections} \
                 connection(s) turned away, {full} × 503 for want of room, {late} × for want of time, {records} × for a slow disk, \
                 since the start"
            ),
        );
    }
    line("version", &version(&status.running));
    if let Some(text) = files(&status.running) {
        line("", &text);
    }
    if let Some(canary) = &status.canary {
        line("on trial", &format!("{}; gets {} % of new calls", version(&canary.version), canary.percent));
        let (new, old) = (canary.version.begun, status.running.begun);
        line("", &format!("since the last change {new} of {} new calls", new + old));
        if let Some(text) = files(&canary.version) {
            line("", &text);
        }
    }
    for former in &status.former {
        line("former", &format!("{} · {} call(s) to end", former.hash, former.calls));
    }
    if let Some(refused) = &status.refused {
        let first = refused.error.lines().next().unwrap_or_default();
        line("refused", &format!("{}: {first}", super::when(UnixTime(refused.at_ms))));
        line("", "`countersign reload` shows all that is wrong");
    }
    for shard in &status.silent_shards {
        line("silent", &format!("shard {shard} does not answer: its calls are not counted by version"));
    }
    for queue in &status.queues {
        line("queue", &format!("{} · {} of {} waiting", queue.name, queue.waiting, queue.places));
    }
    for trunk in &status.inward {
        line("trunk", &format!("{} · {}", trunk.name, calls_shown(&trunk.calls, "in")));
    }
    for trunk in &status.trunks {
        line("trunk", &trunk_shown(trunk));
    }
    for agent in &status.agents {
        line("agent", &format!("{} · {} · {}", agent.name, agent.state, agent.queues.join(", ")));
    }
    out
}

/// `carrier · UDP 192.0.2.7:5060 up · registered there, 420 s left`.
fn trunk_shown(trunk: &TrunkView) -> String {
    let mut parts = vec![trunk.name.clone()];
    parts.extend(trunk.servers.iter().map(|server| format!("{} {}", server.server, server.state)));
    if trunk.servers.is_empty() {
        parts.push("its servers are not known".to_owned());
    }
    let registrar = trunk.registrar.as_deref().unwrap_or("nobody");
    parts.extend(trunk.registration.as_deref().map(|state| match state {
        "registered" => format!("registered with {registrar}, {} s left", trunk.registered_s.unwrap_or(0)),
        "ran_out" => "the registration has run out".to_owned(),
        _ => "not registered yet".to_owned(),
    }));
    parts.extend(trunk.refused.map(|status| match status {
        408 => format!("{registrar} does not answer"),
        status => format!("{registrar} answers {status}"),
    }));
    parts.push(calls_shown(&trunk.calls, "out"));
    parts.join(" · ")
}

/// `7 call(s) in, of 30 and 5 a second at most · refused 12 for \`calls\`, 3 for \`per_second\``.
fn calls_shown(calls: &QuotaView, way: &str) -> String {
    let mut text = format!("{} call(s) {way}", calls.calls);
    let most = [(calls.most_calls, ""), (calls.per_second, " a second")];
    let most: Vec<String> =
        most.iter().filter_map(|(most, of)| most.map(|most| format!("{most}{of}"))).collect();
    if !most.is_empty() {
        text += &format!(", of {} at most", most.join(" and "));
    }
    let refused = [(calls.refused_by_calls, "calls"), (calls.refused_by_per_second, "per_second")];
    let refused: Vec<String> =
        refused.iter().filter(|(n, _)| *n > 0).map(|(n, of)| format!("{n} for `{of}`")).collect();
    if !refused.is_empty() {
        text += &format!(" · refused {}", refused.join(", "));
    }
    text
}

fn version(version: &VersionStatus) -> String {
    let folder = super::reload::shown(version.folder.as_deref());
    let since = super::when(UnixTime(version.since_ms));
    let VersionStatus { title, hash, calls, .. } = version;
    format!("{hash} `{title}` from {folder}, since {since} · {calls} call(s)")
}

fn files(version: &VersionStatus) -> Option<String> {
    match &version.files {
        OnDisk::Same => None,
        OnDisk::Changed { hash } => {
            Some(format!("its files have changed ({hash}): `countersign reload` loads them"))
        }
        OnDisk::Gone => Some("its files are not there any more".to_owned()),
    }
}

/// `3 d 4 h`, `12 min`, `7 s`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
