//! What a page may lead to.

use url::{Origin, Url};

/// What becomes of a navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A page of ours: shown here.
    Here,
    /// Another site: handed to the browser.
    Browser(String),
    /// Nothing a window or a browser should open.
    Nowhere,
}

/// Judges an address by its parsed origin; a prefix comparison would take `http://127.0.0.1:80801` or
/// `http://127.0.0.1:8080@elsewhere` for ours.
pub(crate) fn judge(own: &Origin, address: &str) -> Verdict {
    let Ok(url) = Url::parse(address) else {
        return Verdict::Nowhere;
    };
    if url.origin() == *own && own.is_tuple() {
        return Verdict::Here;
    }
    match url.scheme() {
        "http" | "https" | "mailto" => Verdict::Browser(url.into()),
        _ => Verdict::Nowhere,
    }
}

/// Whether a window that already shows `current` has to load something for a request of `wanted`. Asking for the
/// window's own main page (`/chat` for the window `chat`) only brings it to the front, so that nobody loses their
/// place.
pub(crate) fn has_to_load(name: &str, current: &str, wanted: &str) -> bool {
    let is_main = wanted.trim_matches('/') == name;
    let current_path = Url::parse(current)
        .map(|url| url.path().to_owned())
        .unwrap_or_default();
    let is_inside = current_path.trim_start_matches('/').starts_with(name);
    !(current_path == wanted || is_main && is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_origin_stays_in_the_window() {
        let own = Url::parse("http://127.0.0.1:8080").unwrap().origin();
        let check =
            |address: &str, expected: Verdict| assert_eq!(judge(&own, address), expected, "{address}");
        let browser = |address: &str| Verdict::Browser(address.to_owned());

        check("http://127.0.0.1:8080/chat/ses_1?x=1", Verdict::Here);
        check("http://127.0.0.1:80801/", Verdict::Nowhere);
        check("http://127.0.0.1:8081/", browser("http://127.0.0.1:8081/"));
        check(
            "http://127.0.0.1:8080@evil.example/",
            browser("http://127.0.0.1:8080@evil.example/"),
        );
        check("https://127.0.0.1:8080/", browser("https://127.0.0.1:8080/"));
        check("http://localhost:8080/", browser("http://localhost:8080/"));
        check("mailto:a@b.example", browser("mailto:a@b.example"));
        check("file:///etc/passwd", Verdict::Nowhere);
        check("javascript:alert(1)", Verdict::Nowhere);
        check("data:text/html,hi", Verdict::Nowhere);
        check("blob:http://127.0.0.1:8080/1", Verdict::Here);
        check("about:blank", Verdict::Nowhere);
        check("not an address", Verdict::Nowhere);
    }

    #[test]
    fn asking_for_the_main_page_keeps_the_place() {
        let check = |current, wanted, expected| {
            assert_eq!(
                has_to_load("chat", current, wanted),
                expected,
                "{current} {wanted}"
            );
        };

        check("http://127.0.0.1:1/chat/ses_1", "/chat", false);
        check("http://127.0.0.1:1/chat", "/chat", false);
        check("http://127.0.0.1:1/chat/ses_1", "/chat/ses_1", false);
        check("http://127.0.0.1:1/chat/ses_1", "/chat/ses_2", true);
        check("http://127.0.0.1:1/login", "/chat", true);
        check("", "/chat", true);
    }
}
