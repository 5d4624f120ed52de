//! Whether this device is told, as the page of a device that is away from the machine.

use kit::Chrome;
use maud::{Markup, html};
use web::{
    Body,
    parts::{Tone, Weight, button_form, message, words},
};

/// What the page knows.
pub(crate) struct View {
    /// What a browser is given to subscribe with, or why it cannot be, as a sentence.
    pub(crate) key: Result<String, String>,
    /// Whether this device is told.
    pub(crate) is_on: bool,
    /// Whether it is told what a session is about.
    pub(crate) has_details: bool,
    /// What went wrong in the browser, as the service worker said it.
    pub(crate) problem: Option<Problem>,
}

/// What keeps a browser from being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Its person, or its settings, did not allow it.
    Denied,
    /// It cannot.
    Unable,
    /// Its push service did not answer, or we did not keep what it said.
    Failed,
}

impl Problem {
    /// From the word after `problem=`; any other word is a failure too.
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "denied" => Self::Denied,
            "unable" => Self::Unable,
            _ => Self::Failed,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Denied => {
                "This browser does not allow notifications for this page. Allow them in its settings for this site, then try \
                 again."
            }
            Self::Unable => {
                "This browser cannot be told like this. On an iPhone or iPad, add this page to the home screen first (Share, \
                 then Add to Home Screen) and open it from there."
            }
            Self::Failed => {
                "The push service of this browser could not be set up. Check that the device is online, then try again."
            }
        }
    }
}

pub(crate) fn show(view: &View, chrome: &Chrome) -> Markup {
    let body = Body {
        title: "Notices".to_owned(),
        live: None,
        class: "notices",
        content: content(view),
    };
    web::page(chrome, body)
}

fn content(view: &View) -> Markup {
    html! {
        h1 { "Notices" }
        @if let Some(problem) = view.problem { (message(Tone::Bad, problem.words())) }
        section.told-here {
            @if view.is_on {
                h2 { "This device is notified" }
                p { "When a session waits for you, is done or has failed while nobody looks at it, and when the server is down." }
                p.muted {
                    @if view.has_details { "With what the session is called, what it asks and how it ended." }
                    @else {
                        (words("Without what a session is about. At the machine, `nexus settings set notices.away_details true` \
                            has that told too, and lets you answer from the notice."))
                    }
                }
                div.buttons {
                    (button_form("/notices/push/trial", "Try it", Weight::Plain))
                    (button_form("/notices/push/off", "Turn off", Weight::Plain))
                }
            } @else {
                h2 { "Notify this device" }
                p {
                    "You hear of it when a session waits for you, is done or has failed while nobody looks at it, and when the \
                     server is down, also with this page closed."
                }
                @match &view.key {
                    Ok(key) => {
                        div.buttons { button.button.primary type="button" data-push=(key) { "Turn on" } }
                        p.muted {
                            "What is told goes through the push service of your browser's vendor, which cannot read it."
                        }
                    }
                    Err(problem) => (message(Tone::Bad, problem)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_is_and_what_can_be_done() {
        let view = |is_on, key: Result<&str, &str>, problem| {
            let view = View {
                key: key.map(str::to_owned).map_err(str::to_owned),
                is_on,
                has_details: false,
                problem,
            };
            content(&view).into_string()
        };

        let off = view(false, Ok("BKey"), Some(Problem::parse("denied")));
        let on = view(true, Ok("BKey"), None);
        let without_key = view(false, Err("The keyring is locked."), None);

        assert!(
            off.contains("data-push=\"BKey\"") && off.contains("does not allow notifications"),
            "{off}"
        );
        assert!(
            on.contains("Turn off") && on.contains("Try it") && !on.contains("data-push"),
            "{on}"
        );
        assert!(without_key.contains("The keyring is locked.") && !without_key.contains("data-push"));
    }
}
