//! One SIP connection: frames what comes in, writes what is to go out.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use crate::sip::StreamParser;

/// A connection that is quiet this long is closed (RFC 5626 §4.4.1 keeps one alive every two minutes).
const IDLE: Duration = Duration::from_secs(600);
/// A message that was begun must be whole by then.
const WHOLE_MESSAGE: Duration = Duration::from_secs(20);
/// A peer that takes no data for so long is gone.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// Serves a connection until either side ends it.
pub(super) async fn run(socket: TcpStream, mut to_write: Receiver<Bytes>, deliver: impl Fn(Bytes)) {
    let (mut reader, mut writer) = socket.into_split();
    let mut parser = StreamParser::new();
    let mut buffer = vec![0_u8; 16_384];
    let mut deadline = Instant::now() + IDLE;
    loop {
        tokio::select! {
            read = timeout_at(deadline, reader.read(&mut buffer)) => {
                let Ok(Ok(length @ 1..)) = read else { return };
                let had_part = parser.is_mid_message();
                parser.push(buffer.get(..length).unwrap_or_default());
                loop {
                    match parser.next_message() {
                        Ok(Some(message)) => deliver(message),
                        Ok(None) => break,
                        Err(broken) => {
                            // The stream can't be framed any more: say why if possible, then close.
                            if let Some(answer) = broken.answer() {
                                let _ = tokio::time::timeout(WRITE_TIME, writer.write_all(&answer)).await;
                            }
                            return;
                        }
                    }
                }
                deadline = match (parser.is_mid_message(), had_part) {
                    (true, true) => deadline,
                    (true, false) => Instant::now() + WHOLE_MESSAGE,
                    (false, _) => Instant::now() + IDLE,
                };
            }
            message = to_write.recv() => {
                let Some(message) = message else { return };
                let written = tokio::time::timeout(WRITE_TIME, writer.write_all(&message)).await;
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}
