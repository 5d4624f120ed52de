//! What may pass to opencode, by method and path. Everything else does not exist here, whatever a newer opencode adds.

use std::fmt::Write;

use axum::http::{Method, uri::PathAndQuery};

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// The method.
    pub method: Method,
    /// Opencode's own path; `{id}` stands for one segment of letters, digits, `_` and `-`.
    pub template: &'static str,
    /// Names of query parameters that are passed on; others are dropped.
    pub query: &'static [&'static str],
    /// How it is answered.
    pub kind: Kind,
}

impl Listed {
    /// Whether it answers what opencode asked its user.
    pub(super) fn is_reply(&self) -> bool {
        self.template.ends_with("/reply") || self.template.ends_with("/reject")
    }
}

/// How a listed request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Passed on.
    Plain,
    /// Passed on; the answer comes when a turn of the model is done.
    Turn,
    /// Passed on; keys are taken out of the answer.
    Providers,
    /// Answered from the agent's own reader of the event stream.
    Events,
}

/// Longest id.
const ID_BYTES_MAX: usize = 128;

/// Longest project folder.
const DIRECTORY_BYTES_MAX: usize = 4096;

const DIRECTORY: &[&str] = &["directory"];

const fn line(method: Method, template: &'static str, query: &'static [&'static str]) -> Listed {
    Listed {
        method,
        template,
        query,
        kind: Kind::Plain,
    }
}

const fn special(
    method: Method,
    template: &'static str,
    query: &'static [&'static str],
    kind: Kind,
) -> Listed {
    Listed {
        method,
        template,
        query,
        kind,
    }
}

/// The list.
pub static LIST: &[Listed] = &[
    line(Method::GET, "/global/health", &[]),
    special(Method::GET, "/global/event", &[], Kind::Events),
    line(
        Method::GET,
        "/session",
        &["directory", "scope", "path", "roots", "start", "search", "limit"],
    ),
    line(Method::POST, "/session", DIRECTORY),
    line(Method::GET, "/session/status", DIRECTORY),
    line(Method::GET, "/session/{id}", DIRECTORY),
    line(Method::PATCH, "/session/{id}", DIRECTORY),
    line(Method::DELETE, "/session/{id}", DIRECTORY),
    line(Method::GET, "/session/{id}/children", DIRECTORY),
    line(Method::GET, "/session/{id}/todo", DIRECTORY),
    line(Method::GET, "/session/{id}/diff", &["directory", "messageID"]),
    line(
        Method::GET,
        "/session/{id}/message",
        &["directory", "limit", "before"],
    ),
    special(Method::POST, "/session/{id}/message", DIRECTORY, Kind::Turn),
    line(Method::GET, "/session/{id}/message/{id}", DIRECTORY),
    line(Method::POST, "/session/{id}/prompt_async", DIRECTORY),
    line(Method::POST, "/session/{id}/abort", DIRECTORY),
    line(Method::GET, "/permission", DIRECTORY),
    line(Method::POST, "/permission/{id}/reply", DIRECTORY),
    line(Method::GET, "/question", DIRECTORY),
    line(Method::POST, "/question/{id}/reply", DIRECTORY),
    line(Method::POST, "/question/{id}/reject", DIRECTORY),
    special(Method::GET, "/config/providers", DIRECTORY, Kind::Providers),
    line(Method::GET, "/agent", DIRECTORY),
    line(Method::GET, "/command", DIRECTORY),
    line(
        Method::GET,
        "/find/file",
        &["directory", "query", "dirs", "type", "limit"],
    ),
    line(Method::GET, "/file", &["directory", "path"]),
    line(Method::GET, "/file/content", &["directory", "path"]),
];

/// Why a request is not on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// No line has this path.
    Path,
    /// Lines have it, with other methods.
    Method,
}

/// The line for a request.
///
/// # Errors
/// [`Unlisted`].
pub fn find(method: &Method, path: &str) -> Result<&'static Listed, Unlisted> {
    let mut unlisted = Unlisted::Path;
    for listed in LIST {
        if matches(listed.template, path) {
            if listed.method == *method {
                return Ok(listed);
            }
            unlisted = Unlisted::Method;
        }
    }
    Err(unlisted)
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{id}"), Some(segment)) if is_id(segment) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Ids have no character that any program would decode. Words of the list itself are never taken for ids.
fn is_id(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !segment.is_empty()
        && segment.len() <= ID_BYTES_MAX
        && segment != "status"
        && segment.bytes().all(is_plain)
}

/// What is asked of opencode: the path as it was matched, and the listed parameters of the query. `None` when a
/// parameter makes no sense, e.g. a project folder that is no absolute path.
pub fn target(listed: &Listed, path: &str, query: Option<&str>) -> Option<PathAndQuery> {
    let mut target = path.to_owned();
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in pairs {
        let Some(name) = listed.query.iter().find(|known| **known == name) else {
            continue;
        };
        // Of two values one program takes the first and another the last.
        let is_twice = seen.contains(name);
        if is_twice || *name == "directory" && !is_directory(&value) {
            return None;
        }
        seen.push(name);
        let separator = if seen.len() == 1 { '?' } else { '&' };
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        write!(target, "{separator}{name}={value}").ok()?;
    }
    PathAndQuery::try_from(target).ok()
}

fn is_directory(value: &str) -> bool {
    value.len() <= DIRECTORY_BYTES_MAX
        && std::path::Path::new(value).is_absolute()
        && !value.contains(['\0', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, path: &str, query: &str) -> Option<String> {
        let listed = find(method, path).unwrap();
        target(listed, path, Some(query)).map(|target| target.to_string())
    }

    #[test]
    fn only_listed_parameters_pass_and_only_once() {
        let get = |query| asked(&Method::GET, "/session", query);

        assert_eq!(
            get("limit=5&auth_token=eA&directory=/home/u").as_deref(),
            Some("/session?limit=5&directory=%2Fhome%2Fu")
        );
        assert_eq!(
            get("auth%5Ftoken=eA&Limit=5&token=x&session=y").as_deref(),
            Some("/session")
        );
        assert_eq!(
            get("search=a%26auth_token%3Dx").as_deref(),
            Some("/session?search=a%26auth_token%3Dx")
        );
        assert_eq!(get("limit=5&limit=6"), None);
        assert_eq!(get("directory=http://evil.example/"), None);
        assert_eq!(get("directory=relative"), None);
        assert_eq!(get("directory=/a%0Ab"), None);
    }

    #[test]
    fn a_path_is_listed_as_it_is_written_or_not_at_all() {
        let kind = |method: Method, path| find(&method, path).map(|listed| listed.template);

        assert_eq!(kind(Method::GET, "/session/ses_1"), Ok("/session/{id}"));
        assert_eq!(kind(Method::GET, "/session/status"), Ok("/session/status"));
        assert_eq!(kind(Method::DELETE, "/session/status"), Err(Unlisted::Method));
        assert_eq!(kind(Method::GET, "/session/ses%5F1"), Err(Unlisted::Path));
        assert_eq!(kind(Method::GET, "/session/a.b"), Err(Unlisted::Path));
        assert_eq!(kind(Method::GET, "/session/ses_1/"), Err(Unlisted::Path));
        assert_eq!(kind(Method::GET, "/Session"), Err(Unlisted::Path));
        assert_eq!(kind(Method::POST, "/session/ses_1/shell"), Err(Unlisted::Path));
        assert_eq!(kind(Method::POST, "/pty"), Err(Unlisted::Path));
        assert_eq!(kind(Method::PATCH, "/config"), Err(Unlisted::Path));
        assert_eq!(kind(Method::GET, "/session/ses_1/abort"), Err(Unlisted::Method));
    }
}
