//! Who asks.

use offtake_testkit::{Client, TestApp, resigned};
use reqwest::Method;
use serde_json::json;

use super::estate::{ALPHA, BRAVO, SECRET, org, owner};
use super::judge::Standing;

/// A permission that no call asks for.
const NOTHING: &str = "datasets:zq";

/// All that lets one work with one's own exports.
const OWN: &str = "exports:create,exports:read,exports:cancel,exports:download,exports:delete,traces:read,datasets:ledger,\
    spans:write,metrics:read";

/// Somebody who asks.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) name: &'static str,
    pub(super) client: Client,
    pub(super) standing: Standing,
    /// What they may be told of themselves.
    pub(super) own: Vec<String>,
}

/// Everybody, by whose things they shall get nothing of.
#[derive(Debug)]
pub(super) struct Actors {
    /// Nothing of alpha's.
    pub(super) outside_alpha: Vec<Actor>,
    /// People of alpha's: nothing of bravo's.
    pub(super) of_alpha: Vec<Actor>,
    /// One of alpha's who sees only their own exports.
    pub(super) colleague: Actor,
}

impl Actors {
    pub(super) async fn of(app: &TestApp) -> Self {
        let genuine = app.token(&org(ALPHA), &owner(ALPHA), "all").await;
        let expired = resigned(&genuine, SECRET, |claims| {
            for (name, moment) in [("iat", 1_700_000_000), ("nbf", 1_700_000_000), ("exp", 1_700_003_600)] {
                claims[name] = json!(moment);
            }
        });
        let again = app.client_with_token(&resigned(&genuine, SECRET, |_| {}));
        again.get("/api/v1/export/jobs").await.expect(200);
        let stranger = |name, client| Actor { name, client, standing: Standing::Stranger, own: Vec::new() };
        let mut outside_alpha = vec![
            stranger("anonymous", app.anonymous()),
            stranger("expired token", app.client_with_token(&expired)),
            somebody(app, "no permission", ALPHA, "zqpowerless", NOTHING, Standing::Powerless).await,
            somebody(app, "other organization", BRAVO, &owner(BRAVO), "all", Standing::Trusted).await,
        ];
        outside_alpha.extend(disabled(app).await);
        outside_alpha.extend(foreign_key(app).await);
        let of_alpha = vec![
            somebody(app, "owner", ALPHA, &owner(ALPHA), "all", Standing::Trusted).await,
            somebody(app, "admin", ALPHA, "zqadmin", "all", Standing::Trusted).await,
        ];
        let colleague = somebody(app, "colleague", ALPHA, "zqcolleague", OWN, Standing::Trusted).await;
        Self { outside_alpha, of_alpha, colleague }
    }

    /// The same people, who ask whoever listens at `address`.
    pub(super) fn at(self, address: &str) -> Self {
        let there = |actor: Actor| Actor { client: actor.client.at(address), ..actor };
        Self {
            outside_alpha: self.outside_alpha.into_iter().map(there).collect(),
            of_alpha: self.of_alpha.into_iter().map(there).collect(),
            colleague: there(self.colleague),
        }
    }
}

/// Somebody who has been here before.
async fn somebody(
    app: &TestApp,
    name: &'static str,
    mark: &str,
    sub: &str,
    permissions: &str,
    standing: Standing,
) -> Actor {
    let client = app.client_of(&org(mark), sub, permissions).await;
    client.get("/api/v1/datasets").await.expect(200);
    Actor { name, client, standing, own: vec![org(mark), sub.to_owned()] }
}

/// One of alpha's who may do everything and was shut out; `None` where nobody can be.
async fn disabled(app: &TestApp) -> Option<Actor> {
    let admin = app.client_of(&org(ALPHA), &owner(ALPHA), "all").await;
    if admin.get("/api/v1/principals").await.status != 200 {
        return None;
    }
    let actor = somebody(app, "disabled user", ALPHA, "zqdisabled", "all", Standing::Disabled).await;
    let (path, body) = ("/api/v1/principals/zqdisabled", json!({"disabled": true}).to_string().into_bytes());
    admin.send(Method::PATCH, path, &[("content-type", "application/json")], body).await.expect(200);
    Some(actor)
}

/// A machine of bravo's with an API key; `None` where there are none.
async fn foreign_key(app: &TestApp) -> Option<Actor> {
    let admin = app.client_of(&org(BRAVO), &owner(BRAVO), "all").await;
    let made = admin.post("/api/v1/api-keys", &json!({"name": "zqmachine", "permissions": ["all"]})).await;
    if made.status == 404 || made.status == 405 {
        return None;
    }
    let made = made.expect(201).json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let client = app.client_with_token(&text("key"));
    client.get("/api/v1/datasets").await.expect(200);
    Some(Actor { name: "foreign API key", client, standing: Standing::Trusted, own: vec![org(BRAVO), text("sub")] })
}
