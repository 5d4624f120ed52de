//! The status of everything, merged by the agent.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::{ModuleId, Status, time};

/// What all skins (tray, dashboard, page header, `nexus status`) are computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The agent itself.
    pub agent: AgentFacts,
    /// Modules in the order they are built.
    pub modules: Vec<ModuleView>,
}

/// Facts about the agent process.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFacts {
    /// E.g. `"0.1.0"`.
    pub version: &'static str,
    /// Process id of the agent, not of its monitor.
    pub pid: u32,
    /// When it started.
    pub started_at: SystemTime,
    /// Whether it runs without tray and windows.
    pub is_headless: bool,
    /// `NEXUS_HOME`, or the state folder.
    pub home: String,
}

/// One module at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleView {
    /// The module's name.
    pub id: ModuleId,
    /// What people call it.
    pub title: &'static str,
    /// How it is.
    pub status: Status,
}

impl Overview {
    /// The status of one module, if it is built in.
    pub fn status(&self, id: &str) -> Option<&Status> {
        self.modules
            .iter()
            .find(|module| module.id.0 == id)
            .map(|module| &module.status)
    }

    /// The object of `nexus status --json` and of `GET /api/status`. Unknown figures are `null`.
    ///
    /// A module's details are members of its object; `gateway` is also an object of its own, made from the details
    /// `local_url`, `sessions` and `streams` of the module of that name.
    pub fn to_json(&self, now: SystemTime) -> Value {
        let door = self.status("gateway").map(|status| &status.details);
        let figure = |name| {
            door.and_then(|door| door.get(name))
                .cloned()
                .unwrap_or(Value::Null)
        };
        let modules: Map<String, Value> = self
            .modules
            .iter()
            .map(|module| (module.id.0.to_owned(), module.status.to_json(now)))
            .collect();
        let uptime = now.duration_since(self.agent.started_at).unwrap_or_default();
        json!({
            "agent": {
                "version": self.agent.version,
                "pid": self.agent.pid,
                "uptime_s": tenths(uptime.as_secs_f64()),
                "headless": self.agent.is_headless,
                "home": self.agent.home,
            },
            "gateway": {
                "local_url": figure("local_url"),
                "sessions": figure("sessions"),
                "streams": figure("streams"),
            },
            "modules": modules,
        })
    }
}

impl Status {
    /// The module's object in `nexus status --json`.
    pub fn to_json(&self, now: SystemTime) -> Value {
        let wait = self
            .next_attempt
            .map(|at| tenths(at.duration_since(now).unwrap_or_default().as_secs_f64()));
        let mut members = self.details.clone();
        members.insert("state".to_owned(), json!(self.state));
        members.insert("since".to_owned(), json!(time::rfc3339(self.since)));
        members.insert("reason".to_owned(), json!(self.reason));
        members.insert("next_attempt_in_s".to_owned(), json!(wait));
        members.insert("facts".to_owned(), json!(self.facts));
        Value::Object(members)
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Fact, State};

    #[test]
    fn the_status_object_holds_what_scripts_rely_on() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600);
        let mut opencode = Status::new(State::Backoff, start).because("It exited.");
        opencode.next_attempt = Some(start + Duration::from_millis(14_000));
        opencode.facts.push(Fact("Sessions", "3 busy".to_owned()));
        opencode.details.insert("pid".to_owned(), Value::Null);
        let mut gateway = Status::new(State::Running, start);
        gateway
            .details
            .insert("local_url".to_owned(), json!("http://127.0.0.1:41234"));
        let view = |id, status| ModuleView {
            id: ModuleId(id),
            title: id,
            status,
        };
        let overview = Overview {
            agent: AgentFacts {
                version: "0.1.0",
                pid: 4711,
                started_at: start,
                is_headless: true,
                home: "/h".to_owned(),
            },
            modules: vec![view("opencode", opencode), view("gateway", gateway)],
        };

        let found = overview.to_json(start + Duration::from_millis(12_500));

        let expected = json!({
            "agent": {"version": "0.1.0", "pid": 4711, "uptime_s": 12.5, "headless": true, "home": "/h"},
            "gateway": {"local_url": "http://127.0.0.1:41234", "sessions": null, "streams": null},
            "modules": {
                "opencode": {"state": "backoff", "since": "2026-01-01T10:00:00Z", "reason": "It exited.", "pid": null,
                    "next_attempt_in_s": 1.5, "facts": [["Sessions", "3 busy"]]},
                "gateway": {"state": "running", "since": "2026-01-01T10:00:00Z", "reason": null,
                    "local_url": "http://127.0.0.1:41234", "next_attempt_in_s": null, "facts": []},
            },
        });
        assert_eq!(found, expected);
    }
}
