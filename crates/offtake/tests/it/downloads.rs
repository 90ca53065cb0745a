//! Links and what lies behind them: resumable, checkable, short-lived.

use offtake_testkit::{AppBuilder, Client, SpanSketch, TestApp, eventually, sha256};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use crate::support::{OFFTAKE, id_of, saved, send, send_genuine};

async fn a_file(builder: AppBuilder) -> (TestApp, Client, serde_json::Value) {
    let app = builder.start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let job = client.export("spans", &json!({"format": "csv", "name": "Juli – \"Größe\"; 1/2"})).await;
    (app, client, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_can_be_resumed_and_checked() {
    // Our own links; what a bucket's do is the store's affair.
    let (app, client, job) = a_file(AppBuilder::new(OFFTAKE).embedded()).await;
    let link = client.link(id_of(&job)).await;
    let anybody = app.anonymous();
    let get = |headers: Vec<(&'static str, String)>| {
        let (anybody, link) = (anybody.clone(), link.clone());
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            anybody.send(Method::GET, &link, &headers, Vec::new()).await
        }
    };
    let whole = get(vec![]).await.expect(200);
    let size = whole.body.len();
    assert_eq!(json!(size), job["file_size_bytes"]);
    let etag = whole.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "a strong validator: {etag}");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert_eq!(whole.header("content-length"), size.to_string());
    assert_eq!(whole.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(whole.header("content-encoding"), "", "a file, never an encoding");
    let disposition = whole.header("content-disposition");
    assert!(disposition.starts_with("attachment") && disposition.contains("filename*=UTF-8''"), "{disposition}");
    assert!(!disposition.contains('/') && !disposition.contains('\n'), "{disposition}");
    let digest = whole.header("repr-digest").to_owned();
    let path = saved(&app, &client, &job).await;
    let hex = sha256(&path).await;
    assert!(digest.starts_with("sha-256=:") && digest.ends_with(':'), "{digest}");
    assert_eq!(from_base64(digest.trim_start_matches("sha-256=:").trim_end_matches(':')), hex);

    let head = anybody.send(Method::HEAD, &link, &[], Vec::new()).await.expect(200);
    assert_eq!(head.header("content-length"), size.to_string());
    assert_eq!(head.header("etag"), etag);
    assert!(head.body.is_empty());

    let half = size / 2;
    let first = get(vec![("range", format!("bytes=0-{}", half - 1))]).await.expect(206);
    assert_eq!(first.header("content-range"), format!("bytes 0-{}/{size}", half - 1));
    let rest = get(vec![("range", format!("bytes={half}-")), ("if-range", etag.clone())]).await.expect(206);
    assert_eq!(rest.header("content-range"), format!("bytes {half}-{}/{size}", size - 1));
    assert_eq!([first.body, rest.body].concat(), whole.body, "two halves are the whole");
    let tail = get(vec![("range", "bytes=-7".to_owned())]).await.expect(206);
    assert_eq!(tail.body, whole.body[size - 7..]);
    let beyond = get(vec![("range", format!("bytes={}-{}", size - 3, size + 100))]).await.expect(206);
    assert_eq!(beyond.body, whole.body[size - 3..]);
    let other = get(vec![("range", "bytes=5-9".to_owned()), ("if-range", "\"another\"".to_owned())]).await.expect(200);
    assert_eq!(other.body.len(), size, "another file: from the beginning");
    let outside = get(vec![("range", format!("bytes={size}-"))]).await.expect(416);
    assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
    assert_eq!(get(vec![("range", "bytes=9-5".to_owned())]).await.expect(200).body.len(), size, "no range at all");
    assert_eq!(get(vec![("range", "lines=1-2".to_owned())]).await.expect(200).body.len(), size, "an unknown unit");
    get(vec![("if-none-match", etag.clone())]).await.expect(304);
}

fn from_base64(text: &str) -> String {
    let mut bits = 0_u32;
    let mut held = 0;
    let mut out = String::new();
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        let at =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|&known| known == byte);
        bits = (bits << 6) | u32::try_from(at.expect("base64")).expect("below 64");
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push_str(&format!("{:02x}", (bits >> held) & 0xff));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_needs_no_token_dies_soon_and_cannot_be_forged() {
    // As above.
    let app = AppBuilder::new(OFFTAKE).embedded().set("server.link_ttl", "\"2s\"").start().await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let link = client.link(id_of(&job)).await;
    let anybody = app.anonymous();
    anybody.get(&link).await.expect(200);
    let (start, signature) = link.rsplit_once('=').expect("a signature");
    let turned: String = signature.chars().rev().collect();
    for forged in
        [format!("{start}={turned}"), start.to_owned(), link.replace("expires=", "expires=9"), format!("{start}=")]
    {
        let answer = anybody.get(&forged).await;
        assert!(matches!(answer.status, 400 | 403 | 404 | 410), "{answer}");
        assert!(
            answer.status != 410 || !forged.contains("expires=9"),
            "a forged expiry is not a former link: {answer}"
        );
    }
    eventually("the link dies", Duration::from_secs(10), || async {
        let answer = anybody.get(&link).await;
        (answer.status == 410).then_some(())
    })
    .await;
    let again = client.link(id_of(&job)).await;
    assert_ne!(again, link, "made when asked for");
    anybody.get(&again).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_now_is_gone_now() {
    let (app, client, job) = a_file(AppBuilder::new(OFFTAKE)).await;
    let id = id_of(&job);
    let link = client.link(id).await;
    client.delete(&format!("/api/v1/export/jobs/{id}/file")).await.expect(204);
    client.get(&format!("/api/v1/export/jobs/{id}/download")).await.expect(410).problem();
    let answer = app.anonymous().get(&link).await;
    // A bucket's link lives as long as its object.
    assert!(matches!(answer.status, 404 | 410) || link.contains("X-Amz-"), "{answer}");
    eventually("the bytes are gone", Duration::from_secs(15), || async { app.stored().is_empty().then_some(()) }).await;
    let answer = app.anonymous().get(&link).await;
    assert!(matches!(answer.status, 404 | 410), "{answer}");
    eventually("the job is expired", Duration::from_secs(15), || async {
        (client.job(id).await["status"] == "expired").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_expires_object_first_then_state() {
    let app = AppBuilder::new(OFFTAKE).set("jobs.keep", "\"2s\"").start().await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let id = id_of(&job);
    eventually("the job expires", Duration::from_secs(20), || async {
        (client.job(id).await["status"] == "expired").then_some(())
    })
    .await;
    assert_eq!(app.stored(), Vec::new(), "the object goes before the state");
    client.get(&format!("/api/v1/export/jobs/{id}/download")).await.expect(410).problem();
    assert_eq!(client.job(id).await["metadata"]["is_expired"], true);
}
