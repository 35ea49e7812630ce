//! Finds secrets that somebody wrote into a flow or a services file, where the version history, every copy and
//! every editor would keep them. By the shapes that tokens have, by the key they stand under, and by how little
//! they look like words.

use std::sync::Arc;

use super::findings::Findings;
use super::yaml::{Data, Node};
use crate::diagnostic::{Diagnostic, Place, Source};

/// Looks through a file of services: there the name of a key says what stands behind it.
pub(crate) fn look_at_services(root: &Node, findings: &mut Findings) {
    visit(root, Some(""), findings);
}

/// Looks through a flow, where `password:` may stand before the key of a prompt.
pub(crate) fn look(root: &Node, findings: &mut Findings) {
    visit(root, None, findings);
}

/// `key`: what the value stands behind, where that counts.
fn visit(node: &Node, key: Option<&str>, findings: &mut Findings) {
    match &node.data {
        Data::Sequence(items) => items.iter().for_each(|item| visit(item, key, findings)),
        Data::Mapping(pairs) => {
            pairs.iter().for_each(|(name, value)| visit(value, key.map(|_| name.text()), findings))
        }
        Data::Scalar(scalar) => {
            let text = scalar.text.trim();
            let named = key.is_some_and(holds_secrets) && is_opaque(text) && text.len() >= 8;
            if !is_reference(text) && (named || is_token(text) || text.split_whitespace().any(is_random)) {
                findings.push(found(&node.place));
            }
        }
    }
}

/// What is told of a secret, without showing it.
pub(crate) fn found(place: &Place) -> Diagnostic {
    let message = "a secret does not stand in an application's files";
    let help = "write its name, \"secret:crm/token\", and in countersign.yaml where it is: \
                `secrets: {crm/token: {file: /etc/countersign/crm-token}}`; change it, too, if anybody has seen it";
    Diagnostic::error("E191", Some(hidden(place)), message).help(help)
}

/// The same place in a copy of the file that has dots for the secret: a finding ends in the logs of a build.
fn hidden(place: &Place) -> Place {
    let text: String = place
        .source
        .text
        .char_indices()
        .map(|(at, c)| {
            if place.span.contains(&at) && !matches!(c, '\n' | '"' | '\'') {
                '.'.to_string().repeat(c.len_utf8())
            } else {
                c.to_string()
            }
        })
        .collect();
    Place { source: Arc::new(Source { path: place.source.path.clone(), text }), span: place.span.clone() }
}

fn is_reference(text: &str) -> bool {
    text.starts_with("secret:") && text.len() < 140
}

/// Keys that usually have a secret beside them.
fn holds_secrets(key: &str) -> bool {
    let key: String = key.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    ["password", "passwd", "apikey", "secret", "token", "bearer", "authorization", "privatekey"]
        .iter()
        .any(|word| key.ends_with(word))
}

/// One word with digits in it, or none of the language's own.
fn is_opaque(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && !text.contains("${")
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// The shapes of well-known tokens.
fn is_token(text: &str) -> bool {
    const PREFIXES: [(&str, usize); 16] = [
        ("Bearer ", 20),
        ("Basic ", 16),
        ("AKIA", 20),
        ("ASIA", 20),
        ("ghp_", 20),
        ("gho_", 20),
        ("github_pat_", 20),
        ("glpat-", 20),
        ("xoxb-", 20),
        ("xoxp-", 20),
        ("sk_live_", 16),
        ("sk_test_", 16),
        ("rk_live_", 16),
        ("AIza", 30),
        ("SG.", 40),
        ("eyJ", 40),
    ];
    let credentials = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    credentials
        || (text.contains("-----BEGIN ") && text.contains("PRIVATE KEY"))
        || PREFIXES
            .iter()
            .any(|(prefix, least)| text.starts_with(prefix) && text.len() >= *least && !text.contains("${"))
}

/// A long word of mixed letters and digits in which hardly anything comes twice.
fn is_random(word: &str) -> bool {
    const LEAST: usize = 24;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-');
    if word.len() < LEAST || !word.bytes().all(fits) {
        return false;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let mixed = word.bytes().any(|b| b.is_ascii_uppercase()) && word.bytes().any(|b| b.is_ascii_lowercase());
    let hex = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A file's path or a name of several words has separators; random text of this length hardly has many.
    let words = word.split(['_', '-', '/']).map(str::len).max().unwrap_or(0);
    digits >= 3
        && letters >= 6
        && words >= 16
        && ((mixed && entropy(word) >= 3.7) || (hex && entropy(word) >= 3.0))
}

/// Bits per character, by how often each comes.
fn entropy(word: &str) -> f64 {
    let mut counts = [0_u32; 256];
    word.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    });
    bits.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::document::yaml;

    fn told(text: &str) -> usize {
        let mut findings = Findings::default();
        let root = yaml::read("x.yaml", text, &mut findings).expect("YAML");
        look_at_services(&root, &mut findings);
        let found = findings.into_sorted();
        for finding in &found {
            let shown = crate::diagnostic::render(std::slice::from_ref(finding));
            assert_eq!(finding.code, "E191", "{shown}");
            assert!(!shown.contains("8fK2") && !shown.contains("hunter2"), "{shown}");
        }
        found.len()
    }

    #[test]
    fn what_looks_like_a_secret_is_found_and_not_shown() {
        for text in [
            "auth: {bearer: 8fK2xQ9vL1mZ7rT4wB6n}",
            "x: \"Bearer 8fK2xQ9vL1mZ7rT4wB6n\"",
            "url: \"https://user:hunter2@crm.example/\"",
            "x: AKIA8fK2EXAMPLE7QQXZ",
            "x: \"sk_live_8fK2xQ9vL1mZ7rT4\"",
            "x: \"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.8fK2MTIzNDU2Nzg5MCJ9\"",
            "note: \"use 8fK2xQ9vL1mZ7rT4wB6nYc3D for tests\"",
            "x: 5d41402abc4b2a76b9719d911017c592",
            "password: hunter2hunter2",
            "x: |\n  -----BEGIN PRIVATE KEY-----\n  8fK2\n  -----END PRIVATE KEY-----\n",
            "list: [{api_key: \"8fK2-1234-5678\"}]",
        ] {
            assert_eq!(told(text), 1, "{text}");
        }
    }

    #[test]
    fn a_flow_may_have_a_prompt_for_passwords() {
        let mut findings = Findings::default();
        let root = yaml::read("x.yaml", "prompts: {password: ask_password_2}", &mut findings).expect("YAML");
        look(&root, &mut findings);
        assert_eq!(findings.errors(), 0);
    }

    #[test]
    fn what_flows_are_made_of_is_no_secret() {
        for text in [
            "auth: {bearer: \"secret:crm/token\"}",
            "goto: ask_for_the_account_number_again_2",
            "base: https://crm.internal.example/v2/customers",
            "get: \"/people/${customer}/balance\"",
            "when: topic == pay_card and auth.level != strong and risk.score < 40",
            "say: [menu_silent, account_silent_2]",
            "token: \"${call.id}\"",
            "query: \"select balance, currency from accounts where customer = :customer\"",
            "note: \"see https://docs.example/2026/how-to-use-the-payment-gateway-v2\"",
            "voice: ecapa-8k-2026-02-multilingual",
        ] {
            assert_eq!(told(text), 0, "{text}");
        }
    }
}
