//! Facets over HTTP: which values columns have among the rows that match, and how often.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use offtake_datasets::{Dataset, Facet, FacetRequest};
use offtake_model::as_of::AsOf;
use offtake_model::query::RowQuery;
use offtake_model::selection::Scope;
use offtake_model::sensitive::{Shown, Sight};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::datasets::{OF_EXPORTS, parse, readable, strip, together};
use crate::error::Problem;
use crate::exports::blocking;
use crate::extract::{JsonBody, Name};
use crate::state::App;

/// Columns of one request at most.
pub(crate) const MOST_COLUMNS: usize = 16;
/// Values of a column when nothing is said, and at most.
pub(crate) const DEFAULT_VALUES: usize = 20;
pub(crate) const MOST_VALUES: usize = 100;
/// How long a count waits for its turn: for two or three of others, no more.
const WAIT: Duration = Duration::from_secs(5);
/// How long is counted: somebody looks at the screen, and others want to read too.
const PATIENCE: Duration = Duration::from_secs(2);
/// What makes no difference to facets.
const OF_PAGES: [&str; 3] = ["fields", "sort", "cursor"];

/// Values of columns among the rows that match.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FacetsResponse {
    /// One for each column asked for, in this order.
    facets: Vec<FacetView>,
    /// Whether the numbers are exact. If not, the rows were too many for the time there is, or their values too various: the
    /// numbers are of the rows that were looked at, and there are at least as many.
    exact: bool,
    /// Rows that were looked at.
    rows: u64,
    /// The moment it is true for; hand it to count, page and export to get these rows.
    #[schema(value_type = String)]
    as_of: AsOf,
}

/// Values of a column among the rows that pass all filters but those that name values of this column.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FacetView {
    #[schema(example = "provider")]
    column: String,
    /// The filter that narrows rows down to some of the values.
    filter: String,
    /// The most frequent first; up to 100 of those that the filter names are always among them, if they occur.
    values: Vec<FacetValueView>,
    /// Rows without a value.
    nulls: u64,
    /// Rows with any other value.
    others: u64,
}

/// A value.
#[derive(Debug, Serialize, ToSchema)]
struct FacetValueView {
    /// As the filter takes it.
    value: Json_,
    /// Rows that have it.
    count: u64,
}

/// Counts the values of columns. Filters and selection are the export's; a column's own filter is not applied to it.
#[utoipa::path(post, path = "/api/v1/datasets/{dataset}/facets", tag = "datasets", operation_id = "count_facets",
    params(("dataset" = String, Path, description = "The dataset")),
    responses((status = 200, description = "The facets", body = FacetsResponse)))]
pub(crate) async fn facets(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    JsonBody(mut body): JsonBody,
) -> Result<Json<FacetsResponse>, Problem> {
    let dataset = readable(&app, &caller, name.as_str())?;
    strip(&mut body, &OF_EXPORTS);
    strip(&mut body, &OF_PAGES);
    let asked = asked(&dataset, &mut body);
    let query = parse(&dataset, &caller, body).await.and_then(of_rows);
    let (asked, query) = match (asked, query) {
        (Ok(asked), Ok(query)) => (asked, query),
        (Err(one), Err(other)) => return Err(together(one, other).into()),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error.into()),
    };
    let found = dataset.source.facets(&dataset.schema, &query, &asked).await?;
    let (exact, rows, as_of) = (found.exact, found.rows, found.as_of);
    let facets = blocking(move || {
        let each = found.facets.into_iter().zip(asked.columns);
        each.map(|(facet, column)| view(&dataset, column, &facet)).collect()
    });
    Ok(Json(FacetsResponse { facets: facets.await?, exact, rows, as_of }))
}

/// A filter chooses whole traces there, and a row does not tell whether its trace would be chosen without it.
fn of_rows(query: RowQuery) -> Result<RowQuery> {
    match query.scope {
        Scope::Row => Ok(query),
        Scope::Trace => {
            Err(Error::invalid_at("/scope", "values are counted of rows, not of whole traces; leave scope out"))
        }
    }
}

/// Takes what is about facets out of `body`.
fn asked(dataset: &Dataset, body: &mut Map<String, Json_>) -> Result<FacetRequest> {
    let columns = columns(dataset, body.shift_remove("facets"));
    let limit = limit(body.shift_remove("limit"));
    match (columns, limit) {
        (Ok(columns), Ok(limit)) => Ok(FacetRequest { columns, limit, wait: WAIT, patience: PATIENCE }),
        (columns, limit) => Err(Error::invalid(columns.err().into_iter().chain(limit.err()).collect())),
    }
}

fn columns(dataset: &Dataset, given: Option<Json_>) -> Result<Vec<String>, Violation> {
    let at = |index: usize, detail: String| Violation::at(format!("/facets/{index}"), detail);
    let names: Option<Vec<String>> = given.and_then(|given| serde_json::from_value(given).ok());
    let names = names.filter(|names| (1..=MOST_COLUMNS).contains(&names.len())).ok_or_else(|| {
        Violation::at("/facets", format!("is a list of 1 to {MOST_COLUMNS} names of columns that have facets"))
    })?;
    for (index, name) in names.iter().enumerate() {
        let schema = &dataset.schema;
        if schema.facet(name).is_none() {
            let known = schema.columns.iter().filter(|column| schema.facet(&column.name).is_some());
            let known: Vec<&str> = known.map(|column| column.name.as_str()).collect();
            return Err(at(
                index,
                format!("{name:?} is no column that a filter names values of; there are: {}", known.join(", ")),
            ));
        }
        if schema.column(name).is_some_and(|column| column.shown(dataset.sight) != Shown::Clear) {
            return Err(at(index, Sight::refusal(&format!("this is {name}"))));
        }
        if names[..index].contains(name) {
            return Err(at(index, format!("{name} is asked for twice")));
        }
    }
    Ok(names)
}

fn limit(given: Option<Json_>) -> Result<usize, Violation> {
    let Some(given) = given else { return Ok(DEFAULT_VALUES) };
    let limit = given.as_u64().and_then(|limit| usize::try_from(limit).ok());
    limit
        .filter(|limit| (1..=MOST_VALUES).contains(limit))
        .ok_or_else(|| Violation::at("/limit", format!("is a whole number from 1 to {MOST_VALUES}")))
}

/// The values as a page of rows would have them: that is how a filter takes them.
fn view(dataset: &Dataset, column: String, facet: &Facet) -> Result<FacetView> {
    let broken =
        |cause: serde_json::Error| Error::new(ErrorKind::Internal, "values could not be written").caused_by(cause);
    let rows = offtake_pipeline::json_rows(&facet.values, &dataset.schema, dataset.sight, None)?;
    let rows: Vec<Map<String, Json_>> = serde_json::from_slice(&rows).map_err(broken)?;
    let values = rows.into_iter().filter_map(|mut row| row.shift_remove(&column)).zip(&facet.counts);
    let values = values.map(|(value, &count)| FacetValueView { value, count }).collect();
    let filter = dataset.schema.facet(&column).map_or_else(String::new, |filter| filter.name.clone());
    Ok(FacetView { column, filter, values, nulls: facet.nulls, others: facet.others })
}
