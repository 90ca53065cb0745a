//! Per dataset: the bodies it takes, typed by its columns, filters and identity.

use offtake_datasets::Catalog;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp, RowsMode};
use offtake_model::export::Recipients;
use offtake_model::format::{Compression, Dialect, Format};
use offtake_model::human::LOCALES;
use offtake_model::permission::Permission;
use offtake_model::selection::Scope;
use serde_json::{Map, Value as Json, json};

use crate::datasets::MAX_LIMIT;
use crate::facets::{DEFAULT_VALUES, MOST_COLUMNS, MOST_VALUES};

/// Replaces the paths that name a dataset by one for each dataset, with its own body.
pub(super) fn per_dataset(paths: Map<String, Json>, schemas: &mut Json, catalog: &Catalog) -> Map<String, Json> {
    let mut expanded = Map::new();
    for (path, item) in paths {
        let Some(kind) = Kind::of(&path) else {
            expanded.insert(path, item);
            continue;
        };
        for dataset in catalog.iter() {
            let schema = dataset.schema.as_ref();
            if matches!(kind, Kind::Facets) && with_facets(schema).next().is_none() {
                continue;
            }
            let body = format!("{}.{}", kind.name(), schema.name);
            schemas[&body] = kind.body(schema);
            let operation = typed(&item["post"], schema, &body, kind);
            expanded.insert(path.replace("{dataset}", &schema.name), json!({"post": operation}));
        }
    }
    expanded
}

fn typed(generic: &Json, schema: &DatasetSchema, body: &str, kind: Kind) -> Json {
    let mut operation = generic.clone();
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.retain(|parameter| parameter["name"] != "dataset");
    }
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    operation["operationId"] = json!(format!("{id}_{}", schema.name));
    let summary = operation["summary"].as_str().unwrap_or_default().trim_end_matches('.').to_owned();
    operation["summary"] = json!(format!("{}: {summary}", schema.title));
    operation["x-dataset-permission"] = json!(schema.permission.to_string());
    operation["requestBody"] = json!({
        "required": true,
        "content": {"application/json": {
            "schema": {"$ref": format!("#/components/schemas/{body}")},
            "examples": kind.examples(schema),
        }},
    });
    operation
}

/// What a body is for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Export,
    Page,
    Count,
    Facets,
}

impl Kind {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/api/v1/export/{dataset}" | "/api/v1/export/{dataset}/preview" => Some(Self::Export),
            "/api/v1/datasets/{dataset}/rows" => Some(Self::Page),
            "/api/v1/datasets/{dataset}/count" => Some(Self::Count),
            "/api/v1/datasets/{dataset}/facets" => Some(Self::Facets),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Export => "ExportRequest",
            Self::Page => "RowsRequest",
            Self::Count => "CountRequest",
            Self::Facets => "FacetsRequest",
        }
    }

    fn body(self, schema: &DatasetSchema) -> Json {
        let mut properties = rows_properties(schema);
        match self {
            Self::Export => {
                export_properties(schema, &mut properties);
            }
            Self::Page => page_properties(schema, &mut properties),
            Self::Count => {}
            Self::Facets => facets_properties(schema, &mut properties),
        }
        let mut body = json!({"type": "object", "additionalProperties": false, "properties": properties});
        if matches!(self, Self::Facets) {
            body["required"] = json!(["facets"]);
        }
        if matches!(self, Self::Export) {
            body["anyOf"] = json!([{"required": ["format"]}, {"required": ["preset"]}]);
        }
        body
    }

    fn examples(self, schema: &DatasetSchema) -> Json {
        let identity: Map<String, Json> =
            schema.identity.iter().map(|name| (name.clone(), example(schema.column(name)))).collect();
        let mut all = Map::new();
        if matches!(self, Self::Export) {
            all.insert("format".to_owned(), json!("csv"));
            all.insert("compression".to_owned(), json!("gzip"));
        }
        if matches!(self, Self::Facets) {
            let first = with_facets(schema).next();
            all.insert("facets".to_owned(), json!(first.into_iter().collect::<Vec<_>>()));
        }
        if schema.time.is_some() {
            all.insert("start_time".to_owned(), json!("2026-10-01T00:00:00Z"));
            all.insert("end_time".to_owned(), json!("2026-11-01T00:00:00Z"));
        }
        let mut except = all.clone();
        except.insert("selection".to_owned(), json!({"mode": "all_except", "ids": [identity]}));
        json!({
            "all": {"summary": "Everything in a window", "value": all},
            "all_except": {"summary": "All but one", "value": except},
        })
    }
}

/// The part that export, preview, page and count have in common.
fn rows_properties(schema: &DatasetSchema) -> Map<String, Json> {
    let mut properties = Map::new();
    let mut add = |name: &str, value: Json| drop(properties.insert(name.to_owned(), value));
    if let Some(time) = &schema.time {
        let moment =
            |what: &str| json!({"type": "string", "format": "date-time", "description": format!("{time} {what}")});
        add("start_time", moment("from this moment on"));
        add("end_time", moment("before this moment"));
    }
    add("selection", selection(schema));
    if schema.trace().is_some() {
        add(
            "scope",
            json!({"type": "string", "enum": Scope::ALL.map(Scope::name), "default": "row",
            "description": "trace: filters and selection choose rows, and every row of their traces is taken"}),
        );
    }
    add(
        "as_of",
        json!({"type": "string", "pattern": r"^(c[0-9]{1,18}|s)\.[0-9]{1,18}$", "description": "As handed out by count, page and preview"}),
    );
    if schema.rows == RowsMode::AppendOnly {
        add(
            "newer_than",
            json!({"type": "string", "pattern": r"^c[0-9]{1,18}\.[0-9]{1,18}$",
            "description": "Only rows that came after this earlier as_of"}),
        );
    }
    for filter in &schema.filters {
        add(&filter.name, filter_schema(schema, filter));
    }
    properties
}

/// The columns that have facets.
fn with_facets(schema: &DatasetSchema) -> impl Iterator<Item = &str> {
    let names = schema.columns.iter().map(|column| column.name.as_str());
    names.filter(|name| schema.facet(name).is_some())
}

fn facets_properties(schema: &DatasetSchema, properties: &mut Map<String, Json>) {
    properties.shift_remove("scope");
    let columns: Vec<&str> = with_facets(schema).collect();
    properties.insert(
        "facets".to_owned(),
        json!({"type": "array", "items": {"type": "string", "enum": columns}, "minItems": 1, "maxItems": MOST_COLUMNS,
            "uniqueItems": true, "description": "The columns whose values are counted"}),
    );
    properties.insert(
        "limit".to_owned(),
        json!({"type": "integer", "minimum": 1, "maximum": MOST_VALUES, "default": DEFAULT_VALUES,
            "description": "The most values of each column"}),
    );
}

fn export_properties(schema: &DatasetSchema, properties: &mut Map<String, Json>) {
    let mut add = |name: &str, value: Json| drop(properties.insert(name.to_owned(), value));
    add("format", json!({"type": "string", "enum": Format::ALL.map(Format::name)}));
    add("compression", json!({"type": "string", "enum": Compression::ALL.map(Compression::name), "default": "none"}));
    add("dialect", json!({"type": "string", "enum": Dialect::ALL.map(Dialect::name), "default": "rfc4180"}));
    add("delimiter", json!({"type": "string", "minLength": 1, "maxLength": 1, "default": ","}));
    add("formats", formats());
    add("fields", fields(schema));
    add(
        "destination",
        json!({"type": "object", "required": ["id"], "additionalProperties": false,
            "description": "Where the file is delivered to, beside being kept here",
            "properties": {
                "id": {"type": "string", "description": "The destination"},
                "key": {"type": "string", "description": "The key below its prefix, with {dataset}, {date}, {job} and {extension} in it; {job} is needed"}}}),
    );
    add(
        "limit",
        json!({"type": "integer", "minimum": 1, "maximum": schema.limits.rows,
        "description": "At most so many rows, the first in key order"}),
    );
    if schema.limits.rows.is_none()
        && let Some(limit) = properties.get_mut("limit").and_then(Json::as_object_mut)
    {
        limit.shift_remove("maximum");
    }
    properties.insert(
        "preset".to_owned(),
        json!({"type": "string", "minLength": 1, "maxLength": 100, "description": "The name of a preset; what stands beside it goes first"}),
    );
    properties.insert(
        "name".to_owned(),
        json!({"type": "string", "description": "The human name; one is made if there is none"}),
    );
    properties.insert(
        "notify".to_owned(),
        json!({"type": "object", "additionalProperties": false, "properties": {"email": {"oneOf": [
                {"type": "boolean", "description": "To the address of whoever asks"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": Recipients::MOST,
                    "description": "To these addresses, all of people of the organization who may have the file"}]}},
            "description": "Who gets a mail when the file is there, or will never be"}),
    );
}

fn formats() -> Json {
    let text = |description: &str| json!({"type": "string", "description": description});
    let locales: Vec<&str> = LOCALES.iter().map(|locale| locale.tag).collect();
    let locale = format!(
        "How numbers, dates and times are written, in any case; or its language. Known: {}",
        locales.join(", ")
    );
    json!({
        "type": "object",
        "additionalProperties": false,
        "description": "csv and xlsx: numbers, dates and times as people write them; what is left out is as the locale has \
            it, and exact without one",
        "properties": {
            "locale": {"type": "string", "description": locale, "examples": ["de-DE"]},
            "time_zone": {"type": "string", "description": "The IANA name of the zone moments are shown in", "default": "UTC",
                "examples": ["Europe/Berlin"]},
            "decimal_separator": {"type": "string", "enum": [".", ","]},
            "group_separator": text("Between groups of digits; empty for none"),
            "date": {"type": "string", "description": "A pattern in the notation of strftime", "examples": ["%d.%m.%Y"]},
            "timestamp": {"type": "string", "description": "A pattern in the notation of strftime",
                "examples": ["%d.%m.%Y %H:%M:%S"]},
        },
    })
}

fn page_properties(schema: &DatasetSchema, properties: &mut Map<String, Json>) {
    let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    let sort = json!({"oneOf": [
        {"type": "string", "description": "A column; -column for descending"},
        {"type": "object", "required": ["column"], "additionalProperties": false,
            "properties": {"column": {"type": "string", "enum": names}, "descending": {"type": "boolean"}}},
    ]});
    properties.insert("sort".to_owned(), sort);
    let limit = json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50});
    properties.insert("limit".to_owned(), limit);
    properties
        .insert("cursor".to_owned(), json!({"type": "string", "description": "As handed out with the page before"}));
    properties.insert("fields".to_owned(), fields(schema));
}

fn fields(schema: &DatasetSchema) -> Json {
    let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    json!({"type": "array", "minItems": 1, "items": {"oneOf": [
        {"type": "string", "enum": names},
        {"type": "object", "required": ["name", "as"], "additionalProperties": false,
            "properties": {"name": {"type": "string", "enum": names}, "as": {"type": "string"}}},
    ]}})
}

fn selection(schema: &DatasetSchema) -> Json {
    let columns: Map<String, Json> =
        schema.identity.iter().map(|name| (name.clone(), value(schema.column(name)))).collect();
    let ids = json!({"type": "array", "maxItems": schema.limits.identities, "items": {
        "type": "object", "required": schema.identity, "additionalProperties": false, "properties": columns,
    }});
    let with_ids = |mode: &str| {
        json!({"type": "object", "required": ["mode", "ids"], "additionalProperties": false,
            "properties": {"mode": {"const": mode}, "ids": ids}})
    };
    let all = json!({"type": "object", "required": ["mode"], "additionalProperties": false,
        "properties": {"mode": {"const": "all"}}});
    json!({"oneOf": [all, with_ids("all_except"), with_ids("partial")], "default": {"mode": "all"}})
}

fn filter_schema(schema: &DatasetSchema, filter: &Filter) -> Json {
    let one = match schema.filter_equals(filter) {
        Some(column) => value(Some(column)),
        None => of_type(schema.filter_type(filter)),
    };
    let columns = filter.columns.join(" or ");
    let (mut body, what) = match filter.op {
        FilterOp::Eq => (one, "equal to"),
        FilterOp::In => (one_or_list(&one), "one of"),
        FilterOp::Overlaps => (one_or_list(&one), "at least one of them in"),
        FilterOp::Range => (
            json!({"type": "object", "additionalProperties": false, "properties": {"from": one.clone(), "to": one}}),
            "from, up to and not including, of",
        ),
        FilterOp::Min => (one, "at least"),
        FilterOp::Max => (one, "at most"),
        FilterOp::Contains => (json!({"type": "string"}), "contained in"),
    };
    body["description"] = json!(format!("{what}: {columns}"));
    if schema.filter_is_sensitive(filter) {
        body["x-permission"] = json!(Permission::PiiRead.to_string());
    }
    body
}

fn one_or_list(one: &Json) -> Json {
    json!({"oneOf": [one, {"type": "array", "items": one}]})
}

fn value(column: Option<&Column>) -> Json {
    let mut value = of_type(column.map(|column| column.ty));
    if let Some(pattern) = column.and_then(Column::pattern) {
        value["pattern"] = json!(pattern);
    }
    value
}

fn of_type(ty: Option<ColumnType>) -> Json {
    match ty.unwrap_or(ColumnType::Text) {
        ColumnType::Text | ColumnType::Json => json!({"type": "string"}),
        ColumnType::Int64 => json!({"type": "integer", "format": "int64"}),
        ColumnType::Float64 => json!({"type": "number"}),
        ColumnType::Bool => json!({"type": "boolean"}),
        ColumnType::Decimal { .. } => json!({"type": ["string", "number"]}),
        ColumnType::Timestamp => json!({"type": "string", "format": "date-time"}),
        ColumnType::Date => json!({"type": "string", "format": "date"}),
    }
}

fn example(column: Option<&Column>) -> Json {
    if let Some(digits) = column.and_then(|column| column.hex_digits) {
        return json!("a1b2c3d4".chars().cycle().take(digits.into()).collect::<String>());
    }
    match column.map_or(ColumnType::Text, |column| column.ty) {
        ColumnType::Text | ColumnType::Json => json!("a1b2"),
        ColumnType::Int64 => json!(1),
        ColumnType::Float64 => json!(1.5),
        ColumnType::Bool => json!(true),
        ColumnType::Decimal { .. } => json!("1.50"),
        ColumnType::Timestamp => json!("2026-10-01T00:00:00Z"),
        ColumnType::Date => json!("2026-10-01"),
    }
}
