//! Files in a bucket: the same road, and what a store and the network between can do to it.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Asked, Client, Fault, Proxy, Role, S3Server, TestApp, eventually, sha256};
use offtake_testkit::{Rng, small_spans};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, outage, saved, send_genuine};

const LONG: Duration = Duration::from_secs(300);

/// The product on a bucket that it reaches through a proxy.
struct OnBucket {
    app: TestApp,
    client: Client,
    proxy: Proxy,
    server: S3Server,
}

impl OnBucket {
    async fn start(builder: AppBuilder) -> Self {
        let server = S3Server::seaweed().await;
        let proxy = Proxy::before(server.endpoint()).await;
        let mut builder = builder.set("store.timeout", "\"3s\"").set("store.retry_for", "\"2s\"");
        for (key, value) in server.settings(&proxy.endpoint()) {
            builder = builder.set(key, &value);
        }
        let public = format!("\"{}\"", server.endpoint());
        let app = builder.set("store.public_endpoint", &public).start().await;
        let client = app.client("acme").await;
        Self { app, client, proxy, server }
    }

    /// With spans enough for many parts.
    async fn busy() -> Self {
        Self::start(AppBuilder::new(OFFTAKE).with_spans(small_spans())).await
    }

    /// Exports without disturbance; the digest of the file.
    async fn undisturbed(&self, body: &Json) -> String {
        let job = self.client.export("spans", body).await;
        let receipt = self.client.receipt(id_of(&job)).await;
        assert_eq!(receipt["rows_written"], json!(small_spans()), "{receipt}");
        let file = saved(&self.app, &self.client, &job).await;
        let digest = sha256(&file).await;
        assert_eq!(receipt["sha256"], json!(digest));
        assert!(receipt["bytes"].as_u64() > Some(3 * 5 * 1024 * 1024), "too small to be several parts: {receipt}");
        digest
    }

    /// The job completes with the bytes of an undisturbed run, and nothing else is left of it.
    async fn assert_whole(&self, job: &str, digest: &str) {
        let rested = self.client.rested(job, LONG).await;
        assert_eq!(rested["status"], "completed", "{rested}");
        let file = saved(&self.app, &self.client, &rested).await;
        assert_eq!(sha256(&file).await, digest, "not the bytes of an undisturbed run");
        std::fs::remove_file(file).expect("the file can be removed");
        self.no_orphans(&[job]).await;
    }

    /// Waits until, of these jobs, a file and its receipt are all there is, and no upload is under way.
    async fn no_orphans(&self, completed: &[&str]) {
        eventually("no upload and no object is left over", Duration::from_secs(30), || async {
            let (objects, uploads) = (self.server.objects().await, self.server.uploads().await);
            let count = |job: &&str| objects.iter().filter(|(key, _)| key.contains(*job)).count();
            (uploads.is_empty() && completed.iter().all(|job| count(job) == 2)).then_some(())
        })
        .await;
    }

    async fn first_checkpoint(&self, job: &str) {
        eventually("a checkpoint", LONG, || async { (self.app.checkpointed_rows(job) > 0).then_some(()) }).await;
    }
}

fn ends_upload(asked: &Asked) -> bool {
    asked.method == "POST" && asked.target.contains("uploadId=")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_road_leads_into_a_bucket_and_out_again() {
    let on = OnBucket::start(AppBuilder::new(OFFTAKE)).await;
    send_genuine(&on.client).await;
    let job = on.client.export("spans", &json!({"format": "csv", "compression": "gzip"})).await;
    let id = id_of(&job);
    let receipt = on.client.receipt(id).await;
    let stored = on.server.objects().await;
    assert_eq!(stored.len(), 2, "the file and its receipt: {stored:?}");
    assert!(stored.iter().any(|(_, size)| Some(*size) == receipt["bytes"].as_u64()), "{stored:?}");

    let link = on.client.link(id).await;
    assert!(link.starts_with(on.server.endpoint()), "not the public endpoint: {link}");
    let anybody = on.app.anonymous();
    let file = anybody.get(&link).await.expect(200);
    assert_eq!(file.header("content-type"), receipt["media_type"].as_str().expect("a media type"));
    let name = receipt["file_name"].as_str().expect("a name");
    assert!(file.header("content-disposition").contains(name), "{}", file.header("content-disposition"));
    let part = anybody
        .send("GET".parse().expect("a method"), &link, &[("range", "bytes=10-19")], Vec::new())
        .await
        .expect(206);
    assert_eq!(part.body, file.body[10..20]);
    assert_eq!(receipt["sha256"], json!(sha256(&saved(&on.app, &on.client, &job).await).await));
    let head = on
        .client
        .send("HEAD".parse().expect("a method"), &format!("/api/v1/export/jobs/{id}/download"), &[], Vec::new())
        .await;
    let head =
        anybody.send("HEAD".parse().expect("a method"), head.expect(302).header("location"), &[], Vec::new()).await;
    assert_eq!(head.expect(200).header("content-length"), receipt["bytes"].to_string());

    let tampered = link.replacen(&format!("/{id}/1/"), &format!("/{id}/2/"), 1);
    assert_ne!(tampered, link);
    anybody.get(&tampered).await.expect(403);
    anybody.get(&link.replacen("X-Amz-Expires=600", "X-Amz-Expires=6000", 1)).await.expect(403);

    // By the command line, from the bucket itself and through the server.
    let token = on.app.token("acme", "tester", "all").await;
    let url = on.app.url();
    for (name, at) in [("here.gz", vec!["--org", "acme"]), ("there.gz", vec!["--server", &url, "--token", &token])] {
        let mut arguments = vec!["jobs", "download", id, "-o", name, "--verify"];
        arguments.extend(at);
        let ran = on.app.cli(&arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(std::fs::read(on.app.folder().join(name)).expect("it is there"), file.body);
    }
    on.client.delete(&format!("/api/v1/export/jobs/{id}/file")).await.expect(204);
    eventually("the objects are gone", Duration::from_secs(15), || async {
        on.server.objects().await.is_empty().then_some(())
    })
    .await;
    let logs = std::fs::read_dir(on.app.folder()).expect("the folder is there").flatten();
    for log in logs.filter(|entry| entry.path().extension().is_some_and(|end| end == "log")) {
        let text = std::fs::read_to_string(log.path()).expect("a log");
        assert!(!text.contains("X-Amz-Signature") && !text.contains("offtake-test-secret"), "a right is in {log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_an_upload_costs_no_byte() {
    let mut on = OnBucket::busy().await;
    let body = json!({"format": "csv"});
    let digest = on.undisturbed(&body).await;
    let job = on.client.begin("spans", &body).await;
    for _ in 0..2 {
        on.first_checkpoint(&job).await;
        on.app.kill9(Role::Serve);
        assert!(!on.server.uploads().await.is_empty(), "the upload waits for whoever comes next");
        on.app.start_role(Role::Serve).await;
    }
    on.assert_whole(&job, &digest).await;
    assert!(on.client.job(&job).await["attempt"].as_u64() > Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_leaves_no_upload_and_no_object() {
    let on = OnBucket::busy().await;
    let job = on.client.begin("spans", &json!({"format": "csv"})).await;
    on.first_checkpoint(&job).await;
    on.client.delete(&format!("/api/v1/export/jobs/{job}")).await.expect(204);
    eventually("nothing is left", Duration::from_secs(30), || async {
        (on.server.objects().await.is_empty() && on.server.uploads().await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(on.client.job(&job).await["status"], "cancelled");
}

/// Exports while requests meet what `fault` draws for so many of a hundred, and the third one always.
async fn disturbed(percent: u64, fault: impl Fn(&mut Rng) -> Fault + Send + Sync + 'static) {
    let on = OnBucket::busy().await;
    let body = json!({"format": "csv"});
    let digest = on.undisturbed(&body).await;
    let drawn = std::sync::Mutex::new((Rng::seeded("faults"), 0));
    on.proxy.script(move |_| {
        let (chance, asked) = &mut *drawn.lock().expect("no panic while locked");
        *asked += 1;
        if *asked == 3 || chance.below(100) < percent { fault(chance) } else { Fault::None }
    });
    let job = on.client.begin("spans", &body).await;
    let rested = on.client.rested(&job, LONG).await;
    assert!(!on.proxy.met().is_empty(), "nothing was disturbed");
    on.proxy.heal();
    assert_eq!(rested["status"], "completed", "{rested}");
    on.assert_whole(&job, &digest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_busy_now_and_then() {
    disturbed(5, |_| Fault::SLOW_DOWN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_busy_every_third_time() {
    disturbed(30, |_| Fault::SLOW_DOWN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere() {
    disturbed(10, |chance| match chance.below(3) {
        0 => Fault::CutRequest(chance.below(6_000_000)),
        1 => Fault::CutAnswer(chance.below(400)),
        _ => Fault::LoseAnswer,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_falls_silent_now_and_then() {
    disturbed(6, |_| Fault::Hang).await;
}

/// Wrong keys, a wrong clock and a missing bucket are no outage: the job says so soon, and can be asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_named() {
    let on = OnBucket::busy().await;
    let body = json!({"format": "csv"});
    let digest = on.undisturbed(&body).await;
    let skewed = Fault::Answer(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    let expired = Fault::Answer(403, "<Error><Code>ExpiredToken</Code></Error>");
    let no_bucket = Fault::Answer(404, "<Error><Code>NoSuchBucket</Code></Error>");
    for answers in [[skewed, expired], [no_bucket.clone(), no_bucket]] {
        let said = format!("{answers:?}");
        let job = on.client.begin("spans", &body).await;
        on.first_checkpoint(&job).await;
        on.proxy.script(move |asked| answers[usize::from(asked.number % 2 == 0)].clone());
        let rested = on.client.rested(&job, LONG).await;
        assert_eq!(rested["error"]["code"], "storage_denied", "{said}: {rested}");
        let ready = on.client.get("/readyz").await.expect(503).json();
        assert_eq!(ready["checks"]["objects"]["code"], "storage_denied", "{said}: {ready}");
        on.proxy.heal();
        on.client.post(&format!("/api/v1/export/jobs/{job}/retry"), &json!({})).await.expect(202);
        on.assert_whole(&job, &digest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_is_none_is_no_success() {
    let on = OnBucket::busy().await;
    let body = json!({"format": "csv"});
    let digest = on.undisturbed(&body).await;
    let told = std::sync::atomic::AtomicU32::new(0);
    on.proxy.script(move |asked| {
        let first = ends_upload(asked) && told.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
        if first { Fault::ERROR_IN_200 } else { Fault::None }
    });
    let job = on.client.begin("spans", &body).await;
    on.assert_whole(&job, &digest).await;
    assert_eq!(on.proxy.met().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_named_and_waited_for() {
    let mut on = OnBucket::busy().await;
    let body = json!({"format": "csv"});
    let digest = on.undisturbed(&body).await;
    let job = on.client.begin("spans", &body).await;
    on.first_checkpoint(&job).await;
    on.proxy.script(|_| Fault::SLOW_DOWN);
    eventually("the job waits", Duration::from_secs(60), || {
        let log = on.app.log();
        async move { (log.contains("postponed") && log.contains("storage_unavailable")).then_some(()) }
    })
    .await;
    let ready = on.client.get("/readyz").await.expect(503).json();
    assert_ne!(ready["checks"]["objects"]["status"], "ok", "{ready}");
    on.client.get(&format!("/api/v1/export/jobs/{job}")).await.expect(200);
    on.client.post("/api/v1/export/spans/preview", &body).await.expect(200);
    let began = std::time::Instant::now();
    while began.elapsed() < outage() {
        let now = on.client.job(&job).await;
        if now["status"] == "failed" {
            assert_eq!(now["error"]["code"], "storage_unavailable", "{now}");
            println!("given up after {:?}: {}", began.elapsed(), now["error"]);
            on.proxy.heal();
            on.client.post(&format!("/api/v1/export/jobs/{job}/retry"), &json!({})).await.expect(202);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    on.proxy.heal();
    on.assert_whole(&job, &digest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_is_checked_and_looked_after() {
    let on = OnBucket::start(AppBuilder::new(OFFTAKE)).await;
    let checked = on.app.cli(&["storage", "check", "--json"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let checked: Json = serde_json::from_str(&checked.stdout).expect("JSON");
    let rule = checked["checks"].as_array().and_then(|all| all.iter().find(|one| one["check"] == "abort rule"));
    assert!(rule.is_some(), "{checked}");
    let too_short = on.app.cli(&["storage", "apply-lifecycle", "--expire-after", "7"]).await;
    assert_eq!(too_short.code, Some(2), "{too_short:?}");
    let applied = on.app.cli(&["storage", "apply-lifecycle", "--abort-after", "2"]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let checked = on.app.cli(&["storage", "check"]).await;
    assert!(checked.stdout.contains("after 2 days"), "{}", checked.stdout);
    assert_eq!(on.server.objects().await, [], "a check leaves nothing");

    let doctor = on.app.cli(&["doctor"]).await;
    assert_eq!(doctor.code, Some(0), "{}", doctor.stdout);
    on.proxy.script(|_| Fault::Answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"));
    let doctor = on.app.cli(&["doctor", "--json"]).await;
    assert_eq!(doctor.code, Some(1), "{}", doctor.stdout);
    let found: Json = serde_json::from_str(&doctor.stdout).expect("JSON");
    let failed = found["findings"].as_array().expect("findings").iter().find(|one| one["result"] == "failed");
    assert!(
        failed.is_some_and(|one| one["detail"].as_str().is_some_and(|text| text.contains("check the keys"))),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_installation_is_found() {
    use std::os::unix::fs::PermissionsExt as _;
    // A secret that Offtake made is in the data directory.
    let app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let sound = app.cli(&["doctor"]).await;
    assert_eq!(sound.code, Some(0), "{}", sound.stdout);
    let secret = app.data_dir().join("token.secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("an own file's mode can be set");
    let found = app.cli(&["doctor"]).await;
    assert_eq!(found.code, Some(1), "{}", found.stdout);
    assert!(
        found.stdout.lines().any(|line| line.starts_with("failed") && line.contains("chmod 600")),
        "{}",
        found.stdout
    );
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("an own file's mode can be set");
}
