//! Words to the supervisor: datagrams to the socket that `NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

/// The way to the supervisor.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
    failed: AtomicBool,
}

impl Notifier {
    /// By a path, or by a name that begins with `@` and stands in no file system.
    pub(super) fn to(name: &OsStr) -> Option<Self> {
        let to = match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name).ok(),
            [b'@', name @ ..] => named(name),
            _ => None,
        };
        let Some(to) = to else {
            tracing::warn!(?name, "NOTIFY_SOCKET names no socket that can be written to");
            return None;
        };
        let socket = UnixDatagram::unbound().ok()?;
        // A supervisor that does not read holds up nobody.
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, to, failed: AtomicBool::new(false) })
    }

    pub(super) fn send(&self, words: &str) {
        if let Err(error) = self.socket.send_to_addr(words.as_bytes(), &self.to)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the supervisor can't be told how it goes");
        }
    }
}

#[cfg(target_os = "linux")]
fn named(name: &[u8]) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name).ok()
}

#[cfg(not(target_os = "linux"))]
fn named(_: &[u8]) -> Option<SocketAddr> {
    None
}
