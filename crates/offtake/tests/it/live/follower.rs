//! A client of live events as the documentation has it.

use std::sync::{Arc, Mutex};

use offtake_testkit::LiveSocket;
use serde_json::{Value as Json, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::trace_of;

/// Somebody who listens as the documentation says: who is told that something was missed subscribes again behind what
/// is known.
pub(super) struct Follower {
    pub(super) name: String,
    pub(super) org: &'static str,
    pub(super) filter: Json,
    /// Numbers, and the traces they are of.
    heard: Arc<Mutex<Vec<(u64, String)>>>,
    stop: oneshot::Sender<()>,
    /// How often something was missed.
    lagged: JoinHandle<u64>,
}

impl Follower {
    /// One that begins to read once `awake` says so.
    pub(super) async fn begin(
        name: String,
        org: &'static str,
        filter: &Json,
        mut socket: LiveSocket,
        mut awake: watch::Receiver<bool>,
    ) -> Self {
        socket.subscribe(&["trace_created"], filter.clone()).await;
        let (heard, (stop, stopped)) = (Arc::<Mutex<Vec<_>>>::default(), oneshot::channel());
        let (notes, asked) = (Arc::clone(&heard), filter.clone());
        let lagged = tokio::spawn(async move {
            awake.wait_for(|awake| *awake).await.expect("somebody wakes it");
            follow(socket, &asked, &notes, stopped).await
        });
        Self { name, org, filter: filter.clone(), heard, stop, lagged }
    }

    pub(super) fn count(&self) -> usize {
        self.heard.lock().expect("no panic while locked").len()
    }

    /// What it heard, once nothing more is on its way; and how often it missed something.
    pub(super) async fn end(self) -> (Vec<(u64, String)>, u64) {
        self.stop.send(()).unwrap_or_else(|()| panic!("{} has ended", self.name));
        let lagged = self.lagged.await.expect("it followed");
        let heard = self.heard.lock().expect("no panic while locked").clone();
        (heard, lagged)
    }
}

async fn follow(
    mut socket: LiveSocket,
    filter: &Json,
    notes: &Mutex<Vec<(u64, String)>>,
    mut stopped: oneshot::Receiver<()>,
) -> u64 {
    let note = |event: &Json| {
        let seq = event["seq"].as_u64().unwrap_or_else(|| panic!("no event: {event}"));
        notes.lock().expect("no panic while locked").push((seq, trace_of(event).to_owned()));
    };
    let mut lagged = 0;
    loop {
        let message = tokio::select! {
            message = socket.heard() => message.expect("it stays open"),
            _ = &mut stopped => break,
        };
        match message["type"].as_str() {
            Some("event") => note(&message),
            Some("lagged") => {
                lagged += 1;
                socket.say(&json!({"type": "unsubscribe", "events": ["trace_created"]})).await;
                // What comes until then comes again.
                while socket.heard().await.expect("it stays open")["type"] != "unsubscribed" {}
                let after = &message["after"];
                let again =
                    json!({"type": "subscribe", "events": ["trace_created"], "filters": filter, "after": after});
                socket.say(&again).await;
            }
            Some("subscribed") => {}
            other => panic!("{other:?}"),
        }
    }
    socket.so_far().await.iter().for_each(note);
    lagged
}
