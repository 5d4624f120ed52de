//! How far a viewer sees: everything at the machine, from outside only the folders its owner has named.
//!
//! A session belongs to a folder; who does not see the folder sees no session of it, in no list, page, search or live
//! view, and can do nothing to it. That a session is there at all is not said either.

use std::{path::PathBuf, sync::Arc};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use kit::{Caller, Chrome, Listener};
use web::Body;

use crate::{
    actions::{Refusal, answer},
    desk::Desk,
    view::{self, Card, Found},
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The person at the machine.
    Everything,
    /// Somebody outside: these folders and what is below them, with links resolved.
    Folders(Vec<PathBuf>),
}

impl Reach {
    /// How far one sees who comes in at `listener`, when these are the folders the owner has named.
    pub fn from(listener: Listener, projects: &[String]) -> Self {
        match listener {
            Listener::Local => Self::Everything,
            Listener::Tunnel => {
                Self::Folders(projects.iter().filter_map(|folder| resolved(folder)).collect())
            }
        }
    }

    /// Whether a folder is within it. One that is not there any more is not.
    pub fn holds(&self, folder: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Folders(allowed) => {
                resolved(folder).is_some_and(|folder| allowed.iter().any(|within| folder.starts_with(within)))
            }
        }
    }

    /// Whether a session is within it.
    pub async fn sees(&self, desk: &Desk, id: &str) -> bool {
        if *self == Self::Everything {
            return true;
        }
        match desk.directory_of(id).await {
            Ok(directory) => self.holds(&directory),
            Err(_) => false,
        }
    }

    /// Under which key the draft of a session is kept that does not exist yet: what is begun at the machine may be meant
    /// for a folder that is not seen from outside.
    pub fn key_of_new_draft(&self) -> &'static str {
        match self {
            Self::Everything => "new",
            Self::Folders(_) => "new-outside",
        }
    }

    /// The cards within it.
    pub fn cards(&self, mut cards: Vec<Card>) -> Vec<Card> {
        if *self != Self::Everything {
            cards.retain(|card| self.holds(&card.directory));
        }
        cards
    }

    /// What of a search is within it.
    pub fn found(&self, found: Found) -> Found {
        Found {
            current: self.cards(found.current),
            archived: self.cards(found.archived),
            ..found
        }
    }
}

/// Where a folder really is: `/p/../etc` and a link to `/` are not below `/p`.
fn resolved(folder: &str) -> Option<PathBuf> {
    if folder.is_empty() {
        return None;
    }
    std::fs::canonicalize(folder).ok()
}

/// Lets a request through to the sessions its caller sees, and puts how far that is into its extensions.
pub async fn guard(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let reach = desk.reach(caller);
    if let Some(id) = session_of(request.uri().path())
        && !reach.sees(&desk, id).await
    {
        return missing(&request);
    }
    request.extensions_mut().insert(reach);
    next.run(request).await
}

/// The session a path is about: `/ses_1/send`, but not `/new`.
fn session_of(path: &str) -> Option<&str> {
    let first = path.trim_start_matches('/').split('/').next()?;
    (!matches!(first, "" | "new" | "drafts" | "revive")).then_some(first)
}

fn missing(request: &Request) -> Response {
    let is_page = request.method() == axum::http::Method::GET && !request.uri().path()[1..].contains('/');
    match request.extensions().get::<Arc<Chrome>>() {
        Some(chrome) if is_page => {
            let body = Body {
                title: "Session".to_owned(),
                live: None,
                class: "chat",
                content: view::missing(
                    "There is no such session",
                    "It does not exist, or its folder is not open to devices outside.",
                ),
            };
            (StatusCode::NOT_FOUND, web::page(chrome, body)).into_response()
        }
        Some(_) | None => answer(request.headers(), "/chat", Err(no_such_session())),
    }
}

pub fn no_such_session() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "There is no such session.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_outside_only_named_folders_are_seen_wherever_links_lead() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        for folder in ["open", "open/below", "open-too", "closed"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", root.path().join("open/link")).unwrap();
        let projects = [at("open"), at("gone")];

        let outside = Reach::from(Listener::Tunnel, &projects);

        for folder in [at("open"), at("open/below"), at("open/below/..")] {
            assert!(outside.holds(&folder), "{folder}");
        }
        for folder in [
            at("closed"),
            at("open-too"),
            at("open/../closed"),
            at("open/link"),
            at("open/link/etc"),
            at("gone"),
            "/".to_owned(),
            "/etc".to_owned(),
            String::new(),
        ] {
            assert!(!outside.holds(&folder), "{folder}");
            assert!(Reach::from(Listener::Local, &projects).holds(&folder));
        }
        assert!(!Reach::from(Listener::Tunnel, &[]).holds(&at("open")));
    }

    #[test]
    fn paths_name_their_session() {
        assert_eq!(session_of("/ses_1/permission/per_2"), Some("ses_1"));
        assert_eq!(session_of("/ses_1"), Some("ses_1"));
        for path in ["/", "", "/new", "/new/menus", "/drafts", "/revive"] {
            assert_eq!(session_of(path), None, "{path}");
        }
    }
}
