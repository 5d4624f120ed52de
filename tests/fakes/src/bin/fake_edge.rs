//! The public side of tunnels on loopback, for tests: what the stand-in for cloudflared registers with.
//!
//! `fake-edge [--ca FILE]` prints one line, `{"http":"127.0.0.1:P","https":"127.0.0.1:P","tunnel":"127.0.0.1:P",
//! "control":"http://127.0.0.1:P"}`, once it serves, and ends when its standard input is closed. `--ca` names the file
//! that receives the certificate (PEM) of the authority behind the https port.
//!
//! A stand-in is led here by `--edge` (the `tunnel` address) and `--quick-service` (the `control` address), or by the
//! words `edge=` and `quick_service=` of its script. A visitor comes in at `http` or `https` under any `Host` that is
//! mapped; with `x-play-visitor: ADDRESS` a request counts as this visitor's.
//!
//! | control | body | answer |
//! |---|---|---|
//! | `POST /tunnel` | | a quick tunnel, as the real service gives it |
//! | `GET /state` | | rules, counts, tunnels with their hosts, connections and requests in flight |
//! | `POST /tunnels` | `{"hosts":["app.example.com"],"ingress":[…]}` | `{"id","token","credentials"}`; `ingress` makes it one that is managed from the dashboard |
//! | `DELETE /tunnels/ID` | | 204; its connections are cut and refused from then on |
//! | `POST /ingress` | `{"tunnel":ID,"ingress":[…]}` | `{"version":N}`; pushed at once when connected |
//! | `POST /drop` | `{"tunnel":ID,"index":N,"for_ms":N}`, all optional | `{"dropped":N}`; nobody registers meanwhile |
//! | `POST /quick` | `{"answers":["rate_limited"]}` | the next requests are answered so: `made`, `rate_limited`, `broken`, `refused`, `truncated`, `silent` |
//! | `POST /rules` | any of `hold_back` (`quick`, `never`, `always`), `in_flight_max`, `header_wait_ms`, `body_bytes_max`, `register` (`none`, `unauthorized`, `not_found`, `silent`, `{"final":"TEXT"}`), `closes_at_stop`, `plain_scheme`, `country` | all rules |
//!
//! What visitors get when things go wrong: 530 `error code: 1033` without a connection, 502 when the origin refuses or
//! the connection breaks, 524 after `header_wait_ms`, 413 over `body_bytes_max`, 429 over `in_flight_max` (quick alone).

use std::{io::Write, process::ExitCode};

use anyhow::{Context, bail};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(std::io::stderr(), "fake-edge: {error:#}").ok();
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
        _ => bail!("usage: fake-edge [--ca FILE]"),
    };
    let edge = fakes::Edge::start().await?;
    if let Some(file) = file {
        std::fs::write(file, edge.authority().pem()).with_context(|| format!("could not write {file}"))?;
    }
    fakes::serve_until_input_ends(&edge.addresses().to_string()).await
}
