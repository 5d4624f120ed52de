//! What has to be settled before anybody comes in from outside, and what is done for whoever has.

use std::{sync::Arc, time::Duration};

use gateway::AccessSettings;
use kit::{ActError, Context, Module, settings::Problem};
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

/// Whoever opens this machine to the outside has to have said which folders are seen there, and what opencode asks
/// permission for.
pub(super) fn decisions(cx: &Context) -> tunnel::Decisions {
    let settings = Arc::clone(&cx.settings);
    let (access, tunnel) = (
        settings.section::<AccessSettings>(),
        settings.section::<TunnelSettings>(),
    );
    let missing = move || {
        if let Some(reason) = unreadable(&settings.problems()) {
            return Some(reason);
        }
        if access.get().is_asked_for() && tunnel.get().chosen().mode == Mode::Quick {
            return Some(
                "Cloudflare Access cannot stand in front of a quick tunnel, so nobody could come in. Empty `access.team` and \
                 `access.audience`, or choose another `tunnel.mode`."
                    .to_owned(),
            );
        }
        let all = settings.list();
        let is_chosen = |section: &str, key: &str| {
            all.iter()
                .any(|entry| entry.section == section && entry.field.key == key && entry.is_set)
        };
        if !is_chosen("chat", "projects") {
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
