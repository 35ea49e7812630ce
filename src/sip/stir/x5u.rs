//! Where a certificate may be fetched from, by its address alone. Whether the name leads to a public machine is looked at
//! by whoever fetches.

use super::Reason;

/// An address that may be asked: https, at the ports of ATIS-1000074 §5.3.1, nothing in it but a host and a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateUrl(Box<str>);

/// Longer ones name nothing that is there.
const MAX_URL: usize = 512;

impl CertificateUrl {
    /// Reads it.
    ///
    /// # Errors
    /// [`Reason::CertificateUrl`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let refused = Reason::CertificateUrl;
        let rest = text.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let rest = rest.and_then(|_| text.get(8..)).ok_or(refused)?;
        let clean = text.len() <= MAX_URL
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.contains(['?', '#', '@', '\\', '"', '<', '>', '%']);
        let (authority, path) = rest.split_once('/').ok_or(refused)?;
        if !clean || path.is_empty() {
            return Err(refused);
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        // A name in DNS: an address has no business here, in whatever base it is written.
        let is_name = host.contains('.')
            && host.len() <= 253
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
            && host
                .rsplit('.')
                .next()
                .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
        let port_fits = matches!(port, None | Some("443" | "8443"));
        if !is_name || !port_fits {
            return Err(refused);
        }
        Ok(Self(text.into()))
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.0.split('/').nth(2).unwrap_or_default();
        authority.split(':').next().unwrap_or_default()
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_a_named_host_is_asked() {
        for good in [
            "https://cert.example.org/passport.cer",
            "https://cert.example.org:8443/a/b.pem",
            "HTTPS://cert.example.org:443/x",
        ] {
            assert!(CertificateUrl::parse(good).is_ok(), "{good}");
        }
        let long = format!("https://cert.example.org/{}", "a".repeat(MAX_URL));
        for bad in [
            "",
            "https://",
            "http://cert.example.org/x",
            "ftp://cert.example.org/x",
            "file:///etc/passwd",
            "https:/cert.example.org/x",
            "https://cert.example.org",
            "https://cert.example.org/",
            "https://cert.example.org:22/x",
            "https://cert.example.org:0443/x",
            "https://user@cert.example.org/x",
            "https://cert.example.org/x?to=http://10.0.0.1",
            "https://cert.example.org/x#y",
            "https://cert.example.org\\@10.0.0.1/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest/meta-data",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://0x7f000001/x",
            "https://localhost/x",
            "https://cert.example.org/a b",
            "https://cert.example.org/\r\nX: y",
            "https://cert.exämple.org/x",
            long.as_str(),
        ] {
            assert!(CertificateUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
