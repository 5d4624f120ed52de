//! Headers that stand on every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use kit::Listener;

/// What a page may load and do: everything of it is ours, comes from here, and no text becomes script. A page that
/// shows a model's words and leads to a shell must not allow more.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
manifest-src 'self'; worker-src 'self'; require-trusted-types-for 'script'; trusted-types nexus";

/// For answers that are no pages: should one ever be shown as one, it can do nothing at all.
pub const FOREIGN_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// For our service worker: it fetches from here and nothing else. In a sandbox it would have no origin to fetch from.
pub const WORKER_POLICY: &str = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";

const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), \
gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()";

/// One year. Only where the way here is TLS; over plain HTTP browsers ignore it.
const STRICT_TRANSPORT: &str = "max-age=31536000";

const JSON: &str = "application/json; charset=utf-8";

/// Puts the security headers on an answer, whatever made it. `Cache-Control` is kept where it was set, and the policy of
/// our worker.
pub fn harden(headers: &mut HeaderMap, listener: Listener) {
    let is = |headers: &HeaderMap, kind: &[u8]| {
        headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|given| given.as_bytes().starts_with(kind))
    };
    let is_worker = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .is_some_and(|given| given == WORKER_POLICY);
    let policy = if is(headers, b"text/html") {
        PAGE_POLICY
    } else if is_worker {
        WORKER_POLICY
    } else {
        FOREIGN_POLICY
    };
    if is(headers, b"application/json") {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    }
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    set(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    set(PERMISSIONS_POLICY, PERMISSIONS);
    if listener == Listener::Tunnel {
        set(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Marks an answer to the program's own window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnWindow;

/// Takes the policy about openers off a hardened answer for the program's own window. That shows pages of this origin
/// alone and opens no others, so that there is nothing to be kept apart from; but its engine would start a second process
/// for a page that asks to be, and the person wait a tenth of a second longer.
pub(crate) fn without_openers(headers: &mut HeaderMap) {
    headers.remove(CROSS_ORIGIN_OPENER_POLICY);
}

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_the_page_policy_and_json_says_its_encoding() {
        let mut page = HeaderMap::new();
        page.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        let mut json = HeaderMap::new();
        json.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        json.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

        harden(&mut page, Listener::Tunnel);
        harden(&mut json, Listener::Local);

        assert_eq!(page["content-security-policy"], PAGE_POLICY);
        assert_eq!(page["cache-control"], "no-store");
        assert_eq!(page["strict-transport-security"], "max-age=31536000");
        assert_eq!(json["content-security-policy"], FOREIGN_POLICY);
        assert_eq!(json["content-type"], "application/json; charset=utf-8");
        assert_eq!(json["cache-control"], "no-cache");
        assert!(!json.contains_key("strict-transport-security"));
    }
}
