//! Filters of subscriptions, read once and compared with every event that may be for them.

use offtake_model::{Error, Result, Violation};
use serde_json::{Map, Value as Json};

/// What an event says that subscriptions can filter by. What an event does not say, no filter finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facets {
    /// In the order of [`TEXTS`].
    pub(super) texts: [Option<String>; 4],
    pub(super) cost_usd: Option<f64>,
    pub(super) duration_ms: Option<f64>,
}

/// What is compared for being equal. The later, the more there are of it: the better to find subscriptions by.
pub(super) const TEXTS: [&str; 4] = ["environment", "provider", "model", "user_id"];

/// The longest list of one filter, and the longest text in it.
const MOST_VALUES: usize = 100;
const LONGEST: usize = 1024;

/// What a subscription asks of events, all of it at once. Sorted, so that each question is short.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    texts: [Option<Vec<String>>; 4],
    min_cost: Option<f64>,
    min_duration_ms: Option<f64>,
}

impl Filter {
    /// Reads what a client says; `None` is no filter.
    ///
    /// # Errors
    /// `invalid_request`, naming everything that is wrong.
    pub(super) fn parse(said: Option<&Json>) -> Result<Self> {
        let none = Map::new();
        let said = match said {
            None | Some(Json::Null) => &none,
            Some(Json::Object(said)) => said,
            Some(_) => return Err(Error::invalid_at("/filters", "is an object of filters")),
        };
        let (mut filter, mut wrong) = (Self::default(), Vec::new());
        for (name, value) in said {
            let read = match name.as_str() {
                "min_cost" => number(value).map(|number| filter.min_cost = Some(number)),
                "min_duration_ms" => number(value).map(|number| filter.min_duration_ms = Some(number)),
                text => match TEXTS.iter().position(|known| *known == text) {
                    Some(place) => texts(value).map(|texts| filter.texts[place] = Some(texts)),
                    None => {
                        Err("is no filter; there are: provider, model, environment, user_id, min_cost, min_duration_ms")
                    }
                },
            };
            if let Err(detail) = read {
                let pointer = format!("/filters/{}", name.replace('~', "~0").replace('/', "~1"));
                wrong.push(Violation::at(pointer, format!("{name} {detail}")));
            }
        }
        if wrong.is_empty() { Ok(filter) } else { Err(Error::invalid(wrong)) }
    }

    /// The names of what it looks at.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let texts = TEXTS.into_iter().zip(&self.texts).filter(|(_, values)| values.is_some()).map(|(name, _)| name);
        let cost = self.min_cost.map(|_| "cost_usd");
        texts.chain(cost).chain(self.min_duration_ms.map(|_| "duration_ms"))
    }

    /// By what events are found that may be for it: which text, and the values it may have. `None`: by nothing.
    pub(super) fn found_by(&self) -> Option<(usize, &[String])> {
        self.texts.iter().enumerate().rev().find_map(|(place, values)| Some((place, values.as_deref()?)))
    }

    /// Whether an event is for it.
    pub(super) fn takes(&self, facets: &Facets) -> bool {
        let least = |least: Option<f64>, value: Option<f64>| {
            least.is_none_or(|least| value.is_some_and(|value| value >= least))
        };
        least(self.min_cost, facets.cost_usd)
            && least(self.min_duration_ms, facets.duration_ms)
            && self.texts.iter().zip(&facets.texts).all(|(values, text)| match (values, text) {
                (None, _) => true,
                (Some(values), Some(text)) => values.binary_search(text).is_ok(),
                (Some(_), None) => false,
            })
    }
}

fn number(value: &Json) -> Result<f64, &'static str> {
    value.as_f64().filter(|number| number.is_finite() && *number >= 0.0).ok_or("is a number from 0 on")
}

fn texts(value: &Json) -> Result<Vec<String>, &'static str> {
    let wrong = "is a text or a list of 1 to 100 texts of at most 1,024 bytes";
    let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let sound = |text: &str| text.len() <= LONGEST;
    let texts: Option<Vec<String>> =
        list.iter().map(|one| one.as_str().filter(|text| sound(text)).map(str::to_owned)).collect();
    let mut texts = texts.filter(|texts| (1..=MOST_VALUES).contains(&texts.len())).ok_or(wrong)?;
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facets(provider: &str, user: Option<&str>, cost: Option<f64>) -> Facets {
        let texts = [None, Some(provider.to_owned()), None, user.map(str::to_owned)];
        Facets { texts, cost_usd: cost, duration_ms: Some(20.0) }
    }

    #[test]
    fn every_condition_must_hold() {
        let filter = |said: Json| Filter::parse(Some(&said)).unwrap();
        let event = facets("openai", Some("ada"), Some(0.25));
        for (said, takes) in [
            (json!({}), true),
            (json!(null), true),
            (json!({"provider": "openai"}), true),
            (json!({"provider": ["anthropic", "openai"], "user_id": "ada"}), true),
            (json!({"provider": "anthropic"}), false),
            (json!({"provider": "openai", "user_id": ["eve", "bob"]}), false),
            (json!({"model": "gpt-4o"}), false),
            (json!({"min_cost": 0.25, "min_duration_ms": 20}), true),
            (json!({"min_cost": 0.2500001}), false),
            (json!({"min_duration_ms": 20.5}), false),
        ] {
            assert_eq!(filter(said.clone()).takes(&event), takes, "{said}");
        }
        assert!(!filter(json!({"min_cost": 0})).takes(&facets("openai", None, None)), "nobody knows what it cost");
        assert_eq!(filter(json!({"user_id": ["b", "a", "b"], "provider": "x"})).found_by().unwrap().0, 3);
        assert_eq!(filter(json!({"min_cost": 1})).found_by(), None);
    }

    #[test]
    fn everything_wrong_is_named() {
        let said = json!({"provider": 7, "colour": "red", "min_cost": -1, "model": [], "a/b": 1, "user_id": "ok"});
        let error = Filter::parse(Some(&said)).unwrap_err();
        let pointers: Vec<&str> = error.violations().iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/filters/provider", "/filters/colour", "/filters/min_cost", "/filters/model", "/filters/a~1b"]
        );
        assert!(error.violations()[1].detail.starts_with("colour is no filter"));
        assert!(Filter::parse(Some(&json!([]))).is_err());
        assert!(Filter::parse(Some(&json!({"provider": ["a", 1]}))).is_err());
        assert!(Filter::parse(Some(&json!({"model": "x".repeat(LONGEST + 1)}))).is_err());
    }
}
