//! How a story reaches a program that somebody else starts: words in a file beside it, and a file its starts are noted in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

/// The ending of that file, after the program's whole name.
const ENDING: &str = ".script";

/// The file's text: of the program as it was called, which may be a link, and as it really is. Without one, nothing.
///
/// # Errors
/// The system's.
pub fn words_beside_the_program() -> io::Result<String> {
    let called = std::env::args_os().next().map(PathBuf::from);
    let real = std::env::current_exe().ok();
    for program in [called, real].into_iter().flatten() {
        let mut name = program.into_os_string();
        name.push(ENDING);
        let file = Path::new(&name);
        if file.exists() {
            return fs::read_to_string(file);
        }
    }
    Ok(String::new())
}

/// Appends who was started, when and how to `file`: one JSON object a line,
/// `{"pid":7,"at_ms":1764300000000,"args":["tunnel"],"env":{"HOME":"/home/u"}}`.
///
/// # Errors
/// The system's.
pub fn note_start(file: &Path, arguments: &[String]) -> io::Result<()> {
    let env: Map<String, Value> = std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into(),
            )
        })
        .collect();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?;
    let at_ms = u64::try_from(now.as_millis()).map_err(io::Error::other)?;
    let line = json!({"pid": std::process::id(), "at_ms": at_ms, "args": arguments, "env": env});
    let mut file = fs::OpenOptions::new().append(true).create(true).open(file)?;
    io::Write::write_all(&mut file, format!("{line}\n").as_bytes())
}
