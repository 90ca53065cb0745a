//! Connections: accepted, bounded in number and time, drained at the end.

mod accompanied;
mod connection;
mod resting;
mod streams;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::edge::{Draining, refuse_when_draining};
pub(crate) use connection::Staying;
use connection::connection;
use resting::Resting;
use streams::streams;

/// How long requests under way may go on after shutdown began.
const DRAIN: Duration = Duration::from_secs(20);
/// A breath after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// So many at once.
    pub most: usize,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of an answer that is ready.
    pub write_timeout: Duration,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            most: 4096,
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(120),
        }
    }
}

/// Serves `router` on `listener` until `shutdown`; then refuses new requests with 503 and lets those under
/// way end, for at most 20 seconds.
///
/// When there are as many connections as there may be, a new one takes the place of the one that has waited longest
/// for its client: who opens many and says nothing keeps nobody out.
///
/// # Errors
/// If the listener has no address; an accept that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ConnectionSettings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let router = router.layer(from_fn_with_state(Draining(shutdown.clone()), refuse_when_draining));
    let serve = |stream, peer, resting, shutdown| connection(stream, peer, router.clone(), settings, resting, shutdown);
    accept(listener, settings.most, shutdown.clone(), serve).await;
    Ok(())
}

/// Serves `router` to clients of gRPC on `listener` until `shutdown`; then takes no new calls and lets those under way
/// end, for at most 20 seconds. Connections are bounded as in [`serve`].
///
/// # Errors
/// If the listener has no address; an accept that fails is tried again.
pub async fn serve_grpc(
    listener: TcpListener,
    router: Router,
    settings: ConnectionSettings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening for gRPC");
    let serve = |stream, peer, resting, shutdown| streams(stream, peer, router.clone(), settings, resting, shutdown);
    accept(listener, settings.most, shutdown.clone(), serve).await;
    Ok(())
}

/// Accepts connections until `shutdown`, `most` at once, and lets them end.
async fn accept<C: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    most: usize,
    shutdown: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr, Arc<Resting>, CancellationToken) -> C,
) {
    let resting = Arc::new(Resting::default());
    let mut connections = JoinSet::new();
    // Accepted, and waits for a place.
    let mut next: Option<(TcpStream, SocketAddr)> = None;
    loop {
        if connections.len() < most
            && let Some((stream, peer)) = next.take()
        {
            connections.spawn(serve(stream, peer, Arc::clone(&resting), shutdown.clone()));
        }
        if next.is_some() {
            resting.close_one();
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = resting.one_more(), if next.is_some() => {}
            accepted = listener.accept(), if next.is_none() => match accepted {
                Ok(accepted) => next = Some(accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop((listener, next));
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off, they took too long to end");
        connections.shutdown().await;
    }
}
