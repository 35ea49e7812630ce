//! The address at which people's browsers reach the pages: `public` under `web:`. Passkeys are bound to its host.

use thiserror::Error;

use crate::auth::webauthn::RelyingParty;
use crate::secret::Secret;

/// The path of the page to approve on.
pub(crate) const APPROVE: &str = "/approve";
/// The path of the page to enrol on.
pub(crate) const ENROL: &str = "/enrol";

/// The address, such as `https://calls.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAddress(RelyingParty);

/// Why it can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "`web.public` is no address that browsers keep passkeys for\n  help: write https:// and the name of the host, with its \
     port where that is not 443, and nothing behind it: https://calls.example.com"
)]
pub struct NoPageAddress;

impl PageAddress {
    /// Reads it: https, a host with a name, perhaps a port.
    ///
    /// # Errors
    /// [`NoPageAddress`]: Web Authentication has no passkeys for such an address (§5.1.2: a domain, no number).
    pub fn parse(text: &str) -> Result<Self, NoPageAddress> {
        let rest = text.strip_prefix("https://").ok_or(NoPageAddress)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(fits)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = host.rsplit('.').next().unwrap_or_default();
        let named =
            last.starts_with(|c: char| c.is_ascii_lowercase()) && (host.contains('.') || host == "localhost");
        if !named || host.len() > 253 || !host.split('.').all(label) {
            return Err(NoPageAddress);
        }
        let origin = match port.map(str::parse::<u16>) {
            None | Some(Ok(443)) => format!("https://{host}"),
            Some(Ok(port)) if port > 0 => format!("https://{host}:{port}"),
            Some(_) => return Err(NoPageAddress),
        };
        Ok(Self(RelyingParty { id: host.to_owned(), origin }))
    }

    /// Whom passkeys are made for.
    #[must_use]
    pub const fn party(&self) -> &RelyingParty {
        &self.0
    }

    /// A link to approve by. What follows `#` is sent to nobody by browsers, and stands in no log.
    pub(crate) fn approval(&self, token: &Secret<String>) -> Secret<String> {
        Secret::new(format!("{}{APPROVE}#{}", self.0.origin, token.expose()))
    }

    /// A link to enrol by.
    pub(crate) fn enrolment(&self, token: &Secret<String>) -> Secret<String> {
        Secret::new(format!("{}{ENROL}#{}", self.0.origin, token.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_a_name() {
        for (text, id, origin) in [
            ("https://calls.example.com", "calls.example.com", "https://calls.example.com"),
            ("https://calls.example.com/", "calls.example.com", "https://calls.example.com"),
            ("https://calls.example.com:443", "calls.example.com", "https://calls.example.com"),
            ("https://calls.example.com:8443", "calls.example.com", "https://calls.example.com:8443"),
            ("https://localhost:8443", "localhost", "https://localhost:8443"),
        ] {
            let address = PageAddress::parse(text).expect(text);
            assert_eq!((address.party().id.as_str(), address.party().origin.as_str()), (id, origin));
        }
        for text in [
            "",
            "calls.example.com",
            "http://calls.example.com",
            "https://",
            "https://192.0.2.7",
            "https://[2001:db8::1]",
            "https://calls",
            "https://Calls.example.com",
            "https://calls.example.com/a",
            "https://calls.example.com?x",
            "https://calls.example.com#x",
            "https://user@calls.example.com",
            "https://calls..example.com",
            "https://calls.example.com:0",
            "https://calls.example.com:99999",
            "https://calls.example.com:",
            "https://-calls.example.com",
            "https://calls.example.com ",
        ] {
            assert_eq!(PageAddress::parse(text), Err(NoPageAddress), "{text}");
        }
    }
}
