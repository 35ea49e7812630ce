//! The way to a running deployment for its admin: a Unix socket in the data folder.
//!
//! `control.sock` may be used by the user that runs Countersign and by nobody else (mode 600). A request is a
//! line of JSON, the reply another; a connection may carry several. Everything is bounded: the length of a
//! line, the time it may take to come, the connections at once.

mod client;
mod protocol;
mod serving;

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use super::versions::Versions;

pub use client::{ClientError, ask};
pub use protocol::{
    Agent, Alarms, AppliedChange, CanaryStatus, EdgeView, Finding, OnDisk, OtherVersion, OverloadedView,
    Queue, Refusal, RefusedAt, Reply, Request, RotatedKey, Status, VersionStatus,
};

/// The socket's name in the data folder.
pub const SOCKET_FILE: &str = "control.sock";

/// Why a deployment can't be controlled, and does not start.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Another one has the folder.
    #[error(
        "another countersign serves with the data folder {0}\n  help: stop it, or give this one a folder of its own with \
         --data"
    )]
    InUse(PathBuf),
    /// The socket can't be made.
    #[error(
        "cannot make {path}: {source}\n  help: choose a data folder on a local disk that this user may write to"
    )]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data folder that belongs to this process until it ends, however it ends.
pub struct Claim {
    data: PathBuf,
    /// Open, and locked where the file system knows locks.
    folder: File,
}

impl Claim {
    /// Claims a folder, making it when there is none.
    ///
    /// # Errors
    /// [`ControlError::InUse`] when another process has it.
    pub fn of(data: &Path) -> Result<Self, ControlError> {
        let wrong = |source| ControlError::Socket { path: data.join(SOCKET_FILE), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(wrong)?;
        let folder = File::open(data).map_err(wrong)?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ControlError::InUse(data.to_owned())),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "this file system has no locks: nothing keeps a second process out");
            }
        }
        Ok(Self { data: data.to_owned(), folder })
    }

    /// The socket, by a path short enough for one: a Unix address has 108 bytes at most.
    fn address(&self) -> io::Result<SockAddr> {
        short_address(&self.data, &self.folder)
    }
}

/// The address of the socket in a folder. When its path is too long, the way leads through the open folder.
fn short_address(data: &Path, folder: &File) -> io::Result<SockAddr> {
    SockAddr::unix(data.join(SOCKET_FILE))
        .or_else(|_| SockAddr::unix(format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd())))
}

/// The control socket of a deployment.
pub struct Control {
    claim: Claim,
    listener: Arc<UnixListener>,
    thread: JoinHandle<()>,
}

/// Opens the socket and starts answering.
///
/// # Errors
/// When the socket can't be made or the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "the control socket is read by a thread")]
pub fn start(claim: Claim, versions: Arc<Versions>) -> Result<Control, ControlError> {
    let path = claim.data.join(SOCKET_FILE);
    let wrong = |source| ControlError::Socket { path: path.clone(), source };
    let listener = Arc::new(listen(&claim, &path).map_err(wrong)?);
    let own = Arc::clone(&listener);
    let thread = std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || serving::accept(&own, &versions))
        .map_err(wrong)?;
    Ok(Control { claim, listener, thread })
}

fn listen(claim: &Claim, path: &Path) -> io::Result<UnixListener> {
    // The folder is ours: a socket that lies there was left by a process that is gone.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The mode before the name: there is no moment in which others could connect.
    let socket = File::from(OwnedFd::from(Socket::new(Domain::UNIX, Type::STREAM, None)?));
    socket.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&claim.address()?)?;
    socket.listen(BACKLOG)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

impl Control {
    /// Takes no further connection and removes the socket.
    pub(super) fn stop(self) {
        // Wakes the thread out of its wait: the listener has nothing more to give.
        let socket = socket2::SockRef::from(self.listener.as_ref());
        if socket.shutdown(std::net::Shutdown::Both).is_ok() {
            // One that panicked has said so on its way out.
            let _ = self.thread.join();
        }
        // The next start removes one that stays.
        let _ = fs::remove_file(self.claim.data.join(SOCKET_FILE));
    }
}
