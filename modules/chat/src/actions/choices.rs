//! What a message can name and be sent with, which differs from folder to folder.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use opencode::api::FileSearch;
use serde::Deserialize;
use serde_json::json;

use crate::{desk::Desk, reach::Reach, view};

/// Names offered while typing.
const FOUND_MAX: usize = 12;

#[derive(Deserialize)]
pub struct Find {
    /// `"@"` for files, `"/"` for commands.
    kind: String,
    #[serde(default)]
    q: String,
    /// The folder of a new session; a session has its own.
    #[serde(default)]
    directory: String,
}

/// `GET /chat/{id}/find?kind=@&q=main`: names to complete what is being typed. A message that begins a session asks with
/// `new` for its id and names the folder: `/chat/new/find?kind=/&q=rev&directory=/home/ann/shop`.
pub async fn find(
    State(desk): State<Arc<Desk>>,
    Extension(reach): Extension<Reach>,
    Path(id): Path<String>,
    Query(find): Query<Find>,
) -> Response {
    let directory = if id == "new" {
        desk.project(&reach, &find.directory)
    } else {
        desk.directory_of(&id).await.ok()
    };
    let Some(directory) = directory else {
        return Json(json!([])).into_response();
    };
    let found: Vec<(String, String)> = if find.kind == "/" {
        let commands = desk.api.commands(&directory).await.unwrap_or_default();
        let wanted = find.q.to_lowercase();
        let matching = commands
            .into_iter()
            .filter(|command| command.name.to_lowercase().contains(&wanted));
        matching
            .take(FOUND_MAX)
            .map(|command| (command.name, command.description.unwrap_or_default()))
            .collect()
    } else {
        let search = FileSearch {
            query: find.q,
            limit: FOUND_MAX,
            includes_folders: false,
        };
        let files = desk.api.find_files(&directory, &search).await.unwrap_or_default();
        files.into_iter().map(|path| (path, String::new())).collect()
    };
    let found: Vec<_> = found
        .into_iter()
        .map(|(name, about)| json!({ "name": name, "about": about }))
        .collect();
    Json(found).into_response()
}

#[derive(Deserialize)]
pub struct Folder {
    directory: String,
}

/// `GET /chat/new/menus?directory=/home/ann/shop`: the menus of models and agents for a session begun there, as markup.
pub async fn menus(
    State(desk): State<Arc<Desk>>,
    Extension(reach): Extension<Reach>,
    Query(folder): Query<Folder>,
) -> Response {
    let Some(directory) = desk.project(&reach, &folder.directory) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Asking wakes the folder up, too: the first message there begins sooner.
    let catalog = desk.catalog(&directory).await;
    Html(view::menus(&catalog.for_new(&directory)).into_string()).into_response()
}
