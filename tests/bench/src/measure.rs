//! The measurements, each beside its reference.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    backend,
    load::Target,
    report::{Report, Weight, median},
    rig::{Agent, Nginx},
    usage,
};

/// One press of a load: short, so that what else the machine does falls on both sides.
const PRESS: Duration = Duration::from_secs(1);
/// Presses per side, taken in turns; the median counts.
const TURNS: usize = 15;
/// How often the streams are listened to; the median counts.
const LISTENS: usize = 5;
/// How long a stream is listened to.
const LISTEN: Duration = Duration::from_secs(4);
/// How long nothing is done before memory is looked at and idling begins.
const REST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

/// The programs to be measured.
pub struct Programs {
    /// The folder of the release build.
    pub folder: PathBuf,
    /// The real opencode.
    pub opencode: PathBuf,
    /// The sources.
    pub root: PathBuf,
}

impl Programs {
    /// Reads `NEXUS_TEST_PROGRAMS`, `NEXUS_TEST_OPENCODE` and `NEXUS_BENCH_ROOT`.
    ///
    /// # Errors
    /// When one is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        let named = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set: run installers/dev bench"))
        };
        Ok(Self {
            folder: named("NEXUS_TEST_PROGRAMS")?,
            opencode: named("NEXUS_TEST_OPENCODE")?,
            root: named("NEXUS_BENCH_ROOT")?,
        })
    }

    /// The program under test.
    pub fn nexus(&self) -> PathBuf {
        self.folder.join("nexus")
    }
}

/// From the start of the process to the first answer.
pub async fn start(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let agent = Agent::start(&programs.nexus(), &programs.opencode, "").await?;
        times.push(agent.until_served.as_secs_f64() * 1000.0);
        agent.quit().await?;
    }
    let figure = median(times);
    report.at_most(
        "start to /healthz, median of 5",
        figure,
        "ms",
        100.0,
        "",
        Weight::Reported,
    );
    Ok(())
}

/// How long idling is measured; one minute unless `NEXUS_BENCH_IDLE_MINUTES` says more.
fn idle_minutes() -> f64 {
    let given = std::env::var("NEXUS_BENCH_IDLE_MINUTES").ok();
    given.and_then(|minutes| minutes.parse().ok()).unwrap_or(1.0)
}

/// Memory before and after a chat, and what idling costs.
pub async fn resident(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let model = fakes::Model::start(0).await?;
    let config = fakes::provider_config(&model.base_url());
    let more = format!("env = {{ OPENCODE_CONFIG_CONTENT = '{config}' }}");
    let agent = Agent::start(&programs.nexus(), &programs.opencode, &more).await?;
    agent.healthy().await?;
    let pids = agent.pids().await?;
    tokio::time::sleep(REST).await;
    let memory = usage::pss_mib(&pids)?;
    report.at_most(
        "memory before the first chat (PSS)",
        memory,
        "MiB",
        20.0,
        "",
        Weight::Reported,
    );

    let minutes = idle_minutes();
    let before = usage::usage(&pids)?;
    tokio::time::sleep(IDLE.mul_f64(minutes)).await;
    let after = usage::usage(&pids)?;
    let cpu = (after.cpu_ms - before.cpu_ms) / minutes;
    let wakeups = (after.wakeups - before.wakeups) / IDLE.mul_f64(minutes).as_secs_f64();
    let beside = format!("over {minutes} min");
    report.at_most(
        "idling for a minute",
        cpu,
        "CPU-ms",
        12.0,
        &beside,
        Weight::Reported,
    );
    report.at_most("wake-ups while idling", wakeups, "/s", 2.0, "", Weight::Reported);

    let cookie = agent.enter().await?;
    talk(&agent, &cookie, "[[markdown:2000]]").await?;
    tokio::time::sleep(IDLE).await;
    let memory = usage::pss_mib(&pids)?;
    report.at_most(
        "memory a minute after a chat (PSS)",
        memory,
        "MiB",
        30.0,
        "",
        Weight::Reported,
    );
    agent.quit().await
}

/// What remote access costs while nobody comes: cloudflared's stand-in registered at an edge, and nothing else.
pub async fn tunnel(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let edge = fakes::Edge::start().await?;
    let folder = tempfile::Builder::new().prefix("nexus-tunnel-").tempdir()?;
    let program = folder.path().join("cloudflared");
    std::fs::copy(programs.folder.join("fake-cloudflared"), &program)?;
    let addresses = edge.addresses();
    let word = |name: &str| addresses[name].as_str().unwrap_or_default().to_owned();
    let script = format!("edge={} quick_service={}\n", word("tunnel"), word("control"));
    std::fs::write(program.with_extension("script"), script)?;
    let more = format!(
        "ask = \"commands_and_edits\"\n[tunnel]\npath = {:?}",
        program.display().to_string()
    );
    let agent = Agent::start(&programs.nexus(), &programs.opencode, &more).await?;
    agent.healthy().await?;
    agent
        .nexus(
            &["password", "set", "--stdin"],
            "seven quiet otters paint the harbour",
        )
        .await?;
    let pids = agent.pids().await?;
    tokio::time::sleep(REST).await;
    let without = usage::pss_mib(&pids)?;
    agent.nexus(&["tunnel", "start"], "").await?;
    agent.nexus(&["tunnel", "url"], "").await?;
    tokio::time::sleep(REST).await;
    let minutes = idle_minutes();
    let before = usage::usage(&pids)?;
    tokio::time::sleep(IDLE.mul_f64(minutes)).await;
    let after = usage::usage(&pids)?;
    let with = usage::pss_mib(&pids)?;
    let cpu = (after.cpu_ms - before.cpu_ms) / minutes;
    let beside = format!("over {minutes} min");
    report.at_most(
        "idling with the tunnel on",
        cpu,
        "CPU-ms",
        20.0,
        &beside,
        Weight::Reported,
    );
    let beside = format!("{with:.2} beside {without:.2} MiB");
    report.at_most(
        "memory of the tunnel",
        with - without,
        "MiB",
        3.0,
        &beside,
        Weight::Reported,
    );
    agent.quit().await
}

/// Has a conversation over the API and waits for its end.
/// One turn of a session of its own, with somebody looking on.
pub async fn talk(agent: &Agent, cookie: &str, prompt: &str) -> anyhow::Result<()> {
    let base = format!("http://{}", agent.address);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let place = agent.project().display().to_string();
    let ask = |method: reqwest::Method, path: String| {
        http.request(method, format!("{base}/api/opencode{path}"))
            .query(&[("directory", place.as_str())])
            .header("cookie", cookie)
            .header("origin", &base)
    };
    let session: Value = ask(reqwest::Method::POST, "/session".to_owned())
        .json(&serde_json::json!({}))
        .send()
        .await?
        .json()
        .await?;
    let id = session["id"].as_str().context("no session was made")?;
    // Somebody looks on: a transcript that nobody sees need not be kept.
    let page = http
        .get(format!("{base}/chat/{id}"))
        .query(&[("directory", place.as_str())])
        .header("cookie", cookie)
        .send()
        .await?;
    page.error_for_status()?.bytes().await?;
    ask(reqwest::Method::POST, format!("/session/{id}/message"))
        .json(&serde_json::json!({"parts": [{"type": "text", "text": prompt}]}))
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    Ok(())
}

/// The proxy against nginx, both in front of a backend that costs nothing.
pub async fn proxy(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let agent = Agent::start(&programs.nexus(), &own, "").await?;
    agent.healthy().await?;
    let cookie = agent.enter().await?;
    // All three ways lead to the same process: one that shares this one's would be reached in half the time.
    let (address, password) = upstream(&agent).await?;
    let authorization = backend::authorization(&password);
    let nginx = Nginx::start(address, &authorization).await?;

    let through_agent = |path: &str| Target {
        address: agent.address,
        path: format!("/api/opencode{path}"),
        headers: vec![format!("cookie: {cookie}")],
    };
    let through_nginx = |path: &str| Target {
        address: nginx.address,
        path: path.to_owned(),
        headers: vec![format!("cookie: {}", nginx.cookie)],
    };
    let directly = |path: &str| Target {
        address,
        path: path.to_owned(),
        headers: vec![format!("authorization: {authorization}")],
    };

    let (ours, theirs) = in_turns(&through_agent("/session"), &through_nginx("/session"), 16).await?;
    report.at_least(
        "small GET, 16 connections, share of nginx",
        ours.0 / theirs.0,
        "",
        0.5,
        &format!("{:.0}/s beside nginx {:.0}/s", ours.0, theirs.0),
        Weight::Binding,
    );
    let (ours, theirs) = in_turns(&through_agent("/session"), &through_nginx("/session"), 1).await?;
    let direct = directly("/session").press(1, PRESS).await?.p50_us;
    let added = (ours.1 - direct, theirs.1 - direct);
    report.at_most(
        "small GET, 1 connection, added p50 / nginx's",
        added.0 / added.1,
        "",
        4.0,
        &format!(
            "{:.0} us beside nginx {:.0} us, direct {direct:.0} us",
            added.0, added.1
        ),
        Weight::Binding,
    );

    let stream = "/global/event";
    let ways = [through_agent(stream), through_nginx(stream), directly(stream)];
    let mut late = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..LISTENS {
        // All at once, each with ticks of its own: so they find the machine equally awake.
        let round = futures_util::future::try_join_all(ways.iter().map(|way| way.listen(LISTEN))).await?;
        for (all, figure) in late.iter_mut().zip(round) {
            all.push(figure);
        }
    }
    let [ours, theirs, direct] = late.map(median);
    let added = (ours - direct, theirs - direct);
    report.at_most(
        "event stream, added p50 / nginx's",
        added.0 / added.1,
        "",
        1.5,
        &format!(
            "{:.0} us beside nginx {:.0} us, direct {direct:.0} us",
            added.0, added.1
        ),
        Weight::Binding,
    );
    nginx.quit().await?;
    agent.quit().await?;
    Ok(())
}

/// Rate and p50 of both sides, medians over rounds taken in turns.
async fn in_turns(
    ours: &Target,
    theirs: &Target,
    connections: usize,
) -> anyhow::Result<((f64, f64), (f64, f64))> {
    let mut figures = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        // Whoever comes second finds a warmer server: each side does in half of the turns.
        let (mine, other) = if turn % 2 == 0 {
            let mine = ours.press(connections, PRESS).await?;
            (mine, theirs.press(connections, PRESS).await?)
        } else {
            let other = theirs.press(connections, PRESS).await?;
            (ours.press(connections, PRESS).await?, other)
        };
        for (all, figure) in figures
            .iter_mut()
            .zip([mine.rate, mine.p50_us, other.rate, other.p50_us])
        {
            all.push(figure);
        }
    }
    let [a, b, c, d] = figures.map(median);
    Ok(((a, b), (c, d)))
}

/// Where the server behind an agent listens, and its password.
pub async fn upstream(agent: &Agent) -> anyhow::Result<(SocketAddr, String)> {
    let status = agent.healthy().await?;
    let pid = status["pid"].as_u64().context("no pid")?;
    let port = status["port"].as_u64().context("no port")?;
    let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
    let password = environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix("OPENCODE_SERVER_PASSWORD="))
        .context("no password")?;
    let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?));
    Ok((address, password.to_owned()))
}

/// A real listing of the real opencode, through the agent and past it.
pub async fn real_opencode(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let agent = Agent::start(&programs.nexus(), &programs.opencode, "").await?;
    agent.healthy().await?;
    let cookie = agent.enter().await?;
    let (address, password) = upstream(&agent).await?;
    let through = Target {
        address: agent.address,
        path: "/api/opencode/session".to_owned(),
        headers: vec![format!("cookie: {cookie}")],
    };
    let direct = Target {
        address,
        path: "/session".to_owned(),
        headers: vec![format!("authorization: {}", backend::authorization(&password))],
    };
    let (ours, theirs) = in_turns(&through, &direct, 8).await?;
    report.at_least(
        "GET /session of opencode, share of direct",
        ours.0 / theirs.0,
        "",
        0.92,
        &format!("{:.0}/s beside direct {:.0}/s", ours.0, theirs.0),
        Weight::Binding,
    );
    agent.quit().await
}

/// What only a browser can tell, measured by a story that prints one line of JSON per figure.
pub async fn pages(programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let output = Command::new("node")
        .arg(programs.root.join("tests/web/bench.js"))
        .output()
        .await
        .context("node is missing")?;
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let figure: Value = serde_json::from_str(line)?;
        let word = |name: &str| figure[name].as_str().unwrap_or_default();
        let weight = if figure["binding"] == true {
            Weight::Binding
        } else {
            Weight::Reported
        };
        report.at_most(
            word("what"),
            figure["figure"].as_f64().unwrap_or(f64::NAN),
            word("unit"),
            figure["bar"].as_f64().unwrap_or(f64::NAN),
            word("beside"),
            weight,
        );
    }
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
