//! x
use super::Credentials;
use crate::sip::{Name, Request, Response};
pub(super) fn respond(_: &Response, _: &Request, _: &Credentials, _: &str) -> Option<(Name, String)> {
    None
}
