//! What is installed, and what a page loads.

use std::{collections::BTreeSet, fs};

use anyhow::Context;

use crate::{
    measure::Programs,
    report::{Report, Weight},
    rig::Agent,
};

/// Measures both.
pub async fn measure(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let mut installed = 0.0;
    for name in ["nexus", "nexus-window"] {
        let bytes = fs::metadata(programs.folder.join(name))?.len();
        installed += megabytes(bytes)?;
    }
    report.at_most("installed programs", installed, "MB", 25.0, "", Weight::Binding);

    let agent = Agent::start(&programs.nexus(), &programs.opencode, "").await?;
    agent.healthy().await?;
    let cookie = agent.enter().await?;
    let base = format!("http://{}", agent.address);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let get = |path: String| http.get(format!("{base}{path}")).header("cookie", &cookie);
    let page = get("/chat".to_owned())
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let mut raw = 0;
    let mut script = 0;
    let mut all = 0;
    for path in assets(&page) {
        let packed = get(path.clone())
            .header("accept-encoding", "gzip")
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?
            .len();
        all += packed;
        if path.contains(".js") {
            script += packed;
            raw += get(path).send().await?.bytes().await?.len();
        }
    }
    agent.quit().await?;
    let kilobytes = |bytes: usize| megabytes(u64::try_from(bytes)?).map(|size| size * 1000.0);
    report.at_most("page script", kilobytes(raw)?, "KB", 30.0, "", Weight::Binding);
    report.at_most(
        "page script, compressed",
        kilobytes(script)?,
        "KB",
        10.0,
        "",
        Weight::Binding,
    );
    report.at_most(
        "all assets of the chat, compressed",
        kilobytes(all)?,
        "KB",
        100.0,
        "",
        Weight::Binding,
    );
    Ok(())
}

fn megabytes(bytes: u64) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(bytes).context("far too large")?) / 1e6)
}

/// Every address of an asset a page names.
fn assets(page: &str) -> BTreeSet<String> {
    page.split(['"', '\''])
        .filter(|part| part.starts_with("/assets/"))
        .map(|part| part.split('#').next().unwrap_or(part).to_owned())
        .collect()
}
