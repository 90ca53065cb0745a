//! Presets: what they may say, and what a request with one asks for.
//!
//! A preset is checked like a request, when it is saved and whenever it is used, because the dataset may have
//! changed in between. What the request itself says goes before what the preset says.

use offtake_model::export::ExportSpec;
use offtake_model::format::Format;
use offtake_model::preset::Preset;
use offtake_model::{Error, Result, Violation};
use serde_json::{Map, Value as Json, json};

use super::{Found, export, instead, pointer};
use crate::catalog::Dataset;

/// What a preset may say.
const MEMBERS: [&str; 7] = ["fields", "format", "compression", "dialect", "delimiter", "formats", "filters"];

impl Dataset {
    /// Checks what a preset says.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with it.
    pub fn check_preset(&self, says: &Map<String, Json>) -> Result<()> {
        let mut found = Found::default();
        for name in says.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            let detail = format!("is nothing that a preset says; {}", instead(name, MEMBERS));
            found.at(&pointer(&[name]), detail);
        }
        match says.get("filters") {
            None => {}
            Some(Json::Object(filters)) => {
                let known = || self.schema.filters.iter().map(|filter| filter.name.as_str());
                for name in filters.keys().filter(|name| self.schema.filter(name).is_none()) {
                    let detail = format!("{} has no filter of this name; {}", self.schema.name, instead(name, known()));
                    found.at(&pointer(&["filters", name]), detail);
                }
            }
            Some(_) => found.at("/filters", "is an object: the dataset's filters by name"),
        }
        let mut body = flat(says);
        body.retain(|name, _| MEMBERS.contains(&name.as_str()) || self.schema.filter(name).is_some());
        // Without a format of its own a preset is for any; csv is the one that takes most options.
        body.entry("format").or_insert_with(|| json!(Format::Csv.name()));
        let mut wrong = Found::default();
        // The spec itself is of no use here.
        drop(export::parse(self, &body, &mut wrong));
        for Violation { pointer, detail } in wrong.violations {
            let of_filter = first(&pointer).is_some_and(|name| self.schema.filter(&name).is_some());
            found.at(&format!("{}{pointer}", if of_filter { "/filters" } else { "" }), detail);
        }
        found.or(())
    }

    /// Reads the body of an export that names this preset.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong: what comes from the preset at `/preset`.
    pub fn parse_export_with(&self, body: &Map<String, Json>, preset: &Preset) -> Result<ExportSpec> {
        if preset.dataset != self.schema.name {
            let detail =
                format!("the preset {:?} is for {}, not for {}", preset.name, preset.dataset, self.schema.name);
            return Err(Error::invalid_at("/preset", detail));
        }
        let mut whole = flat(&preset.says);
        whole.retain(|name, _| !body.contains_key(name));
        let own: Vec<String> = whole.keys().cloned().collect();
        whole.extend(body.clone());
        without_what_does_not_fit(&mut whole, &own);
        let is_own = |pointer: &str| first(pointer).is_some_and(|name| own.contains(&name));
        self.parse_export(&Json::Object(whole)).map_err(|error| {
            let violations = error.violations().iter().map(|violation| {
                let Violation { pointer, detail } = violation;
                if is_own(pointer) {
                    Violation::at("/preset", format!("the preset {:?} asks at {pointer}: {detail}", preset.name))
                } else {
                    violation.clone()
                }
            });
            Error::invalid(violations.collect())
        })
    }
}

/// Filters beside the rest, as in a request.
fn flat(says: &Map<String, Json>) -> Map<String, Json> {
    let mut flat = says.clone();
    if let Some(Json::Object(filters)) = flat.shift_remove("filters") {
        for (name, value) in filters {
            flat.entry(name).or_insert(value);
        }
    }
    flat
}

/// A request may ask for another format than its preset was made for.
fn without_what_does_not_fit(body: &mut Map<String, Json>, own: &[String]) {
    let format = body.get("format").and_then(Json::as_str);
    let Some(format) = Format::ALL.into_iter().find(|known| Some(known.name()) == format) else { return };
    let fits = |name: &str| match name {
        "compression" => format.is_text(),
        "dialect" | "delimiter" => format == Format::Csv,
        "formats" => matches!(format, Format::Csv | Format::Xlsx),
        _ => true,
    };
    body.retain(|name, _| !own.contains(name) || fits(name));
}

/// The member a pointer leads into.
fn first(pointer: &str) -> Option<String> {
    let name = pointer.strip_prefix('/')?.split('/').next()?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}
