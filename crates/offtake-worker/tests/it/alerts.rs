//! Rules and budgets: counted from real spans in a real store, judged on a clock that stands still. Where pasts are read, the
//! runtime's clock stands still as well, as long as anybody works.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::tail::{SpentIn, TailSpan};
use offtake_datasets::spans::{Span, SpanStore, SpanTail, SpanType, StatusCode};
use offtake_model::alert::{Alert, AlertContent, Dimension, Usd};
use offtake_model::clock::Clock as _;
use offtake_model::event::{Event, EventType};
use offtake_model::id::{AlertId, OrgId};
use offtake_model::sensitive::MASKED;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::WorkerName;
use offtake_worker::{AlertWatch, Passed};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value as Json, json};

use crate::house::{House, act, org};

/// A house with spans.
struct Spans {
    house: House,
    spans: Arc<SpanStore>,
    number: u64,
    _folder: tempfile::TempDir,
}

/// A span in the making.
#[derive(Debug, Clone)]
struct Sketch {
    ended: Timestamp,
    ms: f64,
    failed: bool,
    tokens: i64,
    nanos: i64,
    provider: &'static str,
    /// Of which trace it is a part; `None`: it is the root of its own.
    below: Option<u64>,
}

impl Spans {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let house = House::with_rows(0);
        let spans = SpanStore::open(&folder.path().join("spans.db"), house.clock.clone()).unwrap();
        Self { house, spans, number: 0, _folder: folder }
    }

    fn now(&self) -> Timestamp {
        self.house.clock.now()
    }

    fn wait(&self, seconds: i64) {
        self.house.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn watcher(&self, name: &str) -> AlertWatch {
        AlertWatch::new(self.house.store.clone(), self.spans.tail(), WorkerName(name.to_owned()))
    }

    fn sketch(&self) -> Sketch {
        let (ended, provider) = (self.now(), "openai");
        Sketch { ended, ms: 100.0, failed: false, tokens: 10, nanos: 1_000_000, provider, below: None }
    }

    /// Stores a span; the number of its trace.
    async fn send(&mut self, sketch: &Sketch) -> u64 {
        self.number += 1;
        let trace = sketch.below.unwrap_or(self.number);
        let ended = sketch.ended.as_microsecond();
        let span = Span {
            trace_id: format!("{trace:032x}"),
            span_id: format!("{:016x}", self.number),
            parent_span_id: sketch.below.map(|root| format!("{root:016x}")),
            project_id: None,
            document_uuid: None,
            commit_uuid: None,
            experiment_uuid: None,
            test_deployment_id: None,
            span_type: SpanType::Prompt,
            name: "chat".to_owned(),
            service: None,
            provider: Some(sketch.provider.to_owned()),
            model: None,
            environment: None,
            user_id: None,
            session_id: None,
            status_code: if sketch.failed { StatusCode::Error } else { StatusCode::Ok },
            status_message: None,
            started_at: ended - (sketch.ms * 1000.0) as i64,
            started_ns: 0,
            ended_at: Some(ended),
            ended_ns: Some(0),
            duration_ms: Some(sketch.ms),
            prompt_tokens: None,
            completion_tokens: None,
            total_tokens: Some(sketch.tokens),
            cost_usd: Some(sketch.nanos),
            input: None,
            output: None,
            attributes: "{}".to_owned(),
            resource: "{}".into(),
            events: "[]".to_owned(),
        };
        assert_eq!(self.spans.append(&org(), vec![span]).await.unwrap().stored, 1);
        trace
    }

    async fn cost(&mut self, dollars: f64, ended: &str) {
        let sketch = Sketch { nanos: (dollars * 1e9) as i64, ended: ended.parse().unwrap(), ms: 0.0, ..self.sketch() };
        self.send(&sketch).await;
    }

    async fn rule(&self, body: Json) -> AlertId {
        let content = AlertContent::parse(body.as_object().unwrap()).unwrap();
        self.house.store.alerts.create(&act(), &org(), content).await.unwrap().id
    }

    async fn change(&self, id: AlertId, body: Json) {
        let present = self.alert(id).await;
        let mut whole = present.content.to_body();
        whole.extend(body.as_object().unwrap().clone());
        let content = AlertContent::parse(&whole).unwrap();
        self.house.store.alerts.replace(&act(), &org(), id, present.version, content).await.unwrap();
    }

    async fn alert(&self, id: AlertId) -> Alert {
        self.house.store.alerts.get(&org(), id).await.unwrap()
    }

    async fn told(&self) -> Vec<Event> {
        self.house.store.events.after(&org(), 0, 1000).await.unwrap()
    }

    async fn states(&self) -> Vec<String> {
        self.told().await.iter().map(|event| event.data["state"].as_str().unwrap().to_owned()).collect()
    }

    async fn percents(&self) -> Vec<u64> {
        let told = self.told().await;
        assert!(told.iter().all(|event| event.kind == EventType::CostThreshold));
        told.iter().map(|event| event.data["percent"].as_u64().unwrap()).collect()
    }
}

/// Passes until there is nothing left.
async fn judged(watcher: &mut AlertWatch) {
    while watcher.pass().await.unwrap() == Passed::More {}
}

fn errors() -> Json {
    json!({"kind": "metric", "name": "errors", "metric": "error_rate", "window_seconds": 60, "direction": "above",
        "threshold": 0.5, "clear_threshold": 0.2, "cool_down_seconds": 600, "filters": {"provider": "openai"}})
}

#[tokio::test]
async fn a_rule_fires_once_ends_once_and_cools_down() {
    let mut s = Spans::new();
    let rule = s.rule(errors()).await;
    let mut watcher = s.watcher("one");
    judged(&mut watcher).await;
    let failed = Sketch { failed: true, ..s.sketch() };
    s.send(&failed).await;
    s.send(&Sketch { provider: "anthropic", ..failed.clone() }).await;
    judged(&mut watcher).await;
    judged(&mut watcher).await;
    assert_eq!(s.states().await, ["firing"]);
    let told = s.told().await.remove(0);
    assert_eq!(told.kind, EventType::MetricThreshold);
    let data = Json::Object(told.data);
    assert_eq!(
        (&data["metric_name"], &data["threshold_value"], &data["current_value"], &data["provider"]),
        (&json!("error_rate"), &json!(0.5), &json!(1.0), &json!("openai"))
    );
    assert_eq!((&data["rule_id"], &data["model"]), (&json!(rule.to_string()), &Json::Null));
    // Between the thresholds nothing changes: 1 of 3.
    for _ in 0..2 {
        s.send(&s.sketch()).await;
    }
    judged(&mut watcher).await;
    assert!(s.alert(rule).await.state.firing);
    // 1 of 5.
    for _ in 0..2 {
        s.send(&s.sketch()).await;
    }
    judged(&mut watcher).await;
    assert_eq!(s.states().await, ["firing", "resolved"]);
    // Beyond it again, but it is told no more often than the cool-down says.
    for _ in 0..10 {
        s.send(&failed).await;
    }
    judged(&mut watcher).await;
    assert_eq!(s.states().await.len(), 2);
    s.wait(600);
    s.send(&Sketch { failed: true, ..s.sketch() }).await;
    judged(&mut watcher).await;
    assert_eq!(s.states().await, ["firing", "resolved", "firing"]);
    // Nothing is left in the window.
    s.wait(120);
    judged(&mut watcher).await;
    assert_eq!(s.states().await, ["firing", "resolved", "firing", "resolved"]);
}

#[tokio::test]
async fn a_trace_counts_once_and_late_spans_add_what_they_used() {
    let mut s = Spans::new();
    let rule = |metric: &str| {
        json!({"kind": "metric", "name": metric, "metric": metric, "window_seconds": 60, "direction": "above",
            "threshold": 1e9})
    };
    let (rate, tokens) = (s.rule(rule("traces_per_minute")).await, s.rule(rule("tokens")).await);
    let mut watcher = s.watcher("one");
    judged(&mut watcher).await;
    let root = s.send(&s.sketch()).await;
    judged(&mut watcher).await;
    s.wait(10);
    for _ in 0..3 {
        s.send(&Sketch { below: Some(root), ..s.sketch() }).await;
    }
    // A second root of the same trace.
    let trace = format!("{root:032x}");
    let second = Span { trace_id: trace, ..span_like(&s) };
    assert_eq!(s.spans.append(&org(), vec![second]).await.unwrap().stored, 1);
    judged(&mut watcher).await;
    assert_eq!(s.alert(rate).await.state.value, Some(1.0));
    assert_eq!(s.alert(tokens).await.state.value, Some(45.0));
}

/// A root of its own, of five tokens.
fn span_like(s: &Spans) -> Span {
    let now = s.now().as_microsecond();
    Span {
        trace_id: "f".repeat(32),
        span_id: "f".repeat(16),
        parent_span_id: None,
        project_id: None,
        document_uuid: None,
        commit_uuid: None,
        experiment_uuid: None,
        test_deployment_id: None,
        span_type: SpanType::Prompt,
        name: "chat".to_owned(),
        service: None,
        provider: None,
        model: None,
        environment: None,
        user_id: None,
        session_id: None,
        status_code: StatusCode::Ok,
        status_message: None,
        started_at: now,
        started_ns: 0,
        ended_at: Some(now),
        ended_ns: Some(0),
        duration_ms: Some(0.0),
        prompt_tokens: None,
        completion_tokens: None,
        total_tokens: Some(5),
        cost_usd: None,
        input: None,
        output: None,
        attributes: "{}".to_owned(),
        resource: "{}".into(),
        events: "[]".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn history_that_is_sent_later_raises_nothing() {
    let mut s = Spans::new();
    s.rule(errors()).await;
    s.rule(json!({"kind": "budget", "name": "day", "amount_usd": "1", "period": "day"})).await;
    let mut watcher = s.watcher("one");
    judged(&mut watcher).await;
    let last_year = s.now().checked_sub(SignedDuration::from_hours(24 * 365)).unwrap();
    for _ in 0..20 {
        s.send(&Sketch { failed: true, nanos: 1_000_000_000, ended: last_year, ..s.sketch() }).await;
    }
    judged(&mut watcher).await;
    assert!(s.told().await.is_empty());
}

#[tokio::test]
async fn one_of_two_counts_and_the_other_goes_on_where_it_was() {
    let mut s = Spans::new();
    let rule = s
        .rule(json!({"kind": "metric", "name": "traces", "metric": "traces_per_minute", "window_seconds": 60,
        "direction": "above", "threshold": 2}))
        .await;
    let (mut one, mut two) = (s.watcher("one"), s.watcher("two"));
    judged(&mut one).await;
    for _ in 0..2 {
        s.send(&s.sketch()).await;
    }
    judged(&mut one).await;
    assert_eq!(two.pass().await.unwrap(), Passed::Elsewhere);
    assert!(s.told().await.is_empty());
    // The first one dies; what it counted counts.
    drop(one);
    s.wait(31);
    s.send(&s.sketch()).await;
    judged(&mut two).await;
    assert_eq!(s.states().await, ["firing"]);
    assert_eq!(s.alert(rule).await.state.value, Some(3.0));
    // It was not dead, only slow.
    let mut one = s.watcher("one");
    assert_eq!(one.pass().await.unwrap(), Passed::Elsewhere);
}

#[tokio::test(start_paused = true)]
async fn each_percentage_is_told_once_in_a_period_and_a_raised_amount_arms_again() {
    let mut s = Spans::new();
    // Before anybody counted, and before there was a rule.
    s.cost(0.40, "2026-10-01T08:00:00Z").await;
    s.cost(5.00, "2026-09-30T23:59:59Z").await;
    let rule = s.rule(json!({"kind": "budget", "name": "day", "amount_usd": "1", "period": "day"})).await;
    let mut watcher = s.watcher("one");
    judged(&mut watcher).await;
    assert!(s.told().await.is_empty());
    assert_eq!(s.alert(rule).await.state.spending.unwrap().spent.to_string(), "0.4");
    s.cost(0.45, "2026-10-01T12:00:00Z").await;
    judged(&mut watcher).await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [50, 80]);
    drop(watcher);
    let mut watcher = s.watcher("one");
    s.cost(0.15, "2026-10-01T12:00:00Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [50, 80, 100], "exactly the amount");
    assert!(s.alert(rule).await.state.firing);
    s.change(rule, json!({"amount_usd": "2"})).await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [50, 80, 100], "half of it is spent, and that was told");
    s.cost(0.70, "2026-10-01T12:00:00Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [50, 80, 100, 80]);
    // Off and on: what was told stays told, and what was spent meanwhile counts.
    s.change(rule, json!({"enabled": false})).await;
    judged(&mut watcher).await;
    s.cost(0.10, "2026-10-01T12:00:00Z").await;
    judged(&mut watcher).await;
    s.change(rule, json!({"enabled": true})).await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await.len(), 4);
    assert_eq!(s.alert(rule).await.state.spending.unwrap().spent.to_string(), "1.8");
    // Another day. Late spans of the day before count for that.
    s.wait(12 * 3600);
    s.cost(9.00, "2026-10-01T23:00:00Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await.len(), 4);
    s.cost(1.00, "2026-10-02T00:00:00Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await[4..], [50]);
    assert!(!s.alert(rule).await.state.firing);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_25_hours_is_one_budget() {
    let mut s = Spans::new();
    let to = "2026-10-24T22:00:00Z".parse::<Timestamp>().unwrap();
    s.house.clock.advance(to.duration_since(s.now()));
    let body = json!({"kind": "budget", "name": "day", "amount_usd": "1", "period": "day", "percentages": [100],
        "time_zone": "Europe/Vienna", "provider": "openai"});
    let rule = s.rule(body).await;
    let mut watcher = s.watcher("one");
    judged(&mut watcher).await;
    s.cost(0.50, "2026-10-24T22:00:00Z").await;
    s.cost(9.00, "2026-10-24T21:59:59Z").await;
    s.wait(25 * 3600 - 1);
    s.cost(0.49, "2026-10-25T22:59:59Z").await;
    judged(&mut watcher).await;
    assert!(s.told().await.is_empty(), "the hours of one day");
    // By a clock ahead of ours: it counts when its day has come.
    s.cost(0.75, "2026-10-25T23:00:00Z").await;
    judged(&mut watcher).await;
    assert!(s.told().await.is_empty());
    s.cost(0.01, "2026-10-25T22:59:59Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [100]);
    s.wait(1);
    judged(&mut watcher).await;
    assert_eq!(s.alert(rule).await.state.spending.unwrap().spent.to_string(), "0.75");
    s.cost(0.25, "2026-10-25T23:00:01Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.percents().await, [100, 100]);
}

/// What the page about alerts says, computed from all spans there ever were.
fn naive(spans: &VecDeque<Sketch>, metric: &str, window: i64, now: Timestamp) -> Option<f64> {
    let length = window * 1_000_000 / 60;
    let last = now.as_microsecond().div_euclid(length);
    let within = |span: &&Sketch| span.ended.as_microsecond().div_euclid(length) > last - 60;
    let spans: Vec<&Sketch> = spans.iter().filter(within).collect();
    let roots: Vec<&&Sketch> = spans.iter().filter(|span| span.below.is_none()).collect();
    let count = roots.len() as f64;
    let sum = |of: fn(&Sketch) -> f64| spans.iter().map(|span| of(span)).sum::<f64>();
    match metric {
        "tokens" => Some(sum(|span| span.tokens as f64)),
        "cost" => Some(spans.iter().map(|span| span.nanos).sum::<i64>() as f64 / 1e9),
        "traces_per_minute" => Some(count * 60.0 / window as f64),
        _ if roots.is_empty() => None,
        "error_rate" => Some(roots.iter().filter(|root| root.failed).count() as f64 / count),
        "latency_avg" => Some(roots.iter().map(|root| root.ms).sum::<f64>() / count),
        "latency_p95" => {
            let mut sorted: Vec<f64> = roots.iter().map(|root| root.ms).collect();
            sorted.sort_by(f64::total_cmp);
            Some(sorted[(0.95 * (count - 1.0)) as usize])
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn whatever_comes_and_whoever_dies_the_values_are_those_of_a_count_from_scratch() {
    const METRICS: [&str; 6] = ["tokens", "cost", "traces_per_minute", "error_rate", "latency_avg", "latency_p95"];
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut s = Spans::new();
        let window = [60, 300, 3600][rng.random_range(0..3)];
        let mut rules = Vec::new();
        for metric in METRICS {
            let body = json!({"kind": "metric", "name": metric, "metric": metric, "window_seconds": window,
                "direction": "above", "threshold": 1e12});
            rules.push((metric, s.rule(body).await));
        }
        let (mut watcher, mut sent) = (s.watcher("one"), VecDeque::new());
        judged(&mut watcher).await;
        for _ in 0..25 {
            for _ in 0..rng.random_range(0..6) {
                let sketch = Sketch {
                    ms: f64::from(rng.random_range(1..200_000)),
                    failed: rng.random_bool(0.3),
                    tokens: rng.random_range(0..1000),
                    nanos: rng.random_range(0..10_000_000_000),
                    ..s.sketch()
                };
                let root = s.send(&sketch).await;
                sent.push_back(sketch.clone());
                if rng.random_bool(0.4) {
                    let below = Sketch { below: Some(root), failed: false, ..sketch };
                    s.send(&below).await;
                    sent.push_back(below);
                }
            }
            if rng.random_bool(0.3) {
                watcher = s.watcher("one");
            }
            s.wait(rng.random_range(5..window / 2));
            judged(&mut watcher).await;
            for (metric, id) in &rules {
                let (is, wanted) = (s.alert(*id).await.state.value, naive(&sent, metric, window, s.now()));
                let tolerance = if *metric == "latency_p95" { 0.011 } else { 1e-9 };
                let close = match (is, wanted) {
                    (Some(is), Some(wanted)) => (is - wanted).abs() <= wanted.abs() * tolerance + 1e-9,
                    (is, wanted) => is == wanted,
                };
                assert!(close, "seed {seed}, {metric} over {window} s: {is:?}, not {wanted:?}");
            }
        }
    }
}

/// What a store of spans says to who asks what some spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Sums,
    Errors,
    /// Nothing, ever.
    Nothing,
}

/// A store of spans that may not say what some spent.
#[derive(Debug)]
struct Blind {
    spans: Arc<dyn SpanTail>,
    /// With whom.
    provider: &'static str,
    says: Mutex<Says>,
    asked: AtomicU64,
}

impl Blind {
    fn new(s: &Spans, says: Says) -> Arc<Self> {
        Arc::new(Self {
            spans: s.spans.tail(),
            provider: "openai",
            says: Mutex::new(says),
            asked: AtomicU64::default(),
        })
    }

    fn watcher(self: &Arc<Self>, s: &Spans, name: &str) -> AlertWatch {
        AlertWatch::new(s.house.store.clone(), self.clone(), WorkerName(name.to_owned()))
    }

    fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// How often it was asked about them.
    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl SpanTail for Blind {
    async fn last(&self) -> Result<u64> {
        self.spans.last().await
    }

    async fn between(&self, orgs: &[OrgId], after: u64, upto: u64) -> Result<Vec<TailSpan>> {
        self.spans.between(orgs, after, upto).await
    }

    async fn spent(&self, asked: &SpentIn<'_>) -> Result<Usd> {
        if asked.provider == Some(self.provider) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let says = *self.says.lock().unwrap();
            match says {
                Says::Sums => {}
                Says::Errors => return Err(Error::new(ErrorKind::StoreUnavailable, "it takes too long")),
                Says::Nothing => std::future::pending().await,
            }
        }
        self.spans.spent(asked).await
    }
}

fn budget(name: &str, period: &str, provider: Option<&str>) -> Json {
    json!({"kind": "budget", "name": name, "amount_usd": "1", "period": period, "provider": provider})
}

/// What is told of budgets that nobody watches.
async fn uncounted(s: &Spans) -> Vec<Json> {
    let told = s.told().await.into_iter().filter(|event| event.kind == EventType::SystemAlert);
    told.map(|event| Json::Object(event.data)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_budget_whose_past_cannot_be_read_stops_no_other_and_is_told() {
    let mut s = Spans::new();
    s.cost(0.40, "2026-10-01T08:00:00Z").await;
    let blind = s.rule(budget("blind", "day", Some("openai"))).await;
    let sound = s.rule(budget("sound", "day", None)).await;
    let metric = s.rule(errors()).await;
    let tail = Blind::new(&s, Says::Errors);
    let mut watcher = tail.watcher(&s, "one");
    judged(&mut watcher).await;
    s.cost(0.20, "2026-10-01T12:00:00Z").await;
    for _ in 0..2 {
        s.send(&Sketch { failed: true, nanos: 0, ..s.sketch() }).await;
    }
    judged(&mut watcher).await;
    assert!(s.alert(metric).await.state.firing, "the others are judged");
    assert_eq!(s.alert(sound).await.state.value, Some(0.6));
    let state = s.alert(blind).await.state;
    assert_eq!((state.value, state.judged_at, state.firing), (None, None, false), "this one is not");
    assert_eq!(tail.asked(), 1, "it is not asked all the time");
    for _ in 0..9 {
        s.wait(30);
        judged(&mut watcher).await;
    }
    assert_eq!((tail.asked(), uncounted(&s).await.len()), (10, 0), "it may pass");
    for _ in 0..3 {
        s.wait(30);
        judged(&mut watcher).await;
    }
    let told = uncounted(&s).await;
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!((&told[0]["code"], &told[0]["state"]), (&json!("alert_not_counted"), &json!("begun")));
    assert_eq!((&told[0]["rule_id"], &told[0]["name"]), (&json!(blind), &json!("blind")));

    // What came in meanwhile is counted once, with what was there before.
    s.cost(0.10, "2026-10-01T12:00:00Z").await;
    tail.says(Says::Sums);
    s.wait(30);
    judged(&mut watcher).await;
    let spending = s.alert(blind).await.state.spending.unwrap();
    assert_eq!((spending.spent.to_string(), spending.complete), ("0.7".to_owned(), true));
    let told = uncounted(&s).await;
    assert_eq!((told.len(), &told[1]["state"]), (2, &json!("over")));
    // Whoever goes on with what is in the store finds the same.
    drop(watcher);
    let mut watcher = s.watcher("one");
    s.cost(0.05, "2026-10-01T12:00:00Z").await;
    judged(&mut watcher).await;
    assert_eq!(s.alert(blind).await.state.spending.unwrap().spent.to_string(), "0.75");
}

#[tokio::test(start_paused = true)]
async fn however_many_budgets_are_slow_to_be_read_nobody_waits_for_them() {
    const SLOW: u64 = 12;
    let mut s = Spans::new();
    s.cost(0.40, "2026-10-01T08:00:00Z").await;
    for number in 0..SLOW {
        s.rule(budget(&number.to_string(), "month", Some("openai"))).await;
    }
    let (sound, metric) = (s.rule(budget("sound", "day", None)).await, s.rule(errors()).await);
    let tail = Blind::new(&s, Says::Nothing);
    let (mut watcher, mut other) = (tail.watcher(&s, "one"), s.watcher("two"));
    judged(&mut watcher).await;
    s.send(&Sketch { failed: true, nanos: 0, ..s.sketch() }).await;
    // By a clock that runs whenever somebody waits.
    let pass = async |s: &Spans, watcher: &mut AlertWatch| {
        s.wait(2);
        let began = tokio::time::Instant::now();
        judged(watcher).await;
        assert!(began.elapsed() < Duration::from_secs(2), "a pass took {:?}", began.elapsed());
    };
    pass(&s, &mut watcher).await;
    assert!(s.alert(metric).await.state.firing, "it is judged at once");
    for _ in 0..3 * SLOW {
        pass(&s, &mut watcher).await;
        assert_eq!(other.pass().await.unwrap(), Passed::Elsewhere);
    }
    assert_eq!(s.alert(sound).await.state.value, Some(0.4), "each had its turn");
    // One that is made by now comes before those of which nothing came.
    let new = s.rule(budget("new", "day", None)).await;
    for _ in 0..4 {
        pass(&s, &mut watcher).await;
    }
    assert_eq!(s.alert(new).await.state.value, Some(0.4));
    for _ in 0..200 {
        pass(&s, &mut watcher).await;
    }
    let told = uncounted(&s).await;
    assert!(told.iter().all(|event| event["state"] == "begun"), "{told:?}");
    assert_eq!(told.len() as u64, SLOW, "each once");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_budget_that_nobody_watches_is_told_once_whoever_counts_and_whatever_is_changed() {
    let mut s = Spans::new();
    s.cost(0.40, "2026-10-01T08:00:00Z").await;
    let blind = s.rule(budget("blind", "day", Some("openai"))).await;
    let tail = Blind::new(&s, Says::Errors);
    let mut watcher = tail.watcher(&s, "one");
    let states = async |s: &Spans| -> Vec<Json> {
        uncounted(s).await.into_iter().map(|mut event| event["state"].take()).collect()
    };
    let mut begun = Vec::new();
    for round in 0..40 {
        // Rules of others, and a worker that dies now and then, do not make it begin anew.
        match round % 4 {
            1 => drop(s.rule(errors()).await),
            3 => watcher = tail.watcher(&s, &format!("{round}")),
            _ => {}
        }
        s.wait(31);
        judged(&mut watcher).await;
        begun = states(&s).await;
        assert!(begun.len() <= 1, "after {round}: {begun:?}");
        assert_eq!(begun.is_empty(), round < 10, "after {round}");
    }
    assert_eq!(begun, ["begun"]);
    // Nobody else's rule ends it, and neither does a change of its own that makes it count something else.
    s.change(blind, json!({"enabled": false})).await;
    judged(&mut watcher).await;
    s.change(blind, json!({"enabled": true})).await;
    s.wait(31);
    judged(&mut watcher).await;
    assert_eq!(states(&s).await, ["begun"]);
    s.rule(budget("another", "day", None)).await;
    tail.says(Says::Sums);
    s.wait(31);
    judged(&mut watcher).await;
    assert_eq!(states(&s).await, ["begun", "over"]);
    assert_eq!(s.alert(blind).await.state.value, Some(0.4));
    drop(watcher);
    let mut watcher = tail.watcher(&s, "last");
    s.wait(31);
    judged(&mut watcher).await;
    assert_eq!(states(&s).await, ["begun", "over"]);
}

#[tokio::test(start_paused = true)]
async fn a_past_is_read_on_where_it_was_whoever_counts_and_whatever_is_changed() {
    let mut s = Spans::new();
    for day in ["2026-10-01T08:00:00Z", "2026-10-20T08:00:00Z", "2026-10-31T23:59:59Z"] {
        s.cost(0.10, day).await;
    }
    let month = s.rule(budget("month", "month", Some("openai"))).await;
    let tail = Blind::new(&s, Says::Sums);
    let mut watcher = tail.watcher(&s, "one");
    for round in 0..30 {
        match round {
            9 => drop(s.rule(errors()).await),
            19 => watcher = tail.watcher(&s, "one"),
            _ => {}
        }
        s.cost(0.01, "2026-10-01T12:00:00Z").await;
        watcher.pass().await.unwrap();
        assert!(!s.alert(month).await.state.spending.unwrap().complete);
    }
    judged(&mut watcher).await;
    assert_eq!(s.alert(month).await.state.spending.unwrap().spent.to_string(), "0.6");
    // What had just been read when the rules or the watcher changed is read again.
    assert!((31..=33).contains(&tail.asked()), "{}", tail.asked());
}

#[tokio::test(start_paused = true)]
async fn events_of_alerts_have_nothing_of_sensitive_columns() {
    let mut s = Spans::new();
    s.rule(
        json!({"kind": "metric", "name": "failures", "metric": "error_rate", "window_seconds": 60, "direction": "above",
        "threshold": 0.5, "filters": {"provider": ["openai", "anthropic"]}}),
    )
    .await;
    s.rule(json!({"kind": "budget", "name": "all", "amount_usd": "1", "period": "day", "percentages": [100]})).await;
    s.rule(json!({"kind": "budget", "name": "one", "amount_usd": "1", "period": "day", "percentages": [100],
        "provider": "openai"}))
        .await;
    let mut watcher = s.watcher("one").hiding(vec![Dimension::Provider, Dimension::UserId]);
    judged(&mut watcher).await;
    s.send(&Sketch { failed: true, nanos: 2_000_000_000, ..s.sketch() }).await;
    judged(&mut watcher).await;
    let told: Vec<Json> = s.told().await.into_iter().map(|event| Json::Object(event.data)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for event in &told {
        assert!(!event.to_string().contains("openai"), "{event}");
        let narrowed = event["name"] != "all";
        assert_eq!(event["provider"], if narrowed { json!(MASKED) } else { Json::Null }, "{event}");
        assert!(event.get("user_id").is_none(), "{event}");
    }
}
