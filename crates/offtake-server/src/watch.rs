//! Whether the subject of a link may still have the file, while it is being sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, unfold};
use futures::{Stream, StreamExt};
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Artifact, Principals};
use tokio::time::{MissedTickBehavior, interval_at};

use crate::jobs::tells_sensitive;
use crate::state::App;

/// How often it is looked up.
const EVERY: Duration = Duration::from_secs(2);

/// The right of a subject to a file.
#[derive(Debug)]
pub(crate) struct Watch {
    principals: Arc<dyn Principals>,
    org: OrgId,
    subject: String,
    needed: Vec<Permission>,
}

impl Watch {
    /// The right of `subject` to the file of a job of `owner`: somebody else's takes the right to see everybody's.
    pub(crate) fn over(app: &App, artifact: &Artifact, owner: &str, subject: String) -> Self {
        let dataset = artifact.receipt.as_ref().and_then(|receipt| app.catalog.permission(&receipt.dataset));
        let tells = artifact.receipt.as_ref().is_some_and(|receipt| tells_sensitive(app, &receipt.spec));
        let sight = tells.then_some(Permission::PiiRead);
        let foreign = (owner != subject).then_some(Permission::ExportsReadAll);
        let needed = [Some(Permission::ExportsDownload), dataset, sight, foreign].into_iter().flatten().collect();
        Self { principals: Arc::clone(&app.store.principals), org: artifact.org.clone(), subject, needed }
    }

    /// # Errors
    /// `forbidden` if the subject may no longer have the file; `store_unavailable`.
    pub(crate) async fn look(&self) -> Result<()> {
        self.principals.standing(&self.org, &self.subject).await?.standing.require(&self.needed)
    }

    /// The same bytes, as long as the subject may have them. A store that does not answer is no reason to break off:
    /// nobody can have decided anything there meanwhile.
    pub(crate) fn over_stream(
        self,
        bytes: BoxStream<'static, Result<Bytes>>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let lost = async move {
            let mut ticks = interval_at(tokio::time::Instant::now() + EVERY, EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match self.look().await {
                    Err(error) if error.kind() == ErrorKind::Forbidden => return error,
                    Err(error) => tracing::warn!(%error, "whether a download may go on could not be looked up"),
                    Ok(()) => {}
                }
            }
        };
        unfold(Some((bytes, Box::pin(lost))), |state| async {
            let (mut bytes, mut lost) = state?;
            tokio::select! {
                biased;
                error = &mut lost => Some((Err(broken_off(&error)), None)),
                piece = bytes.next() => piece.map(|piece| (piece, Some((bytes, lost)))),
            }
        })
    }
}

fn broken_off(error: &Error) -> Error {
    Error::new(ErrorKind::Revoked, format!("the download ends: {}", error.detail()))
}
