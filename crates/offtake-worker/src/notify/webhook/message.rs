//! The message: body and headers.

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use offtake_model::event::{Event, EventType};
use offtake_model::webhook::message;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::Notification;
use offtake_store::webhooks::{SigningKey, TEST_ALERT};
use serde_json::Value as Json;

/// A message as it is sent; the same bytes each time.
pub(super) struct Message {
    id: String,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn of(owed: &Notification) -> Result<Self> {
        let body = serde_json::to_vec(&message(&owed.event)).map_err(|error| internal().caused_by(error))?;
        Ok(Self { id: owed.id.to_string(), body })
    }

    /// Headers for a try at this moment.
    pub(super) fn headers(&self, now: Timestamp, keys: &[SigningKey]) -> Result<HeaderMap> {
        let timestamp = now.as_second();
        let signatures: Vec<String> = keys.iter().map(|key| key.sign(&self.id, timestamp, &self.body)).collect();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| internal().caused_by(error));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", value(&self.id)?);
        headers.insert("webhook-timestamp", value(&timestamp.to_string())?);
        headers.insert("webhook-signature", value(&signatures.join(" "))?);
        Ok(headers)
    }
}

/// Whether somebody asked for this to see whether the endpoint works.
pub(super) fn is_test(event: &Event) -> bool {
    event.kind == EventType::SystemAlert && event.data.get("code").and_then(Json::as_str) == Some(TEST_ALERT)
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "a webhook message cannot be written")
}
