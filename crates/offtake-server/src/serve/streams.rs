//! One connection of HTTP/2 without TLS, as gRPC speaks it: many calls, one after the other and side by side.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ConnectionSettings;
use super::accompanied::Accompanied;
use super::resting::{Resting, State};

/// Calls of one connection at once.
const STREAMS: u32 = 64;
/// The most a client may send before it is read: of one call, and of a connection. What is not read yet is outside of the
/// budget for bodies, so it is little.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// The largest head of a call.
const HEAD_BYTES: u32 = 64 << 10;
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);
/// How long a client without calls may take to leave once it was asked to.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub(super) async fn streams(
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
    let calls = Calls::new(resting);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let visit = calls.visited();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Accompanied::new(body, visit))) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES)
        .keep_alive_interval(Some(PING_EVERY))
        .keep_alive_timeout(PING_WITHIN);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = calls.first_is_late(settings.head_timeout) => None,
        () = calls.have_rested(settings.idle_timeout) => None,
        () = calls.state.close.cancelled() => None,
        () = shutdown.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // Calls that come at this very moment are answered; the client is told to bring no more.
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served.as_mut() => ended,
                () = calls.have_rested(FAREWELL) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What is under way on a connection, and since it began.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: usize,
    begun: u64,
    ended: bool,
}

/// The calls of a connection, and its place among those that wait while it has none.
struct Calls {
    resting: Arc<Resting>,
    state: Arc<State>,
    count: Arc<watch::Sender<Count>>,
}

impl Calls {
    fn new(resting: Arc<Resting>) -> Self {
        let state = Arc::new(State::default());
        resting.enter(&state);
        Self { resting, state, count: Arc::default() }
    }

    /// A call came.
    fn visited(&self) -> Visit {
        self.count.send_modify(|count| {
            count.open += 1;
            count.begun += 1;
            if count.open == 1 {
                self.resting.leave(&self.state);
            }
        });
        Visit { resting: Arc::clone(&self.resting), state: Arc::clone(&self.state), count: Arc::clone(&self.count) }
    }

    /// No call came in the first `time`.
    async fn first_is_late(&self, time: Duration) {
        let mut count = self.count.subscribe();
        if timeout(time, count.wait_for(|count| count.begun > 0)).await.is_ok() {
            std::future::pending::<()>().await;
        }
    }

    /// For `time` there was no call.
    async fn have_rested(&self, time: Duration) {
        let mut counts = self.count.subscribe();
        loop {
            // The sender lives as long as this borrows it.
            let Ok(begun) = counts.wait_for(|count| count.open == 0).await.map(|count| count.begun) else { return };
            if timeout(time, counts.wait_for(|count| count.begun != begun)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.count.send_modify(|count| {
            count.ended = true;
            self.resting.leave(&self.state);
        });
    }
}

/// A call under way, to the end of its answer.
struct Visit {
    resting: Arc<Resting>,
    state: Arc<State>,
    count: Arc<watch::Sender<Count>>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.count.send_modify(|count| {
            count.open -= 1;
            // What is still done for a connection that is gone makes no room.
            if count.open == 0 && !count.ended {
                self.resting.enter(&self.state);
            }
        });
    }
}
