//! Applications as an admin writes them, read by the loader.

use std::collections::BTreeMap;

use countersign::diagnostic::render;
use countersign::flow::document::Application;
use countersign::flow::load;

/// Every prompt that a written flow may say, the same in both languages.
const PROMPTS: [&str; 24] = [
    "greeting",
    "one",
    "two",
    "three",
    "four",
    "five",
    "bye",
    "choose",
    "why_we_ask",
    "may_we",
    "silent",
    "wrong",
    "one_moment",
    "leave_message",
    "whisper",
    "whisper_strong",
    "offer",
    "place",
    "saved",
    "empty",
    "failed",
    "joined",
    "timeout",
    "full",
];

const POLICY: &str = "authpolicy: 1
factors:
  pin: {digits: 8}
  totp: {digits: 6}
levels:
  basic: {factors: 1}
  strong: {factors: 2, different_kinds: true}
";

/// An application of this main flow, from `vars:` down to its blocks, and other files of its folder.
pub(crate) fn application(flow: &str, files: &[(&str, &str)]) -> Application {
    let mut memory: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let main = format!(
        "callflow: 1\nid: written\nentry: start\nlanguages: {{default: en-GB, offer: [en-GB, es-ES]}}\n{flow}"
    );
    memory.insert("main.flow.yaml".into(), main);
    memory.insert("policy.yaml".into(), POLICY.into());
    for language in ["en-GB", "es-ES"] {
        let prompts: String = PROMPTS.iter().map(|key| format!("  {key}: \"{key}.\"\n")).collect();
        memory
            .insert(format!("prompts/{language}.yaml"), format!("language: {language}\nprompts:\n{prompts}"));
    }
    match load(&memory) {
        Ok((application, _)) => application,
        Err(found) => panic!("{}", render(&found)),
    }
}
