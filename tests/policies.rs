//! The ready policies, as somebody meets them who answers for one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use countersign::auth::throttle::{Admission, Attempt, Lane, Throttle};
use countersign::auth::{FactorId, Policy};
use countersign::diagnostic::render;
use countersign::flow::load;
use countersign::flow::policies::READY;
use countersign::units::UnixTime;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn countersign(arguments: &[&str]) -> (String, String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.current_dir(root()).args(arguments).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// A flow that imports the policy: reaches a level by both factors.
fn importing(name: &str, level: &str) -> Policy {
    let common = root().join("tests/data/broken/common");
    let mut files = BTreeMap::new();
    for path in
        ["main.flow.yaml", "services.yaml", "prompts/en-GB.yaml", "prompts/es-ES.yaml", "data/customers.csv"]
    {
        files.insert(path.to_owned(), std::fs::read_to_string(common.join(path)).expect("a file"));
    }
    let flow = files.get_mut("main.flow.yaml").expect("the flow");
    *flow = flow
        .replace("entry: start\n", &format!("entry: start\nimports: {{policy: builtin:{name}}}\n"))
        .replace("level: basic", &format!("level: {level}"))
        .replace("- identify: customer", "- risk: assess\n    - identify: customer");
    let services = files.get_mut("services.yaml").expect("the services");
    *services = services.replace("level: basic", &format!("level: {level}"));
    match load(&files) {
        Ok((application, found)) => {
            assert!(found.is_empty(), "{name}: {}", render(&found));
            (*application.policy).clone()
        }
        Err(found) => panic!("{name}: {}", render(&found)),
    }
}

/// What who never tires can guess at in any 24 hours of three days, in codes.
fn most_guesses(policy: &Policy, factor: FactorId) -> u32 {
    const DAY: i64 = 24 * 3_600_000;
    let (mut throttle, mut made) = (Throttle::default(), Vec::new());
    for minute in (0..3 * 24 * 60).step_by(10) {
        let now = UnixTime(minute * 60_000);
        for lane in [Lane::Open, Lane::Owner, Lane::Open, Lane::Owner] {
            let attempt = Attempt::of(policy, factor, lane);
            if let Admission::Reserved { codes } = throttle.reserve(now, attempt, &policy.lockout) {
                // What stands beside another factor is hit by all codes of the moment.
                let hit = if policy.alone(factor) { codes } else { policy.codes_at_once(factor) };
                made.push((now.0, hit));
            }
        }
    }
    let within = |from: i64| {
        made.iter().filter(|(at, _)| (from..from + DAY).contains(at)).map(|(_, codes)| codes).sum()
    };
    made.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
}

#[test]
fn every_ready_policy_can_be_imported_and_holds_the_bars_wherever_one_factor_is_enough() {
    for ready in READY {
        let level = if ready.text.contains("\n  basic:") { "basic" } else { "strong" };
        let policy = importing(ready.name, level);
        for used in &policy.factors {
            let digits = i32::from(*used.digits.start());
            let chance = f64::from(most_guesses(&policy, used.factor)) * 10_f64.powi(-digits);
            let alone = policy.alone(used.factor);
            assert!(
                !alone || chance <= 10_f64.powi(1 - digits) * 1.000_001,
                "{}: {} {chance}",
                ready.name,
                used.factor
            );
        }
    }
}

#[test]
fn a_policy_is_explained_by_name_by_file_and_by_folder() {
    let (nist, _, good) = countersign(&["policy", "explain", "nist"]);
    assert!(good && nist.starts_with("Aligned with NIST SP 800-63B-4: builtin:nist\n"), "{nist}");
    for told in ["strong by pin and totp: 1 in ", "Exceptions that the policy writes down", "phishing"] {
        assert!(nist.contains(told), "{told}: {nist}");
    }
    assert!(!nist.contains("AAL"));
    let (bank, _, good) = countersign(&["policy", "explain", "flows/bank"]);
    assert!(good && bank.contains("basic by pin: 1 in 10 000 000\n"), "{bank}");
    assert!(bank.contains("basic by totp: 1 in 100 000\n"), "{bank}");
    let (pci, _, _) = countersign(&["policy", "explain", "builtin:pci-dss"]);
    assert!(pci.contains("two different kinds") && !pci.contains("three"), "{pci}");
    let (_, why, good) = countersign(&["policy", "explain", "iso"]);
    assert!(!good && why.contains("help:") && why.contains("hipaa"), "{why}");
    let (_, why, good) = countersign(&["policy", "explain", "tests/data/broken/policy-problems.yaml"]);
    assert!(!good && why.contains("error[E"), "{why}");
}

#[test]
fn ready_policies_are_listed_and_can_be_copied() {
    let (list, _, good) = countersign(&["policy", "list"]);
    assert!(good && READY.iter().all(|ready| list.contains(ready.name)), "{list}");
    let (text, _, _) = countersign(&["policy", "print", "hipaa"]);
    let file = std::fs::read_to_string(root().join("src/flow/policies/hipaa.yaml")).expect("the file");
    assert_eq!(text, file);
    let (_, why, good) = countersign(&["policy", "print", "hippa"]);
    assert!(!good && why.contains("help:"), "{why}");
}
