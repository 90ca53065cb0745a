//! What handlers take from a request, with refusals that are problems: JSON bodies, query parameters, path
//! parameters, and the wish to wait.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use offtake_model::id::JobId;
use offtake_model::limit::Refused;
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde_json::{Map, Value as Json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Problem;
use crate::exports::blocking;
use crate::state::App;

/// So much of a refused body is taken, and for so long.
const DISCARDED_BYTES: usize = 64 << 20;
const DISCARDED_WITHIN: Duration = Duration::from_secs(10);
/// Larger bodies are parsed off the executor.
const LARGE_BYTES: usize = 64 << 10;

/// A body waits so long for room, in all, before its sender is sent away to come back.
const ROOM_WITHIN: Duration = Duration::from_secs(2);
/// When to come back.
pub(crate) const COME_BACK: Duration = Duration::from_secs(1);
/// A body of which nothing comes for so long is given up: what came of it takes room.
const PIECE_WITHIN: Duration = Duration::from_secs(10);
/// At most so much is reserved for a body before it comes.
const RESERVED_BYTES: usize = 1 << 20;

/// Bytes that bodies may take in memory together, of all requests under way, in KiB.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    /// Bodies that are coming, by number, the one that came first in front.
    coming: Arc<Mutex<BTreeSet<u64>>>,
    numbers: Arc<AtomicU64>,
}

impl Room {
    pub(crate) fn of(bytes: usize) -> Self {
        let free = Arc::new(Semaphore::new((bytes >> 10).max(1)));
        Self { free, coming: Arc::default(), numbers: Arc::default() }
    }

    fn coming(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body begins to come.
    fn enter(&self) -> Coming {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.coming().insert(number);
        Coming { room: self.clone(), number, taken: None, patience: ROOM_WITHIN }
    }
}

/// A body that is coming, and the room it has taken so far.
struct Coming {
    room: Room,
    number: u64,
    taken: Option<OwnedSemaphorePermit>,
    /// How long it may still wait for room, in all.
    patience: Duration,
}

impl Coming {
    /// Takes room for `bytes` in all; whether that could be had in time.
    ///
    /// Bodies that wait for more while they hold some would keep it from each other until all of them give up. So of those
    /// only the one that came first waits, and gets what the others give back.
    async fn take(&mut self, bytes: usize) -> bool {
        let more = bytes.div_ceil(1 << 10) - self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more) = u32::try_from(more) else { return false };
        if more == 0 {
            return true;
        }
        let mut permit = Arc::clone(&self.room.free).try_acquire_many_owned(more).ok();
        if permit.is_none() && (self.taken.is_none() || self.is_first()) {
            let began = Instant::now();
            let free = Arc::clone(&self.room.free).acquire_many_owned(more);
            permit = tokio::time::timeout(self.patience, free).await.ok().and_then(Result::ok);
            self.patience = self.patience.saturating_sub(began.elapsed());
        }
        let Some(permit) = permit else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        true
    }

    fn is_first(&self) -> bool {
        self.room.coming().first() == Some(&self.number)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.room.coming().remove(&self.number);
    }
}

/// A body in memory. Its room is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `limit` bytes into `room`, which it takes as it comes: who announces much and sends nothing
/// takes nothing from others.
///
/// # Errors
/// `too_large`; `too_many_requests` if there is no room for too long; `timeout` if nothing more comes; `malformed` if the
/// client breaks off.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, limit: usize, room: &Room) -> Result<Held> {
    let too_large = || Error::new(ErrorKind::TooLarge, format!("a body here has at most {limit} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    if announced > limit {
        discard(body.into_data_stream()).await;
        return Err(too_large());
    }
    let mut whole = BytesMut::with_capacity(announced.min(RESERVED_BYTES));
    let mut coming = room.enter();
    let mut pieces = body.into_data_stream();
    loop {
        let piece = match tokio::time::timeout(PIECE_WITHIN, pieces.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Err(Error::new(ErrorKind::Malformed, "the body broke off").caused_by(error)),
            Ok(None) => return Ok(Held { bytes: whole.freeze(), room: coming.taken.take() }),
            Err(_) => return Err(Error::new(ErrorKind::Timeout, "no more of the body came; send it again")),
        };
        if whole.len() + piece.len() > limit {
            discard(pieces).await;
            return Err(too_large());
        }
        if !coming.take(whole.len() + piece.len()).await {
            drop((whole, coming));
            discard(pieces).await;
            let refused = Refused { wait: COME_BACK, allowances: Vec::new() };
            let error = Error::new(ErrorKind::TooManyRequests, "too much arrives at once; send this again later");
            return Err(error.refused_by(refused));
        }
        whole.extend_from_slice(&piece);
    }
}

/// Takes the rest of a body and keeps nothing of it. A client that sends everything before it listens would
/// otherwise meet a closed connection instead of the refusal, and send the same again.
async fn discard(mut pieces: BodyDataStream) {
    let rest = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(piece)) = pieces.next().await
            && let Some(fewer) = left.checked_sub(piece.len())
        {
            left = fewer;
        }
    };
    // Who sends more, or too slowly, is cut off.
    let _in_time = tokio::time::timeout(DISCARDED_WITHIN, rest).await;
}

/// The media type of a request, lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A JSON object as body.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Map<String, Json>);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let is_json = media_type(&parts.headers).is_some_and(|media| {
            media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
        });
        if !is_json {
            return Err(Problem::new(ErrorKind::UnsupportedMediaType, "send JSON: Content-Type: application/json"));
        }
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(ErrorKind::UnsupportedMediaType, "send the JSON without Content-Encoding"));
        }
        let body = read_body(&parts.headers, body, app.settings.json_body_bytes, &app.json_room).await?;
        let large = body.bytes.len() > LARGE_BYTES;
        let json = if large { blocking(move || parse(&body.bytes)).await? } else { parse(&body.bytes)? };
        match json {
            Json::Object(object) => Ok(Self(object)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                Err(Error::invalid_at("", "the body is a JSON object").into())
            }
        }
    }
}

/// No body at all is one that says nothing.
impl OptionalFromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>, Problem> {
        if request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<App>>::from_request(request, app).await.map(Some)
    }
}

/// serde_json stops at 128 levels, so depth cannot exhaust the stack.
fn parse(bytes: &[u8]) -> Result<Json> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
        Error::new(ErrorKind::Malformed, detail).caused_by(error)
    })
}

/// A name in the path, whatever it is.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What cannot be decoded names nothing.
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|_| Problem::new(ErrorKind::NotFound, "there is nothing of this name"))
    }
}

/// Two names in the path, whatever they are.
#[derive(Debug)]
pub(crate) struct Names(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((first, second))| Self(first, second))
            .map_err(|_| Problem::new(ErrorKind::NotFound, "there is nothing of this name"))
    }
}

impl Name {
    /// The name as an id; what is no id is no job, and says so like an absent one.
    pub(crate) fn job(&self) -> Result<JobId> {
        JobId::from_str(&self.0).map_err(|_| no_such_job())
    }

    /// The name as text, for links.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is said of every job the caller cannot see, whatever the reason.
pub(crate) fn no_such_job() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such export; GET /api/v1/export/jobs lists those you may see")
}

/// Query parameters. Everything is taken by name; what is left over was not asked for and is refused.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    violations: Vec<Violation>,
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri).map_err(Problem::from)
    }
}

impl Params {
    fn of(uri: &Uri) -> Result<Self> {
        let Query(pairs) = Query::try_from_uri(uri)
            .map_err(|error| Error::new(ErrorKind::Malformed, "the query string cannot be read").caused_by(error))?;
        Ok(Self { pairs, violations: Vec::new() })
    }

    /// Every value of `name`.
    pub(crate) fn many(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| key == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of `name`, which may be given once.
    pub(crate) fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.many(name);
        if values.len() > 1 {
            self.refuse(name, "is given more than once");
        }
        values.pop()
    }

    /// The value of `name`, read by `read`, which says what is right if it is wrong.
    pub(crate) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.one(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.refuse(name, detail);
                None
            }
        }
    }

    /// A whole number between `least` and `most`.
    pub(crate) fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        self.read(name, |text| {
            let number = text.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("is a whole number from {least} to {most}"))
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, |text| text.parse().map_err(|_| "is true or false".to_owned()))
    }

    pub(crate) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.push(Violation::at(format!("?{name}"), detail));
    }

    /// # Errors
    /// `invalid_request` with everything that was wrong or is left over.
    pub(crate) fn finish(mut self) -> Result<()> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.refuse(&name, "is not a parameter here");
        }
        if self.violations.is_empty() { Ok(()) } else { Err(Error::invalid(self.violations)) }
    }
}

/// `Prefer: wait=N` (RFC 7240), at most `most` seconds.
pub(crate) fn prefer_wait(headers: &HeaderMap, most: u64) -> Option<u64> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse::<u64>().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds.min(most))
    })
}

/// A header that must be text of 1 to `most` visible ASCII characters.
///
/// # Errors
/// `malformed` if it is not.
pub(crate) fn plain_header(headers: &HeaderMap, name: &str, most: usize) -> Result<Option<String>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| is_plain(text, most));
    let text = text
        .ok_or_else(|| Error::new(ErrorKind::Malformed, format!("{name} has 1 to {most} visible ASCII characters")))?;
    Ok(Some(text.to_owned()))
}

/// Whether `text` has 1 to `most` visible ASCII characters.
pub(crate) fn is_plain(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A W3C trace context, if it is one.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let [version, trace, parent, flags] = parts.as_slice() else { return None };
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let sound = hex(version, 2) && *version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (sound && nonzero(trace) && nonzero(parent)).then(|| text.to_owned())
}
