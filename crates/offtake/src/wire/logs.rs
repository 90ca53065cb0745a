//! Logs, on stderr: text for people, or JSON lines whose fields stand at the top level.

use std::fmt;

use offtake_model::clock::{Clock, SystemClock};
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, fmt as layer};

use crate::config::{LogConfig, LogFormat};

/// Starts logging for a service, as configured.
///
/// # Errors
/// `internal` if logging runs already.
pub(crate) fn start(config: &LogConfig) -> Result<()> {
    with_level(config, &config.level)
}

/// Starts logging for a command that ends by itself: warnings only, unless a level is asked for.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_quiet(config: &LogConfig) -> Result<()> {
    with_level(config, if config.level_is_set { &config.level } else { "warn" })
}

fn with_level(config: &LogConfig, level: &str) -> Result<()> {
    let builder = layer().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(JsonLines).try_init(),
    };
    started.map_err(|error| Error::new(ErrorKind::Internal, "logging cannot be started").caused_by(error))
}

/// One JSON object per event: `timestamp, level, target, message`, then the event's fields, then those of the
/// spans around it, the innermost winning. So `request_id` and `job_id` are found at the same place in any line.
#[derive(Debug, Clone, Copy)]
struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), Json::String(SystemClock.now().to_string()));
        line.insert("level".to_owned(), Json::String(event.metadata().level().to_string()));
        line.insert("target".to_owned(), Json::String(event.metadata().target().to_owned()));
        event.record(&mut Fields(&mut line));
        of_the_log_crate(&mut line);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>().map(|fields| fields.fields.as_str());
            let parsed: Option<Map<String, Json>> = fields.and_then(|fields| serde_json::from_str(fields).ok());
            for (name, value) in parsed.into_iter().flatten() {
                line.entry(name).or_insert(value);
            }
        }
        writeln!(writer, "{}", Json::Object(line))
    }
}

/// Events that come through the `log` crate carry their true target, and the path of a source file, as fields.
fn of_the_log_crate(line: &mut Map<String, Json>) {
    if let Some(target) = line.get("log.target").cloned() {
        line.retain(|name, _| !name.starts_with("log."));
        line.insert("target".to_owned(), target);
    }
}

struct Fields<'a>(&'a mut Map<String, Json>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Json) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Json::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Json::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_of_the_log_crate_look_like_any_other() {
        let event =
            serde_json::json!({"target": "log", "message": "m", "log.target": "x", "log.file": "/y", "log.line": 1});
        let Json::Object(mut line) = event else { unreachable!("it is an object") };
        of_the_log_crate(&mut line);
        assert_eq!(Json::Object(line), serde_json::json!({"target": "x", "message": "m"}));
    }

    #[test]
    fn fields_of_the_spans_around_stand_at_the_top_level() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            layer().with_writer(move || writer.clone()).fmt_fields(JsonFields::new()).event_format(JsonLines).finish();
        tracing::subscriber::with_default(subscriber, || {
            let request = tracing::info_span!("request", request_id = "req-1", org_id = "acme").entered();
            let job = tracing::info_span!("job", job_id = "job_1").entered();
            tracing::info!(rows = 3, ready = true, "published \"it\"");
            drop(job);
            drop(request);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut line: Map<String, Json> = serde_json::from_str(&text).unwrap();
        line.shift_remove("timestamp").expect("a line has its time");
        insta::assert_snapshot!(Json::Object(line), @r#"{"level":"INFO","target":"offtake::wire::logs::tests","message":"published \"it\"","rows":3,"ready":true,"job_id":"job_1","org_id":"acme","request_id":"req-1"}"#);
    }
}
