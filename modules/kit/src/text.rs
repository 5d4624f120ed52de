//! Texts of errors and causes as people read them.

/// Programs that write their names small, at the beginning of a sentence too.
const SMALL: [&str; 2] = ["opencode", "cloudflared"];

/// The text with a capital at its beginning, unless a program's own name stands there.
pub fn capital(text: &str) -> String {
    if SMALL.iter().any(|name| text.starts_with(name)) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    let first = letters.next();
    first.map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Error texts are lower case without a period; what a person reads is a sentence.
pub fn sentence(text: &str) -> String {
    let mut sentence = capital(text);
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ')', ':', '"']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_becomes_a_sentence() {
        for (text, expected) in [
            ("could not start it", "Could not start it."),
            ("opencode did not start", "opencode did not start."),
            ("état inconnu", "État inconnu."),
            ("Done.", "Done."),
            ("", ""),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }
}
