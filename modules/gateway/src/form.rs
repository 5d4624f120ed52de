//! Small posted forms.

use axum::{
    body::Body,
    http::{Request, Response, Uri, header},
};
use kit::Secret;
use zeroize::Zeroizing;

use crate::answer::No;

/// Longest form: a password of 128 characters, escaped, and a path.
pub(crate) const FORM_BYTES_MAX: usize = 4 * 1024;

/// A posted form. Its text is overwritten when dropped: it may hold a password.
pub(crate) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    /// Reads the body of `request` before anything costly is done with it.
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Response<Body>> {
        Self::read_most(request, FORM_BYTES_MAX).await
    }

    /// As [`read`](Self::read), for what may have `bytes_max`.
    pub(crate) async fn read_most(request: Request<Body>, bytes_max: usize) -> Result<Self, Response<Body>> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_form =
            kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if !is_form {
            return Err(No::Malformed.json());
        }
        let body = axum::body::to_bytes(request.into_body(), bytes_max).await;
        let bytes = body.map_err(|_too_large| No::TooLarge.json())?;
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The first field called `name`; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> Secret {
        field(&self.0, name)
    }
}

/// The first field called `name` of an address; empty when there is none.
pub(crate) fn queried(uri: &Uri, name: &str) -> Secret {
    field(uri.query().unwrap_or_default().as_bytes(), name)
}

fn field(encoded: &[u8], name: &str) -> Secret {
    let found = url::form_urlencoded::parse(encoded).find(|(field, _)| field == name);
    Secret::new(found.map(|(_, value)| value.into_owned()).unwrap_or_default())
}
