//! What cloudflared serves, as it says itself. Pure.
//!
//! The owner of the Cloudflare account can change from outside what a token's tunnel leads to, while it runs: to
//! opencode's port, to ssh. So what it says is read, and anything but the gateway's own port ends the tunnel.

use serde::Deserialize;

/// The answer of `/config`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Served {
    #[serde(default)]
    config: Config,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Config {
    #[serde(default)]
    ingress: Option<Vec<Rule>>,
    #[serde(default, rename = "warp-routing")]
    warp_routing: Option<WarpRouting>,
}

/// Opens the whole private network of the machine to the account's WARP clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct WarpRouting {
    #[serde(default, rename = "enabled")]
    is_enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Rule {
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    service: String,
}

impl Served {
    /// The first target that is not the gateway's port, if there is one.
    pub(crate) fn foreign(&self, origin_port: u16) -> Option<&str> {
        if self
            .config
            .warp_routing
            .as_ref()
            .is_some_and(|warp| warp.is_enabled)
        {
            return Some("this machine's private network (warp-routing)");
        }
        let ours = ours(origin_port);
        self.rules()
            .iter()
            .map(|rule| rule.service.trim_end_matches('/'))
            .find(|service| *service != ours && !is_answer(service))
    }

    /// The public names that lead to the gateway's port.
    pub(crate) fn hosts(&self, origin_port: u16) -> Vec<String> {
        let ours = ours(origin_port);
        self.rules()
            .iter()
            .filter(|rule| rule.service.trim_end_matches('/') == ours)
            .filter_map(|rule| rule.hostname.as_deref())
            .map(str::to_ascii_lowercase)
            .filter(|host| crate::settings::is_host(host))
            .collect()
    }

    fn rules(&self) -> &[Rule] {
        self.config.ingress.as_deref().unwrap_or_default()
    }
}

/// The gateway's port, as a number: `localhost` may mean `[::1]`, where somebody else can listen.
fn ours(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// `http_status:404` leads nowhere.
fn is_answer(service: &str) -> bool {
    service
        .strip_prefix("http_status:")
        .is_some_and(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(rules: &str) -> Served {
        serde_json::from_str(&format!(
            r#"{{"version":1,"config":{{"ingress":{rules},"warp-routing":{{}}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn our_port_and_answers_are_all_that_may_be_served() {
        let fine = served(
            r#"[{"hostname":"Nexus.example.com","path":null,"service":"http://127.0.0.1:4100"},
                {"hostname":"b.example.com","service":"http://127.0.0.1:4100/"},
                {"hostname":"","service":"http_status:404"}]"#,
        );
        assert_eq!(fine.foreign(4100), None);
        assert_eq!(fine.hosts(4100), ["nexus.example.com", "b.example.com"]);
        for service in [
            "http://127.0.0.1:4096",
            "http://127.0.0.1:41000",
            "http://localhost:4100",
            "http://127.0.0.1:4100@evil.example",
            "https://127.0.0.1:4100",
            "ssh://127.0.0.1:22",
            "tcp://127.0.0.1:4100",
            "unix:/run/docker.sock",
            "hello_world",
            "bastion",
            "socks-proxy",
            "http_status:404 ",
            "",
        ] {
            let pushed = served(&format!(
                r#"[{{"hostname":"a.example.com","service":{}}},{{"service":"http_status:404"}}]"#,
                serde_json::json!(service)
            ));
            assert_eq!(pushed.foreign(4100), Some(service), "{service}");
        }
    }

    #[test]
    fn the_private_network_is_foreign() {
        let served: Served = serde_json::from_str(r#"{"config":{"warp-routing":{"enabled":true}}}"#).unwrap();
        assert!(served.foreign(4100).unwrap().contains("private network"));
    }

    #[test]
    fn nothing_served_is_nothing_foreign() {
        for text in [
            r#"{}"#,
            r#"{"version":-1,"config":{}}"#,
            r#"{"config":{"ingress":null}}"#,
        ] {
            let served: Served = serde_json::from_str(text).unwrap();
            assert_eq!(served.foreign(4100), None, "{text}");
            assert!(served.hosts(4100).is_empty());
        }
    }
}
