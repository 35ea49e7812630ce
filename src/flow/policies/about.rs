//! What a policy says of itself: its title, the standard it follows, where it departs from it and why.

use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::Findings;

/// What a policy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its title.
    pub title: String,
    /// The standard it follows.
    pub standard: Option<Standard>,
    /// Where it departs from rules, and why.
    pub exceptions: Vec<Exception>,
}

/// A standard that a policy can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// NIST SP 800-63B-4.
    Nist,
    /// PCI DSS 4.0.1.
    PciDss,
    /// The Security Rule of HIPAA.
    Hipaa,
}

/// A written exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// From which rule.
    pub rule: String,
    /// What is otherwise.
    pub what: String,
    /// Why.
    pub because: String,
}

impl Standard {
    /// By its name in a policy.
    pub const NAMES: [(&'static str, Self); 3] =
        [("nist_sp_800_63b_4", Self::Nist), ("pci_dss_4_0_1", Self::PciDss), ("hipaa", Self::Hipaa)];

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nist => "NIST SP 800-63B-4",
            Self::PciDss => "PCI DSS 4.0.1",
            Self::Hipaa => "the HIPAA Security Rule",
        }
    }
}

/// Reads it from a policy.
pub(crate) fn read(file: &Fields<'_>, findings: &mut Findings) -> About {
    let mut out = About::default();
    if let Some(node) = file.get("title") {
        out.title = fields::text(node, "a title", findings).unwrap_or_default();
    }
    if let Some(node) = file.get("standard") {
        out.standard = fields::choice(node, "standard", &Standard::NAMES, findings);
    }
    for node in file.get("exceptions").map(fields::items).unwrap_or_default() {
        out.exceptions.extend(exception(node, findings));
    }
    out
}

fn exception(node: &Node, findings: &mut Findings) -> Option<Exception> {
    let fields = Fields::of(node, "an exception", findings)?;
    fields.only(&["rule", "what", "because"], "an exception", findings);
    let mut part = |name: &str| {
        let node = fields.need(name, "an exception", findings)?;
        fields::text(node, name, findings)
    };
    let (rule, what, because) = (part("rule"), part("what"), part("because"));
    Some(Exception { rule: rule?, what: what?, because: because? })
}

/// The title of a policy's text, as it is written.
#[cfg(test)]
pub(super) fn title(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("title: ")).unwrap_or_default()
}
