//! The table of routes: the gateway's own by name, every module below `/<id>`.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{Request, Response, StatusCode},
    routing::{get, post},
};
use kit::{Module, ModuleId};

use crate::{
    answer::{self, No},
    api::{self, Api},
    assets, audit, begin, devices, enter,
    keys::Keys,
    live::{self, Live},
    login, pair, passkey, password, second,
};

/// Longest body of a request to a page: a prompt with its attachments.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// First segments that are the gateway's own and no module's.
const OWN: [&str; 13] = [
    "login", "enter", "pair", "logout", "live", "api", "devices", "healthz", "assets", "passkeys",
    "password", "sw.js", "offline",
];

/// Builds the table.
///
/// # Errors
/// When a module's id is a name of ours, or two modules have one: a mistake in the wiring.
pub(crate) fn build(
    keys: &Arc<Keys>,
    modules: &[Arc<dyn Module>],
    api: Api,
    live: Live,
) -> anyhow::Result<Router> {
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/assets/{name}", get(assets::serve))
        .route("/sw.js", get(assets::worker))
        .route("/offline", get(assets::offline))
        .route("/login", get(login::show).post(login::submit))
        .route("/login/passkey", post(login::passkey::ask))
        .route("/login/passkey/enter", post(login::passkey::enter))
        .route("/enter", get(enter::show).post(enter::submit))
        .route("/pair", get(pair::show).post(pair::submit))
        .route("/logout", post(logout))
        .route("/passkeys", get(passkey::page::show))
        .route("/passkeys/offer", post(passkey::page::offer))
        .route("/passkeys/add", post(passkey::page::add))
        .route("/passkeys/remove", post(passkey::page::remove))
        .route("/password", post(password::submit))
        .route("/devices", get(devices::show))
        .route("/devices/revoke", post(devices::revoke))
        .route("/devices/outside", post(devices::outside))
        .route("/devices/pair", post(devices::pair))
        .route("/devices/audit", get(audit::page::show))
        .route("/devices/audit/export", get(audit::page::export))
        .route("/devices/second-factor", post(second::page::offer))
        .route("/devices/second-factor/confirm", post(second::page::confirm))
        .route("/devices/second-factor/codes", post(second::page::renew))
        .route("/devices/second-factor/off", post(second::page::switch_off))
        .with_state(Arc::clone(keys))
        .merge(api::routes(api))
        .merge(live::routes(live));
    let mut taken: Vec<ModuleId> = Vec::new();
    for module in modules {
        let id = module.id();
        anyhow::ensure!(
            !OWN.contains(&id.0) && !taken.contains(&id),
            "the name `{id}` is taken"
        );
        taken.push(id);
        router = router.nest(&format!("/{id}"), Arc::clone(module).routes());
    }
    Ok(router
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))
}

async fn healthz() -> Response<Body> {
    answer::typed(StatusCode::OK, "text/plain; charset=utf-8", "ok")
}

async fn nothing(request: Request<Body>) -> Response<Body> {
    No::NotFound.answer(request.headers())
}

async fn other_method(request: Request<Body>) -> Response<Body> {
    No::Method.answer(request.headers())
}

/// `POST /logout`: the session is gone on the server, with its streams.
async fn logout(State(keys): State<Arc<Keys>>, request: Request<Body>) -> Response<Body> {
    let Some(caller) = request.extensions().get::<kit::Caller>() else {
        return No::Session.json();
    };
    if let Err(error) = keys.sessions.end(|session| session.id == caller.session).await {
        tracing::warn!(%error, "an ended session could not be removed from the database");
    }
    tracing::info!(target: "audit", event = "logout", session = caller.session, "a session was ended by its owner");
    begin::with_cookie(answer::see("/login"), &keys.cookie(caller.listener).unset())
}
