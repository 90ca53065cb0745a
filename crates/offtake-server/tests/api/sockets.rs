//! Real connections: served, refused while draining, drained.

use std::net::SocketAddr;

use offtake_server::{ConnectionSettings, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::house::House;

async fn open(house: &House) -> (SocketAddr, CancellationToken, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(listener, house.router.clone(), ConnectionSettings::default(), shutdown.clone()));
    (address, shutdown, served)
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("written");
}

/// The head of the next answer on a connection.
async fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.expect("a byte"));
    }
    String::from_utf8(text).expect("ASCII")
}

#[tokio::test]
async fn requests_under_way_end_and_new_ones_are_refused() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let token = house.token("acme", "alice", "all");
    let (address, shutdown, served) = open(&house).await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    say(&mut stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    // A long poll does not keep the server: it is answered at once when it shuts down.
    let mut waiting = TcpStream::connect(address).await.expect("connected");
    say(
        &mut waiting,
        &format!("GET /api/v1/export/jobs/{job}?wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"),
    )
    .await;
    // Known to be under way once another request on a later connection was answered.
    let mut later = TcpStream::connect(address).await.expect("connected");
    say(&mut later, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head(&mut later).await.starts_with("HTTP/1.1 200"));
    shutdown.cancel();
    let answer = head(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{answer}");
    served.await.expect("no panic").expect("served");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_request_that_comes_while_draining_is_told_to_come_back() {
    let house = House::new();
    let (address, shutdown, served) = open(&house).await;
    // Half a request is on its way when the shutdown begins.
    let mut stream = TcpStream::connect(address).await.expect("connected");
    say(&mut stream, "POST /api/v1/export/spans HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n").await;
    let mut other = TcpStream::connect(address).await.expect("connected");
    say(&mut other, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head(&mut other).await.starts_with("HTTP/1.1 200"));
    shutdown.cancel();
    say(&mut stream, "Content-Length: 0\r\n\r\n").await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("closed by the server");
    let answer = String::from_utf8(rest).expect("UTF-8");
    // The connection may be closed before the request was whole; if it is answered, then with 503.
    assert!(answer.is_empty() || (answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after")), "{answer}");
    served.await.expect("no panic").expect("served");
}
