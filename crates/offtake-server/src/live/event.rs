//! An event on its way to those it is for: what it is about, and how it reads.

use std::cell::OnceCell;

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use offtake_datasets::Catalog;
use offtake_datasets::spans::TraceState;
use offtake_model::event::{Event, EventType};
use offtake_model::id::OrgId;
use offtake_model::sensitive::{MASKED, Sight, Treatment};
use offtake_pipeline::HashKey;
use serde_json::{Map, Value as Json, json};

use super::filter::{Facets, TEXTS};
use super::message;

/// An event that is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) org: OrgId,
    pub(super) kind: EventType,
    pub(super) seq: u64,
    /// Whether it is how something stands, with the number of the fact it follows from.
    pub(super) is_state: bool,
    /// Whose it is; `None`: the organization's.
    pub(super) owner: Option<String>,
    pub(super) facets: Facets,
    at: Timestamp,
    data: Map<String, Json>,
    clear: OnceCell<Utf8Bytes>,
    veiled: OnceCell<Utf8Bytes>,
}

impl Told {
    /// Of an organization.
    pub(super) fn of(event: Event) -> Self {
        let Event { org, seq, kind, owner, at, data, job: _ } = event;
        let text = |name: &str| data.get(name).and_then(Json::as_str).map(str::to_owned);
        let number = |name: &str| data.get(name).and_then(Json::as_f64);
        let facets =
            Facets { texts: TEXTS.map(text), cost_usd: number("cost_usd"), duration_ms: number("duration_ms") };
        let mut whole = data;
        whole.insert("org_id".to_owned(), json!(org.as_str()));
        whole.insert("timestamp".to_owned(), json!(at));
        Self {
            org,
            kind,
            seq,
            is_state: false,
            owner,
            facets,
            at,
            data: whole,
            clear: OnceCell::new(),
            veiled: OnceCell::new(),
        }
    }

    /// How something stands, where the event is the last fact about it.
    pub(super) fn state(event: Event) -> Self {
        Self { is_state: true, ..Self::of(event) }
    }

    /// Of a trace, as it is at this moment.
    pub(super) fn of_trace(kind: EventType, seq: u64, trace: &TraceState, at: Timestamp) -> Self {
        let TraceState { org, trace_id, provider, model, environment, user_id, status_code, duration_ms, .. } = trace;
        // Shortest digits that are this number: those of a decimal of nine places, up to millions of dollars.
        let cost_usd = trace.cost_nanos.map(|nanos| nanos as f64 / 1e9);
        let members = [
            ("trace_id", json!(trace_id)),
            ("org_id", json!(org.as_str())),
            ("provider", json!(provider)),
            ("model", json!(model)),
            ("environment", json!(environment)),
            ("user_id", json!(user_id)),
            ("cost_usd", json!(cost_usd)),
            ("duration_ms", json!(duration_ms)),
            ("status_code", json!(status_code)),
            ("timestamp", json!(trace.started_at)),
        ];
        let texts = [environment, provider, model, user_id].map(Clone::clone);
        Self {
            org: org.clone(),
            kind,
            seq,
            is_state: false,
            owner: None,
            facets: Facets { texts, cost_usd, duration_ms: *duration_ms },
            at,
            data: members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            clear: OnceCell::new(),
            veiled: OnceCell::new(),
        }
    }

    /// How it reads for those who see so much: written once, however many they are.
    pub(super) fn text(&self, veil: &Veil, sight: Sight) -> &Utf8Bytes {
        if sight == Sight::Clear || veil.columns.is_empty() {
            return self.clear.get_or_init(|| message::event(self.kind, &self.data, self.at, self.seq));
        }
        self.veiled.get_or_init(|| {
            let mut data = self.data.clone();
            veil.cover(&self.org, &mut data);
            message::event(self.kind, &data, self.at, self.seq)
        })
    }
}

/// The members of events' data that are sensitive columns of `traces`, and what is made of them.
#[derive(Debug)]
pub(super) struct Veil {
    columns: Vec<(String, Treatment)>,
    hash_key: HashKey,
}

impl Veil {
    pub(super) fn of(catalog: &Catalog, hash_key: HashKey) -> Self {
        let traces = catalog.get("traces").ok();
        let columns = traces.iter().flat_map(|traces| &traces.schema.columns);
        let columns = columns.filter_map(|column| Some((column.name.clone(), column.sensitive.clone()?))).collect();
        Self { columns, hash_key }
    }

    /// Whether this column is sensitive.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }

    fn cover(&self, org: &OrgId, data: &mut Map<String, Json>) {
        for (name, treatment) in &self.columns {
            let name = if name == "started_at" { "timestamp" } else { name };
            match (treatment, data.get_mut(name)) {
                (_, None) => {}
                (Treatment::Drop, Some(_)) => drop(data.shift_remove(name)),
                (Treatment::Mask, Some(Json::String(text))) => MASKED.clone_into(text),
                (Treatment::Hash, Some(Json::String(text))) => {
                    *text = self.hash_key.hasher(org).hash(text.as_bytes());
                }
                (Treatment::Mask | Treatment::Hash | Treatment::Redact(_), Some(other)) => *other = Json::Null,
            }
        }
    }
}
