//! What happens to an export, as a stream.

use std::time::{Duration, Instant};

use axum::body::Body;
use futures::StreamExt as _;
use http::{Method, Request};
use jiff::SignedDuration;
use offtake_model::id::JobId;
use offtake_model::job::{Phase, Progress};
use offtake_model::plan::Plan;
use offtake_store::{Take, WorkerName};
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use crate::house::House;

const LONG: Duration = Duration::from_secs(20);

/// A stream that is being read.
struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

/// A message: its id, and what it says.
type Message = (Option<u64>, Json);

impl Stream {
    async fn open(house: &House, job: JobId, token: &str, last: Option<u64>) -> Self {
        let mut request = Request::get(path(job)).header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = house.router.clone().oneshot(request).await.expect("routers do not fail");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let message = field("data:").map(|data| {
                    assert_eq!(field("event:"), Some("export_job_status"), "{block}");
                    (field("id:").map(|id| id.parse().expect("a number")), serde_json::from_str(data).expect("JSON"))
                });
                self.text = rest.to_owned();
                match message {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            let piece = tokio::time::timeout(LONG, self.body.next()).await.expect("something comes")?;
            self.text.push_str(std::str::from_utf8(&piece.expect("no error")).expect("UTF-8"));
        }
    }

    async fn rest(&mut self) -> Vec<(Option<u64>, String)> {
        let mut all = Vec::new();
        while let Some((id, message)) = self.next().await {
            all.push((id, message["data"]["status"].as_str().expect("a status").to_owned()));
        }
        all
    }
}

fn path(job: JobId) -> String {
    format!("/api/v1/export/jobs/{job}/events")
}

fn told(all: &[(u64, &str)]) -> Vec<(Option<u64>, String)> {
    all.iter().map(|(id, status)| (Some(*id), (*status).to_owned())).collect()
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_ends() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let alice = house.token("acme", "alice", "all");
    let mut stream = Stream::open(&house, job, &alice, None).await;
    let (id, first) = stream.next().await.expect("the present state");
    assert_eq!(id, Some(1));
    let says = json!({"event_type": "export_job_status", "seq": 1, "timestamp": "2026-11-20T12:00:00Z", "data": {
        "job_id": job, "org_id": "acme", "status": "pending", "progress_percent": null, "row_count": 0, "trace_count": 0,
        "timestamp": "2026-11-20T12:00:00Z"}});
    assert_eq!(first, says);
    house.complete_next(b"a\nb\n").await;
    assert_eq!(stream.rest().await, told(&[(2, "processing"), (3, "completed")]));

    // Whoever comes back goes on where they were.
    for (last, rest) in [(0, &[(1, "pending"), (2, "processing"), (3, "completed")][..]), (2, &[(3, "completed")])] {
        assert_eq!(Stream::open(&house, job, &alice, Some(last)).await.rest().await, told(rest), "{last}");
    }
    let over = house.get(path(job)).header("last-event-id", "3").answer().await.expect(204);
    assert!(over.body.is_empty());
    // What is no number that was given out: the present state.
    for last in ["99", "x", "18446744073709551615"] {
        let answer = house.get(path(job)).header("last-event-id", last).answer().await.expect(200);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("id: 3") && text.contains("completed"), "{last}: {text}");
    }
}

#[tokio::test]
async fn progress_is_a_state_and_has_no_number() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let worker = WorkerName("tests".to_owned());
    let minute = SignedDuration::from_mins(1);
    let claimed = house.store.jobs.claim(&worker, Take::Any, minute).await.expect("a claim").expect("a job");
    let plan = Plan {
        as_of: offtake_model::as_of::AsOf::Cutoff { sequence: 1, at: claimed.job.created_at },
        rows_matching: 1000,
        rows_expected: 1000,
        frame_rows: 64,
        range_rows: 64,
        cuts: Vec::new(),
        frame_bytes: u64::MAX,
        row_bytes: 2,
    };
    house.store.jobs.save_plan(&claimed.lease, &plan).await.expect("planned");
    let mut stream = Stream::open(&house, job, &house.token("acme", "alice", "all"), None).await;
    assert_eq!(stream.next().await.expect("the state").0, Some(2));
    let began = Instant::now();
    let beating = async {
        for rows in 1..=100 {
            let progress = Progress { rows, bytes: rows, rows_per_second: 1.0 };
            house.store.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress, minute).await.expect("it holds");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        loop {
            let (id, message) = stream.next().await.expect("progress");
            assert_eq!((id, &message["seq"]), (None, &json!(2)), "{message}");
            seen.push(message["data"]["row_count"].as_u64().expect("a number"));
            if seen.last() == Some(&100) {
                return seen;
            }
        }
    };
    let (seen, ()) = tokio::join!(reading, beating);
    let most = began.elapsed().as_millis() as usize / 500 + 1;
    assert!(seen.is_sorted() && seen.len() <= most, "{seen:?} in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_is_for_those_who_may_see_the_job() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let never = "/api/v1/export/jobs/job_00000000000000000000000000000000/events";
    for (org, user, permissions) in [("other", "eve", "all"), ("acme", "bob", "exports:read")] {
        let ask = async |path: String| {
            let ask = house.ask(Method::GET, path).by(org, user, permissions).header("x-request-id", "r");
            ask.answer().await.expect(404).body
        };
        assert_eq!(ask(path(job)).await, ask(never.to_owned()).await, "{org} {user}");
    }
    house.ask(Method::GET, path(job)).by("acme", "alice", "exports:create").answer().await.expect(403);
    house.ask(Method::GET, path(job)).answer().await.expect(401);
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let token = house.token("acme", "bob", "exports:read,exports:read_all");
    let mut stream = Stream::open(&house, job, &token, None).await;
    stream.next().await.expect("the present state");
    let began = Instant::now();
    let withheld = json!({"withheld": ["exports:read", "exports:read_all"]});
    house
        .ask(Method::PATCH, "/api/v1/principals/bob")
        .by("acme", "alice", "all")
        .json(&withheld)
        .answer()
        .await
        .expect(200);
    assert_eq!(stream.rest().await, []);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    let mut stream = Stream::open(&house, job, &house.token("acme", "carol", "all"), None).await;
    stream.next().await.expect("the present state");
    house.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(stream.rest().await, [], "the token is over");
}

#[tokio::test]
async fn there_are_only_so_many_streams_of_one() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let alice = house.token("acme", "alice", "all");
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Stream::open(&house, job, &alice, None).await);
    }
    assert_eq!(house.get(path(job)).answer().await.problem(429).0, "too_many_requests");
    Stream::open(&house, job, &house.token("acme", "bob", "all"), None).await;
    open.pop();
    Stream::open(&house, job, &alice, None).await;
}

#[tokio::test]
async fn what_was_forgotten_is_the_present_state() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    house.complete_next(b"a\n").await;
    house.clock.advance(SignedDuration::from_mins(10));
    house.store.events.prune_events(SignedDuration::from_mins(5)).await.expect("pruned");
    let alice = house.token("acme", "alice", "all");
    let answer = Stream::open(&house, job, &alice, Some(1)).await.rest().await;
    assert_eq!(answer, told(&[(0, "completed")]));
}
