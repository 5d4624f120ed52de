//! Which header fields cross, in either direction. Both lists name what does; nothing else is looked at.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use kit::Upstream;

/// From the client to opencode. Everything about who, where from and where to is ours to say.
pub const TO_SERVER: [HeaderName; 2] = [header::ACCEPT, header::CONTENT_TYPE];

/// From opencode to the client.
pub const TO_CLIENT: [HeaderName; 3] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("x-next-cursor"),
];

/// The client's fields that go on.
pub fn kept(given: &HeaderMap) -> HeaderMap {
    copied(given, &TO_SERVER)
}

/// The fields of the request to opencode: those kept, with its address and the agent's own credential.
pub(crate) fn forwarded(
    given: &HeaderMap,
    upstream: &Upstream,
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let mut fields = kept(given);
    fields.insert(
        header::HOST,
        HeaderValue::from_str(&upstream.address.to_string())?,
    );
    let mut credential = HeaderValue::from_str(upstream.authorization.expose())?;
    credential.set_sensitive(true);
    fields.insert(header::AUTHORIZATION, credential);
    Ok(fields)
}

/// The fields of opencode's answer that go on.
pub fn returned(given: &HeaderMap) -> HeaderMap {
    copied(given, &TO_CLIENT)
}

/// Of a field that stands there twice nothing goes on: programs differ in which one counts.
fn copied(given: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(8);
    for name in names {
        let mut values = given.get_all(name).iter();
        if let (Some(value), None) = (values.next(), values.next()) {
            fields.insert(name.clone(), value.clone());
        }
    }
    fields
}
