//! The session cookie: how it is written and how it is found again.

use axum::http::{HeaderMap, header};
use kit::Listener;

use crate::session::LIFE;

/// The name of the cookie on one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName {
    listener: Listener,
    name: String,
}

impl CookieName {
    /// `installation` keeps two agents on one machine apart: cookies ignore ports.
    pub fn new(listener: Listener, installation: &str) -> Self {
        let name = match listener {
            Listener::Local => format!("nexus-{installation}"),
            Listener::Tunnel => format!("__Host-nexus-{installation}"),
        };
        Self { listener, name }
    }

    /// The value of `Set-Cookie` for a new session.
    ///
    /// On the local listener without `Secure`: WebKit drops such a cookie on `http://127.0.0.1`.
    pub(crate) fn set(&self, token: &str) -> String {
        let life = LIFE.as_secs();
        let secure = self.secure();
        format!(
            "{}={token}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}",
            self.name
        )
    }

    /// The value of `Set-Cookie` that makes the browser forget.
    pub(crate) fn unset(&self) -> String {
        format!(
            "{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}",
            self.name,
            self.secure()
        )
    }

    fn secure(&self) -> &'static str {
        match self.listener {
            Listener::Local => "",
            Listener::Tunnel => "; Secure",
        }
    }

    /// The value of the one cookie of this name. Two of them are none: somebody else may have set the other.
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut found = None;
        for line in headers.get_all(header::COOKIE) {
            for pair in line.to_str().ok()?.split(';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                if name.trim_matches(' ') == self.name && found.replace(value.trim_matches(' ')).is_some() {
                    return None;
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn find(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        CookieName::new(Listener::Local, "ab12")
            .find(&headers)
            .map(str::to_owned)
    }

    #[test]
    fn the_cookie_is_found_among_others_and_never_guessed() {
        assert_eq!(find(&["nexus-ab12=x"]).as_deref(), Some("x"));
        assert_eq!(find(&["a=b; nexus-ab12=x;c=d", "e=f"]).as_deref(), Some("x"));
        assert_eq!(find(&[]), None);
        assert_eq!(
            find(&["nexus-ab12", "Nexus-ab12=x", "nexus-ab1=x", "xnexus-ab12=x"]),
            None
        );
        assert_eq!(find(&["nexus-ab12=x; nexus-ab12=y"]), None);
        assert_eq!(find(&["nexus-ab12=x", "nexus-ab12=x"]), None);
    }

    #[test]
    fn the_attributes_are_those_of_the_listener() {
        let local = CookieName::new(Listener::Local, "ab12");
        let tunnel = CookieName::new(Listener::Tunnel, "ab12");

        assert_eq!(
            local.set("t"),
            "nexus-ab12=t; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            tunnel.set("t"),
            "__Host-nexus-ab12=t; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            local.unset(),
            "nexus-ab12=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
