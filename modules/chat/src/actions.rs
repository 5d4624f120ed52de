//! Routes: pages by GET, everything that changes something by POST.

mod answer;
mod choices;
mod pages;
mod requests;
mod send;
mod sessions;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

pub use answer::{Refusal, answer};

use crate::{desk::Desk, reach};

/// Largest message with its attachments, held whole. They arrive as base64, a third larger than the 7 MiB of files that
/// the page lets through.
const SEND_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Everything else is a few words.
const FORM_BYTES_MAX: usize = 512 * 1024;

/// All routes of the chat, without the `/chat` before them.
pub fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route(
            "/new",
            post(send::new).layer(DefaultBodyLimit::max(SEND_BYTES_MAX)),
        )
        .route(
            "/{id}/send",
            post(send::send).layer(DefaultBodyLimit::max(SEND_BYTES_MAX)),
        )
        .route("/", get(pages::home))
        .route("/drafts", post(send::draft))
        .route("/revive", post(sessions::revive))
        .route("/new/menus", get(choices::menus))
        .route("/{id}", get(pages::talk))
        .route("/{id}/stop", post(sessions::stop))
        .route("/{id}/continue", post(sessions::go_on))
        .route("/{id}/earlier", post(sessions::earlier))
        .route("/{id}/rename", post(sessions::rename))
        .route("/{id}/pin", post(sessions::pin))
        .route("/{id}/archive", post(sessions::archive))
        .route("/{id}/unarchive", post(sessions::unarchive))
        .route("/{id}/compact", post(sessions::compact))
        .route("/{id}/delete", post(sessions::delete))
        .route("/{id}/undelete", post(sessions::undelete))
        .route(
            "/{id}/permission/{request}",
            get(requests::read).post(requests::permission),
        )
        .route("/{id}/question/{request}", post(requests::question))
        .route("/{id}/find", get(choices::find))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), reach::guard))
        .with_state(desk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_lets_through_fits_and_the_texts_say_the_same() {
        let script = include_str!("../../web/assets/script/composer.js");
        let files_bytes: usize = 7 * 1024 * 1024;

        assert!(script.contains("const FILES_BYTES_MAX = 7 * 1024 * 1024;"));
        assert!(script.contains("files may have 7 MiB together"));
        assert!(include_str!("actions/send.rs").contains("attachments may have 7 MiB together"));
        // In base64, beside a long text and the names.
        assert!(files_bytes.div_ceil(3) * 4 + FORM_BYTES_MAX <= SEND_BYTES_MAX);
    }
}
