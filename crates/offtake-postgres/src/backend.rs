//! What a session's process on the server does, asked over another connection.
//!
//! A statement may take as long as it takes, and a connection may be dead without a sign of it: a firewall forgot it, a
//! proxy swallows what is sent. Waiting looks the same in both cases; only the server can tell them apart.

use std::time::Duration;

use futures::future::join_all;
use tokio_postgres::{Config, Error};

use crate::pool::Pool;
use crate::trouble::Trouble;

/// How long one host may take to say.
const PATIENCE: Duration = Duration::from_secs(3);

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// It works on its statement, or there is no way to tell.
    Works,
    /// It waits for us, who wait for it: what one says does not reach the other.
    Waits,
    /// No host that answers has it.
    Gone,
}

impl Pool {
    /// What the process with this number does, on whichever host it is.
    pub async fn backend(&self, process: i32) -> Backend {
        let hosts = self.settings().each_host();
        let asked = hosts.iter().map(|host| async {
            match tokio::time::timeout(PATIENCE, self.state(host, process)).await {
                Ok(Ok(state)) => state,
                Ok(Err(error)) if Trouble::of(&error) == Trouble::Unreachable => None,
                // A server that answers, though it lets nobody in now, may well be working.
                Ok(Err(_)) => Some(Backend::Works),
                Err(_) => None,
            }
        });
        let found: Vec<Backend> = join_all(asked).await.into_iter().flatten().collect();
        let some = |state| found.contains(&state).then_some(state);
        some(Backend::Waits).or_else(|| some(Backend::Works)).unwrap_or(Backend::Gone)
    }

    async fn state(&self, host: &Config, process: i32) -> Result<Option<Backend>, Error> {
        let (client, connection) = host.connect(self.tls()).await?;
        let asked = async {
            // Another role's session, or another database's, may have that number on another host.
            let sql = "SELECT state LIKE 'idle%' OR coalesce(wait_event_type = 'Client', false) FROM pg_stat_activity \
                       WHERE pid = $1 AND usename = current_user AND datname = current_database()";
            let row = client.query_opt(sql, &[&process]).await?;
            let waits = row.map(|row| row.try_get::<_, Option<bool>>(0)).transpose()?;
            Ok(waits.map(|waits| if waits == Some(true) { Backend::Waits } else { Backend::Works }))
        };
        tokio::select! {
            asked = asked => asked,
            ended = connection => ended.map(|()| None),
        }
    }
}
