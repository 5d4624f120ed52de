//! Text on its way to a page: control characters made visible, markup characters escaped.
//!
//! Everything a model, a tool or a file says passes through here. Terminal control sequences are shown as the pictures
//! Unicode has for them, so that nothing interprets them and nothing is hidden.

use std::borrow::Cow;

/// The character as it may stand on a page: controls become their pictures, carriage returns line ends.
pub fn shown(char: char) -> char {
    match char {
        '\n' | '\t' => char,
        '\u{7f}' => '\u{2421}',
        // Controls of the second block have no pictures.
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        // Directions that would let text pretend to be other text.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(char)).unwrap_or(char::REPLACEMENT_CHARACTER),
        other => other,
    }
}

/// The text with line ends made plain and controls made visible.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|char| shown(char) == char) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                // The line end that follows stands for both.
                if chars.peek() != Some(&'\n') {
                    cleaned.push('\n');
                }
            }
            other => cleaned.push(shown(other)),
        }
    }
    Cow::Owned(cleaned)
}

/// The text for somebody who decides by it: as [`clean`], but what cannot be seen, or looks like a space without being
/// one, stands there as its number, e.g. `rm⟨U+200B⟩x`.
pub fn revealed(text: &str) -> Cow<'_, str> {
    if text.chars().all(|char| shown(char) == char && !is_unseen(char)) {
        return Cow::Borrowed(text);
    }
    let mut revealed = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\r', Some('\n')) => {}
            (unseen, _) if is_unseen(unseen) => revealed.push_str(&format!("⟨U+{:04X}⟩", u32::from(unseen))),
            (other, _) => revealed.push(shown(other)),
        }
    }
    Cow::Owned(revealed)
}

/// Spaces that are none, letters without a shape, signs that turn or join what stands beside them.
fn is_unseen(char: char) -> bool {
    matches!(char,
        '\u{80}'..='\u{a0}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d159}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// What a command printed: colours and cursor movements are left out, the rest is [`clean`]ed.
///
/// A carriage return that rewrites a line keeps what stands there last, as a terminal would show it.
pub fn terminal(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\u{1b}', Some('[')) => {
                chars.next();
                while chars.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            }
            ('\u{1b}', Some(']')) => skip_operating_system_command(&mut chars),
            ('\r', Some('\n')) => {}
            ('\r', Some(_)) => plain.truncate(plain.rfind('\n').map_or(0, |at| at + 1)),
            ('\r' | '\u{7}', _) => {}
            (other, _) => plain.push(shown(other)),
        }
    }
    plain
}

/// A title, a link target or a clipboard write: ends with BEL or with the string terminator.
fn skip_operating_system_command(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(char) = chars.next() {
        if char == '\u{7}' || char == '\n' {
            return;
        }
        if char == '\u{1b}' {
            chars.next_if_eq(&'\\');
            return;
        }
    }
}

/// Appends `text` to `html` as text.
pub fn escape_into(html: &mut String, text: &str) {
    for char in text.chars() {
        match shown(char) {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\u{a0}' => html.push_str("&nbsp;"),
            other => html.push(other),
        }
    }
}

/// Appends `value` to `html` as the value of an attribute in double quotes.
pub fn escape_attribute_into(html: &mut String, value: &str) {
    for char in value.chars() {
        match shown(char) {
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\u{a0}' => html.push_str("&nbsp;"),
            other => html.push(other),
        }
    }
}

/// Whether the text is one line of letters that all show and stand in the order they are read in: what is seen of it is
/// all there is.
pub fn is_plain_line(text: &str) -> bool {
    text.chars().all(|char| match char {
        ' ' => true,
        // Hebrew, Arabic and their like run the other way and may turn what stands beside them.
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' => false,
        other => other.is_ascii_graphic() || other.is_alphanumeric(),
    })
}

/// The first `chars_max` characters, with an ellipsis when that is not all.
pub fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text[..at].trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_hides_something_is_not_plain() {
        assert!(is_plain_line("git commit -m 'größer'"));
        for hidden in [
            "git status\nrm -rf /",
            "git status\u{200b}",
            "rm \u{202e}x",
            "echo \u{5d0}",
            "a\tb",
            "\u{1b}[8mrm",
            "x\u{2066}y",
            "a\u{a0}b",
        ] {
            assert!(!is_plain_line(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn controls_are_visible_and_line_ends_plain() {
        assert_eq!(clean("a\r\nb\rc\0\u{1b}[31m"), "a\nb\nc␀␛[31m");
        assert!(matches!(clean("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn nothing_is_hidden_from_who_decides() {
        let hidden = [
            0xad, 0xa0, 0x85, 0x61c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202e, 0x2028, 0x2060,
            0x2064, 0x2066, 0x2069, 0xfeff, 0xfe0f, 0xe0041,
        ];
        for number in hidden {
            let char = char::from_u32(number).unwrap();
            assert_eq!(revealed(&format!("rm{char}x")), format!("rm⟨U+{number:04X}⟩x"));
        }
        assert_eq!(revealed("a\r\nb\rc\u{1b}[31m"), "a\nb␍c␛[31m");
        assert!(matches!(revealed("größer 数 👍 \tא"), Cow::Borrowed(_)));
    }

    #[test]
    fn terminal_output_loses_colours_and_keeps_what_a_line_says_last() {
        let bytes = "\u{1b}[32mok\u{1b}[0m 10%\rok 100%\r\n\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\ \u{1b}]52;c;aGk=\u{7}end";
        assert_eq!(terminal(bytes), "ok 100%\nlink end");
    }

    #[test]
    fn text_cannot_become_markup() {
        let mut html = String::new();
        escape_into(&mut html, "<img src=x onerror=\"a\">&\u{a0}");
        assert_eq!(html, "&lt;img src=x onerror=\"a\"&gt;&amp;&nbsp;");
        html.clear();
        escape_attribute_into(&mut html, "\"><img>");
        assert_eq!(html, "&quot;&gt;&lt;img&gt;");
    }
}
