//! What the proof costs: counted in steps that are looked at, never in time.

use super::*;
use crate::diagnostic::Diagnostic;
use crate::flow::document::{Files, Unread};
use crate::flow::load;

struct One(String);

impl Files for One {
    fn read(&self, path: &str) -> Result<String, Unread> {
        match path {
            "main.flow.yaml" => Ok(self.0.clone()),
            "policy.yaml" => Ok("authpolicy: 1\nfactors: {pin: {digits: 8}, totp: {digits: 6}}\nlevels: {basic: {factors: 1}, \
                                 strong: {factors: 2, different_kinds: true}}\n"
                .to_owned()),
            "services.yaml" => Ok("services:\n  crm:\n    kind: http\n    base: https://crm.example\n    calls:\n      \
                                   person: {get: \"/p/${customer.id}\", level: strong, reply: {name: personal}}\n"
                .to_owned()),
            "prompts/en-GB.yaml" => Ok("language: en-GB\nprompts: {word: Hello.}\n".to_owned()),
            _ => Err(Unread::Absent),
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let names: &[&str] = if folder == "prompts" { &["prompts/en-GB.yaml"] } else { &["main.flow.yaml"] };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

const AUTHENTICATE: &str = "prompts: {pin: word, totp: word, failed: word}\n          outcome: {reached: continue, insufficient: \
                            continue, not_enrolled: continue, locked: continue, unavailable: continue}\n";

/// A flow whose sub-flows each run the next one twice; `deepest` is what the last one does.
fn chain(depth: usize, top: &str, deepest: &str) -> String {
    let mut text = String::from(
        "callflow: 1\nid: x\nentry: welcome\nblocks:\n  welcome:\n    - answer:\n    - identify: customer\n      by: \
         caller_id\n      outcome: {one: continue, none: continue, many: continue, unavailable: continue}\n    - run: \
         top\n      outcome: {ok: continue, fail: continue}\n    - hangup: normal\nsubflows:\n",
    );
    text.push_str(&format!(
        "  top:\n    outcomes: [ok, fail]\n    blocks:\n      start:\n{top}        - return: ok\n"
    ));
    for at in 0..depth {
        text.push_str(&format!("  c{at}:\n    outcomes: [ok, fail]\n    blocks:\n      start:\n"));
        if at + 1 < depth {
            let run =
                format!("        - run: c{}\n          outcome: {{ok: continue, fail: continue}}\n", at + 1);
            text.push_str(&run);
            text.push_str(&run);
        } else {
            text.push_str(deepest);
        }
        text.push_str("        - confirm: word\n          outcome: {\"yes\": {return: ok}, \"no\": {return: fail}, give_up: {return: fail}}\n");
    }
    text
}

fn looks(text: String) -> usize {
    let app = match load(&One(text)) {
        Ok((app, _)) => app,
        Err(found) => panic!("{}", crate::diagnostic::render(&found)),
    };
    let mut proof = Proof::of(&app);
    proof.all();
    proof.looks
}

fn found(text: String) -> Vec<Diagnostic> {
    match load(&One(text)) {
        Ok((_, found)) | Err(found) => found,
    }
}

const RUN: &str = "        - run: c0\n          outcome: {ok: continue, fail: continue}\n";

#[test]
fn twice_as_many_sub_flows_take_twice_the_work() {
    let of = |depth| looks(chain(depth, RUN, ""));
    let (few, many) = (of(12), of(24));
    assert!(many < few * 3, "{few} for 12, {many} for 24");
}

#[test]
fn a_weaker_fallback_is_looked_for_in_twice_the_work_too() {
    let top = format!(
        "        - authenticate: customer\n          level: strong\n          offer: [pin, totp]\n          {AUTHENTICATE}{RUN}        - authenticate: \
         customer\n          level: basic\n          offer: [pin]\n          {}",
        AUTHENTICATE.replace(", totp: word", "")
    );
    let of = |depth| looks(chain(depth, &top, ""));
    let (few, many) = (of(12), of(24));
    assert!(many < few * 3, "{few} for 12, {many} for 24");
}

#[test]
fn a_path_through_many_sub_flows_is_told_in_a_line() {
    let lookup = "        - lookup: crm.person\n          outcome: {ok: continue, unavailable: continue}\n";
    let found = found(chain(24, RUN, lookup));
    let told = found.iter().find(|found| found.code == "E200").expect("nobody is proved");
    assert!(told.label.chars().count() < 400, "{}", told.label);
}

#[test]
fn an_application_that_is_too_much_to_be_proved_is_an_error() {
    const FLAGS: usize = 17;
    let names: Vec<String> = (0..FLAGS).map(|at| format!("f{at}")).collect();
    let takes = names.iter().map(|name| format!("{name}: {{type: flag}}")).collect::<Vec<_>>().join(", ");
    let with = |own: usize, value: &str| {
        let given = names.iter().enumerate().map(|(at, name)| match at == own {
            true => format!("{name}: {value}"),
            false => format!("{name}: {name}"),
        });
        given.collect::<Vec<_>>().join(", ")
    };
    let all = names.iter().map(|name| format!("{name}: true")).collect::<Vec<_>>().join(", ");
    let mut text = chain(0, "", "").replace(
        "        - return: ok\n",
        &format!("        - run: c0\n          with: {{{all}}}\n          outcome: {{ok: continue}}\n        - return: ok\n"),
    );
    for at in 0..=FLAGS {
        text.push_str(&format!(
            "  c{at}:\n    takes: {{{takes}}}\n    outcomes: [ok]\n    blocks:\n      start:\n"
        ));
        for value in ["true", "false"].into_iter().filter(|_| at < FLAGS) {
            text.push_str(&format!(
                "        - run: c{}\n          with: {{{}}}\n          outcome: {{ok: continue}}\n",
                at + 1,
                with(at, value)
            ));
        }
        text.push_str("        - return: ok\n");
    }
    let found = found(text);
    assert!(found.iter().any(|found| found.code == "E142"), "{}", crate::diagnostic::render(&found));
}

/// Whoever goes round in circles with a higher level that ends holds at least the lower one that was looked at last.
#[test]
fn a_lower_level_that_was_looked_at_outlives_a_higher_one_that_was_not() {
    let policy = "authpolicy: 1\nfactors: {pin: {digits: 8}, totp: {digits: 6}, hotp: {}}\nlevels:\n  basic: {factors: 1}\n  \
                  two: {factors: 2, max_age: 15m}\n  strong: {factors: 2, different_kinds: true, max_age: 15m}\n";
    let flow = |reset: &str| {
        format!(
            "callflow: 1\nid: x\nblocks:\n  start:\n    - answer:\n    - identify: customer\n      by: caller_id\n      \
             outcome: {{one: continue, none: continue, many: continue, unavailable: continue}}\n    - goto: round\n  \
             round:\n    - confirm: word\n      outcome: {{\"yes\": {{goto: strong}}, \"no\": {{goto: new}}, give_up: \
             {{goto: done}}}}\n  strong:\n    - require: strong\n      else: {{goto: prove}}\n    - goto: round\n  \
             new:\n    - require: two\n      else: {{goto: prove}}\n    - reset: pin\n      after: {reset}\n      prompts: \
             {{pin: word, again: word, differ: word, refused: word}}\n      outcome: {{done: continue, refused: {{goto: \
             done}}, locked: {{goto: done}}, unavailable: {{goto: done}}}}\n    - goto: round\n  prove:\n    - \
             authenticate: customer\n      level: strong\n      offer: [pin, totp]\n      prompts: {{pin: word, totp: word, \
             failed: word}}\n      outcome: {{reached: {{goto: round}}, insufficient: {{goto: done}}, not_enrolled: {{goto: \
             done}}, locked: {{goto: done}}, unavailable: {{goto: done}}}}\n  done:\n    - hangup: normal\n"
        )
    };
    let found = |reset: &str| {
        let files = With { policy, flow: flow(reset) };
        match load(&files) {
            Ok((_, warnings)) => warnings,
            Err(found) => found,
        }
    };
    let two = found("two");
    assert!(two.is_empty(), "{}", crate::diagnostic::render(&two));
    assert!(found("strong").iter().any(|found| found.code == "E200"));
}

/// A flow with a policy of its own.
struct With {
    policy: &'static str,
    flow: String,
}

impl Files for With {
    fn read(&self, path: &str) -> Result<String, Unread> {
        match path {
            "policy.yaml" => Ok(self.policy.to_owned()),
            _ => One(self.flow.clone()).read(path),
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        One(String::new()).list(folder)
    }
}
