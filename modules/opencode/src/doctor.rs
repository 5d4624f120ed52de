//! What `nexus doctor` says about opencode.

use std::path::PathBuf;

use kit::{Dirs, Setting, SettingsFile};

use crate::{
    child::{Serve, conflict},
    find::FLOOR,
    settings::OpencodeSettings,
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, e.g. `"opencode"`.
    pub topic: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// One sentence; with what to do where that is needed.
    pub text: String,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, and could be better.
    Remark,
    /// A person has to do something.
    NeedsUser,
}

/// Looks for opencode, asks its version, and looks at the port. Starts no server; works without an agent.
///
/// `is_running` says that the agent's server runs now: it then holds the port itself.
///
/// # Errors
/// When the process is out of resources.
pub async fn doctor(settings: &SettingsFile, dirs: &Dirs, is_running: bool) -> anyhow::Result<Vec<Finding>> {
    let section = settings.section::<OpencodeSettings>();
    let versions = dirs.cache.join("opencode-versions.json");
    look(section, dirs.cache.join("opencode"), versions, is_running).await
}

async fn look(
    settings: Setting<OpencodeSettings>,
    folder: PathBuf,
    versions: PathBuf,
    is_running: bool,
) -> anyhow::Result<Vec<Finding>> {
    let port = settings.get().port;
    let program = Serve::new(settings, folder, versions, crate::environment::own())?;
    let mut findings = Vec::new();
    let (verdict, text) = match program.find().await {
        Ok(found) => (
            Verdict::Good,
            format!(
                "opencode {} was found at {} ({FLOOR} or later is needed).",
                found.version,
                found.path.display()
            ),
        ),
        Err(error) => (Verdict::NeedsUser, format!("{error}.")),
    };
    findings.push(Finding {
        topic: "opencode",
        verdict,
        text,
    });
    findings.push(match program.shortcoming() {
        None => Finding {
            topic: "environment",
            verdict: Verdict::Good,
            text: "opencode gets the variables of your login shell.".to_owned(),
        },
        Some(reason) => Finding {
            topic: "environment",
            verdict: Verdict::Remark,
            text: format!(
                "opencode gets the agent's own variables, because {reason}. Keys that are set in your shell's files may be \
                 missing; they can be set with `nexus settings set opencode.env`."
            ),
        },
    });
    findings.push(match conflict(port).filter(|_| port != 0 && !is_running) {
        Some(reason) => Finding {
            topic: "port",
            verdict: Verdict::NeedsUser,
            text: reason,
        },
        None if port == 0 => Finding {
            topic: "port",
            verdict: Verdict::Good,
            text: "opencode gets a free port at each start.".to_owned(),
        },
        None => Finding {
            topic: "port",
            verdict: Verdict::Good,
            text: format!("Port {port} is there for opencode."),
        },
    });
    Ok(findings)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn verdicts(settings: OpencodeSettings, is_running: bool) -> Vec<(&'static str, Verdict)> {
        let folder = tempfile::tempdir().unwrap();
        let versions = folder.path().join("versions");
        let found = look(
            Setting::fixed(settings),
            folder.path().to_owned(),
            versions,
            is_running,
        )
        .await;
        let found = found
            .unwrap()
            .into_iter()
            .filter(|finding| finding.topic != "environment");
        found.map(|finding| (finding.topic, finding.verdict)).collect()
    }

    #[tokio::test]
    async fn a_missing_program_and_a_taken_port_need_the_user() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = OpencodeSettings {
            path: "/nonexistent/opencode".to_owned(),
            port: taken.local_addr().unwrap().port(),
            ..OpencodeSettings::default()
        };

        let found = verdicts(settings.clone(), false).await;
        assert_eq!(
            found,
            [("opencode", Verdict::NeedsUser), ("port", Verdict::NeedsUser)]
        );
        // A server of ours holds its own port.
        assert_eq!(verdicts(settings, true).await[1], ("port", Verdict::Good));
    }

    #[tokio::test]
    async fn a_usable_program_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opencode");
        std::fs::write(&path, "#!/bin/sh\necho 1.18.33\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = OpencodeSettings {
            path: path.to_str().unwrap().to_owned(),
            ..OpencodeSettings::default()
        };

        let found = verdicts(settings, false).await;
        assert_eq!(found, [("opencode", Verdict::Good), ("port", Verdict::Good)]);
    }
}
