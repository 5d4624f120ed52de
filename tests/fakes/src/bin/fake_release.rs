//! A server with releases of cloudflared on loopback, for tests of downloads.
//!
//! `fake-release FILE [--version V] [--ca PATH]` offers `FILE` as every asset of the release `V` (2026.8.2), prints one
//! line once it serves, and ends when its standard input is closed. `--ca` names the file that receives the certificate
//! (PEM) of the authority behind the https ports. The line:
//!
//! `{"releases":{"http","https"},"assets":{…},"stranger":{…},"control":"http://…","version","sha256","size"}`
//!
//! | path on every host | answer |
//! |---|---|
//! | `/repos/cloudflare/cloudflared/releases/latest`, `…/tags/V` | the release, its assets with `size`, `digest` (`sha256:…`) and `browser_download_url` |
//! | `/cloudflare/cloudflared/releases/download/V/NAME` | the file, or a redirect |
//! | `/asset/NAME` | the file |
//!
//! Files have `Accept-Ranges`, `ETag`, `Range` with `If-Range` (206, 416). On the control port `GET /state` gives the
//! rules and every request so far, and `POST /rules` changes any of these and gives all:
//!
//! | rule | values |
//! |---|---|
//! | `fault` | `none`, `wrong_bytes`, `endless`, `{"length_lies":N}`, `{"cut":N}`, `{"status":N}`, `silent` |
//! | `times` | how many downloads the fault hits; `null`: all |
//! | `redirect` | `none`, `assets`, `stranger`, `plain` (to http), `loop`, `{"to":"URL"}` |
//! | `ignores_ranges` | `true`: every answer is the whole file |
//! | `bytes_per_s` | speed; `null`: as fast as it goes |

use std::{io::Write, process::ExitCode};

use anyhow::{Context, bail};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(std::io::stderr(), "fake-release: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: fake-release FILE [--version V] [--ca PATH]";
    let file = args.next().context(usage)?;
    let (mut version, mut ca) = ("2026.8.2".to_owned(), None);
    while let Some(flag) = args.next() {
        let value = args.next().context(usage)?;
        match flag.as_str() {
            "--version" => version = value,
            "--ca" => ca = Some(value),
            _ => bail!(usage),
        }
    }
    let content = std::fs::read(&file).with_context(|| format!("could not read {file}"))?;
    let release = fakes::Release::start(&version, content).await?;
    if let Some(path) = ca {
        std::fs::write(&path, release.authority().pem())
            .with_context(|| format!("could not write {path}"))?;
    }
    fakes::serve_until_input_ends(&release.addresses().to_string()).await
}
