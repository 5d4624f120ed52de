//! What the desktop reads at login.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::LoginEntry;
#[cfg(not(target_os = "linux"))]
pub use other::LoginEntry;

/// What the agent is started with at login: no window.
const ARGS: [&str; 2] = ["run", "--background"];

/// Why the entry could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The system refused.
    #[error("could not {what} the login entry {place}")]
    Refused {
        /// `"read"`, `"write"` or `"remove"`.
        what: &'static str,
        /// The file or key.
        place: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The program's path cannot stand in an entry.
    #[error(
        "the path {0} cannot be written into a login entry: move the program to a folder with a plain name"
    )]
    Path(String),
    /// There is no place for entries.
    #[error("no folder for login entries is known: set HOME")]
    NoFolder,
    /// This system's entries cannot carry an environment.
    #[error("launch at login works without NEXUS_HOME only on this system")]
    Portable,
}
