//! Answers to what the agent asks.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use kit::Caller;
use opencode::{
    ApiError,
    wire::{PermissionReply, Question},
};
use serde::Deserialize;

use super::answer::{Done, Refusal, answer, page_of};
use crate::{desk::Desk, view::whole_text};

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
    Extension(caller): Extension<Caller>,
    Path((id, request)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<Reply>,
) -> Response {
    let message =
        Some(form.message.trim()).filter(|words| !words.is_empty() && form.reply == PermissionReply::Reject);
    let result = desk.reply(&id, &request, form.reply, message).await;
    if result.is_ok() {
        let (by, listener) = (caller.session, caller.listener.as_str());
        tracing::info!(target: "audit", event = "permission", session = id, request, reply = ?form.reply, by, listener, "a permission was answered");
    }
    answer(&headers, &page_of(&id), late_is_harmless(result))
}

/// `GET /chat/{id}/permission/{request}`: what is asked for as plain text, for what is too long to be drawn.
pub async fn read(
    State(desk): State<Arc<Desk>>,
    Path((id, request)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = match desk.transcript(&id).await {
        Ok(transcript) => {
            transcript.look(|conversation| conversation.permissions.get(&request).map(whole_text))
        }
        Err(error) => return answer(&headers, &page_of(&id), Err(error.into())),
    };
    match found {
        // A text answers as `text/plain`.
        Some(text) => text.into_response(),
        None => {
            let gone = Refusal(
                StatusCode::NOT_FOUND,
                "This was answered already, so there is nothing to read any more.".to_owned(),
            );
            answer(&headers, &page_of(&id), Err(gone))
        }
    }
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
