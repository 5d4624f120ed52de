//! Where a text is not what it should be.

/// A place in a text that cannot be understood; shown as "line 2, column 8: unclosed table, expected `]`".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In characters, from 1, as editors count.
    pub column: usize,
    /// What is wrong there, lower case, on one line.
    pub reason: String,
}

impl Fault {
    /// What is wrong at the byte `offset` of `text`; an offset beyond the end is the end.
    pub(super) fn at(text: &str, offset: usize, reason: &str) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: reason.trim().replace('\n', ", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_as_editors_do() {
        let check = |text: &str, offset, line, column| {
            let found = Fault::at(text, offset, "x\ny");
            assert_eq!(
                (found.line, found.column, found.reason.as_str()),
                (line, column, "x, y"),
                "{text:?}"
            );
        };

        check("", 0, 1, 1);
        check("ab", 1, 1, 2);
        check("ab\ncd", 3, 2, 1);
        check("ab\nüd", 5, 2, 2);
        check("ab\n", 99, 2, 1);
    }
}
