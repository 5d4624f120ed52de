//! The list as a page.

use std::time::SystemTime;

use kit::Chrome;
use maud::{Markup, html};
use web::{
    Body, LiveView,
    parts::{Tone, Weight, button_form, empty, message, words},
    time,
};

use crate::list::{List, Row};

/// The element that is replaced when the list changes.
pub(crate) const ROWS_ID: &str = "told";

pub(crate) async fn show(list: &List, chrome: &Chrome) -> Markup {
    let rows = list
        .newest()
        .await
        .map_err(|error| format!("The list cannot be read: {error}."));
    let body = Body {
        title: "Notices".to_owned(),
        live: Some(LiveView {
            view: "notices",
            key: String::new(),
            cursor: None,
        }),
        class: "notices",
        content: html! {
            h1 { "Notices" }
            @match &rows {
                Ok(rows) => (self::rows(rows, SystemTime::now())),
                Err(problem) => (message(Tone::Bad, problem)),
            }
        },
    };
    web::page(chrome, body)
}

pub(crate) fn rows(rows: &[Row], now: SystemTime) -> Markup {
    html! {
        div #(ROWS_ID) {
            @if rows.is_empty() {
                (empty("bell", "Nothing so far", "What you should hear of is listed here: sessions that wait for you, \
                    the server going down and coming back, logins.", None))
            } @else {
                @if rows.iter().any(|row| !row.is_read) {
                    div.buttons { (button_form("/notices/read", "Mark all as read", Weight::Plain)) }
                }
                ol.told-list { @for row in rows { (one(row, now)) } }
            }
        }
    }
}

fn one(row: &Row, now: SystemTime) -> Markup {
    html! {
        li.told.unread[!row.is_read] {
            div.told-head {
                h2 { a href=(row.page) { (row.title) } }
                p.since {
                    @if !row.is_read { span.told-new { "New" } " · " }
                    (time::ago(row.at, now))
                }
            }
            p { (words(&row.body)) @if row.times > 1 { " " span.muted { "Told " (row.times) " times." } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unread_is_said_in_words_and_everything_is_text() {
        let row = Row {
            id: 1,
            at: SystemTime::UNIX_EPOCH,
            title: "<b>down</b>".to_owned(),
            body: "Run `nexus <b>`.".to_owned(),
            page: "/dashboard".to_owned(),
            times: 3,
            is_read: false,
        };

        let unread = rows(std::slice::from_ref(&row), SystemTime::UNIX_EPOCH).into_string();
        let read = rows(&[Row { is_read: true, ..row }], SystemTime::UNIX_EPOCH).into_string();

        assert!(
            unread.contains("New") && unread.contains("Mark all as read") && unread.contains("Told 3 times")
        );
        assert!(unread.contains("Run <code>nexus &lt;b&gt;</code>."), "{unread}");
        assert!(!unread.contains("<b>"), "{unread}");
        assert!(!read.contains("New") && !read.contains("Mark all"), "{read}");
    }
}
