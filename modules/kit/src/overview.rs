//! The status of everything, merged by the agent.

use std::time::SystemTime;

use crate::{ModuleId, Status};

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
}
