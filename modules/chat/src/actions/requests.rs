//! Answers to what the agent asks, and what can be named in a message.

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use opencode::{
    ApiError,
    api::FileSearch,
    wire::{PermissionReply, Question},
};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Done, Refusal, answer, page_of};
use crate::desk::Desk;

/// Names offered while typing.
const FOUND_MAX: usize = 12;

/// An answer to a request for permission.
#[derive(Deserialize)]
pub struct Reply {
    reply: PermissionReply,
    #[serde(default)]
    message: String,
}

/// `POST /chat/{id}/permission/{request}`
pub async fn permission(
    State(desk): State<Arc<Desk>>,
    Path((id, request)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<Reply>,
) -> Response {
    let message =
        Some(form.message.trim()).filter(|words| !words.is_empty() && form.reply == PermissionReply::Reject);
    let result = desk.reply(&id, &request, form.reply, message).await;
    answer(&headers, &page_of(&id), late_is_harmless(result))
}

/// Somebody else was quicker: nothing is wrong.
fn late_is_harmless(result: Result<(), ApiError>) -> Result<Done, Refusal> {
    match result {
        Ok(()) => Ok(Done::Here),
        Err(error) if error.is_missing() => Ok(Done::Said("This was answered already.".to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// `POST /chat/{id}/question/{request}`: fields `q0`, `q0-own`, `q1`, …, and `do`.
pub async fn question(
    State(desk): State<Arc<Desk>>,
    Path((id, request)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let result = answer_question(&desk, &id, &request, &fields).await;
    answer(&headers, &page_of(&id), result)
}

async fn answer_question(
    desk: &Arc<Desk>,
    id: &str,
    request: &str,
    fields: &[(String, String)],
) -> Result<Done, Refusal> {
    let transcript = desk.transcript(id).await?;
    let (asked, directory) = transcript.look(|conversation| {
        let asked = conversation.questions.get(request).cloned();
        (asked, conversation.session.directory.clone())
    });
    let Some(asked) = asked else {
        return Ok(Done::Said("This was answered already.".to_owned()));
    };
    if fields
        .iter()
        .any(|(name, value)| name == "do" && value == "dismiss")
    {
        return late_is_harmless(desk.api.reject_question(&directory, request).await);
    }
    let answers = answers(&asked, fields);
    if answers.iter().any(Vec::is_empty) {
        return Err(Refusal::usage(
            "Choose an answer for each question, or write your own.",
        ));
    }
    late_is_harmless(desk.api.reply_question(&directory, request, &answers).await)
}

/// Per question what was chosen, and words of one's own after it; own words replace a single choice.
fn answers(asked: &Question, fields: &[(String, String)]) -> Vec<Vec<String>> {
    let item = |(index, item): (usize, &opencode::wire::QuestionItem)| {
        let (choice, own) = (format!("q{index}"), format!("q{index}-own"));
        let own = fields
            .iter()
            .find(|(name, value)| *name == own && !value.trim().is_empty())
            .map(|(_, value)| value.trim().to_owned());
        let mut chosen: Vec<String> = fields
            .iter()
            .filter(|(name, value)| {
                *name == choice && item.options.iter().any(|option| option.label == *value)
            })
            .map(|(_, value)| value.clone())
            .collect();
        if let Some(own) = own {
            if !item.is_multiple {
                chosen.clear();
            }
            chosen.push(own);
        }
        chosen
    };
    asked.questions.iter().enumerate().map(item).collect()
}

#[derive(Deserialize)]
pub struct Find {
    /// `"@"` for files, `"/"` for commands.
    kind: String,
    #[serde(default)]
    q: String,
}

/// `GET /chat/{id}/find?kind=@&q=main`: names to complete what is being typed.
pub async fn find(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Query(find): Query<Find>,
) -> Response {
    let directory = if id == "new" {
        desk.projects().into_iter().next()
    } else {
        desk.shelf(|shelf| shelf.session(&id).map(|session| session.directory.clone()))
    };
    let directory = directory.unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_and_own_words_become_answers() {
        let asked: Question = serde_json::from_str(
            r#"{"id":"que_1","sessionID":"ses_1","questions":[
                {"question":"Which colour?","options":[{"label":"Red"},{"label":"Blue"}]},
                {"question":"Which sizes?","multiple":true,"options":[{"label":"S"},{"label":"M"}]}]}"#,
        )
        .unwrap();
        let check = |fields: &[(&str, &str)], expected: &[&[&str]]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(answers(&asked, &fields), expected);
        };

        check(
            &[("q0", "Red"), ("q1", "S"), ("q1", "M")],
            &[&["Red"], &["S", "M"]],
        );
        check(
            &[
                ("q0", "Red"),
                ("q0-own", " green "),
                ("q1", "S"),
                ("q1-own", "XL"),
            ],
            &[&["green"], &["S", "XL"]],
        );
        check(&[("q0", "forged")], &[&[], &[]]);
    }
}
