//! `/api/status` and `/api/modules/{id}/{verb}`.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Extensions, HeaderMap, Request, Response, StatusCode, Uri, header},
    routing::{get, post},
};
use kit::{ActError, Caller, Module, Overview, Reply, Verb, VerbSpec};
use serde_json::{Value, json};
use tokio::sync::watch;
use web::html;

use crate::{
    answer::{self, No},
    form::FORM_BYTES_MAX,
    origin, path,
};

/// What the API answers from.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) modules: Arc<[Arc<dyn Module>]>,
    pub(crate) overview: watch::Receiver<Arc<Overview>>,
}

pub(crate) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/status", get(status))
        .route("/api/modules/{id}/{verb}", post(call))
        .with_state(api)
}

/// `GET /api/status`: the object of `nexus status --json`.
async fn status(State(api): State<Api>) -> Response<Body> {
    let overview = api.overview.borrow().clone();
    json_answer(StatusCode::OK, &overview.to_json(SystemTime::now()))
}

/// `POST /api/modules/{id}/{verb}`: a form with a field `arg` per argument, or JSON `{"args":[…]}`.
///
/// A form posted by a person going somewhere is answered with the page it came from, anything else with JSON.
async fn call(
    State(api): State<Api>,
    Path((id, verb)): Path<(String, String)>,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let module = api.modules.iter().find(|module| module.id().0 == id);
    let spec = module.and_then(|module| module.verbs().iter().find(|spec| spec.name == verb));
    let (Some(module), Some(spec)) = (module, spec) else {
        return No::NotFound.answer(&headers);
    };
    if module.needs_proof(&verb) && !is_proved_lately(request.extensions()) {
        return No::OldProof.answer(&headers);
    }
    let by = request
        .extensions()
        .get::<Caller>()
        .map_or_else(|| "a script".to_owned(), |caller| caller.session.clone());
    let verb = match arguments(request).await {
        Ok(args) => Verb::with(&verb, args),
        Err(refusal) => return refusal,
    };
    tracing::info!(target: "audit", event = "verb", module = id, verb = verb.name, by, "a module was asked to act");
    let outcome = match fits(spec, &verb) {
        Ok(()) => module.call(verb).await,
        Err(error) => Err(error),
    };
    if wants_page(&headers) {
        page(outcome, &headers)
    } else {
        reply(outcome)
    }
}

/// Whether whoever asks has proved lately who they are.
pub(crate) fn is_proved_lately(extensions: &Extensions) -> bool {
    extensions
        .get::<Caller>()
        .is_some_and(|caller| caller.is_proved_lately())
}

fn fits(spec: &VerbSpec, verb: &Verb) -> Result<(), ActError> {
    if spec.takes(verb.args.len()) {
        return Ok(());
    }
    Err(ActError::Usage(format!(
        "`{}` takes these arguments: {}",
        spec.name,
        spec.args.join(", ")
    )))
}

async fn arguments(request: Request<Body>) -> Result<Vec<String>, Response<Body>> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|kind| kind.as_bytes().to_vec());
    let body = axum::body::to_bytes(request.into_body(), FORM_BYTES_MAX).await;
    let bytes = body.map_err(|_too_large| No::TooLarge.json())?;
    match kind {
        None if bytes.is_empty() => Ok(Vec::new()),
        Some(kind) if kind.starts_with(b"application/x-www-form-urlencoded") => {
            let fields = url::form_urlencoded::parse(&bytes);
            Ok(fields
                .filter(|(name, _)| name == "arg")
                .map(|(_, value)| value.into_owned())
                .collect())
        }
        Some(kind) if kind.starts_with(b"application/json") => {
            let body: Value = serde_json::from_slice(&bytes).map_err(|_no_json| No::Malformed.json())?;
            let args = body.get("args").cloned().unwrap_or(json!([]));
            serde_json::from_value(args).map_err(|_no_texts| No::Malformed.json())
        }
        Some(_) | None => Err(No::NotJson.json()),
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    origin::is_navigation(headers) && !origin::accepts(headers, "application/json")
}

fn reply(outcome: Result<Reply, ActError>) -> Response<Body> {
    match outcome {
        Ok(reply) => {
            let value = serde_json::to_value(&reply).unwrap_or(Value::Null);
            json_answer(StatusCode::OK, &json!({"reply": value}))
        }
        Err(error) => {
            let (status, code) = kind(&error);
            json_answer(
                status,
                &json!({"error": {"code": code, "message": error.to_string()}}),
            )
        }
    }
}

fn kind(error: &ActError) -> (StatusCode, &'static str) {
    match error {
        ActError::Usage(_) => (StatusCode::UNPROCESSABLE_ENTITY, "usage"),
        ActError::Failed(_) => (StatusCode::CONFLICT, "failed"),
        ActError::NeedsUser(_) => (StatusCode::CONFLICT, "needs_user"),
    }
}

fn page(outcome: Result<Reply, ActError>, headers: &HeaderMap) -> Response<Body> {
    let back = referer_path(headers);
    match outcome {
        Ok(_) => answer::see(&back),
        Err(error) => {
            let content = html! {
                h1 { "That did not work" }
                p { (error) }
                p { a href=(back) { "Back" } }
            };
            answer::page_with(kind(&error).0, web::bare("That did not work", content))
        }
    }
}

/// The path of the page the form stood on; its origin was checked already.
fn referer_path(headers: &HeaderMap) -> String {
    let referer = headers
        .get(header::REFERER)
        .and_then(|referer| referer.to_str().ok());
    let path = referer
        .and_then(|referer| referer.parse::<Uri>().ok())
        .and_then(|uri| uri.path_and_query().map(|path| path.as_str().to_owned()));
    path.filter(|path| path::is_own_page(path))
        .unwrap_or("/dashboard".to_owned())
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    answer::typed(status, "application/json", value.to_string())
}
