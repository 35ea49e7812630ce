//! The Identity header (RFC 8224 §4, §4.1): a PASSporT, whole or without what the message says already, and where its
//! certificate is.

use super::Reason;

/// One Identity header.
pub struct IdentityHeader<'a> {
    /// What is signed, and the signature: three parts with dots between; in compact form the first two are empty.
    pub token: &'a str,
    /// The address of the certificate.
    pub info: Option<&'a str>,
    /// The algorithm, when it says so.
    pub alg: Option<&'a str>,
    /// The extension, when it says so.
    pub ppt: Option<&'a str>,
}

/// A PASSporT of ours has some 600 octets; this leaves room for large ones, and none for games.
pub const MAX_IDENTITY: usize = 8192;

impl<'a> IdentityHeader<'a> {
    /// Reads a header's value.
    ///
    /// # Errors
    /// [`Reason::Malformed`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(value).map_err(|_| Reason::Malformed)?.trim();
        if text.len() > MAX_IDENTITY {
            return Err(Reason::Malformed);
        }
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end).ok_or(Reason::Malformed)?;
        if token.is_empty() || !token.bytes().all(is_token_octet) {
            return Err(Reason::Malformed);
        }
        let mut header = Self { token, info: None, alg: None, ppt: None };
        for param in rest.split(';').skip(1) {
            header.take(param.trim())?;
        }
        if !rest.split(';').next().unwrap_or_default().trim().is_empty() {
            return Err(Reason::Malformed);
        }
        Ok(header)
    }

    fn take(&mut self, param: &'a str) -> Result<(), Reason> {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        let (name, value) = (name.trim_end(), value.trim_start());
        let place = match () {
            () if name.eq_ignore_ascii_case("info") => &mut self.info,
            () if name.eq_ignore_ascii_case("alg") => &mut self.alg,
            () if name.eq_ignore_ascii_case("ppt") => &mut self.ppt,
            // RFC 8224 §4: further parameters say nothing to us.
            () => return Ok(()),
        };
        let inner = match name.eq_ignore_ascii_case("info") {
            true => value.strip_prefix('<').and_then(|value| value.strip_suffix('>')),
            // RFC 8224 §4 writes tokens; quoted ones are seen as well.
            false => value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).or(Some(value)),
        };
        let inner = inner.filter(|inner| !inner.is_empty()).ok_or(Reason::Malformed)?;
        // Which of two would count is not to be guessed.
        match place.replace(inner) {
            None => Ok(()),
            Some(_) => Err(Reason::Malformed),
        }
    }

    /// Writes one.
    #[must_use]
    pub fn write(token: &str, info: &str, ppt: &str) -> String {
        format!("{token};info=<{info}>;alg=ES256;ppt={ppt}")
    }
}

fn is_token_octet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_in_the_ways_that_networks_write_it() {
        for value in [
            "a.b.c;info=<https://cert.example/x.pem>;alg=ES256;ppt=shaken",
            "a.b.c ; info = <https://cert.example/x.pem> ; alg = ES256 ; ppt = \"shaken\"",
            "  a.b.c;INFO=<https://cert.example/x.pem>;PPT=shaken;ALG=ES256;x=y  ",
        ] {
            let header = IdentityHeader::parse(value.as_bytes()).map_err(Reason::name).expect(value);
            assert_eq!(header.token, "a.b.c");
            assert_eq!(header.info, Some("https://cert.example/x.pem"));
            assert_eq!((header.alg, header.ppt), (Some("ES256"), Some("shaken")));
        }
    }

    #[test]
    fn slips_are_malformed() {
        let long = "a".repeat(MAX_IDENTITY + 1);
        for value in [
            "",
            ";info=<https://a/b>",
            "a.b.c;info=https://a/b",
            "a.b.c;info=<>",
            "a.b.c x;info=<https://a/b>",
            "a.b.c;info=<https://a/b>;info=<https://c/d>",
            "a\".b.c;info=<https://a/b>",
            "\"a.b.c\";info=<https://a/b>",
            long.as_str(),
        ] {
            assert!(IdentityHeader::parse(value.as_bytes()).is_err(), "{value}");
        }
        assert!(IdentityHeader::parse(b"a.b.c\xff").is_err());
    }
}
