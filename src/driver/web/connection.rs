//! One connection: requests are read whole, answered by their mount on a worker, and written back.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::proxies::Proxies;
use super::wire::{Clock, Wire};
use super::{Bounds, Mount, Problem, Reply, Request};

/// What hyper holds of a connection at most.
const BUFFER: usize = 32 * 1024;
/// The longest head.
const HEAD: usize = 16 * 1024;
/// Header fields of a request.
const FIELDS: usize = 64;

/// What all connections share.
pub(super) struct Conversation {
    bounds: Bounds,
    mounts: Vec<Arc<dyn Mount>>,
    workers: Arc<Semaphore>,
    secure: bool,
    proxies: Arc<Proxies>,
}

impl Conversation {
    pub(super) fn new(
        bounds: Bounds,
        mounts: Vec<Arc<dyn Mount>>,
        secure: bool,
        proxies: Arc<Proxies>,
    ) -> Self {
        Self { bounds, mounts, workers: Arc::new(Semaphore::new(bounds.workers)), secure, proxies }
    }

    /// Holds a connection until it ends.
    pub(super) async fn hold<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
        from: IpAddr,
        mut stopped: watch::Receiver<bool>,
    ) {
        let service = service_fn(|request| {
            let own = Arc::clone(&self);
            async move { Ok::<_, Infallible>(own.answer(request, from).await) }
        });
        let connection = http1::Builder::new()
            .timer(Clock)
            .header_read_timeout(self.bounds.head)
            .max_headers(FIELDS)
            .max_header_size(HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(Wire::new(stream, self.bounds.still), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            // Whatever is being answered is answered; then the connection ends.
            _ = timeout(self.bounds.life, stopped.changed()) => {
                connection.as_mut().graceful_shutdown();
                match timeout(self.bounds.still, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection for HTTP ended badly");
        }
    }

    async fn answer(&self, request: hyper::Request<Incoming>, from: IpAddr) -> Response<Whole> {
        let head_only = request.method() == Method::HEAD;
        let mut reply = match self.try_answer(request, from).await {
            Ok(reply) => reply,
            // What is left of a body that is not wanted is not read: the connection ends.
            Err(problem) => Reply::from(problem).with(header::CONNECTION, "close"),
        };
        let length = reply.body.len();
        if head_only {
            reply.body.clear();
        }
        let mut response = Response::new(Whole(Some(reply.body.into())));
        *response.status_mut() = reply.status;
        let fields = response.headers_mut();
        fields.extend(EVERYWHERE);
        if self.secure {
            fields.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        fields.extend(reply.headers);
        if head_only {
            fields.insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }

    async fn try_answer(&self, request: hyper::Request<Incoming>, from: IpAddr) -> Result<Reply, Problem> {
        let (head, body) = request.into_parts();
        let mount = self.mount(head.uri.path()).ok_or_else(Problem::nothing_here)?;
        let body = timeout(self.bounds.body, read(body, mount.longest_body())).await;
        let body = body.unwrap_or_else(|_| Err(Problem::too_slow()))?;
        let request = Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            source: self.proxies.visitor(from, &head.headers),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            secure: self.secure,
        };
        let worker = timeout(self.bounds.worker, Arc::clone(&self.workers).acquire_owned()).await;
        let Ok(Ok(worker)) = worker else { return Err(Problem::busy()) };
        let work = move || {
            let _worker = worker;
            // A defect in one answer must not end the others' connections.
            catch_unwind(AssertUnwindSafe(|| mount.answer(&request)))
        };
        let answered = tokio::task::spawn_blocking(work).await;
        Ok(answered.ok().and_then(Result::ok).unwrap_or_else(|| {
            tracing::error!("an answer to an HTTP request failed badly");
            Problem::internal().into()
        }))
    }

    fn mount(&self, path: &str) -> Option<Arc<dyn Mount>> {
        let below = |mount: &&Arc<dyn Mount>| {
            path.strip_prefix(mount.prefix()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.mounts.iter().find(below).map(Arc::clone)
    }
}

/// Header fields of every reply, unless its mount says otherwise.
const EVERYWHERE: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Reads a body whole, unless it is longer than `most`.
async fn read(mut body: Incoming, most: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > most {
        return Err(Problem::too_long(most));
    }
    // Room for all of it at once: a vector that grows leaves copies of what it held.
    let room = if body.size_hint().exact().is_some() { told } else { most };
    let mut whole = Zeroizing::new(Vec::with_capacity(room));
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame =
            frame.map_err(|_| Problem::unreadable("the body broke off or is not what its head says"))?;
        // Trailers are not wanted.
        let Ok(data) = frame.into_data() else { continue };
        if whole.len().saturating_add(data.len()) > most {
            return Err(Problem::too_long(most));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// A body that is there whole.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
