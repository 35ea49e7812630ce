//! The control socket's server: who is let in, how long they may take, what is done.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::protocol::{
    Agent, Alarms, AppliedChange, CanaryStatus, EdgeView, Finding, OnDisk, OtherVersion, OverloadedView,
    Queue, Refusal, RefusedAt, Reply, Request, RotatedKey, Status, VersionStatus,
};
use crate::auth::FactorId;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::driver::application::{self, ApplicationError, ApplicationSource};
use crate::driver::edge::{EdgeCounters, Overloaded};
use crate::driver::os;
use crate::driver::sender::Channel;
use crate::driver::vault::{AlarmCounts, PEPPER_TIME};
use crate::driver::versions::{Applied, Change, InUse, ReloadError, Versions};
use crate::engine::Served;
use crate::units::Places;

/// Connections at once.
const MOST_CONNECTIONS: usize = 8;
/// A request is a command and a path.
const LONGEST_LINE: usize = 16 * 1024;
/// A request must be here this long after the last reply; who waits longer connects again.
const LINE_TIME: Duration = Duration::from_secs(10);
/// A reply is read by a program that waits for it.
const REPLY_TIME: Duration = Duration::from_secs(10);

/// Accepts connections until the listener is shut down.
pub(super) fn accept(listener: &UnixListener, versions: &Arc<Versions>) {
    let connections = Places::new(MOST_CONNECTIONS);
    loop {
        match listener.accept() {
            Ok((stream, _)) => admit(stream, versions, &connections),
            // A shut listener says that its state does not allow it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                tracing::warn!(%error, "a control connection was not accepted");
                // Out of descriptors, most likely: they come back when calls end.
                std::thread::park_timeout(Duration::from_millis(100));
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a reload must not keep others from asking for the status")]
fn admit(stream: UnixStream, versions: &Arc<Versions>, connections: &Places) {
    let own = Arc::clone(versions);
    let Some(place) = connections.take() else {
        // The connection's buffer is empty: this does not wait.
        let _ = reply(stream, &refused(versions, "too many control connections at once"));
        return;
    };
    let work = move || {
        let _place = place;
        if let Err(error) = converse(stream, &own) {
            tracing::debug!(%error, "a control connection ended");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("control".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread for a control connection");
    }
}

fn converse(mut stream: UnixStream, versions: &Versions) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        match read_line(&mut stream, &mut pending, os::now() + LINE_TIME)? {
            Line::Text(line) => {
                let request = serde_json::from_slice::<Request>(&line);
                let answer = match request {
                    Ok(request) => answer(versions, request),
                    Err(error) => refused(versions, &format!("this is no request: {error}")),
                };
                reply(stream.try_clone()?, &answer)?;
            }
            Line::TooLong => {
                let most = format!("a request has at most {LONGEST_LINE} bytes");
                return reply(stream, &refused(versions, &most));
            }
            Line::None => return Ok(()),
        }
    }
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    /// The other side is done, or too slow.
    None,
}

/// Reads to the end of a line; what lies behind it stays in `pending`.
fn read_line(stream: &mut UnixStream, pending: &mut Vec<u8>, until: Instant) -> io::Result<Line> {
    let mut buffer = [0_u8; 4096];
    loop {
        if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let rest = pending.split_off(end + 1);
            let mut line = std::mem::replace(pending, rest);
            line.truncate(end);
            return Ok(Line::Text(line));
        }
        if pending.len() > LONGEST_LINE {
            return Ok(Line::TooLong);
        }
        let left = until.saturating_duration_since(os::now());
        if left.is_zero() {
            return Ok(Line::None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Line::None),
            Ok(count) => pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(Line::None);
            }
            Err(error) => return Err(error),
        }
    }
}

fn reply(mut stream: UnixStream, reply: &Reply) -> io::Result<()> {
    stream.set_write_timeout(Some(REPLY_TIME))?;
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn answer(versions: &Versions, request: Request) -> Reply {
    let change = match request {
        Request::Status => return Reply::Status(Box::new(status(versions))),
        Request::Codes => {
            return match versions.shown_letters() {
                Some(letters) => Reply::Codes { letters },
                None => refused(
                    versions,
                    "codes are really sent here, and shown to nobody\n  help: only the sender `development` shows them",
                ),
            };
        }
        Request::Drain { within_s } => {
            let within = within_s.map_or_else(|| versions.farewell(), Duration::from_secs);
            versions.drain(within);
            return Reply::Draining { calls: versions.calls(), within_s: within.as_secs() };
        }
        Request::Reload { folder, percent } => {
            let from = folder.map(ApplicationSource::Folder);
            percent.map_or(Change::Reload(from.clone()), |percent| Change::Canary { from, percent })
        }
        Request::Rotate { key, within_s } => return rotated(versions, key, within_s),
        Request::Retire { id } => {
            let retired = versions.vault().retire_key(os::unix_now(), &id);
            return retired.map_or_else(
                |error| refused(versions, &error.to_string()),
                |voided| Reply::Retired { voided },
            );
        }
        Request::Link { subject, factor, by } => return linked(versions, &subject, &factor, &by),
        Request::TryTrunk { trunk } => return tried(versions, &trunk),
        Request::Route { from, to } => {
            let told = versions.explain_route(&from, &to);
            return Reply::Route { steps: told.steps, goes: told.goes };
        }
        Request::Promote => Change::Promote,
        Request::Back => Change::Back,
    };
    match versions.apply(change) {
        Ok(applied) => Reply::Applied(Box::new(told(versions, &applied))),
        Err(error) => {
            let findings = match &error {
                ReloadError::Application(ApplicationError::Check(found)) => findings(found),
                _ => Vec::new(),
            };
            let running = versions.running().loaded.hash.to_string();
            Reply::Refused(Refusal { error: error.to_string(), findings, running })
        }
    }
}

fn rotated(versions: &Versions, key: RotatedKey, within_s: Option<u64>) -> Reply {
    let (vault, now) = (versions.vault(), os::unix_now());
    let rotated = match key {
        RotatedKey::Master => vault.rotate_master(now),
        RotatedKey::Pepper => vault.rotate_pepper(now, within_s.map_or(PEPPER_TIME, Duration::from_secs)),
    };
    match rotated {
        Ok(rotated) => Reply::Rotated { before: rotated.before, id: rotated.id },
        Err(error) => refused(versions, &error.to_string()),
    }
}

fn linked(versions: &Versions, subject: &str, factor: &str, by: &str) -> Reply {
    let (Some(factor), Some(by)) = (FactorId::from_name(factor), Channel::named(by)) else {
        return refused(versions, "a link enrols `push` or `totp`, and goes by `sms` or `email`");
    };
    let vault = versions.vault();
    match vault.send_link(vault.calendar().now(), subject, factor, by) {
        Ok(link) => Reply::Link { code: link.code.expose().clone(), until_ms: link.until.0 },
        Err(error) => refused(versions, &error.to_string()),
    }
}

fn tried(versions: &Versions, trunk: &str) -> Reply {
    let servers = versions.trunks().try_out(trunk);
    servers.map_or_else(
        || {
            let all: Vec<String> =
                versions.trunks().view(os::now()).into_iter().map(|trunk| trunk.name).collect();
            let there = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            refused(
                versions,
                &format!(
                    "no calls go out by a trunk `{trunk}`\n  help: they go out by {there}; a trunk needs `out: {{servers: [...]}}` in \
                     countersign.yaml, and a restart"
                ),
            )
        },
        |servers| Reply::Tried { servers },
    )
}

fn refused(versions: &Versions, error: &str) -> Reply {
    let running = versions.running().loaded.hash.to_string();
    Reply::Refused(Refusal { error: error.to_owned(), findings: Vec::new(), running })
}

fn told(versions: &Versions, applied: &Applied) -> AppliedChange {
    let served = versions.served();
    AppliedChange {
        id: applied.running.id.clone(),
        title: applied.running.title.clone(),
        hash: applied.running.hash.to_string(),
        before: applied.before.to_string(),
        canary: versions.canary().map(|(canary, percent)| canary_status(&canary, percent, &served)),
        warnings: findings(&applied.warnings),
        notes: applied.notes.clone(),
    }
}

fn status(versions: &Versions) -> Status {
    let (sip, started) = versions.listens();
    let served = versions.served();
    let (running, canary) = (versions.running(), versions.canary());
    let house = versions.house();
    let (queues, agents) = house.map(|house| (house.queues, house.agents)).unwrap_or_default();
    let silent = (0_usize..).zip(&served).filter(|(_, served)| served.is_none()).map(|(shard, _)| shard);
    Status {
        countersign: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        sip: sip.to_string(),
        uptime_s: os::now().saturating_duration_since(started).as_secs(),
        draining: versions.draining().is_some(),
        calls: versions.calls(),
        ended: versions.ended(),
        running: version_status(&running, &served, 0),
        former: former(&served, &running, canary.as_ref().map(|(canary, _)| canary)),
        canary: canary.map(|(canary, percent)| canary_status(&canary, percent, &served)),
        silent_shards: silent.collect(),
        refused: versions.refused().map(|refused| RefusedAt { at_ms: refused.at.0, error: refused.why }),
        alarms: alarms(versions),
        edge: edge(versions.edge()),
        queues: queues
            .into_iter()
            .map(|queue| Queue { name: queue.name, waiting: queue.waiting, places: queue.places })
            .collect(),
        agents: agents
            .into_iter()
            .map(|agent| Agent { name: agent.name, state: agent.state.to_owned(), queues: agent.queues })
            .collect(),
        inward: versions.trunks().inward(),
        trunks: versions.trunks().view(os::now()),
    }
}

fn alarms(versions: &Versions) -> Alarms {
    let AlarmCounts { subjects_locked, places_locked, mining, duress, denied, copied } = versions.alarms();
    Alarms { subjects_locked, places_locked, mining, duress, denied, copied }
}

fn edge(counters: &EdgeCounters) -> EdgeView {
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let Overloaded { full, late, records } = &counters.overloaded;
    EdgeView {
        strangers: count(&counters.refused),
        unanswered: count(&counters.unanswered),
        bans: count(&counters.bans),
        connections: count(&counters.connections_refused),
        overloaded: OverloadedView { full: count(full), late: count(late), records: count(records) },
    }
}

fn canary_status(canary: &InUse, percent: u8, served: &[Option<Served>]) -> CanaryStatus {
    CanaryStatus { version: version_status(canary, served, 1), percent }
}

/// A version with what the shards say of it; `place` is its own among [`Served::begun`].
fn version_status(version: &InUse, served: &[Option<Served>], place: usize) -> VersionStatus {
    let name = version.name();
    let begun = served.iter().flatten().filter_map(|served| served.begun.get(place)).sum();
    let files = match application::hash_now(&version.loaded) {
        Some(hash) if hash == version.loaded.hash => OnDisk::Same,
        Some(hash) => OnDisk::Changed { hash: hash.to_string() },
        None => OnDisk::Gone,
    };
    VersionStatus {
        id: name.id,
        title: name.title,
        folder: version
            .loaded
            .source
            .folder()
            .map(|folder| std::path::absolute(folder).unwrap_or(folder.into())),
        since_ms: version.since.0,
        calls: calls_of(&name.hash, served),
        begun,
        files,
        hash: name.hash.to_string(),
    }
}

fn calls_of(hash: &str, served: &[Option<Served>]) -> u64 {
    let counts = served.iter().flatten().flat_map(|served| &served.calls);
    counts.filter(|(other, _)| &**other == hash).map(|(_, calls)| u64::try_from(*calls).unwrap_or(0)).sum()
}

/// Versions of running calls that no new call gets.
fn former(served: &[Option<Served>], running: &InUse, canary: Option<&InUse>) -> Vec<OtherVersion> {
    let current = |hash: &str| {
        hash == &*running.loaded.hash || canary.is_some_and(|canary| hash == &*canary.loaded.hash)
    };
    let all = served.iter().flatten().flat_map(|served| &served.calls).map(|(hash, _)| hash);
    let others: std::collections::BTreeSet<&str> =
        all.map(|hash| &**hash).filter(|hash| !current(hash)).collect();
    let other = |hash: &str| OtherVersion { hash: hash.to_owned(), calls: calls_of(hash, served) };
    others.into_iter().map(other).collect()
}

fn findings(found: &[Diagnostic]) -> Vec<Finding> {
    let finding = |found: &Diagnostic| {
        let position = found.place.as_ref().map(Place::line_and_column);
        Finding {
            severity: if found.severity == Severity::Error { "error" } else { "warning" }.to_owned(),
            code: found.code.to_owned(),
            message: found.message.clone(),
            file: found.place.as_ref().map(|place| place.source.path.clone()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            help: found.help.clone(),
        }
    };
    found.iter().map(finding).collect()
}
