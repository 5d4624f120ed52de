//! Which origin a request belongs to.

use regex::Regex;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Ingress {
    pub(crate) rules: Vec<Rule>,
    /// −1 when local, from 0 when pushed.
    pub(crate) version: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) hostname: String,
    pub(crate) path: Option<Regex>,
    pub(crate) service: Service,
    /// As it was written, e.g. `"http://127.0.0.1:8080"`.
    pub(crate) named: String,
    pub(crate) host_header: Option<String>,
    /// As it was written.
    origin_request: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Service {
    /// `host:port`
    Tcp(String),
    Unix(String),
    Status(u16),
    Hello,
    /// Taken without complaint and not played.
    Other,
}

impl Ingress {
    /// No rule at all: every visitor gets 503.
    pub(crate) fn none() -> Self {
        Self {
            rules: Vec::new(),
            version: -1,
        }
    }

    /// Everything to one origin.
    ///
    /// # Errors
    /// The text the program ends with.
    pub(crate) fn single(url: &str, host_header: Option<&str>) -> Result<Self, String> {
        let url = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let parsed =
            url::Url::parse(&url).map_err(|error| format!("Error validating origin URL: {error}"))?;
        if !["http", "https", "ws", "wss", "tcp", "ssh", "rdp", "smb"].contains(&parsed.scheme()) {
            return Err(format!(
                "Error validating origin URL: Currently Cloudflare Tunnel does not support {} protocol.",
                parsed.scheme()
            ));
        }
        let named = format!("{}://{}", parsed.scheme(), authority(&parsed));
        let request = host_header.map_or_else(|| json!({}), |host| json!({"httpHostHeader": host}));
        let rule = rule(0, 1, &json!({"service": named, "originRequest": request}))?;
        Ok(Self {
            rules: vec![rule],
            version: -1,
        })
    }

    /// Rules from a file or from a push.
    ///
    /// # Errors
    /// The text cloudflared has for the first fault.
    pub(crate) fn parse(rules: &[Value], version: i64) -> Result<Self, String> {
        let rules: Result<Vec<Rule>, String> = rules
            .iter()
            .enumerate()
            .map(|(at, value)| rule(at, rules.len(), value))
            .collect();
        Ok(Self {
            rules: rules?,
            version,
        })
    }

    /// The first rule that matches, with its place.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<(usize, &Rule)> {
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches(host, path))
    }

    /// As `/config` gives it.
    pub(crate) fn shown(&self) -> Value {
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "hostname": rule.hostname,
                    "path": rule.path.as_ref().map(Regex::as_str),
                    "service": rule.named,
                    "Handlers": null,
                    "originRequest": rule.origin_request,
                })
            })
            .collect();
        json!({
            "version": self.version,
            "config": {
                "ingress": rules,
                "warp-routing": {},
                "originRequest": {"connectTimeout": 30, "tlsTimeout": 10, "tcpKeepAlive": 30, "keepAliveTimeout": 90},
            },
        })
    }
}

impl Rule {
    fn matches(&self, host: &str, path: &str) -> bool {
        let is_host = match self.hostname.as_str() {
            "" | "*" => true,
            pattern => pattern
                .strip_prefix('*')
                .map_or(pattern == host, |suffix| host.ends_with(suffix)),
        };
        is_host && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
    }
}

fn rule(at: usize, count: usize, value: &Value) -> Result<Rule, String> {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let (hostname, path, named) = (text("hostname"), text("path"), text("service"));
    if hostname.contains(':') {
        return Err("Hostname cannot contain a port".to_owned());
    }
    if hostname.get(1..).is_some_and(|rest| rest.contains('*'))
        || hostname.starts_with('*') && !is_wildcard(hostname)
    {
        return Err(
            "Hostname patterns can have at most one wildcard character (\"*\") and it can only be used for \
                    subdomains, e.g. \"*.example.com\""
                .to_owned(),
        );
    }
    let takes_all = ["", "*"].contains(&hostname) && path.is_empty();
    if at + 1 == count && !takes_all {
        return Err(
            "The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)"
                .to_owned(),
        );
    }
    if at + 1 < count && takes_all {
        let number = at + 1;
        return Err(format!(
            "Rule #{number} is matching the hostname '{hostname}', but this will match every hostname, meaning the \
             rules which follow it will never be triggered."
        ));
    }
    let pattern = (!path.is_empty()).then(|| Regex::new(path)).transpose();
    let pattern = pattern.map_err(|error| {
        let last = error.to_string();
        format!(
            "Rule #{} has an invalid regex: {}",
            at + 1,
            last.lines().last().unwrap_or_default()
        )
    })?;
    Ok(Rule {
        hostname: hostname.to_owned(),
        path: pattern,
        service: service(named)?,
        named: named.to_owned(),
        host_header: value["originRequest"]["httpHostHeader"]
            .as_str()
            .map(str::to_owned),
        origin_request: value.get("originRequest").cloned().unwrap_or_else(|| json!({})),
    })
}

fn is_wildcard(hostname: &str) -> bool {
    hostname == "*" || hostname.starts_with("*.")
}

fn service(named: &str) -> Result<Service, String> {
    if let Some(status) = named.strip_prefix("http_status:") {
        let number = status.parse().ok().filter(|number| (100..=999).contains(number));
        return number
            .map(Service::Status)
            .ok_or_else(|| format!("invalid HTTP status code: {status}"));
    }
    if let Some(path) = named.strip_prefix("unix:") {
        return Ok(Service::Unix(path.to_owned()));
    }
    match named {
        "hello_world" | "hello-world" => return Ok(Service::Hello),
        "bastion" | "socks-proxy" => return Ok(Service::Other),
        _ => {}
    }
    let no_address =
        || format!("{named} is an invalid address, please make sure it has a scheme and a hostname");
    let url = url::Url::parse(named).map_err(|_| no_address())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(no_address());
    }
    if !["", "/"].contains(&url.path()) || named.ends_with('/') {
        return Err(format!(
            "{named} is an invalid address, ingress rules don't support proxying to a different path on the origin \
             service. The path will be the same as the eyeball request's path"
        ));
    }
    Ok(match url.scheme() {
        "http" | "ws" => Service::Tcp(format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or(80)
        )),
        _ => Service::Other,
    })
}

fn authority(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_to_the_first_rule_that_matches() {
        let rules = json!([
            {"hostname": "app.example.com", "path": "^/api", "service": "http://127.0.0.1:1"},
            {"hostname": "*.example.com", "service": "http://localhost:2"},
            {"service": "http_status:404"},
        ]);
        let ingress = Ingress::parse(rules.as_array().unwrap(), 3).unwrap();
        let named = |host, path| ingress.find(host, path).unwrap().1.named.clone();

        assert_eq!(named("app.example.com", "/api/x"), "http://127.0.0.1:1");
        assert_eq!(named("app.example.com", "/"), "http://localhost:2");
        assert_eq!(named("elsewhere.test", "/"), "http_status:404");
        assert_eq!(ingress.shown()["version"], 3);
    }

    #[test]
    fn faults_are_told_in_the_real_words() {
        for (rules, words) in [
            (
                json!([{"hostname": "a.test", "service": "http://a:1"}]),
                "The last ingress rule must match all URLs",
            ),
            (
                json!([{"hostname": "*", "service": "http://a:1"}, {"service": "http_status:404"}]),
                "Rule #1 is matching the hostname '*'",
            ),
            (
                json!([{"hostname": "a.test:1", "service": "http://a:1"}]),
                "Hostname cannot contain a port",
            ),
            (
                json!([{"hostname": "a.*.test", "service": "http://a:1"}]),
                "Hostname patterns can have at most one",
            ),
            (
                json!([{"service": "localhost:7890"}]),
                "localhost:7890 is an invalid address, please make sure",
            ),
            (
                json!([{"service": "http://127.0.0.1:1/app"}]),
                "http://127.0.0.1:1/app is an invalid address, ingress",
            ),
            (
                json!([{"path": "(", "service": "http://a:1"}, {"service": "http_status:404"}]),
                "Rule #1 has an invalid",
            ),
            (
                json!([{"service": "http_status:99999"}]),
                "invalid HTTP status code: 99999",
            ),
        ] {
            let fault = Ingress::parse(rules.as_array().unwrap(), -1).unwrap_err();
            assert!(fault.starts_with(words), "{rules}: {fault}");
        }
    }

    #[test]
    fn an_origin_is_reduced_to_what_is_reached() {
        assert_eq!(
            Ingress::single("127.0.0.1:8080", None).unwrap().rules[0].named,
            "http://127.0.0.1:8080"
        );
        assert_eq!(
            Ingress::single("http://127.0.0.1:8080/x", None).unwrap().rules[0].named,
            "http://127.0.0.1:8080"
        );
        let fault = Ingress::single("ftp://x", None).unwrap_err();
        assert_eq!(
            fault,
            "Error validating origin URL: Currently Cloudflare Tunnel does not support ftp protocol."
        );
    }
}
