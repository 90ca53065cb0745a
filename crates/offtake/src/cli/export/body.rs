//! What was typed after `offtake export`, as the body of a request: the same for a server and for ourselves.

use std::io::{BufRead, BufReader};
use std::path::Path;

use offtake_model::dataset::{DatasetSchema, Filter, FilterOp};
use offtake_model::format::{Compression, Format};
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json, json};

use super::ExportArgs;
use crate::cli::filters;

/// What has to be known of a filter to write its value as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterShape {
    /// Its name.
    pub(crate) name: String,
    /// Whether it takes `FROM..TO`.
    pub(crate) is_range: bool,
    /// Whether its values are numbers or truth values, that is, JSON as they stand.
    pub(crate) is_bare: bool,
}

/// Whether values of this type stand in JSON without quotes. Decimals do not: as text they stay exact.
pub(crate) fn is_bare(type_name: &str) -> bool {
    matches!(type_name, "int64" | "float64" | "bool")
}

/// The filters of a dataset at hand.
pub(crate) fn shapes_of(schema: &DatasetSchema) -> Vec<FilterShape> {
    let shape = |filter: &Filter| FilterShape {
        name: filter.name.clone(),
        is_range: filter.op == FilterOp::Range,
        is_bare: schema.filter_type(filter).is_some_and(|ty| is_bare(&ty.name())),
    };
    schema.filters.iter().map(shape).collect()
}

/// The body of the request.
///
/// # Errors
/// `invalid_request` for what cannot be said: an unknown filter, a file of identities that is none.
pub(crate) fn body(args: &ExportArgs, typed: &filters::Typed, shapes: &[FilterShape]) -> Result<Json> {
    let mut body = Map::new();
    for (name, value) in typed.iter().chain(&args.filter) {
        let shape = shape_of(name, shapes)?;
        let value = value_of(shape, value);
        match body.get_mut(&shape.name) {
            None => {
                body.insert(shape.name.clone(), value);
            }
            Some(Json::Array(list)) => list.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    match format_of(args) {
        Ok((format, compression)) => {
            body.insert("format".to_owned(), json!(format));
            body.insert("compression".to_owned(), json!(compression));
        }
        // The preset may say it.
        Err(_) if args.preset.is_some() => {}
        Err(error) => return Err(error),
    }
    let mut set = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("preset", args.preset.as_ref().map(|name| json!(name)));
    set("name", args.name.as_ref().map(|name| json!(name)));
    set("as_of", args.as_of.as_ref().map(|as_of| json!(as_of)));
    set("scope", args.scope.as_ref().map(|scope| json!(scope)));
    set("dialect", args.dialect.as_ref().map(|dialect| json!(dialect)));
    set("delimiter", args.delimiter.as_ref().map(|delimiter| json!(unescaped(delimiter))));
    set("formats", formats(args));
    set("limit", args.limit.map(|limit| json!(limit)));
    set("start_time", args.start_time.as_ref().map(|time| json!(time)));
    set("end_time", args.end_time.as_ref().map(|time| json!(time)));
    set("fields", args.fields.as_deref().map(fields));
    set("selection", selection(args)?);
    Ok(Json::Object(body))
}

fn shape_of<'a>(name: &str, shapes: &'a [FilterShape]) -> Result<&'a FilterShape> {
    let underscored = name.replace('-', "_");
    shapes.iter().find(|shape| shape.name == name || shape.name == underscored).ok_or_else(|| {
        let near = shapes
            .iter()
            .map(|shape| (strsim::normalized_levenshtein(&shape.name, &underscored), &shape.name))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(likeness, _)| *likeness > 0.5);
        let names: Vec<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
        let advice = match near {
            Some((_, near)) => format!("did you mean --{}?", near.replace('_', "-")),
            None => format!("there are: {}", names.join(", ")),
        };
        let detail = format!("--{name} is neither an option nor a filter of this dataset; {advice}");
        Error::new(ErrorKind::InvalidRequest, detail)
    })
}

fn value_of(shape: &FilterShape, text: &str) -> Json {
    let scalar = |text: &str| {
        let bare = shape.is_bare.then(|| serde_json::from_str::<Json>(text).ok()).flatten();
        bare.filter(|value| value.is_number() || value.is_boolean()).unwrap_or_else(|| json!(text))
    };
    match text.split_once("..").filter(|_| shape.is_range) {
        Some((from, to)) => {
            let ends = [("from", from), ("to", to)];
            let given = ends.into_iter().filter(|(_, end)| !end.is_empty());
            Json::Object(given.map(|(name, end)| (name.to_owned(), scalar(end))).collect())
        }
        None => scalar(text),
    }
}

/// `a,b=Alias,c`
fn fields(list: &[String]) -> Json {
    let field = |text: &String| match text.split_once('=') {
        Some((name, alias)) => json!({ "name": name.trim(), "as": alias }),
        None => json!(text.trim()),
    };
    list.iter().map(field).collect()
}

/// What the options say of how values are written.
fn formats(args: &ExportArgs) -> Option<Json> {
    let given = [("locale", &args.locale), ("time_zone", &args.time_zone)];
    let formats: Map<String, Json> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect();
    (!formats.is_empty()).then_some(Json::Object(formats))
}

fn unescaped(delimiter: &str) -> &str {
    if delimiter == "\\t" || delimiter == "tab" { "\t" } else { delimiter }
}

/// Format and compression: as asked, else what the file's name says.
///
/// # Errors
/// `invalid_request` if neither says.
pub(crate) fn format_of(args: &ExportArgs) -> Result<(String, String)> {
    let (named_format, named_compression) = args.output.as_deref().map_or((None, Compression::None), by_name);
    let format = args.format.clone().or_else(|| named_format.map(|format| format.name().to_owned()));
    let Some(format) = format else {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "the name of the file does not say its format; add --format csv, jsonl, json, parquet or xlsx",
        ));
    };
    let compression = args.compression.clone().unwrap_or_else(|| named_compression.name().to_owned());
    Ok((format, compression))
}

fn by_name(path: &Path) -> (Option<Format>, Compression) {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Compression::Gzip),
        Some((stem, "zst")) => (stem, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let extension = stem.rsplit_once('.').map(|(_, extension)| extension);
    (Format::ALL.into_iter().find(|format| Some(format.name()) == extension), compression)
}

fn selection(args: &ExportArgs) -> Result<Option<Json>> {
    let (mode, path) = match (&args.except, &args.only) {
        (Some(path), _) => ("all_except", path),
        (None, Some(path)) => ("partial", path),
        (None, None) => return Ok(None),
    };
    Ok(Some(json!({ "mode": mode, "ids": identities(path)? })))
}

/// JSON lines, an object each; `-` is stdin.
fn identities(path: &Path) -> Result<Vec<Json>> {
    let wrong = |detail: String| Error::new(ErrorKind::InvalidRequest, detail);
    let shown = path.display();
    let read: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = std::fs::File::open(path).map_err(|error| wrong(format!("{shown} cannot be read: {error}")))?;
        Box::new(BufReader::new(file))
    };
    let mut ids = Vec::new();
    for (at, line) in read.lines().enumerate() {
        let line = line.map_err(|error| wrong(format!("{shown} cannot be read: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(id @ Json::Object(_)) => ids.push(id),
            Ok(_) | Err(_) => {
                let example = r#"{"trace_id": "…", "span_id": "…"}"#;
                return Err(wrong(format!(
                    "{shown}, line {}: not an identity; write one object a line: {example}",
                    at + 1
                )));
            }
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> Vec<FilterShape> {
        let shape = |name: &str, is_range, is_bare| FilterShape { name: name.to_owned(), is_range, is_bare };
        vec![shape("model", false, false), shape("min_cost", false, true), shape("created_at", true, false)]
    }

    fn args(line: &str) -> (ExportArgs, filters::Typed) {
        use clap::CommandFactory;
        let words = format!("offtake export {line}");
        let parsed = crate::cli::parse(words.split(' ').map(Into::into).collect());
        let (cli, filters) = parsed.unwrap_or_else(|error| panic!("{error} {:?}", crate::cli::Cli::command()));
        let crate::cli::Command::Export(args) = cli.command else { panic!("{line} is an export") };
        (*args, filters)
    }

    fn made(line: &str) -> Result<Json> {
        let (args, filters) = args(line);
        body(&args, &filters, &shapes())
    }

    #[test]
    fn what_is_typed_becomes_the_body_the_api_takes() {
        let line = "spans -o x.csv.gz --model gpt-4o --model x --min-cost 0.1 --created-at 2026-01-01T00:00:00Z.. \
                    --fields trace_id,cost_usd=Cost --limit 5 --dialect excel --delimiter ; --start-time a --end-time b";
        insta::assert_snapshot!(made(line).unwrap(), @r#"{"model":["gpt-4o","x"],"min_cost":0.1,"created_at":{"from":"2026-01-01T00:00:00Z"},"format":"csv","compression":"gzip","dialect":"excel","delimiter":";","limit":5,"start_time":"a","end_time":"b","fields":["trace_id",{"name":"cost_usd","as":"Cost"}]}"#);
    }

    #[test]
    fn the_files_name_says_the_format_and_options_win() {
        for (line, format, compression) in [
            ("spans -o a.b/x.jsonl.zst", "jsonl", "zstd"),
            ("spans -o X.PARQUET", "parquet", "none"),
            ("spans -o x.csv --format json --compression gzip", "json", "gzip"),
            ("spans -o - --format csv", "csv", "none"),
        ] {
            let body = made(line).unwrap();
            assert_eq!((body["format"].as_str(), body["compression"].as_str()), (Some(format), Some(compression)));
        }
        assert!(made("spans -o x.txt").unwrap_err().detail().contains("--format"));
    }

    #[test]
    fn an_unknown_filter_names_the_nearest() {
        let detail = made("spans -o x.csv --mode x").unwrap_err().detail().to_owned();
        assert!(detail.contains("did you mean --model?"), "{detail}");
        assert!(made("spans -o x.csv --zzzzzz x").unwrap_err().detail().contains("there are: model"));
    }

    #[test]
    fn identities_are_objects_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ids.jsonl");
        std::fs::write(&path, "{\"span_id\":\"1\"}\n\n{\"span_id\":\"2\"}\n").unwrap();
        let body = made(&format!("spans -o x.csv --except {}", path.display())).unwrap();
        assert_eq!(body["selection"], json!({"mode": "all_except", "ids": [{"span_id": "1"}, {"span_id": "2"}]}));
        std::fs::write(&path, "{\"span_id\":\"1\"}\n7\n").unwrap();
        let error = made(&format!("spans -o x.csv --only {}", path.display())).unwrap_err();
        assert!(error.detail().contains("line 2"), "{error}");
    }
}
