//! Nobody gets what is not theirs: every call of the OpenAPI document, asked by everybody who shall get nothing, with
//! things of somebody else's in every place that a thing can stand in.
//!
//! The calls, their places and permissions come from the document that the running server serves, so a new route is in
//! here by itself. `places.rs` knows what stands where, `estate.rs` what an organization owns, `judge.rs` what a leak is.
//! That the probes mean something is shown by the owner, for whom each of them succeeds.

mod actors;
mod controls;
mod document;
mod estate;
mod judge;
mod places;
mod probe;
mod run;
mod snapshot;
mod unscoped;

use offtake_testkit::{AppBuilder, Cable, PgVersion, Postgres, Role};
use serde_json::Value as Json;

use crate::support::OFFTAKE;
use actors::Actors;
use run::Run;
use unscoped::Forgetful;

/// Fewer would mean that something fell out of the document or of this test.
const LEAST_PROBES: usize = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_is_not_theirs() {
    let server = Postgres::shared(PgVersion::V15);
    let (database, cable) = (server.database(), Cable::to(server.port()).await);
    let (mut app, alpha, bravo) = estate::both(AppBuilder::new(OFFTAKE), &database, &cable, server.port()).await;
    let document: Json = app.anonymous().get("/openapi.json").await.expect(200).json();
    let operations = document::operations(&document);
    let actors = Actors::of(&app).await;
    let (reads, writes): (Vec<_>, Vec<_>) = operations.iter().partition(|operation| operation.only_reads());
    let mut run = Run::default();

    // Everybody who shall get nothing of alpha's.
    let before = snapshot::of(&app, &alpha, &operations).await;
    run.all_at_once(&actors.outside_alpha, &reads, &alpha).await;
    run.one_by_one(&actors.outside_alpha, &writes, &alpha).await;
    assert_eq!(before, snapshot::of(&app, &alpha, &operations).await, "somebody changed what is alpha's");

    // Alpha's own people, who shall get nothing of bravo's; and one of them who shall get nothing of the owner's.
    let (before, owners) = (snapshot::of(&app, &bravo, &operations).await, snapshot::jobs(&alpha).await);
    run.all_at_once(&actors.of_alpha, &reads, &bravo).await;
    run.one_by_one(&actors.of_alpha, &writes, &bravo).await;
    run.one_by_one(&[actors.colleague], &operations.iter().collect::<Vec<_>>(), &alpha.of_its_owner()).await;
    assert_eq!(before, snapshot::of(&app, &bravo, &operations).await, "somebody changed what is bravo's");
    assert_eq!(owners, snapshot::jobs(&alpha).await, "somebody changed the owner's jobs");

    controls::owners_succeed(&operations, &alpha).await;
    app.process(Role::Worker).thaw();
    run.files_are_their_own().await;
    run.print();
    assert!(run.probes() >= LEAST_PROBES, "only {} probes", run.probes());
    run.assert_no_leaks();
}

/// The second wall: a server whose job store asks for everybody's rows gives nothing away, for the database shows it one
/// organization at a time; and without policies it does, so that it is they who hold.
#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_holds_where_the_store_forgets_to_ask() {
    let server = Postgres::shared(PgVersion::V15);
    let (database, cable) = (server.database(), Cable::to(server.port()).await);
    let builder = AppBuilder::new(OFFTAKE).on_postgres(&database.url());
    let (app, alpha, bravo) = estate::both(builder, &database, &cable, server.port()).await;
    let forgetful = Forgetful::start(&database.url(), &app.data_dir().join("objects")).await;
    let document: Json = app.anonymous().at(&forgetful.address).get("/openapi.json").await.expect(200).json();
    // Rows of datasets come from elsewhere, by statements that forget nothing.
    let operations: Vec<_> =
        document::operations(&document).into_iter().filter(|operation| operation.dataset().is_none()).collect();
    let actors = Actors::of(&app).await.at(&forgetful.address);
    let (reads, writes): (Vec<_>, Vec<_>) = operations.iter().partition(|operation| operation.only_reads());

    let before = (snapshot::of(&app, &alpha, &operations).await, snapshot::of(&app, &bravo, &operations).await);
    let mut run = Run::default();
    run.all_at_once(&actors.outside_alpha, &reads, &alpha).await;
    run.one_by_one(&actors.outside_alpha, &writes, &alpha).await;
    assert_eq!(before.0, snapshot::of(&app, &alpha, &operations).await, "somebody changed what is alpha's");
    run.all_at_once(&actors.of_alpha, &reads, &bravo).await;
    run.print();
    run.assert_no_leaks();

    database.execute(
        "DO $$ DECLARE held regclass; BEGIN
             FOR held IN SELECT oid FROM pg_class WHERE relnamespace = 'offtake'::regnamespace AND relrowsecurity LOOP
                 EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', held);
             END LOOP;
         END $$",
    );
    let mut run = Run::default();
    run.all_at_once(&actors.of_alpha, &reads, &bravo).await;
    run.print();
    assert!(
        run.leaks() > 20,
        "without policies a forgetful server gives everything away, and {} were seen",
        run.leaks()
    );
}
