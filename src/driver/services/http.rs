//! Asking a server: one request with its deadline, tried again where that does no harm.
//!
//! TLS is always verified, redirects are never followed, nothing is compressed, a reply has a bounded size, and
//! the way goes straight to the server, whatever proxies the environment names.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Timeout};

use super::reply::{self, Useless};
use super::request::{self, Built, NotBuilt};
use crate::driver::secrets::{SecretError, Secrets};
use crate::driver::{os, tls};
use crate::flow::document::{Auth, HttpService, Request, ServiceCall};
use crate::flow::run::{Lookup, LookupReply};
use crate::secret::Secret;

/// Why there is no reply. Without values: for logs.
#[derive(Debug, Error)]
pub(in crate::driver) enum Failure {
    /// The request was not made.
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret can't be used for what it is for.
    #[error("the secret `{0}` is not {1}")]
    SecretUnfit(String, &'static str),
    /// No certificate authority is known.
    #[error(
        "there are no certificate authorities on this system: install its package (ca-certificates), or name one with `ca:`"
    )]
    NoAuthorities,
    /// No connection.
    #[error("no connection")]
    Connect,
    /// The connection broke, before or in the reply.
    #[error("the connection broke")]
    Lost,
    /// Too slow.
    #[error("no answer in time")]
    Timeout,
    /// TLS did not come about.
    #[error("TLS: {0}")]
    Tls(String),
    /// The reply is no HTTP, or too large.
    #[error("the reply can't be read: {0}")]
    Garbage(&'static str),
    /// A status that says neither yes nor no.
    #[error("status {0}")]
    Status(u16),
    /// The reply is not what it was declared to be.
    #[error(transparent)]
    Useless(#[from] Useless),
}

impl Failure {
    /// Whether the service is to blame, so that it is left alone after some of them.
    pub(super) const fn is_the_services(&self) -> bool {
        match self {
            Self::NotBuilt(_) | Self::Secret(_) | Self::SecretUnfit(..) | Self::NoAuthorities => false,
            // 4xx: what this caller asked, but for being asked too much.
            Self::Status(status) => *status >= 500 || *status == 429,
            _ => true,
        }
    }
}

impl Failure {
    /// Whether anything was sent, or at least tried.
    pub(super) const fn was_asked(&self) -> bool {
        !matches!(self, Self::NotBuilt(_) | Self::Secret(_) | Self::SecretUnfit(..) | Self::NoAuthorities)
    }

    /// Whether asking the same again could never help. Who we are may be put right meanwhile (401, 403).
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::NotBuilt(_) => true,
            Self::Status(status) => {
                matches!(status, 400 | 404 | 405 | 406 | 409 | 410 | 411 | 413..=417 | 422)
            }
            _ => false,
        }
    }
}

/// A way to one service, with the connections that are kept.
#[derive(Default)]
pub(super) struct Client {
    agent: Mutex<Option<([u8; 32], Agent)>>,
}

impl Client {
    /// Asks.
    pub(super) fn ask(
        &self,
        service: &HttpService,
        call: &ServiceCall,
        request: &Request,
        lookup: &Lookup,
        secrets: &Secrets,
        deadline: Instant,
    ) -> Result<LookupReply, Failure> {
        let built = request::build(service, request, lookup)?;
        let agent = self.agent(service, secrets)?;
        let credentials = credentials(service, secrets)?;
        let harmless = request.idempotent || lookup.idempotency.is_some();
        let mut again = service.retry.times;
        loop {
            let asked = send(&agent, service, request, call, &built, &credentials, deadline);
            let retry = match &asked {
                Err(Failure::Connect) => service.retry.connect,
                Err(Failure::Lost) => service.retry.lost && harmless,
                Err(Failure::Status(status)) => service.retry.statuses.contains(status) && harmless,
                _ => false,
            };
            if !retry || again == 0 || os::now() >= deadline {
                return asked;
            }
            let times = u32::from(service.retry.times - again);
            again -= 1;
            pause(PAUSE * 2_u32.pow(times), deadline);
        }
    }

    /// The way there; a new one when a certificate has changed.
    fn agent(&self, service: &HttpService, secrets: &Secrets) -> Result<Agent, Failure> {
        let mut identity = None;
        let mut hasher = Sha256::new();
        for auth in &service.auth {
            if let Auth::Mtls(secret) = auth {
                let pem = secrets.find(&secret.name)?;
                hasher.update(pem.expose().as_bytes());
                identity = Some((&secret.name, pem));
            }
        }
        let version: [u8; 32] = hasher.finalize().into();
        let mut kept = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, agent)) = &*kept
            && *known == version
        {
            return Ok(agent.clone());
        }
        let identity = identity.map(|(name, pem)| client_certificate(name, &pem)).transpose()?;
        let agent = new_agent(service, identity)?;
        *kept = Some((version, agent.clone()));
        Ok(agent)
    }
}

fn new_agent(service: &HttpService, identity: Option<ClientCert>) -> Result<Agent, Failure> {
    agent(service.base.tls, service.ca.as_deref(), identity, "application/json")
}

/// Which servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Reach {
    /// All.
    Any,
    /// Those of this machine and of private networks.
    Private,
    /// All others: for an address that must not lead behind our own walls, whatever its name stands for.
    Public,
}

/// A way to servers: with TLS, or to private networks.
pub(in crate::driver) fn agent(
    with_tls: bool,
    ca: Option<&str>,
    identity: Option<ClientCert>,
    accepted: &'static str,
) -> Result<Agent, Failure> {
    let reach = if with_tls { Reach::Any } else { Reach::Private };
    agent_within(reach, with_tls, ca, identity, accepted)
}

/// A way to servers within reach.
pub(in crate::driver) fn agent_within(
    reach: Reach,
    with_tls: bool,
    ca: Option<&str>,
    identity: Option<ClientCert>,
    accepted: &'static str,
) -> Result<Agent, Failure> {
    let authorities = match (ca, with_tls) {
        (_, false) => Vec::new(),
        (Some(pem), true) => tls::certificates(pem).ok_or(Failure::NoAuthorities)?,
        (None, true) => tls::system_authorities(),
    };
    if with_tls && authorities.is_empty() {
        return Err(Failure::NoAuthorities);
    }
    let authorities: Vec<_> = authorities.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(tls::provider())
        .root_certs(RootCerts::new_with_certs(&authorities))
        .client_cert(identity)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .https_only(with_tls)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(LARGEST_HEADER)
        // Shorter than servers keep them: a request into a connection that is being closed is lost.
        .max_idle_age(Duration::from_secs(4))
        .max_idle_connections_per_host(8)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .accept(accepted)
        .build();
    let resolver = Addresses { inner: DefaultResolver::default(), reach };
    Ok(Agent::with_parts(config, DefaultConnector::new(), resolver))
}

/// Chain and key in one text of PEM.
fn client_certificate(name: &str, pem: &Secret<String>) -> Result<ClientCert, Failure> {
    let unfit = || Failure::SecretUnfit(name.to_owned(), "a certificate with its key in PEM");
    let chain = tls::certificates(pem.expose()).ok_or_else(unfit)?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let key = PrivateKey::from_pem(pem.expose().as_bytes()).map_err(|_| unfit())?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// What stands in headers to prove who we are.
fn credentials(service: &HttpService, secrets: &Secrets) -> Result<Vec<(String, Secret<String>)>, Failure> {
    let mut out = Vec::new();
    for auth in &service.auth {
        let named = auth.secret();
        let (header, value) = match auth {
            Auth::Mtls(_) => continue,
            Auth::Bearer(_) => {
                let token = secrets.find(&named.name)?;
                ("Authorization", Secret::new(format!("Bearer {}", token.expose())))
            }
            Auth::Basic(_) => {
                let pair = secrets.find(&named.name)?;
                if !pair.expose().contains(':') || pair.expose().contains(char::is_control) {
                    return Err(Failure::SecretUnfit(named.name.clone(), "written user:password"));
                }
                let encoded = Secret::new(data_encoding::BASE64.encode(pair.expose().as_bytes()));
                ("Authorization", Secret::new(format!("Basic {}", encoded.expose())))
            }
            Auth::Header(name, _) => (name.as_str(), secrets.find(&named.name)?),
        };
        if !value.expose().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(Failure::SecretUnfit(named.name.clone(), "one line of ASCII"));
        }
        out.push((header.to_owned(), value));
    }
    Ok(out)
}

fn send(
    agent: &Agent,
    service: &HttpService,
    request: &Request,
    call: &ServiceCall,
    built: &Built,
    credentials: &[(String, Secret<String>)],
    deadline: Instant,
) -> Result<LookupReply, Failure> {
    let left = deadline.saturating_duration_since(os::now());
    if left.is_zero() {
        return Err(Failure::Timeout);
    }
    let mut message = ureq::http::Request::builder().method(built.method).uri(&built.url);
    let secret = |value: &str| {
        ureq::http::HeaderValue::from_str(value).map(|mut value| {
            value.set_sensitive(true);
            value
        })
    };
    for (name, value) in &built.headers {
        message = message.header(name, value);
    }
    for (name, value) in credentials {
        let value = secret(value.expose()).map_err(|_| Failure::Garbage("a header of ours"))?;
        message = message.header(name, value);
    }
    let body = match &built.body {
        Some((media, body)) => {
            message = message.header("Content-Type", *media);
            body.as_slice()
        }
        None => &[],
    };
    let has_body = built.body.is_some() || !matches!(built.method, "GET" | "DELETE");
    let timed = |agent: &Agent| (Some(left), Some(service.connect.min(left)), agent.clone());
    let (global, connect, agent) = timed(agent);
    let response = if has_body {
        let message = message.body(body).map_err(|_| Failure::Garbage("a request of ours"))?;
        let message =
            agent.configure_request(message).timeout_global(global).timeout_connect(connect).build();
        agent.run(message)
    } else {
        let message = message.body(()).map_err(|_| Failure::Garbage("a request of ours"))?;
        let message =
            agent.configure_request(message).timeout_global(global).timeout_connect(connect).build();
        agent.run(message)
    };
    let mut response = response.map_err(|error| failure(&error))?;
    let status = response.status().as_u16();
    let is_reply = match request.ok.is_empty() {
        true => (200..300).contains(&status),
        false => request.ok.contains(&status),
    };
    if request.not_found.contains(&status) {
        return Ok(LookupReply::NotFound);
    }
    if request.declined.contains(&status) {
        return Ok(LookupReply::Declined);
    }
    if !is_reply {
        return Err(Failure::Status(status));
    }
    let body = response.body_mut().with_config().limit(LARGEST_BODY).read_to_vec();
    let body = zeroize::Zeroizing::new(body.map_err(|error| failure(&error))?);
    Ok(reply::from_json(call, request.list.as_deref(), &body)?)
}

/// What went wrong.
pub(in crate::driver) fn failure(error: &ureq::Error) -> Failure {
    use ureq::Error;
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect)
        | Error::HostNotFound
        | Error::ConnectionFailed => Failure::Connect,
        Error::Timeout(_) => Failure::Timeout,
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => Failure::Connect,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::Timeout,
            // rustls tells of a bad certificate inside an input or output error.
            ErrorKind::InvalidData => Failure::Tls(tls_cause(error)),
            _ => Failure::Lost,
        },
        Error::Rustls(error) => Failure::Tls(error.to_string()),
        Error::Tls(what) => Failure::Tls((*what).to_owned()),
        Error::BodyExceedsLimit(_) => Failure::Garbage("it is too large"),
        Error::LargeResponseHeader(..) => Failure::Garbage("its header is too large"),
        _ => Failure::Garbage("it is not HTTP"),
    }
}

fn tls_cause(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| "the handshake failed".to_owned(), ToString::to_string)
}

/// Looks up names, and forgets the addresses that are out of reach: a name that changes its mind leads nowhere else.
#[derive(Debug)]
struct Addresses {
    inner: DefaultResolver,
    reach: Reach,
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let mut within = self.empty();
        for address in found.iter().filter(|address| self.reach.has(address.ip())) {
            within.push(*address);
        }
        if within.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(within) }
    }
}

/// Whether an address is this machine's, or one of a private network.
impl Reach {
    fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Private => is_private(address),
            Self::Public => !is_private(address) && is_unicast(address),
        }
    }
}

/// Whether it is an address of one machine that others can reach.
fn is_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            // RFC 6890: this network, shared address space, protocol assignments, multicast and reserved.
            !(a == 0 || (a == 100 && b & 0xc0 == 64) || (a == 192 && b == 0 && c == 0) || a >= 224)
        }
        IpAddr::V6(address) => {
            let [a, b, ..] = address.segments();
            // Global unicast, without the ways to addresses of version 4: RFC 3056, RFC 4380, RFC 6052.
            a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && b == 0)
        }
    }
}

pub(in crate::driver) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        // RFC 4193: fc00::/7; RFC 4291: fe80::/10.
        IpAddr::V6(address) => {
            let first = address.segments().first().copied().unwrap_or_default();
            address.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

fn pause(time: Duration, deadline: Instant) {
    std::thread::park_timeout(time.min(deadline.saturating_duration_since(os::now())));
}

/// Before the second try; twice as long before each one after it.
const PAUSE: Duration = Duration::from_millis(50);
/// A caller is told some values, not pages.
const LARGEST_BODY: u64 = 256 * 1024;
const LARGEST_HEADER: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_leads_to_no_wall_of_ours() {
        let public = |text: &str| Reach::Public.has(text.parse().expect("an address"));
        for wall in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!public(wall), "{wall}");
        }
        for open in
            ["198.51.100.7", "8.8.8.8", "2001:db8::1", "2a00:1450:4001::1", "100.128.0.1", "172.32.0.1"]
        {
            assert!(public(open), "{open}");
        }
    }
}
