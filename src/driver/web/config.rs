//! `web:` of `countersign.yaml`: where the engine listens for HTTP, and with which certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

use super::proxies::Proxies;
use crate::driver::page_address::{NoPageAddress, PageAddress};
use crate::sip::AccessError;

/// The listener for HTTP.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// The address, such as `127.0.0.1:8080`; nothing listens when absent.
    pub listen: Option<SocketAddr>,
    /// The certificate in PEM, with those that lead to its authority; relative to the data folder. Read again
    /// when it changes.
    pub certificate: Option<PathBuf>,
    /// Addresses or networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Its private key in PEM, readable for this user only.
    pub key: Option<PathBuf>,
    /// The address at which people's browsers reach it, such as `https://calls.example.com`: passkeys are bound to its
    /// host. Without it there are no pages to approve or enrol on.
    pub public: Option<String>,
}

/// Settings of the listener that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WebConfigError {
    /// A proxy that is none.
    #[error("{0}\n  help: write addresses such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")]
    Proxy(#[from] AccessError),
    /// Others could read along.
    #[error(
        "`web.listen` is {0}, which other machines can reach, without TLS\n  help: add `certificate: FILE` and `key: FILE`, \
         or listen on 127.0.0.1"
    )]
    Plain(SocketAddr),
    /// One without the other.
    #[error(
        "`web` has one of `certificate` and `key`\n  help: TLS needs both files; plain HTTP on 127.0.0.1 needs none"
    )]
    Half,
    /// Nothing would use them.
    #[error("`web` has a certificate and nothing to listen on\n  help: add `listen: 0.0.0.0:8443`")]
    Nowhere,
    /// Nobody would answer there.
    #[error("`web.public` is set and nothing listens\n  help: add `listen: 0.0.0.0:8443`")]
    PublicNowhere,
    /// No address for a page.
    #[error(transparent)]
    Public(#[from] NoPageAddress),
}

impl WebConfig {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`WebConfigError`]: what does not.
    pub fn check(&self) -> Result<(), WebConfigError> {
        self.page()?;
        Proxies::of(&self.trusted_proxies)?;
        match (self.listen, &self.certificate, &self.key) {
            (None, ..) if self.public.is_some() => Err(WebConfigError::PublicNowhere),
            (_, Some(_), None) | (_, None, Some(_)) => Err(WebConfigError::Half),
            (None, Some(_), _) => Err(WebConfigError::Nowhere),
            (Some(listen), None, _) if !listen.ip().is_loopback() => Err(WebConfigError::Plain(listen)),
            _ => Ok(()),
        }
    }

    /// Where the pages are, when there are any.
    ///
    /// # Errors
    /// When there can be none at that address.
    pub fn page(&self) -> Result<Option<PageAddress>, NoPageAddress> {
        self.public.as_deref().map(PageAddress::parse).transpose()
    }

    /// The files of TLS, when it is to be used.
    #[must_use]
    pub fn tls(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.certificate.as_ref().zip(self.key.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(listen: &str, certificate: bool, key: bool) -> WebConfig {
        WebConfig {
            listen: listen.parse().ok(),
            certificate: certificate.then(|| "site.pem".into()),
            key: key.then(|| "site.key".into()),
            public: None,
            trusted_proxies: Vec::new(),
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert_eq!(WebConfig::default().check(), Ok(()));
        assert_eq!(web("127.0.0.1:8080", false, false).check(), Ok(()));
        assert_eq!(web("[::1]:8080", false, false).check(), Ok(()));
        for open in ["0.0.0.0:8080", "192.0.2.7:80", "[::]:8080", "10.0.0.1:1"] {
            assert!(matches!(web(open, false, false).check(), Err(WebConfigError::Plain(_))), "{open}");
            assert_eq!(web(open, true, true).check(), Ok(()));
        }
    }

    #[test]
    fn a_public_address_is_one_that_browsers_keep_passkeys_for() {
        let at = |listen: &str, public: &str| WebConfig {
            public: Some(public.to_owned()),
            ..web(listen, true, true)
        };
        assert_eq!(at("0.0.0.0:8443", "https://calls.example.com").check(), Ok(()));
        assert_eq!(
            at("0.0.0.0:8443", "https://192.0.2.7").check(),
            Err(WebConfigError::Public(NoPageAddress))
        );
        let nowhere = WebConfig { certificate: None, key: None, ..at("", "https://calls.example.com") };
        assert_eq!(nowhere.check(), Err(WebConfigError::PublicNowhere));
    }

    #[test]
    fn half_of_tls_is_an_error() {
        assert_eq!(web("0.0.0.0:1", true, false).check(), Err(WebConfigError::Half));
        assert_eq!(web("127.0.0.1:1", false, true).check(), Err(WebConfigError::Half));
        assert_eq!(web("", true, true).check(), Err(WebConfigError::Nowhere));
    }
}
