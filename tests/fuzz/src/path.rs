//! Paths: what is matched is what is forwarded, and no two decoders disagree about it.

use axum::http::Method;
use gateway::{path::is_canonical, proxy::list};
use url::Url;

/// A path that is admitted reads the same to the `url` crate, which follows the browsers' rules, has no segment that
/// decodes to something with a meaning of its own, and reaches opencode letter by letter.
///
/// # Panics
/// When the property is broken.
pub fn check(path: &str, query: Option<&str>) {
    if !is_canonical(path) {
        return;
    }
    let address =
        Url::parse(&format!("http://127.0.0.1{path}")).expect("a canonical path makes a valid address");
    assert_eq!(address.path(), path);
    assert_eq!(
        (address.host_str(), address.port(), address.query()),
        (Some("127.0.0.1"), None, None)
    );
    for segment in path[1..].split('/') {
        let pair = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
        let decoded: String = url::form_urlencoded::parse(pair.as_bytes())
            .map(|(_, value)| value)
            .collect();
        let is_special =
            decoded == "." || decoded == ".." || decoded.contains(['/', '\\', '%', '\0', '\u{fffd}']);
        assert!(!is_special, "{segment}");
    }
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        if let Ok(listed) = list::find(&method, path)
            && let Some(target) = list::target(listed, path, query)
        {
            assert_eq!(target.path(), path);
            forwarded(listed, target.query());
        }
    }
}

/// Only listed names, each once, and nothing that could end the target early.
fn forwarded(listed: &list::Listed, query: Option<&str>) {
    let Some(query) = query else { return };
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let mut names: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| listed.query.contains(name)), "{names:?}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "/",
                "//",
                ".",
                "..",
                "%2e",
                "%2F",
                "%5C",
                "%25",
                "%00",
                "%C3%A9",
                "%c3",
                "%20",
                "%3B",
                ";",
                "\\",
                "session",
                "ses_1",
                "status",
                "message",
                "global",
                "event",
                "file",
                "content",
                "@",
                ":",
                "?",
                "#",
                "é",
                " ",
                "\t",
                "127.0.0.1",
            ])
            .prop_map(str::to_owned),
            "[a-zA-Z0-9%._~/-]{0,6}",
            any::<char>().prop_map(String::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn decoders_agree(pieces in prop::collection::vec(piece(), 0..8), query in proptest::option::of(".{0,40}")) {
            check(&format!("/{}", pieces.concat()), query.as_deref());
            check(&pieces.concat(), query.as_deref());
        }

        #[test]
        fn listed_paths_keep_only_listed_parameters(
            names in prop::collection::vec(prop::sample::select(vec!["directory", "limit", "auth_token", "auth%5Ftoken", "Directory", "search", "x"]), 0..5),
            value in "[/a-z%0-9&=#+;]{0,12}",
        ) {
            let query = names.iter().map(|name| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            check("/session", Some(&query));
            check("/session/ses_1/message", Some(&query));
        }
    }

    #[test]
    fn the_properties_see_real_paths() {
        assert!(is_canonical("/session/ses_1/message"));
        check("/session/ses_1/message", Some("limit=5&auth_token=x"));
    }
}
