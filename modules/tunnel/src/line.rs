//! One line of cloudflared's log, taken apart.

use serde::Deserialize;

/// A line in either of its formats; the last line before it fails is bare text in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without level, time and fields.
    pub(crate) message: String,
    /// The field `error`, if there is one.
    pub(crate) error: Option<String>,
}

#[derive(Deserialize)]
struct Json {
    message: String,
    error: Option<String>,
}

const LEVELS: [&str; 5] = ["DBG", "INF", "WRN", "ERR", "FTL"];

impl Line {
    /// Whether it is part of a log, in either format.
    pub(crate) fn is_logged(text: &str) -> bool {
        let text = text.trim();
        after_level(text).is_some() || serde_json::from_str::<Json>(text).is_ok()
    }

    /// Never fails: what is in no format is a message.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.starts_with('{')
            && let Ok(Json { message, error }) = serde_json::from_str(text)
        {
            return Self { message, error };
        }
        let Some(rest) = after_level(text) else {
            return Self {
                message: text.to_owned(),
                error: None,
            };
        };
        let error = field(rest, "error");
        let message = match first_field(rest) {
            Some(at) => rest[..at].trim_end(),
            None => rest,
        };
        Self {
            message: message.to_owned(),
            error,
        }
    }

    /// Message and error in one, for looking for words.
    pub(crate) fn whole(&self) -> String {
        match &self.error {
            Some(error) => format!("{} {error}", self.message),
            None => self.message.clone(),
        }
    }
}

/// What follows `2026-11-21T02:10:21Z INF `.
fn after_level(text: &str) -> Option<&str> {
    let (time, rest) = text.split_once(' ')?;
    let (level, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_time = time.len() >= 20 && time.as_bytes().get(10) == Some(&b'T') && time.ends_with('Z');
    (is_time && LEVELS.contains(&level)).then_some(rest)
}

/// Where the first ` key=` stands.
fn first_field(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find('=') {
        let equals = from + found;
        let start = text[..equals].rfind(' ').map_or(0, |space| space + 1);
        let key = &text[start..equals];
        if !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Some(start);
        }
        from = equals + 1;
    }
    None
}

/// The value of `key=value` or `key="quoted value"`.
fn field(text: &str, key: &str) -> Option<String> {
    let mark = format!("{key}=");
    let at = text
        .match_indices(&mark)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || text.as_bytes()[at - 1] == b' ')?;
    let value = &text[at + mark.len()..];
    if !value.starts_with('"') {
        return Some(value.split(' ').next().unwrap_or_default().to_owned());
    }
    // Quoted as Go does, which JSON reads but for a few escapes of bytes.
    let mut stream = serde_json::Deserializer::from_str(value).into_iter::<String>();
    match stream.next() {
        Some(Ok(value)) => Some(value),
        Some(Err(_)) | None => Some(value.trim_matches('"').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, error: Option<&str>) -> Line {
        Line {
            message: message.to_owned(),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let cases = [
            (
                "2026-11-21T02:10:21Z INF Registered tunnel connection connIndex=0 event=0 ip=198.41.192.7 location=lhr01 \
                 protocol=quic",
                line("Registered tunnel connection", None),
            ),
            (
                r#"{"connIndex":0,"level":"info","message":"Registered tunnel connection","protocol":"http2","time":"x"}"#,
                line("Registered tunnel connection", None),
            ),
            (
                r#"2026-11-21T02:10:21Z ERR Register tunnel error from server side error="Unauthorized: Invalid tunnel secret" connIndex=0"#,
                line(
                    "Register tunnel error from server side",
                    Some("Unauthorized: Invalid tunnel secret"),
                ),
            ),
            (
                r#"2026-11-21T02:10:21Z ERR  error="Unable to reach \"it\"" connIndex=1"#,
                line("", Some(r#"Unable to reach "it""#)),
            ),
            (
                "Provided Tunnel token is not valid.",
                line("Provided Tunnel token is not valid.", None),
            ),
            (
                "2026-11-21T02:10:21Z INF |  https://a-b.trycloudflare.com  |",
                line("|  https://a-b.trycloudflare.com  |", None),
            ),
            ("", line("", None)),
            ("{broken", line("{broken", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(Line::parse(text), expected, "{text}");
            let has_format = text.starts_with("2026") || text.starts_with("{\"");
            assert_eq!(Line::is_logged(text), has_format, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_strange(text in "\\PC*", quoted in "[\"\\\\ =a-zé]*") {
            Line::parse(&text);
            Line::parse(&format!("2026-11-21T02:10:21Z ERR {quoted} error={quoted}"));
        }
    }
}
