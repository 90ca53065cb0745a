//! Signals: the first SIGTERM or SIGINT asks to stop, the second stops.

use offtake_model::{Error, ErrorKind, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;

/// Listens for signals from now on; the token is cancelled at the first one. At the second the process exits at
/// once, which is safe: it is the same as a crash.
///
/// # Errors
/// `internal` if signals cannot be listened for.
pub(crate) fn on_signal() -> Result<CancellationToken> {
    let failed = |error| Error::new(ErrorKind::Internal, "signals cannot be listened for").caused_by(error);
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let token = CancellationToken::new();
    let stop = token.clone();
    // Lives as long as the process: it must hear the second signal whatever else is going on.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
            stop.cancel();
        }
    });
    Ok(token)
}
