//! Destinations: the port. Buckets of organizations' own, and what is delivered to them.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{Act, Action, Deed, ObjectKind};
use offtake_model::destination::{
    Delivery, DeliveryState, Destination, DestinationContent, KeyParts, MOST_DESTINATIONS,
};
use offtake_model::event::{EventType, NewEvent};
use offtake_model::format::extension;
use offtake_model::id::{DestinationId, JobId, OrgId};
use offtake_model::job::Job;
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Map, json};

use crate::events::changed;
use crate::jobs::{JobScope, NewJob, WorkerName};
use crate::objects::BegunUpload;
use crate::rows::Record;
use crate::schedules::{Cells, unreadable};
use crate::sealed::Sealed;

/// A destination to be kept. It was probed.
#[derive(Debug, Clone)]
pub struct NewDestination {
    /// Its id.
    pub id: DestinationId,
    /// How it is reached.
    pub content: DestinationContent,
    /// The secret of the access key, sealed for this id.
    pub secret: Sealed,
}

/// What a destination becomes.
#[derive(Debug, Clone)]
pub struct DestinationChange {
    /// How it is reached.
    pub content: DestinationContent,
    /// Another secret, sealed for its id; `None`: the one it has.
    pub secret: Option<Sealed>,
    /// Whether it took, just now, what was tried with all of that.
    pub probed: bool,
}

/// A secret of a destination as its row keeps it.
#[derive(Debug, Clone)]
pub struct KeptSecret {
    /// Whose.
    pub org: OrgId,
    /// Of which destination.
    pub id: DestinationId,
    /// The secret.
    pub sealed: Sealed,
}

/// A delivery that is owed, and the right to try it until a deadline.
#[derive(Debug)]
pub struct OwedDelivery {
    /// Whose it is.
    pub org: OrgId,
    /// What goes where.
    pub delivery: Delivery,
    /// The upload in parts that an earlier try has begun.
    pub upload: Option<BegunUpload>,
    pub(crate) fence: i64,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The file is there, whole.
    Delivered,
    /// Again, so much later.
    Again {
        /// Why, for people.
        why: String,
        /// How much later.
        wait: SignedDuration,
    },
    /// Never again by itself.
    GivenUp {
        /// Why, for people.
        why: String,
    },
}

/// Destinations and deliveries. What users ask is scoped by organization. A change and its entry in the audit trail are
/// one transaction.
#[async_trait]
pub trait Destinations: Send + Sync + std::fmt::Debug {
    /// Keeps a destination.
    ///
    /// # Errors
    /// `conflict` if the name is taken, or the organization has as many as it may have.
    async fn create_destination(&self, by: &Act, org: &OrgId, new: NewDestination) -> Result<Destination>;

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    async fn destination(&self, org: &OrgId, id: DestinationId) -> Result<Destination>;

    /// The same with its sealed secret, for whoever reaches the bucket.
    ///
    /// # Errors
    /// `not_found`.
    async fn sealed_destination(&self, org: &OrgId, id: DestinationId) -> Result<(Destination, Sealed)>;

    /// All of them, by name.
    async fn destinations(&self, org: &OrgId) -> Result<Vec<Destination>>;

    /// Notes that it took what we tried just now.
    ///
    /// # Errors
    /// `not_found`.
    async fn note_probe(&self, org: &OrgId, id: DestinationId) -> Result<Destination>;

    /// Puts `change` in the place of what it was, if that is still at `version`. What is owed to it
    /// goes where it points then, at once if that was probed.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since; `conflict` if the name is taken.
    async fn change_destination(
        &self,
        by: &Act,
        org: &OrgId,
        id: DestinationId,
        version: u64,
        change: DestinationChange,
    ) -> Result<Destination>;

    /// Every secret of every organization, for whoever seals them anew.
    async fn kept_secrets(&self) -> Result<Vec<KeptSecret>>;

    /// Puts `sealed` in the place of a secret, if that is still the one that was kept.
    async fn reseal_destination(&self, kept: &KeptSecret, sealed: &Sealed) -> Result<()>;

    /// Forgets it. What is owed to it fails.
    ///
    /// # Errors
    /// `not_found`.
    async fn delete_destination(&self, by: &Act, org: &OrgId, id: DestinationId) -> Result<()>;

    /// The deliveries of these jobs, as far as they have one.
    async fn deliveries(&self, org: &OrgId, jobs: &[JobId]) -> Result<Vec<Delivery>>;

    /// The newest delivery to each destination that was given one.
    async fn latest_deliveries(&self, org: &OrgId) -> Result<Vec<Delivery>>;

    /// A delivery that failed, once more.
    ///
    /// # Errors
    /// `not_found`; `conflict` if it did not fail.
    async fn deliver_again(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Delivery>;

    /// Takes deliveries that are owed for files that are there, longest due first, for `lease`; also what `worker` itself has
    /// held, since it does not any more: whoever asks for more has settled what it had, or has died since.
    async fn claim_deliveries(
        &self,
        worker: &WorkerName,
        most: u32,
        lease: SignedDuration,
    ) -> Result<Vec<OwedDelivery>>;

    /// Holds a delivery for longer.
    ///
    /// # Errors
    /// `lease_lost` if somebody else has it by now.
    async fn extend_delivery(&self, owed: &OwedDelivery, lease: SignedDuration) -> Result<()>;

    /// Writes down how far an upload in parts has come, so that whoever tries next goes on with it; `None` once it has ended.
    ///
    /// # Errors
    /// `lease_lost` if somebody else has the delivery by now.
    async fn note_upload(&self, owed: &OwedDelivery, upload: Option<&BegunUpload>) -> Result<()>;

    /// Writes down what a try came to, and tells of it. A delivery that is given up counts as a configuration error of the
    /// schedule that asked for it.
    ///
    /// # Errors
    /// `lease_lost` if somebody else has it by now.
    async fn settle_delivery(&self, owed: OwedDelivery, outcome: DeliveryOutcome) -> Result<()>;
}

// What every backend shares.

pub(crate) const DESTINATION_COLUMNS: &str = "destinations.id, destinations.org, destinations.content, destinations.secret, destinations.created_by, \
     destinations.created_at, destinations.probed_at, destinations.version";
pub(crate) const DELIVERY_COLUMNS: &str = "deliveries.job, deliveries.org, deliveries.destination, \
     deliveries.object_key, deliveries.state, deliveries.tries, deliveries.error, deliveries.delivered_at";
/// What [`owed`] reads besides.
pub(crate) const OWED_COLUMNS: &str = "deliveries.fence, deliveries.upload";

/// The newest delivery to each destination of the organization that is the one parameter.
pub(crate) fn latest_deliveries(parameter: &str) -> String {
    format!(
        "SELECT {DELIVERY_COLUMNS} FROM destinations
         JOIN deliveries ON deliveries.job =
             (SELECT max(newest.job) FROM deliveries newest WHERE newest.destination = destinations.id)
         WHERE destinations.org = {parameter}"
    )
}

pub(crate) fn no_such_destination() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such destination; GET /api/v1/destinations lists those there are")
}

/// What a request for a delivery to nowhere is refused with.
pub(crate) fn nowhere() -> Error {
    Error::invalid_at("/destination/id", "there is no such destination")
}

pub(crate) fn name_taken(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("there is a destination called {name:?} already; take another name"))
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_DESTINATIONS} destinations, and no more are possible; delete some");
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn no_delivery(job: JobId) -> Error {
    Error::new(ErrorKind::NotFound, format!("job {job} has no delivery here"))
}

pub(crate) fn not_failed(job: JobId) -> Error {
    Error::new(ErrorKind::Conflict, format!("the delivery of job {job} did not fail"))
}

pub(crate) fn claim_lost(job: JobId) -> Error {
    Error::new(ErrorKind::LeaseLost, format!("somebody else delivers the file of job {job} by now"))
}

/// A row of [`DESTINATION_COLUMNS`].
pub(crate) fn destination(row: &impl Record) -> Result<(Destination, Sealed)> {
    let cells = Cells(row);
    let destination = Destination {
        id: cells.text("id")?.parse().map_err(|_| unreadable("id"))?,
        org: cells.org()?,
        content: cells.json("content")?,
        created_by: cells.text("created_by")?,
        created_at: cells.moment("created_at")?,
        probed_at: cells.moment("probed_at")?,
        version: u64::try_from(cells.int("version")?).map_err(|_| unreadable("version"))?,
    };
    Ok((destination, Sealed::from_row(cells.text("secret")?)))
}

/// A row of [`DELIVERY_COLUMNS`].
pub(crate) fn delivery(row: &impl Record) -> Result<Delivery> {
    let cells = Cells(row);
    Ok(Delivery {
        job: cells.text("job")?.parse().map_err(|_| unreadable("job"))?,
        destination: cells.text("destination")?.parse().map_err(|_| unreadable("destination"))?,
        key: cells.text("object_key")?,
        state: DeliveryState::parse(&cells.text("state")?).ok_or_else(|| unreadable("state"))?,
        tries: u32::try_from(cells.int("tries")?).unwrap_or(u32::MAX),
        error: cells.maybe("error")?,
        delivered_at: cells.time("delivered_at")?,
    })
}

/// The secret of a row of [`DESTINATION_COLUMNS`].
pub(crate) fn kept_secret(row: &impl Record) -> Result<KeptSecret> {
    let (Destination { org, id, .. }, sealed) = destination(row)?;
    Ok(KeptSecret { org, id, sealed })
}

/// A row of [`DELIVERY_COLUMNS`] and [`OWED_COLUMNS`] that was claimed.
pub(crate) fn owed(row: &impl Record) -> Result<OwedDelivery> {
    let cells = Cells(row);
    // One that cannot be read is one that was never begun.
    let upload = cells.maybe("upload")?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(OwedDelivery { org: cells.org()?, delivery: delivery(row)?, upload, fence: cells.int("fence")? })
}

/// The destination and the key that a new job's file is delivered to.
pub(crate) fn wanted(new: &NewJob) -> Option<(DestinationId, String)> {
    let to = new.spec.destination.as_ref()?;
    let extension = extension(new.spec.format, new.spec.compression);
    let parts = KeyParts { dataset: &new.spec.dataset, job: new.id, asked_at: new.now, extension: &extension };
    Some((to.id, to.key_of(parts)))
}

/// Something was done to a destination.
pub(crate) fn to_destination(action: Action, destination: &Destination) -> Deed {
    let DestinationContent { name, endpoint, bucket, .. } = &destination.content;
    Deed::done(action, ObjectKind::Destination, destination.id)
        .with("name", name.as_str())
        .with("endpoint", endpoint.as_deref())
        .with("bucket", bucket.as_str())
}

/// What a settled delivery becomes: state, error, when it is due, when it arrived.
pub(crate) struct Settled {
    pub(crate) state: DeliveryState,
    pub(crate) error: Option<String>,
    pub(crate) due_at: i64,
    pub(crate) delivered_at: Option<i64>,
}

impl Settled {
    pub(crate) fn of(outcome: &DeliveryOutcome, now: i64) -> Self {
        let (state, error) = match outcome {
            DeliveryOutcome::Delivered => (DeliveryState::Delivered, None),
            DeliveryOutcome::Again { why, .. } => (DeliveryState::Pending, Some(why.clone())),
            DeliveryOutcome::GivenUp { why } => (DeliveryState::Failed, Some(why.clone())),
        };
        let wait = match outcome {
            DeliveryOutcome::Again { wait, .. } => crate::rows::micros(*wait),
            DeliveryOutcome::Delivered | DeliveryOutcome::GivenUp { .. } => 0,
        };
        let delivered_at = (state == DeliveryState::Delivered).then_some(now);
        Self { state, error, due_at: now.saturating_add(wait), delivered_at }
    }
}

/// What is told of a try: that the file arrived, as something new about its job, or that it never will by itself.
pub(crate) fn told(owed: &OwedDelivery, job: &Job, outcome: &DeliveryOutcome) -> Option<NewEvent> {
    match outcome {
        DeliveryOutcome::Again { .. } => None,
        DeliveryOutcome::Delivered => {
            let mut event = changed(job);
            event.data.insert("delivery".to_owned(), json!(DeliveryState::Delivered));
            Some(event)
        }
        DeliveryOutcome::GivenUp { why } => Some(given_up(owed, &job.owner, why)),
    }
}

fn given_up(owed: &OwedDelivery, owner: &str, why: &str) -> NewEvent {
    let mut data = Map::new();
    data.insert("code".to_owned(), json!("delivery_failed"));
    data.insert("severity".to_owned(), json!("error"));
    data.insert("message".to_owned(), json!(why));
    data.insert("job_id".to_owned(), json!(owed.delivery.job));
    data.insert("destination_id".to_owned(), json!(owed.delivery.destination));
    let job = Some(owed.delivery.job);
    NewEvent { kind: EventType::SystemAlert, job, owner: Some(owner.to_owned()), data }
}

/// The moment a destination was made, for whoever has the database's clock in microseconds.
pub(crate) fn made(org: &OrgId, new: &NewDestination, by: &Act, now: i64) -> Result<Destination> {
    let now = Timestamp::from_microsecond(now).map_err(|_| unreadable("the present moment"))?;
    Ok(Destination {
        id: new.id,
        org: org.clone(),
        content: new.content.clone(),
        created_by: by.actor().to_owned(),
        created_at: now,
        probed_at: now,
        version: 1,
    })
}
