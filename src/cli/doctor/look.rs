//! The looks themselves.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use gateway::{GatewaySettings, credential::Credential};
use kit::{Secrets, SecretsError, settings::Problem, text::sentence};
use serde_json::Value;

use store::Store;

use super::{Finding, Verdict};
use crate::{
    cli::{Cx, offline, settings, wait_for},
    control::{Client, Failure, Request},
    desktop::{notices, tray_host},
};

/// A gateway of ours answers in a few milliseconds.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

pub(super) fn at_everything(cx: &Cx) -> Result<Vec<Finding>, Failure> {
    if let Err(error) = cx.dirs.create() {
        let text = sentence(&format!("{:#}", anyhow::Error::from(error)));
        return Ok(vec![Finding::new("folders", Verdict::NeedsUser, text)]);
    }
    let context = offline::context_to_look(cx);
    let mut client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    let status = match &mut client {
        Some(client) => Some(client.ask(&Request::Status)?),
        None => None,
    };
    let mut findings = vec![
        Finding::new(
            "folders",
            Verdict::Well,
            format!(
                "Settings in {}, data in {}.",
                cx.dirs.config.display(),
                cx.dirs.state.display()
            ),
        ),
        settings_file(&context),
        password(cx),
        agent(status.as_ref()),
        gateway(&context, status.as_ref()),
    ];
    findings.extend(status.as_ref().map(remote_access));
    findings.extend(audit_log(cx));
    if status.is_none() {
        findings.push(leftovers(cx));
    }
    findings.extend(wait_for(async {
        let keyring = keyring(&*context.secrets, &context).await;
        let mut found = crate::modules::doctor(&context, status.is_some()).await;
        found.push(keyring);
        found.push(second_factor(&context).await);
        found.extend(desktop().await);
        found
    })?);
    Ok(findings)
}

/// Whether the way in from outside is as its owner wants it.
fn remote_access(status: &Value) -> Finding {
    let tunnel = &status["modules"]["tunnel"];
    let (state, reason) = (&tunnel["state"], tunnel["reason"].as_str().unwrap_or_default());
    let verdict = match state.as_str().unwrap_or_default() {
        "off" | "connected" | "starting" | "stopping" => Verdict::Well,
        "blocked" | "needs_action" => Verdict::NeedsUser,
        _ => Verdict::Lacking,
    };
    let words = match (tunnel["public_url"].as_str(), state.as_str()) {
        (Some(url), _) => format!("On, at {url}."),
        (None, Some("off")) => "Off.".to_owned(),
        (None, state) => format!(
            "{}.",
            kit::text::capital(&state.unwrap_or("unknown").replace('_', " "))
        ),
    };
    Finding::new("remote access", verdict, format!("{words} {reason}").trim_end())
}

/// Whether what was written of what was done is as it was written; nothing while there is none.
fn audit_log(cx: &Cx) -> Option<Finding> {
    let about = "audit log";
    let path = cx.dirs.database();
    path.try_exists().ok().filter(|exists| *exists)?;
    let checked = Store::look(&path).and_then(|store| gateway::audit::verify(&store));
    Some(match checked {
        Ok(Ok(whole)) => Finding::new(
            about,
            Verdict::Well,
            format!("{} lines, each as it was written.", whole.lines),
        ),
        Ok(Err(broken)) => Finding::new(about, Verdict::NeedsUser, gateway::audit::damage(&broken)),
        Err(error) => Finding::new(
            about,
            Verdict::Lacking,
            sentence(&format!("{:#}", anyhow::Error::from(error))),
        ),
    })
}

/// What an agent that was killed, monitor and all, has left running.
fn leftovers(cx: &Cx) -> Finding {
    let about = "leftovers";
    match supervisor::leftovers(&cx.dirs.run) {
        Ok(left) if left.is_empty() => {
            Finding::new(about, Verdict::Well, "Nothing of an earlier agent runs.")
        }
        Ok(left) => {
            let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
            Finding::new(
                about,
                Verdict::Lacking,
                format!(
                    "An earlier agent was killed and left {} running (process {}). The next start ends that; nothing else \
                     is touched.",
                    if left.len() == 1 { "a process" } else { "processes" },
                    pids.join(", ")
                ),
            )
        }
        Err(error) => Finding::new(about, Verdict::Lacking, sentence(&error.to_string())),
    }
}

fn settings_file(context: &kit::Context) -> Finding {
    let problems = context.settings.problems();
    if problems.is_empty() {
        let text = format!("{} is as it should be.", context.settings.path().display());
        return Finding::new("settings", Verdict::Well, text);
    }
    let explain = |problem: &Problem| match problem {
        Problem::Corrupt { fault, kept: None } => format!(
            "{} cannot be understood ({fault}). Mend that line; otherwise the next start keeps the file under another \
             name and uses the defaults.",
            context.settings.path().display()
        ),
        Problem::Corrupt { kept: Some(_), .. } | Problem::Unreadable(_) | Problem::BadSection { .. } => {
            settings::explain(problem)
        }
    };
    let texts: Vec<String> = problems.iter().map(explain).collect();
    Finding::new("settings", Verdict::NeedsUser, texts.join(" "))
}

fn password(cx: &Cx) -> Finding {
    if Credential::at(&cx.dirs.config).is_set() {
        return Finding::new("password", Verdict::Well, "A password is set.");
    }
    Finding::new(
        "password",
        Verdict::NeedsUser,
        "No password is set yet. Set one with `nexus password set`, or let one be made with `nexus password generate`.",
    )
}

fn agent(status: Option<&Value>) -> Finding {
    match status {
        None => Finding::new(
            "agent",
            Verdict::Lacking,
            "No agent is running. `nexus` starts one.",
        ),
        Some(status) => Finding::new(
            "agent",
            Verdict::Well,
            format!(
                "Version {} runs as process {}.",
                text(&status["agent"]["version"]),
                status["agent"]["pid"]
            ),
        ),
    }
}

/// A running gateway has to answer; without one its port, if one is chosen, has to be free.
fn gateway(context: &kit::Context, status: Option<&Value>) -> Finding {
    let about = "gateway";
    if let Some(status) = status {
        let url = status["gateway"]["local_url"].as_str().unwrap_or_default();
        return match answers(url) {
            true => Finding::new(about, Verdict::Well, format!("It answers at {url}.")),
            false => Finding::new(
                about,
                Verdict::NeedsUser,
                format!(
                    "It does not answer. {}",
                    status["modules"]["gateway"]["reason"]
                        .as_str()
                        .unwrap_or("`nexus logs` may say why.")
                ),
            ),
        };
    }
    let port = context.settings.section::<GatewaySettings>().get().port;
    match port {
        0 => Finding::new(about, Verdict::Well, "A free port is chosen at the start."),
        port if TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).is_ok() => {
            Finding::new(about, Verdict::Well, format!("Port {port} is free."))
        }
        port => Finding::new(
            about,
            Verdict::NeedsUser,
            format!(
                "Port {port} is taken by another program. End it, or choose another with `nexus settings set gateway.port 0`."
            ),
        ),
    }
}

fn answers(url: &str) -> bool {
    let Some(address) = url
        .strip_prefix("http://")
        .and_then(|address| address.parse::<SocketAddr>().ok())
    else {
        return false;
    };
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

async fn keyring(secrets: &dyn Secrets, context: &kit::Context) -> Finding {
    let about = "keyring";
    let uses_file = context
        .settings
        .section::<crate::secrets::SecretsSettings>()
        .get()
        .file;
    match secrets.names().await {
        Ok(_) if uses_file => Finding::new(
            about,
            Verdict::Lacking,
            "Secrets are kept in a file that only you can read, as the settings say. A keyring would be safer.",
        ),
        Ok(names) => Finding::new(
            about,
            Verdict::Well,
            format!("It answers and holds {} secrets.", names.len()),
        ),
        // Only parts that keep a secret need it; there is none as long as remote access is off.
        Err(SecretsError::Missing) => Finding::new(
            about,
            Verdict::Lacking,
            sentence(&SecretsError::Missing.to_string()),
        ),
        Err(error) => Finding::new(about, Verdict::Lacking, sentence(&error.to_string())),
    }
}

async fn second_factor(context: &kit::Context) -> Finding {
    let about = "second factor";
    match gateway::look_at_second_factor(&context.dirs.config, Arc::clone(&context.secrets)).await {
        Ok(Some(recovery_left)) => Finding::new(
            about,
            Verdict::Well,
            format!("Logging in from outside asks for a code; {recovery_left} recovery codes are left."),
        ),
        Ok(None) => Finding::new(
            about,
            Verdict::Well,
            "None: logging in from outside takes the password alone. `nexus devices totp on` sets one up.",
        ),
        Err(error) => Finding::new(
            about,
            Verdict::NeedsUser,
            format!("Nobody can log in from outside: {error}."),
        ),
    }
}

async fn desktop() -> Vec<Finding> {
    let has_display = cfg!(not(target_os = "linux"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
    let display = if has_display {
        Finding::new("display", Verdict::Well, "There is one to show windows on.")
    } else {
        Finding::new(
            "display",
            Verdict::Lacking,
            "There is none: run headless and use a browser.",
        )
    };
    let tray = match tray_host::look().await {
        tray_host::TrayHost::Present => Finding::new("tray", Verdict::Well, "The desktop shows tray icons."),
        tray_host::TrayHost::NoBus => Finding::new(
            "tray",
            Verdict::Lacking,
            "There is no session bus, so there is no tray icon.",
        ),
        tray_host::TrayHost::Absent | tray_host::TrayHost::Unknown => Finding::new(
            "tray",
            Verdict::Lacking,
            "The desktop shows no tray icons. `nexus` opens the window; on GNOME an extension adds a tray.",
        ),
    };
    let bubbles = match notices::name().await {
        Some(name) => Finding::new("notices", Verdict::Well, format!("{name} shows them.")),
        None => Finding::new(
            "notices",
            Verdict::Lacking,
            "Nothing on this desktop shows notices; they are in the log.",
        ),
    };
    vec![display, tray, bubbles]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}
