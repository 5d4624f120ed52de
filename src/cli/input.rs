//! Passwords and tokens: from stdin or a prompt, never from arguments, which anybody on the machine can read.

use std::io::{self, BufRead, Read};

use kit::Secret;
use zeroize::Zeroizing;

use super::print;
use crate::control::{Code, Failure};

/// Longer input is no secret but a mistake.
const BYTES_MAX: u64 = 64 * 1024;

/// Reads one line; asks for it with `question` when a person is there.
pub(super) fn secret(question: &str) -> Result<Secret, Failure> {
    let failed = |error: io::Error| Failure::failed(format!("The input could not be read: {error}."));
    if print::is_interactive() {
        return rpassword::prompt_password(question)
            .map(Secret::new)
            .map_err(failed);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(BYTES_MAX)
        .read_line(&mut line)
        .map_err(failed)?;
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::new(Code::Usage, "Nothing was read from standard input."));
    }
    Ok(Secret::new(text.to_owned()))
}
