//! What hyper reads from and writes to: a connection that ends when nothing moves on it, and a clock.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection on which something must move now and then, in either direction.
pub(super) struct Wire<S> {
    stream: S,
    patience: Duration,
    still: Pin<Box<tokio::time::Sleep>>,
    buffer: Box<[u8; READ]>,
}

/// How much is read at once.
const READ: usize = 4096;

impl<S> Wire<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, still: Box::pin(sleep(patience)), buffer: Box::new([0; READ]) }
    }

    /// Something moved, or else: has nothing moved for too long?
    fn judged<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let later = tokio::time::Instant::now() + self.patience;
            self.still.as_mut().reset(later);
            return polled;
        }
        ready!(self.still.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Read for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = to.remaining().min(READ);
        let mut buffer = ReadBuf::new(this.buffer.get_mut(..room).unwrap_or_default());
        let polled = Pin::new(&mut this.stream).poll_read(cx, &mut buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            to.put_slice(buffer.filled());
            zeroize::Zeroize::zeroize(buffer.filled_mut());
        }
        this.judged(cx, polled)
    }
}

impl<S: AsyncWrite + Unpin> Write for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, from);
        this.judged(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Flushing moves nothing that writing did not: it neither counts as a movement nor as the lack of one.
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.judged(cx, polled)
    }
}

/// The runtime's clock, for hyper's own waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock;

struct Nap(Pin<Box<tokio::time::Sleep>>);

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(Box::pin(sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.as_mut().poll(cx)
    }
}

impl Sleep for Nap {}

#[expect(clippy::disallowed_methods, reason = "the listener waits for strangers for a bounded time")]
fn sleep(duration: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(duration)
}
