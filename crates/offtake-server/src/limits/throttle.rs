//! So many requests in so many seconds, for each of many keys.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use offtake_model::limit::{Allowance, Policy, Refused};
use offtake_model::{Error, ErrorKind, Result};

/// Keys that may have come to rest are forgotten each time so many requests were counted.
const FORGET_EVERY: usize = 10_000;

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// A limit for each key. A key that has not been seen for the window costs nothing.
#[derive(Debug)]
pub(super) struct Throttle<K: Hash + Eq + Clone> {
    policy: Policy,
    window: Duration,
    most: u32,
    /// `None`: nobody is limited.
    limiter: Option<Limiter<K>>,
    counted: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// `most` requests within `seconds`, all at once or spread.
    pub(super) fn new(policy: Policy, most: u32, seconds: u32) -> Self {
        let window = Duration::from_secs(u64::from(seconds.max(1)));
        let quota = NonZeroU32::new(most).and_then(|burst| Some(Quota::with_period(window / most)?.allow_burst(burst)));
        let limiter = quota.map(|quota| RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>());
        Self { policy, window, most, limiter, counted: AtomicUsize::new(0) }
    }

    /// Counts one; how the limit stands, if there is one.
    ///
    /// # Errors
    /// `too_many_requests` with what is `said`.
    pub(super) fn count(&self, key: &K, said: impl FnOnce() -> String) -> Result<Option<Allowance>> {
        let Some(limiter) = &self.limiter else { return Ok(None) };
        if self.counted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        match limiter.check_key(key) {
            Ok(state) => Ok(Some(self.allowance(state.remaining_burst_capacity(), None))),
            Err(until) => {
                let wait = until.wait_time_from(limiter.clock().now());
                let said = format!("{}; ask again in {} s", said(), super::fields::seconds(wait));
                let allowances = vec![self.allowance(0, Some(wait))];
                Err(Error::new(ErrorKind::TooManyRequests, said).refused_by(Refused { wait, allowances }))
            }
        }
    }

    fn allowance(&self, left: u32, more_in: Option<Duration>) -> Allowance {
        let (quota, left) = (u64::from(self.most), u64::from(left));
        Allowance { policy: self.policy, quota, left, window: Some(self.window), more_in }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(most: u32, seconds: u32) -> Throttle<u8> {
        Throttle::new(Policy::Requests, most, seconds)
    }

    #[test]
    fn each_key_has_a_quota_of_its_own() {
        // An hour: nothing comes back while the test runs, however slow the machine.
        let throttle = throttle(3, 3600);
        let left = |key| throttle.count(&key, String::new).map(|one| one.expect("a limit").left);
        assert_eq!((left(1).unwrap(), left(1).unwrap(), left(1).unwrap()), (2, 1, 0));
        let refused = left(1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
        let wait = refused.refused().unwrap().wait;
        assert!(wait > Duration::from_secs(1100) && wait <= Duration::from_secs(1200), "{wait:?}");
        assert_eq!(left(2).unwrap(), 2);
    }

    #[test]
    fn no_limit_counts_nothing() {
        let throttle = throttle(0, 10);
        assert!((0..100).all(|_| throttle.count(&1, String::new).unwrap().is_none()));
    }

    #[test]
    fn keys_at_rest_are_forgotten() {
        let throttle: Throttle<usize> = Throttle::new(Policy::Requests, 1_000_000, 1);
        for key in 0..FORGET_EVERY * 3 {
            throttle.count(&key, String::new).unwrap();
        }
        assert!(throttle.limiter.as_ref().unwrap().len() < FORGET_EVERY * 2);
    }
}
