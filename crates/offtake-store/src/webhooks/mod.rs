//! Webhook endpoints: the port, and the keys messages are signed with.
//!
//! Responsible for which endpoints an organization has and how they stand. Not responsible for sending anything.

mod key;

pub use key::{SealedKey, SigningKey};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::Act;
use offtake_model::event::{EventType, NewEvent};
use offtake_model::id::{NotificationId, OrgId, WebhookId};
use offtake_model::webhook::{MOST_WEBHOOKS, SigningScheme, Webhook};
use offtake_model::{Error, ErrorKind, Result};

use crate::refusals::internal;
use crate::rows::Record;
use crate::sealed::Sealed;

/// What `alert` says in the data of a test.
pub const TEST_ALERT: &str = "webhook_test";

/// Endpoints. Every verb is scoped by organization: another one's endpoint is absent. What a user changes and its entry
/// in the audit trail are one transaction.
#[async_trait]
pub trait Webhooks: Send + Sync + std::fmt::Debug {
    /// Keeps an endpoint.
    ///
    /// # Errors
    /// `conflict` if the organization has as many as it may have.
    async fn create(&self, by: &Act, org: &OrgId, new: NewWebhook) -> Result<Webhook>;

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    async fn get(&self, org: &OrgId, id: WebhookId) -> Result<Webhook>;

    /// All of them, newest first.
    async fn list(&self, org: &OrgId) -> Result<Vec<Webhook>>;

    /// Changes what is said. Whoever is enabled by hand begins anew: no reason, nothing given up.
    ///
    /// # Errors
    /// `not_found`.
    async fn change(&self, by: &Act, org: &OrgId, id: WebhookId, change: WebhookChange) -> Result<Webhook>;

    /// Puts `key` in the place of the one in force, which signs along for `overlap`. One before that ends now.
    ///
    /// # Errors
    /// `not_found`.
    async fn rotate(
        &self,
        by: &Act,
        org: &OrgId,
        id: WebhookId,
        key: SealedKey,
        overlap: SignedDuration,
    ) -> Result<Webhook>;

    /// Forgets an endpoint.
    ///
    /// # Errors
    /// `not_found`.
    async fn delete(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<()>;

    /// Owes it a test: a `system_alert` that is told to this endpoint alone, as far as webhooks go.
    ///
    /// # Errors
    /// `not_found`.
    async fn test(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<NotificationId>;

    /// What sending to it needs; `None` if it is gone.
    async fn endpoint(&self, org: &OrgId, id: WebhookId) -> Result<Option<Endpoint>>;

    /// Something arrived there: what was given up before no longer counts.
    async fn arrived(&self, org: &OrgId, id: WebhookId) -> Result<()>;

    /// Something for it was given up. The `most`th in a row disables it, with a `system_alert`; true if that was now.
    async fn gave_up(&self, org: &OrgId, id: WebhookId, most: u32, reason: &str) -> Result<bool>;

    /// Disables it, with a `system_alert`; false if it was disabled before, or is gone.
    async fn disable(&self, org: &OrgId, id: WebhookId, reason: &str) -> Result<bool>;

    /// Every key there is, with its holder, for sealing anew what was sealed under a secret that was replaced.
    async fn sealed_keys(&self) -> Result<Vec<KeptKey>>;

    /// Puts a key that was sealed anew in the place of the same key as it was sealed before; nothing if that is there no
    /// more.
    async fn reseal(&self, kept: &KeptKey, sealed: &Sealed) -> Result<()>;
}

/// An endpoint to be kept.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Where messages go.
    pub url: String,
    /// What it is told of.
    pub events: Vec<EventType>,
    /// What people say about it.
    pub description: String,
    /// Whether it is told at all.
    pub enabled: bool,
    /// What messages are signed with.
    pub key: SealedKey,
}

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// Another address, with a key of its own: whoever is there now has no business with the key of before.
    pub url: Option<(String, SealedKey)>,
    /// What it is told of.
    pub events: Option<Vec<EventType>>,
    /// What people say about it.
    pub description: Option<String>,
    /// Whether it is told at all.
    pub enabled: Option<bool>,
}

/// What sending to an endpoint needs.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where to.
    pub url: String,
    /// Whether it is told at all.
    pub enabled: bool,
    /// The keys in force, the newest first.
    pub keys: Vec<(SigningScheme, Sealed)>,
}

/// A key of an endpoint as its row keeps it.
#[derive(Debug, Clone)]
pub struct KeptKey {
    /// Whose.
    pub org: OrgId,
    /// Of which endpoint.
    pub id: WebhookId,
    /// The key.
    pub sealed: Sealed,
}

// What every backend shares.

/// Everything [`webhook`] and [`endpoint`] read.
pub(crate) const WEBHOOKS: &str = "SELECT org, id, url, events, description, enabled, disabled_reason, scheme, secret, \
     public_key, previous_scheme, previous_secret, previous_until, given_up, created_by, created_at, changed_at \
     FROM webhooks";

/// A row of [`WEBHOOKS`].
pub(crate) fn webhook(row: &impl Record, now: i64) -> Result<Webhook> {
    let cells = Cells(row);
    let events: Vec<String> = serde_json::from_str(&cells.text("events")?).map_err(|_| unreadable("events"))?;
    let until = cells.maybe_int("previous_until")?.filter(|until| *until > now);
    Ok(Webhook {
        id: cells.text("id")?.parse().map_err(|_| unreadable("id"))?,
        url: cells.text("url")?,
        events: events.iter().filter_map(|name| EventType::parse(name)).collect(),
        description: cells.text("description")?,
        enabled: cells.int("enabled")? != 0,
        disabled_reason: cells.maybe_text("disabled_reason")?,
        scheme: cells.scheme("scheme")?.ok_or_else(|| unreadable("scheme"))?,
        public_key: cells.maybe_text("public_key")?,
        previous_until: until.map(moment).transpose()?,
        given_up: u32::try_from(cells.int("given_up")?).map_err(|_| unreadable("given_up"))?,
        created_by: cells.text("created_by")?,
        created_at: moment(cells.int("created_at")?)?,
        changed_at: moment(cells.int("changed_at")?)?,
    })
}

/// A row of [`WEBHOOKS`], for sending.
pub(crate) fn endpoint(row: &impl Record, now: i64) -> Result<Endpoint> {
    let cells = Cells(row);
    let current = cells.scheme("scheme")?.ok_or_else(|| unreadable("scheme"))?;
    let mut keys = vec![(current, Sealed::from_row(cells.text("secret")?))];
    let holds = cells.maybe_int("previous_until")?.is_some_and(|until| until > now);
    if let (true, Some(scheme), Some(secret)) =
        (holds, cells.scheme("previous_scheme")?, cells.maybe_text("previous_secret")?)
    {
        keys.push((scheme, Sealed::from_row(secret)));
    }
    Ok(Endpoint { url: cells.text("url")?, enabled: cells.int("enabled")? != 0, keys })
}

/// The keys of a row of [`WEBHOOKS`], also one that is over: its row is cleared by nobody.
pub(crate) fn kept_keys(row: &impl Record) -> Result<Vec<KeptKey>> {
    let cells = Cells(row);
    let org = OrgId::new(cells.text("org")?).map_err(|_| unreadable("org"))?;
    let id = cells.text("id")?.parse().map_err(|_| unreadable("id"))?;
    let secrets = [Some(cells.text("secret")?), cells.maybe_text("previous_secret")?];
    let kept = |secret| KeptKey { org: org.clone(), id, sealed: Sealed::from_row(secret) };
    Ok(secrets.into_iter().flatten().map(kept).collect())
}

struct Cells<'r, R>(&'r R);

impl<R: Record> Cells<'_, R> {
    fn maybe_text(&self, column: &str) -> Result<Option<String>> {
        self.0.text(column).map_err(|_| unreadable(column))
    }

    fn text(&self, column: &str) -> Result<String> {
        self.maybe_text(column)?.ok_or_else(|| unreadable(column))
    }

    fn maybe_int(&self, column: &str) -> Result<Option<i64>> {
        self.0.int(column).map_err(|_| unreadable(column))
    }

    fn int(&self, column: &str) -> Result<i64> {
        self.maybe_int(column)?.ok_or_else(|| unreadable(column))
    }

    fn scheme(&self, column: &str) -> Result<Option<SigningScheme>> {
        let name = self.maybe_text(column)?;
        name.map(|name| SigningScheme::parse(&name).ok_or_else(|| unreadable(column))).transpose()
    }
}

fn moment(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| unreadable("moments"))
}

fn unreadable(column: &str) -> Error {
    internal(format!("a webhook endpoint in the job store cannot be read: its {column}"))
}

/// The host of a URL, where the whole of it is nobody's business.
pub(crate) fn host_of(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    parsed.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// Types of events as a row keeps them.
pub(crate) fn names(events: &[EventType]) -> Result<String> {
    let names: Vec<&str> = events.iter().map(|kind| kind.name()).collect();
    crate::rows::to_json(&names)
}

/// The id of a notification that was just written.
pub(crate) fn owed(id: Option<String>) -> Result<NotificationId> {
    id.and_then(|id| id.parse().ok()).ok_or_else(|| internal("a notification is not where it was written"))
}

pub(crate) fn no_such_webhook() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such webhook endpoint; GET /api/v1/webhooks lists those there are")
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_WEBHOOKS} webhook endpoints, and no more are possible; delete some");
    Error::new(ErrorKind::Conflict, detail)
}

/// What the organization is told when Offtake disables one of its endpoints.
pub(crate) fn disabled_alert(id: WebhookId, url: &str, reason: &str) -> NewEvent {
    let message = format!("the webhook endpoint {id} was disabled: {reason}");
    alert("webhook_disabled", id, url, message)
}

/// What an endpoint is told for a test.
pub(crate) fn test_alert(id: WebhookId, url: &str) -> NewEvent {
    alert(TEST_ALERT, id, url, format!("this is a test of the webhook endpoint {id}"))
}

fn alert(name: &str, id: WebhookId, url: &str, message: String) -> NewEvent {
    let (id, host) = (id.to_string(), host_of(url));
    let severity = if name == TEST_ALERT { "info" } else { "error" };
    let data = [("code", name), ("severity", severity), ("message", &message), ("webhook_id", &id), ("host", &host)];
    let data = data.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    NewEvent { kind: EventType::SystemAlert, job: None, owner: None, data }
}
