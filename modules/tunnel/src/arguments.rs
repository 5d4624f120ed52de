//! The command line of cloudflared. Pure.
//!
//! Its flags count only where they stand: those of `tunnel` before `run`, those of `run` after it (2026.8.2); a flag in
//! the wrong place is a usage error, which ends it with exit code 0.

use std::{ffi::OsString, path::Path};

use crate::settings::Mode;

/// Flags a person may add, and whether a value follows. None of them leads anywhere else than to Cloudflare, opens a
/// port, reads a file or makes requests part of the log.
const ALLOWED: &[(&str, bool)] = &[
    ("--protocol", true),
    ("--edge-ip-version", true),
    ("--edge-bind-address", true),
    ("--region", true),
    ("--retries", true),
    ("--label", true),
    ("--post-quantum", false),
];

/// What cloudflared is told at one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start<'a> {
    pub(crate) mode: Mode,
    /// Our own configuration: without one cloudflared takes whatever lies in the usual places, and an `ingress` there
    /// beats the address given here.
    pub(crate) config: &'a Path,
    /// Where the gateway listens for it.
    pub(crate) origin_port: u16,
    /// Where it is to answer questions about itself.
    pub(crate) metrics_port: u16,
    pub(crate) extra: &'a [String],
}

/// The arguments of one start. Never a token: anybody can read arguments.
pub(crate) fn arguments(start: &Start<'_>) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["tunnel".into(), "--config".into(), start.config.into()];
    args.extend([
        // With piped output it would replace itself and exit with 11 once a day.
        "--no-autoupdate".into(),
        "--metrics".into(),
        format!("127.0.0.1:{}", start.metrics_port).into(),
        // Requests in flight get no longer than our own patience with it.
        "--grace-period".into(),
        "1s".into(),
    ]);
    args.extend(start.extra.iter().map(OsString::from));
    match start.mode {
        Mode::Quick => args.extend([
            "--url".into(),
            format!("http://127.0.0.1:{}", start.origin_port).into(),
        ]),
        Mode::Token | Mode::Local => args.push("run".into()),
        Mode::Manual => {}
    }
    args
}

/// Whether all of `extra` may be added.
pub(crate) fn check(extra: &[String]) -> Result<(), String> {
    let refuse = |argument: &str| {
        let names: Vec<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
        Err(format!(
            "cannot hold {argument:?}; allowed are {}",
            names.join(", ")
        ))
    };
    let mut rest = extra.iter();
    while let Some(argument) = rest.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        let Some((_, takes_value)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
            return refuse(argument);
        };
        let value = match (takes_value, value) {
            (true, None) => rest.next().map(String::as_str),
            (_, value) => value,
        };
        match (takes_value, value) {
            (true, Some(value)) if is_plain(value) => {}
            (true, None) => return Err(format!("has no value after {name}")),
            (true, Some(_)) => return refuse(argument),
            (false, None) => {}
            (false, Some("true" | "false")) => {}
            (false, Some(_)) => return refuse(argument),
        }
    }
    Ok(())
}

/// A value that is no flag, no path and no address with a scheme.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.starts_with('-')
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'='))
}

/// The configuration file of one start: says all that is to be served, so that nothing else can.
///
/// Of a quick tunnel it has to be empty of rules, because its address is given as an argument and rules would beat it.
pub(crate) fn config(
    mode: Mode,
    origin_port: u16,
    host: &str,
    tunnel_id: &str,
    credentials: &Path,
) -> serde_json::Value {
    match mode {
        Mode::Quick | Mode::Token | Mode::Manual => serde_json::json!({}),
        Mode::Local => serde_json::json!({
            "tunnel": tunnel_id,
            "credentials-file": credentials,
            "ingress": [
                {"hostname": host, "service": format!("http://127.0.0.1:{origin_port}")},
                {"service": "http_status:404"},
            ],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mode: Mode, extra: &[&str]) -> String {
        let extra: Vec<String> = extra.iter().map(|text| (*text).to_owned()).collect();
        let args = arguments(&Start {
            mode,
            config: Path::new("/run/cloudflared.yml"),
            origin_port: 4100,
            metrics_port: 4200,
            extra: &extra,
        });
        let args: Vec<String> = args.into_iter().map(|arg| arg.into_string().unwrap()).collect();
        args.join(" ")
    }

    #[test]
    fn flags_stand_where_they_count() {
        let common =
            "tunnel --config /run/cloudflared.yml --no-autoupdate --metrics 127.0.0.1:4200 --grace-period 1s";
        assert_eq!(
            line(Mode::Quick, &["--protocol", "http2"]),
            format!("{common} --protocol http2 --url http://127.0.0.1:4100")
        );
        assert_eq!(line(Mode::Token, &[]), format!("{common} run"));
        assert_eq!(
            line(Mode::Local, &["--region=us"]),
            format!("{common} --region=us run")
        );
    }

    #[test]
    fn only_what_changes_the_way_to_cloudflare_may_be_added() {
        let check = |extra: &[&str]| {
            let extra: Vec<String> = extra.iter().map(|text| (*text).to_owned()).collect();
            check(&extra)
        };
        for fine in [
            &[][..],
            &["--protocol", "http2"],
            &["--protocol=quic", "--post-quantum"],
            &["--edge-bind-address", "fd00::1", "--region", "us"],
        ] {
            assert_eq!(check(fine), Ok(()), "{fine:?}");
        }
        for refused in [
            &["--url", "http://127.0.0.1:4096"][..],
            &["--token", "x"],
            &["--config=/etc/x"],
            &["--logfile=/tmp/x"],
            &["--loglevel", "debug"],
            &["--metrics=0.0.0.0:80"],
            &["--edge", "1.2.3.4:7844"],
            &["--unix-socket=/run/x"],
            &["--hello-world"],
            &["run"],
            &["--protocol"],
            &["--protocol", "--url"],
            &["--protocol", "/etc/passwd"],
            &["--label", "a b"],
            &["--post-quantum=http://x"],
        ] {
            assert!(check(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_local_tunnel_serves_one_name_and_nothing_else() {
        let config = config(
            Mode::Local,
            4100,
            "nexus.example.com",
            "1fad5712-f9f8-4f7b-99b3-98ea7ae98196",
            Path::new("/home/u/c.json"),
        );

        let expected = serde_json::json!([
            {"hostname": "nexus.example.com", "service": "http://127.0.0.1:4100"},
            {"service": "http_status:404"},
        ]);
        assert_eq!(config["ingress"], expected);
    }
}
