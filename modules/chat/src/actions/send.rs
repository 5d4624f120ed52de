//! Sending: words and files become a message, once.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Extension, Form, Json,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use opencode::{
    api::CommandCall,
    wire::{ModelRef, NewSession, PartInput, Prompt, message_id},
};
use serde::Deserialize;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::answer::{Done, Refusal, answer, page_of};
use crate::{
    desk::Desk,
    outbox::{Claim, Ticket},
    reach::{self, Reach},
    shelf::Shelf,
};

/// Files of one message.
const FILES_MAX: usize = 8;
/// How soon a message is there that the server said yes to. It was milliseconds; a folder's first one waits for its
/// instance.
const MADE_WITHIN: Duration = Duration::from_secs(30);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Characters of a nonce.
const NONCE_CHARS_MAX: usize = 64;

/// What the composer sends, as a form or as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Words {
    text: String,
    nonce: String,
    /// `provider/model`, or empty.
    model: String,
    agent: String,
    /// For a new session.
    directory: String,
    files: Vec<File>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    name: String,
    mime: String,
    /// `data:…;base64,…`
    url: String,
}

impl Words {
    async fn read(request: Request) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let too_large = |status: StatusCode| match status {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal(
                status,
                "The message is too large: attachments may have 7 MiB together. Remove some and send again."
                    .to_owned(),
            ),
            other => Refusal(
                other,
                "The message could not be read. Reload the page and send it again.".to_owned(),
            ),
        };
        let words: Self = if is_json {
            let Json(words) = Json::from_request(request, &())
                .await
                .map_err(|error| too_large(error.status()))?;
            words
        } else {
            let Form(words) = Form::from_request(request, &())
                .await
                .map_err(|error| too_large(error.status()))?;
            words
        };
        words.check()?;
        Ok(words)
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.text.trim().is_empty() && self.files.is_empty() {
            return Err(Refusal::usage(
                "There is nothing to send yet. Write something first.",
            ));
        }
        if self.files.len() > FILES_MAX {
            return Err(Refusal::usage(
                "A message takes at most 8 files. Remove some and send again.",
            ));
        }
        if self.files.iter().any(|file| !file.url.starts_with("data:")) {
            return Err(Refusal::usage("Only files from this device can be attached."));
        }
        Ok(())
    }

    fn nonce(&self) -> String {
        let nonce: String = self.nonce.chars().take(NONCE_CHARS_MAX).collect();
        if nonce.is_empty() { message_id() } else { nonce }
    }

    fn model(&self) -> Option<ModelRef> {
        let (provider, model) = self.model.split_once('/')?;
        Some(ModelRef {
            provider_id: provider.to_owned(),
            model_id: model.to_owned(),
            variant: None,
        })
    }

    fn agent(&self) -> Option<String> {
        (!self.agent.is_empty()).then(|| self.agent.clone())
    }

    fn parts(&self) -> Vec<PartInput> {
        let mut parts = Vec::new();
        if !self.text.trim().is_empty() {
            parts.push(PartInput::Text {
                text: self.text.replace("\r\n", "\n"),
            });
        }
        parts.extend(self.file_parts());
        parts
    }

    fn file_parts(&self) -> Vec<PartInput> {
        let part = |file: &File| PartInput::File {
            mime: file.mime.clone(),
            url: file.url.clone(),
            filename: Some(file.name.clone()),
        };
        self.files.iter().map(part).collect()
    }

    /// A message that begins with `/name` may be a prepared prompt.
    fn command(&self) -> Option<(&str, &str)> {
        let rest = self.text.strip_prefix('/')?;
        let (name, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let is_name = !name.is_empty() && !name.contains('/');
        is_name.then_some((name, arguments.trim()))
    }
}

/// `POST /chat/new`
pub async fn new(
    State(desk): State<Arc<Desk>>,
    Extension(reach): Extension<Reach>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let result = match Words::read(request).await {
        Ok(words) => whole(&desk, begin(Arc::clone(&desk), reach, words)).await,
        Err(refusal) => Err(refusal),
    };
    answer(&headers, "/chat", result)
}

/// Sees `work` through even if the one who asked is gone by then: a page that is left right after sending must not
/// leave a session without its first message.
async fn whole(
    desk: &Desk,
    work: impl Future<Output = Result<Done, Refusal>> + Send + 'static,
) -> Result<Done, Refusal> {
    let refused = |text: &str| Refusal(StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
    let (tell, told) = oneshot::channel();
    let job = Box::pin(async move {
        // Nobody may be there to hear it; the page shows what came of it all the same.
        let _ = tell.send(work.await);
    });
    if !desk.hand_over(job) {
        return Err(refused(
            "Too much waits to be sent already. Try again in a moment.",
        ));
    }
    match told.await {
        Ok(result) => result,
        Err(_) => Err(refused(
            "The agent is ending. Your text is kept; send it again when it is back.",
        )),
    }
}

async fn begin(desk: Arc<Desk>, reach: Reach, words: Words) -> Result<Done, Refusal> {
    let nonce = words.nonce();
    let claim = desk.outbox.claim(&nonce).await;
    let session = match desk.notes.begun(&nonce).await? {
        Some(session) if reach.sees(&desk, &session).await => session,
        // Its folder was closed to the outside since it was begun.
        Some(_) => return Err(reach::no_such_session()),
        None => make_session(&desk, &reach, &words).await?,
    };
    deliver(&desk, claim, &session, &nonce, &words).await?;
    desk.notes
        .keep_draft(reach.key_of_new_draft(), "", SystemTime::now())
        .await?;
    Ok(Done::At(page_of(&session)))
}

async fn make_session(desk: &Desk, reach: &Reach, words: &Words) -> Result<String, Refusal> {
    let directory = desk.project(reach, &words.directory).ok_or_else(|| {
        Refusal::usage(
            "This folder is not among the project folders. Add it in the settings under chat.projects.",
        )
    })?;
    let session = desk
        .api
        .create_session(&directory, &NewSession::default())
        .await?;
    Ok(session.id)
}

/// `POST /chat/{id}/send`
pub async fn send(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let result = match Words::read(request).await {
        Ok(words) => whole(&desk, send_to(Arc::clone(&desk), id.clone(), words)).await,
        Err(refusal) => Err(refusal),
    };
    answer(&headers, &page_of(&id), result)
}

async fn send_to(desk: Arc<Desk>, id: String, words: Words) -> Result<Done, Refusal> {
    let nonce = words.nonce();
    let claim = desk.outbox.claim(&nonce).await;
    deliver(&desk, claim, &id, &nonce, &words).await?;
    desk.notes.keep_draft(&id, "", SystemTime::now()).await?;
    Ok(Done::Here)
}

/// Gives the words to the server. What was sent before under the same nonce is not sent again, whatever became of the
/// first answer: while the first try is under way nothing is to be done, and afterwards the server knows the message.
/// If it does not, the first try came to nothing, and this one does it.
async fn deliver(
    desk: &Arc<Desk>,
    claim: Claim,
    id: &str,
    nonce: &str,
    words: &Words,
) -> Result<(), Refusal> {
    let Claim::Ours(ticket) = claim else {
        return Ok(());
    };
    let sent = desk
        .notes
        .send(nonce, id, &message_id(), SystemTime::now())
        .await?;
    if sent.is_repeat {
        match desk.api.message("", &sent.session, &sent.message).await {
            Ok(_there) => return Ok(()),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let directory = folder_for(desk, id).await?;
    if let Some((name, arguments)) = words.command() {
        let commands = desk.api.commands(&directory).await?;
        if commands.iter().any(|command| command.name == name) {
            let call = CommandCall {
                command: name.to_owned(),
                arguments: arguments.to_owned(),
                message_id: Some(sent.message),
                agent: words.agent(),
                model: Some(words.model.clone()).filter(|model| !model.is_empty()),
                parts: words.file_parts(),
            };
            return run_command(desk, ticket, directory, id.to_owned(), call);
        }
    }
    let prompt = Prompt {
        parts: words.parts(),
        message_id: Some(sent.message.clone()),
        model: words.model(),
        agent: words.agent(),
        variant: None,
    };
    desk.api.prompt(&directory, id, &prompt).await?;
    keep_until_made(desk, ticket, id.to_owned(), sent.message);
    Ok(())
}

/// The server says yes before it has made the message. Until it has, a second try must not find it missing: it would
/// send the words again.
fn keep_until_made(desk: &Arc<Desk>, ticket: Ticket, session: String, message: String) {
    ticket.runs();
    let api = desk.api.clone();
    let job = Box::pin(async move {
        let made = async {
            while api.message("", &session, &message).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(MADE_WITHIN, made).await.is_err() {
            tracing::warn!(session, message, "the server took a message and has not made it");
        }
        drop(ticket);
    });
    if !desk.hand_over(job) {
        tracing::debug!("too much waits to see whether a message was made");
    }
}

/// Where the words go. A session that was put away is had back: it would work, and ask, out of sight.
async fn folder_for(desk: &Desk, id: &str) -> Result<String, Refusal> {
    if let Some(directory) = desk.shelf(|shelf| shelf.session(id).map(|session| session.directory.clone())) {
        return Ok(directory);
    }
    let session = desk.api.session("", id).await?;
    if session.time.archived.is_some() {
        let since = desk.shelf(Shelf::now);
        let back = desk.api.unarchive_session(&session.directory, id).await?;
        desk.change_shelf(|shelf| shelf.take_list(vec![back], since));
    }
    Ok(session.directory)
}

/// A command's answer comes when its turn is over; what happens is seen on the page. Until then the ticket is kept: the
/// server makes the message only when it has read the command's template, which may run programs.
fn run_command(
    desk: &Arc<Desk>,
    ticket: Ticket,
    directory: String,
    id: String,
    call: CommandCall,
) -> Result<(), Refusal> {
    let api = desk.api.clone();
    let job = Box::pin(async move {
        ticket.runs();
        if let Err(error) = api.command(&directory, &id, &call).await {
            tracing::warn!(%error, "a command ended with an error");
        }
    });
    if desk.hand_over(job) {
        Ok(())
    } else {
        Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many commands wait already. Try again in a moment.".to_owned(),
        ))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Draft {
    key: String,
    text: String,
}

/// `POST /chat/drafts`
pub async fn draft(
    State(desk): State<Arc<Desk>>,
    Extension(reach): Extension<Reach>,
    Form(draft): Form<Draft>,
) -> Response {
    let key = match draft.key.as_str() {
        "new" => reach.key_of_new_draft(),
        id if id.starts_with("ses_") && id.len() < 64 => id,
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    if key.starts_with("ses_") && !reach.sees(&desk, key).await {
        return StatusCode::NOT_FOUND.into_response();
    }
    match desk.notes.keep_draft(key, &draft.text, SystemTime::now()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(%error, "a draft could not be kept");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
