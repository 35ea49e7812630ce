//! The layer rule: dependencies point down only, and the core does no I/O.
//!
//! The table below is the whole list of what a folder of `src` may name of the others. A new arrow is an
//! error here first, so that it is drawn on purpose.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each part may use, besides itself and the words of [`SHARED`].
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("secret", &[]),
    ("diagnostic", &[]),
    ("sip", &[]),
    ("audio", &[]),
    ("media", &["audio"]),
    ("voice", &["audio"]),
    ("auth", &["voice"]),
    ("routing", &["sip"]),
    ("flow", &["auth", "voice"]),
    ("draw", &["flow", "auth"]),
    ("diff", &["draw", "flow", "auth"]),
    ("call", &["flow", "auth", "routing", "media", "voice", "audio", "sip"]),
    ("scenario", &["call", "flow", "auth", "routing", "media", "voice", "audio", "sip"]),
    ("engine", &["call", "flow", "auth", "routing", "media", "voice", "audio", "sip"]),
    ("driver", &["engine", "scenario", "call", "flow", "auth", "routing", "media", "voice", "audio", "sip"]),
    ("phone", &["driver", "engine", "auth", "media", "audio", "sip"]),
    ("rehearsal", &["phone", "driver", "scenario", "flow", "auth", "audio", "sip"]),
    ("load", &["phone", "driver", "media", "audio", "sip"]),
    (
        "cli",
        &[
            "load",
            "rehearsal",
            "phone",
            "driver",
            "engine",
            "scenario",
            "diff",
            "draw",
            "call",
            "flow",
            "auth",
            "routing",
            "media",
            "voice",
            "audio",
            "sip",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Words that everyone may use.
const SHARED: &[&str] = &["units", "secret", "diagnostic"];

/// Parts that may touch the outside world.
const RIM: &[&str] = &["driver", "phone", "rehearsal", "load", "cli", "main"];

/// What the core must not name: I/O, clocks, locks, threads, async.
const NOT_IN_CORE: &[&str] = &[
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::env",
    "std::process",
    "std::thread",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime",
    "tokio",
    "mio",
    "rusqlite",
    "getrandom",
    "async fn",
    ".await",
    "println!",
    "eprintln!",
    "static mut",
    "thread_local!",
];

#[test]
fn dependencies_point_down_only() {
    let mut wrong = Vec::new();
    for (part, file, text) in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == part) else {
            wrong.push(format!("{}: `{part}` is not in the table of layers", file.display()));
            continue;
        };
        for used in named_parts(&text) {
            if used != part && !SHARED.contains(&used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{part}` uses `{used}`, which is not below it", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    let mut wrong = Vec::new();
    for (part, file, text) in sources() {
        if RIM.contains(&part.as_str()) {
            continue;
        }
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(production.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            for banned in NOT_IN_CORE {
                if code.contains(banned) {
                    wrong.push(format!("{}:{number}: `{banned}` in the core", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Law 10, where the compiler's lints don't look: the names that make or hold a queue without a bound.
#[test]
fn no_queue_between_threads_is_without_a_bound() {
    let mut wrong = Vec::new();
    for (_, file, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            if ["unbounded", "mpsc::channel()", " channel()"].iter().any(|name| code.contains(name)) {
                wrong.push(format!("{}:{number}: {}", file.display(), code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_a_use_that_points_up() {
    let text = "use crate::flow::run;\nuse crate::{media::Frame, units::Digit};\nfn f() { crate::sip::x(); }";
    let expected: BTreeSet<String> = ["flow", "media", "units", "sip"].map(String::from).into();
    assert_eq!(named_parts(text), expected);
}

/// The parts of the crate that a text names by `crate::…` or, in the binary, by `countersign::…`.
fn named_parts(text: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    for root in ["crate::", "countersign::"] {
        for (at, _) in code.match_indices(root) {
            let rest = code.get(at + root.len()..).unwrap_or_default();
            if let Some(group) = rest.strip_prefix('{') {
                parts.extend(group_heads(group));
            } else {
                parts.insert(head(rest));
            }
        }
    }
    parts.remove("");
    parts
}

/// The first identifier of each item of a braced group, at its own level.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut heads = Vec::new();
    let mut at_start = true;
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                heads.push(head(group.get(index..).unwrap_or_default()));
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Every source file with the part it belongs to.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("an entry of src").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").to_owned();
                let first = relative.components().next().expect("a part").as_os_str().to_string_lossy();
                let part = first.trim_end_matches(".rs").to_owned();
                found.push((part, relative, fs::read_to_string(&path).expect("a source file is text")));
            }
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}
