//! Two servers on one database, with a bus between them and without: what happens at one is told at the other.

use std::time::Duration;

use offtake_testkit::{AppBuilder, BusServer, Client, PgVersion, Postgres, Role, SpanSketch, eventually};
use serde_json::json;

use crate::support::{OFFTAKE, send};

const LONG: Duration = Duration::from_secs(60);

/// What a server says of its bus, once it says this. It is ready either way.
pub(crate) async fn bus_is(client: &Client, wanted: &str) {
    eventually(&format!("the bus is {wanted}"), Duration::from_secs(40), || async {
        let ready = client.get("/readyz").await.expect(200).json();
        (ready["checks"]["bus"]["status"] == wanted).then_some(())
    })
    .await;
}

/// Asks for an export at one server and follows it at the other.
async fn followed(here: &Client, there: &Client) {
    let job = here.begin("spans", &json!({"format": "csv"})).await;
    let messages = there.messages(&format!("/api/v1/export/jobs/{job}/events"), Some("0")).await.rest(LONG).await;
    let numbered = messages.iter().filter(|message| message.id.is_some());
    let told: Vec<_> = numbered.map(|message| message.data["data"]["status"].clone()).collect();
    assert_eq!(told, ["pending", "processing", "completed"], "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_hear_of_each_other_whatever_becomes_of_the_bus() {
    for mut bus in [None, Some(BusServer::nats()), Some(BusServer::redis())] {
        let postgres = Postgres::shared(PgVersion::V15);
        let database = postgres.database();
        let secret = "\"q7Vv3N0sYw2Zb8Lr5Tk1Hd6Xc9Mf4Pj0\"";
        let builder = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).set("token.secret", secret).apart();
        let builder = match &bus {
            Some(bus) => builder.set("bus.url", &format!("\"{}\"", bus.url())),
            None => builder,
        };
        let mut app = builder.start().await;
        app.start_role(Role::SecondServer).await;
        let (one, two) = (app.client("acme").await, app.second_client("acme").await);
        send(&one, &[SpanSketch::new(1)]).await;
        followed(&one, &two).await;
        let Some(bus) = &mut bus else { continue };
        for client in [&one, &two] {
            bus_is(client, "ok").await;
        }
        let ran = app.cli(&["doctor"]).await;
        assert!(ran.stdout.lines().any(|line| line.starts_with("ok ") && line.contains(" bus ")), "{ran:?}");
        let shown = app.cli(&["config", "show"]).await;
        assert!(shown.stdout.contains("[bus]") && !shown.stdout.contains(bus.secret()), "{}", shown.stdout);
        followed(&two, &one).await;
        bus.kill();
        for client in [&one, &two] {
            bus_is(client, "degraded").await;
        }
        followed(&one, &two).await;
        bus.restart();
        for client in [&one, &two] {
            bus_is(client, "ok").await;
        }
        followed(&two, &one).await;
        let log = app.log();
        assert!(log.contains("the bus is lost") && log.contains("the bus is there"), "{log}");
        assert!(!log.contains(bus.secret()), "{log}");
    }
}
