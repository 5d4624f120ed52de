//! A model that says what it is told to: an OpenAI-compatible streaming server on loopback.
//!
//! What it answers is written into the prompt as markers ([`script`]), so that a test reads as one story: `Write a
//! lot [[markdown:2000]] [[rate:300]]`. A prompt without markers gets a short friendly answer that shows off what the
//! chat can draw; that is what the demo runs on.

mod answer;
pub mod script;
pub mod text;
mod wire;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use wire::Request;

/// A running model. Ends when dropped.
pub struct Model {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    /// How often each prompt was asked, for scripts that fail a number of times.
    attempts: Arc<Mutex<HashMap<String, u32>>>,
    /// The last user texts, oldest first.
    seen: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Model {
    /// Listens on a free loopback port, or on `port` when it is not 0.
    ///
    /// # Errors
    /// What the system said when the port cannot be had.
    pub async fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let seen = Arc::default();
        let shared = Shared {
            attempts: Arc::default(),
            seen: Arc::clone(&seen),
            stop: stop.clone(),
        };
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(shared);
        let ended = stop.clone();
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(async move { ended.cancelled().await });
        let task = tokio::spawn(async move { serving.await });
        Ok(Self {
            address,
            stop,
            task,
            seen,
        })
    }

    /// What goes into a provider's `baseURL`, e.g. `http://127.0.0.1:41234/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The user texts that were answered, oldest first; calls for a title are not among them.
    pub fn prompts(&self) -> Vec<String> {
        self.seen.lock().expect("nothing panics while it is held").clone()
    }

    /// Serves until the task ends by itself, which it never does.
    ///
    /// # Errors
    /// What ended it.
    pub async fn wait(mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

async fn models() -> Json<serde_json::Value> {
    Json(json!({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "demo"}]}))
}

async fn complete(State(shared): State<Shared>, Json(request): Json<Request>) -> Response {
    answer::respond(&shared, &request)
}

/// Provider and model as opencode's settings name them.
pub const PROVIDER: &str = "demo";
/// The one model.
pub const MODEL: &str = "scripted";

/// opencode's configuration, as the inline JSON of `OPENCODE_CONFIG_CONTENT`, that knows this model and nothing else.
pub fn provider_config(base_url: &str) -> String {
    let name = format!("{PROVIDER}/{MODEL}");
    json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "model": name,
        "small_model": name,
        "provider": {PROVIDER: {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Demo",
            "options": {"baseURL": base_url, "apiKey": "none"},
            "models": {
                MODEL: {
                    "name": "Scripted model", "tool_call": true, "reasoning": true, "attachment": true,
                    "limit": {"context": 200_000, "output": 32_000},
                },
                "scripted-two": {
                    "name": "Scripted model, second", "tool_call": true,
                    "limit": {"context": 200_000, "output": 32_000},
                },
            },
        }},
    })
    .to_string()
}

/// The variables that keep opencode inside `home` and off the network.
pub fn offline_env(home: &Path) -> Vec<(&'static str, String)> {
    let under = |folder: &str| home.join(folder).display().to_string();
    let mut env = vec![
        ("HOME", home.display().to_string()),
        ("XDG_CONFIG_HOME", under(".config")),
        ("XDG_DATA_HOME", under(".local/share")),
        ("XDG_STATE_HOME", under(".local/state")),
        ("XDG_CACHE_HOME", under(".cache")),
    ];
    for name in [
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_LSP_DOWNLOAD",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS",
        "OPENCODE_DISABLE_SHARE",
    ] {
        env.push((name, "1".to_owned()));
    }
    env
}
