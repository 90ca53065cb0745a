//! How long an answer says it may be kept (RFC 9111).

use std::time::Duration;

use http::{HeaderMap, header};

/// For how long the answer with these headers is fresh; `None` if it does not say.
pub(super) fn freshness(headers: &HeaderMap) -> Option<Duration> {
    let mut said = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return Some(Duration::ZERO),
                "max-age" => {
                    let seconds = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
                    // The smallest of several, and none where one cannot be read.
                    said = Some(seconds.unwrap_or_default().min(said.unwrap_or(Duration::MAX)));
                }
                _ => {}
            }
        }
    }
    let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    said.map(|fresh| fresh.saturating_sub(Duration::from_secs(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_kept_to_and_what_cannot_be_read_is_no_permission() {
        let fresh = |lines: &[(http::HeaderName, &str)]| {
            let headers = lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            freshness(&headers).map(|fresh| fresh.as_secs())
        };
        let cc = header::CACHE_CONTROL;
        assert_eq!(fresh(&[]), None);
        assert_eq!(fresh(&[(cc.clone(), "public, max-age=300, must-revalidate")]), Some(300));
        assert_eq!(fresh(&[(cc.clone(), "Max-Age=\"60\"")]), Some(60));
        assert_eq!(fresh(&[(cc.clone(), "max-age=300"), (header::AGE, "100")]), Some(200));
        assert_eq!(fresh(&[(cc.clone(), "max-age=300"), (header::AGE, "400")]), Some(0));
        assert_eq!(fresh(&[(cc.clone(), "max-age=300, max-age=10")]), Some(10));
        assert_eq!(fresh(&[(cc.clone(), "max-age=-5")]), Some(0));
        assert_eq!(fresh(&[(cc.clone(), "max-age=300, no-store")]), Some(0));
        assert_eq!(fresh(&[(cc, "private")]), None);
    }
}
