//! By what the vault of a flow test knows people.

use sha2::{Digest, Sha256};

use crate::auth::SubjectKey;
use crate::auth::ask::Whose;

pub(super) fn kept_by(whose: &Whose) -> String {
    match whose {
        Whose::Subject(key) => key.to_string(),
        Whose::Number(number) => digits(number.expose()),
    }
}

pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

pub(super) fn key_of(kind: &str, value: &str) -> SubjectKey {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(value).finalize();
    let mut key = [0; 16];
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    SubjectKey(key)
}
