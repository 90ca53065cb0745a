//! A bus between processes, over any line: it sends what waits, hears what comes, and comes back after an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::hint::{read, write};
use super::lines::{Ear, Line, Mouth};
use super::outbound::Outbound;
use super::{BEHIND, Bus, BusHealth, BusKind, Heard, Hearing, Hint};

/// Between tries to connect: doubled from the first to the longest, and less by up to half, so that nodes that lost the
/// same bus do not come back at the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How fast a dead line is noticed, and how often a new one is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The longest pause between tries to connect.
    pub(super) longest_pause: Duration,
    /// How long connecting may take, or saying something.
    pub(super) patience: Duration,
    /// How often a node says something to itself.
    pub(super) beat: Duration,
    /// How long nothing may be heard before the line counts as dead.
    pub(super) silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let [longest_pause, patience, beat, silence] = [10, 5, 5, 12].map(Duration::from_secs);
        Self { longest_pause, patience, beat, silence }
    }
}

/// Carries hints between the processes that are connected to the same server.
#[derive(Debug)]
pub struct RemoteBus {
    shared: Arc<Shared>,
    _carrier: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    kind: BusKind,
    pace: Pace,
    /// The name by which this process knows its own words.
    own: String,
    heard: broadcast::Sender<Heard>,
    outbound: Outbound,
    connected: AtomicBool,
}

impl RemoteBus {
    /// Begins to connect, and to carry.
    pub(super) fn start(line: Box<dyn Line>, kind: BusKind, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            kind,
            pace,
            own: hex::encode(rand::random::<[u8; 8]>()),
            heard: broadcast::Sender::new(BEHIND),
            outbound: Outbound::default(),
            connected: AtomicBool::new(false),
        });
        let carrier = tokio::spawn(carry(line, Arc::clone(&shared)));
        Self { shared, _carrier: AbortOnDropHandle::new(carrier) }
    }
}

impl Bus for RemoteBus {
    fn publish(&self, hint: Hint) {
        self.shared.tell(Heard::Hint(hint.clone()));
        self.shared.outbound.push(hint);
    }

    fn subscribe(&self) -> Hearing {
        Hearing::of(self.shared.heard.subscribe())
    }

    fn health(&self) -> BusHealth {
        BusHealth {
            kind: self.shared.kind,
            connected: self.shared.connected.load(Ordering::Acquire),
            dropped: self.shared.outbound.dropped(),
        }
    }
}

impl Shared {
    fn tell(&self, heard: Heard) {
        // It fails where nobody listens.
        let _listeners = self.heard.send(heard);
    }

    fn heard(&self, words: &[u8]) {
        match read(words) {
            // This process told itself already.
            Some((from, _)) if from == self.own => {}
            Some((_, hint)) => self.tell(Heard::Hint(hint)),
            // Its own heartbeat, or others' words.
            None => {}
        }
    }
}

/// Connects, again and again, and carries as long as the line holds.
async fn carry(line: Box<dyn Line>, shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    // Said once for each outage.
    let mut told = false;
    loop {
        match begin(line.as_ref(), &shared).await {
            Ok((mut mouth, mut ear)) => {
                pause = FIRST_PAUSE;
                told = false;
                tracing::info!(bus = line.place(), "the bus is there");
                shared.connected.store(true, Ordering::Release);
                // Whatever was said while nobody listened.
                shared.tell(Heard::Missed);
                let error = tokio::select! {
                    error = speak(mouth.as_mut(), line.subject(), &shared) => error,
                    error = listen(ear.as_mut(), &shared) => error,
                };
                shared.connected.store(false, Ordering::Release);
                tracing::warn!(bus = line.place(), %error, "the bus is lost; other nodes are heard of later meanwhile");
            }
            Err(error) if told => tracing::debug!(bus = line.place(), %error, "the bus is still away"),
            Err(error) => {
                told = true;
                tracing::warn!(bus = line.place(), %error, "the bus is away; other nodes are heard of later meanwhile");
            }
        }
        sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(shared.pace.longest_pause);
    }
}

/// Connects, and hears itself: from then on it hears everything.
async fn begin(line: &dyn Line, shared: &Shared) -> Result<(Box<dyn Mouth>, Box<dyn Ear>)> {
    let private = private(line.subject(), shared);
    let connect = async {
        let (mut mouth, mut ear) = line.open([line.subject().to_owned(), private.clone()]).await?;
        mouth.say(&private, beat(shared)).await?;
        while ear.hear().await? != beat(shared) {}
        Ok((mouth, ear))
    };
    timeout(shared.pace.patience, connect).await.map_err(|_| silent())?
}

/// Where a process hears its own heartbeat, and nobody else's.
fn private(subject: &str, shared: &Shared) -> String {
    format!("{subject}.{}", shared.own)
}

fn beat(shared: &Shared) -> Bytes {
    Bytes::copy_from_slice(shared.own.as_bytes())
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "it does not answer")
}

/// Says what waits, and a heartbeat from time to time, until that fails.
async fn speak(mouth: &mut dyn Mouth, subject: &str, shared: &Shared) -> Error {
    let private = private(subject, shared);
    let mut next_beat = Instant::now() + shared.pace.beat;
    loop {
        let said = match timeout_at(next_beat, shared.outbound.next()).await {
            Ok(hint) => {
                let Some(words) = write(&shared.own, &hint) else { continue };
                timeout(shared.pace.patience, mouth.say(subject, words)).await
            }
            Err(_) => {
                next_beat = Instant::now() + shared.pace.beat;
                timeout(shared.pace.patience, mouth.say(&private, beat(shared))).await
            }
        };
        match said {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return silent(),
        }
    }
}

/// Hears what comes until the line is dead.
async fn listen(ear: &mut dyn Ear, shared: &Shared) -> Error {
    loop {
        match timeout(shared.pace.silence, ear.hear()).await {
            Ok(Ok(words)) => shared.heard(&words),
            Ok(Err(error)) => return error,
            Err(_) => return silent(),
        }
    }
}
