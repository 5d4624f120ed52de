//! Unified diffs, coloured by background and by sign.

use std::{borrow::Cow, time::Duration};

use maud::{Markup, html};

/// Lines of a diff that are drawn where it is one of many things; it says how many are left out.
pub const LINES_MAX: usize = 600;

/// A diff read into lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Diff<'a> {
    lines: Vec<(Sign, &'a str)>,
    lines_max: usize,
    pub added: usize,
    pub removed: usize,
    /// Lines beyond those that are drawn.
    pub left_out: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Same,
    Added,
    Removed,
    Hunk,
}

/// Lines of a hunk that are still to come: of the text before, and of the text after.
#[derive(Debug, Clone, Copy)]
struct Rest {
    old: usize,
    new: usize,
}

impl Rest {
    const NONE: Self = Self { old: 0, new: 0 };
    const UNKNOWN: Self = Self {
        old: usize::MAX,
        new: usize::MAX,
    };

    /// What `@@ -1,2 +1,3 @@` announces.
    fn of(header: &str) -> Self {
        let mut words = header.split_whitespace().skip(1);
        let mut count = |sign: char| {
            let range = words.next()?.strip_prefix(sign)?;
            match range.split_once(',') {
                Some((_, count)) => count.parse().ok(),
                None => range.parse::<usize>().ok().map(|_line| 1),
            }
        };
        match (count('-'), count('+')) {
            (Some(old), Some(new)) => Self { old, new },
            _ => Self::UNKNOWN,
        }
    }

    fn take(&mut self, old: usize, new: usize) {
        self.old = self.old.saturating_sub(old);
        self.new = self.new.saturating_sub(new);
    }
}

impl<'a> Diff<'a> {
    /// Reads a unified diff and keeps `lines_max` lines of it. The header of the first file is left out; of other files
    /// in it the name is kept.
    pub fn read(patch: &'a str, lines_max: usize) -> Self {
        let mut diff = Self {
            lines: Vec::new(),
            lines_max,
            added: 0,
            removed: 0,
            left_out: 0,
        };
        let mut rest = Rest::NONE;
        for line in patch.lines() {
            if line.starts_with("@@") {
                rest = Rest::of(line);
                diff.push(Sign::Hunk, line);
                continue;
            }
            if (rest.old, rest.new) == (0, 0) {
                let is_other_file = !diff.lines.is_empty() && line.starts_with("+++ ");
                if is_other_file {
                    diff.push(Sign::Hunk, line);
                }
                continue;
            }
            match line.as_bytes().first() {
                Some(b'+') => {
                    diff.added += 1;
                    rest.take(0, 1);
                    diff.push(Sign::Added, &line[1..]);
                }
                Some(b'-') => {
                    diff.removed += 1;
                    rest.take(1, 0);
                    diff.push(Sign::Removed, &line[1..]);
                }
                Some(b'\\') => {}
                Some(b' ') => {
                    rest.take(1, 1);
                    diff.push(Sign::Same, &line[1..]);
                }
                Some(_) | None => {
                    rest.take(1, 1);
                    diff.push(Sign::Same, line);
                }
            }
        }
        diff
    }

    fn push(&mut self, sign: Sign, line: &'a str) {
        if self.lines.len() < self.lines_max {
            self.lines.push((sign, line));
        } else {
            self.left_out += 1;
        }
    }
}

/// How long the shortest difference is looked for; then a longer one is shown. Everything else waits meanwhile.
const SEARCH_MAX: Duration = Duration::from_millis(100);

/// The unified diff between two texts, for calls that carry both but no diff.
pub fn between(old: &str, new: &str) -> String {
    similar::TextDiff::configure()
        .timeout(SEARCH_MAX)
        .diff_lines(old, new)
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

/// The lines, each as `shown` makes it fit for a page.
pub fn view(diff: &Diff<'_>, shown: fn(&str) -> Cow<'_, str>) -> Markup {
    html! {
        pre.diff tabindex="0" {
            code {
                @for (sign, line) in &diff.lines {
                    @match sign {
                        Sign::Same => { span { "  " (shown(line)) "\n" } }
                        Sign::Added => { ins { "+ " (shown(line)) "\n" } }
                        Sign::Removed => { del { "− " (shown(line)) "\n" } }
                        Sign::Hunk => { span.hunk { (shown(line)) "\n" } }
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
    use crate::text::clean;

    #[test]
    fn a_diff_is_counted_and_its_header_left_out() {
        let patch = "Index: a\n===\n--- a\n+++ a\n@@ -1,2 +1,2 @@\n-line one\n+line 1\n line two\n\\ No newline at end of file\n";

        let diff = Diff::read(patch, LINES_MAX);

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
    fn lines_that_look_like_headers_are_lines_and_other_files_are_named() {
        let patch = "--- a\n+++ a\n@@ -1,2 +1 @@\n--- x\n-y\n+++ z\nIndex: b\n===\n--- b\n+++ b\n@@ -0,0 +1,1 @@\n+new\n";

        let diff = Diff::read(patch, LINES_MAX);

        assert_eq!((diff.added, diff.removed), (2, 2));
        assert_eq!(
            diff.lines,
            [
                (Sign::Hunk, "@@ -1,2 +1 @@"),
                (Sign::Removed, "-- x"),
                (Sign::Removed, "y"),
                (Sign::Added, "++ z"),
                (Sign::Hunk, "+++ b"),
                (Sign::Hunk, "@@ -0,0 +1,1 @@"),
                (Sign::Added, "new")
            ]
        );
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let text = between("", &"x\n".repeat(50));

        assert_eq!(Diff::read(&text, 11).left_out, 40);
        assert_eq!(Diff::read(&text, 51).left_out, 0);
    }

    #[test]
    fn a_diff_can_be_made() {
        let text = between("a\nb\n", "a\nc\n");
        let diff = Diff::read(&text, LINES_MAX);
        assert_eq!((diff.added, diff.removed), (1, 1));
    }

    #[test]
    fn hostile_lines_stay_text() {
        let html = view(
            &Diff::read("@@ @@\n+<img src=x onerror=alert(1)>\n", LINES_MAX),
            clean,
        )
        .into_string();
        assert!(!html.contains("<img"));
    }
}
