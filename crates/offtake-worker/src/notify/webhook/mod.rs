//! Webhooks: tells an endpoint of an event, as Standard Webhooks 1.0 has it.
//!
//! Responsible for the message, its signatures, and what follows from the answer. Not responsible for which endpoints
//! there are (`offtake_store::webhooks`), nor for where requests may go (`offtake_store::outbound`).

mod message;
mod schedule;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::HeaderMap;
use jiff::SignedDuration;
use offtake_model::clock::SharedClock;
use offtake_model::id::WebhookId;
use offtake_model::webhook::MOST_GIVEN_UP;
use offtake_model::{Error, Result};
use offtake_store::outbound::{Answer, Outbound, Outcome};
use offtake_store::sealed::{Holder, Sealer};
use offtake_store::webhooks::{Endpoint, SigningKey};
use offtake_store::{Notification, Try, Verdict, Webhooks};

use super::Deliver;
use crate::outcome::Chance;
use message::Message;

/// Tells endpoints.
#[derive(Debug)]
pub struct WebhookDeliverer {
    webhooks: Arc<dyn Webhooks>,
    sealer: Arc<Sealer>,
    outbound: Outbound,
    clock: SharedClock,
    chance: Chance,
}

/// What one try came to, before it is judged against the schedule.
enum Came {
    Arrived(String),
    /// The endpoint is over: it says so itself, or is not there, or not enabled.
    Over(String),
    NotNow {
        answer: String,
        wait: Option<SignedDuration>,
    },
}

impl WebhookDeliverer {
    /// Tells the endpoints of `webhooks`, whose keys `sealer` opens, by `outbound`.
    pub fn new(
        webhooks: Arc<dyn Webhooks>,
        sealer: Arc<Sealer>,
        outbound: Outbound,
        clock: SharedClock,
        chance: Chance,
    ) -> Self {
        Self { webhooks, sealer, outbound, clock, chance }
    }

    async fn try_once(&self, owed: &Notification) -> Try {
        let begun = Instant::now();
        let came = self.tell(owed).await.unwrap_or_else(|error| {
            tracing::error!(notification_id = %owed.id, org_id = %owed.org, %error, "a webhook could not be sent");
            Came::NotNow { answer: "not sent: something went wrong on our side".to_owned(), wait: None }
        });
        let (answer, verdict) = match came {
            Came::Arrived(answer) => (answer, Verdict::Delivered),
            Came::Over(answer) => (answer, Verdict::GiveUp),
            Came::NotNow { answer, wait } => {
                let verdict = match schedule::after(owed.tries, wait, &self.chance) {
                    // Whoever tests wants to know now.
                    _ if message::is_test(&owed.event) => Verdict::GiveUp,
                    Some(delay) => Verdict::Again(delay),
                    None => {
                        self.gave_up(owed).await;
                        Verdict::GiveUp
                    }
                };
                (answer, verdict)
            }
        };
        let took = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        Try { answer, took, verdict }
    }

    async fn tell(&self, owed: &Notification) -> Result<Came> {
        let over = |answer: &str| Ok(Came::Over(answer.to_owned()));
        let Ok(id) = owed.address.parse::<WebhookId>() else { return over("not sent: there is no such endpoint") };
        let Some(endpoint) = self.webhooks.endpoint(&owed.org, id).await? else {
            return over("not sent: the endpoint was deleted");
        };
        if !endpoint.enabled && !message::is_test(&owed.event) {
            return over("not sent: the endpoint is disabled");
        }
        let message = Message::of(owed)?;
        let headers = self.headers(owed, &message, &endpoint)?;
        match self.outbound.post(&endpoint.url, &headers, &message.body).await {
            Outcome::Answered(answer) => self.answered(owed, id, answer).await,
            Outcome::Refused(why) | Outcome::Silent(why) => Ok(Came::NotNow { answer: why, wait: None }),
        }
    }

    /// Signed with every key in force, the newest first.
    fn headers(&self, owed: &Notification, message: &Message, endpoint: &Endpoint) -> Result<HeaderMap> {
        let sign = |(scheme, sealed): &(_, _)| {
            let holder = Holder { org: &owed.org, row: &owed.address };
            SigningKey::open(*scheme, &self.sealer.open(holder, sealed)?)
        };
        let keys = endpoint.keys.iter().map(sign).collect::<Result<Vec<_>>>()?;
        message.headers(self.clock.now(), &keys)
    }

    async fn answered(&self, owed: &Notification, id: WebhookId, answer: Answer) -> Result<Came> {
        let told = told(&answer);
        match answer.status {
            200..=299 => {
                self.webhooks.arrived(&owed.org, id).await.unwrap_or_else(|error| not_counted(&error));
                Ok(Came::Arrived(told))
            }
            410 => {
                if self.webhooks.disable(&owed.org, id, "it answered 410: it wants no more messages").await? {
                    tracing::warn!(webhook_id = %id, org_id = %owed.org, "a webhook endpoint answered 410 and was disabled");
                }
                Ok(Came::Over(told))
            }
            _ => {
                let wait = answer.retry_after.and_then(|text| schedule::retry_after(&text, self.clock.now()));
                Ok(Came::NotNow { answer: told, wait })
            }
        }
    }

    /// The whole schedule has come to nothing. An endpoint to which that happens again and again is disabled.
    async fn gave_up(&self, owed: &Notification) {
        let Ok(id) = owed.address.parse::<WebhookId>() else { return };
        tracing::warn!(webhook_id = %id, org_id = %owed.org, notification_id = %owed.id, "a webhook was given up");
        let reason = format!("{MOST_GIVEN_UP} messages in a row did not arrive within three days of tries");
        match self.webhooks.gave_up(&owed.org, id, MOST_GIVEN_UP, &reason).await {
            Ok(true) => {
                tracing::warn!(webhook_id = %id, org_id = %owed.org, "a webhook endpoint was disabled: {reason}")
            }
            Ok(false) => {}
            Err(error) => not_counted(&error),
        }
    }
}

#[async_trait]
impl Deliver for WebhookDeliverer {
    async fn deliver(&self, notification: &Notification) -> Try {
        self.try_once(notification).await
    }
}

fn not_counted(error: &Error) {
    tracing::error!(%error, "what came of a webhook was not counted");
}

fn told(answer: &Answer) -> String {
    let Answer { status, body, .. } = answer;
    if body.is_empty() { status.to_string() } else { format!("{status}: {body}") }
}
