//! Datasets over HTTP: what there is, a page of rows, a count.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use offtake_datasets::{Dataset, PageRequest};
use offtake_model::as_of::AsOf;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, FilterOp, RowsMode};
use offtake_model::export::Field;
use offtake_model::permission::Permission;
use offtake_model::query::{RowQuery, Sort};
use offtake_model::sensitive::{Shown, Sight};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::error::Problem;
use crate::exports::blocking;
use crate::extract::{JsonBody, Name};
use crate::state::App;

/// Rows of a page when nothing is said.
const DEFAULT_LIMIT: u32 = 50;
/// Rows of a page at most.
pub(crate) const MAX_LIMIT: u32 = 1000;
/// What belongs to an export alone: the body of an export asks for the same rows here, without change.
pub(crate) const OF_EXPORTS: [&str; 9] =
    ["format", "compression", "dialect", "delimiter", "formats", "name", "notify", "preset", "destination"];
/// What makes no difference to a count.
const OF_PAGES: [&str; 4] = ["fields", "limit", "sort", "cursor"];

/// The dataset as the caller sees it, if the caller may read it. One that the caller may not read and one that does
/// not exist give the same answer. Every road to rows begins here.
///
/// # Errors
/// `not_found`; `source_unavailable` if its source has not been reached yet.
pub(crate) fn readable(app: &App, caller: &Caller, name: &str) -> Result<Dataset> {
    let hidden =
        || Error::new(ErrorKind::NotFound, "there is no such dataset; GET /api/v1/datasets lists those you may read");
    let needed = app.catalog.permission(name).ok_or_else(hidden)?;
    if caller.may(&needed) { Ok(app.catalog.get(name)?.seen_with(caller.sight())) } else { Err(hidden()) }
}

/// The datasets the caller may read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatasetListResponse {
    datasets: Vec<DatasetResponse>,
}

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatasetResponse {
    #[schema(example = "spans")]
    name: String,
    title: String,
    /// What is needed to read it.
    permission: String,
    /// `append_only`, `mutable` or `versioned`.
    #[schema(value_type = String)]
    rows: RowsMode,
    columns: Vec<ColumnView>,
    /// The columns by which rows are ordered.
    key: Vec<String>,
    /// The columns by which a selection names a row.
    identity: Vec<String>,
    /// The column `start_time` and `end_time` speak of.
    time: Option<String>,
    filters: Vec<FilterView>,
    /// The columns of a file when none are asked for.
    default_columns: Vec<String>,
    limits: LimitsView,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnView {
    name: String,
    #[schema(example = "decimal(18,9)")]
    r#type: String,
    label: String,
    /// Whether only those may read it as it is who have `pii:read`.
    sensitive: bool,
    /// What the caller gets of it: `clear`, `mask`, `hash` (a text then), `drop`, or `redact` (a document without some of
    /// its values).
    shown: &'static str,
    /// Where the values of its documents are masked, as JSON pointers with `*` for every member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redacted: Vec<String>,
    /// The permission that is needed to sort by it, or to see it as it is, if the caller has it not.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<String>,
    /// The type of its elements, if it is an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    elements: Option<String>,
    /// The regular expression of what its values can be compared with, if not every text will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

/// A filter.
#[derive(Debug, Serialize, ToSchema)]
struct FilterView {
    name: String,
    /// `eq`, `in`, `range`, `min`, `max`, `contains` or `overlaps`.
    #[schema(value_type = String)]
    op: FilterOp,
    /// The type of its values.
    r#type: String,
    /// The columns it looks at.
    columns: Vec<String>,
    /// The permission that is needed to use it, if the caller has it not.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<String>,
}

/// What a request may ask for at most.
#[derive(Debug, Serialize, ToSchema)]
struct LimitsView {
    rows: Option<u64>,
    days: u32,
    identities: usize,
}

impl DatasetResponse {
    fn of(schema: &DatasetSchema, sight: Sight) -> Self {
        let needs = |withheld: bool| withheld.then(|| Permission::PiiRead.to_string());
        let columns = schema.columns.iter().map(|column| {
            let shown = column.shown(sight);
            let is_clear = shown == Shown::Clear;
            ColumnView {
                name: column.name.clone(),
                r#type: shown.type_of(column.ty).name(),
                label: column.label.clone(),
                sensitive: column.sensitive.is_some(),
                shown: shown.word(),
                redacted: match &shown {
                    Shown::Redact(paths) => paths.iter().map(ToString::to_string).collect(),
                    Shown::Clear | Shown::Mask | Shown::Hash | Shown::Drop => Vec::new(),
                },
                needs: needs(!is_clear),
                elements: column.elements.filter(|_| is_clear).map(ColumnType::name),
                pattern: column.pattern().filter(|_| is_clear),
            }
        });
        let filters = schema.filters.iter().map(|filter| FilterView {
            name: filter.name.clone(),
            op: filter.op,
            r#type: schema.filter_type(filter).map_or_else(String::new, ColumnType::name),
            columns: filter.columns.clone(),
            needs: needs(sight == Sight::Veiled && schema.filter_is_sensitive(filter)),
        });
        let limits = &schema.limits;
        Self {
            name: schema.name.clone(),
            title: schema.title.clone(),
            permission: schema.permission.to_string(),
            rows: schema.rows,
            columns: columns.collect(),
            key: schema.key.clone(),
            identity: schema.identity.clone(),
            time: schema.time.clone(),
            filters: filters.collect(),
            default_columns: schema.default_columns.clone(),
            limits: LimitsView { rows: limits.rows, days: limits.days, identities: limits.identities },
        }
    }
}

/// The datasets the caller may read.
#[utoipa::path(get, path = "/api/v1/datasets", tag = "datasets", operation_id = "list_datasets",
    responses((status = 200, description = "All of them", body = DatasetListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Json<DatasetListResponse> {
    let readable = app.catalog.iter().filter(|dataset| caller.may_read(&dataset.schema));
    Json(DatasetListResponse {
        datasets: readable.map(|dataset| DatasetResponse::of(&dataset.schema, caller.sight())).collect(),
    })
}

/// One dataset: columns, filters, key, identity, limits.
#[utoipa::path(get, path = "/api/v1/datasets/{dataset}", tag = "datasets", operation_id = "get_dataset",
    params(("dataset" = String, Path, description = "The dataset")),
    responses((status = 200, description = "The dataset", body = DatasetResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<DatasetResponse>, Problem> {
    let dataset = readable(&app, &caller, name.as_str())?;
    Ok(Json(DatasetResponse::of(&dataset.schema, dataset.sight)))
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowsResponse {
    /// The rows, by column name, rendered as in a file of format `json`.
    #[serde(skip)]
    #[schema(value_type = Vec<Object>)]
    #[expect(dead_code, reason = "spliced in as bytes; here for the schema")]
    rows: (),
    /// Hand it back as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
    /// The moment the page is true for.
    #[schema(value_type = String)]
    as_of: AsOf,
}

/// A page of rows. Filters and selection are the export's, and so is their meaning.
#[utoipa::path(post, path = "/api/v1/datasets/{dataset}/rows", tag = "datasets", operation_id = "read_rows",
    params(("dataset" = String, Path, description = "The dataset")),
    responses((status = 200, description = "A page", body = RowsResponse)))]
pub(crate) async fn rows(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    JsonBody(mut body): JsonBody,
) -> Result<Response, Problem> {
    let dataset = readable(&app, &caller, name.as_str())?;
    strip(&mut body, &OF_EXPORTS);
    let request = page_request(&dataset, &mut body);
    let query = parse(&dataset, &caller, body).await;
    let (request, query) = match (request, query) {
        (Ok(request), Ok(query)) => (request, query),
        (Err(one), Err(other)) => return Err(together(one, other).into()),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error.into()),
    };
    let page = dataset.source.page(&dataset.schema, &query, &request).await?;
    let rows = rows_json(&app, &caller, &dataset, page.rows).await?;
    Ok(splice_rows(&rows, &RowsResponse { rows: (), next_cursor: page.next_cursor, as_of: page.as_of })?)
}

/// A number of rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountResponse {
    count: u64,
    /// Whether the count is exact.
    exact: bool,
    /// The moment it is true for; hand it to an export to get these rows.
    #[schema(value_type = String)]
    as_of: AsOf,
}

/// Counts the rows that match. The body of an export will do.
#[utoipa::path(post, path = "/api/v1/datasets/{dataset}/count", tag = "datasets", operation_id = "count_rows",
    params(("dataset" = String, Path, description = "The dataset")),
    responses((status = 200, description = "The count", body = CountResponse)))]
pub(crate) async fn count(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    JsonBody(mut body): JsonBody,
) -> Result<Json<CountResponse>, Problem> {
    let dataset = readable(&app, &caller, name.as_str())?;
    strip(&mut body, &OF_EXPORTS);
    strip(&mut body, &OF_PAGES);
    let query = parse(&dataset, &caller, body).await?;
    let count = dataset.source.count(&dataset.schema, &query).await?;
    Ok(Json(CountResponse { count: count.rows, exact: true, as_of: count.as_of }))
}

pub(crate) fn strip(body: &mut Map<String, Json_>, names: &[&str]) {
    for name in names {
        body.shift_remove(*name);
    }
}

pub(crate) async fn parse(dataset: &Dataset, caller: &Caller, body: Map<String, Json_>) -> Result<RowQuery> {
    let (dataset, org) = (dataset.clone(), caller.0.org.clone());
    blocking(move || dataset.query(&org, &dataset.parse_rows(&body)?)).await
}

pub(crate) fn together(one: Error, other: Error) -> Error {
    match (one.violations().is_empty(), other.violations().is_empty()) {
        (false, false) => Error::invalid([one.violations(), other.violations()].concat()),
        (true, _) => one,
        (false, true) => other,
    }
}

/// Takes what is about the page out of `body`.
fn page_request(dataset: &Dataset, body: &mut Map<String, Json_>) -> Result<PageRequest> {
    let columns = columns(&dataset.schema, dataset.sight, body.shift_remove("fields"));
    let sort = sort(&dataset.schema, dataset.sight, body.shift_remove("sort"));
    let limit = limit(body.shift_remove("limit"));
    let cursor = cursor(body.shift_remove("cursor"));
    match (columns, sort, limit, cursor) {
        (Ok(columns), Ok(sort), Ok(limit), Ok(cursor)) => Ok(PageRequest { columns, sort, limit, cursor }),
        (columns, sort, limit, cursor) => {
            let wrong = [columns.err(), sort.err(), limit.err(), cursor.err()];
            Err(Error::invalid(wrong.into_iter().flatten().collect()))
        }
    }
}

fn columns(schema: &DatasetSchema, sight: Sight, given: Option<Json_>) -> Result<Vec<String>, Violation> {
    let is_there = |column: &Column| column.shown(sight) != Shown::Drop;
    let Some(given) = given else {
        let there = schema.default_columns.iter().filter(|name| schema.column(name).is_none_or(is_there));
        let there: Vec<String> = there.cloned().collect();
        let detail = || Sight::refusal("every column that is meant without it is one");
        return if there.is_empty() { Err(Violation::at("/fields", detail())) } else { Ok(there) };
    };
    let fields: Vec<Field> =
        serde_json::from_value(given).map_err(|_| Violation::at("/fields", "is a list of column names"))?;
    if fields.is_empty() {
        return Err(Violation::at("/fields", "names at least one column; leave it out for the default columns"));
    }
    let mut columns: Vec<String> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let column = schema.column(field.name()).ok_or_else(|| {
            Violation::at(format!("/fields/{index}"), format!("{:?} is no column of {}", field.name(), schema.name))
        })?;
        if !is_there(column) {
            let detail = Sight::refusal(&format!("this is {}", column.name));
            return Err(Violation::at(format!("/fields/{index}"), detail));
        }
        if !columns.contains(&column.name) {
            columns.push(column.name.clone());
        }
    }
    Ok(columns)
}

fn sort(schema: &DatasetSchema, sight: Sight, given: Option<Json_>) -> Result<Option<Sort>, Violation> {
    const FORMS: &str = "is a column, \"-column\" for descending, or {\"column\", \"descending\"}";
    let sort = match given {
        None | Some(Json_::Null) => return Ok(None),
        Some(Json_::String(text)) => match text.strip_prefix('-') {
            Some(column) => Sort { column: column.to_owned(), descending: true },
            None => Sort { column: text, descending: false },
        },
        Some(Json_::Object(mut object)) => {
            let column = object.shift_remove("column");
            let descending = object.shift_remove("descending").unwrap_or(Json_::Bool(false));
            match (column, descending, object.is_empty()) {
                (Some(Json_::String(column)), Json_::Bool(descending), true) => Sort { column, descending },
                _ => return Err(Violation::at("/sort", FORMS)),
            }
        }
        Some(Json_::Bool(_) | Json_::Number(_) | Json_::Array(_)) => return Err(Violation::at("/sort", FORMS)),
    };
    match schema.column(&sort.column) {
        // Even hashed: the order of the rows would tell the order of the values.
        Some(column) if column.shown(sight) != Shown::Clear => {
            Err(Violation::at("/sort", Sight::refusal(&format!("this is {}", column.name))))
        }
        Some(_) => Ok(Some(sort)),
        None => Err(Violation::at("/sort", format!("{:?} is no column of {}", sort.column, schema.name))),
    }
}

fn limit(given: Option<Json_>) -> Result<u32, Violation> {
    let Some(given) = given else { return Ok(DEFAULT_LIMIT) };
    let limit = given.as_u64().and_then(|limit| u32::try_from(limit).ok());
    limit
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| Violation::at("/limit", format!("is a whole number from 1 to {MAX_LIMIT}")))
}

fn cursor(given: Option<Json_>) -> Result<Option<String>, Violation> {
    match given {
        None | Some(Json_::Null) => Ok(None),
        Some(Json_::String(cursor)) => Ok(Some(cursor)),
        Some(Json_::Bool(_) | Json_::Number(_) | Json_::Array(_) | Json_::Object(_)) => {
            Err(Violation::at("/cursor", "is the text that was handed out with the page before"))
        }
    }
}

/// The rows of a batch as a JSON array, rendered as in a file that the caller would get.
pub(crate) async fn rows_json(
    app: &App,
    caller: &Caller,
    dataset: &Dataset,
    batch: arrow::record_batch::RecordBatch,
) -> Result<Vec<u8>> {
    let (schema, sight) = (dataset.schema.clone(), dataset.sight);
    let hasher = app.hash_key.hasher(&caller.0.org);
    blocking(move || offtake_pipeline::json_rows(&batch, &schema, sight, Some(hasher))).await
}

/// `rest` as a JSON object with `rows` in front, which are JSON already: not parsed again, so that no digit
/// of theirs is touched.
pub(crate) fn splice_rows(rows: &[u8], rest: &impl Serialize) -> Result<Response> {
    let rest = serde_json::to_vec(rest)
        .map_err(|error| Error::new(ErrorKind::Internal, "a response could not be written").caused_by(error))?;
    let mut body = Vec::with_capacity(rows.len() + rest.len() + 16);
    body.extend_from_slice(b"{\"rows\":");
    body.extend_from_slice(rows);
    body.push(b',');
    body.extend_from_slice(rest.get(1..).unwrap_or_default());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
