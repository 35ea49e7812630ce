//! What `countersign diff` tells of a changed bank: each case below is a change, the text in `tests/data/diff` what
//! is told of it. Set `UPDATE_GOLDEN=1` to write the texts anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use countersign::diagnostic::render;
use countersign::diff::{Changes, compare};
use countersign::flow::document::Application;
use countersign::flow::load;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/diff")
}

/// The application that all cases begin with.
fn bank() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for below in ["", "prompts", "data"] {
        for entry in fs::read_dir(root().join("bank").join(below)).into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(entry.path()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.insert(if below.is_empty() { name } else { format!("{below}/{name}") }, text);
            }
        }
    }
    files
}

fn loaded(files: &BTreeMap<String, String>) -> Application {
    match load(files) {
        Ok((application, _)) => application,
        Err(found) => panic!("{}", render(&found)),
    }
}

/// The bank with pieces of its files replaced, compared with the bank.
fn changed(pieces: &[(&str, &str, &str)]) -> Changes {
    let mut files = bank();
    for (path, from, to) in pieces {
        let text = files.get_mut(*path).expect("a file");
        assert!(text.contains(from), "{path} has no {from}");
        *text = text.replace(from, to);
    }
    compare(&loaded(&bank()), &loaded(&files))
}

const FLOW: &str = "bank.flow.yaml";
const POLICY: &str = "policy.yaml";

/// A file, what is taken out of it and what is put there.
type Change = (&'static str, &'static str, &'static str);

/// A change by its name: pieces of files, and by what each is replaced.
const CASES: &[(&str, &[Change])] = &[
    (
        "a-choice-more",
        &[
            (FLOW, "of: [balance, cards]", "of: [balance, cards, hours]"),
            (
                FLOW,
                "      no_input: [silent]",
                "        - {key: \"3\", value: hours, goto: hours}\n      no_input: [silent]",
            ),
            (FLOW, "  done:\n", "  hours:\n    - say: our_hours\n    - goto: topics\n  done:\n"),
            (
                "prompts/en-GB.yaml",
                "For your cards press 2.",
                "For your cards press 2. For our hours press 3.",
            ),
            ("prompts/en-GB.yaml", "  goodbye:", "  our_hours: \"From nine to five.\"\n  goodbye:"),
            ("prompts/es-ES.yaml", "  goodbye:", "  our_hours: \"De nueve a cinco.\"\n  goodbye:"),
        ],
    ),
    (
        "a-level-lowered",
        &[
            (FLOW, "with: {level: strong}", "with: {level: basic}"),
            (FLOW, "    - require: strong\n      max_age: 15m\n", ""),
        ],
    ),
    ("an-older-proof", &[(FLOW, "max_age: 15m", "max_age: 24h")]),
    (
        "a-notice-gone",
        &[
            (FLOW, "    - notice: why_we_ask\n      version: \"1\"\n", ""),
            ("prompts/en-GB.yaml", "  why_we_ask: \"We ask a few things to be sure it is you.\"\n", ""),
            (
                "prompts/es-ES.yaml",
                "  why_we_ask: \"Le haremos unas preguntas para saber que es usted.\"\n",
                "",
            ),
        ],
    ),
    (
        "a-looser-policy",
        &[
            (POLICY, "strong: {factors: 2, different_kinds: true, max_age: 15m}", "strong: {factors: 2}"),
            (
                POLICY,
                "failures: 5, within: 24h, lock: 30m, growing: true",
                "failures: 9, within: 1h, lock: 5m, growing: false",
            ),
        ],
    ),
    (
        "levels-change-places",
        &[
            (POLICY, "  basic: {factors: 1}\n", ""),
            (
                POLICY,
                "strong: {factors: 2, different_kinds: true, max_age: 15m}",
                "strong: {factors: 1, max_age: 15m}\n  basic: {factors: 1, max_age: 15m}",
            ),
        ],
    ),
    ("a-service-unprotected", &[("services.yaml", "        level: basic\n", "")]),
    ("only-comments", &[(FLOW, "    - answer:\n", "    # picks up\n    - answer:      # at once\n")]),
];

#[test]
fn every_change_is_told() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for (name, pieces) in CASES {
        let changes = changed(pieces);
        let text = format!("{}{changes}", render(&changes.weaker));
        let golden = root().join(format!("{name}.txt"));
        if update {
            fs::write(&golden, &text).expect("a golden text");
        }
        if fs::read_to_string(&golden).ok().as_deref() != Some(text.as_str()) {
            wrong.push(format!("{name}\n{text}"));
        }
        let weaker = !matches!(*name, "a-choice-more" | "only-comments");
        assert_eq!(!changes.weaker.is_empty(), weaker, "{name}");
        assert!(changes.weaker.iter().all(|finding| finding.code == "W290" && finding.help.is_some()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_changes_between_an_application_and_itself() {
    assert!(compare(&loaded(&bank()), &loaded(&bank())).is_empty());
    assert!(changed(CASES.last().expect("a case").1).is_empty());
}

#[test]
fn what_is_stronger_than_before_needs_nobody() {
    // Levels that change places do so in both directions.
    for (_, pieces) in CASES.iter().filter(|(name, _)| *name != "levels-change-places") {
        let mut files = bank();
        for (path, from, to) in *pieces {
            let text = files.get_mut(*path).expect("a file");
            *text = text.replace(from, to);
        }
        let changes = compare(&loaded(&files), &loaded(&bank()));
        assert!(changes.weaker.is_empty(), "{}", render(&changes.weaker));
    }
}
