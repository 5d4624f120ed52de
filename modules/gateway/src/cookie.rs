//! The session cookie: how it is written and how it is found again.

use axum::http::{HeaderMap, header};
use kit::Listener;

use crate::session::LIFE;

/// Values of our name that are looked at.
pub const VALUES_MAX: usize = 4;

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

    /// The values under this name, the first [`VALUES_MAX`] of them. Cookies ignore ports and have no owner: another
    /// program on this machine can set one of the same name beside ours, and which one comes first says nothing.
    pub fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let lines = headers.get_all(header::COOKIE).into_iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let values = pairs.filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let is_ours = spaceless(&pair[..equals]) == self.name.as_bytes();
            // No value of ours is anything but ASCII; one that is must not hide ours.
            let value = spaceless(&pair[equals + 1..]);
            std::str::from_utf8(value).ok().filter(|_| is_ours)
        });
        values.take(VALUES_MAX)
    }
}

fn spaceless(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn values(lines: &[&'static [u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        let name = CookieName::new(Listener::Local, "ab12");
        name.values(&headers).map(str::to_owned).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let none: [&str; 0] = [];

        assert_eq!(values(&[b"nexus-ab12=x"]), ["x"]);
        assert_eq!(values(&[b"a=b;  nexus-ab12 = x ;c=d", b"e=f"]), ["x"]);
        assert_eq!(values(&[b"nexus-ab12=x=y; =nexus-ab12=z"]), ["x=y"]);
        assert_eq!(values(&[]), none);
        assert_eq!(
            values(&[b"nexus-ab12", b"Nexus-ab12=x", b"nexus-ab1=x", b"xnexus-ab12=x"]),
            none
        );
    }

    #[test]
    fn what_others_set_beside_it_does_not_hide_it() {
        assert_eq!(values(&[b"nexus-ab12=x; nexus-ab12=y"]), ["x", "y"]);
        assert_eq!(values(&[b"nexus-ab12=x", b"nexus-ab12=x"]), ["x", "x"]);
        assert_eq!(values(&[b"nexus-ab12=\xff; a=\xe9; nexus-ab12=y"]), ["y"]);
        let many: &[u8] = b"nexus-ab12=1;nexus-ab12=2;nexus-ab12=3;nexus-ab12=4;nexus-ab12=5";
        assert_eq!(values(&[many]), ["1", "2", "3", "4"]);
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
