//! The budgets: memory, idling, start, proxy, streaming, pages, sizes. Each figure stands beside its reference,
//! measured in the same run on the same machine.
//!
//! `bench` measures; run by `installers/dev bench`, which builds the programs and names them in the environment. `bench soak
//! MINUTES` works for a while and counts what grows; `bench load SECONDS` crowds the agent and lays siege to it.
//! Called as opencode would be (`serve`, `--version`) it plays a backend that costs nothing.

mod backend;
mod crowd;
mod load;
mod measure;
mod report;
mod rig;
mod siege;
mod sizes;
mod soak;
mod usage;

use std::{io::Write, process::ExitCode, time::Duration};

use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("bench: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = match arguments.first().map(String::as_str) {
        Some("only") => runtime.block_on(bench(&arguments[1..])),
        Some("load") => runtime.block_on(load(arguments.get(1))),
        Some("soak") => runtime.block_on(soak(arguments.get(1))),
        Some("serve") => runtime.block_on(backend::play(&arguments)).map(|()| false),
        Some(_) => backend::version(&arguments).map(|()| false),
        None => runtime.block_on(bench(&[])),
    };
    match ended {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

const PARTS: [&str; 7] = [
    "start", "resident", "tunnel", "proxy", "opencode", "pages", "sizes",
];

/// All parts, or those of `only`.
async fn bench(only: &[String]) -> anyhow::Result<bool> {
    if let Some(unknown) = only.iter().find(|name| !PARTS.contains(&name.as_str())) {
        anyhow::bail!("there is no part `{unknown}`; the parts are {}", PARTS.join(", "));
    }
    let programs = measure::Programs::from_env()?;
    let mut report = Report::default();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|name| name == part);
    if wanted("start") {
        let outcome = measure::start(&programs, &mut report).await;
        note(&mut report, "start", outcome);
    }
    if wanted("resident") {
        let outcome = measure::resident(&programs, &mut report).await;
        note(&mut report, "memory and idling", outcome);
    }
    if wanted("tunnel") {
        let outcome = measure::tunnel(&programs, &mut report).await;
        note(&mut report, "the tunnel at rest", outcome);
    }
    if wanted("proxy") {
        let outcome = measure::proxy(&programs, &mut report).await;
        note(&mut report, "proxy", outcome);
    }
    if wanted("opencode") {
        let outcome = measure::real_opencode(&programs, &mut report).await;
        note(&mut report, "the real opencode", outcome);
    }
    if wanted("pages") {
        let outcome = measure::pages(&programs, &mut report).await;
        note(&mut report, "pages", outcome);
    }
    if wanted("sizes") {
        let outcome = sizes::measure(&programs, &mut report).await;
        note(&mut report, "sizes", outcome);
    }
    Ok(report.has_missed())
}

/// The crowd for so many seconds (300), and the siege for a fifth of them.
async fn load(seconds: Option<&String>) -> anyhow::Result<bool> {
    let programs = measure::Programs::from_env()?;
    let time = Duration::from_secs(seconds.map_or(Ok(300), |seconds| seconds.parse())?);
    let mut report = Report::default();
    let outcome = siege::siege(&programs, &mut report, time / 5).await;
    note(&mut report, "the siege", outcome);
    let outcome = crowd::crowd(&programs, &mut report, time).await;
    note(&mut report, "the crowd", outcome);
    Ok(report.has_missed())
}

async fn soak(minutes: Option<&String>) -> anyhow::Result<bool> {
    let programs = measure::Programs::from_env()?;
    let minutes = minutes.map_or(Ok(20), |minutes| minutes.parse())?;
    let mut report = Report::default();
    let outcome = soak::soak(&programs, &mut report, minutes).await;
    note(&mut report, "soak", outcome);
    Ok(report.has_missed())
}

fn note(report: &mut Report, what: &str, outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        report.absent(what, &error);
    }
}

/// Writes a line to stdout; a reader that has gone away is no failure.
pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).ok();
}
