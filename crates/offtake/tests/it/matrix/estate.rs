//! What an organization owns: a thing of every sort, each of which says whose it is.

use std::collections::BTreeMap;
use std::time::Duration;

use offtake_testkit::{
    AppBuilder, Cable, Client, Database, Flow, Role, SpanSketch, TestApp, eventually, request_of, text,
};
use prost::Message;
use serde_json::{Map, Value as Json, json};

use super::document::Operation;
use super::places::Sort;
use crate::support::id_of;

/// What signs the tokens of this test.
pub(super) const SECRET: &str = "Jw7Qm2ZrX9tLpV4bNc6HdKf1YgSa8uEoTi5RbMz3WxGvCqBn";
/// Stands in everything that belongs to one organization, to the other, and to nobody.
pub(super) const ALPHA: &str = "zqalpha";
pub(super) const BRAVO: &str = "zqbravo";
const NOBODY: &str = "zqnever";

const PATIENCE: Duration = Duration::from_secs(60);

/// The columns of spans that tell whose they are, and the attributes they come from.
const TEXTS: [(&str, &str); 11] = [
    ("project_id", "offtake.project_id"),
    ("document_uuid", "offtake.document_uuid"),
    ("commit_uuid", "offtake.commit_uuid"),
    ("experiment_uuid", "offtake.experiment_uuid"),
    ("test_deployment_id", "offtake.test_deployment_id"),
    ("service", "service.name"),
    ("provider", "gen_ai.provider.name"),
    ("model", "gen_ai.request.model"),
    ("environment", "deployment.environment.name"),
    ("user_id", "user.id"),
    ("session_id", "session.id"),
];

/// A dataset in somebody's Postgres.
const LEDGER: &str = "
    CREATE TABLE ledger (id bigint PRIMARY KEY, org text NOT NULL, note text);
    INSERT INTO ledger SELECT n, 'org-zqalpha', 'zqalpha-note' FROM generate_series(1001, 1003) n;
    INSERT INTO ledger SELECT n, 'org-zqbravo', 'zqbravo-note' FROM generate_series(2001, 2003) n;";

/// The organization of this mark.
pub(super) fn org(mark: &str) -> String {
    format!("org-{mark}")
}

/// Who asked for its exports.
pub(super) fn owner(mark: &str) -> String {
    format!("{mark}-owner")
}

/// An organization with everything it owns.
#[derive(Debug, Clone)]
pub(super) struct Estate {
    pub(super) mark: &'static str,
    pub(super) owner: Client,
    things: BTreeMap<Sort, Vec<Json>>,
    cursors: BTreeMap<String, Json>,
    moments: BTreeMap<String, Json>,
    /// Whether only what is one person's counts, not what is everybody's in the organization.
    personal: bool,
    /// Nobody else may ever see one of these.
    pub(super) marks: Vec<String>,
}

/// Server and worker with two organizations. The worker stands still once both own a job in every state, so that nothing
/// changes by itself.
pub(super) async fn both(
    app: AppBuilder,
    database: &Database,
    cable: &Cable,
    server_port: u16,
) -> (TestApp, Estate, Estate) {
    database.execute(LEDGER);
    let url = database.url().replacen(&format!(":{server_port}/"), &format!(":{}/", cable.port()), 1);
    let tables = format!(
        "[sources.pg]\nurl = '{url}'\n[datasets.ledger]\nsource = 'pg'\ntable = 'ledger'\ntenant = 'org'\nkey = ['id']\n\
         filters = {{ note = 'in' }}\n"
    );
    let app = app.apart().with_tables(&tables);
    // Nobody waits for a worker that stands still, and nobody takes its jobs.
    let app = app
        .set("server.sync_wait", "\"0s\"")
        .set("worker.lease", "\"1h\"")
        // Nobody is there to take a mail.
        .set("mail.host", "\"127.0.0.1\"")
        .set("mail.port", "9")
        .set("mail.from", "\"offtake@example.org\"")
        .set("webhooks.allow_http", "true")
        .set("webhooks.allow", "[\"127.0.0.1\"]")
        .set("token.secret", &format!("{SECRET:?}"));
    let mut app = app.start().await;
    let (mut alpha, mut bravo) = (Estate::new(&app, ALPHA).await, Estate::new(&app, BRAVO).await);
    for (estate, number) in [(&mut alpha, 0xa), (&mut bravo, 0xb)] {
        estate.send_spans(number).await;
        estate.at_rest(database).await;
        estate.endpoint().await;
    }
    cable.set(Flow::Vanishes);
    for estate in [&mut alpha, &mut bravo] {
        estate.begin("processing", "ledger").await;
    }
    for estate in [&alpha, &bravo] {
        let job = estate.things[&Sort::Job].last().and_then(Json::as_str).expect("a job").to_owned();
        eventually("a job is worked on", PATIENCE, || async {
            (estate.owner.job(&job).await["status"] == "processing").then_some(())
        })
        .await;
    }
    app.freeze(Role::Worker).await;
    cable.set(Flow::OldIsDead);
    for estate in [&mut alpha, &mut bravo] {
        estate.waiting().await;
        estate.collect(&app).await;
    }
    (app, alpha, bravo)
}

impl Estate {
    async fn new(app: &TestApp, mark: &'static str) -> Self {
        let (org, sub, email) = (org(mark), owner(mark), format!("{}@mail.example", owner(mark)));
        let token = ["token", "--org", &org, "--sub", &sub, "--permissions", "all", "--email", &email, "--ttl", "12h"];
        let owner = app.client_with_token(app.cli(&token).await.stdout.trim());
        let (things, cursors, moments) = Default::default();
        Self { mark, owner, things, cursors, moments, personal: false, marks: vec![mark.to_owned()] }
    }

    /// What its owner does not share with colleagues: the jobs, and what belongs to them.
    pub(super) fn of_its_owner(&self) -> Self {
        let jobs = self.all(&Sort::Job).iter().chain(self.all(&Sort::Artifact));
        let marks = jobs.filter_map(Json::as_str).map(str::to_owned).collect();
        Self { personal: true, marks, ..self.clone() }
    }

    /// Every thing of this sort that was counted when it was made.
    pub(super) fn all(&self, sort: &Sort) -> &[Json] {
        self.things.get(sort).map_or(&[], Vec::as_slice)
    }

    /// The things of this sort that fit the call.
    pub(super) fn things(&self, sort: &Sort, operation: &Operation) -> Vec<Json> {
        const OF_JOBS: [Sort; 8] = [
            Sort::Job,
            Sort::Artifact,
            Sort::Signature,
            Sort::Bearer,
            Sort::RequestId,
            Sort::IdempotencyKey,
            Sort::Etag,
            Sort::JobCursor,
        ];
        if self.personal && !OF_JOBS.contains(sort) {
            return Vec::new();
        }
        let dataset = operation.dataset().unwrap_or("spans");
        match sort {
            Sort::Column(column) => vec![self.cell(column, dataset)],
            Sort::Selection => self.selections(dataset),
            Sort::RowCursor => self.cursors.get(dataset).cloned().into_iter().collect(),
            Sort::AsOf => self.moments.get(dataset).cloned().into_iter().collect(),
            Sort::Filters => vec![json!({"model": self.text("model")})],
            Sort::Page => self.cursors.get(&operation.path).cloned().into_iter().collect(),
            Sort::Job
            | Sort::Artifact
            | Sort::Signature
            | Sort::Bearer
            | Sort::Preset
            | Sort::Dataset
            | Sort::RequestId
            | Sort::IdempotencyKey
            | Sort::Etag
            | Sort::JobCursor
            | Sort::Spans
            | Sort::Principal
            | Sort::Notification
            | Sort::Webhook
            | Sort::Delivery
            | Sort::Schedule
            | Sort::Alert
            | Sort::ApiKey => self.all(sort).to_vec(),
        }
    }

    fn text(&self, what: &str) -> String {
        format!("{}-{what}", self.mark)
    }

    fn nibble(&self) -> u8 {
        if self.mark == ALPHA { 0xa } else { 0xb }
    }

    /// What the column holds in a row of this organization.
    fn cell(&self, column: &str, dataset: &str) -> Json {
        let number = self.nibble();
        match column {
            "id" if dataset == "ledger" => json!(if self.mark == ALPHA { 1001 } else { 2001 }),
            "trace_id" => json!(hex(&trace(number, 1))),
            "span_id" | "parent_span_id" => json!(hex(&span(number, 1))),
            "input" => json!(self.text("name")),
            text => json!(self.text(text)),
        }
    }

    fn selections(&self, dataset: &str) -> Vec<Json> {
        let identity: &[&str] = match dataset {
            "ledger" => &["id"],
            "traces" => &["trace_id"],
            _ => &["trace_id", "span_id"],
        };
        let row: Map<String, Json> =
            identity.iter().map(|column| ((*column).to_owned(), self.cell(column, dataset))).collect();
        ["partial", "all_except"].into_iter().map(|mode| json!({"mode": mode, "ids": [row]})).collect()
    }

    /// Three prompts, each with its completion.
    async fn send_spans(&mut self, number: u8) {
        let spans: Vec<SpanSketch> = (1..=3).flat_map(|index| self.pair(number, index)).collect();
        self.owner.otlp(request_of(&spans).encode_to_vec()).await.expect(200);
        self.marks.extend((1..=3).flat_map(|index| [hex(&trace(number, index)), hex(&span(number, index))]));
        let ids = |make: fn(u8, u8) -> Vec<u8>| (1..=3).map(|index| hex(&make(number, index))).collect::<Vec<_>>();
        self.things.insert(Sort::Spans, vec![json!({"traces": ids(trace), "spans": ids(span)})]);
    }

    fn pair(&self, number: u8, index: u8) -> [SpanSketch; 2] {
        let told = |kind: &str, id: Vec<u8>| {
            let mut sketch = SpanSketch::new(u64::from(number) * 100 + u64::from(index))
                .in_trace(&trace(number, index))
                .as_span(&id)
                .with("offtake.type", text(kind));
            sketch.0.name = self.text("name");
            sketch.0.attributes.retain(|attribute| attribute.key != "gen_ai.provider.name");
            TEXTS.iter().fold(sketch, |sketch, (column, attribute)| sketch.with(attribute, text(&self.text(column))))
        };
        let prompt = told("prompt", span(number, index));
        let mut completion = told("completion", span(number, index + 8));
        completion.0.parent_span_id = span(number, index);
        [prompt, completion]
    }

    /// Jobs that are over: two with a file, one whose file is gone, one that failed.
    async fn at_rest(&mut self, database: &Database) {
        let preset = json!({"name": self.text("preset"), "dataset": "spans", "format": "jsonl",
            "filters": {"model": self.text("model")}});
        self.owner.post("/api/v1/presets", &preset).await.expect(201);
        self.things.insert(Sort::Preset, vec![json!(self.text("preset"))]);
        let schedule = json!({"name": self.text("schedule"), "dataset": "spans", "cron": "0 3 1 1 *",
            "request": {"format": "jsonl", "model": self.text("model")}});
        let made = self.owner.post("/api/v1/schedules", &schedule).await.expect(201).json();
        self.marks.extend(made["id"].as_str().map(str::to_owned));
        self.things.insert(Sort::Schedule, vec![made["id"].clone()]);
        let alert = json!({"kind": "budget", "name": self.text("alert"), "amount_usd": "1", "period": "day"});
        let made = self.owner.post("/api/v1/alerts", &alert).await.expect(201).json();
        self.marks.push(made["id"].as_str().expect("an id").to_owned());
        self.things.insert(Sort::Alert, vec![made["id"].clone()]);
        for _ in 0..3 {
            self.begin("completed", "spans").await;
            self.rested("completed").await;
        }
        let gone = self.last_job();
        self.owner.delete(&format!("/api/v1/export/jobs/{gone}/file")).await.expect(204);
        self.rested("expired").await;
        database.execute("ALTER TABLE ledger RENAME COLUMN note TO other");
        self.begin("failed", "ledger").await;
        self.rested("failed").await;
        database.execute("ALTER TABLE ledger RENAME COLUMN other TO note");
    }

    /// Jobs that nobody works on: one that waits, one that was called off.
    async fn waiting(&mut self) {
        self.begin("cancelled", "spans").await;
        self.owner.delete(&format!("/api/v1/export/jobs/{}", self.last_job())).await.expect(204);
        self.begin("pending", "spans").await;
    }

    async fn begin(&mut self, what: &str, dataset: &str) {
        let number = self.things.get(&Sort::Job).map_or(0, Vec::len);
        let (key, request) = (self.text(&format!("key-{number}")), self.text(&format!("request-{number}")));
        let body =
            json!({"format": "jsonl", "name": self.text(what), "notify": {"email": true}}).to_string().into_bytes();
        let headers = [("content-type", "application/json"), ("idempotency-key", &*key), ("x-request-id", &*request)];
        let path = format!("/api/v1/export/{dataset}");
        let job = self.owner.send(reqwest::Method::POST, &path, &headers, body).await.expect(202).json();
        self.marks.push(id_of(&job).to_owned());
        self.things.entry(Sort::Job).or_default().push(json!(id_of(&job)));
        self.things.entry(Sort::IdempotencyKey).or_default().push(json!(key));
        self.things.entry(Sort::RequestId).or_default().push(json!(request));
    }

    fn last_job(&self) -> String {
        let job = self.things[&Sort::Job].last().and_then(Json::as_str);
        job.expect("there is a job").to_owned()
    }

    async fn rested(&self, status: &str) {
        let job = self.last_job();
        eventually(status, PATIENCE, || async {
            let job = self.owner.job(&job).await;
            (job["status"] == status).then_some(())
        })
        .await;
    }

    /// API keys, where there are any, and where pages of what administrators see end.
    async fn keys(&mut self) {
        for what in ["key-a", "key-b"] {
            let body = json!({"name": self.text(what), "permissions": ["exports:read"]});
            let made = self.owner.post("/api/v1/api-keys", &body).await;
            if made.status == 201 {
                let made = made.json();
                self.marks.extend(["id", "key"].iter().filter_map(|name| made[*name].as_str()).map(str::to_owned));
                self.things.entry(Sort::ApiKey).or_default().push(made["id"].clone());
            }
        }
        for path in ["/api/v1/api-keys", "/api/v1/principals", "/api/v1/audit", "/api/v1/notifications"] {
            let page = self.owner.get(&format!("{path}?limit=1")).await;
            if page.status == 200 && page.json()["next_cursor"].is_string() {
                self.cursors.insert(path.to_owned(), page.json()["next_cursor"].clone());
            }
        }
    }

    /// Who was told of the exports. Nobody can be, here: it was given up, and can be asked for again.
    async fn notified(&mut self) {
        let page = self.owner.get("/api/v1/notifications?state=failed").await.expect(200).json();
        let ids: Vec<Json> =
            page["notifications"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        assert!(!ids.is_empty(), "{page}");
        self.marks.extend(ids.iter().filter_map(Json::as_str).map(str::to_owned));
        self.things.insert(Sort::Notification, ids);
    }

    /// An endpoint where nobody is, and what was sent there, where there may be such.
    async fn endpoint(&mut self) {
        let body =
            json!({"url": "http://127.0.0.1:65535/hook", "events": ["system_alert"], "description": self.text("hook")});
        let made = self.owner.post("/api/v1/webhooks", &body).await;
        if made.status != 201 {
            return;
        }
        let made = made.json();
        self.marks.extend(["id", "secret"].iter().filter_map(|name| made[*name].as_str()).map(str::to_owned));
        let path = format!("/api/v1/webhooks/{}", made["id"].as_str().expect("an id"));
        for _ in 0..2 {
            let owed = self.owner.post(&format!("{path}/test"), &json!({})).await.expect(202).json();
            self.marks.extend(owed["id"].as_str().map(str::to_owned));
            self.things.entry(Sort::Delivery).or_default().push(owed["id"].clone());
            let delivery = format!("{path}/deliveries/{}", owed["id"].as_str().expect("an id"));
            eventually("the test is over", PATIENCE, || async {
                let seen = self.owner.get(&delivery).await.expect(200).json();
                (seen["state"] == "failed").then_some(())
            })
            .await;
        }
        self.things.insert(Sort::Webhook, vec![made["id"].clone()]);
        let page = self.owner.get(&format!("{path}/deliveries?limit=1")).await.expect(200).json();
        self.cursors.insert("/api/v1/webhooks/{id}/deliveries".to_owned(), page["next_cursor"].clone());
    }

    /// What is handed out when all of that is there: links, tags, cursors, moments.
    async fn collect(&mut self, app: &TestApp) {
        let jobs = self.things[&Sort::Job].clone();
        self.things.insert(Sort::JobCursor, jobs.clone());
        self.things.insert(Sort::Dataset, vec![json!("spans"), json!("ledger")]);
        self.things.insert(Sort::Principal, vec![json!(owner(self.mark))]);
        self.keys().await;
        self.notified().await;
        let artifacts = app.jobs_query(&format!("SELECT id FROM artifacts WHERE org = '{}'", org(self.mark)));
        let artifacts: Vec<String> = artifacts.into_iter().flatten().collect();
        self.marks.extend(artifacts.clone());
        self.things.insert(Sort::Artifact, artifacts.into_iter().map(Json::from).collect());
        let first = jobs[0].as_str().expect("an id");
        let link = self.owner.link(first).await;
        for (name, sort) in [("signature=", Sort::Signature), ("for=", Sort::Bearer)] {
            let found = link.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
            self.things.insert(sort, found.map(|value| json!(value)).into_iter().collect());
        }
        let tag = self.owner.get(&format!("/api/v1/export/jobs/{first}")).await.header("etag").to_owned();
        self.things.insert(Sort::Etag, vec![json!(tag), json!("*"), json!("\"1\"")]);
        for dataset in ["spans", "traces", "prompts", "ledger"] {
            let page =
                self.owner.post(&format!("/api/v1/datasets/{dataset}/rows"), &json!({"limit": 2})).await.expect(200);
            let page = page.json();
            assert!(page["next_cursor"].is_string(), "there is a next page of {dataset}: {page}");
            self.cursors.insert(dataset.to_owned(), page["next_cursor"].clone());
            self.moments.insert(dataset.to_owned(), page["as_of"].clone());
        }
    }
}

/// The ids of the spans of an organization: its digit, and which one.
fn trace(number: u8, index: u8) -> Vec<u8> {
    vec![(number << 4) | index; 16]
}

fn span(number: u8, index: u8) -> Vec<u8> {
    vec![(number << 4) | index; 8]
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// A request with spans of these ids, and not a word that tells whose they are.
pub(super) fn spans_of(ids: &Json) -> Vec<u8> {
    let all = |name: &str| ids[name].as_array().cloned().unwrap_or_default();
    let bytes = |id: &Json| hex::decode(id.as_str().expect("an id")).expect("hex");
    let pairs = all("traces").into_iter().zip(all("spans"));
    let spans: Vec<SpanSketch> =
        pairs.map(|(trace, span)| SpanSketch::new(1).in_trace(&bytes(&trace)).as_span(&bytes(&span))).collect();
    request_of(&spans).encode_to_vec()
}

/// Something of the same shape that nobody ever had.
pub(super) fn absent(thing: &Json) -> Json {
    match thing {
        Json::String(text) if text == "*" => thing.clone(),
        Json::String(text) if ["partial", "all_except"].contains(&text.as_str()) => thing.clone(),
        Json::String(text) => json!(absent_text(text)),
        Json::Number(number) => json!(number.as_i64().map(|number| number + 7_000_000)),
        Json::Array(all) => all.iter().map(absent).collect(),
        Json::Object(all) => all.iter().map(|(name, value)| (name.clone(), absent(value))).collect(),
        Json::Bool(_) | Json::Null => thing.clone(),
    }
}

fn absent_text(text: &str) -> String {
    for mark in [ALPHA, BRAVO] {
        if text.contains(mark) {
            return text.replace(mark, NOBODY);
        }
    }
    // Another last letter or digit: ids that sort as theirs do, of the same moment.
    let mut letters: Vec<char> = text.chars().collect();
    let last = letters.iter().rposition(char::is_ascii_alphanumeric).expect("a text names something");
    letters[last] = match letters[last] {
        '0'..='8' | 'a'..='e' => char::from_u32(u32::from(letters[last]) + 1).expect("the next one"),
        '9' => '0',
        'f' => 'a',
        _ => 'q',
    };
    letters.into_iter().collect()
}
