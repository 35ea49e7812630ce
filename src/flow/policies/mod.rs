//! Ready policies, and what a policy means in plain words.

pub mod about;
mod chance;
pub mod explain;
mod standards;

pub use about::{About, Exception, Standard};
pub use explain::explain;

/// A policy that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Its name: `builtin:` and this is what a flow imports.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

/// All of them.
pub const READY: [Ready; 4] = [
    Ready { name: "call-centre", text: include_str!("call-centre.yaml") },
    Ready { name: "nist", text: include_str!("nist.yaml") },
    Ready { name: "pci-dss", text: include_str!("pci-dss.yaml") },
    Ready { name: "hipaa", text: include_str!("hipaa.yaml") },
];

/// What stands before the name of one in a flow.
pub const BUILTIN: &str = "builtin:";

/// One by its name, with or without `builtin:`.
#[must_use]
pub fn ready(name: &str) -> Option<&'static Ready> {
    let name = name.strip_prefix(BUILTIN).unwrap_or(name);
    READY.iter().find(|ready| ready.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_policy_has_no_finding_and_says_what_it_is_for() {
        for Ready { name, text } in READY {
            let path = format!("builtin:{name}");
            let told =
                explain(&path, text).unwrap_or_else(|found| panic!("{}", crate::diagnostic::render(&found)));
            assert!(told.starts_with(&format!("{}: {path}", about::title(text))), "{told}");
            assert!(told.contains("\nExceptions"), "{told}");
            assert!(!told.to_lowercase().contains("aal"), "a telephone call has no AAL: {told}");
            assert!(!told.contains("three factors") && !told.contains("3 factors"), "{told}");
        }
        assert!(ready("builtin:nist").is_some() && ready("nist").is_some() && ready("iso").is_none());
    }
}
