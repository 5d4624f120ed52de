//! Which names this machine's door answers to.

use axum::http::{HeaderMap, header};

/// The allow-list of one listener: every value of `Host` it answers to, port included.
///
/// It is what stands between a name somebody points at 127.0.0.1 and the browser's cookie, so it is asked before
/// anything else, the login included. `localhost` is not on it: browsers try `[::1]` first for that name, and there
/// any other user of this machine may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    names: Vec<String>,
    /// They are those under which the guard is tried from within, and nobody else's.
    is_trial: bool,
}

impl Hosts {
    /// 127.0.0.1 with `port`, and with each of `extra_ports` (a forwarded port of another machine).
    pub fn local(port: u16, extra_ports: &[u16]) -> Self {
        let ports = std::iter::once(&port).chain(extra_ports);
        Self {
            // Browsers leave out the port that goes without saying.
            names: ports
                .map(|port| match port {
                    80 => "127.0.0.1".to_owned(),
                    port => format!("127.0.0.1:{port}"),
                })
                .collect(),
            is_trial: false,
        }
    }

    /// The public `names`, as they arrive through Cloudflare: without a port.
    pub fn public(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
            is_trial: false,
        }
    }

    /// The one `name` under which the guard is tried.
    pub(crate) fn trial(name: String) -> Self {
        Self {
            names: vec![name],
            is_trial: true,
        }
    }

    pub(crate) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The one `Host` of a request if it is on the list.
    pub fn admitted<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut given = headers.get_all(header::HOST).iter();
        let (host, None) = (given.next()?.to_str().ok()?, given.next()) else {
            return None;
        };
        self.names.iter().any(|name| name == host).then_some(host)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_address_that_is_listened_on_with_the_right_port_is_admitted() {
        let hosts = Hosts::local(4100, &[8080]);
        let admits = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            hosts.admitted(&headers).is_some()
        };

        for host in ["127.0.0.1:4100", "127.0.0.1:8080"] {
            assert!(admits(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:4100",
            "127.0.0.1",
            "localhost",
            "localhost:4100",
            "LOCALHOST:4100",
            "localhost:8080",
            "127.0.0.2:4100",
            "127.0.0.1:4101",
            "localhost.evil.example:4100",
            "127.0.0.1:4100.",
            "localhost.:4100",
            "2130706433:4100",
            "[::1]:4100",
            "0.0.0.0:4100",
            "",
            "u@127.0.0.1:4100",
        ] {
            assert!(!admits(host), "{host}");
        }
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Hosts::local(1, &[]).admitted(&headers), None);
        headers.append(header::HOST, HeaderValue::from_static("127.0.0.1:1"));
        headers.append(header::HOST, HeaderValue::from_static("127.0.0.1:1"));
        assert_eq!(Hosts::local(1, &[]).admitted(&headers), None);
    }
}
