//! The scripted model as a program, for the demo.
//!
//! `fake-model [--port N]` prints `listening http://127.0.0.1:PORT` once it serves, and ends when its standard input
//! is closed, so that it never outlives whoever started it. `fake-model --config URL` prints the value of the setting
//! `opencode.env` that makes opencode use the model at this address and no other.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(std::io::stderr(), "fake-model: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => serve(0),
        ["--port", port] => serve(port.parse().context("--port takes a number from 0 to 65535")?),
        // A literal string of TOML: JSON has no single quotes but inside its own strings, and there are none here.
        ["--config", url] => say(&format!(
            "{{ OPENCODE_CONFIG_CONTENT = '{}' }}",
            fakes::provider_config(url)
        )),
        _ => bail!("usage: fake-model [--port N] | fake-model --config URL"),
    }
}

fn serve(port: u16) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("could not start")?;
    let model = runtime.block_on(fakes::Model::start(port))?;
    say(&format!("listening {}", model.base_url()))?;
    let mut input = std::io::stdin().lock();
    let mut scratch = [0; 256];
    while input
        .read(&mut scratch)
        .context("could not read standard input")?
        > 0
    {}
    drop(model);
    runtime.shutdown_background();
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("could not print")
}
