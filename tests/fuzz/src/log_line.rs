//! A log line is one line, whatever was said, and says it again when it is read.

use std::{collections::BTreeMap, time::SystemTime};

use logs::{Entry, FIELD_BYTES_MAX, Level, clean};

/// What a cleaned text may add to its limit: the words that say how much was left out.
const REMARK_BYTES_MAX: usize = 64;

/// Panics when `text` with the field `value` does not become one line of JSON without control characters that reads
/// back as what was written.
pub fn check(text: &str, value: &str) {
    let entry = Entry {
        at: SystemTime::UNIX_EPOCH,
        level: Level::Info,
        source: "agent".to_owned(),
        target: "gateway".to_owned(),
        text: clean(text),
        fields: BTreeMap::from([("path".to_owned(), clean(value))]),
    };
    let line = serde_json::to_string(&entry).expect("strings can be written");
    assert!(
        !line
            .chars()
            .any(|letter| letter.is_control() || is_invisible(letter)),
        "{line:?}"
    );
    let read: Entry = serde_json::from_str(&line).expect("what was written can be read");
    assert_eq!(read, entry);
    assert!(
        entry.text.len() <= FIELD_BYTES_MAX + REMARK_BYTES_MAX,
        "{}",
        entry.text.len()
    );
    // What was cleaned is clean.
    assert_eq!(clean(&entry.text), entry.text);
}

/// Separators of lines and paragraphs, and marks that turn the direction of what follows.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::check;

    #[test]
    fn what_would_break_a_line_does_not() {
        for text in [
            "one\ntwo",
            "\u{1b}[31mred\u{1b}[0m",
            "\u{1b}]8;;http://evil.example\u{7}here\u{1b}]8;;\u{7}",
            "a\u{2028}b\u{2029}c",
            "\u{202e}txt.exe",
            "\0",
            "\u{9b}31m",
            "…",
        ] {
            check(text, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_line(text in any::<String>(), value in ".{0,3000}") {
            check(&text, &value);
        }

        #[test]
        fn terminal_sequences_become_one_line(parts in prop::collection::vec("(\u{1b}[\\[\\]PX^_]?|[a-z0-9;]{0,9}|\u{7}|\u{1b}\\\\|\u{9b}|m|\n)", 0..40)) {
            let text = parts.concat();
            check(&text, &text);
        }
    }
}
