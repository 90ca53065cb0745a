//! Whether a request that a browser adds a cookie to was made by a page of our own.
//!
//! The cookie is `SameSite=Strict`, so no other site's page can use it; this is for what is not another site but
//! another origin, such as a neighbouring sub-domain or port, and for browsers that know no better.

use http::uri::{Authority, Uri};
use http::{HeaderMap, Method, header};
use offtake_model::{Error, ErrorKind, Result};

use crate::state::ServerSettings;

/// That a request with a cookie may change something.
///
/// # Errors
/// `forbidden` if it is another origin's, or does not say whose it is.
pub(crate) fn require_own(settings: &ServerSettings, method: &Method, headers: &HeaderMap) -> Result<()> {
    if method.is_safe() || says_own(settings, headers) == Some(true) { Ok(()) } else { Err(foreign()) }
}

/// That a request is not another origin's; it may come from no browser at all.
///
/// # Errors
/// `forbidden`.
pub(crate) fn refuse_foreign(settings: &ServerSettings, headers: &HeaderMap) -> Result<()> {
    if says_own(settings, headers) == Some(false) { Err(foreign()) } else { Ok(()) }
}

/// That a page that opens a live socket may: our own, and where no cookie speaks for it, those of the origins that are
/// configured. What does not say whose page it is comes from no browser.
///
/// # Errors
/// `forbidden`.
pub(crate) fn require_known(settings: &ServerSettings, headers: &HeaderMap, by_cookie: bool) -> Result<()> {
    let own = says_own(settings, headers);
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let configured = || origin.is_some_and(|origin| settings.allowed_origins.iter().any(|allowed| allowed == origin));
    match by_cookie {
        true if own == Some(true) => Ok(()),
        true => Err(foreign()),
        false if own != Some(false) || configured() => Ok(()),
        false => {
            let detail = "pages of this origin may not open live sockets here; see server.allowed_origins";
            Err(Error::new(ErrorKind::Forbidden, detail))
        }
    }
}

fn foreign() -> Error {
    let detail = "a request with the cookie of a session must be made by a page of this server; others send a token";
    Error::new(ErrorKind::Forbidden, detail)
}

/// Whether the request says that it is our own page's; `None` if it says nothing.
fn says_own(settings: &ServerSettings, headers: &HeaderMap) -> Option<bool> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let origin = text(header::ORIGIN.as_str())?;
    Some(is_public(settings, origin) || is_host(headers, origin))
}

fn is_public(settings: &ServerSettings, origin: &str) -> bool {
    let parts = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        Some((uri.scheme_str()?.to_owned(), uri.host()?.to_ascii_lowercase(), port(&uri)))
    };
    settings.public_url.as_deref().is_some_and(|url| parts(url).is_some() && parts(url) == parts(origin))
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        Some(_) | None => None,
    })
}

/// Whether the origin is the host that was asked. A name that somebody else pointed at us would be both, but the cookie
/// is not for that name.
fn is_host(headers: &HeaderMap, origin: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let of_origin = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
    match (host, of_origin) {
        (Some(host), Some(of_origin)) => {
            let host: Authority = host;
            host == of_origin
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_change_things_by_a_cookie() {
        let public_url = Some("https://offtake.example.org/x".to_owned());
        let settings = ServerSettings { public_url, ..ServerSettings::default() };
        let may = |pairs: &[_]| require_own(&settings, &Method::POST, &asked(pairs)).is_ok();
        assert!(may(&[("sec-fetch-site", "same-origin")]));
        assert!(may(&[("origin", "https://offtake.example.org")]));
        assert!(may(&[("origin", "https://Offtake.example.org:443")]));
        assert!(may(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        for other in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://offtake.example.org")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null"), ("host", "127.0.0.1:8080")],
            &[("origin", "https://offtake.example.org.evil.example")],
            &[("origin", "http://offtake.example.org")],
            &[("origin", "https://offtake.example.org:8443")],
            &[("origin", "http://127.0.0.1:8081"), ("host", "127.0.0.1:8080")],
            &[("host", "127.0.0.1:8080")],
        ] {
            assert!(!may(other), "{other:?}");
            assert!(require_own(&settings, &Method::GET, &asked(other)).is_ok(), "looking changes nothing");
        }
        assert!(refuse_foreign(&settings, &asked(&[])).is_ok());
        assert!(refuse_foreign(&settings, &asked(&[("origin", "https://evil.example")])).is_err());
    }

    #[test]
    fn live_sockets_are_for_known_pages_and_with_a_cookie_for_our_own() {
        let allowed_origins = vec!["https://app.example.org".to_owned()];
        let settings = ServerSettings { allowed_origins, ..ServerSettings::default() };
        let may = |pairs: &[_], by_cookie| require_known(&settings, &asked(pairs), by_cookie).is_ok();
        let own = [("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")];
        assert!(may(&own, true) && may(&own, false));
        assert!(may(&[], false) && !may(&[], true), "no browser, and one that does not say whose page it is");
        let app = [("origin", "https://app.example.org"), ("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")];
        assert!(may(&app, false) && !may(&app, true));
        for other in ["null", "https://app.example.org.evil.example", "http://app.example.org", "https://evil.example"]
        {
            assert!(!may(&[("origin", other), ("host", "127.0.0.1:8080")], false), "{other}");
        }
    }
}
