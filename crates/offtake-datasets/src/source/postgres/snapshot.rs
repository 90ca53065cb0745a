//! The snapshot that a plan of mutable rows was counted in, kept open until the rows are read.

use std::time::{Duration, Instant};

use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};

use super::session::{Session, Sessions, ends_session};

/// A transaction that holds a snapshot fast.
#[derive(Debug)]
pub(super) struct Keeper {
    session: Session,
    exported: Option<String>,
    began: Instant,
    oldest: Duration,
    source: String,
}

impl Keeper {
    /// Takes a snapshot and lets other sessions see it, which a standby cannot.
    pub(super) async fn begin(sessions: &Sessions, org: &OrgId, source: &str, oldest: Duration) -> Result<Self> {
        let session = sessions.keep(org).await?;
        let began = Instant::now();
        // It waits while others read: longer than sessions otherwise may, and no longer than it is wanted.
        let patience = oldest.as_millis().saturating_add(60_000).min(i32::MAX as u128);
        session.execute(&format!("SET LOCAL idle_in_transaction_session_timeout = {patience}")).await?;
        let exported = if session.in_recovery().await? { None } else { Some(session.export().await?) };
        Ok(Self { session, exported, began, oldest, source: source.to_owned() })
    }

    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Whether its transaction still stands.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) async fn stands(&self) -> Result<()> {
        self.session.execute("SELECT 1").await
    }

    /// The name by which other sessions see it.
    pub(super) fn exported(&self) -> Option<&str> {
        self.exported.as_deref()
    }

    /// # Errors
    /// `timeout`, naming the setting, if it is held for longer than it may.
    pub(super) fn young_enough(&self) -> Result<()> {
        if self.began.elapsed() <= self.oldest {
            return Ok(());
        }
        let (source, oldest) = (&self.source, self.oldest.as_secs());
        let detail = format!(
            "the snapshot of source {source} is older than sources.{source}.max_snapshot_age ({oldest} s); raise it, \
             export fewer rows, or make the dataset append_only"
        );
        Err(Error::new(ErrorKind::Timeout, detail))
    }
}

/// What it means that the snapshot of `keeper` cannot be seen any more: the next attempt takes another.
pub(super) async fn gone(error: Error, keeper: &Keeper) -> Error {
    if ends_session(&error) || error.kind() != ErrorKind::Internal && error.kind() != ErrorKind::SchemaDrift {
        return error;
    }
    match keeper.stands().await {
        Err(why) if matches!(why.kind(), ErrorKind::SourceUnavailable | ErrorKind::Timeout) => why,
        Ok(()) | Err(_) => {
            Error::new(ErrorKind::SourceUnavailable, "the snapshot is lost: its session was ended").caused_by(error)
        }
    }
}
