//! Live events by WebSocket, over real sockets: who hears what, who is let in, who is thrown out, and who is too slow.

mod admitted;
mod follower;
mod jobs;
mod nodes;
mod slow;
mod told;
mod withdrawn;

use std::time::Duration;

use offtake_testkit::LiveSocket;
use serde_json::Value as Json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may go on after it was taken away.
const SOON: Duration = Duration::from_secs(5);

/// A socket that is read all the time, until it is asked what it heard.
struct Listener {
    stop: oneshot::Sender<()>,
    heard: JoinHandle<Vec<Json>>,
}

impl Listener {
    fn of(mut socket: LiveSocket) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                tokio::select! {
                    message = socket.heard() => heard.push(message.expect("it stays open")),
                    _ = &mut stopped => break,
                }
            }
            heard.extend(socket.so_far().await);
            heard
        });
        Self { stop, heard }
    }

    /// Everything it heard up to now.
    async fn heard(self) -> Vec<Json> {
        self.stop.send(()).expect("it listens");
        self.heard.await.expect("it heard")
    }
}

fn trace_of(event: &Json) -> &str {
    event["data"]["trace_id"].as_str().unwrap_or_else(|| panic!("no trace: {event}"))
}
