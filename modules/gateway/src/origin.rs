//! Which page a request was made from, as far as its browser tells.
//!
//! A cookie is sent along by every page that knows the address. What other pages cannot do is forge `Origin` and
//! `Sec-Fetch-*`. A form or a fetch of ours is `same-origin`; everything else may not change anything.

use axum::http::{HeaderMap, header};

/// Whether a request that changes something comes from a page of ours at `origin` (`http://127.0.0.1:4100`).
///
/// One that says neither `Sec-Fetch-Site` nor `Origin` is no browser of today and no page of ours: refused.
pub fn may_change(headers: &HeaderMap, origin: &str) -> bool {
    match value(headers, "sec-fetch-site") {
        Value::Is(site) => site == "same-origin" && is_own_or_absent(headers, origin),
        Value::Absent => {
            matches!(value(headers, header::ORIGIN.as_str()), Value::Is(given) if given == origin)
        }
        Value::Twice => false,
    }
}

/// Whether a request that only reads may have its answer.
///
/// Following a link from elsewhere is fine for pages; pictures, scripts, frames and fetches of another origin are not,
/// nor is anything but a fetch for the API.
pub fn may_read(headers: &HeaderMap, origin: &str, is_api: bool) -> bool {
    if !is_own_or_absent(headers, origin) {
        return false;
    }
    let site_fits = match value(headers, "sec-fetch-site") {
        Value::Absent => true,
        Value::Is("same-origin" | "none") => true,
        Value::Is("same-site" | "cross-site") => !is_api && is_top_navigation(headers),
        Value::Is(_) | Value::Twice => false,
    };
    let kind_fits = match value(headers, "sec-fetch-dest") {
        Value::Absent => true,
        Value::Is("empty" | "document") => true,
        Value::Is("frame" | "iframe" | "embed" | "object") | Value::Twice => false,
        Value::Is(_) => !is_api,
    };
    site_fits && kind_fits
}

/// Whether a WebSocket may be opened. Browsers always say `Origin` there and not all say `Sec-Fetch-Site`.
pub fn may_shake_hands(headers: &HeaderMap, origin: &str) -> bool {
    matches!(value(headers, header::ORIGIN.as_str()), Value::Is(given) if given == origin)
        && matches!(
            value(headers, "sec-fetch-site"),
            Value::Absent | Value::Is("same-origin")
        )
}

/// Whether a person is going to a page, so that an answer for people is right.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    match value(headers, "sec-fetch-mode") {
        Value::Is(mode) => mode == "navigate",
        Value::Twice => false,
        Value::Absent => accepts(headers, "text/html"),
    }
}

pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    matches!(value(headers, header::ACCEPT.as_str()), Value::Is(given) if given.contains(kind))
}

fn is_top_navigation(headers: &HeaderMap) -> bool {
    matches!(value(headers, "sec-fetch-mode"), Value::Is("navigate"))
        && matches!(value(headers, "sec-fetch-dest"), Value::Is("document"))
}

fn is_own_or_absent(headers: &HeaderMap, origin: &str) -> bool {
    match value(headers, header::ORIGIN.as_str()) {
        Value::Is(given) => given == origin,
        Value::Absent => true,
        Value::Twice => false,
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Absent,
    Is(&'a str),
    /// More than one, or not text.
    Twice,
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Value<'a> {
    let mut given = headers.get_all(name).iter();
    match (given.next(), given.next()) {
        (None, _) => Value::Absent,
        (Some(one), None) => one.to_str().map_or(Value::Twice, Value::Is),
        (Some(_), Some(_)) => Value::Twice,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const OURS: &str = "http://127.0.0.1:4100";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_a_page_of_ours_changes_anything() {
        let check = |fields: &[_], expected: bool| {
            assert_eq!(may_change(&headers(fields), OURS), expected, "{fields:?}")
        };

        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "same-origin"), ("origin", OURS)], true);
        check(&[("origin", OURS)], true);
        check(&[], false);
        for site in ["same-site", "cross-site", "none", "", "Same-Origin"] {
            check(&[("sec-fetch-site", site)], false);
            check(&[("sec-fetch-site", site), ("origin", OURS)], false);
        }
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:4100",
            "http://127.0.0.1:9",
            "https://127.0.0.1:4100",
            "",
        ] {
            check(&[("origin", origin)], false);
            check(&[("sec-fetch-site", "same-origin"), ("origin", origin)], false);
        }
        check(&[("origin", OURS), ("origin", OURS)], false);
        check(
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        );
    }

    #[test]
    fn other_pages_link_to_pages_and_read_nothing() {
        let check = |fields: &[_], page: bool, api: bool| {
            let headers = headers(fields);
            assert_eq!(
                (may_read(&headers, OURS, false), may_read(&headers, OURS, true)),
                (page, api),
                "{fields:?}"
            );
        };

        check(&[], true, true);
        check(
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")],
            true,
            true,
        );
        check(
            &[("sec-fetch-site", "none"), ("sec-fetch-dest", "document")],
            true,
            true,
        );
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        check(&link, true, false);
        check(
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            false,
            false,
        );
        check(
            &[
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
            false,
            false,
        );
        check(
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "iframe"),
            ],
            false,
            false,
        );
        check(&[("sec-fetch-dest", "image")], true, false);
        check(&[("sec-fetch-dest", "script")], true, false);
        check(&[("origin", "https://x.opencode.ai")], false, false);
    }

    #[test]
    fn a_socket_is_opened_by_a_page_of_ours() {
        let check = |fields: &[_], expected: bool| {
            assert_eq!(may_shake_hands(&headers(fields), OURS), expected, "{fields:?}")
        };

        check(&[("origin", OURS)], true);
        check(&[("origin", OURS), ("sec-fetch-site", "same-origin")], true);
        check(&[], false);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("origin", "https://evil.example")], false);
        check(&[("origin", OURS), ("sec-fetch-site", "cross-site")], false);
    }
}
