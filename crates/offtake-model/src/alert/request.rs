//! Reading a rule from the body of a request: everything that is wrong is found at once, each with a JSON pointer.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use super::{AlertContent, Budget, Dimension, Direction, Metric, MetricRule, Period, Rule, Usd};
use crate::{Error, Result, Violation};

/// The longest name and the longest value of a filter, in characters.
const LONGEST: usize = 200;
/// Values in a filter, and percentages of a budget, at most.
const MOST_VALUES: usize = 100;
const MOST_PERCENTAGES: usize = 20;
/// The greatest budget.
const GREATEST_AMOUNT: Usd = Usd::from_nanos(1_000_000_000_000 * 1_000_000_000);
/// The greatest percentage.
const GREATEST_PERCENT: u64 = 1000;

const METRIC_MEMBERS: [&str; 11] = [
    "kind",
    "name",
    "enabled",
    "metric",
    "window_seconds",
    "direction",
    "threshold",
    "clear_threshold",
    "cool_down_seconds",
    "min_traces",
    "filters",
];
const BUDGET_MEMBERS: [&str; 8] =
    ["kind", "name", "enabled", "provider", "amount_usd", "period", "time_zone", "percentages"];

impl AlertContent {
    /// The rule that a body asks for.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong.
    pub fn parse(body: &Map<String, Json>) -> Result<Self> {
        let mut body = Body { members: body, violations: Vec::new() };
        let name = body.name();
        let enabled = body.flag("enabled", true);
        let rule = match body.member("kind").and_then(Json::as_str) {
            Some("metric") => body.known(&METRIC_MEMBERS).metric_rule().map(Rule::Metric),
            Some("budget") => body.known(&BUDGET_MEMBERS).budget().map(Rule::Budget),
            _ => body.refuse("/kind", "is needed: metric or budget"),
        };
        match (name, enabled, rule) {
            (Some(name), Some(enabled), Some(rule)) if body.violations.is_empty() => Ok(Self { name, enabled, rule }),
            _ => Err(Error::invalid(body.violations)),
        }
    }

    /// The body that asks for this rule.
    pub fn to_body(&self) -> Map<String, Json> {
        let said = match &self.rule {
            Rule::Metric(rule) => json!({
                "metric": rule.metric,
                "window_seconds": rule.window_seconds,
                "direction": rule.direction,
                "threshold": rule.threshold,
                "clear_threshold": rule.clear_threshold,
                "cool_down_seconds": rule.cool_down_seconds,
                "min_traces": rule.min_traces,
                "filters": rule.filters,
            }),
            Rule::Budget(budget) => json!({
                "provider": budget.provider,
                "amount_usd": budget.amount_usd,
                "period": budget.period,
                "time_zone": budget.time_zone,
                "percentages": budget.percentages,
            }),
        };
        let mut body = Map::new();
        body.insert("kind".to_owned(), self.rule.kind().into());
        body.insert("name".to_owned(), self.name.as_str().into());
        body.insert("enabled".to_owned(), self.enabled.into());
        if let Json::Object(said) = said {
            body.extend(said);
        }
        body
    }
}

/// A body, and what was found wrong with it.
struct Body<'b> {
    members: &'b Map<String, Json>,
    violations: Vec<Violation>,
}

impl Body<'_> {
    /// A member; null says nothing.
    fn member(&self, name: &str) -> Option<&Json> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn refuse<T>(&mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Option<T> {
        self.violations.push(Violation::at(pointer, detail));
        None
    }

    /// Refuses every member that is none of these.
    fn known(&mut self, names: &[&str]) -> &mut Self {
        let unknown: Vec<String> =
            self.members.keys().filter(|name| !names.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.refuse::<()>(format!("/{}", escaped(&name)), "is nothing that a rule of this kind has");
        }
        self
    }

    fn name(&mut self) -> Option<String> {
        let name = self.member("name").and_then(Json::as_str).filter(|name| is_text(name)).map(str::to_owned);
        name.or_else(|| self.refuse("/name", "is needed: 1 to 200 characters, none of them a control character"))
    }

    fn flag(&mut self, name: &str, otherwise: bool) -> Option<bool> {
        match self.member(name) {
            None => Some(otherwise),
            Some(Json::Bool(flag)) => Some(*flag),
            Some(_) => self.refuse(format!("/{name}"), "is true or false"),
        }
    }

    fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let word = self.member(name).and_then(Json::as_str);
        let known = words.iter().find(|(known, _)| Some(*known) == word).map(|(_, value)| *value);
        known.or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(format!("/{name}"), format!("is needed: {}", words.join(", ")))
        })
    }

    fn number(&mut self, name: &str, least: u64, most: u64, otherwise: Option<u64>) -> Option<u64> {
        let given = self.member(name);
        let number = match given {
            None => otherwise,
            Some(value) => value.as_u64().filter(|number| (least..=most).contains(number)),
        };
        let needed = if otherwise.is_none() { "is needed: " } else { "is " };
        number.or_else(|| self.refuse(format!("/{name}"), format!("{needed}a whole number from {least} to {most}")))
    }

    fn metric_rule(&mut self) -> Option<MetricRule> {
        let metrics: Vec<_> = Metric::ALL.iter().map(|metric| (metric.word(), *metric)).collect();
        let directions: Vec<_> = Direction::ALL.iter().map(|direction| (direction.word(), *direction)).collect();
        let (least, most) = (MetricRule::LEAST_WINDOW.into(), MetricRule::GREATEST.into());
        let metric = self.word("metric", &metrics);
        let window = self.number("window_seconds", least, most, None);
        let direction = self.word("direction", &directions);
        let threshold = self.threshold("threshold");
        let clear = match self.member("clear_threshold") {
            None => threshold,
            Some(_) => self.threshold("clear_threshold"),
        };
        if let (Some(direction), Some(threshold), Some(clear)) = (direction, threshold, clear) {
            self.is_on_the_good_side(direction, threshold, clear);
        }
        let cool_down = self.number("cool_down_seconds", 0, most, Some(300));
        let min_traces = self.number("min_traces", 0, 1_000_000_000, Some(0));
        let filters = self.filters();
        Some(MetricRule {
            metric: metric?,
            window_seconds: u32::try_from(window?).ok()?,
            direction: direction?,
            threshold: threshold?,
            clear_threshold: clear?,
            cool_down_seconds: u32::try_from(cool_down?).ok()?,
            min_traces: min_traces?,
            filters: filters?,
        })
    }

    fn threshold(&mut self, name: &str) -> Option<f64> {
        let number = self.member(name).and_then(Json::as_f64).filter(|number| (0.0..=1e15).contains(number));
        number.or_else(|| self.refuse(format!("/{name}"), "is needed: a number from 0 to 1e15"))
    }

    fn is_on_the_good_side(&mut self, direction: Direction, threshold: f64, clear: f64) {
        let detail = match direction {
            Direction::Above if clear > threshold => "is at most the threshold",
            Direction::Below if clear < threshold => "is at least the threshold",
            Direction::Above | Direction::Below => return,
        };
        self.refuse::<()>("/clear_threshold", detail);
    }

    fn filters(&mut self) -> Option<BTreeMap<Dimension, Vec<String>>> {
        let given = match self.member("filters") {
            None => return Some(BTreeMap::new()),
            Some(Json::Object(filters)) => filters.clone(),
            Some(_) => return self.refuse("/filters", "is an object: a value or a list of values by dimension"),
        };
        let mut filters = BTreeMap::new();
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            let at = format!("/filters/{}", escaped(name));
            let Some(dimension) = Dimension::parse(name) else {
                let known: Vec<&str> = Dimension::ALL.iter().map(|dimension| dimension.word()).collect();
                self.refuse::<()>(at, format!("is none of {}", known.join(", ")));
                continue;
            };
            if let Some(values) = self.values(&at, value) {
                filters.insert(dimension, values);
            }
        }
        Some(filters)
    }

    /// One text, or a list of some.
    fn values(&mut self, at: &str, value: &Json) -> Option<Vec<String>> {
        let list = match value {
            Json::Array(list) => list.clone(),
            one @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => {
                vec![one.clone()]
            }
        };
        if list.is_empty() || list.len() > MOST_VALUES {
            return self.refuse(at, format!("has 1 to {MOST_VALUES} values"));
        }
        let texts: Option<Vec<String>> =
            list.iter().map(|text| text.as_str().filter(|text| is_text(text)).map(str::to_owned)).collect();
        let Some(mut texts) = texts else {
            return self.refuse(at, "is a text of 1 to 200 characters, or a list of some");
        };
        texts.sort();
        texts.dedup();
        Some(texts)
    }

    fn budget(&mut self) -> Option<Budget> {
        let periods: Vec<_> = Period::ALL.iter().map(|period| (period.word(), *period)).collect();
        let provider = match self.member("provider") {
            None => Some(None),
            Some(Json::String(provider)) if is_text(provider) => Some(Some(provider.clone())),
            Some(_) => self.refuse("/provider", "is a text of 1 to 200 characters, or null for all of them"),
        };
        let amount = self.amount();
        let period = self.word("period", &periods);
        let time_zone = self.time_zone();
        let percentages = self.percentages();
        Some(Budget {
            provider: provider?,
            amount_usd: amount?,
            period: period?,
            time_zone: time_zone?,
            percentages: percentages?,
        })
    }

    fn amount(&mut self) -> Option<Usd> {
        let text = match self.member("amount_usd") {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let amount = text.parse().ok().filter(|amount| (Usd::from_nanos(1)..=GREATEST_AMOUNT).contains(amount));
        let detail = "is needed: a decimal above 0, up to 10^12, with at most nine places, as in \"125.50\"";
        amount.or_else(|| self.refuse("/amount_usd", detail))
    }

    fn time_zone(&mut self) -> Option<String> {
        let name = match self.member("time_zone") {
            None => return Some("UTC".to_owned()),
            Some(name) => name.as_str().unwrap_or_default().to_owned(),
        };
        if TimeZone::get(&name).is_ok() {
            return Some(name);
        }
        self.refuse("/time_zone", "is a name of the IANA time zone database, as in Europe/Vienna")
    }

    fn percentages(&mut self) -> Option<Vec<u32>> {
        let list = match self.member("percentages") {
            None => return Some(vec![50, 80, 100]),
            Some(list) => list.as_array().cloned().unwrap_or_default(),
        };
        let whole = |value: &Json| value.as_u64().filter(|percent| (1..=GREATEST_PERCENT).contains(percent));
        let percentages: Option<Vec<u32>> =
            list.iter().map(|value| whole(value).and_then(|percent| u32::try_from(percent).ok())).collect();
        match percentages {
            Some(mut percentages) if (1..=MOST_PERCENTAGES).contains(&percentages.len()) => {
                percentages.sort_unstable();
                percentages.dedup();
                Some(percentages)
            }
            _ => self.refuse("/percentages", "is a list of 1 to 20 whole numbers from 1 to 1000"),
        }
    }
}

fn is_text(text: &str) -> bool {
    (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: Json) -> Result<AlertContent> {
        AlertContent::parse(body.as_object().unwrap())
    }

    fn wrong(body: Json) -> Vec<String> {
        let error = parse(body).unwrap_err();
        error.violations().iter().map(|violation| violation.pointer.clone()).collect()
    }

    #[test]
    fn what_is_asked_for_comes_back() {
        let metric = json!({
            "kind": "metric", "name": "slow", "metric": "latency_p95", "window_seconds": 300, "direction": "above",
            "threshold": 2500, "clear_threshold": 2000.5, "filters": {"provider": "openai", "model": ["b", "a", "b"]},
        });
        let content = parse(metric).unwrap();
        let Rule::Metric(rule) = &content.rule else { panic!("{content:?}") };
        assert_eq!((rule.threshold, rule.clear_threshold, rule.cool_down_seconds), (2500.0, 2000.5, 300));
        assert_eq!(rule.filters[&Dimension::Model], ["a", "b"]);
        assert_eq!(AlertContent::parse(&content.to_body()).unwrap(), content);

        let budget = json!({"kind": "budget", "name": "month", "amount_usd": 125.5, "period": "month"});
        let content = parse(budget).unwrap();
        let Rule::Budget(budget) = &content.rule else { panic!("{content:?}") };
        assert_eq!((budget.amount_usd.to_string().as_str(), budget.time_zone.as_str()), ("125.5", "UTC"));
        assert_eq!(budget.percentages, [50, 80, 100]);
        assert_eq!(AlertContent::parse(&content.to_body()).unwrap(), content);
        let kept: AlertContent = serde_json::from_str(&serde_json::to_string(&content).unwrap()).unwrap();
        assert_eq!(kept, content);
    }

    #[test]
    fn everything_wrong_is_told_with_its_place() {
        assert_eq!(wrong(json!({})), ["/name", "/kind"]);
        let metric = json!({
            "kind": "metric", "name": "a\u{0}", "enabled": 1, "metric": "speed", "window_seconds": 59,
            "direction": "up", "threshold": -1, "cool_down_seconds": 86401, "min_traces": 1.5, "colour/x": 1,
            "filters": {"provider": [], "trace_id": "x", "model": 1},
        });
        let expected = [
            "/name",
            "/enabled",
            "/colour~1x",
            "/metric",
            "/window_seconds",
            "/direction",
            "/threshold",
            "/cool_down_seconds",
            "/min_traces",
            "/filters/provider",
            "/filters/trace_id",
            "/filters/model",
        ];
        assert_eq!(wrong(metric), expected);
        let clear = |direction: &str, clear: f64| {
            json!({"kind": "metric", "name": "a", "metric": "cost", "window_seconds": 60, "direction": direction,
                "threshold": 5, "clear_threshold": clear})
        };
        assert_eq!(wrong(clear("above", 6.0)), ["/clear_threshold"]);
        assert_eq!(wrong(clear("below", 4.0)), ["/clear_threshold"]);
        let budget = json!({
            "kind": "budget", "name": "b", "provider": 1, "amount_usd": "0", "period": "year", "time_zone": "Mars/Base",
            "percentages": [0],
        });
        assert_eq!(wrong(budget), ["/provider", "/amount_usd", "/period", "/time_zone", "/percentages"]);
    }
}
