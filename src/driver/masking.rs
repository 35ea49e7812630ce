//! What of personal data who may see: by the class of the data and the role of who looks.
//!
//! Operators work with what is masked. An officer may see a value in clear, with a reason that the audit log keeps.

use crate::secret::masked_number;

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Works with customers and calls.
    Operator,
    /// May see what is masked, with a reason.
    Officer,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The identifier in services: people work with it.
    Identifier,
    /// A language.
    Language,
    /// An account number.
    Account,
    /// A telephone number.
    Phone,
    /// A mail address.
    Email,
    /// A name.
    Name,
}

/// A value as this role may see it.
#[must_use]
pub fn shown(class: Class, role: Role, text: &str) -> String {
    match (role, class) {
        (Role::Officer, _) | (_, Class::Identifier | Class::Language) => text.to_owned(),
        (_, Class::Account | Class::Phone) => masked_number(text),
        (_, Class::Name) => text.chars().take(1).collect(),
        (_, Class::Email) => match text.split_once('@') {
            Some((name, domain)) => format!("{}·····@{domain}", name.chars().take(1).collect::<String>()),
            None => masked_number(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sees_enough_to_tell_apart_and_an_officer_all() {
        for (class, text, masked) in [
            (Class::Identifier, "C1001", "C1001"),
            (Class::Language, "es-ES", "es-ES"),
            (Class::Account, "55230188", "·····188"),
            (Class::Account, "5523", "····"),
            (Class::Phone, "+441632960199", "··········199"),
            (Class::Name, "Philippa Quartermaine", "P"),
            (Class::Email, "philippa@example.com", "p·····@example.com"),
            (Class::Email, "", ""),
        ] {
            assert_eq!(shown(class, Role::Operator, text), masked);
            assert_eq!(shown(class, Role::Officer, text), text);
        }
    }
}
