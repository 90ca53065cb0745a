//! What an export says besides its rows: the file.

use offtake_model::dataset::DatasetSchema;
use offtake_model::destination::DeliverTo;
use offtake_model::export::{ExportSpec, Field, Notify, Recipients, RowsSpec};
use offtake_model::format::{Compression, Dialect, Format};
use offtake_model::human::{Human, HumanFormats};
use offtake_model::sensitive::{Disclosure, Sight};
use serde_json::{Map, Value as Json};

use super::{Found, OF_EXPORTS, OF_ROWS, instead, pointer, rows};
use crate::catalog::Dataset;

/// What may stand between the cells of CSV.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
/// What can be said of how values are written for people.
const FORMATS: [&str; 6] = ["locale", "time_zone", "decimal_separator", "group_separator", "date", "timestamp"];
/// The longest header and the longest name, in characters.
const LONGEST_NAME: usize = 200;

/// The spec; `None` without a format. It is right only if nothing was found.
pub(super) fn parse(dataset: &Dataset, body: &Map<String, Json>, found: &mut Found) -> Option<ExportSpec> {
    let schema = dataset.schema.as_ref();
    let generic: Vec<&str> = OF_EXPORTS.into_iter().chain(OF_ROWS).collect();
    let spec = rows::parse(schema, body, &generic, found);
    rows::compile(schema, &spec, found);
    dataset.seen(&spec, found);
    let formats = Format::ALL.map(|format| (format.name(), format));
    let format = choice(body, "format", &formats, found);
    if !body.contains_key("format") {
        found.at("/format", format!("is needed: {}", names(&formats)));
    }
    let compression = choice(body, "compression", &Compression::ALL.map(|one| (one.name(), one)), found);
    let dialect = choice(body, "dialect", &Dialect::ALL.map(|one| (one.name(), one)), found);
    let delimiter = delimiter(body, found);
    fits(format, compression, dialect.is_some(), delimiter.is_some(), found);
    let formats = human_formats(body, found);
    let human = formats.as_ref().zip(format).and_then(|(formats, format)| compiled(formats, format, found));
    let fallback = usual_delimiter(dialect.unwrap_or_default(), human.as_ref());
    let fields = fields(schema, body, found);
    let disclosure = disclosure(dataset, fields.as_deref(), &spec, found);
    Some(ExportSpec {
        dataset: schema.name.clone(),
        fields,
        disclosure,
        limit: limit(schema, body, found),
        name: name(body, found),
        notify: notify(body, found),
        destination: destination(body, found),
        format: format?,
        compression: compression.unwrap_or_default(),
        dialect: dialect.unwrap_or_default(),
        delimiter: delimiter.unwrap_or(fallback),
        formats,
        rows: spec,
    })
}

fn names<T>(choices: &[(&str, T)]) -> String {
    choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn choice<T: Copy>(body: &Map<String, Json>, name: &str, choices: &[(&str, T)], found: &mut Found) -> Option<T> {
    let detail = match body.get(name)? {
        Json::String(given) => match choices.iter().find(|(name, _)| name == given) {
            Some((_, choice)) => return Some(*choice),
            None => instead(given, choices.iter().map(|(name, _)| *name)),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            format!("is one of {}", names(choices))
        }
    };
    found.at(&pointer(&[name]), detail);
    None
}

fn delimiter(body: &Map<String, Json>, found: &mut Found) -> Option<char> {
    let given = body.get("delimiter")?;
    let delimiter = given.as_str().and_then(|text| DELIMITERS.into_iter().find(|one| text == one.to_string()));
    if delimiter.is_none() {
        found.at("/delimiter", "is a comma, a semicolon, a tab or a vertical bar");
    }
    delimiter
}

/// How values are written for people; `None` where nothing is said of it.
fn human_formats(body: &Map<String, Json>, found: &mut Found) -> Option<HumanFormats> {
    let given = body.get("formats")?;
    let Some(members) = given.as_object() else {
        found.at("/formats", format!("is an object with some of {}", FORMATS.join(", ")));
        return None;
    };
    let mut sound = true;
    for (name, value) in members {
        let wrong = match () {
            () if !FORMATS.contains(&name.as_str()) => instead(name, FORMATS),
            () if !value.is_string() => "is a text".to_owned(),
            () => continue,
        };
        found.at(&pointer(&["formats", name]), wrong);
        sound = false;
    }
    let formats = serde_json::from_value::<HumanFormats>(given.clone()).ok().filter(|_| sound);
    formats.filter(|formats| *formats != HumanFormats::default())
}

fn compiled(formats: &HumanFormats, format: Format, found: &mut Found) -> Option<Human> {
    match formats.compile(format) {
        Ok(human) => Some(human),
        Err(wrong) => {
            wrong.into_iter().for_each(|violation| found.at(&violation.pointer, violation.detail));
            None
        }
    }
}

/// Spreadsheets with a decimal comma expect a semicolon between cells.
fn usual_delimiter(dialect: Dialect, human: Option<&Human>) -> char {
    let has_comma = human.and_then(|human| human.numbers).is_some_and(|numbers| numbers.decimal == ',');
    if dialect == Dialect::Excel && has_comma { ';' } else { ',' }
}

fn fits(format: Option<Format>, compression: Option<Compression>, dialect: bool, delimiter: bool, found: &mut Found) {
    let Some(format) = format else { return };
    if !format.is_text() && compression.is_some_and(|compression| compression != Compression::None) {
        found.at("/compression", format!("{} is compressed inside; leave compression out", format.name()));
    }
    for (given, name) in [(dialect, "dialect"), (delimiter, "delimiter")] {
        if given && format != Format::Csv {
            found.at(&pointer(&[name]), format!("only csv has a {name}"));
        }
    }
}

fn fields(schema: &DatasetSchema, body: &Map<String, Json>, found: &mut Found) -> Option<Vec<Field>> {
    let given = body.get("fields")?;
    let Some(items) = given.as_array().filter(|items| !items.is_empty()) else {
        found.at("/fields", "is a list of at least one column; leave it out for the default columns");
        return None;
    };
    let mut fields: Vec<Field> = Vec::with_capacity(items.len().min(schema.columns.len()));
    for (index, item) in items.iter().enumerate() {
        let at = format!("/fields/{index}");
        let Ok(field) = serde_json::from_value::<Field>(item.clone()) else {
            found.at(&at, "is a column's name, or {\"name\": …, \"as\": …}");
            continue;
        };
        if let Some(wrong) =
            item.as_object().and_then(|item| item.keys().find(|key| !matches!(key.as_str(), "name" | "as")))
        {
            found.at(&format!("{at}{}", pointer(&[wrong])), "a field has name and as");
        }
        if schema.column(field.name()).is_none() {
            let columns = schema.columns.iter().map(|column| column.name.as_str());
            let detail = instead(field.name(), columns);
            found.at(&at, format!("{} has no column {:?}; {detail}", schema.name, field.name()));
        }
        if !is_name(field.header()) {
            found.at(&at, "a header has 1 to 200 characters and no control characters");
        }
        if let Some(first) = fields.iter().position(|other| other.header() == field.header()) {
            found.at(&at, format!("the header {:?} is there already, at /fields/{first}", field.header()));
        }
        fields.push(field);
        if fields.len() > 4 * schema.columns.len().max(25) {
            found.at("/fields", "are too many");
            return None;
        }
    }
    Some(fields)
}

/// What the file shows of sensitive columns. One that is left out cannot be asked for by name.
fn disclosure(dataset: &Dataset, fields: Option<&[Field]>, rows: &RowsSpec, found: &mut Found) -> Disclosure {
    let schema = dataset.schema.as_ref();
    let disclosure = Disclosure::decide(schema, fields, rows, dataset.sight);
    let dropped: Vec<&str> = disclosure.dropped().collect();
    for (index, field) in fields.unwrap_or_default().iter().enumerate() {
        if dropped.contains(&field.name()) {
            found.at(&format!("/fields/{index}"), Sight::refusal(&format!("this is {}", field.name())));
        }
    }
    if fields.is_none() && schema.default_columns.iter().all(|name| dropped.contains(&name.as_str())) {
        found.at("/fields", Sight::refusal("every column that is meant without it is one"));
    }
    disclosure
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn limit(schema: &DatasetSchema, body: &Map<String, Json>, found: &mut Found) -> Option<u64> {
    let limit = body.get("limit")?.as_u64().filter(|limit| *limit >= 1);
    match (limit, schema.limits.rows) {
        (Some(limit), Some(most)) if limit > most => found.at("/limit", format!("is at most {most}")),
        (Some(_), _) => {}
        (None, _) => found.at("/limit", "is a whole number of at least 1"),
    }
    limit
}

fn name(body: &Map<String, Json>, found: &mut Found) -> Option<String> {
    let name = body.get("name")?.as_str().filter(|name| is_name(name)).map(str::to_owned);
    if name.is_none() {
        found.at("/name", "is a text of 1 to 200 characters without control characters");
    }
    name
}

fn destination(body: &Map<String, Json>, found: &mut Found) -> Option<DeliverTo> {
    let destination: Option<DeliverTo> = serde_json::from_value(body.get("destination")?.clone()).ok();
    match &destination {
        None => found.at("/destination", "is an object: {\"id\": \"dst_…\"}, and perhaps a key"),
        Some(to) => to.wrong().into_iter().for_each(|wrong| found.at("/destination/key", wrong)),
    }
    destination
}

fn notify(body: &Map<String, Json>, found: &mut Found) -> Option<Notify> {
    let notify: Option<Notify> = serde_json::from_value(body.get("notify")?.clone()).ok();
    match notify.as_ref().map(|notify| &notify.email) {
        None => found.at("/notify", "is an object: {\"email\": true} or {\"email\": [ADDRESS, …]}"),
        Some(Recipients::These(addresses)) if !(1..=Recipients::MOST).contains(&addresses.len()) => {
            found.at("/notify/email", format!("is a list of 1 to {} addresses", Recipients::MOST));
        }
        Some(Recipients::These(_) | Recipients::Requester(_)) => {}
    }
    notify
}
