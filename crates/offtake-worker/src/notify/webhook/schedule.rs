//! When a message is tried again: the schedule of the specification, a little later each time by chance, so that
//! messages that failed together do not come back together.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

use crate::outcome::Chance;

/// Seconds before each try after the first.
const DELAYS: [i64; 9] =
    [5, 5 * 60, 30 * 60, 2 * 60 * 60, 5 * 60 * 60, 10 * 60 * 60, 14 * 60 * 60, 20 * 60 * 60, 24 * 60 * 60];
/// The share of a delay that chance adds at most.
const JITTER: f64 = 0.1;
/// The longest an endpoint may ask us to wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// How long after the `number`th try the next one comes; `None` if there is none. An endpoint that asks for more time is
/// given it, and one that asks for less is not hurried.
pub(super) fn after(number: u32, wait: Option<SignedDuration>, chance: &Chance) -> Option<SignedDuration> {
    let at = usize::try_from(number.max(1) - 1).ok()?;
    let delay = SignedDuration::from_secs(*DELAYS.get(at)?);
    let asked = wait.unwrap_or_default().min(LONGEST_WAIT);
    Some(delay.max(asked).mul_f64(1.0 + JITTER * chance.draw()))
}

/// How long `Retry-After` says: seconds, or a moment.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(SignedDuration::from_secs(i64::from(seconds)));
    }
    let moment = rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(moment.duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn ten_tries_take_three_days() {
        let mut since = SignedDuration::ZERO;
        let mut starts = vec![since];
        for number in 1.. {
            let Some(delay) = after(number, None, &Chance::fixed(0.0)) else { break };
            since += delay;
            starts.push(since);
        }
        let hours = |hours: i64| secs(hours * 3600 + 35 * 60 + 5);
        let whole =
            [secs(0), secs(5), secs(305), hours(0), hours(2), hours(7), hours(17), hours(31), hours(51), hours(75)];
        assert_eq!(starts, whole);
    }

    #[test]
    fn chance_adds_at_most_a_tenth() {
        assert_eq!(after(4, None, &Chance::fixed(0.5)), Some(secs(7560)));
        for number in 1..=9 {
            let (least, most) = (after(number, None, &Chance::fixed(0.0)), after(number, None, &Chance::fixed(0.999)));
            assert!(least < most && most < least.map(|least| least.mul_f64(1.1)));
        }
    }

    #[test]
    fn who_asks_for_time_is_given_it_within_bounds() {
        let chance = Chance::fixed(0.0);
        assert_eq!(after(1, Some(secs(120)), &chance), Some(secs(120)));
        assert_eq!(after(3, Some(secs(1)), &chance), Some(secs(1800)), "nobody is hurried");
        assert_eq!(after(1, Some(secs(1_000_000)), &chance), Some(secs(86_400)));
        assert_eq!(after(10, Some(secs(120)), &chance), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(secs(120)));
        assert_eq!(retry_after("Thu, 26 Nov 2026 12:05:00 GMT", now), Some(secs(300)));
        assert_eq!(retry_after("Thu, 26 Nov 2026 11:00:00 GMT", now), Some(secs(0)));
        for garbage in ["", "soon", "-5", "99999999999999"] {
            assert_eq!(retry_after(garbage, now), None, "{garbage}");
        }
    }
}
