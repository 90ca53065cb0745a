//! Requests → specs and checked queries.
//!
//! A body is checked whole: every violation is found at once, each with an RFC 6901 pointer. What a spec says is
//! turned into a typed [`RowQuery`] here and nowhere else, for page, count, preview and export alike.

mod export;
mod filters;
mod preset;
mod rows;
mod scheduled;
mod values;

use offtake_model::dataset::DatasetSchema;
use offtake_model::export::{ExportSpec, RowsSpec};
use offtake_model::id::OrgId;
use offtake_model::query::RowQuery;
use offtake_model::sensitive::Sight;
use offtake_model::{Error, Result, Violation};
use serde_json::{Map, Value as Json};

use crate::catalog::Dataset;

/// What every request about rows may say besides the dataset's filters.
const OF_ROWS: [&str; 6] = ["selection", "scope", "start_time", "end_time", "as_of", "newer_than"];
/// What an export may say besides.
const OF_EXPORTS: [&str; 10] =
    ["format", "compression", "dialect", "delimiter", "formats", "fields", "limit", "name", "notify", "destination"];
/// What stands for several of these; it is resolved before a body is read.
const PRESET: &str = "preset";
/// Which columns' values are counted; the server takes it out of the body.
const FACETS: &str = "facets";
/// What a page may say besides; the server takes it out of the body.
const OF_PAGES: [&str; 2] = ["sort", "cursor"];
/// More violations than this help nobody.
const MOST_VIOLATIONS: usize = 100;
/// How alike two names must be to suggest one for the other.
const ALIKE: f64 = 0.8;

/// Whether a filter cannot have this name because requests use it for something else.
pub(crate) fn is_reserved(name: &str) -> bool {
    // `dataset` and `disclosure` are members of the stored spec.
    OF_ROWS.iter().chain(&OF_EXPORTS).chain(&OF_PAGES).any(|reserved| *reserved == name)
        || matches!(name, "dataset" | "disclosure" | FACETS | PRESET)
}

impl Dataset {
    /// Complains about what a request says of sensitive columns, if whoever asks may not read them: the answer would
    /// tell what is in there.
    fn seen(&self, spec: &RowsSpec, found: &mut Found) {
        if self.sight == Sight::Clear {
            return;
        }
        for name in self.schema.sensitive_members(spec) {
            found.at(&pointer(&[name]), Sight::refusal(&format!("{name} looks at {}", self.looked_at(name))));
        }
    }

    /// The sensitive column that this member of a request speaks of.
    fn looked_at(&self, member: &str) -> &str {
        let schema = &self.schema;
        let columns = schema.filter(member).map(|filter| &filter.columns);
        let column = columns.into_iter().flatten().find(|column| schema.is_sensitive(column));
        column.or(schema.time.as_ref()).map_or("a column", String::as_str)
    }

    /// Reads the body of a request about rows: filters, window, selection, `as_of`.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with it.
    pub fn parse_rows(&self, body: &Map<String, Json>) -> Result<RowsSpec> {
        let mut found = Found::default();
        let spec = rows::parse(&self.schema, body, &OF_ROWS, &mut found);
        rows::compile(&self.schema, &spec, &mut found);
        self.seen(&spec, &mut found);
        found.or(spec)
    }

    /// Reads the body of an export.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with it.
    pub fn parse_export(&self, body: &Json) -> Result<ExportSpec> {
        let Json::Object(body) = body else {
            return Err(Error::invalid_at("", "the body is a JSON object"));
        };
        let mut found = Found::default();
        let spec = export::parse(self, body, &mut found);
        match spec {
            Some(spec) => found.or(spec),
            None => Err(found.error()),
        }
    }

    /// Turns a spec into a query of this organization's rows. Specs are checked when they are made; a stored one may
    /// meet a dataset that has changed since.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn query(&self, org: &OrgId, rows: &RowsSpec) -> Result<RowQuery> {
        let mut found = Found::default();
        for name in rows.filters.keys().filter(|name| self.schema.filter(name).is_none()) {
            found.at(&pointer(&[name]), format!("{} has no filter of this name any more", self.schema.name));
        }
        let (predicates, chosen) = rows::compile(&self.schema, rows, &mut found);
        let (as_of, newer_than) = (rows.as_of, rows.newer_than);
        found.or(RowQuery { org: org.clone(), predicates, chosen, scope: rows.scope, as_of, newer_than })
    }
}

/// What was found wrong so far.
#[derive(Debug, Default)]
struct Found {
    violations: Vec<Violation>,
    more: usize,
}

impl Found {
    fn at(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation::at(pointer, detail));
        } else {
            self.more += 1;
        }
    }

    fn or<T>(self, good: T) -> Result<T> {
        if self.violations.is_empty() { Ok(good) } else { Err(self.error()) }
    }

    fn error(mut self) -> Error {
        if self.more > 0 {
            self.violations.push(Violation::at("", format!("and {} more", self.more)));
        }
        Error::invalid(self.violations)
    }
}

/// An RFC 6901 pointer.
fn pointer(path: &[&str]) -> String {
    path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

/// What there is instead of `name`, in words.
fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    let lower = name.to_ascii_lowercase();
    let alike = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&lower, known), *known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    known.sort_unstable();
    let list = known.join(", ");
    match alike {
        Some((_, alike)) => format!("did you mean {alike}? There are: {list}"),
        None => format!("there are: {list}"),
    }
}

/// Complains about members that nobody knows.
fn unknown(schema: &DatasetSchema, body: &Map<String, Json>, generic: &[&str], found: &mut Found) {
    for name in body.keys() {
        if generic.contains(&name.as_str()) || schema.filter(name).is_some() {
            continue;
        }
        let detail = if OF_PAGES.contains(&name.as_str()) {
            format!("{name} belongs to pages of rows, not here")
        } else {
            let filters = schema.filters.iter().map(|filter| filter.name.as_str());
            let known = generic.iter().copied().chain(filters);
            format!("{} has no filter of this name; {}", schema.name, instead(name, known))
        };
        found.at(&pointer(&[name]), detail);
    }
}

pub(crate) fn as_of_of_mutable() -> Error {
    Error::invalid_at("/as_of", OF_MUTABLE)
}

pub(crate) fn newer_than_of_mutable() -> Error {
    Error::invalid_at("/newer_than", NEWER_OF_MUTABLE)
}

pub(crate) fn as_of_is_foreign() -> Error {
    Error::invalid_at("/as_of", FOREIGN)
}

const OF_MUTABLE: &str = "the rows of this dataset change: a snapshot cannot be asked for again; leave as_of out";
const NEWER_OF_MUTABLE: &str = "the rows of this dataset do not tell since when they are there; leave newer_than out";
const FOREIGN: &str = "this as_of was not handed out for this dataset; pass back what count, page or preview gave";
