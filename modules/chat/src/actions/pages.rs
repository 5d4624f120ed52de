//! The two pages.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use kit::Chrome;
use opencode::{ApiError, wire::Session};
use serde::Deserialize;
use web::{Body, LiveView};

use crate::{
    desk::{Catalog, Desk, Wanted},
    reach::Reach,
    shelf::{self, Shelf},
    transcript::conversation::Conversation,
    view,
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Search {
    q: String,
    archived: bool,
}

impl Search {
    fn wanted(&self) -> Option<Wanted> {
        let words = self.q.trim().to_lowercase();
        match (words.is_empty(), self.archived) {
            (false, _) => Some(Wanted::Words(words)),
            (true, true) => Some(Wanted::Archived),
            (true, false) => None,
        }
    }
}

/// `GET /chat`; `GET /chat?q=words` and `GET /chat?archived=true` search.
pub async fn home(
    State(desk): State<Arc<Desk>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Extension(reach): Extension<Reach>,
    Query(search): Query<Search>,
) -> Response {
    let draft = desk
        .notes
        .draft(reach.key_of_new_draft())
        .await
        .unwrap_or_default();
    let projects = desk.projects(&reach);
    let folder = projects.first().cloned().unwrap_or_default();
    let catalog = desk.known_catalog(&folder).unwrap_or_default();
    let found = match search.wanted() {
        Some(wanted) => Some(reach.found(desk.search(&wanted).await)),
        None => None,
    };
    let (cards, rest) = shelf::split(reach.cards(desk.shelf(Shelf::cards)));
    let nonce = opencode::wire::message_id();
    let composer = view::Composer {
        session_id: None,
        is_busy: false,
        draft: &draft,
        nonce: &nonce,
        choices: catalog.for_new(&folder),
        projects: &projects,
        home: &desk.home,
    };
    let content = view::home(&view::Home {
        composer,
        outage: desk.outage(),
        below: match &found {
            Some(found) => view::Below::Found {
                words: search.q.trim(),
                found,
            },
            None => view::Below::Recent {
                cards: &cards,
                rest: &rest,
            },
        },
        now: SystemTime::now(),
    });
    let live = LiveView {
        view: "chat",
        key: String::new(),
        cursor: None,
    };
    let body = Body {
        title: "Sessions".to_owned(),
        // A page of search results stays what was asked for.
        live: found.is_none().then_some(live),
        class: "chat",
        content,
    };
    web::page(&chrome, body).into_response()
}

/// `GET /chat/{id}`
pub async fn talk(
    State(desk): State<Arc<Desk>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Extension(reach): Extension<Reach>,
    Path(id): Path<String>,
) -> Response {
    desk.seen(&id);
    let draft = desk.notes.draft(&id).await.unwrap_or_default();
    let (conversation, turns, cursor) = match desk.transcript(&id).await {
        Ok(transcript) => {
            let shown = transcript.snapshot(Instant::now());
            (shown.conversation, shown.turns, Some(shown.cursor.to_text()))
        }
        Err(error) if is_missing(&error, &id) || desk.trouble().is_none() => {
            let content = if is_missing(&error, &id) {
                view::missing(
                    "There is no such session",
                    "It was deleted, here or in another program, or its address is not whole. Choose one of your sessions, or begin a new one.",
                )
            } else {
                view::missing(
                    "This session cannot be shown",
                    &format!("{error}. Nothing of it is lost: load this page again in a moment."),
                )
            };
            let body = Body {
                title: "Session".to_owned(),
                live: None,
                class: "chat",
                content,
            };
            return (StatusCode::NOT_FOUND, web::page(&chrome, body)).into_response();
        }
        // The page fills itself when the server is back.
        Err(_) => (Conversation::new(unknown(&desk, &id)), String::new(), None),
    };
    let session = &conversation.session;
    let catalog = desk.known_catalog(&session.directory).unwrap_or_default();
    let body = Body {
        title: if session.is_unnamed() {
            "New session".to_owned()
        } else {
            session.title.clone()
        },
        live: Some(LiveView {
            view: "chat",
            key: id.clone(),
            cursor,
        }),
        class: "chat conversation-page",
        content: content(&desk, &reach, &conversation, &turns, &catalog, &draft),
    };
    web::page(&chrome, body).into_response()
}

/// The server says no differently to what is no id at all.
fn is_missing(error: &ApiError, id: &str) -> bool {
    error.is_missing() || !id.starts_with("ses_")
}

fn unknown(desk: &Desk, id: &str) -> Session {
    let known = desk.shelf(|shelf| shelf.session(id).cloned());
    known.unwrap_or_else(|| Session {
        id: id.to_owned(),
        title: "Session".to_owned(),
        ..Session::default()
    })
}

fn content(
    desk: &Desk,
    reach: &Reach,
    conversation: &Conversation,
    turns: &str,
    catalog: &Catalog,
    draft: &str,
) -> maud::Markup {
    let session = &conversation.session;
    let place = view::Place {
        directory: &session.directory,
        home: &desk.home,
    };
    let nonce = opencode::wire::message_id();
    let model = catalog.model_of(session);
    view::talk(&view::Talk {
        session,
        place,
        status: &conversation.status,
        failure: conversation.failure.as_ref(),
        is_cut: conversation.is_cut(),
        is_pinned: desk.shelf(|shelf| shelf.pins.contains(&session.id)),
        turns,
        has_older: conversation.older.is_some(),
        asks: view::Asks {
            session_id: &session.id,
            permissions: conversation.asked(),
            questions: conversation.questions.values().collect(),
            place,
        },
        composer: view::Composer {
            session_id: Some(&session.id),
            is_busy: conversation.is_busy(),
            draft,
            nonce: &nonce,
            choices: catalog.for_session(session, &model),
            projects: &[],
            home: &desk.home,
        },
        outage: desk.outage(),
        all: &reach.cards(desk.shelf(Shelf::cards)),
        now: SystemTime::now(),
    })
}
