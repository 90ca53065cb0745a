//! What users ask for.

use futures::FutureExt;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::id::JobId;
use offtake_model::job::{JobStatus, Phase};

use super::given::*;
use crate::{Idempotency, JobFilter, JobLimits, JobScope, NewJob, StatisticsRow};

fn keyed(b: &Backend, org: &str, owner: &str, key: &str, fingerprint: &str) -> NewJob {
    let idempotency = Idempotency { key: key.to_owned(), fingerprint: fingerprint.to_owned() };
    NewJob { idempotency: Some(idempotency), ..b.request(org, owner) }
}

pub(crate) async fn a_request_is_kept_as_it_is(b: &Backend) {
    let new = NewJob {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        pinned_to: Some(worker("this one")),
        ..b.request("acme", "ada")
    };
    let asked = new.clone();
    let enqueued = b.jobs.enqueue(new).await.unwrap();
    assert!(enqueued.created);
    let job = b.job(asked.id).await;
    assert_eq!(job, enqueued.job);
    assert_eq!((job.id, job.org, job.owner, job.owner_email), (asked.id, asked.org, asked.owner, asked.owner_email));
    assert_eq!((job.spec, job.name, job.file_name), (asked.spec, asked.name, asked.file_name));
    assert_eq!((job.request_id, job.traceparent), (asked.request_id, asked.traceparent));
    assert_eq!((job.pinned_to.as_deref(), job.created_at, job.run_at), (Some("this one"), b.now(), b.now()));
    assert_eq!((job.started_at, job.completed_at, job.expires_at, job.error), (None, None, None, None));
}

pub(crate) async fn an_idempotency_key_makes_one_job(b: &Backend) {
    let first = b.jobs.enqueue(keyed(b, "acme", "ada", "k", "body")).await.unwrap();
    let again = b.jobs.enqueue(keyed(b, "acme", "ada", "k", "body")).await.unwrap();
    assert!(first.created && !again.created);
    assert_eq!(first.job, again.job);

    let key = |fingerprint: &str| Idempotency { key: "k".to_owned(), fingerprint: fingerprint.to_owned() };
    assert_eq!(b.jobs.asked_before(&org("acme"), "ada", &key("body")).await.unwrap(), Some(first.job.clone()));
    assert_eq!(
        kind(b.jobs.asked_before(&org("acme"), "ada", &key("another body")).await),
        ErrorKind::IdempotencyMismatch
    );
    assert_eq!(b.jobs.asked_before(&org("acme"), "bob", &key("body")).await.unwrap(), None);
    assert_eq!(b.jobs.asked_before(&org("bolt"), "ada", &key("body")).await.unwrap(), None);

    let other_body = b.jobs.enqueue(keyed(b, "acme", "ada", "k", "another body")).await;
    assert_eq!(kind(other_body), ErrorKind::IdempotencyMismatch);
    for (org, owner, key) in [("acme", "bob", "k"), ("bolt", "ada", "k"), ("acme", "ada", "k2")] {
        let other = b.jobs.enqueue(keyed(b, org, owner, key, "body")).await.unwrap();
        assert!(other.created, "{org} {owner} {key} is another key");
    }

    // It is the same job in every later state, too.
    let scope = scope("acme");
    b.jobs.cancel(&act(), &scope, first.job.id).await.unwrap();
    let after = b.jobs.enqueue(keyed(b, "acme", "ada", "k", "body")).await.unwrap();
    assert_eq!((after.created, after.job.id, after.job.status), (false, first.job.id, JobStatus::Cancelled));
}

pub(crate) async fn concurrent_requests_with_one_key_make_one_job(b: &Backend) {
    let asking = (0..16).map(|_| b.jobs.enqueue(keyed(b, "acme", "ada", "k", "body")));
    let enqueued = futures::future::try_join_all(asking).await.unwrap();
    assert_eq!(enqueued.iter().filter(|enqueued| enqueued.created).count(), 1);
    assert!(enqueued.iter().all(|each| each.job.id == enqueued[0].job.id));
}

pub(crate) async fn every_verb_is_scoped(b: &Backend) {
    let foreign = [
        JobScope { org: org("bolt"), owner: None },
        JobScope { org: org("acme"), owner: Some("bob".to_owned()) },
        JobScope { org: org("ACME"), owner: Some("ada".to_owned()) },
    ];
    // In every state: foreign and absent are the same, whatever the state would say.
    let pending = b.enqueued().await.id;
    let claimed = b.claimed("w1").await;
    let failed = b.jobs.fail(claimed.lease, &because(ErrorKind::Internal), KEEP).await.unwrap().id;
    assert_eq!(failed, pending);
    b.enqueued().await;
    let completed = b.completed(b.claimed("w1").await).await.0.id;
    let absent = JobId::new(b.now());
    for scope in &foreign {
        for id in [failed, completed] {
            let before = b.job(id).await;
            assert_eq!(kind(b.jobs.get(scope, id).await), ErrorKind::NotFound);
            assert_eq!(kind(b.jobs.cancel(&act(), scope, id).await), ErrorKind::NotFound);
            assert_eq!(kind(b.jobs.retry(&act(), scope, id, JobLimits::NONE).await), ErrorKind::NotFound);
            assert_eq!(kind(b.artifacts.ready(scope, id).await), ErrorKind::NotFound);
            assert_eq!(kind(b.artifacts.expire_now(&act(), scope, id).await), ErrorKind::NotFound);
            assert_eq!(b.job(id).await, before, "nothing was written");
        }
        let page = b.jobs.list(scope, &JobFilter { limit: 10, ..JobFilter::default() }).await.unwrap();
        assert_eq!((page.jobs.len(), page.total, page.has_more), (0, 0, false));
    }
    let own = scope("acme");
    assert_eq!(kind(b.jobs.get(&own, absent).await), ErrorKind::NotFound);
    assert_eq!(kind(b.jobs.cancel(&act(), &own, absent).await), ErrorKind::NotFound);
    assert_eq!(kind(b.jobs.retry(&act(), &own, absent, JobLimits::NONE).await), ErrorKind::NotFound);
    assert_eq!(kind(b.artifacts.ready(&own, absent).await), ErrorKind::NotFound);
    assert!(b.jobs.recent_performance(&org("bolt"), 10).await.unwrap().is_empty());
    assert!(b.jobs.statistics(&org("bolt"), noon()).await.unwrap().is_empty());
    let mine = JobScope { org: org("acme"), owner: Some("ada".to_owned()) };
    assert_eq!(b.jobs.get(&mine, completed).await.unwrap().id, completed);
}

pub(crate) async fn pages_show_each_job_once(b: &Backend) {
    let mut all = Vec::new();
    for _ in 0..7 {
        all.push(b.enqueued().await.id);
    }
    all.reverse();
    b.jobs.enqueue(b.request("bolt", "ada")).await.unwrap();

    let scope = scope("acme");
    let (mut by_key, mut by_offset) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let page = b.jobs.list(&scope, &JobFilter { limit: 3, after, ..JobFilter::default() }).await.unwrap();
        assert_eq!(page.total, 7);
        by_key.extend(page.jobs.iter().map(|job| job.id));
        after = by_key.last().copied();
        assert_eq!(page.has_more, by_key.len() < 7);
        if !page.has_more {
            break;
        }
    }
    for offset in [0, 3, 6, 9] {
        let page = b.jobs.list(&scope, &JobFilter { limit: 3, offset, ..JobFilter::default() }).await.unwrap();
        assert_eq!((page.total, page.has_more), (7, offset + 3 < 7));
        by_offset.extend(page.jobs.iter().map(|job| job.id));
    }
    assert_eq!(by_key, all, "newest first, by key");
    assert_eq!(by_offset, all, "newest first, by offset");
}

pub(crate) async fn lists_are_narrowed(b: &Backend) {
    let first = b.enqueued().await;
    b.jobs.cancel(&act(), &scope("acme"), first.id).await.unwrap();
    let other_request = NewJob { request_id: Some("req-2".to_owned()), ..b.request("acme", "bob") };
    let other_request = b.jobs.enqueue(other_request).await.unwrap().job;
    b.pass(SignedDuration::from_millis(5));
    let mut traces = b.request("acme", "ada");
    traces.spec.dataset = "traces".to_owned();
    let traces = b.jobs.enqueue(traces).await.unwrap().job;

    let found = async |owner: Option<&str>, filter: JobFilter| {
        let scope = JobScope { owner: owner.map(str::to_owned), ..scope("acme") };
        let page = b.jobs.list(&scope, &JobFilter { limit: 10, ..filter }).await.unwrap();
        assert_eq!(page.total, page.jobs.len() as u64);
        page.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let any = JobFilter::default;
    assert_eq!(found(None, any()).await, [traces.id, other_request.id, first.id]);
    assert_eq!(found(Some("ada"), any()).await, [traces.id, first.id]);
    assert_eq!(found(None, JobFilter { dataset: Some("spans".into()), ..any() }).await, [other_request.id, first.id]);
    assert_eq!(found(None, JobFilter { request_id: Some("req-2".into()), ..any() }).await, [other_request.id]);
    assert_eq!(found(None, JobFilter { status: vec![JobStatus::Cancelled], ..any() }).await, [first.id]);
    let several = JobFilter { status: vec![JobStatus::Cancelled, JobStatus::Pending], ..any() };
    assert_eq!(found(Some("ada"), several).await, [traces.id, first.id]);
    assert_eq!(found(None, JobFilter { status: vec![JobStatus::Failed], ..any() }).await, []);
}

pub(crate) async fn cancel_ends_what_is_active_and_nothing_else(b: &Backend) {
    let own = scope("acme");
    let pending = b.enqueued().await;
    let cancelled = b.jobs.cancel(&act(), &own, pending.id).await.unwrap();
    assert_eq!((cancelled.status, cancelled.phase), (JobStatus::Cancelled, Phase::Done));
    assert_eq!(cancelled.completed_at, Some(b.now()));
    b.nothing_due().await;

    let running = b.enqueued().await;
    let claimed = b.claimed("w1").await;
    assert_eq!(b.jobs.cancel(&act(), &own, running.id).await.unwrap().status, JobStatus::Cancelled);
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), crate::Signal::Cancelled);

    let over = b.enqueued().await;
    b.completed(b.claimed("w1").await).await;
    for id in [pending.id, running.id, over.id] {
        let before = b.job(id).await;
        assert_eq!(kind(b.jobs.cancel(&act(), &own, id).await), ErrorKind::Conflict);
        assert_eq!(b.job(id).await, before);
    }
}

pub(crate) async fn retry_goes_on_from_the_checkpoint(b: &Backend) {
    let own = scope("acme");
    let asked = b.enqueued().await;
    assert_eq!(kind(b.jobs.retry(&act(), &own, asked.id, JobLimits::NONE).await), ErrorKind::Conflict);
    let claimed = b.claimed("w1").await;
    let artifact = b.staged(&claimed.lease).await;
    b.jobs.save_plan(&claimed.lease, &plan(200)).await.unwrap();
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact.id, 1), &progress(64)).await.unwrap();
    let failed = b.jobs.fail(claimed.lease, &because(ErrorKind::StorageFull), KEEP).await.unwrap();
    assert_eq!((failed.status, failed.phase, failed.failures), (JobStatus::Failed, Phase::Done, 1));
    assert_eq!(failed.error, Some(because(ErrorKind::StorageFull)));
    assert_eq!((failed.completed_at, failed.expires_at), (Some(b.now()), Some(b.now() + KEEP)));

    b.pass(KEEP - SignedDuration::from_secs(1));
    let retried = b.jobs.retry(&act(), &own, asked.id, JobLimits::NONE).await.unwrap().0;
    assert_eq!((retried.status, retried.phase, retried.failures), (JobStatus::Pending, Phase::Queued, 0));
    assert_eq!((&retried.error, retried.completed_at, retried.expires_at), (&None, None, None));
    assert_eq!((retried.run_at, retried.progress.rows), (b.now(), 64));
    let again = b.claimed("w2").await;
    assert_eq!((again.job.attempt, again.job.phase), (2, Phase::Exporting));
    assert_eq!((again.plan, again.checkpoint), (Some(plan(200)), Some(checkpoint(artifact.id, 1))));
}

pub(crate) async fn retry_comes_too_late(b: &Backend) {
    let asked = b.enqueued().await;
    b.jobs.fail(b.claimed("w1").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    b.pass(KEEP);
    let before = b.job(asked.id).await;
    assert_eq!(kind(b.jobs.retry(&act(), &scope("acme"), asked.id, JobLimits::NONE).await), ErrorKind::Gone);
    assert_eq!(b.job(asked.id).await, before);
}

pub(crate) async fn performance_and_statistics_add_up(b: &Backend) {
    b.enqueued().await;
    b.pass(SignedDuration::from_secs(2));
    let (first, _) = b.completed(b.claimed("w1").await).await;
    b.pass(SignedDuration::from_mins(1));
    b.enqueued().await;
    let (second, _) = b.completed(b.claimed("w1").await).await;
    let failing = b.enqueued().await;
    let claimed = b.claimed("w1").await;
    b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress(64), LEASE).await.unwrap();
    b.jobs.fail(claimed.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();

    let rows = b.jobs.recent_performance(&org("acme"), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.job).collect::<Vec<_>>(), [second.id, first.id], "newest first");
    let row = &rows[1];
    assert_eq!((row.dataset.as_str(), row.format.as_str()), ("spans", "csv.gz"));
    assert_eq!((row.rows, row.bytes, Some(row.completed_at)), (200, 2000, first.completed_at));
    assert_eq!(row.usage, usage());
    assert_eq!(row.queued_ms, Some(2005), "between the request and the first claim");
    assert_eq!(b.jobs.recent_performance(&org("acme"), 1).await.unwrap().len(), 1);

    let statistics = async |since| b.jobs.statistics(&org("acme"), since).await.unwrap();
    let row = |status, jobs, rows| StatisticsRow { dataset: "spans".to_owned(), status, jobs, rows, bytes: rows * 10 };
    // A failed job has no file, however far it got.
    let all = [row(JobStatus::Completed, 2, 400), row(JobStatus::Failed, 1, 0)];
    assert_eq!(statistics(noon()).await, all);
    assert_eq!(statistics(second.created_at).await, [row(JobStatus::Completed, 1, 200), row(JobStatus::Failed, 1, 0)]);
    assert_eq!(statistics(failing.created_at + SignedDuration::from_millis(1)).await, []);

    let since_second = b.now().duration_since(second.completed_at.unwrap());
    assert_eq!(b.jobs.prune_performance(since_second).await.unwrap(), 1);
    assert_eq!(b.jobs.recent_performance(&org("acme"), 10).await.unwrap()[0].job, second.id);
    assert_eq!(statistics(noon()).await, all, "statistics come from the jobs");
}

pub(crate) async fn those_who_wait_are_woken(b: &Backend) {
    let due = b.jobs.due();
    let mut changes = b.jobs.changes();
    let waiting = due.notified();
    let asked = b.enqueued().await;
    assert!(waiting.now_or_never().is_some(), "enqueue wakes");
    assert!(changes.has_changed().unwrap());

    let claimed = b.claimed("w1").await;
    let waiting = due.notified();
    changes.mark_unchanged();
    b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress(1), LEASE).await.unwrap();
    assert!(changes.has_changed().unwrap(), "progress is a change");
    assert!(waiting.now_or_never().is_none(), "but nothing is due");

    let waiting = due.notified();
    b.jobs.release(claimed.lease).await.unwrap();
    assert!(waiting.now_or_never().is_some(), "release wakes");

    b.claimed("w1").await;
    b.pass(LEASE + SignedDuration::from_secs(1));
    let waiting = due.notified();
    b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert!(waiting.now_or_never().is_some(), "rescue wakes");

    b.jobs.fail(b.claimed("w1").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    let waiting = due.notified();
    b.jobs.retry(&act(), &scope("acme"), asked.id, JobLimits::NONE).await.unwrap();
    assert!(waiting.now_or_never().is_some(), "retry wakes");
    changes.mark_unchanged();
    b.jobs.cancel(&act(), &scope("acme"), asked.id).await.unwrap();
    assert!(changes.has_changed().unwrap());
}
