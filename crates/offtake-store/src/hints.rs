//! Hints: word that there is something to look at. The one place where they go out and come in.
//!
//! Nothing depends on them: whoever is given none looks by themselves from time to time. What carries them to other
//! processes listens to [`Hints::own`] and passes what it hears there to [`Hints::hear`].

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use offtake_model::id::{JobId, OrgId};
use tokio::sync::broadcast;

/// Hints that wait for a slow listener. One that has fallen behind is told so by its receiver, and looks.
const KEPT: usize = 1024;

/// Word that there is something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// There is an event.
    Event {
        /// Whose.
        org: OrgId,
        /// Its number: there are events up to it.
        seq: u64,
        /// The job it is about.
        job: Option<JobId>,
        /// Whether somebody is owed word of it.
        owed: bool,
    },
    /// A notification is due.
    Owed,
    /// Spans were stored.
    Spans,
    /// Something may have been missed: look everywhere.
    Missed,
}

/// As it travels, in one line.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { org, seq, job, owed } => {
                let owed = if *owed { "owed" } else { "-" };
                let job = job.map_or_else(|| "-".to_owned(), |job| job.to_string());
                // The organization comes last: its name may have spaces.
                write!(f, "event {seq} {job} {owed} {org}")
            }
            Self::Owed => f.write_str("owed"),
            Self::Spans => f.write_str("spans"),
            Self::Missed => f.write_str("missed"),
        }
    }
}

impl Hint {
    /// What this line says; of one that cannot be read, that there is something.
    pub fn parse(line: &str) -> Self {
        match line {
            "owed" => Self::Owed,
            "spans" => Self::Spans,
            _ => Self::event(line).unwrap_or(Self::Missed),
        }
    }

    fn event(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("event ")?.splitn(4, ' ');
        let seq = words.next()?.parse().ok()?;
        let job = match words.next()? {
            "-" => None,
            job => Some(job.parse().ok()?),
        };
        let owed = words.next()? == "owed";
        Some(Self::Event { org: OrgId::new(words.next()?).ok()?, seq, job, owed })
    }
}

/// The hints of one process.
#[derive(Debug)]
pub struct Hints {
    all: broadcast::Sender<Hint>,
    own: broadcast::Sender<Hint>,
    carrier: OnceLock<Arc<Carrier>>,
}

/// What carries hints to other processes, where it is not the database, and whether it is there.
#[derive(Debug)]
pub struct Carrier {
    name: &'static str,
    place: String,
    connected: AtomicBool,
}

impl Carrier {
    /// One that is not there yet.
    pub fn new(name: &'static str, place: &str) -> Self {
        Self { name, place: place.to_owned(), connected: AtomicBool::new(false) }
    }

    /// What it is.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is, without secrets.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is there.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Release);
    }
}

impl Default for Hints {
    fn default() -> Self {
        Self { all: broadcast::Sender::new(KEPT), own: broadcast::Sender::new(KEPT), carrier: OnceLock::new() }
    }
}

impl Hints {
    /// Tells everybody something that happened in this process.
    pub fn tell(&self, hint: Hint) {
        // Nobody listening is no error.
        let _nobody = self.own.send(hint.clone());
        self.hear(hint);
    }

    /// Tells those who listen in this process, and nobody else: another process said it.
    pub fn hear(&self, hint: Hint) {
        let _nobody = self.all.send(hint);
    }

    /// Whatever is told in this process and whatever is heard from others.
    pub fn listen(&self) -> broadcast::Receiver<Hint> {
        self.all.subscribe()
    }

    /// What carries them to other processes, where it is not the database.
    pub fn carrier(&self) -> Option<&Carrier> {
        self.carrier.get().map(AsRef::as_ref)
    }

    pub(crate) fn are_carried_by(&self, carrier: &Arc<Carrier>) {
        // There is one for the life of the process.
        self.carrier.get_or_init(|| Arc::clone(carrier));
    }

    /// What happened in this process: for whoever carries it to the others.
    pub fn own(&self) -> broadcast::Receiver<Hint> {
        self.own.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_hint_arrives_as_it_was_sent() {
        let org = OrgId::new("acme / Zürich ").unwrap();
        let job = Some(JobId::new(Timestamp::UNIX_EPOCH));
        let event = Hint::Event { org: org.clone(), seq: 7, job, owed: true };
        for hint in
            [event, Hint::Event { org, seq: u64::MAX, job: None, owed: false }, Hint::Owed, Hint::Spans, Hint::Missed]
        {
            assert_eq!(Hint::parse(&hint.to_string()), hint);
        }
        for garbage in ["", "event", "event x - - acme", "event 1 - - ", "event 1 nobody owed acme"] {
            assert_eq!(Hint::parse(garbage), Hint::Missed, "{garbage}");
        }
    }

    #[test]
    fn what_others_said_is_not_said_again() {
        let hints = Hints::default();
        let (mut all, mut own) = (hints.listen(), hints.own());
        hints.hear(Hint::Missed);
        hints.tell(Hint::Owed);
        assert_eq!((all.try_recv(), all.try_recv()), (Ok(Hint::Missed), Ok(Hint::Owed)));
        assert_eq!(own.try_recv(), Ok(Hint::Owed));
        assert!(own.try_recv().is_err());
    }
}
