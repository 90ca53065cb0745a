//! Who asks.

use offtake_testkit::{Client, TestApp, resigned};
use serde_json::json;

use super::estate::{ALPHA, BRAVO, SECRET, org, owner};
use super::judge::Standing;

/// A permission that no call asks for.
const NOTHING: &str = "datasets:zq";

/// Somebody who asks.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) name: &'static str,
    pub(super) client: Client,
    pub(super) standing: Standing,
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
        let (alpha, bravo) = (org(ALPHA), org(BRAVO));
        let actor = |name, client, standing| Actor { name, client, standing };
        let genuine = app.token(&alpha, &owner(ALPHA), "all").await;
        let expired = resigned(&genuine, SECRET, |claims| {
            for (name, moment) in [("iat", 1_700_000_000), ("nbf", 1_700_000_000), ("exp", 1_700_003_600)] {
                claims[name] = json!(moment);
            }
        });
        let again = app.client_with_token(&resigned(&genuine, SECRET, |_| {}));
        again.get("/api/v1/export/jobs").await.expect(200);
        let outside_alpha = vec![
            actor("anonymous", app.anonymous(), Standing::Stranger),
            actor("expired token", app.client_with_token(&expired), Standing::Stranger),
            actor("no permission", app.client_of(&alpha, "zqpowerless", NOTHING).await, Standing::Powerless),
            actor("other organization", app.client_of(&bravo, &owner(BRAVO), "all").await, Standing::Trusted),
        ];
        let of_alpha = vec![
            actor("owner", app.client_of(&alpha, &owner(ALPHA), "all").await, Standing::Trusted),
            actor("admin", app.client_of(&alpha, "zqadmin", "all").await, Standing::Trusted),
        ];
        let own = "exports:create,exports:read,exports:cancel,exports:download,exports:delete,traces:read,datasets:ledger,\
                   spans:write,metrics:read";
        let colleague = actor("colleague", app.client_of(&alpha, "zqcolleague", own).await, Standing::Trusted);
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
