//! The document around a page's content.

use kit::{Chrome, Page};
use maud::{DOCTYPE, Markup, html};

use crate::{asset_path, header, icon, live::HEADER_ONLY};

/// Which live view a page opens a socket for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveView {
    /// The module's id.
    pub view: &'static str,
    /// Which of its views, e.g. a session id; empty for its main page.
    pub key: String,
    /// What the page already shows; `None` where the view has no history.
    pub cursor: Option<String>,
}

/// What a module puts on a page.
pub struct Body {
    /// Stands in the window's title and nowhere else.
    pub title: String,
    /// The socket that keeps the page true; `None` for a page of which only the header lives.
    pub live: Option<LiveView>,
    /// Classes of `<body>`, e.g. `"chat"`; the stylesheet's hook for layouts of their own.
    pub class: &'static str,
    /// What stands inside `<main>`, beginning with a heading.
    pub content: Markup,
}

/// A whole page: header with status line and navigation, then the content.
pub fn page(chrome: &Chrome, body: Body) -> Markup {
    let live = body.live.as_ref();
    let overview = chrome.overview.borrow().clone();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&body.title))
            body class=(body.class)
                data-live-view=(live.map_or(HEADER_ONLY, |live| live.view))
                data-live-key=[live.map(|live| &live.key)]
                data-live-cursor=[live.and_then(|live| live.cursor.as_ref())] {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    div.top-bar {
                        div.top-row {
                            a.brand href="/" aria-label="OpenCode Nexus, start page" { (icon("nexus")) span { "Nexus" } }
                            (header::status(&overview))
                            (navigation(chrome))
                        }
                        p #connection role="status" hidden {}
                    }
                    (header::reasons(&overview))
                }
                main #main tabindex="-1" { (body.content) }
                (outlets())
            }
        }
    }
}

/// A page without header and navigation: login, errors.
pub fn bare(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.bare {
                main #main {
                    div.bare-brand { (icon("nexus")) span { "OpenCode Nexus" } }
                    (content)
                }
                (outlets())
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content";
            meta name="color-scheme" content="light dark";
            meta name="theme-color" content="#faf9f7" media="(prefers-color-scheme: light)";
            meta name="theme-color" content="#191816" media="(prefers-color-scheme: dark)";
            title { (title) " · Nexus" }
            link rel="icon" type="image/svg+xml" href=(asset_path("favicon.svg"));
            // With the cookies of whoever stands in front of a public name: without them it would not be let through.
            link rel="manifest" href=(asset_path("app.webmanifest")) crossorigin="use-credentials";
            link rel="apple-touch-icon" href=(asset_path("app256.png"));
            link rel="stylesheet" href=(asset_path("nexus.css"));
            script src=(asset_path("nexus.js")) defer {}
        }
    }
}

/// In a row where there is room, behind one button where there is not.
fn navigation(chrome: &Chrome) -> Markup {
    html! {
        button.button.quiet.menu-button type="button" popovertarget="navigation" aria-label="Menu" {
            (icon("more"))
        }
        nav #navigation aria-label="Pages" popover {
            @for (page, letter) in chrome.pages.iter().zip(letters(&chrome.pages)) {
                a href=(page.path) aria-current=[is_current(page, &chrome.path).then_some("page")]
                    data-key=[letter.map(|letter| format!("g {letter}"))] data-key-label=(format!("Go to {}", page.title)) {
                    (icon(page.icon)) span { (page.title) }
                }
            }
            form method="post" action="/logout" {
                button.button.quiet type="submit" { (icon("leave")) span { "Log out" } }
            }
        }
    }
}

fn is_current(page: &Page, path: &str) -> bool {
    let below = path
        .strip_prefix(page.path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // The start page is the chat.
    below || path == "/" && page.path == "/chat"
}

/// The key of each page after `g`: the first letter of its title that no page before it has.
fn letters(pages: &[Page]) -> Vec<Option<char>> {
    let mut taken = Vec::new();
    let mut free = |page: &Page| {
        let letter = page
            .title
            .chars()
            .flat_map(char::to_lowercase)
            .find(|letter| letter.is_alphanumeric() && !taken.contains(letter))?;
        taken.push(letter);
        Some(letter)
    };
    pages.iter().map(&mut free).collect()
}

/// Where the script speaks: to screen readers, and in a corner.
fn outlets() -> Markup {
    html! {
        div #announcer .unseen aria-live="polite" {}
        div #toasts role="status" {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_navigation_knows_where_one_is() {
        let page = |path, title| Page {
            path,
            title,
            icon: "chat",
        };

        assert!(is_current(&page("/chat", "Chat"), "/"));
        assert!(is_current(&page("/chat", "Chat"), "/chat/ses_1"));
        assert!(!is_current(&page("/chat", "Chat"), "/chatter"));
        assert!(!is_current(&page("/logs", "Logs"), "/"));
    }

    #[test]
    fn every_page_has_a_key_of_its_own() {
        let pages = ["Dashboard", "Devices", "Ed", "E"].map(|title| Page {
            path: "/x",
            title,
            icon: "chat",
        });

        assert_eq!(letters(&pages), [Some('d'), Some('e'), None, None]);
    }

    #[test]
    fn a_page_holds_nothing_the_content_policy_forbids() {
        let whole = bare("Log in", html! { p { "x" } }).into_string();

        assert!(!whole.contains("style=") && !whole.contains("<style") && !whole.contains(" on"));
        assert_eq!(whole.matches("<script").count(), 1);
        assert!(whole.contains("<script src=\"/assets/nexus-"));
    }
}
