//! The scripted model as a program: prints where it listens and ends with its standard input.

use std::io::Write;

use anyhow::Context;
use fakes::{Model, provider_config};
use tokio::io::AsyncReadExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let port = match (args.next().as_deref(), args.next()) {
        (None, _) => 0,
        (Some("--port"), Some(port)) => port.parse().context("--port takes a number")?,
        _ => anyhow::bail!("usage: fake-model [--port N]"),
    };
    let model = Model::start(port).await?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "listening {}", model.base_url())?;
        writeln!(out, "config {}", provider_config(&model.base_url()))?;
        out.flush()?;
    }
    let mut input = tokio::io::stdin();
    let mut rest = [0; 256];
    while input.read(&mut rest).await? > 0 {}
    Ok(())
}
