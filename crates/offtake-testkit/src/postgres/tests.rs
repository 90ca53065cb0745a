//! The servers do what the tests rely on.

use super::{PgVersion, Postgres};

#[test]
fn shared_servers_are_of_the_version_asked_for() {
    for (version, prefix) in [(PgVersion::V15, "15"), (PgVersion::V18, "18")] {
        let server = Postgres::shared(version);
        let again = Postgres::shared(version);
        assert_eq!(server.port(), again.port());
        let database = again.database();
        let shown = database.rows("SHOW server_version")[0][0].clone().unwrap();
        assert!(shown.starts_with(prefix), "{shown}");
        database.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
        assert_eq!(database.rows("SELECT a, NULL FROM t"), [[Some("1".to_owned()), None]]);
    }
}

#[test]
fn an_own_server_survives_what_is_done_to_it() {
    let mut server = Postgres::own_with(PgVersion::V15, "work_mem = '5MB'");
    let port = server.port();
    let database = server.database();
    assert_eq!(database.rows("SHOW work_mem")[0][0].as_deref(), Some("5MB"));
    database.execute("CREATE TABLE t (a int)");
    for (at, stop) in [Postgres::stop_fast, Postgres::stop_immediate, Postgres::kill9].into_iter().enumerate() {
        database.execute("INSERT INTO t VALUES (1)");
        stop(&mut server);
        assert!(!super::database::answers(port));
        server.start();
        assert_eq!(database.rows("SELECT a FROM t").len(), at + 1);
    }
    server.freeze();
    server.thaw();
    database.execute("INSERT INTO t VALUES (1)");
}

#[test]
fn a_standby_follows_and_takes_over() {
    let mut primary = Postgres::own(PgVersion::V18);
    let database = primary.database();
    let standby = primary.standby("");
    database.execute("CREATE TABLE t (a int)");
    let name = database.name().to_owned();
    primary.stop_fast();
    standby.promote();
    super::database::execute(&standby.url(&name), "INSERT INTO t VALUES (1)");
}
