//! What the agent says and shows once it serves.

use std::{pin::pin, sync::Arc};

use gateway::{Door, Purpose};
use kit::{CancellationToken, Overview, State};
use tokio::sync::watch;

use crate::{
    agent::Start,
    cli::print,
    desktop::{Desktop, Shown},
};

/// The page of a start: the first time the one that sets everything up.
pub(crate) fn first_page(door: &Door) -> &'static str {
    if door.has_password() {
        "/chat"
    } else {
        "/onboarding"
    }
}

/// Waits until the gateway serves. Then a headless agent prints where, and how to get in; one with a desktop shows
/// its window, unless it was started in the background.
pub(crate) async fn greet(
    door: &Door,
    desktop: Option<Arc<dyn Desktop>>,
    start: Start,
    mut overview: watch::Receiver<Arc<Overview>>,
    stop: &CancellationToken,
) {
    let mut url = door.local_url();
    let mut serving = pin!(url.wait_for(Option::is_some));
    let mut is_told = false;
    let url = loop {
        tokio::select! {
            () = stop.cancelled() => return,
            url = &mut serving => break url.ok().and_then(|url| url.clone()),
            // Whoever waits in front of a terminal would never learn why nothing comes.
            Ok(overview) = overview.wait_for(|overview| trouble(overview).is_some()), if !is_told => {
                is_told = true;
                print::remark(&trouble(&overview).unwrap_or_default());
            }
        }
    };
    let Some(url) = url else { return };
    tracing::info!(url, "serving");
    if start.is_headless || start.is_demo {
        let way_in = way_in(door, &url, start);
        for line in lines(&url, way_in.as_deref(), &place()) {
            print::line(&line);
        }
    }
    if let Some(desktop) = desktop
        && !start.is_background
    {
        match desktop.show_page(first_page(door)).await {
            Ok(Shown::Window) => {}
            Ok(Shown::Browser(why)) => print::remark(&why),
            Err(failure) => print::remark(&failure.message),
        }
    }
}

/// Why the gateway does not serve, if it needs its owner.
fn trouble(overview: &Overview) -> Option<String> {
    let gateway = overview.status("gateway")?;
    (gateway.state == State::NeedsAction).then(|| gateway.reason.clone().unwrap_or_default())
}

/// The link that is printed: always to the chat in a demonstration, else to the set-up while there is no password.
fn way_in(door: &Door, url: &str, start: Start) -> Option<String> {
    if start.is_demo {
        let ticket = door.ticket(Purpose::SetUp, "/chat");
        return Some(format!("chat at {}", ticket.link(url).expose()));
    }
    if door.has_password() {
        return None;
    }
    let ticket = door.ticket(Purpose::SetUp, "/onboarding");
    Some(format!("set up at {}", ticket.link(url).expose()))
}

fn lines(url: &str, way_in: Option<&str>, place: &str) -> Vec<String> {
    let port = url.rsplit(':').next().unwrap_or_default();
    let mut lines = vec![format!("nexus ready {url}")];
    lines.extend(way_in.map(str::to_owned));
    lines.push(format!(
        "from another machine: ssh -L {port}:127.0.0.1:{port} {place}, then open the address there; \
         `nexus open --print-url` here prints a link that enters"
    ));
    lines
}

/// `user@host` for the hint, as far as it is known.
fn place() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "you".to_owned());
    format!("{user}@{}", kit::machine_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_what_scripts_wait_for() {
        let found = lines("http://127.0.0.1:41234", Some("set up at http://x"), "ada@box");

        assert_eq!(
            found,
            [
                "nexus ready http://127.0.0.1:41234",
                "set up at http://x",
                "from another machine: ssh -L 41234:127.0.0.1:41234 ada@box, then open the address there; `nexus \
                 open --print-url` here prints a link that enters",
            ]
        );
    }
}
