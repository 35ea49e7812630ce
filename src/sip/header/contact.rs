//! Contact as a whole: a list, or the asterisk of a REGISTER (RFC 3261 §20.10, §10.2.2).

use super::name_addr::NameAddr;

/// The Contact headers of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings.
    All,
    /// The list, in order; may be empty.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first of the list.
    #[must_use]
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::All => None,
            Self::List(list) => list.first(),
        }
    }
}
