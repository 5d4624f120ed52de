//! The command line, whose flags depend on where they stand.

use std::collections::BTreeMap;

use Kind::{Switch, Value};
use Place::{AfterRun, BeforeRun, Both};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Switch,
    Value,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    BeforeRun,
    AfterRun,
    Both,
}

/// Every flag: name, variable (empty: none), kind, place.
const FLAGS: &[(&str, &str, Kind, Place)] = &[
    ("config", "", Value, BeforeRun),
    ("origincert", "TUNNEL_ORIGIN_CERT", Value, BeforeRun),
    ("metrics", "TUNNEL_METRICS", Value, BeforeRun),
    (
        "metrics-update-freq",
        "TUNNEL_METRICS_UPDATE_FREQ",
        Value,
        BeforeRun,
    ),
    ("no-autoupdate", "NO_AUTOUPDATE", Switch, BeforeRun),
    ("autoupdate-freq", "", Value, BeforeRun),
    ("no-prechecks", "TUNNEL_NO_PRECHECKS", Switch, BeforeRun),
    ("loglevel", "TUNNEL_LOGLEVEL", Value, BeforeRun),
    (
        "transport-loglevel",
        "TUNNEL_TRANSPORT_LOGLEVEL",
        Value,
        BeforeRun,
    ),
    ("logfile", "TUNNEL_LOGFILE", Value, BeforeRun),
    ("log-directory", "TUNNEL_LOGDIRECTORY", Value, BeforeRun),
    ("output", "TUNNEL_LOG_OUTPUT", Value, BeforeRun),
    ("pidfile", "TUNNEL_PIDFILE", Value, BeforeRun),
    ("grace-period", "TUNNEL_GRACE_PERIOD", Value, BeforeRun),
    ("retries", "TUNNEL_RETRIES", Value, BeforeRun),
    ("edge-ip-version", "TUNNEL_EDGE_IP_VERSION", Value, BeforeRun),
    ("edge-bind-address", "TUNNEL_EDGE_BIND_ADDRESS", Value, BeforeRun),
    ("region", "TUNNEL_REGION", Value, BeforeRun),
    ("label", "", Value, BeforeRun),
    ("edge", "TUNNEL_EDGE", Value, BeforeRun),
    ("cacert", "TUNNEL_CACERT", Value, BeforeRun),
    ("quick-service", "", Value, BeforeRun),
    ("api-url", "TUNNEL_API_URL", Value, BeforeRun),
    ("max-edge-addr-retries", "", Value, BeforeRun),
    ("token", "TUNNEL_TOKEN", Value, AfterRun),
    ("token-file", "TUNNEL_TOKEN_FILE", Value, AfterRun),
    ("credentials-contents", "TUNNEL_CRED_CONTENTS", Value, AfterRun),
    ("features", "TUNNEL_FEATURES", Value, AfterRun),
    ("credentials-file", "TUNNEL_CRED_FILE", Value, Both),
    ("protocol", "TUNNEL_TRANSPORT_PROTOCOL", Value, Both),
    ("post-quantum", "TUNNEL_POST_QUANTUM", Switch, Both),
    ("url", "TUNNEL_URL", Value, Both),
    ("hello-world", "TUNNEL_HELLO_WORLD", Switch, Both),
    ("unix-socket", "TUNNEL_UNIX_SOCKET", Value, Both),
    ("http-host-header", "TUNNEL_HTTP_HOST_HEADER", Value, Both),
    ("no-tls-verify", "NO_TLS_VERIFY", Switch, Both),
    ("origin-server-name", "TUNNEL_ORIGIN_SERVER_NAME", Value, Both),
    ("origin-ca-pool", "TUNNEL_ORIGIN_CA_POOL", Value, Both),
    ("http2-origin", "TUNNEL_ORIGIN_ENABLE_HTTP2", Switch, Both),
    ("no-chunked-encoding", "TUNNEL_NO_CHUNKED_ENCODING", Switch, Both),
    ("proxy-connect-timeout", "", Value, Both),
    ("proxy-tls-timeout", "", Value, Both),
    ("proxy-tcp-keepalive", "", Value, Both),
    ("proxy-no-happy-eyeballs", "", Switch, Both),
    ("proxy-keepalive-connections", "", Value, Both),
    ("proxy-keepalive-timeout", "", Value, Both),
];

/// What releases of 2025.1 and before do not know.
const YOUNG: &[&str] = &["no-prechecks", "token-file", "output"];

/// Which releases are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Today,
    Old,
}

/// Values of flags by name; a switch is `"true"` or `"false"`.
pub(crate) type Given = BTreeMap<&'static str, String>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Version {
        is_short: bool,
    },
    /// `tunnel`
    Tunnel(Given),
    /// `tunnel run`, with what stands after it.
    Run(Given, Vec<String>),
    /// `tunnel ready`
    Ready(Given),
    /// `tunnel ingress validate`
    IngressValidate(Given),
    /// `tunnel ingress rule URL`
    IngressRule(Given, String),
    Update,
    /// Printed on standard output; the exit code is 0.
    Usage(String),
}

/// Reads what stands behind the program's name.
pub(crate) fn parse(arguments: &[String], age: Age) -> Call {
    read(arguments, age).unwrap_or_else(|complaint| misuse(&complaint))
}

/// As of a release that does not know `flag` and was given it; `None` when it was not.
pub(crate) fn not_knowing(flag: &str, arguments: &[String]) -> Option<Call> {
    let is_given = arguments.iter().any(|argument| {
        let given = argument.strip_prefix("--").unwrap_or_default();
        given.split('=').next() == Some(flag)
    });
    is_given.then(|| misuse(&format!("flag provided but not defined: -{flag}")))
}

/// The complaint, and below it a page of help that is as long as the real one's.
fn misuse(complaint: &str) -> Call {
    let options: Vec<String> = names().map(|name| format!("   --{name}")).collect();
    Call::Usage(format!(
        "Incorrect Usage: {complaint}\n\n{USAGE}\n\nOPTIONS:\n{}",
        options.join("\n")
    ))
}

fn read(arguments: &[String], age: Age) -> Result<Call, String> {
    if arguments
        .iter()
        .take(1)
        .any(|first| ["--version", "-v", "-V"].contains(&first.as_str()))
    {
        return Ok(Call::Version { is_short: false });
    }
    let mut given = Given::new();
    let rest = take(arguments, age, |place| place != AfterRun, &mut given)?;
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let rest = match words.as_slice() {
        ["version", more @ ..] => {
            return Ok(Call::Version {
                is_short: more.first().is_some_and(|word| ["--short", "-s"].contains(word)),
            });
        }
        ["update", ..] => return Ok(Call::Update),
        ["tunnel", ..] => take(&rest[1..], age, |place| place != AfterRun, &mut given)?,
        _ => return Ok(Call::Usage(USAGE.to_owned())),
    };
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(Call::Tunnel(given)),
        ["run", ..] => {
            let names = take(&rest[1..], age, |place| place != BeforeRun, &mut given)?;
            Ok(Call::Run(given, names.to_vec()))
        }
        ["ready", ..] => Ok(Call::Ready(given)),
        ["ingress", "validate", ..] => Ok(Call::IngressValidate(given)),
        ["ingress", "rule", url, ..] => Ok(Call::IngressRule(given, (*url).to_owned())),
        _ => Ok(Call::Usage(USAGE.to_owned())),
    }
}

/// Takes flags up to the first word that is none, and gives the rest.
fn take<'a>(
    mut arguments: &'a [String],
    age: Age,
    stands: impl Fn(Place) -> bool,
    given: &mut Given,
) -> Result<&'a [String], String> {
    while let [first, rest @ ..] = arguments {
        let Some(flag) = first.strip_prefix("--").or_else(|| first.strip_prefix('-')) else {
            break;
        };
        if flag.is_empty() {
            return Ok(rest);
        }
        let (name, inline) = flag
            .split_once('=')
            .map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let found = FLAGS
            .iter()
            .filter(|_| age == Age::Today || !YOUNG.contains(&name))
            .find(|(known, _, _, place)| *known == name && stands(*place));
        let Some((name, _, kind, _)) = found else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        arguments = rest;
        let value = match (kind, inline) {
            (_, Some(value)) => value,
            (Switch, None) => "true".to_owned(),
            (Value, None) => {
                let Some((value, rest)) = arguments.split_first() else {
                    return Err(format!("flag needs an argument: -{name}"));
                };
                arguments = rest;
                value.clone()
            }
        };
        given.insert(name, value);
    }
    Ok(arguments)
}

/// The variable that stands for a flag.
pub(crate) fn variable(name: &str, age: Age) -> Option<&'static str> {
    FLAGS
        .iter()
        .filter(|_| age == Age::Today || !YOUNG.contains(&name))
        .find(|(known, variable, _, _)| *known == name && !variable.is_empty())
        .map(|(_, variable, _, _)| *variable)
}

/// Names of all flags that can stand in a configuration file.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|(name, _, _, _)| *name)
}

const USAGE: &str = "\
NAME:
   cloudflared - Cloudflare's command-line tool and agent

USAGE:
   cloudflared [global options] [command] [command options]

COMMANDS:
   update     Update the agent if a new version exists
   version    Print the version
   tunnel     Use Cloudflare Tunnel to expose private services to the Internet or to Cloudflare connected private users.
   help, h    Shows a list of commands or help for one command

GLOBAL OPTIONS:
   --help, -h     show help
   --version, -v  print the version";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn call(line: &str, age: Age) -> Call {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, age)
    }

    fn given(pairs: &[(&'static str, &str)]) -> Given {
        pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    }

    #[test]
    fn both_forms_of_a_flag_are_taken() {
        let expected = given(&[
            ("url", "http://127.0.0.1:1"),
            ("no-autoupdate", "true"),
            ("metrics", "127.0.0.1:0"),
        ]);

        for line in [
            "tunnel --no-autoupdate --metrics 127.0.0.1:0 --url http://127.0.0.1:1",
            "tunnel --no-autoupdate=true --metrics=127.0.0.1:0 --url=http://127.0.0.1:1",
            "--no-autoupdate --metrics 127.0.0.1:0 tunnel -url http://127.0.0.1:1",
        ] {
            assert_eq!(call(line, Age::Today), Call::Tunnel(expected.clone()), "{line}");
        }
        assert_eq!(
            call("tunnel --metrics 127.0.0.1:0 run --token-file F x", Age::Today),
            Call::Run(
                given(&[("metrics", "127.0.0.1:0"), ("token-file", "F")]),
                vec!["x".to_owned()]
            )
        );
    }

    #[test]
    fn flags_that_are_unknown_where_they_stand_are_usage_errors() {
        for (line, flag, age) in [
            ("tunnel --nope", "nope", Age::Today),
            ("tunnel run --metrics 127.0.0.1:0", "metrics", Age::Today),
            ("tunnel --token X run", "token", Age::Today),
            ("tunnel --no-prechecks", "no-prechecks", Age::Old),
            ("tunnel --output json", "output", Age::Old),
            ("tunnel run --token-file F", "token-file", Age::Old),
        ] {
            let Call::Usage(text) = call(line, age) else {
                panic!("{line} was taken")
            };
            let expected = format!("Incorrect Usage: flag provided but not defined: -{flag}\n\nNAME:");
            assert!(text.starts_with(&expected), "{text}");
        }
    }

    #[test]
    fn versions_are_asked_for_in_many_ways() {
        for line in ["--version", "-v", "-V", "version"] {
            assert_eq!(
                call(line, Age::Today),
                Call::Version { is_short: false },
                "{line}"
            );
        }
        assert_eq!(
            call("version --short", Age::Today),
            Call::Version { is_short: true }
        );
    }
}
