//! What servers said when they ended a session in which nothing ran.
//!
//! Such words come when nobody asks: a conflict on a standby, a timeout for idle transactions, an administrator. The
//! next request on that connection would only find it closed, so they are kept by the number of the server's process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Connect;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// So many are kept; those of the lowest numbers go first.
const KEPT: usize = 64;

/// Last words by the process that said them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Farewells(Arc<Mutex<BTreeMap<i32, Error>>>);

impl Farewells {
    /// What this process said at the end, once.
    pub(crate) fn take(&self, process: i32) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&process)
    }

    fn keep(&self, process: i32, words: Error) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(process, words);
        while kept.len() > KEPT {
            kept.pop_first();
        }
    }
}

/// Makes connections whose last words are kept.
pub(crate) struct Connector {
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) farewells: Farewells,
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let config = config.clone();
        async move {
            let (client, mut connection) = config.connect(self.tls.clone()).await?;
            let farewells = self.farewells.clone();
            let (tell, told) = tokio::sync::oneshot::channel();
            let driver = tokio::spawn(async move {
                let ended = (&mut connection).await;
                if let (Err(words), Ok(process)) = (ended, told.await) {
                    tracing::debug!(process, %words, "a connection ended");
                    if words.as_db_error().is_some() {
                        farewells.keep(process, words);
                    }
                }
                // Only now: whoever finds the connection closed finds the reason, too.
                drop(connection);
            });
            let process = process_of(&client).await?;
            // What another process of this number said long ago is not about this one.
            drop(self.farewells.take(process));
            // The driver may be over already.
            let _over = tell.send(process);
            Ok((client, driver))
        }
        .boxed()
    }
}

/// Says by which number the server's process of a session goes. (Asking the function would take a snapshot, and
/// transactions that take one over from elsewhere may have none.)
pub(crate) const SHOW_PROCESS: &str = "SHOW offtake.process";

/// The server's process behind a connection, which is noted down in the session.
async fn process_of(client: &Client) -> Result<i32, Error> {
    let sql = "SELECT set_config('offtake.process', pg_backend_pid()::text, false)";
    client.simple_query(sql).await.map(|answer| number_in(&answer))
}

/// The number in the last row of an answer.
pub(crate) fn number_in(answer: &[SimpleQueryMessage]) -> i32 {
    let last = answer.iter().rev().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)?.parse().ok()
    });
    last.unwrap_or_default()
}
