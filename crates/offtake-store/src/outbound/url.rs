//! Which URLs are gone to at all. The URL standard gives each host one spelling (`0x7f.1` is 127.0.0.1, full-width digits
//! are digits), so what is judged here is what will be dialled.

use std::net::IpAddr;

use reqwest::Url;

/// The longest URL, in bytes.
pub const MOST_BYTES: usize = 2048;

/// Says what is wrong with the form of a URL that somebody wants requests at, for people; `None` if nothing is. Where its
/// host leads is judged when the request is made, each time.
pub fn problem_with(url: &str, allow_http: bool) -> Option<String> {
    parse(url, allow_http).err()
}

/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str, allow_http: bool) -> Result<Url, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("is longer than {MOST_BYTES} bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("has white space or control characters in it".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    sound(&url, allow_http)?;
    Ok(url)
}

/// # Errors
/// What is wrong with it.
pub(super) fn sound(url: &Url, allow_http: bool) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => return refuse("is http; write an https URL"),
        _ => return refuse("is no https URL"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("has a user or a password in it");
    }
    if url.fragment().is_some() {
        return refuse("has a fragment, which is never sent");
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else { return refuse("names no host") };
    if host.ends_with('.') {
        return refuse("has a host that ends in a dot; leave that out");
    }
    // What listens below is mail, names, shells: nothing that takes HTTP, and much that can be talked into mischief.
    match url.port_or_known_default() {
        Some(80 | 443 | 1024..) => Ok(()),
        _ => refuse("has a port below 1024 that is neither 80 nor 443"),
    }
}

/// The host, if it is an address.
pub(super) fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}
