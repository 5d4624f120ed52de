//! Files of a project: `GET /file`, `GET /find/file`, `GET /path`.

use serde::Deserialize;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct FileNode {
    /// E.g. `"main.rs"`.
    pub name: String,
    /// Below the project's folder.
    pub path: String,
    /// In full.
    pub absolute: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Whether the repository ignores it.
    #[serde(rename = "ignored")]
    pub is_ignored: bool,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A folder.
    Directory,
    /// A file, and what this program does not know.
    #[default]
    #[serde(other)]
    File,
}

/// Where a project and the server's files are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Paths {
    /// The user's home folder.
    pub home: String,
    /// The repository's folder, or `/`.
    pub worktree: String,
    /// The folder asked about.
    pub directory: String,
}
