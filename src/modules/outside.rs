//! What has to be settled before anybody comes in from outside, and what is done for whoever has.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chat::ChatSettings;
use gateway::AccessSettings;
use kit::{ActError, Context, Module, settings::Problem};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tunnel::{Mode, TunnelSettings};

use crate::cli;

/// Where teams of Cloudflare Access are.
const ACCESS_HOSTS: &str = ".cloudflareaccess.com";
/// Longest wait for their keys.
const ACCESS_PATIENCE: Duration = Duration::from_secs(10);
/// Longest list of keys; it has some thousand bytes.
const ACCESS_BYTES_MAX: usize = 256 * 1024;

/// Gets the keys of a team of Cloudflare Access.
pub(super) async fn access_keys(url: String) -> Result<https::Bytes, String> {
    let hosts = https::Hosts {
        known: vec![ACCESS_HOSTS.to_owned()],
        patience: ACCESS_PATIENCE,
    };
    let fetcher = tokio::task::spawn_blocking(|| https::Fetcher::new(hosts)).await;
    let fetcher = fetcher.map_err(|error| error.to_string())?;
    let fetcher = fetcher.map_err(|error| error.to_string())?;
    let text = fetcher.text(&url, ACCESS_BYTES_MAX).await;
    text.map_err(|error| error.to_string())
}

/// How long the way from outside may take.
const REACH_PATIENCE: Duration = Duration::from_secs(15);
/// For tests alone: the loopback address of what stands in for the public side.
const TEST_PUBLIC: &str = "NEXUS_TEST_PUBLIC";

/// Asks the public name for what everybody gets, as somebody outside would.
pub(super) async fn reached(host: String) -> Result<(), String> {
    let answer = match test_public() {
        Some(address) => plainly(address, &host).await,
        None => over_tls(host).await,
    };
    match answer.as_deref() {
        Ok(b"ok") => Ok(()),
        Ok(_) => Err("something else answers there".to_owned()),
        Err(why) => Err(why.clone()),
    }
}

async fn over_tls(host: String) -> Result<Vec<u8>, String> {
    let url = format!("https://{host}/healthz");
    let hosts = https::Hosts {
        known: vec![host],
        patience: REACH_PATIENCE,
    };
    let fetcher = tokio::task::spawn_blocking(|| https::Fetcher::new(hosts)).await;
    let fetcher = fetcher.map_err(|error| error.to_string())?;
    let fetcher = fetcher.map_err(|error| error.to_string())?;
    match fetcher.text(&url, 64).await {
        Ok(text) => Ok(text.to_vec()),
        Err(https::FetchError::Status { status, .. }) => {
            Err(format!("it answers with status {}", status.as_u16()))
        }
        Err(https::FetchError::Foreign(_)) => {
            Err("something stands in front of it that leads elsewhere".to_owned())
        }
        Err(
            https::FetchError::Unreached { .. }
            | https::FetchError::Silent(_)
            | https::FetchError::Nonsense(_)
            | https::FetchError::Tls(_)
            | https::FetchError::Address(_)
            | https::FetchError::Loop,
        ) => Err("the name is not known yet, or does not answer".to_owned()),
    }
}

/// Only what is on this machine itself.
fn test_public() -> Option<SocketAddr> {
    let address: SocketAddr = std::env::var(TEST_PUBLIC).ok()?.parse().ok()?;
    address.ip().is_loopback().then_some(address)
}

async fn plainly(address: SocketAddr, host: &str) -> Result<Vec<u8>, String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = asking.await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer);
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.as_bytes().to_vec()),
        _ => Err("the name is not known yet, or does not answer".to_owned()),
    }
}

/// Whoever opens this machine to the outside has to have said which folders are seen there, and what opencode asks
/// permission for.
pub(super) fn decisions(cx: &Context) -> tunnel::Decisions {
    let settings = Arc::clone(&cx.settings);
    let (access, tunnel) = (
        settings.section::<AccessSettings>(),
        settings.section::<TunnelSettings>(),
    );
    let chat = settings.section::<ChatSettings>();
    let missing = move || {
        if let Some(reason) = unreadable(&settings.problems()) {
            return Some(reason);
        }
        let chosen = tunnel.get().chosen();
        let table = chosen.table();
        if access.get().is_asked_for() && chosen.mode == Mode::Quick {
            return Some(format!(
                "Cloudflare Access cannot stand in front of a quick tunnel, so nobody could come in. Empty `access.team` and \
                 `access.audience`, or choose another `{table}.mode`."
            ));
        }
        if chosen.mode == Mode::Manual && chosen.public_host.is_empty() {
            return Some(format!(
                "Your own cloudflared is answered under one name only: `nexus settings set {table}.public_host \
                 nexus.example.com`, with the name it leads here."
            ));
        }
        let all = settings.list();
        let is_chosen = |section: &str, key: &str| {
            all.iter()
                .any(|entry| entry.section == section && entry.field.key == key && entry.is_set)
        };
        // A list without a folder names none.
        if chat.get().projects.is_empty() || !is_chosen("chat", "projects") {
            return Some(
                "Name first the folders that may be seen from outside, with all that is below them: `nexus settings set \
                 chat.projects '[\"/path/of/a/project\"]'`."
                    .to_owned(),
            );
        }
        (!is_chosen(opencode::ID, "ask")).then(|| {
            "Choose first what opencode asks permission for: `nexus settings set opencode.ask commands_and_edits` has it ask \
             before every command and change, `as_configured` leaves it to its own configuration."
                .to_owned()
        })
    };
    tunnel::Decisions {
        missing: Arc::new(missing),
        revision: cx.settings.edits(),
    }
}

/// What is asked of visitors stands in the settings: where that cannot be read, less might be asked than was meant.
fn unreadable(problems: &[Problem]) -> Option<String> {
    let matters = |problem: &&Problem| match problem {
        Problem::BadSection { key, .. } => key.split('.').next() == Some("access"),
        Problem::Corrupt { .. } | Problem::Unreadable(_) => true,
    };
    problems.iter().find(matters).map(cli::settings::explain)
}

/// Asks something of one of `modules`.
pub(super) fn call(modules: Vec<Arc<dyn Module>>) -> notices::Call {
    Arc::new(move |id, verb| {
        let module = modules.iter().find(|module| module.id() == id).cloned();
        Box::pin(async move {
            match module {
                Some(module) => module.call(verb).await,
                None => Err(ActError::unknown_verb(&verb)),
            }
        })
    })
}
