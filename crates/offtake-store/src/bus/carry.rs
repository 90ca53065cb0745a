//! Carries hints over any line: says what this process tells, hears what others tell, and comes back after an outage.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::lines::{Ear, Line, Mouth};
use crate::hints::{Carrier, Hint, Hints};

/// Between tries to connect: doubled from the first to the longest, and less by up to half, so that nodes that lost the
/// same bus do not come back at the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The most bytes of a hint, as it travels: what Postgres carries.
const MAX_BYTES: usize = 8000;

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

/// This process, as far as the bus knows it.
#[derive(Debug)]
pub(super) struct Node {
    /// The name by which it knows its own words.
    own: String,
    carrier: Arc<Carrier>,
    hints: Arc<Hints>,
    pace: Pace,
}

impl Node {
    pub(super) fn new(carrier: Arc<Carrier>, hints: Arc<Hints>, pace: Pace) -> Self {
        Self { own: hex::encode(rand::random::<[u8; 8]>()), carrier, hints, pace }
    }

    fn heard(&self, words: &[u8]) {
        if words.len() > MAX_BYTES {
            return;
        }
        // What has no name before it is its own heartbeat.
        let Some((whose, said)) = std::str::from_utf8(words).ok().and_then(|words| words.split_once(' ')) else {
            return;
        };
        // This process told itself already.
        if whose != self.own {
            self.hints.hear(Hint::parse(said));
        }
    }

    fn says(&self, hint: &Hint) -> Bytes {
        format!("{} {hint}", self.own).into()
    }

    fn beat(&self) -> Bytes {
        Bytes::copy_from_slice(self.own.as_bytes())
    }

    /// Where it hears its own heartbeat, and nobody else's.
    fn private(&self, subject: &str) -> String {
        format!("{subject}.{}", self.own)
    }
}

/// Connects, again and again, and carries as long as the line holds.
pub(super) async fn carry(line: Box<dyn Line>, node: Node, mut own: broadcast::Receiver<Hint>) {
    let mut pause = FIRST_PAUSE;
    // Said once for each outage.
    let mut told = false;
    loop {
        match begin(line.as_ref(), &node).await {
            Ok((mut mouth, mut ear)) => {
                pause = FIRST_PAUSE;
                told = false;
                tracing::info!(bus = line.place(), "the bus is there");
                node.carrier.set_connected(true);
                // Whatever was said while nobody listened.
                node.hints.hear(Hint::Missed);
                let error = tokio::select! {
                    error = speak(mouth.as_mut(), line.subject(), &node, &mut own) => error,
                    error = listen(ear.as_mut(), &node) => error,
                };
                node.carrier.set_connected(false);
                tracing::warn!(bus = line.place(), %error, "the bus is lost; other nodes are heard of later meanwhile");
            }
            Err(error) if told => tracing::debug!(bus = line.place(), %error, "the bus is still away"),
            Err(error) => {
                told = true;
                tracing::warn!(bus = line.place(), %error, "the bus is away; other nodes are heard of later meanwhile");
            }
        }
        sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(node.pace.longest_pause);
    }
}

/// Connects, and hears itself: from then on it hears everything.
async fn begin(line: &dyn Line, node: &Node) -> Result<(Box<dyn Mouth>, Box<dyn Ear>)> {
    let private = node.private(line.subject());
    let connect = async {
        let (mut mouth, mut ear) = line.open([line.subject().to_owned(), private.clone()]).await?;
        mouth.say(&private, node.beat()).await?;
        while ear.hear().await? != node.beat() {}
        Ok((mouth, ear))
    };
    timeout(node.pace.patience, connect).await.map_err(|_| silent())?
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "it does not answer")
}

/// Says what this process tells, and a heartbeat from time to time, until that fails.
async fn speak(mouth: &mut dyn Mouth, subject: &str, node: &Node, own: &mut broadcast::Receiver<Hint>) -> Error {
    let private = node.private(subject);
    let mut next_beat = Instant::now() + node.pace.beat;
    loop {
        let said = match timeout_at(next_beat, own.recv()).await {
            Ok(Ok(hint)) => mouth.say(subject, node.says(&hint)),
            // More was told than waits for a bus: the others look everywhere.
            Ok(Err(RecvError::Lagged(_))) => mouth.say(subject, node.says(&Hint::Missed)),
            Ok(Err(RecvError::Closed)) => return Error::new(ErrorKind::Internal, "there is nothing left to tell"),
            Err(_) => {
                next_beat = Instant::now() + node.pace.beat;
                mouth.say(&private, node.beat())
            }
        };
        match timeout(node.pace.patience, said).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return silent(),
        }
    }
}

/// Hears what comes until the line is dead.
async fn listen(ear: &mut dyn Ear, node: &Node) -> Error {
    loop {
        match timeout(node.pace.silence, ear.hear()).await {
            Ok(Ok(words)) => node.heard(&words),
            Ok(Err(error)) => return error,
            Err(_) => return silent(),
        }
    }
}
