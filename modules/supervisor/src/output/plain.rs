//! Terminal codes out of text.

/// `line` without escape sequences and other control characters (tabs become spaces), so that it can be shown
/// anywhere and changes nobody's terminal.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\u{1b}' => skip_sequence(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            '\t' => text.push(' '),
            char if char.is_control() => {}
            char => text.push(char),
        }
    }
    text
}

/// Skips what follows an escape character, by ECMA-48.
fn skip_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => skip_parameters(rest),
        // Strings (titles, links, clipboard) last until BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(char) = rest.next() {
                if char == '\u{7}' {
                    return;
                }
                if char == '\u{1b}' {
                    rest.next();
                    return;
                }
            }
        }
        Some('(' | ')' | '#' | '%') => {
            rest.next();
        }
        Some(_) | None => {}
    }
}

/// A control sequence ends with a byte from `@` to `~`.
fn skip_parameters(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for char in rest.by_ref() {
        if ('@'..='~').contains(&char) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn terminal_codes_vanish() {
        let table = [
            ("plain", "plain"),
            (
                "\u{1b}[91m\u{1b}[1mError: \u{1b}[0mUnexpected error",
                "Error: Unexpected error",
            ),
            ("a\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\b", "alinkb"),
            ("\u{1b}]52;c;aGk=\u{7}kept", "kept"),
            ("tab\there\r", "tab here"),
            ("cut \u{1b}[9", "cut "),
            ("\u{1b}(Bgrüße", "grüße"),
        ];
        for (line, expected) in table {
            assert_eq!(plain(line), expected, "{line:?}");
        }
    }
}
