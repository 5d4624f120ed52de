//! The person's own browser.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

/// How long the opener may take to say that it cannot.
const OPENER_WAIT: Duration = Duration::from_secs(3);

/// Opens an address or file with what the system uses for it.
pub(super) async fn open(target: &str) -> io::Result<()> {
    let mut last = io::Error::other("no browser was found");
    for mut command in openers(target) {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match start(command).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn start(mut command: Command) -> io::Result<()> {
    let mut child = command.spawn()?;
    match tokio::time::timeout(OPENER_WAIT, child.wait()).await {
        Ok(Ok(status)) if !status.success() => Err(io::Error::other("no browser was found")),
        // Some openers stay as long as the browser; the runtime reaps them.
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(error),
    }
}

/// What is tried in turn. Everything below the agent ends with it, which a browser must not: where there is a user
/// manager, it starts the browser.
#[cfg(target_os = "linux")]
fn openers(target: &str) -> Vec<Command> {
    let mut outside = Command::new("systemd-run");
    outside.args(["--user", "--quiet", "--collect"]);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"] {
        outside.args(["-E", name]);
    }
    outside.args(["--", "xdg-open", target]);
    let mut inside = Command::new("xdg-open");
    inside.arg(target).process_group(0);
    vec![outside, inside]
}

#[cfg(target_os = "macos")]
fn openers(target: &str) -> Vec<Command> {
    let mut command = Command::new("open");
    command.arg(target);
    vec![command]
}

#[cfg(windows)]
fn openers(target: &str) -> Vec<Command> {
    let mut command = Command::new("rundll32");
    command.arg("url.dll,FileProtocolHandler").arg(target);
    vec![command]
}

/// A file that leads a browser to the page that enters with a ticket. The ticket stands in no argument of a process;
/// the file is for its owner only and gone when this is dropped.
///
/// It navigates and does not post: a browser says `Origin: null` for a form in a file, which the gateway refuses as it
/// does every page that is not its own. The address is used up by the button of the page it leads to.
pub(super) struct Entry(tempfile::TempPath);

impl Entry {
    /// Writes the file into `run`. `url` is the gateway's address.
    pub(super) fn write(run: &Path, url: &str, ticket: &str) -> io::Result<Self> {
        let mut file = tempfile::Builder::new()
            .prefix("enter-")
            .suffix(".html")
            .tempfile_in(run)?;
        file.write_all(page(url, ticket).as_bytes())?;
        Ok(Self(file.into_temp_path()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.0.to_path_buf()
    }
}

fn page(url: &str, ticket: &str) -> String {
    let (url, ticket) = (escape(url), escape(ticket));
    // The button is for browsers that do not follow by themselves; it asks for the same address.
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}/enter?ticket={ticket}\"><title>OpenCode Nexus</title>\
         <form method=\"get\" action=\"{url}/enter\"><input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">\
         <button>Open OpenCode Nexus</button></form>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_file_with_a_ticket_is_private_and_short_lived() {
        use std::os::unix::fs::PermissionsExt;
        let run = tempfile::tempdir().unwrap();

        let entry = Entry::write(run.path(), "http://127.0.0.1:1", "a\"b").unwrap();
        let path = entry.path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        drop(entry);

        assert!(text.contains(r#"value="a&quot;b""#), "{text}");
        assert_eq!(mode, 0o600);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_leads_to_the_page_that_enters_without_a_post_or_a_script() {
        let text = page("http://127.0.0.1:1", "abc\"><script>");

        assert!(
            text.contains("http-equiv=\"refresh\" content=\"0;url=http://127.0.0.1:1/enter?ticket=abc&quot;>&lt;script>\""),
            "{text}"
        );
        assert!(
            text.contains("<form method=\"get\" action=\"http://127.0.0.1:1/enter\">"),
            "{text}"
        );
        assert!(!text.contains("<script") && !text.contains("post"), "{text}");
    }
}
