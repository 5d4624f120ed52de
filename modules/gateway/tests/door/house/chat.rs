//! A module that can be watched.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{
    Router,
    response::Html,
    routing::{get, post},
};
use kit::{
    ActError, BoxFuture, CancellationToken, Feed, Frame, LiveRequest, Module, ModuleId, Patch, Reply, Status,
    Verb, VerbSpec,
};
use tokio::sync::watch;

/// Plays the chat: a page, something that changes things, a live view.
pub(super) struct Chat {
    pub(super) changes: watch::Receiver<String>,
    pub(super) calls: Arc<Mutex<Vec<Verb>>>,
}

impl Module for Chat {
    fn id(&self) -> ModuleId {
        ModuleId("chat")
    }

    fn title(&self) -> &'static str {
        "Chat"
    }

    fn status(&self) -> watch::Receiver<Status> {
        watch::channel(Status::new(kit::State::Running, SystemTime::now())).1
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        &[
            VerbSpec {
                name: "open",
                help: "Opens something.",
                args: &[],
                button: None,
            },
            VerbSpec {
                name: "greet",
                help: "Says hello.",
                args: &["name"],
                button: Some("Greet"),
            },
        ]
    }

    fn needs_proof(&self, verb: &str) -> bool {
        verb == "open"
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        self.calls.lock().unwrap().push(verb);
        Box::pin(async { Ok(Reply::Text("hello".to_owned())) })
    }

    fn routes(self: Arc<Self>) -> Router {
        async fn page(axum::Extension(chrome): axum::Extension<Arc<kit::Chrome>>) -> Html<String> {
            let body = web::Body {
                title: "Chat".to_owned(),
                live: None,
                class: "chat",
                content: web::html! { h1 { "Chat" } p { (chrome.caller.listener.as_str()) } },
            };
            Html(web::page(&chrome, body).into_string())
        }
        Router::new()
            .route("/", get(page))
            .route("/{session}", get(page))
            .route(
                "/act",
                post(async |body: axum::body::Bytes| if body.is_empty() { "done" } else { "taken" }),
            )
            .route(
                "/broken",
                get(async || -> &'static str { panic!("a page broke") }),
            )
    }

    fn live(&self, request: LiveRequest) -> Option<Box<dyn Feed>> {
        let mut changes = self.changes.clone();
        changes.mark_unchanged();
        (request.key != "missing").then(|| Box::new(Changes(changes)) as Box<dyn Feed>)
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

struct Changes(watch::Receiver<String>);

impl Feed for Changes {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            self.0.changed().await.ok()?;
            let text = self.0.borrow_and_update().clone();
            Some(Frame {
                cursor: Some(text.clone()),
                patches: vec![Patch::AppendText {
                    id: "text".to_owned(),
                    text,
                }],
            })
        })
    }
}
