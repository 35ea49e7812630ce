//! Sockets that the supervisor bound and hands over, so that they outlive this process: what comes while one process
//! ends and the next begins waits in them.
//!
//! Each is known by its kind and the address that it is bound to; what the settings listen at is taken from here when it
//! is there, and bound when it is not.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// Why sockets that were handed over are not taken.
#[derive(Debug, Error)]
pub enum PassedError {
    /// The system does not give them.
    #[error(
        "socket {number} that was handed over can't be taken: {source}\n  help: the system call pidfd_getfd must be allowed \
         (`SystemCallFilter=` of the unit)"
    )]
    Unreachable {
        /// Its number.
        number: i32,
        /// Why.
        source: std::io::Error,
    },
    /// One of another kind.
    #[error(
        "socket {0} that was handed over is neither one for datagrams nor one that accepts connections\n  help: the socket unit \
         has `ListenDatagram=` and `ListenStream=` with addresses and ports, and `Accept=no`"
    )]
    Kind(i32),
    /// Nothing of the settings is there.
    #[error(
        "a socket for {0} was handed over, and nothing of the settings listens there\n  help: the socket unit's addresses are \
         those of --sip (`ListenDatagram=` and `ListenStream=`), `sip.tls.listen`, `sip.websocket` and `web.listen` (`ListenStream=`)"
    )]
    Unused(String),
}

/// Those that nobody took yet.
#[derive(Debug, Default)]
pub struct PassedSockets(Mutex<Vec<Passed>>);

#[derive(Debug)]
enum Passed {
    Datagrams(SocketAddr, UdpSocket),
    Stream(SocketAddr, TcpListener),
}

impl PassedSockets {
    /// Those that the environment tells of, if they are for this process.
    ///
    /// # Errors
    /// [`PassedError`].
    pub fn of_environment() -> Result<Self, PassedError> {
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        let count =
            if number("LISTEN_PID") == Some(std::process::id()) { number("LISTEN_FDS") } else { None };
        let numbers = (FIRST..).take(usize::try_from(count.unwrap_or(0)).unwrap_or(0));
        let passed: Result<Vec<_>, _> = numbers.map(take).collect();
        Ok(Self(Mutex::new(passed?)))
    }

    /// The socket for datagrams at that address.
    pub(in crate::driver) fn datagrams(&self, at: SocketAddr) -> Option<UdpSocket> {
        let is_it = |passed: &Passed| matches!(passed, Passed::Datagrams(bound, _) if *bound == at);
        match self.remove(is_it)? {
            Passed::Datagrams(_, socket) => Some(socket),
            Passed::Stream(..) => None,
        }
    }

    /// The one that accepts connections at that address.
    pub(in crate::driver) fn stream(&self, at: SocketAddr) -> Option<TcpListener> {
        let is_it = |passed: &Passed| matches!(passed, Passed::Stream(bound, _) if *bound == at);
        match self.remove(is_it)? {
            Passed::Stream(_, listener) => Some(listener),
            Passed::Datagrams(..) => None,
        }
    }

    /// All were taken.
    ///
    /// # Errors
    /// [`PassedError::Unused`]: whoever sends there would never be answered.
    pub(in crate::driver) fn all_taken(&self) -> Result<(), PassedError> {
        match self.inner().first() {
            None => Ok(()),
            Some(Passed::Datagrams(at, _)) => Err(PassedError::Unused(format!("datagrams at {at}"))),
            Some(Passed::Stream(at, _)) => Err(PassedError::Unused(format!("connections at {at}"))),
        }
    }

    fn remove(&self, is_it: impl Fn(&Passed) -> bool) -> Option<Passed> {
        let mut passed = self.inner();
        let at = passed.iter().position(is_it)?;
        Some(passed.swap_remove(at))
    }

    fn inner(&self) -> MutexGuard<'_, Vec<Passed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first of them (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

#[cfg(target_os = "linux")]
fn take(number: i32) -> Result<Passed, PassedError> {
    use rustix::net::SocketType;
    use rustix::net::sockopt::{socket_acceptconn, socket_type};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let unreachable = |source: rustix::io::Errno| PassedError::Unreachable { number, source: source.into() };
    // A number alone is nobody's to own: the system gives a descriptor of ours for what is behind it.
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(unreachable)?;
    let socket = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).map_err(unreachable)?;
    let other = || PassedError::Kind(number);
    match (socket_type(&socket).map_err(|_| other())?, socket_acceptconn(&socket).unwrap_or(false)) {
        (SocketType::DGRAM, _) => {
            let socket = UdpSocket::from(socket);
            Ok(Passed::Datagrams(socket.local_addr().map_err(|_| other())?, socket))
        }
        (SocketType::STREAM, true) => {
            let listener = TcpListener::from(socket);
            Ok(Passed::Stream(listener.local_addr().map_err(|_| other())?, listener))
        }
        _ => Err(other()),
    }
}

#[cfg(not(target_os = "linux"))]
fn take(number: i32) -> Result<Passed, PassedError> {
    Err(PassedError::Kind(number))
}
