//! Mail: it arrives once, says what is there, leads to the file, and goes to nobody who may not have it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use offtake_testkit::{AppBuilder, Client, Process, SpanSketch, TestApp, eventually, python, scratch, sha256};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{OFFTAKE, id_of, send};

const LIMIT: Duration = Duration::from_secs(60);
/// Where links would lead: nothing is there.
const PUBLIC: &str = "https://offtake.acme.test/exports";

/// A mail server, and what it took.
#[derive(Debug)]
pub(crate) struct MailServer {
    folder: TempDir,
    process: Option<Process>,
    port: u16,
    options: Vec<String>,
}

impl MailServer {
    /// A server that is not there yet: its port is known, and nobody listens.
    pub(crate) async fn away(options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self { folder: scratch("mail"), process: None, port: 0, options };
        server.start().await;
        server.stop();
        server
    }

    pub(crate) async fn start(&mut self) {
        let interpreter = repository().join("target/testenv/bin/python");
        let script = repository().join("crates/offtake-testkit/python/mail_server.py");
        let mut command = Command::new(interpreter);
        command.arg("-B").arg(script).arg(self.port.to_string()).arg(self.folder.path()).args(&self.options);
        let mut process = Process::start(command, self.folder.path().join("server.log"));
        self.port = eventually("the mail server listens", LIMIT, || {
            assert!(process.ended().is_none(), "it ended: {}", process.log());
            let port = process.log().lines().find_map(|line| line.strip_prefix("port ")?.parse().ok());
            std::future::ready(port)
        })
        .await;
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    fn script(&self, script: &Json) {
        let path = self.folder.path().join("script.json");
        // Readers see one script or the other.
        std::fs::write(path.with_extension("new"), script.to_string()).expect("a script");
        std::fs::rename(path.with_extension("new"), path).expect("a script");
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|found| found == extension));
        files.sort_by_key(|path| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok()));
        files
    }

    /// Everything that was taken, as Python's library reads it.
    pub(crate) async fn mails(&self) -> Vec<Json> {
        let files: Vec<String> = self.files("eml").iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let arguments: Vec<&str> = files.iter().map(String::as_str).collect();
        let ran = python("read_mail.py", &arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.stdout).expect("a list")
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// An app that sends its mail here.
    pub(crate) fn app(&self) -> AppBuilder {
        let quoted = |text: &str| format!("{text:?}");
        let app = AppBuilder::new(OFFTAKE)
            .set("mail.host", "\"127.0.0.1\"")
            .set("mail.port", &self.port.to_string())
            .set("mail.from", "\"Offtake <offtake@acme.test>\"")
            .set("mail.timeout", "\"1s\"")
            .set("mail.retry_after", "\"200ms\"")
            .set("mail.time_zone", "\"Europe/Berlin\"")
            .set("server.public_url", &quoted(PUBLIC));
        let has = |option: &str| self.options.iter().any(|given| given == option);
        let tls = match (has("starttls"), has("implicit")) {
            (true, _) => "starttls",
            (_, true) => "implicit",
            _ => "none",
        };
        let app = app.set("mail.tls", &quoted(tls));
        let app = if tls == "none" { app } else { app.set("mail.ca_file", &quoted(&self.ca())) };
        match has("--login") {
            true => app.set("mail.username", "\"offtake\"").set("mail.password", "\"pa:ss wörd\""),
            false => app,
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn header(mail: &Json, name: &str) -> Vec<String> {
    let headers = mail["headers"].as_array().expect("headers").iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().expect("a text").to_owned()).collect()
}

/// A client of somebody with an e-mail address, who was seen.
pub(crate) async fn client(app: &TestApp, org: &str, sub: &str, email: Option<&str>) -> Client {
    let mut arguments = vec!["token", "--org", org, "--sub", sub, "--permissions", "all"];
    arguments.extend(email.map(|email| ["--email", email]).into_iter().flatten());
    let ran = app.cli(&arguments).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let client = app.client_with_token(ran.stdout.trim());
    client.get("/api/v1/export/jobs").await.expect(200);
    client
}

async fn seen(admin: &Client, sub: &str) {
    eventually("the principal is noted", LIMIT, async || {
        (admin.get(&format!("/api/v1/principals/{sub}")).await.status == 200).then_some(())
    })
    .await;
}

/// The notifications about a job, once all are in one of these states.
pub(crate) async fn told(client: &Client, job: &str, states: &[&str]) -> Vec<Json> {
    eventually(&format!("all word of the job is {states:?}"), LIMIT, async || {
        let all = client.get("/api/v1/notifications?channel=email&limit=100").await.expect(200).json();
        let all = all["notifications"].as_array().expect("a list").iter();
        let of_job: Vec<Json> = all.filter(|one| one["event"]["job_id"] == job).cloned().collect();
        let is_in = |one: &Json| states.iter().any(|state| one["state"] == *state);
        (!of_job.is_empty() && of_job.iter().all(is_in)).then_some(of_job)
    })
    .await
}

fn request(notify: &Json) -> Json {
    json!({"format": "csv", "name": "Zwölf 🎉 <b>Spans</b> & \"mehr\"", "notify": notify})
}

pub(crate) async fn completed(client: &Client, body: &Json) -> String {
    let job = client.export("spans", body).await;
    assert_eq!(job["status"], "completed", "{job}");
    id_of(&job).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_once_and_its_link_leads_to_the_file() {
    for options in
        [["--tls", "starttls", "--login", "offtake:pa:ss wörd"], ["--tls", "implicit", "--login", "offtake:pa:ss wörd"]]
    {
        let mut server = MailServer::away(&options).await;
        server.start().await;
        let app = server.app().start().await;
        let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
        send(&ada, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
        let mut body = request(&json!({"email": true}));
        body["formats"] = json!({"locale": "de-DE"});
        let job = completed(&ada, &body).await;
        let notifications = told(&ada, &job, &["delivered"]).await;
        assert_eq!(notifications.len(), 1, "{notifications:?}");
        let mails = server.mails().await;
        assert_eq!(mails.len(), 1, "{mails:#?}");
        let mail = &mails[0];
        the_mail_is_sound(mail, &notifications[0], &job);
        let envelope: Json =
            serde_json::from_slice(&std::fs::read(&server.files("json")[0]).expect("an envelope")).expect("JSON");
        assert_eq!(envelope["to"], json!(["ada@acme.test"]), "{envelope}");
        assert_eq!((&envelope["tls"], &envelope["login"]), (&json!(true), &json!("offtake")), "{envelope}");
        assert_eq!((&envelope["from"], &envelope["ehlo"]), (&json!("offtake@acme.test"), &json!("acme.test")));

        // A scanner looks, and looks again; then a person comes.
        let text = mail["text"].as_str().expect("a text");
        let link = text.lines().find_map(|line| line.strip_prefix(PUBLIC)).filter(|path| path.starts_with("/d/"));
        let link = link.unwrap_or_else(|| panic!("no link in {text}"));
        // To the file, and to the page of the export for who signs in.
        let page = format!("{PUBLIC}/#/exports?job={job}");
        assert_eq!(mail["links"], json!([format!("{PUBLIC}{link}"), page]));
        let anybody = app.anonymous();
        for _ in 0..2 {
            let page = anybody.get(link).await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"), "{page}");
        }
        let token = link.trim_start_matches("/d/");
        let redeemed = anybody.post("/api/v1/export/redeem", &json!({"token": token})).await.expect(200).json();
        let path = redeemed["link"].as_str().expect("a link").trim_start_matches(PUBLIC).to_owned();
        let file = if path.starts_with('/') {
            anybody.get(&path).await.expect(200).body.to_vec()
        } else {
            ada.download(&job).await
        };
        let path = app.folder().join("fetched.csv");
        std::fs::write(&path, file).expect("a file");
        assert_eq!(json!(sha256(&path).await), redeemed["sha256"]);
        assert_eq!(ada.receipt(&job).await["sha256"], redeemed["sha256"]);
        assert_eq!(anybody.post("/api/v1/export/redeem", &json!({"token": token})).await.status, 410);
    }
}

/// Everything that can be said of the mail by its text.
fn the_mail_is_sound(mail: &Json, notification: &Json, job: &str) {
    assert_eq!((&mail["defects"], &mail["type"]), (&json!([]), &json!("multipart/alternative")), "{mail:#}");
    assert_eq!(mail["parts"], json!(["text/plain", "text/html"]));
    let id = notification["id"].as_str().expect("an id");
    assert_eq!(header(mail, "Message-ID"), [format!("<{id}@acme.test>")]);
    assert_eq!(header(mail, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(mail, "X-Auto-Response-Suppress"), ["All"]);
    assert_eq!((header(mail, "Date").len(), header(mail, "Subject").len()), (1, 1));
    assert_eq!(header(mail, "Subject"), ["Ihre Datei ist fertig: Zwölf 🎉 <b>Spans</b> & \"mehr\""]);
    assert_eq!(header(mail, "From"), ["Offtake <offtake@acme.test>"]);
    let (text, html) = (mail["text"].as_str().expect("a text"), mail["html"].as_str().expect("html"));
    assert!(text.contains(job) && text.contains("Zeilen: 2\n") && text.contains("Format: CSV\n"), "{text}");
    assert!(text.contains(" CET") || text.contains(" CEST"), "{text}");
    assert!(html.contains("Zwölf 🎉 &lt;b&gt;Spans&lt;"), "{html}");
    let tags = mail["tags"].as_array().expect("tags");
    assert!(tags.iter().all(|tag| !["b", "img", "script", "link"].map(|tag| json!(tag)).contains(tag)), "{tags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_tried_until_it_is_back() {
    let mut server = MailServer::away(&[]).await;
    let app = server.app().start().await;
    let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
    send(&ada, &[SpanSketch::new(1)]).await;
    let body = request(&json!({"email": true}));
    let job = completed(&ada, &body).await;
    let tried = |job: String, word: &'static str| {
        let ada = ada.clone();
        async move {
            eventually(&format!("a try that came to {word:?}"), LIMIT, async || {
                let one = told(&ada, &job, &["pending", "failed", "delivered"]).await.remove(0);
                let answer = one["last_answer"].as_str().unwrap_or_default().to_owned();
                answer.contains(word).then_some(one)
            })
            .await
        }
    };
    tried(job.clone(), "connecting: ").await;
    server.start().await;
    told(&ada, &job, &["delivered"]).await;
    assert_eq!(server.files("eml").len(), 1);

    // Whatever the server says that is not about the mail, or not for good, is tried again.
    for (script, word) in [
        (json!({"mail": "451 4.3.0 later"}), "sender: transient error (451)"),
        (json!({"mail": "550 5.7.1 not from you"}), "sender: permanent error (550)"),
        (json!({"rcpt": "452 4.2.2 full"}), "recipient: transient error (452)"),
        (json!({"content": "421 4.3.2 going"}), "content: transient error (421)"),
        (json!({"drop": "rcpt"}), "recipient: "),
        (json!({"slow": {"mail": 3}}), "sender: no answer within 1s"),
    ] {
        server.script(&script);
        let before = server.files("eml").len();
        let job = completed(&ada, &body).await;
        let waiting = tried(job.clone(), word).await;
        assert_eq!(waiting["state"], "pending", "{script}: {waiting}");
        server.script(&json!({}));
        let done = told(&ada, &job, &["delivered"]).await;
        assert!(done[0]["tries"].as_u64() >= Some(2), "{done:?}");
        let mails = server.mails().await.split_off(before);
        let ids: Vec<String> = mails.iter().flat_map(|mail| header(mail, "Message-ID")).collect();
        let id = done[0]["id"].as_str().expect("an id");
        // What was refused at its content was seen: it is known as the same by its id.
        assert!(!ids.is_empty() && ids.iter().all(|one| one.contains(id)), "{script}: {ids:?}");
        assert!(ids.len() == 1 || script.get("content").is_some(), "{script}: {ids:?}");
    }

    // What it says of recipient or content for good is the end.
    for (script, word) in [
        (json!({"rcpt": "550 5.1.1 no such user"}), "recipient: permanent error (550)"),
        (json!({"content": "554 5.6.0 spam"}), "content: permanent error (554)"),
    ] {
        server.script(&script);
        let job = completed(&ada, &body).await;
        let done = tried(job, word).await;
        assert_eq!((&done["state"], &done["tries"]), (&json!("failed"), &json!(1)), "{done}");
        let path = format!("/api/v1/notifications/{}", done["id"].as_str().expect("an id"));
        let log = ada.get(&path).await.expect(200).json()["log"].clone();
        let said = log[0]["answer"].as_str().unwrap_or_default();
        assert!(log.as_array().is_some_and(|log| log.len() == 1) && said.contains(word), "{log}");
    }
}

/// Whoever is killed between sending and saying so sends again: the same mail, with a link in the place of the first.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_makes_the_same_mail_again() {
    let mut server = MailServer::away(&[]).await;
    server.start().await;
    let app = server.app().start().await;
    let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
    send(&ada, &[SpanSketch::new(1)]).await;
    server.script(&json!({"drop": "content"}));
    let job = completed(&ada, &request(&json!({"email": true}))).await;
    eventually("the mail is taken", LIMIT, async || (!server.files("eml").is_empty()).then_some(())).await;
    server.script(&json!({}));
    told(&ada, &job, &["delivered"]).await;
    let mails = server.mails().await;
    assert!(mails.len() >= 2, "{mails:#?}");
    let first = &mails[0];
    let last = mails.last().expect("a mail");
    assert_eq!(header(first, "Message-ID"), header(last, "Message-ID"));
    let link = |mail: &Json| {
        let text = mail["text"].as_str().expect("a text");
        let line = text.lines().find_map(|line| line.strip_prefix(PUBLIC)).filter(|path| path.starts_with("/d/"));
        line.expect("a link").to_owned()
    };
    let anybody = app.anonymous();
    assert_eq!(anybody.get(&link(first)).await.status, 410);
    anybody.get(&link(last)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_people_who_may_have_the_file() {
    let mut server = MailServer::away(&[]).await;
    let app = server.app().start().await;
    let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
    let nameless = client(&app, "acme", "nameless", None).await;
    client(&app, "acme", "bob", Some("Bob@acme.test")).await;
    client(&app, "acme", "cleo", Some("cleo@acme.test")).await;
    client(&app, "acme", "gone", Some("gone@acme.test")).await;
    let eve = client(&app, "globex", "eve", Some("eve@globex.test")).await;
    for sub in ["bob", "cleo", "gone", "nameless"] {
        seen(&ada, sub).await;
    }
    seen(&eve, "eve").await;
    ada.patch("/api/v1/principals/gone", &json!({"disabled": true})).await.expect(200);
    send(&ada, &[SpanSketch::new(1)]).await;

    let refused = async |client: &Client, notify: Json| {
        let answer = client.create("spans", &request(&notify)).await.expect(422);
        let problem = answer.json();
        problem["errors"].as_array().expect("errors").clone()
    };
    let named = json!({"email": ["ada@acme.test", "nobody@acme.test", "eve@globex.test", "gone@acme.test", "x"]});
    let errors = refused(&ada, named).await;
    let pointers: Vec<&Json> = errors.iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/notify/email/1", "/notify/email/2", "/notify/email/3", "/notify/email/4"]);
    assert!(errors.iter().all(|error| error["detail"] == errors[0]["detail"]), "all alike: {errors:?}");
    let errors = refused(&nameless, json!({"email": true})).await;
    assert_eq!(errors[0]["pointer"], "/notify/email", "{errors:?}");
    let many = vec!["ada@acme.test"; 11];
    assert_eq!(refused(&ada, json!({"email": many})).await[0]["pointer"], "/notify/email");
    assert_eq!(refused(&ada, json!({"email": []})).await[0]["pointer"], "/notify/email");

    // How somebody stands is looked at again when the mail is sent.
    let body = request(&json!({"email": ["ada@acme.test", "bob@acme.test", "BOB@acme.test", "cleo@acme.test"]}));
    let job = completed(&ada, &body).await;
    assert_eq!(told(&ada, &job, &["pending"]).await.len(), 3);
    ada.patch("/api/v1/principals/bob", &json!({"disabled": true})).await.expect(200);
    ada.patch("/api/v1/principals/cleo", &json!({"withheld": ["exports:read_all"]})).await.expect(200);
    server.start().await;
    let done = told(&ada, &job, &["delivered", "failed"]).await;
    for one in &done {
        let is_adas = one["address"] == "ada@acme.test";
        assert_eq!(one["state"] == "delivered", is_adas, "{one}");
        let answer = one["last_answer"].as_str().unwrap_or_default();
        assert!(is_adas || answer.contains("may be told"), "{one}");
    }
    let mails = server.mails().await;
    assert_eq!(mails.iter().map(|mail| &mail["to"]).collect::<Vec<_>>(), [&json!(["ada@acme.test"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_nobody_is_promised_a_mail() {
    let app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
    let answer = ada.create("spans", &request(&json!({"email": true}))).await.expect(422);
    assert!(
        answer.json()["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("mail.host")),
        "{answer}"
    );
    let quiet = ada
        .send(
            Method::POST,
            "/api/v1/export/spans",
            &[("content-type", "application/json")],
            request(&json!({"email": false})).to_string().into_bytes(),
        )
        .await;
    assert!(matches!(quiet.status, 200 | 202), "{quiet}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_and_start_say_what_is_wrong_with_mail() {
    let mut server =
        MailServer::away(&["--tls", "starttls", "--login", "offtake:pa:ss wörd", "--offer-login-only"]).await;
    let app = server.app().embedded().start().await;
    let finding = async || {
        let ran = app.cli(&["doctor", "--json"]).await;
        let told: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert!(!ran.stdout.contains("wörd"), "{ran:?}");
        let one = told["findings"].as_array().expect("findings").iter().find(|one| one["about"] == "mail").cloned();
        let one = one.unwrap_or_else(|| panic!("nothing about mail: {told}"));
        (one["result"].as_str().expect("a text").to_owned(), one["detail"].as_str().expect("a text").to_owned())
    };
    let (result, detail) = finding().await;
    assert!(result == "failed" && detail.starts_with("connecting: "), "{detail}");
    server.start().await;
    let (result, detail) = finding().await;
    assert!(result == "ok" && detail.ends_with("encrypted, logged in"), "{detail}");
    server.script(&json!({"auth": "535"}));
    let (result, detail) = finding().await;
    assert!(result == "failed" && detail.starts_with("login: permanent error (535)"), "{detail}");
    assert!(server.files("eml").is_empty(), "doctor sends nothing");

    let templates = app.folder().join("templates");
    std::fs::create_dir(&templates).expect("a folder");
    std::fs::write(templates.join("ready.txt"), "{{ job.name }}\n{{ file.content }}\n").expect("a template");
    let config = std::fs::read_to_string(app.config()).expect("the configuration");
    let broken = app.folder().join("broken.toml");
    std::fs::write(&broken, format!("mail.templates = {:?}\n{config}", templates.display().to_string()))
        .expect("a file");
    let ran = app.bare_cli(&["config", "check", "--config", &broken.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("ready.txt:2: there is no variable file.content"), "{ran:?}");
}
