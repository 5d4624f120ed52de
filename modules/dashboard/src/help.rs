//! What to do when something is wrong: the table of the program's own README, so that there is one text to keep true.

use maud::{Markup, html};
use web::parts::words;

const README: &str = include_str!("../../../README.md");
/// How the table begins there.
const HEADING: &str = "| what you see | what it means, what to do |";

/// The rows, as (what is seen, what to do).
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let table = README.lines().skip_while(|line| *line != HEADING).skip(2);
    table.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
}

pub(crate) fn content() -> Markup {
    html! {
        nav.back aria-label="Back" { a href="/dashboard" { "Dashboard" } }
        h1 { "Help" }
        p { (words("`nexus doctor` in a terminal checks everything the program needs and says what you have to do; \
                    `nexus help` lists the commands.")) }
        h2 { "When something is wrong" }
        @for (seen, advice) in rows() {
            section.card.part {
                h3 { (words(seen)) }
                p { (words(advice)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_readme_is_there_and_its_commands_are_code() {
        let page = content().into_string();

        assert!(rows().count() > 10, "{}", rows().count());
        assert!(
            page.contains("<code>nexus settings set opencode.port 0</code>"),
            "{page}"
        );
        assert!(page.contains("no icon in the tray"), "{page}");
        assert!(!page.contains('|') && !page.contains('`'), "{page}");
    }
}
