//! What people and scripts are shown of the server. Pure.

use std::{net::SocketAddr, time::SystemTime};

use kit::{Action, Entry, Fact, ModuleId, Offer, State, Status, Verb};
use serde_json::{Value, json};
use supervisor::Phase;

/// While a restart waits, or a server has not answered for long.
const RESTART_NOW: Offer = Offer {
    verb: crate::RESTART_NOW,
    label: "Restart now",
};

/// Everything the status is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    pub(crate) since: SystemTime,
    pub(crate) restarts: u32,
    /// Port and version of the run that is or was last up.
    pub(crate) port: Option<u16>,
    pub(crate) version: Option<String>,
    /// Sessions at work; `None` while nothing is known.
    pub(crate) busy: Option<usize>,
    /// Why every project call is refused, if it is.
    pub(crate) config_problem: Option<String>,
    /// What is said of a restart that waits for sessions at work.
    pub(crate) waits: Option<String>,
    /// Memory of the whole tree, as seen within the last minute or so.
    pub(crate) memory_mib: Option<u64>,
    /// Where a server listens that somebody else runs.
    pub(crate) external: Option<SocketAddr>,
    /// The version that was installed over the running one, if one was.
    pub(crate) replacement: Option<String>,
    /// Why only the agent's own environment is there, if so.
    pub(crate) shortcoming: Option<String>,
}

impl View {
    /// Before anything is known.
    pub(crate) fn unknown<R>(handle: &supervisor::Handle<R>) -> Self {
        Self {
            phase: Phase::Stopped,
            since: handle.since(),
            restarts: 0,
            port: None,
            version: None,
            busy: None,
            config_problem: None,
            waits: None,
            memory_mib: None,
            external: None,
            replacement: None,
            shortcoming: None,
        }
    }
}

/// The module's status.
pub(crate) fn status(view: &View) -> Status {
    let (state, reason) = state(view);
    let mut status = Status::new(state, view.since);
    status.reason = reason;
    status.next_attempt = match view.phase {
        Phase::Backoff { until, .. } => Some(until),
        Phase::Degraded { retry_at, .. } => retry_at,
        Phase::Stopped
        | Phase::Starting { .. }
        | Phase::Healthy { .. }
        | Phase::Unresponsive { .. }
        | Phase::NeedsAction { .. }
        | Phase::Stopping => None,
    };
    let runs = view.phase.pid().is_some();
    let pid = view.phase.pid().filter(|_| view.external.is_none());
    let is_stuck = matches!(view.phase, Phase::Unresponsive { is_long: true, .. });
    if view.external.is_none() && (view.waits.is_some() || is_stuck) {
        status.offers.push(RESTART_NOW);
    }
    let port = view.port.filter(|_| runs);
    if let Some(version) = &view.version {
        status.facts.push(Fact("Version", version.clone()));
    }
    if let Some(busy) = view.busy.filter(|_| runs) {
        let text = if busy == 0 {
            "none at work".to_owned()
        } else {
            format!("{busy} busy")
        };
        status.facts.push(Fact("Sessions", text));
    }
    if let Some(port) = port {
        status.facts.push(Fact("Port", port.to_string()));
    }
    if let Some(mib) = view.memory_mib.filter(|_| runs) {
        status.facts.push(Fact("Memory", format!("{mib} MiB")));
    }
    match view.external {
        Some(address) => status.facts.push(Fact("Yours", format!("http://{address}"))),
        None => status.facts.push(Fact("Restarts", view.restarts.to_string())),
    }
    if let Some(shortcoming) = &view.shortcoming {
        status
            .facts
            .push(Fact("Environment", format!("the agent's own: {shortcoming}")));
    }
    status.details = [
        ("pid", json!(pid)),
        ("port", json!(port)),
        ("version", json!(view.version)),
        ("restarts", json!(view.restarts)),
        ("busy_sessions", json!(view.busy.filter(|_| runs))),
        ("memory_mib", json!(view.memory_mib.filter(|_| runs))),
        (
            "external",
            json!(view.external.map(|address| format!("http://{address}"))),
        ),
    ]
    .into_iter()
    .map(|(name, value): (&str, Value)| (name.to_owned(), value))
    .collect();
    status
}

fn state(view: &View) -> (State, Option<String>) {
    match &view.phase {
        Phase::Stopped => (State::Stopped, None),
        Phase::Starting { is_slow: false } => (State::Starting, None),
        Phase::Starting { is_slow: true } => (
            State::Starting,
            Some("opencode takes longer than usual to start. It is given two minutes; there is nothing to do.".to_owned()),
        ),
        Phase::Healthy { .. } => healthy(view),
        Phase::Unresponsive { .. } if view.external.is_some() => (
            State::Unresponsive,
            Some("The server you run does not answer. It is asked every ten seconds; look at it where it runs.".to_owned()),
        ),
        Phase::Unresponsive { is_long: false, .. } => (
            State::Unresponsive,
            Some(
                "opencode has not answered for half a minute. It may be very busy, so it is left alone as long as it does \
                 something; if it does nothing, it is restarted."
                    .to_owned(),
            ),
        ),
        Phase::Unresponsive { is_long: true, .. } => (
            State::Unresponsive,
            Some(
                "opencode has not answered for over five minutes but is busy with something. It is restarted after a \
                 quarter of an hour; restart it now if you do not want to wait for it."
                    .to_owned(),
            ),
        ),
        Phase::Backoff { cause, .. } => (
            State::Backoff,
            Some(format!("{} It is started again by itself.", sentence(cause))),
        ),
        Phase::Degraded { cause, retry_at } => {
            let next = if retry_at.is_some() {
                "It is tried again every few minutes; look at the log, or restart it now."
            } else {
                "Look at the log, then start it again."
            };
            (State::Degraded, Some(format!("{} {next}", sentence(cause))))
        }
        Phase::NeedsAction { cause, .. } => (State::NeedsAction, Some(sentence(cause))),
        Phase::Stopping => (State::Stopping, None),
    }
}

fn healthy(view: &View) -> (State, Option<String>) {
    if let Some(problem) = &view.config_problem {
        let reason = format!(
            "opencode runs but refuses every project: {} Correct its configuration, then restart it.",
            sentence(problem)
        );
        return (State::Degraded, Some(reason));
    }
    if let Some(sentence) = &view.waits {
        return (State::Healthy, Some(sentence.clone()));
    }
    let replaced = view.replacement.as_ref().map(|version| {
        format!("opencode {version} was installed while the server runs. The running one goes on; restart to use the new one.")
    });
    (State::Healthy, replaced)
}

/// A cause as a full sentence.
pub fn sentence(cause: &str) -> String {
    supervisor::sentence(cause, crate::ID)
}

/// Why nothing can be asked of the server, for calls and pages. `None` while it is up.
pub(crate) fn down_reason(phase: &Phase) -> Option<String> {
    let reason = match phase {
        Phase::Healthy { .. } | Phase::Unresponsive { .. } => return None,
        Phase::Stopped => "it is stopped".to_owned(),
        Phase::Starting { .. } => "it is starting".to_owned(),
        Phase::Stopping => "it is stopping".to_owned(),
        Phase::Backoff { cause, .. } => format!("it ended and is started again soon ({cause})"),
        Phase::Degraded { cause, .. } | Phase::NeedsAction { cause, .. } => cause.clone(),
    };
    Some(reason)
}

/// The server's part of the tray's menu.
pub(crate) fn menu(status: &Status) -> Vec<Entry> {
    let item = |text: &str, verb: &str, is_enabled| Entry::Item {
        text: text.to_owned(),
        action: Action::Call(ModuleId(crate::ID), Verb::bare(verb)),
        is_enabled,
    };
    let is_off = status.state == State::Stopped;
    let is_ending = status.state == State::Stopping;
    let is_ours = status.details.get("external").is_none_or(Value::is_null);
    let has_none = status.details.get("pid").is_none_or(Value::is_null);
    let is_given_up = status.state == State::NeedsAction || status.state == State::Degraded && has_none;
    let restart = if status.offers.contains(&RESTART_NOW) {
        (RESTART_NOW.label, RESTART_NOW.verb)
    } else {
        ("Restart", "restart")
    };
    vec![
        item("Start", "start", is_ours && (is_off || is_given_up)),
        item("Stop", "stop", is_ours && !is_off && !is_ending),
        item(restart.0, restart.1, is_ours && !is_off && !is_ending),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(phase: Phase) -> View {
        View {
            phase,
            since: SystemTime::UNIX_EPOCH,
            restarts: 1,
            port: Some(38211),
            version: Some("1.18.33".to_owned()),
            busy: Some(3),
            config_problem: None,
            waits: None,
            memory_mib: None,
            external: None,
            replacement: None,
            shortcoming: None,
        }
    }

    #[test]
    fn a_healthy_server_shows_what_scripts_rely_on() {
        let found = status(&view(Phase::Healthy { pid: 4712 }));

        let mut expected = Status::new(State::Healthy, SystemTime::UNIX_EPOCH);
        expected.facts = vec![
            Fact("Version", "1.18.33".to_owned()),
            Fact("Sessions", "3 busy".to_owned()),
            Fact("Port", "38211".to_owned()),
            Fact("Restarts", "1".to_owned()),
        ];
        let details = json!({"pid": 4712, "port": 38211, "version": "1.18.33", "restarts": 1, "busy_sessions": 3,
                "memory_mib": null, "external": null});
        expected.details = details.as_object().unwrap().clone();
        assert_eq!(found, expected);
    }

    #[test]
    fn figures_of_a_dead_server_are_unknown() {
        let until = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
        let found = status(&view(Phase::Backoff {
            failures: 2,
            until,
            cause: "opencode was killed (signal 9)".to_owned(),
        }));

        assert_eq!(found.next_attempt, Some(until));
        assert_eq!(
            found.reason.as_deref(),
            Some("opencode was killed (signal 9). It is started again by itself.")
        );
        assert_eq!(
            (&found.details["pid"], &found.details["port"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn a_server_that_refuses_every_project_is_degraded() {
        let mut view = view(Phase::Healthy { pid: 1 });
        view.config_problem = Some("config is not valid JSON".to_owned());

        let found = status(&view);

        assert_eq!(found.state, State::Degraded);
        let expected = "opencode runs but refuses every project: Config is not valid JSON. Correct its configuration, then \
                        restart it.";
        assert_eq!(found.reason.as_deref(), Some(expected));
    }

    #[test]
    fn the_menu_offers_what_makes_sense() {
        let enabled = |state| {
            let entries = menu(&Status::new(state, SystemTime::UNIX_EPOCH));
            entries
                .iter()
                .map(|entry| matches!(entry, Entry::Item { is_enabled: true, .. }))
                .collect::<Vec<_>>()
        };

        assert_eq!(enabled(State::Stopped), [true, false, false]);
        assert_eq!(enabled(State::Healthy), [false, true, true]);
        assert_eq!(enabled(State::Backoff), [false, true, true]);
        assert_eq!(enabled(State::NeedsAction), [true, true, true]);
        assert_eq!(enabled(State::Stopping), [false, false, false]);
        // One that was given up has no process; one that refuses every project has.
        assert_eq!(enabled(State::Degraded), [true, true, true]);
        let mut runs = view(Phase::Healthy { pid: 1 });
        runs.config_problem = Some("config is not valid JSON".to_owned());
        let entries = menu(&status(&runs));
        assert!(
            matches!(
                &entries[0],
                Entry::Item {
                    is_enabled: false,
                    ..
                }
            ),
            "{entries:?}"
        );
    }
}
