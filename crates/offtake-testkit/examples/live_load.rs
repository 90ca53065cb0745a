//! Many who listen while many spans come in:
//! `live_load ADDRESS TOKEN SUBSCRIBERS EVENTS_PER_SECOND SECONDS SEARCHING ASLEEP`.
//!
//! Each event is for ten of the subscribers, by the user it is of. Besides, there are `SEARCHING` subscriptions that compare a
//! number of each event and take none, and `ASLEEP` sockets that ask for everything and read nothing. Says in JSON how many
//! were to come to the subscribers and came, and how long each was on its way from the moment its span began, which is when
//! it is sent.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use offtake_testkit::{SpanSketch, request_of, text};
use prost::Message as _;
use serde_json::{Value as Json, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "live_load ADDRESS TOKEN SUBSCRIBERS EVENTS_PER_SECOND SECONDS SEARCHING ASLEEP";
/// Subscribers to each event.
const MATCHES: u64 = 10;
/// Requests per second.
const REQUESTS: u64 = 100;
/// Subscriptions of one socket.
const AT_A_SOCKET: u64 = 100;
/// The buffer of who reads nothing.
const NARROW: u32 = 4 << 10;
/// How long what is still on its way may take at the end.
const REST: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn open(address: &str, token: &str, buffer: Option<u32>) -> Fallible<WebSocketStream<TcpStream>> {
    let mut request = format!("ws://{address}/api/v1/ws").into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address.parse()?).await?;
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

async fn subscribe(socket: &mut WebSocketStream<TcpStream>, filters: Json) -> Fallible<()> {
    let subscribe = json!({"type": "subscribe", "events": ["trace_created"], "filters": filters});
    Ok(socket.send(Message::text(subscribe.to_string())).await?)
}

/// A socket whose subscriptions take nothing, though each must be looked at.
async fn search(address: &str, token: &str, subscriptions: u64) -> Fallible<WebSocketStream<TcpStream>> {
    let mut socket = open(address, token, None).await?;
    for number in 0..subscriptions {
        subscribe(&mut socket, json!({"min_duration_ms": 1e9 + number as f64})).await?;
        timeout(REST, socket.next()).await?.ok_or("a socket ended")??;
    }
    Ok(socket)
}

/// A socket that asks for everything, and is not read from any more.
async fn sleep(address: &str, token: &str) -> Fallible<WebSocketStream<TcpStream>> {
    let mut socket = open(address, token, Some(NARROW)).await?;
    subscribe(&mut socket, json!({})).await?;
    timeout(REST, socket.next()).await?.ok_or("a socket ended")??;
    Ok(socket)
}

/// Listens until told to stop; milliseconds each event was on its way, and how often it was told that it lagged.
async fn listen(
    address: String,
    token: String,
    user: String,
    ready: mpsc::Sender<()>,
    mut stop: watch::Receiver<bool>,
) -> Fallible<(Vec<f64>, u64)> {
    let mut socket = open(&address, &token, None).await?;
    subscribe(&mut socket, json!({"user_id": user, "min_duration_ms": 0})).await?;
    let (mut times, mut lagged) = (Vec::new(), 0);
    loop {
        let message = tokio::select! {
            message = socket.next() => message.ok_or("a socket ended")??,
            _ = stop.changed() => return Ok((times, lagged)),
        };
        let Message::Text(message) = message else { continue };
        let message: Json = serde_json::from_str(&message)?;
        match message["type"].as_str() {
            Some("event") => {
                let sent: Timestamp = message["data"]["timestamp"].as_str().ok_or("no moment")?.parse()?;
                let sent = Duration::from_micros(sent.as_microsecond().try_into()?);
                times.push(now().saturating_sub(sent).as_secs_f64() * 1_000.0);
            }
            Some("subscribed") => ready.send(()).await?,
            Some("lagged") => lagged += 1,
            _ => return Err(format!("unexpected: {message}").into()),
        }
    }
}

/// Sends spans of their own traces at a steady rate; how many.
async fn send(address: &str, token: &str, groups: u64, rate: u64, seconds: u64) -> Fallible<u64> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(REQUESTS)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sent, mut sending) = (0, tokio::task::JoinSet::new());
    for _ in 0..seconds * REQUESTS {
        ticks.tick().await;
        let moment = u64::try_from(now().as_nanos())?;
        let spans: Vec<SpanSketch> = (sent..sent + rate / REQUESTS)
            .map(|number| {
                let mut sketch = SpanSketch::new(number).with("user.id", text(&format!("user {}", number % groups)));
                (sketch.0.start_time_unix_nano, sketch.0.end_time_unix_nano) = (moment, moment + 1_000_000);
                sketch.0.trace_id[..8].copy_from_slice(&moment.to_be_bytes());
                sketch
            })
            .collect();
        sent += spans.len() as u64;
        let request = http
            .post(format!("http://{address}/v1/traces"))
            .bearer_auth(token)
            .header("content-type", "application/x-protobuf")
            .body(request_of(&spans).encode_to_vec());
        sending.spawn(async move { request.send().await?.error_for_status().map(drop) });
    }
    while let Some(answered) = sending.join_next().await {
        answered??;
    }
    Ok(sent)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, token, numbers @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let numbers: Vec<u64> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [subscribers, rate, seconds, searching, asleep] = numbers[..] else { return Err(USAGE.into()) };
    let groups = (subscribers / MATCHES).max(1);
    let (ready, mut readies) = mpsc::channel(64);
    let (stop, stopped) = watch::channel(false);
    let mut listening = Vec::new();
    for number in 0..subscribers {
        let user = format!("user {}", number % groups);
        listening.push(tokio::spawn(listen(address.clone(), token.clone(), user, ready.clone(), stopped.clone())));
        timeout(REST, readies.recv()).await?.ok_or("nobody listens")?;
    }
    let mut others = Vec::new();
    for from in (0..searching).step_by(usize::try_from(AT_A_SOCKET)?) {
        let mut socket = search(address, token, AT_A_SOCKET.min(searching - from)).await?;
        // It answers pings.
        others.push(tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} }));
    }
    let mut sleepers = Vec::new();
    for _ in 0..asleep {
        sleepers.push(sleep(address, token).await?);
    }
    let sent = send(address, token, groups, rate, seconds).await?;
    tokio::time::sleep(REST).await;
    stop.send(true)?;
    others.iter().for_each(tokio::task::JoinHandle::abort);
    drop(sleepers);
    let (mut times, mut lagged) = (Vec::new(), 0);
    for listener in listening {
        let (heard, missed) = listener.await??;
        times.extend(heard);
        lagged += missed;
    }
    times.sort_by(f64::total_cmp);
    let found = json!({
        "sent": sent, "expected": sent * MATCHES.min(subscribers), "delivered": times.len(), "lagged": lagged,
        "p50_ms": quantile(&times, 0.5), "p99_ms": quantile(&times, 0.99), "max_ms": quantile(&times, 1.0),
    });
    println!("{found}");
    Ok(())
}
