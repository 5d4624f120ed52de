//! What a person would call the device a request came from.

use axum::http::{HeaderMap, header};

/// Longest name of a device, in characters.
const NAME_CHARS_MAX: usize = 40;

/// In the order they are looked for: later ones claim to be earlier ones too.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// E.g. `"Firefox on Linux"`; `"A browser"` where nothing is recognised. Never text of the request itself.
pub(crate) fn name(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "A browser".to_owned(),
    }
}

/// What the owner calls it, as one plain line; without a name, what it calls itself.
pub(crate) fn named(given: &str, headers: &HeaderMap) -> String {
    // Names of some scripts, and pictures made of several, need what joins their letters.
    let parts = |c: char| c.is_whitespace() || kit::text::acts(c) && !matches!(c, '\u{200c}' | '\u{200d}');
    let words = given.split(parts);
    let line: String = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if line.is_empty() {
        return name(headers);
    }
    line.chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_of_one_plain_line() {
        let nameless = HeaderMap::new();

        assert_eq!(named(" Ada\u{7}\u{1b}[2J\r\n phone ", &nameless), "Ada [2J phone");
        assert_eq!(named("\u{202e}adA\u{2066}", &nameless), "adA");
        assert_eq!(
            named("👩\u{200d}💻 می\u{200c}خواهم", &nameless),
            "👩\u{200d}💻 می\u{200c}خواهم"
        );
        assert_eq!(named(" \t\u{200f}", &nameless), "A browser");
        assert_eq!(named(&"é".repeat(99), &nameless).chars().count(), NAME_CHARS_MAX);
    }
}
