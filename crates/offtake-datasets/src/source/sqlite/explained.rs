//! How SQLite finds the rows: by the index of the key, by the index of the identity, never by a scan.

use std::sync::Arc;

use jiff::Timestamp;
use offtake_model::as_of::AsOf;
use offtake_model::clock::ManualClock;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Limits, RowsMode};
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::query::{Chosen, Predicate, RowQuery, Sort, Test};
use offtake_model::selection::Scope::Trace as WholeTrace;
use offtake_model::value::Value;
use rusqlite::Connection;

use super::session::Session;
use super::{Scope, Task};
use crate::relation::Relation;
use crate::sql::Bounds;

const COLUMNS: [(&str, ColumnType); 4] = [
    ("at", ColumnType::Timestamp),
    ("trace_id", ColumnType::Text),
    ("span", ColumnType::Text),
    ("model", ColumnType::Text),
];

fn schema() -> DatasetSchema {
    let columns = COLUMNS.map(|(name, ty)| Column {
        name: name.into(),
        ty,
        label: name.into(),
        sensitive: None,
        elements: None,
        hex_digits: None,
    });
    DatasetSchema {
        name: "rows".into(),
        title: "Rows".into(),
        permission: Permission::TracesRead,
        columns: columns.to_vec(),
        key: vec!["at".into(), "trace_id".into(), "span".into()],
        identity: vec!["trace_id".into(), "span".into()],
        time: Some("at".into()),
        rows: RowsMode::AppendOnly,
        filters: Vec::new(),
        default_columns: vec!["model".into()],
        limits: Limits { rows: None, days: 365, identities: 10_000 },
    }
}

pub(super) fn task(predicates: Vec<Predicate>, chosen: Chosen) -> Task {
    let relation = Relation {
        from: "rows s".into(),
        columns: COLUMNS.iter().map(|(name, _)| ((*name).into(), format!("s.{name}"))).collect(),
        tenant: Some("s.org = :org".into()),
        cutoff: Some("s.seq <= :cutoff".into()),
        sequence: Some("SELECT max(seq) FROM rows".into()),
        lookup: Some("temp.chosen c CROSS JOIN rows s ON s.org = :org AND s.trace_id = c.c0 AND s.span = c.c1".into()),
        ..Relation::default()
    };
    let query = RowQuery {
        org: OrgId::new("acme").unwrap(),
        predicates,
        chosen,
        scope: offtake_model::selection::Scope::Row,
        as_of: None,
        newer_than: None,
    };
    Task {
        schema: Arc::new(schema()),
        relation: Arc::new(relation),
        query: Arc::new(query),
        clock: ManualClock::starting_at(Timestamp::UNIX_EPOCH),
    }
}

fn session() -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE rows (seq INTEGER PRIMARY KEY, org TEXT NOT NULL, at INTEGER NOT NULL, trace_id TEXT NOT NULL,
                                span TEXT NOT NULL, model TEXT);
             CREATE UNIQUE INDEX by_key ON rows (org, at, trace_id, span);
             CREATE UNIQUE INDEX by_identity ON rows (org, trace_id, span);
             CREATE INDEX by_model ON rows (org, model);",
        )
        .unwrap();
    let session = Session::open(&path).unwrap();
    (dir, session)
}

fn scope() -> Scope {
    task(Vec::new(), Chosen::All).scope(AsOf::Cutoff { sequence: 9, at: Timestamp::UNIX_EPOCH })
}

fn key(at: i64) -> Vec<Value> {
    vec![Value::Timestamp(at), Value::Text("t".into()), Value::Text("s".into())]
}

fn is(column: &str, test: Test) -> Predicate {
    Predicate { columns: vec![column.into()], test }
}

fn window() -> Vec<Predicate> {
    let moment = Value::Timestamp;
    vec![is("at", Test::AtLeast(moment(0))), is("at", Test::Below(moment(99)))]
}

fn range(session: &Session, task: &Task, by_key: bool) -> Vec<String> {
    let (above, upto) = (key(1), key(2));
    let bounds = Bounds { above: Some(&above), upto: Some(&upto), by_key };
    session.explain(&task.statements().range(&["model".into()], bounds, 10).unwrap(), &scope()).unwrap()
}

#[test]
fn a_range_is_found_by_its_bounds_in_the_index_of_the_key() {
    let (_dir, session) = session();
    let mut predicates = window();
    predicates.push(is("model", Test::OneOf(vec![Value::Text("m".into())])));
    let by_bounds = "SEARCH s USING INDEX by_key (org=? AND (at,trace_id,span)>(?,?,?) AND (at,trace_id,span)<(?,?,?))";
    assert_eq!(range(&session, &task(window(), Chosen::All), false), [by_bounds]);
    assert_eq!(range(&session, &task(predicates.clone(), Chosen::All), true), [by_bounds]);
    // Few ranges may use what is selective.
    let free = range(&session, &task(predicates, Chosen::All), false);
    assert!(free.iter().all(|line| line.starts_with("SEARCH s") || line.starts_with("USE TEMP B-TREE")), "{free:?}");
}

#[test]
fn the_pass_over_the_key_and_the_count_touch_an_index_alone() {
    let (_dir, session) = session();
    let task = task(window(), Chosen::All);
    let walked = session.explain(&task.statements().keys(None).unwrap(), &scope()).unwrap();
    assert_eq!(walked.len(), 1, "{walked:?}");
    assert!(walked[0].starts_with("SEARCH s USING COVERING INDEX by_key (org=? AND at>? AND at<?)"), "{walked:?}");
    let counted = session.explain(&task.statements().count().unwrap(), &scope()).unwrap();
    assert!(counted[0].contains("COVERING INDEX by_key"), "{counted:?}");
}

#[test]
fn excluded_rows_are_looked_up_one_by_one() {
    let (_dir, mut session) = session();
    let task = task(Vec::new(), Chosen::AllExcept(vec![vec![Value::Text("t".into()), Value::Text("s".into())]].into()));
    session.load(&task.statements()).unwrap();
    let lines = range(&session, &task, false);
    assert!(lines.iter().any(|line| line == "SEARCH x USING PRIMARY KEY (c0=? AND c1=?)"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("SCAN")), "{lines:?}");
}

#[test]
fn chosen_rows_are_the_only_ones_touched() {
    let (_dir, mut session) = session();
    let task = task(window(), Chosen::Only(vec![vec![Value::Text("t".into()), Value::Text("s".into())]].into()));
    session.load(&task.statements()).unwrap();
    let sort = task.statements().order(Some(&Sort { column: "model".into(), descending: true })).unwrap();
    let page = task.statements().page(&["model".into()], &sort, None, 10).unwrap();
    for sql in [task.statements().count().unwrap(), task.statements().keys(Some(&key(3))).unwrap(), page] {
        let lines = session.explain(&sql, &scope()).unwrap();
        assert_eq!(lines[0], "SCAN c");
        assert!(lines[1].starts_with("SEARCH s USING INDEX by_identity (org=? AND trace_id=? AND span=?"), "{lines:?}");
    }
    assert_eq!(range(&session, &task, true)[0], "SCAN c");
    assert!(range(&session, &task, true)[1].contains("by_identity"));
}

#[test]
fn sampled_rows_are_looked_up_by_the_key() {
    let (_dir, mut session) = session();
    let task = task(window(), Chosen::All);
    session.load_sampled(&task.statements(), &[key(1), key(2)]).unwrap();
    let lines = session.explain(&task.statements().sizes(&[]).unwrap(), &scope()).unwrap();
    assert!(!lines.iter().any(|line| line.starts_with("SCAN s")), "{lines:?}");
    assert!(lines[0].contains("at=? AND trace_id=? AND span=?"), "{lines:?}");
}

#[test]
fn whole_traces_are_found_by_probes_of_the_identity() {
    let (_dir, mut session) = session();
    let whole = |predicates, chosen| {
        let task = task(predicates, chosen);
        Task { query: Arc::new(RowQuery { scope: WholeTrace, ..(*task.query).clone() }), ..task }
    };
    let mut predicates = window();
    predicates.push(is("model", Test::OneOf(vec![Value::Text("m".into())])));
    let lines = range(&session, &whole(predicates, Chosen::All), true);
    assert!(lines[0].starts_with("SEARCH s USING INDEX by_key (org=? AND (at,trace_id,span)>"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("by_identity (org=? AND trace_id=?)")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("SCAN") || line.contains("MATERIALIZE")), "{lines:?}");

    let named = whole(Vec::new(), Chosen::Only(vec![vec![Value::Text("t".into()), Value::Text("s".into())]].into()));
    session.load(&named.statements()).unwrap();
    let lines = session.explain(&named.statements().count().unwrap(), &scope()).unwrap();
    let scans: Vec<&String> = lines.iter().filter(|line| line.starts_with("SCAN")).collect();
    assert_eq!(scans, ["SCAN c"], "{lines:?}");
}
