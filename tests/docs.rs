//! The manuals say what is true of the program: every step, field, outcome and diagnostic stands in
//! docs/flows.md, and its full examples load.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use countersign::driver::config::Profile;
use countersign::flow::load;
use countersign::flow::step::{INPUT_FIELDS, STEPS};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manual() -> String {
    fs::read_to_string(root().join("docs/flows.md")).expect("the manual")
}

/// The text below a heading, up to the next one of its rank or higher.
fn section<'a>(manual: &'a str, heading: &str) -> &'a str {
    let start = manual.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section `{heading}`"));
    let body = &manual[start + heading.len() + 2..];
    let rank = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = (2..=rank).filter_map(|rank| body.find(&format!("\n{} ", "#".repeat(rank))));
    &body[..ends.min().unwrap_or(body.len())]
}

#[test]
fn the_page_of_steps_is_the_one_that_the_program_makes() {
    let path = root().join("docs/steps.md");
    let made = countersign::flow::step::manual();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &made).expect("docs/steps.md");
    }
    let written = fs::read_to_string(&path).expect("docs/steps.md");
    assert!(written == made, "run `UPDATE_GOLDEN=1 cargo test --test docs` and look at docs/steps.md");
}

#[test]
fn every_step_is_explained_with_an_example_of_its_own() {
    for spec in STEPS {
        assert!(spec.example.starts_with(&format!("- {}:", spec.verb)), "`{}` lacks an example", spec.verb);
    }
    let manual = manual();
    let keys = section(&manual, "## Keys and timers");
    for field in INPUT_FIELDS {
        assert!(keys.contains(&format!("| `{}` |", field.name)), "the field `{}` of input steps", field.name);
    }
}

fn sources(folder: &Path, out: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else {
            out.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn every_diagnostic_code_is_in_the_table_and_no_other() {
    let mut code = String::new();
    sources(&root().join("src/flow"), &mut code);
    sources(&root().join("src/scenario"), &mut code);
    sources(&root().join("src/diff"), &mut code);
    sources(&root().join("src/driver/speech"), &mut code);
    sources(&root().join("src/rehearsal"), &mut code);
    code.push_str(&fs::read_to_string(root().join("src/driver/application.rs")).expect("a source"));
    let is_code = |text: &str| {
        text.len() == 4 && text.starts_with(['E', 'W']) && text[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    let used: BTreeSet<&str> = code.split('"').filter(|text| is_code(text)).collect();
    let manual = manual();
    let table = section(&manual, "## Diagnostics");
    let told: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|text| is_code(text))
        .collect();
    assert_eq!(used, told);
}

#[test]
fn the_whole_example_of_the_manual_loads_without_a_warning() {
    let manual = manual();
    let blocks = manual.split("```yaml full ").skip(1).filter_map(|block| {
        let (name, rest) = block.split_once('\n')?;
        Some((name.to_owned(), rest.split_once("\n```")?.0.to_owned()))
    });
    let files = blocks.collect::<BTreeMap<String, String>>();
    assert_eq!(files.len(), 3, "flow, catalogue, policy");
    match load(&files) {
        Ok((_, warnings)) => assert!(warnings.is_empty(), "{}", countersign::diagnostic::render(&warnings)),
        Err(found) => panic!("{}", countersign::diagnostic::render(&found)),
    }
}

#[test]
fn every_link_between_the_manuals_leads_to_a_file() {
    for manual in [
        "README.md",
        "docs/flows.md",
        "docs/steps.md",
        "docs/testing.md",
        "docs/operating.md",
        "docs/recording.md",
        "docs/senders.md",
        "docs/api.md",
        "docs/security.md",
        "docs/compliance.md",
        "docs/architecture.md",
    ] {
        let path = root().join(manual);
        let text = fs::read_to_string(&path).expect("a manual");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                let target = path.parent().map(|folder| folder.join(file));
                assert!(target.is_some_and(|target| target.exists()), "{manual}: {link}");
            }
        }
    }
}

/// The first words of every command line in the manuals are a command of this program.
#[test]
fn every_command_in_the_manuals_is_one() {
    let main = fs::read_to_string(root().join("src/main.rs")).expect("the program");
    let names = main.split("Some(Command::").skip(1).filter_map(|rest| rest.split('(').next());
    let commands: Vec<String> = names.map(str::to_lowercase).collect();
    assert!(commands.len() > 10, "the commands were found");
    for manual in [
        "docs/flows.md",
        "docs/steps.md",
        "docs/testing.md",
        "docs/operating.md",
        "docs/recording.md",
        "docs/senders.md",
        "docs/api.md",
        "docs/security.md",
    ] {
        let text = fs::read_to_string(root().join(manual)).expect("a manual");
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("$ countersign ")) {
            let first = line.split_whitespace().next().unwrap_or_default();
            assert!(
                first.starts_with('-') || commands.iter().any(|command| command == first),
                "{manual}: {line}"
            );
        }
    }
}

/// Each profile of trunks stands in the manual as the program has it.
#[test]
fn every_profile_of_trunks_is_explained() {
    let manual = fs::read_to_string(root().join("docs/operating.md")).expect("the manual");
    let table = section(&manual, "### Profiles");
    for profile in Profile::ALL {
        let row =
            table.lines().find(|line| line.starts_with(&format!("| `{profile}` | {} |", profile.what())));
        let row = row.unwrap_or_else(|| panic!("the profile `{profile}`"));
        for (key, value) in profile.says() {
            assert!(row.contains(&format!("`{key}: {value}`")), "`{profile}` sets `{key}: {value}`");
        }
    }
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Profile::ALL.len());
}
