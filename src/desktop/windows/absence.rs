//! Why a page has no window.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

/// The library windows are drawn with, as its package is called.
const ENGINE: &str = if cfg!(target_os = "linux") {
    "`libwebkit2gtk-4.1-0`"
} else if cfg!(windows) {
    "the WebView2 runtime"
} else {
    "the system"
};

/// What the system's loader ends a program with whose libraries are missing (ld.so(8), glibc and musl).
#[cfg(unix)]
const LIBRARY_MISSING: i32 = 127;

/// Each is a reason and the next step, to stand after "because": `… is missing: install …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoWindow {
    /// It was not installed, or was removed.
    #[error("{} is missing: install OpenCode Nexus again to have windows", .0.display())]
    Missing(PathBuf),
    /// It is there and cannot be run.
    #[error("{} could not be started ({reason}): install OpenCode Nexus again to have windows", .program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It was loaded without the web engine.
    #[cfg(unix)]
    #[error("the web engine for windows is not installed: install {ENGINE} to have windows")]
    NoEngine,
    /// It ended without having shown anything.
    #[error(
        "the program that shows windows crashed ({0}): try it again, and if it crashes again, update {ENGINE}"
    )]
    Crashed(String),
    /// It said so itself, e.g. for want of a display.
    #[error("{0}: `nexus doctor` tells what is missing")]
    Refused(String),
    /// It said nothing in time.
    #[error("no window came up within {} s: try it again when the machine is less busy", .0.as_secs())]
    Late(Duration),
    /// There is no page to show yet.
    #[error("the program's pages are not served yet: try it again in a moment")]
    NotServed,
    /// Nobody shows windows any more.
    #[error("the agent is ending")]
    Ending,
}

impl NoWindow {
    /// Judges how the process ended before its window came up.
    pub(super) fn after(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if status.code() == Some(LIBRARY_MISSING) {
            return Self::NoEngine;
        }
        Self::Crashed(status.to_string())
    }

    /// What the program said of itself: its first sentence, to stand within another one.
    pub(super) fn refused(reason: &str) -> Self {
        let first = reason.split(". ").next().unwrap_or_default().trim();
        let mut chars = first.trim_end_matches('.').chars();
        let begin: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
        Self::Refused(format!("{begin}{}", chars.as_str()))
    }

    /// The sentence for whoever finds the page in the browser instead.
    pub(crate) fn told(&self) -> String {
        format!("The page is open in your browser, because {self}.")
    }
}

#[cfg(all(test, unix))]
mod tests {
    #[cfg(target_os = "linux")]
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn every_reason_is_one_sentence_with_a_next_step() {
        let check = |why: NoWindow, expected: &str| {
            assert_eq!(
                why.told(),
                format!("The page is open in your browser, because {expected}.")
            );
        };

        check(
            NoWindow::Missing("/opt/nexus-window".into()),
            "/opt/nexus-window is missing: install OpenCode Nexus again to have windows",
        );
        check(
            NoWindow::refused("No display can be reached. The page is elsewhere."),
            "no display can be reached: `nexus doctor` tells what is missing",
        );
        #[cfg(target_os = "linux")]
        {
            check(
                NoWindow::after(ExitStatus::from_raw(127 << 8)),
                "the web engine for windows is not installed: install `libwebkit2gtk-4.1-0` to have windows",
            );
            check(
                NoWindow::after(ExitStatus::from_raw(6)),
                "the program that shows windows crashed (signal: 6 (SIGABRT)): try it again, and if it crashes again, \
                 update `libwebkit2gtk-4.1-0`",
            );
        }
    }
}
