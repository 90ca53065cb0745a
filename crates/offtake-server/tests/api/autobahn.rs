//! Autobahn's cases, against an echo that is served, configured and ended as live sockets are.
//!
//! Left out are the cases of size and speed (9), whose messages are larger than any that is taken here, and those of
//! compression (12, 13), which is not offered.

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use offtake_server::protocol::{broken, configured};
use offtake_server::{ConnectionSettings, serve};
use offtake_testkit::python;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the peer may do otherwise without breaking the protocol, and we do: a text that is not UTF-8 is found when the
/// message is whole, and not in the middle of it.
const NON_STRICT: [&str; 2] = ["6.4.3", "6.4.4"];

async fn echo(mut socket: WebSocket) {
    while let Some(heard) = socket.recv().await {
        let answer = match heard {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => message,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => continue,
            Err(error) => {
                let Some((code, words)) = broken(error) else { return };
                Message::Close(Some(CloseFrame { code, reason: words.into() }))
            }
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_of_autobahn_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let upgrade = async |upgrade: WebSocketUpgrade| configured(upgrade).on_upgrade(echo);
    let router = Router::new().route("/", get(upgrade));
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router, ConnectionSettings::default(), stop.clone()));
    let ran = python("autobahn.py", &[&address, "9.*,12.*,13.*"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    stop.cancel();
    served.await.expect("no panic").expect("it ends");
    let told: Vec<(String, String, String, Option<u16>, String)> =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout));
    assert!(told.len() > 200, "{} cases", told.len());
    let good = |verdict: &str| matches!(verdict, "OK" | "INFORMATIONAL" | "NON-STRICT");
    let failed: Vec<_> = told.iter().filter(|(_, case, close, ..)| !good(case) || !good(close)).collect();
    assert!(failed.is_empty(), "{} of {} cases failed: {failed:#?}", failed.len(), told.len());
    let lax: Vec<&str> =
        told.iter().filter(|(_, case, ..)| case == "NON-STRICT").map(|(name, ..)| name.as_str()).collect();
    println!("{} cases, not strict: {lax:?}", told.len());
    assert_eq!(lax, NON_STRICT);
}
