//! What users say of a schedule, checked whole.

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::Dataset;
use offtake_model::schedule::{HORIZON, LONGEST_HORIZON, ScheduleContent, Timetable, WindowMode, is_schedule_name};
use offtake_model::{Error, Result, Violation};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::datasets::readable;
use crate::exports::blocking;
use crate::state::App;

/// What a body says, in the order of the documentation; the last two only when a schedule is made.
const MEMBERS: [&str; 8] = ["name", "request", "cron", "time_zone", "horizon_seconds", "dataset", "window", "start"];
const CHANGEABLE: usize = 5;

/// A schedule to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct ScheduleRequest {
    /// 1 to 100 characters.
    name: String,
    dataset: String,
    /// As the body of an export: filters, fields, format and so on, without a window.
    #[schema(value_type = Object)]
    request: Map<String, Json>,
    /// Five fields: minute, hour, day of the month, month, day of the week.
    cron: String,
    /// UTC unless said.
    time_zone: Option<String>,
    /// `incremental` (unless said) or `full`.
    #[schema(value_type = Option<String>)]
    window: Option<WindowMode>,
    /// Where windows are cut by a time column: how long after its moment a row may be committed. 900 unless said.
    horizon_seconds: Option<u32>,
    /// `beginning` (unless said): the first window has all rows there are. `now`: it has what comes from now on.
    start: Option<String>,
}

/// What is changed about a schedule; what is left out stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct ScheduleChangeRequest {
    name: Option<String>,
    #[schema(value_type = Option<Object>)]
    request: Option<Map<String, Json>>,
    cron: Option<String>,
    time_zone: Option<String>,
    horizon_seconds: Option<u32>,
}

/// When a schedule would run.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct TimetableRequest {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    cron: String,
    /// UTC unless said.
    time_zone: Option<String>,
}

/// A window of the past, half-open, by the dataset's time column.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct BackfillRequest {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
}

/// Where the first window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With all rows there are.
    Beginning,
    /// With what comes from now on.
    Now,
}

/// What is wrong with a body so far.
struct Body {
    said: Map<String, Json>,
    wrong: Vec<Violation>,
}

impl Body {
    fn of(said: Map<String, Json>, members: &[&str]) -> Self {
        let unknown = said.keys().filter(|name| !members.contains(&name.as_str()));
        let detail = format!("is nothing that can be said here; there are: {}", members.join(", "));
        let pointer = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let wrong = unknown.map(|name| Violation::at(pointer(name), detail.as_str())).collect();
        Self { said, wrong }
    }

    fn refuse(&mut self, at: &str, detail: &str) {
        self.wrong.push(Violation::at(format!("/{at}"), detail));
    }

    fn text(&mut self, name: &str, usual: Option<String>) -> String {
        match self.said.get(name) {
            Some(Json::String(text)) => return text.clone(),
            None if usual.is_some() => {}
            _ => self.refuse(name, "is needed: a text"),
        }
        usual.unwrap_or_default()
    }

    fn one_of<T>(&mut self, name: &str, choices: &[(&str, T)]) -> T
    where
        T: Copy,
    {
        let usual = choices[0].1;
        let Some(said) = self.said.get(name) else { return usual };
        let found = choices.iter().find(|(word, _)| said.as_str() == Some(word)).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.refuse(name, &format!("is one of {}", words.join(", ")));
        }
        found.unwrap_or(usual)
    }

    fn horizon(&mut self, usual: u32) -> u32 {
        let Some(said) = self.said.get("horizon_seconds") else { return usual };
        let seconds = said.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
        let found = seconds.filter(|seconds| SignedDuration::from_secs(i64::from(*seconds)) <= LONGEST_HORIZON);
        if found.is_none() {
            self.refuse("horizon_seconds", "is a number of seconds, at most a week of them");
        }
        found.unwrap_or(usual)
    }

    fn request(&mut self, usual: Option<Map<String, Json>>) -> Map<String, Json> {
        match self.said.get("request") {
            Some(Json::Object(request)) => return request.clone(),
            None if usual.is_some() => {}
            _ => self.refuse("request", "is needed: an object, as the body of an export"),
        }
        usual.unwrap_or_default()
    }

    fn own(&mut self, content: &ScheduleContent) {
        if !is_schedule_name(&content.name) {
            self.refuse("name", "has 1 to 100 characters, no control characters and no blanks around it");
        }
        if let Err(error) = content.timetable() {
            self.wrong.extend(error.violations().iter().cloned());
        }
    }
}

/// What is to be made.
pub(crate) async fn checked(
    app: &App,
    caller: &Caller,
    body: Map<String, Json>,
) -> Result<(ScheduleContent, Start, Dataset)> {
    let mut body = Body::of(body, &MEMBERS);
    let content = ScheduleContent {
        name: body.text("name", None),
        dataset: body.text("dataset", None),
        request: body.request(None),
        cron: body.text("cron", None),
        time_zone: body.text("time_zone", Some("UTC".to_owned())),
        window: body.one_of("window", &WindowMode::ALL.map(|mode| (mode.name(), mode))),
        horizon_seconds: body.horizon(u32::try_from(HORIZON.as_secs()).unwrap_or_default()),
    };
    let start = body.one_of("start", &[("beginning", Start::Beginning), ("now", Start::Now)]);
    let (content, dataset) = against_dataset(app, caller, body, content).await?;
    Ok((content, start, dataset))
}

/// What a schedule says after a change.
pub(crate) async fn changed(
    app: &App,
    caller: &Caller,
    present: &ScheduleContent,
    body: Map<String, Json>,
) -> Result<(ScheduleContent, Dataset)> {
    let mut body = Body::of(body, &MEMBERS[..CHANGEABLE]);
    let content = ScheduleContent {
        name: body.text("name", Some(present.name.clone())),
        dataset: present.dataset.clone(),
        request: body.request(Some(present.request.clone())),
        cron: body.text("cron", Some(present.cron.clone())),
        time_zone: body.text("time_zone", Some(present.time_zone.clone())),
        window: present.window,
        horizon_seconds: body.horizon(present.horizon_seconds),
    };
    against_dataset(app, caller, body, content).await
}

async fn against_dataset(
    app: &App,
    caller: &Caller,
    mut body: Body,
    content: ScheduleContent,
) -> Result<(ScheduleContent, Dataset)> {
    body.own(&content);
    let Ok(dataset) = readable(app, caller, &content.dataset) else {
        body.refuse("dataset", "is needed: a dataset; GET /api/v1/datasets lists them");
        return Err(Error::invalid(body.wrong));
    };
    let (to_check, said) = (dataset.clone(), content.clone());
    if let Err(error) = blocking(move || to_check.check_schedule(&said)).await {
        body.wrong.extend(error.violations().iter().cloned());
    }
    if body.wrong.is_empty() { Ok((content, dataset)) } else { Err(Error::invalid(body.wrong)) }
}

/// A timetable that is thought of.
pub(crate) fn timetable(body: Map<String, Json>) -> Result<Timetable> {
    let mut body = Body::of(body, &["cron", "time_zone"]);
    let cron = body.text("cron", None);
    let time_zone = body.text("time_zone", Some("UTC".to_owned()));
    if body.wrong.is_empty() { Timetable::parse(&cron, &time_zone) } else { Err(Error::invalid(body.wrong)) }
}

/// The ends of a window of the past.
pub(crate) fn ends(body: &Map<String, Json>) -> Result<(Timestamp, Timestamp)> {
    let mut checked = Body::of(body.clone(), &["from", "to"]);
    let mut moment = |name: &str| -> Option<Timestamp> {
        let found = body.get(name).and_then(Json::as_str).and_then(|text| text.parse().ok());
        if found.is_none() {
            checked.refuse(name, "is needed: a moment, as in \"2026-10-01T00:00:00Z\"");
        }
        found
    };
    match (moment("from"), moment("to")) {
        (Some(from), Some(to)) if checked.wrong.is_empty() => Ok((from, to)),
        _ => Err(Error::invalid(checked.wrong)),
    }
}
