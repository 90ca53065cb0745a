//! The header fields by which clients are told: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)
//! and `Retry-After`.

use std::fmt::Write;
use std::time::Duration;

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use offtake_model::limit::{Allowance, Refused};

use super::Allowances;

pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Writes what is known of the limits into `response`.
pub(crate) fn tell(response: &mut Response, refused: Option<&Refused>) {
    let mut known = refused.map(|refused| refused.allowances.clone()).unwrap_or_default();
    known.extend(response.extensions_mut().remove::<Allowances>().unwrap_or_default().0);
    let headers = response.headers_mut();
    if let Some(refused) = refused {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(refused.wait)));
    }
    if known.is_empty() {
        return;
    }
    let (left, policy) = lists(&known);
    headers.extend(HeaderValue::from_str(&left).ok().map(|value| (RATELIMIT, value)));
    headers.extend(HeaderValue::from_str(&policy).ok().map(|value| (RATELIMIT_POLICY, value)));
}

/// Both lists, as structured fields (RFC 9651).
fn lists(known: &[Allowance]) -> (String, String) {
    let (mut left, mut policy) = (String::new(), String::new());
    for allowance in known {
        let comma = if left.is_empty() { "" } else { ", " };
        let name = allowance.policy.name();
        let more = allowance.more_in.map(|wait| format!(";t={}", seconds(wait))).unwrap_or_default();
        let window = match allowance.window {
            Some(window) => format!(";w={}", window.as_secs()),
            None => ";qu=\"concurrent-requests\"".to_owned(),
        };
        let written = write!(left, "{comma}\"{name}\";r={}{more}", allowance.left)
            .and_then(|()| write!(policy, "{comma}\"{name}\";q={}{window}", allowance.quota));
        debug_assert!(written.is_ok(), "text takes everything");
    }
    (left, policy)
}

/// Whole seconds, never too few, and at least one.
pub(super) fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use offtake_model::limit::Policy;

    use super::*;

    #[test]
    fn limits_are_told_as_the_draft_says() {
        let hour = Some(Duration::from_secs(3600));
        let known = [
            Allowance { policy: Policy::ActiveExports, quota: 5, left: 4, window: None, more_in: None },
            Allowance {
                policy: Policy::ExportsOfUser,
                quota: 1000,
                left: 999,
                window: hour,
                more_in: Some(Duration::from_millis(3_599_001)),
            },
        ];
        let (left, policy) = lists(&known);
        assert_eq!(left, "\"active-exports\";r=4, \"exports-user\";r=999;t=3600");
        assert_eq!(policy, "\"active-exports\";q=5;qu=\"concurrent-requests\", \"exports-user\";q=1000;w=3600");
    }
}
