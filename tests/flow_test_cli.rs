//! `countersign test` and `countersign run --text` at the hands of an admin.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn countersign(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).current_dir(root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A copy of the desk with a file of tests, below the build's own folder for such things.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str, case: Option<&str>) -> Self {
        let desk = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("desk-{name}-{}", std::process::id()));
        let from = root().join("tests/flowtest");
        for part in ["", "prompts", "data"] {
            fs::create_dir_all(desk.join(part)).expect("made");
            for entry in fs::read_dir(from.join("app").join(part)).expect("the desk").flatten() {
                if entry.path().is_file() {
                    fs::copy(entry.path(), desk.join(part).join(entry.file_name())).expect("copied");
                }
            }
        }
        if let Some(case) = case {
            fs::create_dir_all(desk.join("tests")).expect("made");
            let name = format!("{case}.flow-test.yaml");
            fs::copy(from.join("cases").join(&name), desk.join("tests").join(&name)).expect("copied");
        }
        // Recordings are not what is tried here: any will do.
        let audio = desk.join("audio");
        for language in ["en-GB", "es-ES"] {
            fs::create_dir_all(audio.join(language)).expect("made");
            let catalogue =
                fs::read_to_string(desk.join(format!("prompts/{language}.yaml"))).expect("prompts");
            for key in catalogue.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(':')) {
                for part in ["", "-1", "-2"] {
                    let path = audio.join(language).join(format!("{}{part}.wav", key.0));
                    fs::copy(root().join("audio/tones/beep.wav"), path).expect("copied");
                }
            }
        }
        Self(desk)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn tests_that_pass_end_with_0_and_their_results_can_be_had_in_three_forms() {
    let desk = Desk::new("passes", Some("passes"));
    let xml = desk.0.join("junit.xml");
    let run = countersign(&["test", desk.path(), "--coverage", "--junit", xml.to_str().expect("a path")], "");
    let told = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{told}{}", text(&run.stderr));
    assert!(told.contains("11 passed, 0 failed: 14 calls"), "{told}");
    assert!(told.contains("of 11 blocks") && told.contains("not reached: note"), "{told}");
    assert!(fs::read_to_string(&xml).expect("a report").contains("tests=\"11\" failures=\"0\""));
    let run = countersign(&["test", desk.path(), "--format", "json", "--filter", "vault"], "");
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!(json[0]["tests"][0]["result"], "passed");
    assert_eq!(json[0]["tests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_test_that_fails_ends_with_1_and_shows_the_place_and_the_call() {
    let desk = Desk::new("fails", Some("wrong-prompt"));
    let run = countersign(&["test", desk.path()], "");
    let told = text(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("tests/wrong-prompt.flow-test.yaml:13:9"), "{told}");
    assert!(told.contains("FAILS HERE: `your_balance` was not heard"), "{told}");
}

#[test]
fn what_cannot_be_run_ends_with_2_and_says_what_to_do() {
    let none = Desk::new("none", None);
    let broken = Desk::new("broken", Some("unknown-names"));
    let good = Desk::new("filter", Some("passes"));
    let cases: [(&[&str], &str); 4] = [
        (&["test", none.path()], "- name: a caller is greeted"),
        (&["test", broken.path()], "did you mean `hears`?"),
        (&["test", good.path(), "--filter", "nonsense"], "no test has `nonsense`"),
        (&["test", "tests/nowhere"], "is not a folder with an application"),
    ];
    for (arguments, says) in cases {
        let run = countersign(arguments, "");
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(text(&run.stderr).contains(says), "{arguments:?}: {}", text(&run.stderr));
    }
}

#[test]
fn what_cannot_be_run_is_in_the_reports_for_programs_too() {
    let broken = Desk::new("broken-report", Some("unknown-names"));
    let xml = broken.0.join("junit.xml");
    let path = xml.to_str().expect("a path");
    let run = countersign(&["test", broken.path(), "--format", "json", "--junit", path], "");
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let mistakes = json[0]["mistakes"].as_array().expect("what is wrong");
    assert!(mistakes.iter().any(|found| found["code"].as_str().is_some_and(|code| code.starts_with('E'))));
    assert_eq!(json[0]["passed"], false);
    let xml = fs::read_to_string(&xml).expect("a report");
    assert!(xml.contains("errors=\"1\"") && xml.contains("did you mean `hears`?"), "{xml}");
}

/// What `check` says, and that it ends with 2.
#[track_caller]
fn refused_by_check(desk: &Desk, code: &str) -> String {
    let run = countersign(&["check", desk.path()], "");
    let told = text(&run.stdout);
    assert_eq!(run.status.code(), Some(2), "{told}{}", text(&run.stderr));
    assert!(told.contains(&format!("error[{code}]")), "{told}");
    told
}

#[test]
fn a_policy_that_is_there_and_can_not_be_read_is_never_taken_for_none() {
    let desk = Desk::new("unread-policy", None);
    let policy = desk.0.join("policy.yaml");
    let text = fs::read(&policy).expect("the policy");
    let latin = [b"# \xe9\n".as_slice(), &text].concat();
    fs::write(&policy, latin).expect("written");
    assert!(refused_by_check(&desk, "E108").contains("policy.yaml:1:3"));
    let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
    fs::write(&policy, wide).expect("written");
    assert!(refused_by_check(&desk, "E108").contains("UTF-16"));
    fs::remove_file(&policy).expect("removed");
    std::os::unix::fs::symlink("/nowhere/policy.yaml", &policy).expect("a link");
    assert!(refused_by_check(&desk, "E108").contains("a link that leads nowhere"));
    fs::remove_file(&policy).expect("removed");
    fs::create_dir(&policy).expect("a folder");
    assert!(refused_by_check(&desk, "E108").contains("is a folder"));
    fs::remove_dir(&policy).expect("removed");
    std::os::unix::fs::symlink("/nowhere/es.yaml", desk.0.join("prompts/fr-FR.yaml")).expect("a link");
    assert!(refused_by_check(&desk, "E108").contains("prompts/fr-FR.yaml"));
}

#[test]
fn a_recording_that_can_not_be_served_is_an_error_of_check() {
    let desk = Desk::new("unplayable", None);
    for entry in fs::read_dir(desk.0.join("audio/en-GB")).expect("recordings").flatten() {
        fs::write(entry.path(), "RIFF of something else").expect("written");
    }
    let told = refused_by_check(&desk, "E178");
    assert!(told.contains("cannot be played") && told.contains("help: record or convert it again"), "{told}");
}

#[test]
fn a_person_is_the_caller_in_a_terminal() {
    let desk = Desk::new("text", Some("passes"));
    let typed = "help\n1\n44110021\n\nx\n1\ncode\n80421537\n3\nagent accepts\nagent hangs_up\n";
    let run = countersign(&["run", "--text", desk.path(), "--with", "ana"], typed);
    let told = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{told}{}", text(&run.stderr));
    for line in [
        "says greeting: “Welcome to the desk.”",
        "hears nothing",
        "`x` are no keys",
        "pin: 80421537",
        "presses ••••••••",
        "level basic (pin)",
        "topic = balance",
        "accounts.balance",
        "Your balance is",
        "queue: connected, alice",
        "is over: normal",
    ] {
        assert!(told.contains(line), "no `{line}` in\n{told}");
    }
}

#[test]
fn the_end_of_the_input_hangs_up_and_an_unknown_fixture_is_refused() {
    let desk = Desk::new("end", Some("passes"));
    let run = countersign(&["run", "--text", desk.path(), "--from", "anonymous"], "");
    let told = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{told}");
    assert!(told.contains("calls from a withheld number") && told.contains("is over: caller_gone"), "{told}");
    let run = countersign(&["run", "--text", desk.path(), "--with", "bob"], "");
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("there are: ana"));
}
