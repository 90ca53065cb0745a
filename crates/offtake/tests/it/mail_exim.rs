//! Mail by a server that many use: encrypted both ways and with a password. What is wrong is told with the setting to look at,
//! and costs nobody a mail once it is put right.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Exim, Role, SpanSketch, TestApp, eventually, python, scratch};
use serde_json::{Value as Json, json};

use crate::mail::{client, completed, header, told};
use crate::support::{OFFTAKE, send};

const LIMIT: Duration = Duration::from_secs(60);

/// An app that hands its mail to this server, one way or the other.
fn app(exim: &Exim, tls: &str, password: &str, authority: &std::path::Path) -> AppBuilder {
    let port = if tls == "implicit" { exim.implicit() } else { exim.starttls() };
    let quoted = |text: &str| format!("{text:?}");
    AppBuilder::new(OFFTAKE)
        .set("mail.host", "\"127.0.0.1\"")
        .set("mail.port", &port.to_string())
        .set("mail.from", "\"Offtake <offtake@acme.test>\"")
        .set("mail.tls", &quoted(tls))
        .set("mail.ca_file", &quoted(&authority.to_string_lossy()))
        .set("mail.username", &quoted(Exim::LOGIN.0))
        .set("mail.password", &quoted(password))
        .set("mail.retry_after", "\"200ms\"")
        .set("server.public_url", "\"https://offtake.acme.test\"")
}

/// The mails that arrived, once there is one.
async fn arrived(exim: &Exim) -> Vec<Json> {
    let files = eventually("a mail lies in the mailbox", LIMIT, async || {
        let files = exim.mails();
        (!files.is_empty()).then_some(files)
    })
    .await;
    let files: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let ran = python("read_mail.py", &files.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("a list")
}

/// The server takes the mail from us, encrypted and with our password, and puts it whole into the mailbox.
async fn the_one_mail(exim: &Exim, notification: &Json) {
    let answer = notification["last_answer"].as_str().expect("an answer");
    assert!(answer.starts_with("250 OK id="), "{answer}");
    let mails = arrived(exim).await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let mail = &mails[0];
    let id = notification["id"].as_str().expect("an id");
    assert_eq!(header(mail, "Message-ID"), [format!("<{id}@acme.test>")]);
    assert_eq!((&mail["to"], &mail["defects"]), (&json!(["ada@acme.test"]), &json!([])), "{mail:#}");
    assert_eq!(header(mail, "Envelope-to"), ["ada@acme.test"]);
    let received = header(mail, "Received").join(" ");
    assert!(received.contains("esmtpsa") && received.contains("TLS1.3"), "encrypted, with a login: {received}");
    assert!(mail["text"].as_str().is_some_and(|text| text.contains("https://offtake.acme.test/d/")), "{mail:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_server_takes_mail_encrypted_and_with_a_password() {
    for tls in ["starttls", "implicit"] {
        let exim = Exim::start().await;
        let app = app(&exim, tls, Exim::LOGIN.1, &exim.authority()).start().await;
        let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
        let bob = client(&app, "acme", "bob", Some("bob@acme.test")).await;
        send(&ada, &[SpanSketch::new(1)]).await;
        let job = completed(&ada, &json!({"format": "csv", "notify": {"email": true}})).await;
        let notifications = told(&ada, &job, &["delivered"]).await;
        assert_eq!((notifications.len(), &notifications[0]["tries"]), (1, &json!(1)), "{notifications:?}");
        the_one_mail(&exim, &notifications[0]).await;
        // Somebody it does not know is told of as failed, once.
        let job = completed(&bob, &json!({"format": "csv", "notify": {"email": true}})).await;
        let failed = told(&bob, &job, &["failed"]).await;
        let answer = failed[0]["last_answer"].as_str().expect("an answer");
        assert!(answer.starts_with("recipient: permanent error (550)") && answer.contains("no such user"), "{answer}");
        assert_eq!(exim.mails().len(), 1);
    }
}

/// What a server refuses of what is configured is in the log with the setting to look at, and is tried again: when it is put
/// right the mail arrives, once.
async fn put_right(exim: &Exim, mut app: TestApp, answer: &str, setting: &str, wrong: &str, right: &str) {
    let ada = client(&app, "acme", "ada", Some("ada@acme.test")).await;
    send(&ada, &[SpanSketch::new(1)]).await;
    let job = completed(&ada, &json!({"format": "csv", "notify": {"email": true}})).await;
    let tried = eventually("it was tried twice", LIMIT, async || {
        let one = told(&ada, &job, &["pending", "failed", "delivered"]).await.remove(0);
        (one["tries"].as_u64() >= Some(2)).then_some(one)
    })
    .await;
    let said = tried["last_answer"].as_str().expect("an answer");
    assert!(tried["state"] == "pending" && said.starts_with(answer) && said.contains(setting), "{tried}");
    let log = app.log();
    let is_told = |line: &str| line.contains("\"ERROR\"") && line.contains(setting) && line.contains("mail server");
    assert!(log.lines().any(is_told), "{log}");
    assert!(!log.contains(Exim::LOGIN.1), "{log}");
    let finding = app.cli(&["doctor"]).await;
    assert!(finding.stdout.contains(setting), "{finding:?}");
    assert!(exim.mails().is_empty());
    let (status, _) = app.terminate(Role::Serve, LIMIT).await;
    assert!(status.success(), "{status}");
    let config = std::fs::read_to_string(app.config()).expect("the configuration");
    assert!(config.contains(wrong), "{config}");
    std::fs::write(app.config(), config.replace(wrong, right)).expect("the configuration");
    app.start_role(Role::Serve).await;
    let delivered = told(&ada, &job, &["delivered"]).await;
    the_one_mail(exim, &delivered[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_put_right() {
    let exim = Exim::start().await;
    let app = app(&exim, "starttls", "not this", &exim.authority()).start().await;
    put_right(&exim, app, "login: permanent error (535)", "mail.password", "not this", Exim::LOGIN.1).await;
    assert!(exim.log().contains("authenticator failed"), "{}", exim.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused_and_put_right() {
    let folder = scratch("authority");
    let other = folder.path().to_string_lossy().into_owned();
    let ran = python("certificates.py", &[&other]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (tls, stage) in [("starttls", "encryption: "), ("implicit", "connecting: ")] {
        let exim = Exim::start().await;
        let stranger = folder.path().join("ca.pem");
        let app = app(&exim, tls, Exim::LOGIN.1, &stranger).start().await;
        let (wrong, right) = (stranger.to_string_lossy(), exim.authority());
        put_right(&exim, app, stage, "mail.ca_file", &wrong, &right.to_string_lossy()).await;
    }
}
