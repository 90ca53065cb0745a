//! How many exports a user and an organization may ask for: the numbers, and what is said when they are reached.
//!
//! The backends count, in the transaction that adds the job; what the counts mean is decided here, once for both.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use offtake_model::limit::{Allowance, Policy, Refused};
use offtake_model::{Error, ErrorKind, Result};

/// The time that "an hour" is.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// When to ask again where nobody knows when an export will be over.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How many exports may be asked for; 0: as many as anybody likes. Exports pinned to a worker neither count nor are
/// refused: they take no slot from anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobLimits {
    /// Exports of one user that wait or run.
    pub active: u32,
    /// Exports of one user within an hour.
    pub per_hour: u32,
    /// Exports of one organization within an hour.
    pub org_per_hour: u32,
}

impl JobLimits {
    /// Nobody is limited.
    pub const NONE: Self = Self { active: 0, per_hour: 0, org_per_hour: 0 };

    /// Whether there is nothing to count.
    pub(crate) const fn is_none(self) -> bool {
        self.active == 0 && self.per_hour == 0 && self.org_per_hour == 0
    }
}

/// What was counted of one hour.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hour {
    /// Jobs, at most as many as the limit.
    pub(crate) jobs: u64,
    /// When the oldest of them was asked for, in microseconds.
    pub(crate) oldest: Option<i64>,
}

impl Hour {
    /// When the oldest is an hour old.
    fn frees(self, now: i64) -> (Duration, i64) {
        let at = self.oldest.unwrap_or(now).saturating_add(i64::try_from(HOUR.as_micros()).unwrap_or(i64::MAX));
        (Duration::from_micros(u64::try_from(at.saturating_sub(now)).unwrap_or_default()), at)
    }
}

/// The id of a job, or the beginning of one, before which jobs were asked for longer ago than an hour: ids begin with
/// their moment.
pub(crate) fn first_of_the_hour(now: i64) -> String {
    let milliseconds = now.div_euclid(1000).saturating_sub(i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX)) + 1;
    format!("job_{:012x}", milliseconds.max(0))
}

/// What was counted before a job is added.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) active: u64,
    pub(crate) user: Hour,
    pub(crate) org: Hour,
}

/// How the limits stand once one more job is active, and was asked for if it is `new`.
///
/// # Errors
/// `too_many_requests` if one of them is reached.
pub(crate) fn judge(limits: JobLimits, counted: Counted, now: i64, new: bool) -> Result<Vec<Allowance>> {
    let mut allowances = Vec::new();
    let mut refusal = None;
    if limits.active > 0 {
        let quota = u64::from(limits.active);
        let left = quota.saturating_sub(counted.active);
        if left == 0 {
            let said = format!(
                "{quota} exports of this user wait or run, as many as one user may have at once; ask again when one of \
                 them is over, or cancel one"
            );
            refusal = Some((LOOK_AGAIN, said));
        }
        allowances.push(Allowance { policy: Policy::ActiveExports, quota, left, window: None, more_in: None });
    }
    let hours = [
        (Policy::ExportsOfUser, limits.per_hour, counted.user, "this user"),
        (Policy::ExportsOfOrganization, limits.org_per_hour, counted.org, "this organization"),
    ];
    for (policy, limit, hour, whose) in hours {
        if limit == 0 || !new {
            continue;
        }
        let quota = u64::from(limit);
        let (wait, at) = hour.frees(now);
        let left = quota.saturating_sub(hour.jobs);
        if left == 0 {
            let said = format!(
                "{whose} asked for {quota} exports within an hour, which is all that may be; the next one is taken at {}",
                moment(at)
            );
            if refusal.as_ref().is_none_or(|(longest, _)| wait > *longest) {
                refusal = Some((wait, said));
            }
        }
        allowances.push(Allowance { policy, quota, left, window: Some(HOUR), more_in: Some(wait) });
    }
    match refusal {
        None => {
            // The job that is added takes one of each.
            allowances.iter_mut().for_each(|allowance| allowance.left -= 1);
            Ok(allowances)
        }
        Some((wait, said)) => {
            Err(Error::new(ErrorKind::TooManyRequests, said).refused_by(Refused { wait, allowances }))
        }
    }
}

/// A moment in whole seconds, not before the true one.
fn moment(microseconds: i64) -> String {
    let at = Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX);
    let whole = at.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Ceil));
    whole.unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JobLimits = JobLimits { active: 5, per_hour: 10, org_per_hour: 20 };

    #[test]
    fn what_is_left_counts_the_job_that_is_added() {
        let hour = |jobs| Hour { jobs, oldest: Some(0) };
        let counted = Counted { active: 4, user: hour(3), org: hour(19) };
        let left: Vec<u64> = judge(LIMITS, counted, 60_000_000, true).unwrap().iter().map(|one| one.left).collect();
        assert_eq!(left, [0, 6, 0]);
        assert!(judge(JobLimits::NONE, counted, 0, true).unwrap().is_empty());
    }

    #[test]
    fn the_longest_wait_is_said() {
        let counted = Counted {
            active: 5,
            user: Hour { jobs: 10, oldest: Some(0) },
            org: Hour { jobs: 20, oldest: Some(600_000_000) },
        };
        let refused = judge(LIMITS, counted, 1_200_000_000, true).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
        assert!(refused.detail().ends_with("1970-01-01T01:10:00Z"), "{refused}");
        assert_eq!(refused.refused().unwrap().wait, Duration::from_secs(3000));
        // An hour's limits are about asking, and a retry asks for nothing new.
        let refused = judge(LIMITS, counted, 1_200_000_000, false).unwrap_err();
        assert_eq!(refused.refused().unwrap().wait, LOOK_AGAIN);
    }

    #[test]
    fn ids_of_the_hour_begin_with_their_moment() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let first = first_of_the_hour(now.as_microsecond());
        let id = |ago: u64| offtake_model::id::JobId::new(now - Duration::from_secs(ago)).to_string();
        assert!(id(3599) > first && id(3601) < first && id(3600) < first);
    }
}
