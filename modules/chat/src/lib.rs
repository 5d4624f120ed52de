//! The chat: all sessions at a glance, and each as a conversation that streams.
//!
//! One subscription to opencode's events keeps everything here true (`desk`). A session somebody looks at has a
//! transcript: what the server said, what pages show of it, and how they got there, kept once for all viewers. A page
//! is whole HTML when it is asked for; from then on a feed tells it, in patches, what it has missed since its cursor.
//! Words that are still being written are read as Markdown block by block (`markdown`), so that work and bytes grow
//! with the text and not with its square.
//!
//! Conversations belong to opencode and are not copied: what this crate stores itself are drafts, pins and the names
//! of messages that were sent. It never speaks to a model, and what a model or a tool says is only ever text to it.

mod actions;
mod code;
mod desk;
mod feed;
mod markdown;
mod menu;
mod notes;
mod outbox;
#[cfg(test)]
mod page_model;
mod reach;
mod settings;
mod shelf;
mod text;
mod transcript;
mod view;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use kit::{
    ActError, BoxFuture, CancellationToken, Context, Entry, Feed, Listener, LiveRequest, Module, ModuleId,
    Page, Reply, Status, Verb, VerbSpec,
};
use opencode::Api;
use store::Store;
use tokio::sync::watch;

pub use settings::ChatSettings;

pub use desk::Server;

use desk::Desk;

/// What the module is given beside the context.
pub struct Parts {
    /// The way to opencode.
    pub api: Api,
    /// The server itself, for when it is down.
    pub server: Server,
    /// Gives memory that is free back to the system; called after a chat, when the grammars for highlighting and what
    /// pages showed have been dropped.
    pub release_memory: fn(),
}

/// The chat.
pub struct Chat {
    desk: Arc<Desk>,
}

impl Chat {
    /// Wires the chat and makes its tables.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn new(cx: &Context, store: Store, parts: Parts) -> anyhow::Result<Arc<Self>> {
        let parts = desk::Parts {
            api: parts.api,
            notes: notes::Notes::open(store).context("the chat's tables could not be made")?,
            settings: cx.settings.section::<ChatSettings>(),
            server: parts.server,
            release_memory: parts.release_memory,
            notices: cx.notices.clone(),
        };
        Ok(Arc::new(Self {
            desk: Arc::new(Desk::new(parts)),
        }))
    }

    /// Whether a folder may be seen from outside. Looks at the disk.
    pub fn seen_outside(&self) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let desk = Arc::clone(&self.desk);
        move |folder| desk.reach_from(Listener::Tunnel).holds(folder)
    }
}

impl Module for Chat {
    fn id(&self) -> ModuleId {
        ModuleId("chat")
    }

    fn title(&self) -> &'static str {
        "Chat"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.desk.status()
    }

    fn menu(&self, status: &Status) -> Vec<Entry> {
        menu::entries(status)
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        menu::VERBS
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(menu::call(&self.desk, verb))
    }

    fn pages(&self) -> Vec<Page> {
        vec![Page {
            path: "/chat",
            title: "Chat",
            icon: "chat",
        }]
    }

    fn routes(self: Arc<Self>) -> Router {
        actions::routes(Arc::clone(&self.desk))
    }

    fn live(&self, request: LiveRequest) -> Option<Box<dyn Feed>> {
        let desk = Arc::clone(&self.desk);
        if request.key.is_empty() {
            return Some(Box::new(feed::HomeFeed::new(desk, request.caller)));
        }
        let feed = feed::TalkFeed::new(desk, request.caller, request.key, request.cursor.as_deref());
        Some(Box::new(feed))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            Arc::clone(&self.desk).follow(stop).await;
            Ok(())
        })
    }
}
