//! What a line may hold: one line's worth of visible text without secrets.

use std::fmt::Write as _;

use crate::redact::redacted;

/// Longest text of a line and of each of its fields, in bytes.
pub const FIELD_BYTES_MAX: usize = 2 * 1024;

/// Makes `text` fit to be stored: no secrets, no control characters, at most [`FIELD_BYTES_MAX`].
pub fn clean(text: &str) -> String {
    // Cut first, so that a huge line costs no more than a long one; a margin keeps a secret at the cut recognisable.
    let (head, rest_bytes) = cut(text, FIELD_BYTES_MAX * 2);
    let mut visible = visible(&redacted(head));
    let kept = cut(&visible, FIELD_BYTES_MAX).0.len();
    let rest_bytes = rest_bytes + visible.len() - kept;
    if rest_bytes > 0 {
        visible.truncate(kept);
        // Writing to a string cannot fail.
        let _ = write!(visible, "… ({rest_bytes} bytes more)");
    }
    visible
}

/// The first bytes of `text` up to a character's end, and how many are left.
fn cut(text: &str, bytes_max: usize) -> (&str, usize) {
    if text.len() <= bytes_max {
        return (text, 0);
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    (&text[..end], text.len() - end)
}

/// Drops terminal sequences and shows what would otherwise act: line ends, control characters, bidi marks.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.trim_end_matches(['\r', '\n']);
    while let Some(letter) = rest.chars().next() {
        let skipped = if letter == '\u{1b}' {
            terminal_sequence(rest)
        } else {
            0
        };
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        match letter {
            '\t' => shown.push_str("  "),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            letter if acts(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
        rest = &rest[letter.len_utf8()..];
    }
    shown
}

/// How many bytes the terminal sequence at the start of `text` takes: colours, cursor movements, titles, the
/// clipboard. 0 when it is not a whole one.
fn terminal_sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes
                .iter()
                .skip(2)
                .position(|byte| !(0x20..=0x3f).contains(byte));
            let is_whole = |at: &usize| (0x40..=0x7e).contains(&bytes[*at]);
            end.map(|at| at + 2).filter(is_whole).map_or(0, |at| at + 1)
        }
        Some(b']') => {
            let bell = text.find('\u{7}').map(|at| at + 1);
            let string_end = text.find("\u{1b}\\").map(|at| at + 2);
            match (bell, string_end) {
                (Some(one), Some(other)) => one.min(other),
                (one, other) => one.or(other).unwrap_or(0),
            }
        }
        Some(0x40..=0x5f) => 2,
        Some(_) | None => 0,
    }
}

fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_one_line() {
        assert_eq!(
            clean("a\nb\r\nc\u{2028}d\u{202e}e\0"),
            r"a\nb\r\nc\u{2028}d\u{202e}e\u{0}"
        );
        assert_eq!(
            clean("\x1b[31mred\x1b[0m \x1b]52;c;YQ==\x07end\x1b"),
            r"red end\u{1b}"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = "ä".repeat(100_000);

        let kept = clean(&long);

        assert!(kept.len() <= FIELD_BYTES_MAX + 40);
        assert!(
            kept.ends_with("… (197952 bytes more)"),
            "{}",
            &kept[kept.len() - 40..]
        );
    }

    #[test]
    fn nothing_that_is_written_can_stop_the_one_who_writes() {
        let tricky = "ä\u{1b}[3é1m\u{1b}]ö\u{7}password=\"ü\" --token ß Bearer ēēēēēēēē a://ü:ö@ñ $argon2ï€=>'\\\u{1b}";
        let edges: Vec<usize> = (0..=tricky.len())
            .filter(|at| tricky.is_char_boundary(*at))
            .collect();

        for from in &edges {
            for to in edges.iter().filter(|to| *to >= from) {
                assert!(!clean(&tricky[*from..*to]).chars().any(char::is_control));
            }
        }
    }
}
