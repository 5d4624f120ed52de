//! Stands where a cloudflared is expected and becomes another one, a real one above all, which it hands what a test has
//! in the place of Cloudflare. The flags for that are hidden ones, and the program under test passes none of them.
//!
//! Words stand in the file beside it, with `.script` after its whole name:
//!
//! | word | what |
//! |---|---|
//! | `program=PATH` | who it becomes |
//! | `quick_service=URL` | handed on as `--quick-service` |
//! | `edge=ADDRESS` | handed on as `--edge` |
//! | `starts=PATH` | notes each start, with the arguments as they came, as the stand-in does |
//!
//! Both flags count before `run` only, so they go right behind `tunnel`. Questions for the version pass as they are.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The exit code for words that make no sense, and for a program that cannot be started.
const NONSENSE: u8 = 70;

#[derive(Default)]
struct Words {
    program: PathBuf,
    starts: Option<PathBuf>,
    quick_service: Option<String>,
    edge: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Err(error) = become_it(arguments);
    // Whoever does not read it sees the exit code.
    let _ = writeln!(io::stderr(), "given-cloudflared: {error}");
    ExitCode::from(NONSENSE)
}

/// Returns only when it fails.
fn become_it(arguments: Vec<String>) -> io::Result<std::convert::Infallible> {
    let words = Words::parse(&fakes::beside::words_beside_the_program()?)?;
    if let Some(starts) = &words.starts {
        fakes::beside::note_start(starts, &arguments)?;
    }
    Err(replaced_by(&words.program, &words.handed_on(arguments)))
}

/// The same process, so that signals, output and exit code are the other one's.
#[cfg(unix)]
fn replaced_by(program: &Path, arguments: &[String]) -> io::Error {
    std::os::unix::process::CommandExt::exec(std::process::Command::new(program).args(arguments))
}

#[cfg(not(unix))]
fn replaced_by(_program: &Path, _arguments: &[String]) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

impl Words {
    fn parse(text: &str) -> io::Result<Self> {
        let mut words = Self::default();
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "program" => words.program = value.into(),
                "starts" => words.starts = Some(value.into()),
                "quick_service" => words.quick_service = Some(value.to_owned()),
                "edge" => words.edge = Some(value.to_owned()),
                _ => return Err(io::Error::other(format!("{word} is no word of mine"))),
            }
        }
        Ok(words)
    }

    fn handed_on(&self, mut arguments: Vec<String>) -> Vec<String> {
        let flag = |name: &str, value: &Option<String>| value.clone().map(|value| [name.to_owned(), value]);
        let flags = [
            flag("--quick-service", &self.quick_service),
            flag("--edge", &self.edge),
        ];
        if let Some(at) = arguments.iter().position(|argument| argument == "tunnel") {
            arguments.splice(at + 1..at + 1, flags.into_iter().flatten().flatten());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_where_they_count_and_questions_pass_as_they_are() {
        let text =
            "program=/usr/bin/cloudflared edge=127.0.0.1:7 quick_service=x quick_service=http://127.0.0.1:1";
        let words = Words::parse(text).unwrap();
        let handed = |line: &str| {
            let arguments = line.split(' ').map(str::to_owned).collect();
            words.handed_on(arguments).join(" ")
        };

        assert_eq!(words.program, Path::new("/usr/bin/cloudflared"));
        assert_eq!(
            handed("tunnel --no-autoupdate run"),
            "tunnel --quick-service http://127.0.0.1:1 --edge 127.0.0.1:7 --no-autoupdate run"
        );
        assert_eq!(handed("--version"), "--version");
        assert!(Words::parse("scale=0.1").is_err());
    }
}
