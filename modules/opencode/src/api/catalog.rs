//! What can be chosen, and files.

use std::time::Duration;

use super::{Api, ApiError, call::Call};
use crate::wire::{Agent, Command, FileNode, Paths, Providers};

/// A search for files by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSearch {
    /// Letters of the path, in order.
    pub query: String,
    /// Most results.
    pub limit: usize,
    /// Also folders.
    pub includes_folders: bool,
}

impl Api {
    /// Providers that can be used now, with their models.
    pub async fn providers(&self, directory: &str) -> Result<Providers, ApiError> {
        self.fetch(Call::get(&["config", "providers"], directory)).await
    }

    /// Agents, those behind the scenes included.
    pub async fn agents(&self, directory: &str) -> Result<Vec<Agent>, ApiError> {
        self.fetch(Call::get(&["agent"], directory)).await
    }

    /// Prepared prompts.
    pub async fn commands(&self, directory: &str) -> Result<Vec<Command>, ApiError> {
        self.fetch(Call::get(&["command"], directory)).await
    }

    /// Paths below the folder that match.
    pub async fn find_files(&self, directory: &str, search: &FileSearch) -> Result<Vec<String>, ApiError> {
        let call = Call::get(&["find", "file"], directory)
            .query("query", &search.query)
            .query("limit", search.limit)
            .query("dirs", search.includes_folders);
        self.fetch(call).await
    }

    /// What is in the folder `path` of a project.
    pub async fn files(&self, directory: &str, path: &str) -> Result<Vec<FileNode>, ApiError> {
        self.fetch(Call::get(&["file"], directory).query("path", path))
            .await
    }

    /// Where a project is. The cheapest call that needs a project's configuration to be readable: a server can be
    /// healthy and yet refuse every project call with 400 and the reason.
    pub async fn paths(&self, directory: &str) -> Result<Paths, ApiError> {
        self.fetch(Call::get(&["path"], directory)).await
    }

    /// Ends all activity and forgets what was read from configuration files; the server itself stays.
    pub async fn dispose(&self, timeout: Duration) -> Result<(), ApiError> {
        self.tell(Call::post(&["global", "dispose"], "").timeout(timeout))
            .await
    }
}
