//! One-time tokens: each is worth one link, however many show it at once and whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use offtake_testkit::{
    Answer, AppBuilder, Client, PgVersion, Postgres, Role, SpanSketch, TestApp, eventually, python, sha256, switch,
};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::support::{OFFTAKE, id_of, send};

const REDEEM: &str = "/api/v1/export/redeem";
/// Tokens that are shown at the same time.
const AT_ONCE: usize = 4;

fn tokens() -> usize {
    switch("OFFTAKE_TEST_TOKENS", 40)
}

fn redeemers() -> usize {
    switch("OFFTAKE_TEST_REDEEMERS", 50)
}

/// A fresh token for the file of a job.
async fn issued(client: &Client, job: &str, body: &Json) -> Json {
    client.post(&format!("/api/v1/export/jobs/{job}/token"), body).await.expect(201).json()
}

fn token_of(issued: &Json) -> String {
    issued["token"].as_str().unwrap_or_else(|| panic!("no token: {issued}")).to_owned()
}

async fn redeem(client: &Client, token: &str) -> Answer {
    client.without_token().post(REDEEM, &json!({"token": token})).await
}

fn says(answer: &Answer, word: &str) -> bool {
    answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(word))
}

/// What became of requests that showed one token.
#[derive(Debug, Default)]
struct Shown {
    links: Vec<String>,
    refused: usize,
    /// Not answered, or with a 503: the token may have been spent or not.
    lost: usize,
}

impl Shown {
    fn add(&mut self, answer: Option<Answer>) {
        match answer {
            None => self.lost += 1,
            Some(answer) if answer.status == 503 => self.lost += 1,
            Some(answer) if answer.status == 200 => {
                self.links.push(answer.json()["link"].as_str().expect("a link").to_owned());
            }
            Some(answer) => {
                assert!(answer.status == 410 && says(&answer, "used already"), "{answer}");
                self.refused += 1;
            }
        }
    }
}

/// Everybody who shows these tokens, each many times, by turns at each of the doors.
struct Crowd {
    showing: JoinSet<(usize, Option<Answer>)>,
    answered: Arc<AtomicUsize>,
}

impl Crowd {
    fn new() -> Self {
        Self { showing: JoinSet::new(), answered: Arc::default() }
    }

    fn add(&mut self, doors: &[Client], tokens: &[String], each: usize) {
        for turn in 0..each {
            for (at, token) in tokens.iter().enumerate() {
                let door = doors[(turn + at) % doors.len()].clone();
                let body = json!({"token": token}).to_string().into_bytes();
                let answered = Arc::clone(&self.answered);
                self.showing.spawn(async move {
                    let json = [("content-type", "application/json")];
                    let answer = door.try_send(Method::POST, REDEEM, &json, body).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                    (at, answer)
                });
            }
        }
    }

    async fn begun(&self) {
        eventually("somebody is answered", Duration::from_secs(60), || async {
            (self.answered.load(Ordering::Relaxed) > 0).then_some(())
        })
        .await;
    }

    async fn all(mut self, tokens: usize) -> Vec<Shown> {
        let mut shown: Vec<Shown> = (0..tokens).map(|_| Shown::default()).collect();
        while let Some(answered) = self.showing.join_next().await {
            let (at, answer) = answered.expect("no request panics");
            shown[at].add(answer);
        }
        shown
    }
}

/// How it all ended.
#[derive(Debug, Default)]
struct Tally {
    tokens: usize,
    requests: usize,
    links: usize,
    refused: usize,
    /// Requests without an answer that says anything.
    lost: usize,
    /// Tokens that were spent by a request whose answer was lost.
    spent_unseen: usize,
    /// Tokens that nobody spent in the outage, and one afterwards.
    spent_later: usize,
}

impl Tally {
    /// Shows the token once more, when everybody answers again, and says what became of it: one link, or none because
    /// the answer with it was lost. Never two.
    async fn settle(&mut self, door: &Client, token: &str, mut shown: Shown, disturbed: bool) {
        let before = shown.links.len();
        let unanswered = AtomicUsize::new(0);
        let last = eventually("a last request is answered", Duration::from_secs(60), || async {
            let body = json!({"token": token}).to_string().into_bytes();
            let answer = door.try_send(Method::POST, REDEEM, &[("content-type", "application/json")], body).await;
            let answer = answer.filter(|answer| answer.status != 503);
            if answer.is_none() {
                unanswered.fetch_add(1, Ordering::Relaxed);
            }
            answer
        })
        .await;
        shown.lost += unanswered.into_inner();
        shown.add(Some(last));
        assert!(shown.links.len() <= 1, "a token was spent {} times: {shown:?}", shown.links.len());
        if !disturbed {
            assert_eq!((shown.links.len(), before, shown.lost), (1, 1, 0), "{shown:?}");
        }
        if shown.links.is_empty() {
            assert!(shown.lost > 0, "spent, and nobody has the link: {shown:?}");
            self.spent_unseen += 1;
        }
        self.spent_later += shown.links.len() - before;
        self.tokens += 1;
        self.requests += shown.links.len() + shown.refused + shown.lost;
        self.links += shown.links.len();
        self.refused += shown.refused;
        self.lost += shown.lost;
    }
}

/// A tiny job for each of the tokens that are shown at once.
async fn files(client: &Client) -> Vec<String> {
    send(client, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    let mut jobs = Vec::new();
    for _ in 0..AT_ONCE {
        jobs.push(id_of(&client.export("spans", &json!({"format": "csv"})).await).to_owned());
    }
    jobs
}

async fn fresh(client: &Client, jobs: &[String]) -> Vec<String> {
    let mut tokens = Vec::new();
    for job in jobs {
        tokens.push(token_of(&issued(client, job, &json!({})).await));
    }
    tokens
}

/// Both servers of an app, without tokens of their own.
async fn doors(app: &TestApp) -> [Client; 2] {
    [app.anonymous(), app.second_client("acme").await.without_token()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_one_link_though_the_database_restarts() {
    let mut server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let mut app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).apart().start().await;
    app.start_role(Role::SecondServer).await;
    let client = app.client("acme").await;
    let jobs = files(&client).await;
    let doors = doors(&app).await;
    let rounds = tokens().div_ceil(AT_ONCE);
    type Stop = fn(&mut Postgres);
    let ways: [Stop; 3] = [Postgres::stop_fast, Postgres::stop_immediate, Postgres::kill9];
    let stops: Vec<(usize, Stop)> =
        ways.into_iter().zip([1, 2, 3]).map(|(way, turn)| (rounds * turn / 4, way)).collect();
    let (mut tally, began) = (Tally::default(), Instant::now());
    for round in 0..rounds {
        let tokens = fresh(&client, &jobs).await;
        let mut crowd = Crowd::new();
        let stop = stops.iter().find(|(at, _)| *at == round).map(|(_, stop)| stop);
        match stop {
            None => crowd.add(&doors, &tokens, redeemers()),
            Some(stop) => {
                // Half of them are there when the database goes, the others come while it is away.
                crowd.add(&doors, &tokens, redeemers() / 2);
                crowd.begun().await;
                stop(&mut server);
                crowd.add(&doors, &tokens, redeemers() - redeemers() / 2);
                server.start();
            }
        }
        for (token, shown) in tokens.iter().zip(crowd.all(tokens.len()).await) {
            tally.settle(&doors[round % 2], token, shown, stop.is_some()).await;
        }
        if stop.is_some() {
            ready(&doors).await;
        }
    }
    println!("{tally:?} in {:?}", began.elapsed());
    assert_eq!(tally.links + tally.spent_unseen, rounds * AT_ONCE, "{tally:?}");
    assert!(tally.lost > 0, "the database was never away: {tally:?}");
}

/// Waits until both servers have found the database again, so that the next token is asked for in peace.
async fn ready(doors: &[Client]) {
    for door in doors {
        eventually("it is ready", Duration::from_secs(60), || async {
            let answer = door.try_send(Method::GET, "/readyz", &[], Vec::new()).await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_one_link_though_a_server_is_killed() {
    // Two processes on one file: SQLite.
    let mut app = AppBuilder::new(OFFTAKE).embedded().apart().start().await;
    app.start_role(Role::SecondServer).await;
    let client = app.client("acme").await;
    let jobs = files(&client).await;
    let doors = doors(&app).await;
    let rounds = tokens().div_ceil(AT_ONCE).div_ceil(2);
    let mut tally = Tally::default();
    for round in 0..rounds {
        let tokens = fresh(&client, &jobs).await;
        let mut crowd = Crowd::new();
        let kill = round == rounds / 2;
        crowd.add(&doors, &tokens, redeemers());
        if kill {
            crowd.begun().await;
            app.kill9(Role::SecondServer);
        }
        for (token, shown) in tokens.iter().zip(crowd.all(tokens.len()).await) {
            tally.settle(&doors[0], token, shown, kill).await;
        }
        if kill {
            app.start_role(Role::SecondServer).await;
        }
    }
    println!("{tally:?}");
    assert_eq!(tally.links + tally.spent_unseen, rounds * AT_ONCE, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_scanner_spends_nothing() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let job = client.export("spans", &json!({"format": "csv", "name": "Juli – \"Größe\" <1>"})).await;
    let made = issued(&client, id_of(&job), &json!({})).await;
    let (token, url) = (token_of(&made), made["url"].as_str().expect("a URL").to_owned());
    let scanner = app.anonymous();
    for agent in
        ["Mozilla/5.0 (compatible; MSIE 9.0)", "BarracudaCentral", "Slackbot-LinkExpanding 1.0", "curl/8.5", ""]
    {
        for method in [Method::GET, Method::HEAD, Method::GET, Method::OPTIONS] {
            let headers = [("user-agent", agent), ("sec-purpose", "prefetch;prerender"), ("x-moz", "prefetch")];
            let seen = scanner.send(method, &url, &headers, Vec::new()).await;
            assert!(matches!(seen.status, 200 | 405), "{seen}");
        }
        // It follows whatever it finds as well.
        let page = scanner.get(&url).await.expect(200);
        let html = String::from_utf8(page.body).expect("UTF-8");
        assert!(!html.contains("href=") && !html.contains("src="), "{html}");
        scanner.get(&format!("{REDEEM}?token={token}")).await.expect(405);
    }
    let file = app.folder().join("fetched");
    let ran = python("follow_form.py", &[&format!("{}{url}", app.url()), &file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("post 200 "), "{ran:?}");
    let receipt = client.receipt(id_of(&job)).await;
    assert_eq!(json!(sha256(&file).await), receipt["sha256"]);
    scanner.get(&url).await.expect(410);
    let late = redeem(&client, &token).await.expect(410);
    assert!(says(&late, "used already"), "{late}");

    let payload = token.split('.').nth(1).expect("a payload");
    let log = app.log();
    assert!(log.contains("a one-time token was spent"), "{log}");
    assert!(!log.contains(payload) && !log.contains("signature="), "a right was logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_under_its_link_and_a_token_ends_with_its_time() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let id = id_of(&job);
    let got = redeem(&client, &token_of(&issued(&client, id, &json!({})).await)).await.expect(200).json();
    let (link, anybody) = (got["link"].as_str().expect("a link"), app.anonymous());
    let (bytes, half) = (got["bytes"].as_u64().expect("a size"), got["bytes"].as_u64().expect("a size") / 2);
    let range = |range: String| {
        let anybody = anybody.clone();
        async move { anybody.send(Method::GET, link, &[("range", &range)], Vec::new()).await.expect(206) }
    };
    let first = range(format!("bytes=0-{}", half - 1)).await;
    let rest = range(format!("bytes={half}-")).await;
    assert_eq!(rest.header("content-range"), format!("bytes {half}-{}/{bytes}", bytes - 1));
    assert_eq!([first.body, rest.body].concat(), client.download(id).await);
    assert_eq!((&got["sha256"], &got["file_name"]), (&client.receipt(id).await["sha256"], &job["file_name"]));

    let short = token_of(&issued(&client, id, &json!({"expires_in": 1})).await);
    eventually("its time is over", Duration::from_secs(20), || async {
        let page = anybody.get(&format!("/d/{short}")).await;
        (page.status == 410).then_some(())
    })
    .await;
    let late = redeem(&client, &short).await.expect(410);
    assert!(says(&late, "expired"), "{late}");
    // Another organization gets none, and what it might have guessed is nothing.
    let path = format!("/api/v1/export/jobs/{id}/token");
    app.client("other").await.post(&path, &json!({})).await.expect(404);
    redeem(&client, "ot1.guess.0a1b2c3d").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_scripts_downloads_by_the_button() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let made = issued(&client, id_of(&job), &json!({})).await;
    let url = format!("{}{}", app.url(), made["url"].as_str().expect("a URL"));
    let ran = python("press_button.py", &[&url, &app.folder().to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "chromium-headless-shell is needed: run scripts/test-setup.sh\n{ran:?}");
    let seen: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(seen["complaints"], json!([]), "{seen}");
    // Its policy lets its own style through, and nothing else.
    assert_eq!(
        (&seen["title"], &seen["float"], &seen["name"]),
        (&json!("Download"), &json!("left"), &job["file_name"])
    );
    let file = app.folder().join(seen["saved"].as_str().expect("a file"));
    assert_eq!(json!(sha256(&file).await), client.receipt(id_of(&job)).await["sha256"]);
    redeem(&client, &token_of(&made)).await.expect(410);
}
