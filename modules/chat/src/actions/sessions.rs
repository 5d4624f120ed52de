//! What can be done with a session.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::{
    Form,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use opencode::wire::{Millis, ModelRef, Prompt, message_id};
use serde::Deserialize;

use super::answer::{Done, Refusal, answer, page_of};
use crate::{desk::Desk, shelf::Shelf};

/// Characters of a title.
const TITLE_CHARS_MAX: usize = 200;

type Desks = State<Arc<Desk>>;

/// `POST /chat/{id}/stop`
pub async fn stop(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = end_turn(&desk, &id).await;
    answer(&headers, &page_of(&id), result.map(|()| Done::Here))
}

async fn end_turn(desk: &Desk, id: &str) -> Result<(), Refusal> {
    let directory = desk.directory_of(id).await?;
    Ok(desk.api.abort(&directory, id).await?)
}

/// `POST /chat/{id}/continue`: takes a turn up that the server's end cut off.
pub async fn go_on(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = begin_again(&desk, &id).await;
    answer(&headers, &page_of(&id), result.map(|()| Done::Here))
}

async fn begin_again(desk: &Desk, id: &str) -> Result<(), Refusal> {
    let prompt = Prompt {
        message_id: Some(message_id()),
        ..Prompt::text("Continue where you stopped.")
    };
    let directory = desk.directory_of(id).await?;
    Ok(desk.api.prompt(&directory, id, &prompt).await?)
}

/// `POST /chat/revive`: starts opencode anew when it is down or hangs, for somebody who may be far from the machine.
pub async fn revive(State(desk): Desks, headers: HeaderMap) -> Response {
    let revived = desk.revive().await;
    answer(
        &headers,
        "/chat",
        revived.map(|()| Done::Here).map_err(Refusal::from),
    )
}

/// `POST /chat/{id}/earlier`
pub async fn earlier(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = desk.earlier(&id).await;
    answer(
        &headers,
        &page_of(&id),
        result.map(|()| Done::Here).map_err(Refusal::from),
    )
}

/// A title.
#[derive(Deserialize)]
pub struct Title {
    title: String,
}

/// `POST /chat/{id}/rename`
pub async fn rename(
    State(desk): Desks,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Title>,
) -> Response {
    let title: String = form.title.trim().chars().take(TITLE_CHARS_MAX).collect();
    let result = if title.is_empty() {
        Err(Refusal::usage(
            "A session needs a title. Write one, then press Rename.",
        ))
    } else {
        name(&desk, &id, &title).await
    };
    answer(&headers, &page_of(&id), result)
}

async fn name(desk: &Desk, id: &str, title: &str) -> Result<Done, Refusal> {
    let directory = desk.directory_of(id).await?;
    let since = desk.shelf(Shelf::now);
    let session = desk.api.rename_session(&directory, id, title).await?;
    desk.change_shelf(|shelf| shelf.take_list(vec![session], since));
    Ok(Done::Said("Renamed.".to_owned()))
}

/// On or off.
#[derive(Deserialize)]
pub struct Switch {
    on: bool,
}

/// `POST /chat/{id}/pin`
pub async fn pin(
    State(desk): Desks,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Switch>,
) -> Response {
    let result = desk.notes.pin(&id, form.on).await;
    if result.is_ok() {
        desk.change_shelf(|shelf| {
            if form.on {
                shelf.pins.insert(id.clone());
            } else {
                shelf.pins.remove(&id);
            }
        });
    }
    let said = if form.on {
        "Pinned to the top of your sessions."
    } else {
        "No longer pinned."
    };
    let result = result
        .map(|()| Done::Said(said.to_owned()))
        .map_err(Refusal::from);
    answer(&headers, &page_of(&id), result)
}

/// `POST /chat/{id}/archive`
pub async fn archive(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = put_away(&desk, &id, SystemTime::now()).await;
    answer(&headers, "/chat", result)
}

async fn put_away(desk: &Desk, id: &str, now: SystemTime) -> Result<Done, Refusal> {
    let directory = desk.directory_of(id).await?;
    let since = desk.shelf(Shelf::now);
    let session = desk
        .api
        .archive_session(&directory, id, Millis::from_time(now))
        .await?;
    // Its event may be missed, e.g. while the stream is being opened again.
    desk.change_shelf(|shelf| shelf.take_list(vec![session], since));
    Ok(Done::At("/".to_owned()))
}

/// `POST /chat/{id}/unarchive`
pub async fn unarchive(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = bring_back(&desk, &id).await;
    answer(&headers, &page_of(&id), result)
}

async fn bring_back(desk: &Desk, id: &str) -> Result<Done, Refusal> {
    let directory = desk.directory_of(id).await?;
    let since = desk.shelf(Shelf::now);
    let session = desk.api.unarchive_session(&directory, id).await?;
    desk.change_shelf(|shelf| shelf.take_list(vec![session], since));
    Ok(Done::At(page_of(id)))
}

/// `POST /chat/{id}/compact`: as long as the summary takes, so it is done beside this.
pub async fn compact(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = begin_compact(&desk, &id).await;
    answer(&headers, &page_of(&id), result)
}

async fn begin_compact(desk: &Arc<Desk>, id: &str) -> Result<Done, Refusal> {
    let session = desk.api.session("", id).await?;
    let Some(model) = session.model else {
        return Err(Refusal::usage("There is nothing to summarise yet."));
    };
    let (api, id, directory) = (desk.api.clone(), id.to_owned(), session.directory);
    let model = ModelRef {
        provider_id: model.provider_id,
        model_id: model.id,
        variant: None,
    };
    let is_taken = desk.hand_over(Box::pin(async move {
        if let Err(error) = api.compact(&directory, &id, &model).await {
            tracing::warn!(%error, "a session could not be summarised");
        }
    }));
    if is_taken {
        Ok(Done::Said("The conversation is being summarised.".to_owned()))
    } else {
        Err(Refusal::usage("Too much waits already. Try again in a moment."))
    }
}

/// `POST /chat/{id}/delete`: stops the session, hides it, and deletes it in a moment.
pub async fn delete(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = end_turn(&desk, &id).await.map(|()| {
        desk.let_go(&id, Instant::now());
        Done::At("/".to_owned())
    });
    answer(&headers, "/chat", result)
}

/// `POST /chat/{id}/undelete`
pub async fn undelete(State(desk): Desks, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let result = if desk.take_back(&id) {
        Ok(Done::Said("The session is kept.".to_owned()))
    } else {
        Err(Refusal::usage("It was too late: the session is deleted."))
    };
    answer(&headers, "/chat", result)
}
