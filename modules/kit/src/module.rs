//! The contract between the agent and one ability.

use std::{fmt, sync::Arc};

use axum::Router;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    ActError, BoxFuture, CancellationToken, Entry, Feed, LiveRequest, Page, Reply, Status, Verb, VerbSpec,
};

/// A module's one name: settings table, URL prefix, log field and key in `nexus status --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ModuleId(pub &'static str);

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One ability of the program.
///
/// A constructor wires and starts nothing. The agent reads title, pages, routes and verbs once, then calls
/// [`run`](Self::run), which owns every task and child of the module and returns only when it is told to stop or has
/// failed. An error or a panic there is an outage of this module: shown, and run again with backoff.
pub trait Module: Send + Sync + 'static {
    /// The module's one name.
    fn id(&self) -> ModuleId;

    /// What people call it, e.g. `"opencode"`.
    fn title(&self) -> &'static str;

    /// The single truth about the module; tray, dashboard, command line and log read it.
    fn status(&self) -> watch::Receiver<Status>;

    /// The module's part of the tray menu, computed from its status alone.
    fn menu(&self, _status: &Status) -> Vec<Entry> {
        Vec::new()
    }

    /// What can be asked of the module.
    fn verbs(&self) -> &'static [VerbSpec] {
        &[]
    }

    /// Whether whoever asks this from a page has to have proved lately who they are: it opens something that a page left
    /// open on a desk must not open. At the tray and on the command line it changes nothing.
    fn needs_proof(&self, _verb: &str) -> bool {
        false
    }

    /// Does what `verb` says. The caller has checked it against [`verbs`](Self::verbs); dropping the future does not
    /// undo what has begun.
    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(async move { Err(ActError::unknown_verb(&verb)) })
    }

    /// Entries of the navigation.
    fn pages(&self) -> Vec<Page> {
        Vec::new()
    }

    /// Routes below `/<id>`, behind the login. Paths are written without the prefix.
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
    }

    /// Opens a live view for a page; `None` when the module has no such view.
    fn live(&self, _request: LiveRequest) -> Option<Box<dyn Feed>> {
        None
    }

    /// Lives until `stop` is cancelled or something is beyond repair.
    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>;
}
