//! What the end of an attempt means for its job: the one place that decides between retry and failure.
//!
//! Judging is pure: it looks at the kind of an error, never at its words. The attempt that asked carries the
//! verdict out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use offtake_model::error::Retry;
use offtake_model::job::JobError;
use offtake_model::{Error, ErrorKind};

/// Where chance comes from: a number in `0.0..1.0` whenever it is asked.
#[derive(Clone)]
pub struct Chance(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Chance {
    /// The thread's random numbers.
    pub fn system() -> Self {
        Self(Arc::new(rand::random::<f64>))
    }

    /// Always `value`.
    pub fn fixed(value: f64) -> Self {
        Self(Arc::new(move || value))
    }

    pub(crate) fn draw(&self) -> f64 {
        (self.0)()
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

/// Why an attempt stopped before its file was whole.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something went wrong, or the lease or the job was taken away.
    Error(Error),
    /// The worker shuts down.
    Shutdown,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What is to happen to a job whose attempt stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Again, after a while, from the checkpoint.
    Postpone { error: JobError, delay: Duration },
    /// It failed.
    Fail { error: JobError },
    /// Somebody else goes on, at once, from the checkpoint.
    Release,
    /// It was called off: what this attempt stored goes.
    Cancelled,
    /// Somebody else has it: nothing may be touched.
    Lost,
}

/// What becomes of the upload of an attempt that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody touches it; the sweep finds what is of no more use.
    Leave,
    /// It stays if a checkpoint names it, and goes if none does.
    KeepForCheckpoint,
    /// It goes.
    Discard,
}

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Decides. `failures` counts those in a row without a new checkpoint, before this one.
pub(crate) fn judge(stop: &Stop, failures: u32, chance: &Chance) -> Verdict {
    let error = match stop {
        Stop::Shutdown => return Verdict::Release,
        Stop::Error(error) => error,
    };
    match (error.kind(), error.kind().retry()) {
        (ErrorKind::LeaseLost, _) => Verdict::Lost,
        (ErrorKind::Cancelled, _) => Verdict::Cancelled,
        (_, Retry::UpTo(most)) if failures < most => {
            Verdict::Postpone { error: told(error, None), delay: back_off(failures, chance) }
        }
        (_, Retry::UpTo(_)) => Verdict::Fail { error: told(error, Some(failures + 1)) },
        (_, Retry::Never) => Verdict::Fail { error: told(error, None) },
    }
}

impl Verdict {
    /// What becomes of the upload.
    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Lost => Fate::Leave,
            Self::Cancelled => Fate::Discard,
            Self::Fail { .. } if self.forgets() => Fate::Discard,
            Self::Postpone { .. } | Self::Release | Self::Fail { .. } => Fate::KeepForCheckpoint,
        }
    }

    /// Whether plan and checkpoint are forgotten: a later attempt could not use them (the rows are not those of
    /// the plan), what they stand for fills a disk that is full, or nobody may have it.
    pub(crate) fn forgets(&self) -> bool {
        match self {
            Self::Fail { error } => {
                matches!(error.code, ErrorKind::StorageFull | ErrorKind::RowsChanged | ErrorKind::Revoked)
            }
            Self::Postpone { .. } | Self::Release | Self::Cancelled | Self::Lost => false,
        }
    }

    /// The word for logs and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Postpone { .. } => "postponed",
            Self::Fail { .. } => "failed",
            Self::Release => "released",
            Self::Cancelled => "cancelled",
            Self::Lost => "lease_lost",
        }
    }
}

/// 500 ms × 2^failures, at most 30 s, with full jitter.
fn back_off(failures: u32, chance: &Chance) -> Duration {
    let doubled = 2u32.checked_pow(failures).and_then(|factor| FIRST_DELAY.checked_mul(factor));
    doubled.unwrap_or(LONGEST_DELAY).min(LONGEST_DELAY).mul_f64(chance.draw().clamp(0.0, 1.0))
}

/// What the job's owner is told. Details of what broke inside are for the log.
fn told(error: &Error, tries: Option<u32>) -> JobError {
    let code = error.kind();
    let open =
        error.is_open() || matches!(code, ErrorKind::RowsChanged | ErrorKind::MemoryLimit | ErrorKind::SchemaDrift);
    let mut message = if open { error.detail().to_owned() } else { code.title().to_owned() };
    if let Some(tries) = tries {
        message.push_str(&format!("; given up after {tries} tries in a row"));
    }
    JobError { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: ErrorKind, failures: u32) -> Verdict {
        judge(&Stop::Error(Error::new(kind, "at /var/lib/offtake")), failures, &Chance::fixed(1.0))
    }

    #[test]
    fn every_kind_is_judged_by_its_class() {
        for kind in ErrorKind::ALL.iter().copied() {
            let verdict = judged(kind, 0);
            match (kind, kind.retry()) {
                (ErrorKind::LeaseLost, _) => assert_eq!(verdict, Verdict::Lost),
                (ErrorKind::Cancelled, _) => assert_eq!(verdict, Verdict::Cancelled),
                (_, Retry::Never) => assert_eq!(verdict.name(), "failed", "{kind:?}"),
                (_, Retry::UpTo(most)) => {
                    assert_eq!(verdict.name(), "postponed", "{kind:?}");
                    assert_eq!(judged(kind, most - 1).name(), "postponed", "{kind:?}");
                    assert_eq!(judged(kind, most).name(), "failed", "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn delays_double_up_to_half_a_minute() {
        let delays: Vec<u128> = (0..8).map(|failures| back_off(failures, &Chance::fixed(1.0)).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(back_off(500, &Chance::fixed(1.0)), LONGEST_DELAY);
        assert_eq!(back_off(3, &Chance::fixed(0.25)), Duration::from_secs(1));
    }

    #[test]
    fn a_shutdown_is_nobodys_failure() {
        assert_eq!(judge(&Stop::Shutdown, 9, &Chance::fixed(1.0)), Verdict::Release);
    }

    #[test]
    fn inner_details_are_not_told() {
        for kind in [ErrorKind::Internal, ErrorKind::StorageUnavailable, ErrorKind::StorageFull] {
            let error = told(&Error::new(kind, "at /var/lib/offtake"), Some(4));
            assert!(error.message.starts_with(kind.title()), "{}", error.message);
            assert!(!error.message.contains("/var"));
        }
        assert_eq!(told(&Error::new(ErrorKind::MemoryLimit, "raise it"), None).message, "raise it");
        assert_eq!(told(&Error::new(ErrorKind::Timeout, "raise it").openly(), None).message, "raise it");
    }

    #[test]
    fn what_cannot_be_used_again_is_not_kept() {
        for kind in [ErrorKind::StorageFull, ErrorKind::RowsChanged] {
            assert_eq!((judged(kind, 0).forgets(), judged(kind, 0).fate()), (true, Fate::Discard));
        }
        for (kind, failures) in [(ErrorKind::MemoryLimit, 0), (ErrorKind::StorageUnavailable, 10)] {
            let verdict = judged(kind, failures);
            assert_eq!((verdict.name(), verdict.forgets(), verdict.fate()), ("failed", false, Fate::KeepForCheckpoint));
        }
        assert_eq!(judged(ErrorKind::LeaseLost, 0).fate(), Fate::Leave);
        assert_eq!(judged(ErrorKind::Cancelled, 0).fate(), Fate::Discard);
    }
}
