//! The cable between the product and a server of any protocol: it can be cut, refuse, or swallow what is sent into it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    Passes,
    /// Those of connections that are there now vanish, as behind a firewall that forgot them; new ones pass.
    OldIsDead,
    /// All vanish, and connections stay open.
    Vanishes,
    /// They reach the server so much later.
    Late(Duration),
}

#[derive(Debug, Clone, Copy)]
struct State {
    flow: Flow,
    /// Connections of earlier numbers are dead, or cut.
    dead_before: u64,
    cut_before: u64,
    /// Of the next connection.
    next: u64,
}

/// A running cable. Dropping it cuts everything.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

impl Cable {
    /// A cable to this port on loopback, through which everything passes.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let state = State { flow: Flow::Passes, dead_before: 0, cut_before: 0, next: 0 };
        let state = Arc::new(watch::Sender::new(state));
        let accepting = tokio::spawn(accept(listener, port, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// Its port on loopback.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on bytes flow so.
    pub fn set(&self, flow: Flow) {
        self.state.send_modify(|state| {
            state.flow = flow;
            if flow == Flow::OldIsDead {
                state.dead_before = state.next;
            }
        });
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut_before = state.next);
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> u64 {
        self.state.borrow().next
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let mut number = 0;
                state.send_modify(|state| {
                    number = state.next;
                    state.next += 1;
                });
                let state = state.subscribe();
                connections.spawn(async move {
                    // Broken connections are what this is about.
                    let _broken = serve(client, port, number, state).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve(client: TcpStream, port: u16, number: u64, state: watch::Receiver<State>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut cut = state.clone();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = cut.wait_for(|state| state.cut_before > number) => Ok(()),
        ended = pass(from_client, to_server, number, state.clone(), true) => ended,
        ended = pass(from_server, to_client, number, state, false) => ended,
    }
}

/// Passes bytes on until one side is gone.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    state: watch::Receiver<State>,
    upstream: bool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let State { flow, dead_before, .. } = *state.borrow();
        match flow {
            _ if number < dead_before => continue,
            Flow::Vanishes => continue,
            Flow::Late(time) if upstream => tokio::time::sleep(time).await,
            Flow::Late(_) | Flow::Passes | Flow::OldIsDead => {}
        }
        to.write_all(&buffer[..read]).await?;
    }
}
