//! A browser vendor's push service on loopback, for tests.
//!
//! `fake-push [--ca FILE]` prints one line, `{"https":"127.0.0.1:P"}`, once it serves, then one line for each message,
//! `{"path","headers","body"}` with the body in base64, and ends when its standard input is closed. `--ca` names the file
//! that receives the certificate (PEM) of the authority behind it. A subscription's address begins with the status it is
//! answered with, `https://127.0.0.1:P/201/NAME`.

use std::{io::Write, process::ExitCode};

use anyhow::{Context, bail};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(std::io::stderr(), "fake-push: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let file = match args.as_slice() {
        [] => None,
        ["--ca", file] => Some(*file),
        _ => bail!("usage: fake-push [--ca FILE]"),
    };
    let service = fakes::PushService::start().await?;
    if let Some(file) = file {
        std::fs::write(file, service.authority().pem()).with_context(|| format!("could not write {file}"))?;
    }
    let address = format!(r#"{{"https":"{}"}}"#, service.address());
    let print = async {
        while let Some(pushed) = service.next().await {
            let line = serde_json::to_string(&pushed)?;
            writeln!(std::io::stdout(), "{line}")?;
        }
        Ok(())
    };
    tokio::select! {
        ended = fakes::serve_until_input_ends(&address) => ended,
        ended = print => ended,
    }
}
