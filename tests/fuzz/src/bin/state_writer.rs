//! Replaces a state file: `state-writer PATH LETTER [ROUNDS]` writes a few pages of LETTER, then of the next one, and so on.

use std::{path::Path, process::ExitCode};

/// More than a page, so that a torn write would show.
const BYTES: usize = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(path), Some(letter)) = (
        arguments.first(),
        arguments.get(1).and_then(|word| word.bytes().next()),
    ) else {
        return ExitCode::from(2);
    };
    let rounds: u32 = arguments.get(2).and_then(|count| count.parse().ok()).unwrap_or(1);
    for round in 0..rounds {
        let content = vec![b'a' + (letter - b'a' + u8::try_from(round % 26).unwrap_or(0)) % 26; BYTES];
        if kit::files::replace(Path::new(path), &content).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
