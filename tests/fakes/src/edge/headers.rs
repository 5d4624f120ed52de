//! The headers the real edge adds on the way to the origin.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Who a visitor is said to be when a test does not say.
pub(super) const VISITOR: &str = "203.0.113.7";
/// Set by a test on its request to be this visitor. Never reaches the origin.
pub(super) const PLAY_VISITOR: &str = "x-play-visitor";

/// What the edge says of one request.
pub(super) struct Seen<'a> {
    /// `"http"` or `"https"`.
    pub(super) scheme: &'a str,
    pub(super) country: &'a str,
    /// 16 hexadecimal digits.
    pub(super) ray: &'a str,
}

/// Adds what the edge adds, over whatever a visitor tried to say itself; `X-Forwarded-For` alone is appended to.
pub(super) fn add(headers: &mut HeaderMap, seen: &Seen<'_>) {
    let visitor = headers
        .remove(PLAY_VISITOR)
        .and_then(|value| value.to_str().ok().map(str::to_owned))
        .filter(|text| text.parse::<IpAddr>().is_ok())
        .unwrap_or_else(|| VISITOR.to_owned());
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("cf-") || name.as_str() == "cdn-loop")
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
    let chain: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .chain([visitor.as_str()])
        .collect();
    let chain = chain.join(",");
    match encodings(headers.get(header::ACCEPT_ENCODING)) {
        Some(encodings) => set(headers, "accept-encoding", encodings),
        None => {
            headers.remove(header::ACCEPT_ENCODING);
        }
    }
    set(headers, "cdn-loop", "cloudflare; loops=1");
    set(headers, "cf-connecting-ip", &visitor);
    set(headers, "cf-ipcountry", seen.country);
    set(headers, "cf-ray", &format!("{}-LHR", seen.ray));
    set(
        headers,
        "cf-visitor",
        &format!("{{\"scheme\":\"{}\"}}", seen.scheme),
    );
    set(headers, "x-forwarded-for", &chain);
    set(headers, "x-forwarded-proto", seen.scheme);
}

/// The real edge asks for both and unpacks for those who can neither; this one never unpacks, and so asks for what the
/// visitor can.
fn encodings(asked: Option<&HeaderValue>) -> Option<&'static str> {
    let asked = asked?.to_str().ok()?;
    let can = |name: &str| {
        asked
            .split(',')
            .any(|one| one.split(';').next().is_some_and(|one| one.trim() == name))
    };
    match (can("gzip"), can("br")) {
        (true, true) => Some("gzip, br"),
        (true, false) => Some("gzip"),
        (false, true) => Some("br"),
        (false, false) => None,
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
