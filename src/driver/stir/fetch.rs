//! Fetches certificates: over https from public machines only, no redirects, a bounded size, a bounded time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::driver::os;
use crate::driver::services::http::{Failure, Reach, agent_within, failure};
use crate::sip::stir::CertificateUrl;

/// Where certificates come from. Blocking: called on a worker of its own.
pub trait CertificateSource: Send + Sync {
    /// What lies at an address.
    ///
    /// # Errors
    /// Why it can't be had, for the log.
    fn fetch(&self, url: &CertificateUrl, deadline: Instant) -> Result<Vec<u8>, String>;
}

/// A fetch takes this long at most.
pub(super) const LONGEST: Duration = Duration::from_secs(2);
/// A chain has 4 KiB or less.
pub(super) const LARGEST: u64 = 64 * 1024;

/// From the network; some addresses are pinned to files.
pub(super) struct Network {
    pub(super) pinned: HashMap<String, Vec<u8>>,
    pub(super) agent: Agent,
}

impl Network {
    /// `ca` are the authorities of certificate servers; the system's when `None`.
    pub(super) fn new(ca: Option<&str>, pinned: HashMap<String, Vec<u8>>) -> Result<Self, Failure> {
        let agent =
            agent_within(Reach::Public, true, ca, None, "application/pkix-cert, application/x-pem-file")?;
        Ok(Self { pinned, agent })
    }
}

impl CertificateSource for Network {
    fn fetch(&self, url: &CertificateUrl, deadline: Instant) -> Result<Vec<u8>, String> {
        if let Some(pinned) = self.pinned.get(url.as_str()) {
            return Ok(pinned.clone());
        }
        let left = deadline.saturating_duration_since(os::now()).min(LONGEST);
        if left.is_zero() {
            return Err("no time is left".to_owned());
        }
        let request = self.agent.get(url.as_str()).config().timeout_global(Some(left)).build();
        let mut response = request.call().map_err(|error| failure(&error).to_string())?;
        if response.status() != 200 {
            // A redirect is one as well: it could lead anywhere.
            return Err(format!("status {}", response.status().as_u16()));
        }
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        body.map_err(|error| failure(&error).to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn network() -> Network {
        Network::new(Some(&ca()), HashMap::new()).expect("an agent")
    }

    fn ca() -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).expect("params");
        params.self_signed(&key).expect("a certificate").pem()
    }

    /// `localhost.` style names that lead to this machine are not asked: nothing ever connects.
    #[test]
    fn a_name_that_leads_behind_our_walls_is_not_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let network = network();
        let deadline = os::now() + LONGEST;
        // The address's own port is refused before any name is looked up; the name is by where it leads.
        let port = listener.local_addr().expect("an address").port();
        assert!(CertificateUrl::parse(&format!("https://localhost.localdomain:{port}/x.pem")).is_err());
        for host in ["localhost.localdomain", "ip6-localhost.localdomain", "no-such-host.invalid"] {
            let url = CertificateUrl::parse(&format!("https://{host}/x.pem")).expect("a URL");
            assert!(network.fetch(&url, deadline).is_err(), "{host}");
        }
        assert!(listener.accept().is_err(), "nobody came");
    }

    /// The same agent, held at the place where names become addresses: whatever a name stands for, private, loopback,
    /// link-local and metadata addresses are not connected to.
    #[test]
    fn an_agent_for_public_machines_connects_to_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let network = network();
        let asked = |host: &str| network.agent.get(format!("https://{host}:{port}/")).call().map(drop);
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"] {
            let error = asked(host).expect_err(host);
            assert!(matches!(error, ureq::Error::HostNotFound), "{host}: {error}");
        }
        listener.set_nonblocking(true).expect("set");
        assert!(listener.accept().is_err(), "nobody came");
        // The control: an agent without that rule does connect.
        let any = agent_within(Reach::Any, true, Some(&ca()), None, "text/plain").expect("an agent");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                listener.set_nonblocking(false).expect("set");
                let (mut stream, _) = listener.accept().expect("somebody came");
                let mut hello = [0; 1];
                stream.read_exact(&mut hello).expect("a handshake");
                assert_eq!(hello[0], 0x16);
                let _ = stream.write_all(b"no TLS");
            });
            let error =
                any.get(format!("https://127.0.0.1:{port}/")).call().map(drop).expect_err("no TLS there");
            assert!(!matches!(error, ureq::Error::HostNotFound), "{error}");
        });
    }
}
