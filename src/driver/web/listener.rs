//! Who is let in: the loop that accepts connections, and the bounds on them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::Conversation;
use super::proxies::Proxies;
use super::{Bounds, GRACE, Mount};
use crate::driver::certificate::{Certificate, LOOK};
use crate::driver::os;

/// When no connection can be accepted: descriptors come back when others end.
const REST: Duration = Duration::from_millis(100);

/// The runtime of the listener: one thread that never works, and few that do.
pub(super) fn runtime(bounds: &Bounds) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(bounds.workers + 1)
        .thread_name("web-worker")
        .on_thread_start(os::step_back)
        .build()
}

/// What the listener works with.
pub(super) struct Serving {
    bounds: Bounds,
    conversation: Arc<Conversation>,
    tls: Option<TlsAcceptor>,
    certificate: Option<Arc<Certificate>>,
    seats: Arc<Semaphore>,
    guests: Arc<Guests>,
    proxies: Arc<Proxies>,
    stopped: watch::Receiver<bool>,
}

impl Serving {
    pub(super) fn new(
        bounds: Bounds,
        mounts: Vec<Arc<dyn Mount>>,
        tls: Option<Arc<ServerConfig>>,
        certificate: Option<Arc<Certificate>>,
        proxies: Proxies,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let proxies = Arc::new(proxies);
        Self {
            bounds,
            conversation: Arc::new(Conversation::new(bounds, mounts, tls.is_some(), Arc::clone(&proxies))),
            proxies,
            tls: tls.map(TlsAcceptor::from),
            certificate,
            seats: Arc::new(Semaphore::new(bounds.connections)),
            guests: Arc::default(),
            stopped,
        }
    }

    /// Accepts until it is told to stop; then waits a moment for what is being answered.
    pub(super) async fn run(mut self, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                _ = self.stopped.changed() => break,
                _ = looks.tick() => self.look(),
                // A seat first: who finds none waits in the system's own queue, whose length is bounded.
                (accepted, seat) = accept(&listener, &self.seats) => match accepted {
                    Ok((stream, from)) => self.admit(stream, from, seat),
                    Err(error) => {
                        tracing::warn!(%error, "a connection for HTTP was not accepted");
                        let _ = timeout(REST, self.stopped.changed()).await;
                    }
                },
            }
        }
        drop(listener);
        let all = u32::try_from(self.bounds.connections).unwrap_or(u32::MAX);
        let _ = timeout(GRACE, self.seats.acquire_many(all)).await;
        Ok(())
    }

    fn look(&self) {
        if let Some(certificate) = self.certificate.clone() {
            drop(tokio::task::spawn_blocking(move || certificate.look()));
        }
    }

    fn admit(&self, stream: TcpStream, from: SocketAddr, seat: Option<OwnedSemaphorePermit>) {
        // A proxy brings everybody.
        let trusted = self.proxies.trusts(from.ip());
        let most = if trusted { self.bounds.connections } else { self.bounds.of_one };
        let Some(guest) = Guest::of(&self.guests, from.ip(), most) else {
            tracing::debug!("a source has as many connections as one may");
            return;
        };
        let (tls, conversation) = (self.tls.clone(), Arc::clone(&self.conversation));
        let (mut stopped, patience) = (self.stopped.clone(), self.bounds.handshake);
        spawn(async move {
            let _held = (seat, guest);
            // Small replies go at once.
            let _ = stream.set_nodelay(true);
            let Some(tls) = tls else { return conversation.hold(stream, from.ip(), stopped).await };
            let handshake = tokio::select! {
                _ = stopped.changed() => return,
                handshake = timeout(patience, tls.accept(stream)) => handshake,
            };
            match handshake {
                Ok(Ok(stream)) => conversation.hold(stream, from.ip(), stopped).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }
}

async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> (io::Result<(TcpStream, SocketAddr)>, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let seat = Arc::clone(seats).acquire_owned().await.ok();
    (listener.accept().await, seat)
}

/// How many connections each source has. No larger than the number of connections.
type Guests = Mutex<HashMap<IpAddr, usize>>;

/// One connection of a source; counted until dropped.
struct Guest(Arc<Guests>, IpAddr);

impl Guest {
    fn of(guests: &Arc<Guests>, from: IpAddr, most: usize) -> Option<Self> {
        let source = source(from);
        let mut counts = guests.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self(Arc::clone(guests), source))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// Who an address stands for: whoever has one address of IPv6 has the other 2^64 of its network as well.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[expect(clippy::disallowed_methods, reason = "a connection is a task of the listener's event loop")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_has_a_bounded_share_and_gives_it_back() {
        let guests = Arc::default();
        let here = |last: u8| IpAddr::from([192, 0, 2, last]);
        let held: Vec<Guest> = (0..9).filter_map(|_| Guest::of(&guests, here(1), 5)).collect();
        assert_eq!(held.len(), 5);
        assert!(Guest::of(&guests, here(1), 5).is_none());
        assert!(Guest::of(&guests, here(2), 5).is_some());
        drop(held);
        assert!(guests.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn all_of_a_small_network_is_one_source() {
        let of = |text: &str| source(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
