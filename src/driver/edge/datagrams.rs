//! The edge's datagrams: taken several at a time, and what is refused of them answered together.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Edge;
use crate::driver::datagrams::{self, Inbox, Outbox};
use crate::driver::gate::{Source, Way};
use crate::sip::{Path, Transport};

/// Datagrams that are taken together.
const AT_ONCE: usize = 32;
/// The largest there are.
const LARGEST: usize = 65_536;
/// Longer answers are sent by themselves.
const LARGEST_ANSWER: usize = 2048;

impl Edge {
    /// Reads datagrams as long as the edge runs.
    pub(super) async fn read_datagrams(&self, udp: UdpSocket) {
        let way = datagrams::Way::best();
        let (mut inbox, mut outbox) =
            (Inbox::new(way, AT_ONCE, LARGEST), Outbox::new(way, AT_ONCE, LARGEST_ANSWER));
        loop {
            // A peer's closed port comes back as an error of the next receive: not ours to die of.
            let Ok(count) = udp.async_io(Interest::READABLE, || inbox.receive(&udp)).await else { continue };
            for (arrival, datagram) in (0..count).filter_map(|number| inbox.datagram(number)) {
                if let Some((path, answer)) = self.take(arrival.from, datagram)
                    && !outbox.push(path.remote, &answer)
                {
                    self.send(&path, &answer);
                }
            }
            self.inner.counters.dropped.fetch_add(outbox.send(&udp).refused, Ordering::Relaxed);
            if count == AT_ONCE {
                // Who floods by datagrams leaves connections their turn.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Hands a datagram on, or answers it.
    fn take(&self, remote: SocketAddr, datagram: &[u8]) -> Option<(Path, Bytes)> {
        // RFC 5626 §3.5.1, RFC 3261 §7.5: line ends alone are a keep-alive.
        if datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return None;
        }
        let source = Source { ip: remote.ip(), over: Transport::Udp, proven: &[] };
        let way = self.inner.gate.way(&source, datagram);
        // To find our own address can take system calls: strangers are not worth them.
        let local = match way {
            Way::Shard(_) | Way::Beginning(_) | Way::Registrar | Way::Trunks => {
                self.local_for(remote, Transport::Udp)
            }
            Way::Settled | Way::Refused | Way::Dropped => self.inner.local.plain,
        };
        let path = Path { transport: Transport::Udp, local, remote, connection: None };
        self.deliver(way, path, Bytes::copy_from_slice(datagram))
    }
}
