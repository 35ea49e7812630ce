//! The other end of the control socket: asks a running deployment.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use thiserror::Error;

use super::protocol::{Reply, Request};
use super::{SOCKET_FILE, short_address};

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no countersign serves with the data folder {0}\n  help: name the folder that `serve` was given with --data, or \
         start it"
    )]
    NotRunning(PathBuf),
    /// Another user's.
    #[error("{0} belongs to another user\n  help: run this as the user that runs countersign")]
    Forbidden(PathBuf),
    /// The connection failed.
    #[error("the running countersign did not answer: {0}\n  help: look at its log")]
    Failed(#[from] io::Error),
    /// It said something else.
    #[error(
        "the running countersign said what this one does not know: {0}\n  help: use the same version of both"
    )]
    Strange(#[from] serde_json::Error),
}

/// Asks the deployment that serves with this data folder.
///
/// # Errors
/// [`ClientError`], with what to do.
pub fn ask(data: &Path, request: &Request, patience: Duration) -> Result<Reply, ClientError> {
    let mut stream = connect(data)?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(ClientError::Failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn connect(data: &Path) -> Result<UnixStream, ClientError> {
    let path = data.join(SOCKET_FILE);
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            ClientError::NotRunning(data.to_owned())
        }
        io::ErrorKind::PermissionDenied => ClientError::Forbidden(path.clone()),
        _ => ClientError::Failed(error),
    };
    let folder = File::open(data).map_err(told)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect(&short_address(data, &folder)?).map_err(told)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}
