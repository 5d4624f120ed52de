//! What a line may hold: one line's worth of visible text without secrets.

use std::{borrow::Cow, fmt::Write as _};

use kit::text::acts;

use crate::{hidden::Hidden, redact::redacted};

/// Longest text of a line and of each of its fields, in bytes.
pub const FIELD_BYTES_MAX: usize = 2 * 1024;
/// Half a secret is not recognised: as much as most have is left out before a cut.
const SECRET_BYTES_MAX: usize = 256;

/// Makes `text` fit to be stored: no secrets, no control characters, at most [`FIELD_BYTES_MAX`].
pub fn clean(text: &str) -> String {
    clean_of(text, &Hidden::default())
}

/// The same, without what is `hidden` as well.
pub(crate) fn clean_of(text: &str, hidden: &Hidden) -> String {
    // Cut first, so that a huge line costs no more than a long one.
    let (head, rest_bytes) = cut(text, FIELD_BYTES_MAX * 2);
    // Colours stand between a name and its value, or within either: without them first, no secret is seen.
    let plain = stripped(head);
    let mut visible = visible(&redacted(&hidden.out_of(&plain)));
    let whole = if rest_bytes > 0 {
        visible.len().saturating_sub(SECRET_BYTES_MAX)
    } else {
        visible.len()
    };
    let kept = cut(&visible, whole.min(FIELD_BYTES_MAX)).0.len();
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

/// Drops terminal sequences.
fn stripped(text: &str) -> Cow<'_, str> {
    const BEGINS: [char; 2] = ['\u{1b}', '\u{9b}'];
    if !text.contains(BEGINS) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGINS) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut skipped = terminal_sequence(rest);
        if skipped == 0 {
            // Not a whole one: what began it is shown.
            skipped = rest.chars().next().map_or(0, char::len_utf8);
            kept.push_str(&rest[..skipped]);
        }
        rest = &rest[skipped..];
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Shows what would otherwise act: line ends, control characters, bidi marks.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.trim_end_matches(['\r', '\n']).chars() {
        match letter {
            '\t' => shown.push_str("  "),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            letter if acts(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// How many bytes the terminal sequence at the start of `text` takes: colours, cursor movements, titles, the
/// clipboard. 0 when it is not a whole one.
fn terminal_sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    // The end of one whose parameters begin at the third byte and whose last byte is at least `last`.
    let up_to = |last: u8| {
        let end = bytes.iter().skip(2).position(|byte| !(0x20..last).contains(byte));
        let is_whole = |at: &usize| (last..=0x7e).contains(&bytes[*at]);
        end.map(|at| at + 2).filter(is_whole).map_or(0, |at| at + 1)
    };
    match bytes.get(1) {
        // As one character, which takes two bytes, or as two.
        Some(0x9b | b'[') => up_to(0x40),
        Some(b']') => {
            let bell = text.find('\u{7}').map(|at| at + 1);
            let string_end = text.find("\u{1b}\\").map(|at| at + 2);
            match (bell, string_end) {
                (Some(one), Some(other)) => one.min(other),
                (one, other) => one.or(other).unwrap_or(0),
            }
        }
        // A character set: `ESC ( B`.
        Some(0x20..=0x2f) => up_to(0x30),
        Some(0x30..=0x7e) => 2,
        Some(_) | None => 0,
    }
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
    fn colours_do_not_carry_a_secret_through() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text), expected, "{text:?}");

        check("\x1b[31mpassword\x1b[0m=CANARY", "password=[hidden]");
        check("password=\x1b[32mCANARY\x1b[0m", "password=[hidden]");
        check("pass\x1b(Bword: \u{9b}1mCANARY", "password: [hidden]");
        check(
            "Authorization: \x1b[1mBasic\x1b[0m Q0FOQVJZ",
            "Authorization: [hidden]",
        );
        check(
            "\x1b]0;title\x07to\x1b[1mken=CANARY port=1",
            "token=[hidden] port=1",
        );
    }

    #[test]
    fn a_known_secret_is_hidden_wherever_it_stands() {
        let hidden = Hidden::default();
        hidden.add(kit::Secret::new("CANARY-WORD".to_owned()));

        assert_eq!(
            clean_of("connected with CANA\x1b[1mRY-WORD, or so", &hidden),
            "connected with [hidden], or so"
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

    #[test]
    fn half_a_secret_at_the_cut_is_not_shown() {
        let token = format!("nexus_{}", "a1".repeat(32));
        let colours = "\u{1b}[31m".repeat(700);
        for before in 0..120 {
            let filler = "x".repeat(FIELD_BYTES_MAX * 2 - colours.len() - 100 + before);
            let line = format!("{colours}{filler} {token} {}", "y ".repeat(3000));

            let shown = clean(&line);

            assert!(!shown.contains("nexus_"), "{before}: {shown}");
        }
    }
}
