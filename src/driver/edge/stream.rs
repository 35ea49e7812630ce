//! One SIP connection: frames what comes in, writes what is to go out.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout, timeout_at};

use crate::sip::StreamParser;

/// A connection that is quiet this long is closed (RFC 5626 §4.4.1 keeps one alive every two minutes).
pub(super) const IDLE: Duration = Duration::from_secs(600);
/// That of a trunk or phone: it may have calls that say nothing for hours, and whose end has to be told over it.
pub(super) const IDLE_OF_KNOWN: Duration = Duration::from_secs(6 * 3600);
/// A message that was begun must be whole by then.
const WHOLE_MESSAGE: Duration = Duration::from_secs(20);
/// A peer that takes no data for so long is gone.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// How a connection's octets become messages, and messages octets.
pub(super) trait Framing: Send {
    /// Takes what was read. Call [`Self::next_message`] until it gives nothing before reading more.
    fn push(&mut self, bytes: &[u8]);
    /// The next message, whole; `None` until more is pushed.
    fn next_message(&mut self) -> Result<Option<Bytes>, Ended>;
    /// What is to be said back by itself since this was last asked: answers to keep-alives.
    fn owed(&mut self) -> Bytes;
    /// Whether something has begun and is not whole.
    fn is_mid_message(&self) -> bool;
    /// A message of ours as it is written.
    fn wrap(&mut self, message: Bytes) -> Bytes;
}

/// The connection can't be read any further.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// What is said last, if anything.
    pub(super) last: Bytes,
}

impl Framing for StreamParser {
    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn next_message(&mut self) -> Result<Option<Bytes>, Ended> {
        // What can't be framed any more is told why if possible.
        self.next_message().map_err(|broken| Ended { last: broken.answer().unwrap_or_default() })
    }

    /// RFC 5626 §4.4.1: each keep-alive wants one empty line back.
    fn owed(&mut self) -> Bytes {
        "\r\n".repeat(usize::try_from(self.take_keep_alives()).unwrap_or_default()).into()
    }

    fn is_mid_message(&self) -> bool {
        self.is_mid_message()
    }

    fn wrap(&mut self, message: Bytes) -> Bytes {
        message
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite,
    mut framing: Box<dyn Framing>,
    mut to_write: Receiver<Bytes>,
    idle: Duration,
    deliver: impl Fn(Bytes),
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = vec![0_u8; 16_384];
    let mut deadline = Instant::now() + idle;
    loop {
        tokio::select! {
            read = timeout_at(deadline, reader.read(&mut buffer)) => {
                let Ok(Ok(length @ 1..)) = read else { return };
                let had_part = framing.is_mid_message();
                framing.push(buffer.get(..length).unwrap_or_default());
                let mut whole = false;
                loop {
                    match framing.next_message() {
                        Ok(Some(message)) => {
                            whole = true;
                            deliver(message);
                        }
                        Ok(None) => break,
                        Err(Ended { last }) => {
                            if !last.is_empty() {
                                write(&mut writer, &last).await;
                            }
                            return;
                        }
                    }
                }
                let owed = framing.owed();
                if !owed.is_empty() && !write(&mut writer, &owed).await {
                    return;
                }
                // A peer that talks without a pause ends most reads in the middle of its next message.
                deadline = match (framing.is_mid_message(), had_part && !whole) {
                    (true, true) => deadline,
                    (true, false) => Instant::now() + WHOLE_MESSAGE,
                    (false, _) => Instant::now() + idle,
                };
            }
            message = to_write.recv() => {
                let Some(message) = message else { return };
                if !write(&mut writer, &framing.wrap(message)).await {
                    return;
                }
            }
        }
    }
}

/// Writes all of it; says whether the peer took it in time.
pub(super) async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    // What is encrypted waits for its flush.
    let writing = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    matches!(timeout(WRITE_TIME, writing).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_keep_alive_is_answered_with_one_empty_line() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let connecting = TcpStream::connect(listener.local_addr().expect("an address"));
            let (peer, accepted) = tokio::join!(connecting, listener.accept());
            let (mut peer, (socket, _)) = (peer.expect("connected"), accepted.expect("accepted"));
            let (_writer, to_write) = mpsc::channel(1);
            let talk = async {
                peer.write_all(b"\r\n\r\n").await.expect("written");
                let mut answer = [0_u8; 2];
                peer.read_exact(&mut answer).await.expect("an answer");
                assert_eq!(&answer, b"\r\n");
            };
            tokio::select! {
                () = talk => {}
                () = run(socket, Box::new(StreamParser::new()), to_write, IDLE, |_| panic!("a keep-alive is no message")) => panic!("the stream ended"),
            }
        });
    }
}
