//! The status line of every page: which parts run, and a sentence for each that does not.

use std::sync::Arc;

use kit::{BoxFuture, Feed, Frame, ModuleView, Overview, Patch, State};
use maud::{Markup, html};
use tokio::sync::watch;

use crate::parts::{Tone, state_mark, tone, words};

pub(crate) const STATUS_ID: &str = "header-status";
pub(crate) const REASONS_ID: &str = "header-reasons";

/// Each part worth a word.
pub(crate) fn status(overview: &Overview) -> Markup {
    html! {
        ul #(STATUS_ID) .status-line aria-label="Status" {
            @for module in overview.modules.iter().filter(|module| is_notable(module)) {
                li { (state_mark(module.status.state, Some(module.title))) }
            }
        }
    }
}

/// Whether the line that says how everything is has to name a part. What simply runs inside the agent goes without
/// saying, and so does a switch that is off; a part with figures of its own is missed when it is off.
pub fn is_notable(module: &ModuleView) -> bool {
    match module.status.state {
        State::Running => false,
        State::Off | State::Stopped => !module.status.details.is_empty(),
        State::Starting
        | State::Healthy
        | State::Unresponsive
        | State::Backoff
        | State::Degraded
        | State::NeedsAction
        | State::Stopping
        | State::Blocked
        | State::Connected
        | State::Reconnecting => true,
    }
}

/// One sentence for each part that is in trouble or on its way.
pub(crate) fn reasons(overview: &Overview) -> Markup {
    html! {
        div #(REASONS_ID) .reasons role="status" {
            @for module in overview.modules.iter().filter(|module| needs_words(module)) {
                p data-tone=(tone(module.status.state).as_str()) { (words(&sentence(module))) }
            }
        }
    }
}

fn needs_words(module: &ModuleView) -> bool {
    match tone(module.status.state) {
        Tone::Warn | Tone::Bad => true,
        Tone::Busy => module.status.reason.is_some(),
        Tone::Good | Tone::Quiet | Tone::Remote => false,
    }
}

fn sentence(module: &ModuleView) -> String {
    match &module.status.reason {
        Some(reason) => reason.clone(),
        None => format!(
            "{}: {}.",
            module.title,
            module.status.state.words().to_lowercase()
        ),
    }
}

/// Keeps the status line of an open page true.
pub struct HeaderFeed {
    overview: watch::Receiver<Arc<Overview>>,
    sent: [String; 2],
}

/// The feed every page's socket carries beside that of its own view.
///
/// Its first frame repeats both elements, because they may have changed between the page and its socket.
pub fn header_feed(mut overview: watch::Receiver<Arc<Overview>>) -> HeaderFeed {
    overview.mark_changed();
    HeaderFeed {
        overview,
        sent: Default::default(),
    }
}

impl HeaderFeed {
    fn changes(&mut self) -> Vec<Patch> {
        let overview = Arc::clone(&self.overview.borrow_and_update());
        let now = [
            (STATUS_ID, status(&overview).into_string()),
            (REASONS_ID, reasons(&overview).into_string()),
        ];
        let mut patches = Vec::new();
        for (sent, (id, html)) in self.sent.iter_mut().zip(now) {
            if *sent != html {
                sent.clone_from(&html);
                patches.push(Patch::Set {
                    id: id.to_owned(),
                    html,
                });
            }
        }
        patches
    }
}

impl Feed for HeaderFeed {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                // Ends with the agent only.
                self.overview.changed().await.ok()?;
                let patches = self.changes();
                if !patches.is_empty() {
                    return Some(Frame {
                        cursor: None,
                        patches,
                    });
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use kit::{AgentFacts, ModuleId, Status};

    use super::*;

    fn overview(states: &[(&'static str, State, Option<&str>)]) -> Arc<Overview> {
        let now = SystemTime::UNIX_EPOCH;
        let modules = states.iter().map(|(id, state, reason)| {
            let mut status = Status::new(*state, now);
            status.reason = reason.map(str::to_owned);
            if *id != "autostart" {
                status.details.insert("pid".to_owned(), serde_json::Value::Null);
            }
            ModuleView {
                id: ModuleId(id),
                title: id,
                status,
            }
        });
        Arc::new(Overview {
            agent: AgentFacts {
                version: "0.1.0",
                pid: 1,
                started_at: now,
                is_headless: true,
                home: String::new(),
            },
            modules: modules.collect(),
        })
    }

    #[test]
    fn the_line_names_what_has_a_life_of_its_own() {
        let line = status(&overview(&[
            ("opencode", State::Healthy, None),
            ("gateway", State::Running, None),
            ("remote", State::Off, None),
            ("autostart", State::Off, None),
        ]))
        .into_string();

        assert!(line.contains("opencode") && line.contains("Running"));
        assert!(line.contains("remote") && line.contains("Off"));
        assert!(!line.contains("gateway") && !line.contains("autostart"));
    }

    #[test]
    fn a_reason_is_text_whatever_it_holds() {
        let shown = reasons(&overview(&[(
            "opencode",
            State::NeedsAction,
            Some("<img src=x onerror=alert(1)>"),
        )]))
        .into_string();

        assert!(shown.contains("&lt;img src=x"));
    }

    #[tokio::test]
    async fn an_open_page_hears_of_what_changed_and_of_nothing_else() {
        let (sender, receiver) = watch::channel(overview(&[("opencode", State::Healthy, None)]));
        let mut feed = header_feed(receiver);
        let first = feed.next().await.unwrap();
        assert_eq!(first.patches.len(), 2);

        sender.send_replace(overview(&[("opencode", State::Healthy, None)]));
        sender.send_replace(overview(&[(
            "opencode",
            State::Backoff,
            Some("Restarting in 4 s: the server exited with status 1."),
        )]));
        let second = feed.next().await.unwrap();

        assert_eq!(second.patches.len(), 2);
        sender.send_replace(overview(&[(
            "opencode",
            State::Backoff,
            Some("Restarting in 8 s: the server exited with status 1."),
        )]));
        let third = feed.next().await.unwrap();
        assert!(matches!(&third.patches[..], [Patch::Set { id, .. }] if id == REASONS_ID));
    }
}
