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

/// Whether a character does something where it is shown, in a terminal or among other words: ends a line, moves, colours, is
/// not seen, or turns the order of letters around.
pub fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_are_shown_and_marks_act() {
        assert!(!"aé 漢字 שלום 🦭~".contains(acts));
        for mark in [
            '\n', '\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}',
        ] {
            assert!(acts(mark), "{mark:?}");
        }
    }

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
