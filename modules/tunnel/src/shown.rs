//! What people and scripts are shown of remote access. Pure.

use std::time::SystemTime;

use kit::{Action, Entry, Fact, ModuleId, Offer, Origin, State, Status, Verb};
use serde_json::{Value, json};
use supervisor::Phase;

use crate::{
    download::{Downloads, Progress},
    life::Reach,
    settings::Mode,
    words::{Names, Trouble},
};

/// Offered while a quick tunnel does not come back.
const NEW_ADDRESS: Offer = Offer {
    verb: "restart",
    label: "New address",
};

/// Offered while there is no cloudflared.
const DOWNLOAD: Offer = Offer {
    verb: "download",
    label: "Download cloudflared from GitHub",
};

/// Everything the status is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// Whether it is to be on.
    pub(crate) is_wanted: bool,
    /// Why it may not be, since it was last asked for.
    pub(crate) blocked: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) origin: Origin,
    /// It is still being found out whether there is an objection.
    pub(crate) is_undecided: bool,
    pub(crate) phase: Phase,
    /// Connections to Cloudflare; `None` while not known.
    pub(crate) connections: Option<u32>,
    /// Whether this run was connected before.
    pub(crate) was_connected: bool,
    /// Whether it has been without a connection for long.
    pub(crate) is_long_lost: bool,
    pub(crate) trouble: Option<Trouble>,
    /// How the settings in force are called.
    pub(crate) names: Names,
    /// The profile in use; empty for none.
    pub(crate) profile: String,
    pub(crate) host: Option<String>,
    /// cloudflared said under which names it serves, and there is none.
    pub(crate) is_nameless: bool,
    /// When it goes off by itself, as a wall clock for people.
    pub(crate) off_at: Option<SystemTime>,
    pub(crate) version: Option<String>,
    pub(crate) restarts: u32,
    /// Whether the name leads here, as seen from outside.
    pub(crate) reach: Reach,
    /// How far a download of cloudflared is.
    pub(crate) download: Option<Progress>,
    /// None was found when one was to be started.
    pub(crate) is_missing: bool,
}

impl View {
    /// The address people type.
    pub(crate) fn url(&self) -> Option<String> {
        self.host.as_ref().map(|host| format!("https://{host}"))
    }
}

/// State and reason.
pub(crate) fn state(view: &View) -> (State, Option<String>) {
    if let Some(reason) = &view.blocked {
        return (State::Blocked, Some(reason.clone()));
    }
    if !view.is_wanted {
        let is_gone = view.phase == Phase::Stopped;
        let state = if is_gone { State::Off } else { State::Stopping };
        return (state, None);
    }
    match &view.origin {
        Origin::Refused(reason) | Origin::Unopened(reason) => return (State::Blocked, Some(reason.clone())),
        Origin::Closed | Origin::Opening => return (State::Starting, None),
        Origin::Open(port) if view.mode == Mode::Manual => {
            return (
                State::Connected,
                Some(format!(
                    "Open for the cloudflared that you run: lead it to http://127.0.0.1:{port}."
                )),
            );
        }
        Origin::Open(_) => {}
    }
    match &view.phase {
        Phase::Stopped if view.is_undecided => {
            let reason =
                "opencode has just been started, and it is looked at first whether it can be trusted.";
            (State::Starting, Some(reason.to_owned()))
        }
        Phase::Stopped | Phase::Starting { .. } => (State::Starting, None),
        Phase::Stopping => (State::Stopping, None),
        Phase::Backoff { cause, .. } => (
            State::Reconnecting,
            Some(format!("{} It is tried again by itself.", full(cause))),
        ),
        Phase::Degraded { cause, .. } => (
            State::Degraded,
            Some(format!(
                "{} It is tried again every few minutes; look at the log, or start it again.",
                full(cause)
            )),
        ),
        Phase::NeedsAction { cause, .. } => (State::NeedsAction, Some(full(cause))),
        Phase::Unresponsive { .. } => (
            State::Reconnecting,
            Some("cloudflared does not answer. If it does nothing, it is restarted.".to_owned()),
        ),
        Phase::Healthy { .. } => running(view),
    }
}

/// Of a cloudflared that answers.
fn running(view: &View) -> (State, Option<String>) {
    if view.connections.is_some_and(|count| count > 0) {
        // Under a name that is not known nobody is let in.
        return match (&view.host, view.is_nameless, &view.origin) {
            (Some(_), _, _) => (State::Connected, None),
            (None, true, Origin::Open(port)) => (
                State::NeedsAction,
                Some(format!(
                    "The tunnel is connected and no public name leads here. At Cloudflare, add one to the tunnel, with the \
                     service http://127.0.0.1:{port}."
                )),
            ),
            (None, _, _) => (State::Starting, None),
        };
    }
    let (state, reason) = unconnected(view);
    // An address alone is no connection, whatever is in its way.
    match view.url().filter(|_| !view.was_connected) {
        Some(url) => {
            let yet = format!("{url} is yours, and not reachable yet.");
            let whole = reason.map_or_else(|| yet.clone(), |reason| format!("{yet} {reason}"));
            (state, Some(whole))
        }
        None => (state, reason),
    }
}

/// Of a cloudflared that answers, and has no connection.
fn unconnected(view: &View) -> (State, Option<String>) {
    // Where UDP passed before, the network is what is missing.
    let passes = view.was_connected && view.trouble == Some(Trouble::Blocked);
    if let Some(trouble) = view.trouble.filter(|_| !passes) {
        let state = if trouble.is_lasting() {
            State::NeedsAction
        } else {
            State::Degraded
        };
        return (state, Some(trouble.sentence(&view.names)));
    }
    if view.is_long_lost && view.mode == Mode::Quick {
        return (
            State::Degraded,
            Some(
                "There has been no connection to Cloudflare for ten minutes. cloudflared keeps trying under the same \
                 address; restart it for a new one."
                    .to_owned(),
            ),
        );
    }
    if view.was_connected {
        return (
            State::Reconnecting,
            Some("The connection to Cloudflare was lost; cloudflared dials again by itself.".to_owned()),
        );
    }
    (State::Starting, None)
}

/// The module's status.
pub(crate) fn status(view: &View, since: SystemTime) -> Status {
    let (state, reason) = state(view);
    let mut status = Status::new(state, since);
    status.reason = reason;
    status.next_attempt = match (view.is_wanted, &view.phase) {
        (true, Phase::Backoff { until, .. }) => Some(*until),
        (true, Phase::Degraded { retry_at, .. }) => *retry_at,
        _ => None,
    };
    let is_on = view.is_wanted && view.blocked.is_none();
    let url = view.url().filter(|_| is_on);
    if let Some(url) = &url {
        status.facts.push(Fact("Address", url.clone()));
    }
    if is_on {
        status.facts.push(Fact("Kind", view.mode.as_str().to_owned()));
        if !view.profile.is_empty() {
            status.facts.push(Fact("Profile", view.profile.clone()));
        }
        if let Some(count) = view.connections {
            status.facts.push(Fact("Connections", count.to_string()));
        }
    }
    let seen = match &view.reach {
        Reach::Unknown => None,
        Reach::Seen(at) => Some(format!("yes, at {}", kit::time::clock(*at))),
        Reach::NotYet(why) => Some(format!("not yet: {why}")),
    };
    if let Some(seen) = seen.filter(|_| is_on) {
        status.facts.push(Fact("Seen from outside", seen));
    }
    if let Some(at) = view.off_at.filter(|_| is_on) {
        status.facts.push(Fact("Off by itself", kit::time::clock(at)));
    }
    if let Some(progress) = view.download {
        status.facts.push(Fact("Download", progress.to_string()));
    } else if is_on && view.is_missing && state == State::NeedsAction && Downloads::is_offered() {
        status.offers.push(DOWNLOAD);
    }
    if view.mode == Mode::Quick && is_on && matches!(state, State::Degraded | State::Reconnecting) {
        status.offers.push(NEW_ADDRESS);
    }
    status.details = [
        ("public_url", json!(url)),
        ("mode", json!(is_on.then(|| view.mode.as_str()))),
        (
            "profile",
            json!((is_on && !view.profile.is_empty()).then_some(view.profile.as_str())),
        ),
        ("pid", json!(view.phase.pid().filter(|_| is_on))),
        ("connections", json!(view.connections.filter(|_| is_on))),
        ("version", json!(view.version)),
        ("restarts", json!(view.restarts)),
    ]
    .into_iter()
    .map(|(name, value): (&str, Value)| (name.to_owned(), value))
    .collect();
    status
}

fn full(cause: &str) -> String {
    supervisor::sentence(cause, "cloudflared")
}

/// Remote access in the tray's menu.
pub(crate) fn menu(status: &Status) -> Vec<Entry> {
    let is_off = matches!(status.state, State::Off | State::Blocked);
    let call = |verb: &str| Action::Call(ModuleId(crate::ID), Verb::bare(verb));
    vec![
        Entry::Check {
            text: "Reachable from outside".to_owned(),
            action: call(if is_off { "start" } else { "stop" }),
            is_on: !is_off,
        },
        Entry::Item {
            text: "Pair a phone…".to_owned(),
            action: Action::Open("/devices".to_owned()),
            is_enabled: status.state == State::Connected,
        },
        Entry::Item {
            text: "New address or connection".to_owned(),
            action: call("restart"),
            is_enabled: !is_off,
        },
    ]
}

#[cfg(test)]
mod tests;
