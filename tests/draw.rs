//! Pictures of applications: everything is in them, nothing lies on anything else, and no text breaks them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use countersign::diagnostic::render;
use countersign::draw::{Picture, mermaid, svg};
use countersign::driver::application::{ApplicationSource, open};
use countersign::flow::document::{Application, Arm, Block, Goto, Step, StepKind};
use countersign::flow::{certain_levels, load};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A bank of this test's own, which stays as it is.
fn bank() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let folder = root().join("tests/data/draw");
    for below in ["", "prompts", "data"] {
        for entry in fs::read_dir(folder.join(below)).into_iter().flatten().flatten() {
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

fn applications() -> Vec<(String, Application)> {
    let entries = fs::read_dir(root().join("flows")).expect("the applications");
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), on_disk(&name))).collect()
}

/// An application of this repository with all that belongs to it.
fn on_disk(name: &str) -> Application {
    let files =
        open(&ApplicationSource::Folder(root().join("flows").join(name))).expect("a folder with a flow");
    match load(files.as_ref()) {
        Ok((application, _)) => application,
        Err(found) => panic!("{}", render(&found)),
    }
}

/// Every jump that is written, by the names of its blocks; of a `return`, the outcome.
fn jumps(app: &Application, block: &Block) -> BTreeSet<(String, String)> {
    let mut out = BTreeSet::new();
    let mut open: Vec<&Step> = block.steps.iter().collect();
    let from = block.name.to_string();
    let outcome = |at: u16| {
        let flow = app.flow(block.flow).expect("a flow");
        flow.outcomes.get(usize::from(at)).map(ToString::to_string)
    };
    while let Some(step) = open.pop() {
        match &step.kind {
            StepKind::Goto(Goto(to)) => {
                out.insert((from.clone(), app.block(*to).expect("a block").name.to_string()));
            }
            StepKind::Return(leave) => out.extend(outcome(leave.outcome.0).map(|name| (from.clone(), name))),
            _ => {}
        }
        for (_, arm) in step.kind.arms() {
            match arm {
                Arm::Continue => {}
                Arm::Goto(to) => {
                    out.insert((from.clone(), app.block(*to).expect("a block").name.to_string()));
                }
                Arm::Return(leave) => out.extend(outcome(leave.outcome.0).map(|name| (from.clone(), name))),
                Arm::Step(step) => open.push(step),
            }
        }
    }
    out
}

/// The value of an attribute in each element that has it.
fn attributes<'s>(text: &'s str, name: &str) -> Vec<&'s str> {
    let mark = format!("{name}=\"");
    text.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Whether every element is closed in order and every mark in text is written out.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        for (at, _) in text.match_indices('&') {
            let entity = text[at..].split(';').next().unwrap_or_default();
            assert!(["&amp", "&lt", "&gt", "&quot", "&#39"].contains(&entity), "{entity}");
        }
        let end = start + rest[start..].find('>').expect("an element is closed");
        let element = &rest[start + 1..end];
        assert!(element.matches('"').count().is_multiple_of(2), "{element}");
        if let Some(name) = element.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !element.ends_with('/') {
            open.push(element.split([' ', '\n']).next().unwrap_or_default().to_owned());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn every_block_and_jump_is_in_the_picture() {
    for (name, app) in applications() {
        let picture = svg(&Picture::of(&app));
        assert_well_formed(&picture);
        let boxes: BTreeSet<&str> = attributes(&picture, "data-box").into_iter().collect();
        let drawn: BTreeSet<&str> = attributes(&picture, "data-jump").into_iter().collect();
        for block in &app.blocks {
            assert!(boxes.contains(&*block.name), "{name}: the block {} is missing", block.name);
            for (from, to) in jumps(&app, block) {
                assert!(drawn.contains(format!("{from} {to}").as_str()), "{name}: {from} → {to} is missing");
            }
        }
    }
}

#[test]
fn the_outcomes_stand_at_the_jumps() {
    let picture = Picture::of(&loaded(&bank()));
    let main = picture.panels.first().expect("the main flow");
    let at = |name: &str| main.boxes.iter().position(|drawn| drawn.title == name).expect("a block");
    let when = |from: &str, to: &str| {
        let jump = main.jumps.iter().find(|jump| jump.from == at(from) && jump.to == at(to));
        jump.map(|jump| jump.when.join(", "))
    };
    assert_eq!(when("prove_basic", "balance").as_deref(), Some("proved"));
    assert_eq!(when("prove_strong", "transfer").as_deref(), Some("topic == transfer"));
    assert_eq!(when("a call", "welcome").as_deref(), Some(""));
    assert!(when("topics", "prove_basic").is_some_and(|when| when.starts_with("1")));
    assert!(when("who", "agent").is_none(), "jumps to the agent are told, not drawn");
    let chip = main.boxes[at("topics")].chips.first().expect("a chip");
    assert_eq!((chip.to.as_str(), chip.when.join(", ").as_str()), ("agent", "give up"));
}

#[test]
fn the_level_of_a_block_is_what_every_way_to_it_has_proved() {
    let app = loaded(&bank());
    let certain = certain_levels(&app);
    let level = |name: &str| {
        let at = app.blocks.iter().position(|block| *block.name == *name).expect("a block");
        certain.get(&countersign::flow::document::BlockId(u32::try_from(at).expect("few blocks"))).copied()
    };
    assert_eq!([level("topics"), level("agent"), level("locked")], [Some(0); 3]);
    assert_eq!(level("balance"), Some(1));
    assert_eq!(level("card_block"), Some(2));
    let picture = Picture::of(&app);
    let guard = |name: &str| {
        let boxes = picture.panels.iter().flat_map(|panel| &panel.boxes);
        boxes.filter(|drawn| drawn.title == name).find_map(|drawn| drawn.guard.clone())
    };
    assert_eq!(guard("balance").as_deref(), Some("basic"));
    assert_eq!(guard("cards").as_deref(), Some("strong"));
    assert_eq!(guard("topics"), None);
}

/// The boxes of each panel, from the numbers in the picture.
fn boxes(picture: &str) -> Vec<Vec<[f64; 4]>> {
    let panel = |panel: &str| {
        let groups = panel.split("<g data-box=").skip(1);
        let numbers = |group: &str| {
            let rect = group.split("<rect").nth(1).expect("a rectangle");
            ["x", "y", "width", "height"].map(|name| {
                let value = attributes(rect, &format!(" {name}"));
                value.first().and_then(|value| value.parse().ok()).expect("a number")
            })
        };
        groups.map(numbers).collect()
    };
    picture
        .split("<g transform=\"translate(")
        .skip(1)
        .filter(|part| part.contains("data-box"))
        .map(panel)
        .collect()
}

#[test]
fn no_box_lies_on_another() {
    for (name, app) in applications() {
        let panels = boxes(&svg(&Picture::of(&app)));
        assert!(!panels.is_empty());
        for panel in panels {
            for (at, [x, y, width, height]) in panel.iter().enumerate() {
                for [left, top, wide, high] in panel.iter().skip(at + 1) {
                    let apart =
                        x + width <= *left || left + wide <= *x || y + height <= *top || top + high <= *y;
                    assert!(apart, "{name}: boxes at {x} {y} and {left} {top}");
                }
            }
        }
    }
}

#[test]
fn hostile_names_are_only_text() {
    let mut application = bank();
    let flow = application.get_mut("bank.flow.yaml").expect("the flow");
    *flow = flow
        .replace(
            "title: Retail bank, main number",
            "title: \"</title><script>x('\\\"')</script> & \\u202Eevil \\u0007\"",
        )
        .replace("when: topic == transfer", "when: \"'<b>\\\"]; &' != call.to\"");
    let picture = Picture::of(&loaded(&application));
    let drawn = svg(&picture);
    assert_well_formed(&drawn);
    assert!(!drawn.contains("<script") && !drawn.contains("<b>") && !drawn.contains('\u{202e}'));
    let text = mermaid(&picture);
    assert!(!text.contains("<script") && !text.contains("\"];"), "{text}");
    for line in text.lines().filter(|line| !line.contains("title:")) {
        assert!(line.matches('"').count() % 2 == 0, "{line}");
    }
}

#[test]
fn mermaid_tells_the_same() {
    let app = loaded(&bank());
    let text = mermaid(&Picture::of(&app));
    assert!(text.starts_with("---\ntitle: \"Retail bank, main number\"\n---\nflowchart TD\n"), "{text}");
    for block in &app.blocks {
        assert!(text.contains(&format!("<b>{}</b>", block.name)), "{} is missing", block.name);
    }
    assert!(text.contains("classDef level2"));
}

/// A small generator of our own: the same changes on every run.
fn roll(state: &mut u64, sides: usize) -> usize {
    // Knuth's MMIX multiplier; the high bits are the good ones.
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).expect("31 bits") % sides.max(1)
}

#[test]
fn whatever_else_the_bank_may_be_it_can_be_drawn_and_compared() {
    let bank = bank();
    let before = loaded(&bank);
    let text = bank.get("bank.flow.yaml").expect("the flow");
    let lines: Vec<&str> = text.lines().collect();
    let jumps: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("goto: ")).collect();
    let names: Vec<&str> =
        before.blocks.iter().filter(|block| block.flow.0 == 0).map(|block| &*block.name).collect();
    let mut state = 20_261_122;
    let mut drawn = 0;
    for _ in 0..60 {
        // Some jumps lead somewhere else.
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for _ in 0..=roll(&mut state, 4) {
            let at = jumps[roll(&mut state, jumps.len())];
            let (head, tail) = changed[at].split_once("goto: ").expect("a jump");
            let end = tail.find([',', '}', ' ']).unwrap_or(tail.len());
            changed[at] = format!("{head}goto: {}{}", names[roll(&mut state, names.len())], &tail[end..]);
        }
        let mut other = bank.clone();
        other.insert("bank.flow.yaml".to_owned(), changed.join("\n"));
        if let Ok((application, _)) = load(&other) {
            let picture = svg(&Picture::of(&application));
            assert_well_formed(&picture);
            for block in &application.blocks {
                assert!(picture.contains(&format!("data-box=\"{}\"", block.name)));
            }
            let changes = countersign::diff::compare(&before, &application);
            assert!(changes.is_empty() || !changes.to_string().is_empty() || !changes.weaker.is_empty());
            drawn += 1;
        }
    }
    assert!(drawn >= 10, "only {drawn} could be loaded");
}

/// Set `UPDATE_GOLDEN=1` to draw it anew.
#[test]
fn the_picture_in_the_manual_is_of_the_bank_as_it_is() {
    let path = root().join("docs/bank.svg");
    let drawn = svg(&Picture::of(&on_disk("bank")));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &drawn).expect("the picture");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == drawn, "run `countersign draw flows/bank --output docs/bank.svg`");
}
