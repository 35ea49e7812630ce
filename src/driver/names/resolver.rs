//! Questions to the DNS: the servers of the settings, or those of the system with its file of hosts.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Name, ParsedName, ToName};
use domain::rdata::{A, Aaaa, Naptr as NaptrData, Srv as SrvData};
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::{ResolvConf, ServerConf, Transport};
use tokio::runtime::Runtime;

use crate::sip::locate::{Dns, Naptr, Records, Srv, Unanswered};

/// Asks.
pub(super) struct Resolver {
    runtime: Runtime,
    resolver: StubResolver,
    /// The system's: its file of hosts comes first.
    systems: bool,
}

/// A server that says nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer without records is kept, and what the file of hosts says.
const SHORT: Duration = Duration::from_secs(60);

/// What of an answer's records is kept, each with the seconds it may be.
type Rows<T> = Vec<(T, Duration)>;

impl Resolver {
    /// With these servers; the system's when there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let systems = servers.is_empty();
        let mut conf = if systems { ResolvConf::default() } else { ResolvConf::new() };
        conf.servers.extend(servers.iter().map(|address| ServerConf::new(*address, Transport::UdpTcp)));
        conf.options.timeout = PATIENCE;
        conf.finalize();
        Ok(Self { runtime, resolver: StubResolver::from_conf(conf), systems })
    }

    /// Asks one question; `read` takes the records of the name, or of what it is another name for.
    fn ask<T>(
        &self,
        name: &str,
        rtype: Rtype,
        read: impl FnOnce(&domain::base::Message<bytes::Bytes>, &Name<Vec<u8>>) -> Option<Rows<T>>,
    ) -> Result<Records<T>, Unanswered> {
        let unanswered = |why: &str| Unanswered(format!("the DNS gave no {rtype} of {name}: {why}"));
        let asked: Name<Vec<u8>> = name.parse().map_err(|_| unanswered("that is no name"))?;
        let answer = self.runtime.block_on(self.resolver.query((&asked, rtype)));
        let answer = answer.map_err(|error| unanswered(&error.to_string()))?.into_message();
        match answer.header().rcode() {
            Rcode::NOERROR => {}
            Rcode::NXDOMAIN => return Ok(Records { all: Vec::new(), ttl: SHORT }),
            other => return Err(unanswered(&other.to_string())),
        }
        let owner = answer.canonical_name().ok_or_else(|| unanswered("its names go round in circles"))?;
        let rows = read(&answer, &owner.to_name()).ok_or_else(|| unanswered("it can't be read"))?;
        let ttl = rows.iter().map(|(_, ttl)| *ttl).min().unwrap_or(SHORT);
        Ok(Records { all: rows.into_iter().map(|(row, _)| row).collect(), ttl })
    }

    fn by_dns(&self, host: &str) -> Result<Records<IpAddr>, Unanswered> {
        let fourth = self.ask(host, Rtype::A, |answer, owner| {
            let rows = answer.answer().ok()?.limit_to::<A>().filter_map(Result::ok);
            let rows = rows.filter(|row| row.owner().name_eq(owner));
            Some(rows.map(|row| (IpAddr::from(row.data().addr()), row.ttl().into_duration())).collect())
        });
        let sixth = self.ask(host, Rtype::AAAA, |answer, owner| {
            let rows = answer.answer().ok()?.limit_to::<Aaaa>().filter_map(Result::ok);
            let rows = rows.filter(|row| row.owner().name_eq(owner));
            Some(rows.map(|row| (IpAddr::from(row.data().addr()), row.ttl().into_duration())).collect())
        });
        match (fourth, sixth) {
            (Ok(mut fourth), Ok(sixth)) => {
                let ttl = match (fourth.all.is_empty(), sixth.all.is_empty()) {
                    (false, true) => fourth.ttl,
                    (true, false) => sixth.ttl,
                    _ => fourth.ttl.min(sixth.ttl),
                };
                fourth.all.extend(sixth.all);
                Ok(Records { all: fourth.all, ttl })
            }
            // One family is enough to call by.
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.all.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

impl Dns for Resolver {
    fn naptr(&mut self, domain: &str) -> Result<Records<Naptr>, Unanswered> {
        self.ask(domain, Rtype::NAPTR, |answer, owner| {
            let rows = answer.answer().ok()?.limit_to::<NaptrData<_, ParsedName<_>>>().filter_map(Result::ok);
            let rows = rows.filter(|row| row.owner().name_eq(owner)).map(|row| {
                let data = row.data();
                let record = Naptr {
                    order: data.order(),
                    preference: data.preference(),
                    flags: String::from_utf8_lossy(data.flags().as_ref()).into_owned(),
                    service: String::from_utf8_lossy(data.services().as_ref()).into_owned(),
                    replacement: data.replacement().to_string(),
                };
                (record, row.ttl().into_duration())
            });
            Some(rows.collect())
        })
    }

    fn srv(&mut self, service: &str) -> Result<Records<Srv>, Unanswered> {
        self.ask(service, Rtype::SRV, |answer, owner| {
            let rows = answer.answer().ok()?.limit_to::<SrvData<ParsedName<_>>>().filter_map(Result::ok);
            let rows = rows.filter(|row| row.owner().name_eq(owner)).map(|row| {
                let data = row.data();
                let record = Srv {
                    priority: data.priority(),
                    weight: data.weight(),
                    port: data.port(),
                    target: data.target().to_string(),
                };
                (record, row.ttl().into_duration())
            });
            Some(rows.collect())
        })
    }

    fn addresses(&mut self, host: &str) -> Result<Records<IpAddr>, Unanswered> {
        if self.systems
            && let Ok(found) = (host, 0).to_socket_addrs()
        {
            let mut all: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            all.dedup();
            return Ok(Records { all, ttl: SHORT });
        }
        self.by_dns(host)
    }
}
