//! A server that somebody else runs: watched and used, never started, stopped or restarted.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use kit::{CancellationToken, Secret, SecretsError, Upstream};
use supervisor::Phase;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{Opencode, Run, child::authorization, find::Version, health::Health, settings::OpencodeSettings};

/// The secret that holds its password.
pub(crate) const PASSWORD: &str = "opencode-password";

/// As often as a server of our own.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// So many questions without an answer in a row: it is not answering.
const MISSES_MAX: u32 = 3;

/// Where it stands; `None` while a server is run here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outside {
    pub(crate) phase: Phase,
    pub(crate) run: Option<Run>,
    /// Since when the phase is of its present kind.
    pub(crate) since: SystemTime,
}

impl Outside {
    /// The next standing, which lasts since now unless it is of the same kind.
    fn next(before: Option<&Self>, phase: Phase, run: Option<Run>) -> Self {
        let since = before
            .filter(|before| before.phase.name() == phase.name())
            .map_or_else(SystemTime::now, |before| before.since);
        Self { phase, run, since }
    }
}

/// The address in the setting `external_url`; `None` for an empty one.
///
/// The password goes to it with every request and in the clear, so it has to be on this machine.
pub(crate) fn address(url: &str) -> Result<Option<SocketAddr>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    let refused = || {
        format!(
            "`opencode.external_url` must be the address of a server on this machine, such as http://127.0.0.1:4096, \
             not {url:?}"
        )
    };
    let parsed = reqwest::Url::parse(url).map_err(|_error| refused())?;
    let is_bare = parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.path() == "/"
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    let host = match parsed.host_str() {
        Some("localhost") => Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
        Some(host) => host.trim_matches(['[', ']']).parse().ok(),
        None => None,
    };
    match (parsed.scheme(), host, parsed.port_or_known_default()) {
        ("http", Some(host), Some(port)) if is_bare && host.is_loopback() => {
            Ok(Some(SocketAddr::new(host, port)))
        }
        _ => Err(refused()),
    }
}

/// Keeps `standing` true until `stop`, whatever the setting becomes.
pub(crate) async fn watch(
    module: &Opencode,
    standing: &watch::Sender<Option<Outside>>,
    stop: CancellationToken,
) {
    let mut settings = module.settings.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = async {
            loop {
                let present = settings.get();
                tokio::select! {
                    () = follow(module, present.external(), &present, standing) => {}
                    _ = settings.changed() => {}
                }
            }
        } => {}
    }
}

/// Asks one server for ever.
async fn follow(
    module: &Opencode,
    address: Option<SocketAddr>,
    settings: &OpencodeSettings,
    standing: &watch::Sender<Option<Outside>>,
) {
    let Some(address) = address else {
        standing.send_if_modified(|held| held.take().is_some());
        return std::future::pending().await;
    };
    standing.send_if_modified(|held| {
        let is_new = held.is_none();
        if is_new {
            *held = Some(Outside::next(None, Phase::Starting { is_slow: false }, None));
        }
        is_new
    });
    let mut misses = 0;
    loop {
        let found = look(module, address, settings).await;
        misses = match &found {
            Found::Silent => misses + 1,
            Found::Usable(_) | Found::Refused(_) => 0,
        };
        standing.send_if_modified(|held| {
            let next = judge(found, misses, held.as_ref(), address);
            let is_new = *held != next;
            if is_new {
                *held = next;
            }
            is_new
        });
        sleep(ASK_EVERY).await;
    }
}

/// What one look found.
enum Found {
    Usable(Box<Run>),
    Refused(String),
    Silent,
}

/// What follows from it. A server that merely does not answer for a moment is kept as it was.
fn judge(found: Found, misses: u32, before: Option<&Outside>, address: SocketAddr) -> Option<Outside> {
    let refused = |cause| Phase::NeedsAction {
        cause,
        recheck: Some(ASK_EVERY),
    };
    let (phase, run) = match (found, before) {
        (Found::Usable(run), _) => (Phase::Healthy { pid: 0 }, Some(*run)),
        (Found::Refused(cause), _) => (refused(cause), None),
        (Found::Silent, Some(before)) if before.phase.pid().is_some() && misses < MISSES_MAX => {
            return Some(before.clone());
        }
        (Found::Silent, Some(before)) if before.phase.pid().is_some() => (
            Phase::Unresponsive {
                pid: 0,
                is_long: true,
            },
            before.run.clone(),
        ),
        (Found::Silent, _) => (
            refused(format!(
                "nothing answers at http://{address}, the server you named in `opencode.external_url`: start it there, or \
                 empty the setting to have one run here"
            )),
            None,
        ),
    };
    Some(Outside::next(before, phase, run))
}

async fn look(module: &Opencode, address: SocketAddr, settings: &OpencodeSettings) -> Found {
    let password = match module.secrets.get(PASSWORD).await {
        Ok(Some(password)) => password,
        Ok(None) => {
            return Found::Refused(
                "the password of the server you named is not known: store it with `nexus secret set \
                 opencode-password`"
                    .to_owned(),
            );
        }
        Err(error @ (SecretsError::Locked | SecretsError::Missing | SecretsError::Failed(_))) => {
            return Found::Refused(format!(
                "the password of the server you named cannot be had: {error}"
            ));
        }
    };
    timeout(ANSWER_MAX, ask(address, &password, settings))
        .await
        .unwrap_or(Found::Silent)
}

async fn ask(address: SocketAddr, password: &Secret, settings: &OpencodeSettings) -> Found {
    let Ok(health) = Health::new() else {
        return Found::Silent;
    };
    let upstream = Upstream {
        address,
        authorization: authorization(password),
    };
    // First without: who lets everybody in is nobody to lead others to.
    match health.status_without_password(&upstream).await {
        None => return Found::Silent,
        Some(401) => {}
        Some(status) => {
            return Found::Refused(format!(
                "the server at http://{address} answers without a password (status {status}), so it is not used: start \
                 it with OPENCODE_SERVER_PASSWORD set"
            ));
        }
    }
    let Some(answer) = health.ask(&upstream).await.filter(|answer| answer.is_healthy) else {
        return Found::Refused(format!(
            "the server at http://{address} does not take the password that is stored: store the right one with \
             `nexus secret set opencode-password`"
        ));
    };
    match answer.version.parse::<Version>() {
        Ok(version) if version.is_safe() => Found::Usable(Box::new(Run {
            upstream,
            path: PathBuf::new(),
            version,
            settings: settings.clone(),
            seen: None,
        })),
        Ok(version) => Found::Refused(format!(
            "the server at http://{address} is opencode {version}, which has known holes: update it"
        )),
        Err(_error) => Found::Refused(format!(
            "what answers at http://{address} is not opencode (version {:?})",
            answer.version
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_on_this_machine_can_be_named() {
        let fine = [
            ("http://127.0.0.1:4096", "127.0.0.1:4096"),
            ("http://localhost:4096/", "127.0.0.1:4096"),
            ("http://[::1]:5000", "[::1]:5000"),
        ];
        for (url, expected) in fine {
            assert_eq!(address(url), Ok(Some(expected.parse().unwrap())), "{url}");
        }
        assert_eq!(address(""), Ok(None));
        let refused = [
            "127.0.0.1:4096",
            "https://127.0.0.1:4096",
            "http://10.0.0.1:4096",
            "http://example.com:4096",
            "http://user:pass@127.0.0.1:4096",
            "http://127.0.0.1:4096/path",
            "http://127.0.0.1:4096/?auth_token=x",
            "http://127.0.0.1.example.com:4096",
        ];
        for url in refused {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_moment_of_silence_is_not_held_against_it() {
        let address = "127.0.0.1:4096".parse().unwrap();
        let healthy = Outside::next(None, Phase::Healthy { pid: 0 }, None);

        let once = judge(Found::Silent, 1, Some(&healthy), address);
        let long = judge(Found::Silent, 3, Some(&healthy), address).unwrap();
        let never = judge(Found::Silent, 1, None, address).unwrap();

        assert_eq!(once, Some(healthy));
        assert_eq!(long.phase.name(), "unresponsive");
        assert_eq!(never.phase.name(), "needs_action");
    }
}
