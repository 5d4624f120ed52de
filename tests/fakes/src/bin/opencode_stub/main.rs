//! Plays `opencode serve`, badly in whatever way a story asks for.
//!
//! The variable `OPENCODE_STUB` holds words as in `exit=1 say=boom`; `file=PATH` takes them from a file instead, read at
//! each start, so that a story can change its mind between two starts. Without any it is a well-behaved server that
//! answers what a client asks first.
//!
//! | word | behaviour |
//! |---|---|
//! | `exit=N` | ends at once with this code |
//! | `say=TEXT` | writes `TEXT` to stderr first; `_` stands for a blank |
//! | `version=TEXT` | says it is this version (default 1.18.33) |
//! | `ready_after=S` | listens only after `S` seconds |
//! | `unready` | prints its ready line and answers 503 for ever |
//! | `open` | ignores its password |
//! | `wide` | listens on all addresses too, on another port |
//! | `ignore_term` | SIGTERM has no effect |
//! | `flood=N` | writes `N` MB per second to stdout |
//! | `children=N` | starts `N` processes in sessions of their own and `N` orphans |
//! | `exit_after=S` | ends with code 1 after `S` seconds of service |
//! | `busy_after=S busy_for=S` | S seconds after its start it computes on every core and answers nothing for as long |
//! | `eat_after=S` | takes memory from then on until there is none |
//! | `hold_mib=N` | holds so much memory from the start |
//! | `squat=PATH` | while the file `PATH` exists: removes it, lets a stranger take the port, and fails as opencode does |
//! | `starts=PATH` | appends a line with its process number and the port to the file `PATH` |

mod behaviour;
mod server;
mod trouble;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use behaviour::Behaviour;

/// How a taken port looks with the real one: colour codes, and no word about the port.
const SERVE_ERROR: &str = "\u{1b}[91m\u{1b}[1mError: \u{1b}[0mUnexpected error\n\nServeError";

#[tokio::main]
async fn main() -> ExitCode {
    match play().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("stub: {error}"));
            ExitCode::from(70)
        }
    }
}

async fn play() -> io::Result<u8> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "squat") {
        return trouble::squat(arguments.get(1).and_then(|port| port.parse().ok())).await;
    }
    let behaviour = Behaviour::read()?;
    if arguments.iter().any(|argument| argument == "--version") {
        writeln!(io::stdout(), "{}", behaviour.version)?;
        return Ok(0);
    }
    if arguments.first().is_none_or(|first| first != "serve") {
        say("only `serve` and `--version` are played");
        return Ok(1);
    }
    let host = option(&arguments, "--hostname").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = option(&arguments, "--port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(4096);

    behaviour.note_start(port)?;
    if let Some(words) = &behaviour.say {
        say(words);
    }
    if let Some(code) = behaviour.exit {
        return Ok(code);
    }
    if behaviour.is_to_squat()? {
        trouble::start_squatter(port).await?;
        say(SERVE_ERROR);
        return Ok(1);
    }
    if behaviour.ignores_term {
        trouble::ignore_term()?;
    }
    trouble::start_children(behaviour.children)?;
    tokio::time::sleep(behaviour.ready_after).await;
    let Ok(listener) = tokio::net::TcpListener::bind((host.as_str(), port)).await else {
        say(SERVE_ERROR);
        return Ok(1);
    };
    let wide = if behaviour.is_wide {
        Some(tokio::net::TcpListener::bind("0.0.0.0:0").await?)
    } else {
        None
    };
    writeln!(io::stdout(), "opencode server listening on http://{host}:{port}")?;
    io::stdout().flush()?;
    if let Some(rate) = behaviour.flood_bytes_per_s {
        trouble::flood(rate);
    }
    if let Some(after) = behaviour.eat_after {
        trouble::eat(after);
    }
    let held = trouble::hold(behaviour.hold_mib);
    let life = behaviour.exit_after.unwrap_or(Duration::MAX);
    let served = tokio::time::timeout(life, server::serve(listener, behaviour)).await;
    drop((wide, held));
    match served {
        Ok(ended) => ended.map(|()| 0),
        Err(_time_is_over) => {
            say("stub: my time is over");
            Ok(1)
        }
    }
}

fn option(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).cloned()
}

fn say(line: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "{line}");
}
