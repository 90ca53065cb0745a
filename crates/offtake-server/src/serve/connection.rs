//! One connection: served as long as its client keeps up.

use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ConnectionSettings;
use super::accompanied::Accompanied;
use super::resting::{Resting, State};

/// The largest head of a request, and the most fields in it.
const HEAD_BYTES: usize = 64 << 10;
const HEAD_FIELDS: usize = 100;

/// Serves a connection to its end.
pub(super) async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    settings: ConnectionSettings,
    resting: Arc<Resting>,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection went away at once");
        return;
    }
    let at_rest = AtRest::new(resting);
    let state = Arc::clone(&at_rest.state);
    let router = TowerToHyperService::new(router);
    let (staying, mut left) = mpsc::channel(1);
    let stays = Staying(staying);
    let service = service_fn(|mut request: Request<Incoming>| {
        let visit = at_rest.visited();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(stays.clone());
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Accompanied::new(body, visit))) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // For a head of which the beginning came along with the request before; the others have deadlines of their own.
        .header_read_timeout(settings.idle_timeout + settings.head_timeout)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(HEAD_BYTES);
    let patient = Patient { stream, state: Arc::clone(&state), settings, reading: None, writing: None };
    let mut served = Box::pin(builder.serve_connection(TokioIo::new(patient), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = state.close.cancelled() => {
            // A request may have come at this very moment, or the last answer may still be on its way.
            if state.is_answered() {
                return;
            }
            served.as_mut().graceful_shutdown();
            (&mut served).await
        }
        () = shutdown.cancelled() => {
            if state.is_silent() {
                return;
            }
            served.as_mut().graceful_shutdown();
            (&mut served).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    // What became a live socket goes on: it keeps its place among the connections, and is waited for at the end.
    drop(served);
    drop((at_rest, stays));
    left.recv().await;
}

/// Held by what uses a connection after its last request.
#[derive(Debug, Clone)]
pub(crate) struct Staying(#[expect(dead_code, reason = "held, not used")] mpsc::Sender<Infallible>);

/// The place of a connection among those that wait, given up when it ends.
struct AtRest {
    resting: Arc<Resting>,
    state: Arc<State>,
}

impl AtRest {
    fn new(resting: Arc<Resting>) -> Self {
        let state = Arc::new(State::default());
        resting.enter(&state);
        Self { resting, state }
    }

    /// A request came.
    fn visited(&self) -> Visit {
        self.resting.leave(&self.state);
        Visit { resting: Arc::clone(&self.resting), state: Arc::clone(&self.state) }
    }
}

impl Drop for AtRest {
    fn drop(&mut self) {
        self.resting.leave(&self.state);
    }
}

/// A request under way, to the end of its answer.
struct Visit {
    resting: Arc<Resting>,
    state: Arc<State>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.resting.enter(&self.state);
    }
}

/// A stream whose other end has only so much time.
struct Patient {
    stream: TcpStream,
    state: Arc<State>,
    settings: ConnectionSettings,
    /// The wait that a deadline was set for, and the deadline.
    reading: Option<(u64, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
}

fn after(time: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(Instant::now() + time))
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(wait) = this.state.wait() else {
            this.reading = None;
            return read;
        };
        if buffer.filled().len() > before && this.state.begin() {
            this.reading = Some((wait, after(this.settings.head_timeout)));
        }
        if read.is_ready() {
            return read;
        }
        if this.reading.as_ref().is_none_or(|(of, _)| *of != wait) {
            this.reading = Some((wait, after(this.settings.idle_timeout)));
        }
        let late = this.reading.as_mut().is_some_and(|(_, deadline)| deadline.as_mut().poll(context).is_ready());
        match late {
            true => Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "no request came in time"))),
            false => Poll::Pending,
        }
    }
}

impl Patient {
    /// The deadline runs while nothing can be written.
    fn keeps_up<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.state.set_stuck(written.is_pending());
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let time = self.settings.write_timeout;
        match self.writing.get_or_insert_with(|| after(time)).as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "nothing of the answer was taken"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.keeps_up(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.keeps_up(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
