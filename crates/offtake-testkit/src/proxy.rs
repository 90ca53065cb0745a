//! A proxy between the product and an HTTP server that does, request by request, what networks and servers do on
//! their bad days. Requests are passed on as they are, so signatures over them hold.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on.
    None,
    /// It is passed on after so long.
    Delay(Duration),
    /// It is answered with this status and body, and not passed on.
    Answer(u16, &'static str),
    /// The connection is reset after so many bytes of its body.
    CutRequest(u64),
    /// The connection is reset after so many bytes of the answer, head included.
    CutAnswer(u64),
    /// The answer ends after so many bytes, as if that were all.
    EndAnswer(u64),
    /// It is passed on and done, but the answer never comes: the connection is reset.
    LoseAnswer,
    /// Nothing happens any more; the connection stays.
    Hang,
}

impl Fault {
    /// What S3 says when it is asked too much.
    pub const SLOW_DOWN: Self =
        Self::Answer(503, "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Slow</Message></Error>");
    /// The success that is none.
    pub const ERROR_IN_200: Self =
        Self::Answer(200, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>");
}

/// A request as the script sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Counted from 1.
    pub number: u64,
    /// `PUT`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Bytes in its body.
    pub length: u64,
}

type Script = Arc<dyn Fn(&Asked) -> Fault + Send + Sync>;

/// The running proxy. Dropping it cuts everything off.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    script: Mutex<Script>,
    number: AtomicU64,
    met: Mutex<Vec<(Asked, Fault)>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy in front of `endpoint` (`http://127.0.0.1:PORT`) that passes everything on.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn before(endpoint: &str) -> Self {
        let upstream = endpoint.strip_prefix("http://").expect("an http endpoint").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            script: Mutex::new(Arc::new(|_| Fault::None)),
            number: AtomicU64::new(0),
            met: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// `http://127.0.0.1:PORT` of the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests meet what `script` says.
    pub fn script(&self, script: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        *self.shared.script.lock().expect("no panic while locked") = Arc::new(script);
    }

    /// From now on everything is passed on.
    pub fn heal(&self) {
        self.script(|_| Fault::None);
    }

    /// The requests that met a fault, with it.
    pub fn met(&self) -> Vec<(Asked, Fault)> {
        self.shared.met.lock().expect("no panic while locked").clone()
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.number.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // Broken connections are what this is about.
                    let _broken = serve(client, &shared).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Serves one request; the connection is of no more use after it.
async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let Some((head, rest)) = read_head(&mut client).await? else { return Ok(()) };
    let asked = asked(&head, shared.number.fetch_add(1, Ordering::Relaxed) + 1);
    let script = Arc::clone(&shared.script.lock().expect("no panic while locked"));
    let fault = script(&asked);
    if fault != Fault::None {
        shared.met.lock().expect("no panic while locked").push((asked.clone(), fault.clone()));
    }
    match &fault {
        Fault::Answer(status, body) => {
            discard(&mut client, asked.length.saturating_sub(rest.len() as u64)).await?;
            let answer = format!(
                "HTTP/1.1 {status} Faulty\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
        Fault::Hang => return std::future::pending().await,
        Fault::Delay(time) => tokio::time::sleep(*time).await,
        Fault::None | Fault::CutRequest(_) | Fault::CutAnswer(_) | Fault::EndAnswer(_) | Fault::LoseAnswer => {}
    }
    let mut server = TcpStream::connect(&shared.upstream).await?;
    server.set_nodelay(true)?;
    server.write_all(&closing(&head)).await?;
    let body_limit = if let Fault::CutRequest(bytes) = fault { bytes.min(asked.length) } else { asked.length };
    let first = rest.len().min(usize::try_from(body_limit).unwrap_or(usize::MAX));
    server.write_all(&rest[..first]).await?;
    pass(&mut client, &mut server, body_limit - first as u64).await?;
    match fault {
        Fault::CutRequest(_) => {
            reset(&server)?;
            reset(&client)
        }
        Fault::CutAnswer(bytes) => {
            pass(&mut server, &mut client, bytes).await?;
            reset(&client)
        }
        Fault::EndAnswer(bytes) => pass(&mut server, &mut client, bytes).await,
        Fault::LoseAnswer => {
            discard(&mut server, u64::MAX).await?;
            reset(&client)
        }
        Fault::None | Fault::Delay(_) | Fault::Answer(..) | Fault::Hang => {
            pass(&mut server, &mut client, u64::MAX).await
        }
    }
}

/// The head of a request up to its empty line, and what of its body came with it.
async fn read_head(client: &mut TcpStream) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((bytes, rest)));
        }
    }
}

fn asked(head: &[u8], number: u64) -> Asked {
    let head = String::from_utf8_lossy(head);
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    Asked { number, method, target, length: length.unwrap_or(0) }
}

/// The head with a wish for the connection to end: then the end of the answer is the end of the stream. No signature
/// covers that header.
fn closing(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let kept = text.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut out: String = kept.map(|line| format!("{line}\r\n")).collect();
    out.push_str("connection: close\r\n\r\n");
    out.into_bytes()
}

/// Passes at most `limit` bytes on.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, mut limit: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while limit > 0 {
        let room = buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let read = from.read(&mut buffer[..room]).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
        limit -= read as u64;
    }
    Ok(())
}

async fn discard(from: &mut TcpStream, mut limit: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while limit > 0 {
        let room = buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..room]).await? {
            0 => return Ok(()),
            read => limit -= read as u64,
        }
    }
    Ok(())
}

/// Ends the connection with a reset rather than a farewell.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}
