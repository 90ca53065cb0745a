//! One-time tokens: who gets one, what it opens, and what spends it.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use offtake_model::clock::Clock;
use offtake_server::ServerSettings;
use serde_json::{Value as Json, json};

use crate::house::{Answer, Ask, House};

const CONTENT: &[u8] = b"a\nb\n";
const REDEEM: &str = "/api/v1/export/redeem";

/// A fresh token of alice's for the job at this path.
async fn token(house: &House, job: &str) -> String {
    let answer = house.post(format!("{job}/token"), &json!({})).answer().await.expect(201);
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// By anybody.
fn redeeming<'a>(house: &'a House, token: &str) -> Ask<'a> {
    house.ask(Method::POST, REDEEM).json(&json!({"token": token}))
}

async fn redeem(house: &House, token: &str) -> Answer {
    redeeming(house, token).answer().await
}

fn moment(json: &Json) -> Timestamp {
    json.as_str().expect("a text").parse().expect("a moment")
}

/// An answer without what differs between any two.
fn anonymous(answer: &Answer) -> (u16, String) {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    (answer.status, text.replace(answer.header("x-request-id"), ""))
}

#[tokio::test]
async fn a_token_is_worth_one_link() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let made = house.post(format!("{job}/token"), &json!({"expires_in": 60})).answer().await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    let token = made["token"].as_str().expect("a token");
    assert_eq!(made["url"], format!("/d/{token}"));
    assert_eq!(moment(&made["expires_at"]), house.clock.now() + SignedDuration::from_secs(60));
    let got = redeem(&house, token).await.expect(200);
    assert_eq!(got.header("cache-control"), "no-store");
    let got = got.json();
    assert_eq!((&got["bytes"], &got["file_name"]), (&json!(4), &json!("Spans-2026-11-20.csv")));
    assert_eq!(got["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(moment(&got["expires_at"]), house.clock.now() + SignedDuration::from_mins(10));
    let link = got["link"].as_str().expect("a link");
    assert_eq!(house.ask(Method::GET, link).answer().await.expect(200).body, CONTENT);
    let again = redeem(&house, token).await;
    assert!(again.json()["detail"].as_str().is_some_and(|detail| detail.contains("used already")), "{again:?}");
    assert_eq!(again.problem(410).0, "gone");
    // A download that broke off goes on under the link, for as long as that lives, and not with the token.
    house.clock.advance(SignedDuration::from_secs(599));
    let rest = house.ask(Method::GET, link).header("range", "bytes=2-").answer().await.expect(206);
    assert_eq!(rest.body, CONTENT[2..]);
}

#[tokio::test]
async fn a_token_holds_for_as_long_as_was_asked() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let expires_at = |body: Json| {
        let ask = house.post(format!("{job}/token"), &body);
        async move { moment(&ask.answer().await.expect(201).json()["expires_at"]) }
    };
    // The file is kept for an hour.
    let now = house.clock.now();
    assert_eq!(expires_at(json!({})).await, now + SignedDuration::from_hours(1));
    assert_eq!(expires_at(json!({"expires_in": null})).await, now + SignedDuration::from_hours(1));
    assert_eq!(expires_at(json!({"expires_in": 1})).await, now + SignedDuration::from_secs(1));
    let bare = house.ask(Method::POST, format!("{job}/token")).by("acme", "alice", "all").answer().await;
    bare.expect(201);
    for (body, pointer) in [
        (json!({"expires_in": 0}), "/expires_in"),
        (json!({"expires_in": -5}), "/expires_in"),
        (json!({"expires_in": 86_401}), "/expires_in"),
        (json!({"expires_in": "1h"}), "/expires_in"),
        (json!({"expires_in": 1.5}), "/expires_in"),
        (json!({"expires/at": 1}), "/expires~1at"),
    ] {
        assert_eq!(house.post(format!("{job}/token"), &body).answer().await.problem(422).1, [pointer], "{body}");
    }
    house.post(format!("{job}/token"), &json!([])).answer().await.problem(422);

    let token = token(&house, &job).await;
    house.clock.advance(SignedDuration::from_hours(1) - SignedDuration::from_micros(1));
    house.ask(Method::GET, format!("/d/{token}")).answer().await.expect(200);
    house.clock.advance(SignedDuration::from_micros(1));
    let late = redeem(&house, &token).await;
    assert!(late.json()["detail"].as_str().is_some_and(|detail| detail.contains("expired")), "{late:?}");
    assert_eq!(late.problem(410).0, "gone");
}

#[tokio::test]
async fn no_setting_makes_a_token_live_longer_than_a_week() {
    let day = SignedDuration::from_hours(24);
    let house = House::with(ServerSettings { one_time_ttl: day * 30, ..ServerSettings::default() });
    let job = house.a_file(CONTENT).await;
    let week = 7 * 24 * 3600;
    house.post(format!("{job}/token"), &json!({"expires_in": week})).answer().await.expect(201);
    house.post(format!("{job}/token"), &json!({"expires_in": week + 1})).answer().await.problem(422);
}

#[tokio::test]
async fn a_fresh_token_voids_the_one_before() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let first = token(&house, &job).await;
    // Somebody else's for the same file is another one.
    let boss = house.ask(Method::POST, format!("{job}/token")).by("acme", "boss", "all").json(&json!({}));
    let boss = boss.answer().await.expect(201).json()["token"].as_str().expect("a token").to_owned();
    let second = token(&house, &job).await;
    assert_eq!(redeem(&house, &first).await.problem(410).0, "gone");
    redeem(&house, &second).await.expect(200);
    redeem(&house, &boss).await.expect(200);
    let third = token(&house, &job).await;
    redeem(&house, &third).await.expect(200);
}

#[tokio::test]
async fn a_token_is_given_to_who_may_download_and_to_nobody_else() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let ask = |org: &str, user: &str, permissions: &str| {
        house.ask(Method::POST, format!("{job}/token")).by(org, user, permissions).json(&json!({})).answer()
    };
    house.ask(Method::POST, format!("{job}/token")).answer().await.problem(401);
    ask("acme", "alice", "exports:read,exports:read_all,traces:read").await.problem(403);
    ask("acme", "alice", "exports:download").await.problem(403);
    ask("acme", "bob", "exports:download,traces:read").await.problem(404);
    ask("other", "alice", "all").await.problem(404);
    ask("acme", "alice", "exports:download,traces:read").await.expect(201);
    ask("acme", "boss", "exports:download,exports:read_all,traces:read").await.expect(201);

    let waiting = house.create(&json!({"format": "csv"})).await;
    let waiting = format!("/api/v1/export/jobs/{waiting}");
    assert_eq!(house.post(format!("{waiting}/token"), &json!({})).answer().await.problem(409).0, "not_ready");
    house.delete(format!("{job}/file")).answer().await.expect(204);
    assert_eq!(house.post(format!("{job}/token"), &json!({})).answer().await.problem(410).0, "gone");
}

#[tokio::test]
async fn what_we_never_handed_out_is_all_one() {
    let (house, other) = (House::new(), House::new());
    let job = house.a_file(CONTENT).await;
    let mine = token(&house, &job).await;
    let foreign = token(&other, &other.a_file(CONTENT).await).await;
    let (start, id) = mine.rsplit_once('.').expect("the id of a key");
    let (foreign_start, _) = foreign.rsplit_once('.').expect("the id of a key");
    let tampered = format!("{}.{id}", start.chars().rev().collect::<String>());
    let borrowed = format!("{foreign_start}.{id}");
    let tokens = ["x", "", "ot1", "ot1..", &mine[1..], &format!("{mine}x"), &mine.to_uppercase(), &foreign, &tampered];
    let missing = redeem(&house, "nonsense").await;
    assert_eq!(missing.status, 404);
    let page = house.ask(Method::GET, "/d/nonsense").answer().await.expect(404);
    for forged in tokens.into_iter().chain([borrowed.as_str()]) {
        assert_eq!(anonymous(&redeem(&house, forged).await), anonymous(&missing), "{forged}");
        if !forged.is_empty() {
            let seen = house.ask(Method::GET, format!("/d/{forged}")).answer().await;
            assert_eq!(anonymous(&seen), anonymous(&page), "{forged}");
            let posted = house.ask(Method::POST, format!("/d/{forged}")).answer().await;
            assert_eq!(anonymous(&posted), anonymous(&page), "{forged}");
        }
    }
    assert_eq!(anonymous(&house.ask(Method::GET, "/d/%ff").answer().await), anonymous(&page));
    redeem(&house, &mine).await.expect(200);
}

#[tokio::test]
async fn a_body_is_a_token_and_nothing_more() {
    let house = House::new();
    let token = token(&house, &house.a_file(CONTENT).await).await;
    for (body, pointers) in [
        (json!({}), vec!["/token"]),
        (json!({"token": 7}), vec!["/token"]),
        (json!({"token": token, "job": "x"}), vec!["/job"]),
    ] {
        assert_eq!(house.ask(Method::POST, REDEEM).json(&body).answer().await.problem(422).1, pointers, "{body}");
    }
    house.ask(Method::POST, REDEEM).answer().await.problem(415);
    house.ask(Method::GET, REDEEM).answer().await.problem(405);
    // A bearer token is not needed, and does not matter.
    redeeming(&house, &token).header("authorization", "Bearer nonsense").answer().await.expect(200);
}

#[tokio::test]
async fn a_token_leads_to_no_file_that_is_gone() {
    let house = House::new();
    let (deleted, kept) = (house.a_file(CONTENT).await, house.a_file(CONTENT).await);
    let (gone, still) = (token(&house, &deleted).await, token(&house, &kept).await);
    house.delete(format!("{deleted}/file")).answer().await.expect(204);
    let answer = redeem(&house, &gone).await.expect(410);
    assert_eq!(answer.json()["detail"], "the file is no longer there");
    house.ask(Method::GET, format!("/d/{gone}")).answer().await.expect(410);
    redeem(&house, &still).await.expect(200);
}

/// Whoever can write to the database cannot give a token another job.
#[tokio::test]
async fn a_row_that_was_changed_gives_no_right() {
    for sql in [
        "UPDATE tokens SET job = (SELECT id FROM jobs WHERE id <> tokens.job)",
        "UPDATE tokens SET subject = 'eve'",
        "UPDATE tokens SET org = 'other'",
        "UPDATE tokens SET expires_at = expires_at + 1",
    ] {
        let house = House::new();
        let (job, _) = (house.a_file(CONTENT).await, house.a_file(b"secret\n").await);
        let token = token(&house, &job).await;
        assert_eq!(house.database().execute(sql, []).expect("changed"), 1, "{sql}");
        redeem(&house, &token).await.problem(404);
        let page = house.ask(Method::GET, format!("/d/{token}")).answer().await.expect(404);
        assert!(!String::from_utf8_lossy(&page.body).contains("Spans"), "{page:?}");
    }
}

#[tokio::test]
async fn only_a_digest_is_stored() {
    let house = House::new();
    let token = token(&house, &house.a_file(CONTENT).await).await;
    let row: String = house
        .database()
        .query_row("SELECT concat_ws(' ', job, subject, purpose, org, sha256, key_id) FROM tokens", [], |row| {
            row.get(0)
        })
        .expect("one row");
    let payload = token.split('.').nth(1).expect("a payload");
    assert!(!row.contains(&payload[..20]) && row.contains(" alice download acme "), "{row}");
}

#[tokio::test]
async fn the_page_says_what_there_is_and_spends_nothing() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv", "name": "<b>A & \"B\"</b>"})).await;
    assert_eq!(house.complete_next(CONTENT).await.0, job);
    let token = token(&house, &format!("/api/v1/export/jobs/{job}")).await;
    let path = format!("/d/{token}");
    for agent in ["Mozilla/5.0", "Google-Safe-Browsing", "BarracudaCentral", "curl/8", ""] {
        let page = house.ask(Method::GET, &path).header("user-agent", agent).header("sec-purpose", "prefetch");
        let page = page.answer().await.expect(200);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex, nofollow"),
            ("x-content-type-options", "nosniff"),
            ("location", ""),
            ("set-cookie", ""),
        ] {
            assert_eq!(page.header(name), value, "{name}");
        }
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none';", "form-action 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        let html = String::from_utf8(page.body.to_vec()).expect("UTF-8");
        for part in ["4 bytes", "<dd>2</dd>", "2026-11-20 13:00 UTC", "<form method=\"post\">"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        for secret in ["<script", "<b>", "http:", "https:", "alice", "acme", "job_", "art_", "/files/", &token] {
            assert!(!html.contains(secret), "{secret}: {html}");
        }
    }
    let head = house.ask(Method::HEAD, &path).answer().await.expect(200);
    assert!(head.body.is_empty());
    for (method, status) in [(Method::OPTIONS, 405), (Method::PUT, 405), (Method::DELETE, 405)] {
        house.ask(method, &path).answer().await.expect(status);
    }
    redeem(&house, &token).await.expect(200);
    let spent = house.ask(Method::GET, &path).answer().await.expect(410);
    let html = String::from_utf8(spent.body.to_vec()).expect("UTF-8");
    assert!(html.contains("used already") && !html.contains("<form") && !html.contains("bytes"), "{html}");
}

#[tokio::test]
async fn the_button_needs_no_script() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let path = format!("/d/{}", token(&house, &job).await);
    let form = |site: Option<&str>| {
        let ask = house.ask(Method::POST, &path).header("content-type", "application/x-www-form-urlencoded");
        let ask = ask.header("origin", "null");
        match site {
            Some(site) => ask.header("sec-fetch-site", site).answer(),
            None => ask.answer(),
        }
    };
    for elsewhere in ["cross-site", "same-site"] {
        form(Some(elsewhere)).await.expect(403);
    }
    let answer = form(Some("same-origin")).await.expect(303);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(house.ask(Method::GET, answer.header("location")).answer().await.expect(200).body, CONTENT);
    form(Some("same-origin")).await.expect(410);

    let path = format!("/d/{}", token(&house, &job).await);
    house.ask(Method::POST, &path).answer().await.expect(303);
}

#[tokio::test]
async fn addresses_begin_with_the_public_one() {
    let settings =
        ServerSettings { public_url: Some("https://data.example.com/x/".to_owned()), ..ServerSettings::default() };
    let house = House::with(settings);
    let job = house.a_file(CONTENT).await;
    let made = house.post(format!("{job}/token"), &json!({})).answer().await.expect(201).json();
    let token = made["token"].as_str().expect("a token");
    assert_eq!(made["url"], format!("https://data.example.com/x/d/{token}"));
    let page = house.ask(Method::GET, format!("/d/{token}")).answer().await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://data.example.com;"), "{policy}");
    let link = redeem(&house, token).await.expect(200).json()["link"].as_str().expect("a link").to_owned();
    assert!(link.starts_with("https://data.example.com/x/files/art_"), "{link}");
}

/// A token is no better than whoever asked for it stands.
#[tokio::test]
async fn what_is_taken_from_the_subject_is_taken_from_its_tokens() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let alices = token(&house, &job).await;
    let boss = house.ask(Method::POST, format!("{job}/token")).by("acme", "boss", "all").json(&json!({}));
    let bosses = boss.answer().await.expect(201).json()["token"].as_str().expect("a token").to_owned();
    let decide = |who: &str, body: Json| {
        let ask = house.ask(Method::PATCH, format!("/api/v1/principals/{who}")).by("acme", "root", "admin");
        ask.json(&body).answer()
    };
    for (who, token, decision) in [
        ("alice", &alices, json!({"disabled": true})),
        ("alice", &alices, json!({"withheld": ["exports:download"]})),
        ("alice", &alices, json!({"withheld": ["traces:read"]})),
        ("boss", &bosses, json!({"withheld": ["exports:read_all"]})),
    ] {
        decide(who, decision.clone()).await.expect(200);
        let refused = redeem(&house, token).await.expect(403);
        assert_eq!(refused.json()["detail"], "the right that this token gave was withdrawn", "{decision}");
        assert_eq!(refused.problem(403).0, "revoked");
        let page = house.ask(Method::GET, format!("/d/{token}")).answer().await.expect(403);
        let html = String::from_utf8(page.body.to_vec()).expect("UTF-8");
        assert!(!html.contains("bytes") && !html.contains("<form"), "{html}");
        house.ask(Method::POST, format!("/d/{token}")).answer().await.expect(403);
        decide(who, json!({"disabled": false, "withheld": []})).await.expect(200);
    }
    // Nobody spent them meanwhile. What is taken from one is not taken from the other.
    decide("alice", json!({"withheld": ["exports:read_all"]})).await.expect(200);
    decide("boss", json!({"disabled": true})).await.expect(200);
    let link = redeem(&house, &alices).await.expect(200).json()["link"].as_str().expect("a link").to_owned();
    redeem(&house, &bosses).await.expect(403);
    // The link ends with the right, too.
    house.ask(Method::GET, &link).answer().await.expect(200);
    decide("alice", json!({"disabled": true})).await.expect(200);
    house.ask(Method::GET, &link).answer().await.expect(403);
}

#[tokio::test]
async fn tokens_are_listed_without_their_text_and_taken_back() {
    let house = House::new();
    let job = house.a_file(CONTENT).await;
    let text = token(&house, &job).await;
    let path = format!("{job}/tokens");
    let list = async || house.get(&path).answer().await.expect(200).json()["tokens"].clone();
    let listed = list().await;
    assert_eq!(
        (&listed[0]["made_for"], &listed[0]["purpose"], &listed[0]["state"]),
        (&json!("alice"), &json!("download"), &json!("live"))
    );
    assert!(!listed.to_string().contains(&text[4..20]), "{listed}");
    for (org, sub) in [("other", "alice"), ("acme", "bob")] {
        let grants = "exports:read,exports:download,traces:read";
        house.ask(Method::GET, &path).by(org, sub, grants).answer().await.expect(404);
        let one = format!("{path}/{}", listed[0]["id"].as_str().expect("an id"));
        house.ask(Method::DELETE, &one).by(org, sub, grants).answer().await.expect(404);
    }
    house.delete(format!("{path}/0000000000000000")).answer().await.expect(404);
    house.delete(format!("{path}/{}", listed[0]["id"].as_str().expect("an id"))).answer().await.expect(204);
    assert_eq!(redeem(&house, &text).await.problem(410).0, "gone");
    assert_eq!(list().await, json!([]));
    let spent = token(&house, &job).await;
    redeem(&house, &spent).await.expect(200);
    let listed = list().await;
    assert_eq!((&listed[0]["state"], listed[0]["spent_at"].is_string()), (&json!("spent"), true));
}
