//! `config/providers` without what it must not tell: opencode puts the stored keys into it.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::line::Answer;
use crate::answer::{self, No};

/// Longest list of providers that is read; the whole catalogue has about two MiB.
const PROVIDERS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Members that hold keys, or anything a person put there to send along with every request.
const SECRET: [&str; 3] = ["key", "options", "headers"];

/// The same answer with these members gone, at any depth.
pub(super) async fn without_keys(answer: Response<Answer>) -> Response<Body> {
    let whole = Limited::new(answer.into_body(), PROVIDERS_BYTES_MAX)
        .collect()
        .await;
    let Ok(whole) = whole else {
        return No::Unavailable.json();
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&whole.to_bytes()) else {
        return No::Unavailable.json();
    };
    strip(&mut value);
    answer::typed(StatusCode::OK, "application/json", value.to_string())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !SECRET.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_gone_at_any_depth() {
        let mut value = json!({"providers": [{"id": "a", "key": "sk-1", "options": {"apiKey": "sk-2"},
            "models": {"m": {"name": "M", "headers": {"x": "sk-3"}, "options": {}}}}], "default": {"a": "m"}});

        strip(&mut value);

        let expected =
            json!({"providers": [{"id": "a", "models": {"m": {"name": "M"}}}], "default": {"a": "m"}});
        assert_eq!(value, expected);
    }
}
