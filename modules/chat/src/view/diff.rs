//! Unified diffs, coloured by background and by sign.

use maud::{Markup, html};

use crate::text::clean;

/// Lines of a diff that are drawn; longer ones say how many are left out.
const LINES_MAX: usize = 600;

/// A diff read into lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Diff<'a> {
    lines: Vec<(Sign, &'a str)>,
    pub added: usize,
    pub removed: usize,
    left_out: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Same,
    Added,
    Removed,
    Hunk,
}

impl<'a> Diff<'a> {
    /// Reads a unified diff of one file; its header lines are left out.
    pub fn read(patch: &'a str) -> Self {
        let mut diff = Self {
            lines: Vec::new(),
            added: 0,
            removed: 0,
            left_out: 0,
        };
        let mut is_in_hunk = false;
        for line in patch.lines() {
            if line.starts_with("@@") {
                is_in_hunk = true;
                diff.push(Sign::Hunk, line);
                continue;
            }
            if !is_in_hunk {
                continue;
            }
            match line.as_bytes().first() {
                Some(b'+') => {
                    diff.added += 1;
                    diff.push(Sign::Added, &line[1..]);
                }
                Some(b'-') => {
                    diff.removed += 1;
                    diff.push(Sign::Removed, &line[1..]);
                }
                Some(b'\\') => {}
                Some(b' ') => diff.push(Sign::Same, &line[1..]),
                Some(_) | None => diff.push(Sign::Same, line),
            }
        }
        diff
    }

    fn push(&mut self, sign: Sign, line: &'a str) {
        if self.lines.len() < LINES_MAX {
            self.lines.push((sign, line));
        } else {
            self.left_out += 1;
        }
    }
}

/// The unified diff between two texts, for calls that carry both but no diff.
pub fn between(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(2)
        .to_string()
}

/// `+3 −1`.
pub fn counts(diff: &Diff<'_>) -> Markup {
    html! {
        span.counts {
            @if diff.added > 0 { span.plus { "+" (diff.added) } }
            @if diff.removed > 0 { " " span.minus { "−" (diff.removed) } }
        }
    }
}

/// The lines.
pub fn view(diff: &Diff<'_>) -> Markup {
    html! {
        pre.diff tabindex="0" {
            code {
                @for (sign, line) in &diff.lines {
                    @match sign {
                        Sign::Same => { span { "  " (clean(line)) "\n" } }
                        Sign::Added => { ins { "+ " (clean(line)) "\n" } }
                        Sign::Removed => { del { "− " (clean(line)) "\n" } }
                        Sign::Hunk => { span.hunk { (clean(line)) "\n" } }
                    }
                }
                @if diff.left_out > 0 { span.hunk { "… " (diff.left_out) " more lines\n" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_counted_and_its_header_left_out() {
        let patch = "Index: a\n===\n--- a\n+++ a\n@@ -1,2 +1,2 @@\n-line one\n+line 1\n line two\n\\ No newline at end of file\n";

        let diff = Diff::read(patch);

        assert_eq!((diff.added, diff.removed), (1, 1));
        assert_eq!(
            diff.lines,
            [
                (Sign::Hunk, "@@ -1,2 +1,2 @@"),
                (Sign::Removed, "line one"),
                (Sign::Added, "line 1"),
                (Sign::Same, "line two")
            ]
        );
    }

    #[test]
    fn a_diff_can_be_made() {
        let text = between("a\nb\n", "a\nc\n");
        let diff = Diff::read(&text);
        assert_eq!((diff.added, diff.removed), (1, 1));
    }

    #[test]
    fn hostile_lines_stay_text() {
        let html = view(&Diff::read("@@ @@\n+<img src=x onerror=alert(1)>\n")).into_string();
        assert!(!html.contains("<img"));
    }
}
