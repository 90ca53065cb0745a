//! Schedules: claims, windows, ends.

use jiff::{SignedDuration, Timestamp};
use offtake_model::ErrorKind;
use offtake_model::as_of::AsOf;
use offtake_model::id::{JobId, ScheduleId};
use offtake_model::job::JobStatus;
use offtake_model::permission::Permission;
use offtake_model::schedule::{
    MOST_SCHEDULES, Position, RunKind, Schedule, ScheduleContent, ScheduleOwner, ScheduleState, Window, WindowMode,
};
use offtake_model::sensitive::Sight;
use serde_json::json;

use super::given::{Backend, KEEP, because, by, kind, org, scope, worker};
use crate::{DueSchedule, Evaluated, JobScope, Missed, NewRun, NewSchedule};

const LEASE: SignedDuration = SignedDuration::from_secs(60);

fn content(name: &str) -> ScheduleContent {
    ScheduleContent {
        name: name.to_owned(),
        dataset: "spans".to_owned(),
        request: json!({"format": "csv", "model": ["m", "ü"]}).as_object().cloned().unwrap(),
        cron: "*/15 * * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        window: WindowMode::Incremental,
        horizon_seconds: 900,
    }
}

fn owner(sub: &str) -> ScheduleOwner {
    ScheduleOwner {
        sub: sub.to_owned(),
        email: Some(format!("{sub}@example.com")),
        needs: vec![Permission::ExportsCreate, Permission::TracesRead],
        sight: Sight::Veiled,
    }
}

impl Backend {
    pub(crate) async fn scheduled(&self, org_name: &str, sub: &str) -> Schedule {
        let new = NewSchedule {
            id: ScheduleId::new(self.now()),
            owner: owner(sub),
            content: content("Nightly"),
            position: None,
            next_run_at: self.now(),
        };
        let made = self.schedules.create_schedule(&by(sub), &org(org_name), new).await.unwrap();
        self.pass(SignedDuration::from_millis(5));
        made
    }

    async fn due(&self, name: &str) -> Vec<DueSchedule> {
        self.schedules.claim_schedules(&worker(name), 10, LEASE).await.unwrap()
    }

    fn next(&self) -> Timestamp {
        self.now() + SignedDuration::from_mins(15)
    }

    /// A run of the window up to `sequence`.
    pub(crate) fn window_run(&self, schedule: &Schedule, kind: RunKind, sequence: i64) -> (NewRun, Position) {
        let to = Position::Cutoff(AsOf::Cutoff { sequence, at: self.now() });
        let window = Window { from: schedule.position, to: Some(to) };
        let mut job = self.request(schedule.org.as_str(), &schedule.owner.sub);
        job.id = JobId::new(self.now());
        (NewRun { kind, window, due_at: self.now(), job }, to)
    }

    fn ran(&self, due: &DueSchedule, sequence: i64) -> Evaluated {
        let (run, to) = self.window_run(&due.schedule, RunKind::Scheduled, sequence);
        Evaluated::Run { run: Box::new(run), position: Some(to), next_run_at: self.next(), missed: None }
    }
}

pub(crate) async fn a_schedule_is_kept_as_it_is(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    assert_eq!((&made.content, &made.owner, made.version), (&content("Nightly"), &owner("ada"), 1));
    assert_eq!((made.state.clone(), made.position, made.last_run_at), (ScheduleState::Active, None, None));
    let schedules = &backend.schedules;
    assert_eq!(schedules.schedule(&scope("acme"), made.id).await.unwrap(), made);
    let bobs = JobScope { org: org("acme"), owner: Some("bob".to_owned()) };
    for foreign in [&scope("other"), &bobs] {
        assert_eq!(kind(schedules.schedule(foreign, made.id).await), ErrorKind::NotFound);
        assert_eq!(kind(schedules.pause_schedule(&by("eve"), foreign, made.id).await), ErrorKind::NotFound);
        assert_eq!(
            kind(schedules.resume_schedule(&by("eve"), foreign, made.id, made.created_at).await),
            ErrorKind::NotFound
        );
        assert_eq!(kind(schedules.delete_schedule(&by("eve"), foreign, made.id).await), ErrorKind::NotFound);
        assert!(schedules.schedules(foreign).await.unwrap().is_empty());
    }
    let second = backend.scheduled("acme", "bob").await;
    let all = schedules.schedules(&scope("acme")).await.unwrap();
    assert_eq!(all, [second.clone(), made.clone()], "the newest first");
    assert_eq!(schedules.schedules(&bobs).await.unwrap(), [second]);
    schedules.delete_schedule(&by("ada"), &scope("acme"), made.id).await.unwrap();
    assert_eq!(kind(schedules.schedule(&scope("acme"), made.id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_change_is_made_to_the_version_that_was_seen(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    let mut changed = made.clone();
    changed.content.cron = "0 3 * * *".to_owned();
    let after = backend.schedules.change_schedule(&by("ada"), &changed, backend.next()).await.unwrap();
    assert_eq!((after.version, after.content.cron.as_str(), after.next_run_at), (2, "0 3 * * *", Some(backend.next())));
    let late = backend.schedules.change_schedule(&by("ada"), &changed, backend.next()).await;
    assert_eq!(kind(late), ErrorKind::PreconditionFailed);
    let paused = backend.schedules.pause_schedule(&by("ada"), &scope("acme"), made.id).await.unwrap();
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "asked"), "{paused:?}");
    assert_eq!(paused.next_run_at, None);
    let still = backend.schedules.change_schedule(&by("ada"), &paused, backend.next()).await.unwrap();
    assert_eq!(still.next_run_at, None, "a change does not resume it");
    let resumed = backend.schedules.resume_schedule(&by("ada"), &scope("acme"), made.id, backend.next()).await.unwrap();
    assert_eq!((resumed.state, resumed.next_run_at), (ScheduleState::Active, Some(backend.next())));
}

pub(crate) async fn there_are_only_so_many_schedules(backend: &Backend) {
    for _ in 0..MOST_SCHEDULES {
        backend.scheduled("acme", "ada").await;
    }
    let new = NewSchedule {
        id: ScheduleId::new(backend.now()),
        owner: owner("ada"),
        content: content("One more"),
        position: None,
        next_run_at: backend.now(),
    };
    let more = backend.schedules.create_schedule(&by("ada"), &org("acme"), new).await;
    assert_eq!(kind(more), ErrorKind::Conflict);
    backend.scheduled("other", "eve").await;
}

pub(crate) async fn a_due_schedule_is_evaluated_by_one(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    let later = backend.scheduled("other", "eve").await;
    let (one, two) = futures::future::join(backend.due("one"), backend.due("two")).await;
    let mut taken: Vec<ScheduleId> = one.iter().chain(&two).map(|due| due.schedule.id).collect();
    taken.sort();
    assert_eq!(taken, [made.id, later.id], "each of them once");
    assert!(backend.due("three").await.is_empty());
    backend.pass(LEASE);
    let again = backend.due("three").await;
    assert_eq!(again.len(), 2, "whoever took them died");
    // What a dead one says when it wakes is void.
    for old in one.iter().chain(&two) {
        let outcome = backend.schedules.settle_schedule(old, backend.ran(old, 7)).await;
        assert_eq!(kind(outcome), ErrorKind::LeaseLost);
    }
    for due in &again {
        let job = backend.schedules.settle_schedule(due, backend.ran(due, 7)).await.unwrap().unwrap();
        assert_eq!((job.status, &job.owner), (JobStatus::Pending, &due.schedule.owner.sub));
    }
    assert!(backend.due("four").await.is_empty());
    let after = backend.schedules.schedule(&scope("acme"), made.id).await.unwrap();
    assert_eq!(after.next_run_at, Some(backend.next()));
    assert_eq!(after.last_run_at, Some(backend.now()));
    assert!(matches!(after.position, Some(Position::Cutoff(AsOf::Cutoff { sequence: 7, .. }))));
    backend.pass(SignedDuration::from_mins(15));
    assert_eq!(backend.due("five").await.len(), 2, "and due again");
}

pub(crate) async fn a_window_has_one_job(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    let due = backend.due("one").await.pop().unwrap();
    // While it is evaluated, somebody asks for the same window.
    let (run, to) = backend.window_run(&made, RunKind::Asked, 5);
    let asked = backend.schedules.run_now(&made, run, Some(to)).await.unwrap();
    let outcome = backend.schedules.settle_schedule(&due, backend.ran(&due, 7)).await;
    assert_eq!(kind(outcome), ErrorKind::LeaseLost);
    backend.pass(SignedDuration::from_millis(5));
    let (run, to) = backend.window_run(&made, RunKind::Asked, 9);
    let stale = backend.schedules.run_now(&made, run, Some(to)).await;
    assert_eq!(kind(stale), ErrorKind::Conflict, "the position was moved since");
    let due = backend.due("two").await.pop().unwrap();
    let scheduled = backend.schedules.settle_schedule(&due, backend.ran(&due, 9)).await.unwrap().unwrap();
    backend.pass(SignedDuration::from_millis(5));
    let (mut run, _) = backend.window_run(&made, RunKind::Backfill, 9);
    let at = |text: &str| Some(Position::Time(text.parse().unwrap()));
    run.window = Window { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") };
    let window = run.window;
    let backfill = backend.schedules.run_now(&made, run, None).await.unwrap();
    let runs = backend.schedules.schedule_runs(&org("acme"), made.id, 10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.job).collect::<Vec<_>>(), [backfill.id, scheduled.id, asked.id]);
    assert_eq!(runs[0].window, window);
    assert_eq!((runs[1].window.from, runs[1].kind), (runs[2].window.to, RunKind::Scheduled), "windows meet");
    assert!(backend.schedules.schedule_runs(&org("other"), made.id, 10).await.unwrap().is_empty());
    let without = backend.scheduled("acme", "bea").await;
    let latest = backend.schedules.latest_runs(&org("acme")).await.unwrap();
    assert_eq!(latest, [(made.id, runs[0].clone())], "{} has none", without.id);
    assert!(backend.schedules.latest_runs(&org("other")).await.unwrap().is_empty());
    backend.schedules.delete_schedule(&by("ada"), &scope("acme"), made.id).await.unwrap();
    assert_eq!(backend.jobs.get(&scope("acme"), backfill.id).await.unwrap().id, backfill.id, "jobs stay");
}

pub(crate) async fn the_end_of_a_run_is_noted_once(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    let due = backend.due("one").await.pop().unwrap();
    let job = backend.schedules.settle_schedule(&due, backend.ran(&due, 7)).await.unwrap().unwrap();
    assert_eq!(backend.schedules.note_ended_runs(10).await.unwrap(), 0, "it has not even begun");
    for round in 0..2 {
        let claimed = backend.claimed("w").await;
        assert_eq!(backend.schedules.note_ended_runs(10).await.unwrap(), 0);
        backend.jobs.fail(claimed.lease, &because(ErrorKind::SchemaDrift), KEEP).await.unwrap();
        let noted =
            futures::future::join(backend.schedules.note_ended_runs(10), backend.schedules.note_ended_runs(10)).await;
        assert_eq!(noted.0.unwrap() + noted.1.unwrap(), 1, "round {round}");
        assert_eq!(backend.schedules.note_ended_runs(10).await.unwrap(), 0);
        let runs = backend.schedules.schedule_runs(&org("acme"), made.id, 10).await.unwrap();
        assert_eq!((runs[0].job, runs[0].status), (job.id, JobStatus::Failed), "the window stays, failed");
        let limits = crate::JobLimits::NONE;
        backend.jobs.retry(&by("ada"), &scope("acme"), job.id, limits).await.unwrap();
    }
    backend.jobs.cancel(&by("ada"), &scope("acme"), job.id).await.unwrap();
    assert_eq!(backend.schedules.note_ended_runs(10).await.unwrap(), 0, "the attempt before was noted");
}

pub(crate) async fn what_stands_in_the_way_is_remembered(backend: &Backend) {
    let made = backend.scheduled("acme", "ada").await;
    for round in 1..=3 {
        let due = backend.due("one").await.pop().unwrap();
        let wrong = Evaluated::Wrong { why: "no such filter".to_owned(), next_run_at: backend.now(), most: 3 };
        assert!(backend.schedules.settle_schedule(&due, wrong).await.unwrap().is_none());
        let after = backend.schedules.schedule(&scope("acme"), made.id).await.unwrap();
        assert_eq!((after.errors, after.last_error.as_deref()), (round, Some("no such filter")));
    }
    let paused = backend.schedules.schedule(&scope("acme"), made.id).await.unwrap();
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "configuration"), "{paused:?}");
    assert!(backend.due("one").await.is_empty());
    backend.schedules.resume_schedule(&by("ada"), &scope("acme"), made.id, backend.now()).await.unwrap();
    let due = backend.due("one").await.pop().unwrap();
    let later = Evaluated::Later { why: "the source is away".to_owned(), wait: SignedDuration::from_secs(30) };
    backend.schedules.settle_schedule(&due, later).await.unwrap();
    assert!(backend.due("one").await.is_empty(), "not at once");
    backend.pass(SignedDuration::from_secs(30));
    let due = backend.due("one").await.pop().unwrap();
    assert_eq!(due.schedule.errors, 0, "a source that is away is nobody's mistake");
    let since = due.schedule.next_run_at.unwrap();
    let mut ran = backend.ran(&due, 3);
    if let Evaluated::Run { missed, .. } = &mut ran {
        *missed = Some(Missed { since, ticks: 4 });
    }
    backend.schedules.settle_schedule(&due, ran).await.unwrap().unwrap();
    backend.pass(SignedDuration::from_mins(15));
    let due = backend.due("one").await.pop().unwrap();
    let withdrawn = Evaluated::Withdrawn { why: "this account is disabled".to_owned() };
    backend.schedules.settle_schedule(&due, withdrawn).await.unwrap();
    let paused = backend.schedules.schedule(&scope("acme"), made.id).await.unwrap();
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "owner_withdrawn"), "{paused:?}");
}
