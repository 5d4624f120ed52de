//! What strangers and heavy guests cost everybody else: a storm of logins, senders that never finish, large uploads.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::{
    load::Target,
    measure::Programs,
    report::{Report, Weight},
    rig::{Agent, free_port},
    usage,
};

/// Where the agent is known outside.
const HOST: &str = "nexus.example.com";
const PASSWORD: &str = "seven quiet otters paint the harbour";
/// Logins under way at once.
const ATTACKERS: u32 = 500;
/// Addresses they come from.
const SOURCES: u32 = 50;
/// Before each of them tries again.
const BREATH: Duration = Duration::from_secs(1);
/// Senders that never finish their request.
const HALF_OPEN: usize = 300;
/// Those who do.
const NORMAL: usize = 16;
const UPLOADS: usize = 4;
const UPLOAD_BYTES: usize = 10 * 1024 * 1024 - 4096;
/// How often memory and the small page are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs all of it; the storm for `time`.
pub async fn siege(programs: &Programs, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let port = free_port()?;
    let more = format!(
        "ask = \"commands_and_edits\"\n[tunnel]\nmode = \"manual\"\nport = {port}\npublic_host = \"{HOST}\""
    );
    let agent = Agent::start(&programs.nexus(), &own, &more).await?;
    agent.healthy().await?;
    agent.nexus(&["password", "set", "--stdin"], PASSWORD).await?;
    agent.nexus(&["tunnel", "start"], "").await?;
    let outside = SocketAddr::from(([127, 0, 0, 1], port));
    let inside = Target {
        address: agent.address,
        path: "/api/opencode/session".to_owned(),
        headers: vec![format!("cookie: {}", agent.enter().await?)],
    };
    uploads(&agent, report, &inside).await?;
    half_open(&agent, report, &inside).await?;
    storm(&agent, report, &inside, outside, time).await?;
    agent.quit().await
}

/// Strangers try passwords from everywhere.
async fn storm(
    agent: &Agent,
    report: &mut Report,
    inside: &Target,
    outside: SocketAddr,
    time: Duration,
) -> anyhow::Result<()> {
    let pids = agent.pids().await?;
    let before = usage::pss_mib(&pids)?;
    let quiet = inside.press(4, Duration::from_secs(5)).await?;

    let attempts: Arc<Attempts> = Arc::default();
    let mut attackers = JoinSet::new();
    for number in 0..ATTACKERS {
        attackers.spawn(attack(outside, number % SOURCES, Arc::clone(&attempts)));
    }
    let began = Instant::now();
    let watch = async {
        let (mut peak, mut waits) = (before, Vec::new());
        while began.elapsed() < time {
            peak = peak.max(usage::pss_mib(&pids)?);
            let asked = Instant::now();
            let small = Target {
                path: "/healthz".to_owned(),
                headers: Vec::new(),
                ..inside.clone()
            };
            small.once().await?;
            waits.push(asked.elapsed());
            sleep(LOOK_EVERY).await;
        }
        waits.sort_unstable();
        let p99 = *waits.get(waits.len() * 99 / 100).context("nothing was asked")?;
        anyhow::Ok((peak, p99))
    };
    let owner = async {
        sleep(time / 3).await;
        let asked = Instant::now();
        log_in(agent.address).await?;
        anyhow::Ok(asked.elapsed())
    };
    let (watched, loaded, owner) = tokio::join!(watch, inside.press(4, time), owner);
    attackers.shutdown().await;
    let ((peak, p99), loaded, owner) = (watched?, loaded?, owner?);

    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let beside = format!(
        "{} refused, {} let wait, {} unanswered",
        read(&attempts.wrong),
        read(&attempts.later),
        read(&attempts.unanswered)
    );
    let binding = Weight::Binding;
    report.at_most(
        "login storm, memory beyond before",
        peak - before,
        "MiB",
        60.0,
        &beside,
        binding,
    );
    let rates = format!("{:.0}/s beside {:.0}/s", loaded.rate, quiet.rate);
    report.at_least(
        "login storm, others' share of before",
        loaded.rate / quiet.rate,
        "",
        0.7,
        &rates,
        binding,
    );
    report.at_most(
        "login storm, /healthz p99",
        p99.as_secs_f64() * 1000.0,
        "ms",
        50.0,
        "",
        binding,
    );
    report.at_most(
        "login storm, the owner's login",
        owner.as_secs_f64(),
        "s",
        3.0,
        "",
        binding,
    );
    Ok(())
}

#[derive(Default)]
struct Attempts {
    wrong: AtomicU64,
    later: AtomicU64,
    unanswered: AtomicU64,
}

async fn attack(outside: SocketAddr, source: u32, attempts: Arc<Attempts>) {
    loop {
        let from = format!("cf-connecting-ip: 203.0.113.{source}");
        let counted = match post_login(outside, HOST, "https", &from, "wrong+horse+battery+staple").await {
            Ok(401) => &attempts.wrong,
            Ok(_) => &attempts.later,
            Err(_) => &attempts.unanswered,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        sleep(BREATH).await;
    }
}

/// The owner, at the machine, with the right password.
async fn log_in(local: SocketAddr) -> anyhow::Result<()> {
    let host = local.to_string();
    match post_login(
        local,
        &host,
        "http",
        "accept: text/html",
        &PASSWORD.replace(' ', "+"),
    )
    .await?
    {
        303 => Ok(()),
        other => bail!("the owner's login was answered with {other}"),
    }
}

/// Posts a password and gives the status.
async fn post_login(
    address: SocketAddr,
    host: &str,
    scheme: &str,
    header: &str,
    password: &str,
) -> anyhow::Result<u16> {
    let body = format!("password={password}&next=%2Fchat");
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: {host}\r\norigin: {scheme}://{host}\r\nsec-fetch-site: same-origin\r\n{header}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).context("no status")?;
    Ok(status.parse()?)
}

/// Many begin a request and never end it; others go on as before.
async fn half_open(agent: &Agent, report: &mut Report, inside: &Target) -> anyhow::Result<()> {
    const PRESS: Duration = Duration::from_secs(5);
    let quiet = inside.press(NORMAL, PRESS).await?;
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..HALF_OPEN {
        let address = agent.address;
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await?;
            let mut answer = Vec::new();
            // An answer that says so is as good as none.
            stream.read_to_end(&mut answer).await.ok();
            anyhow::Ok(began.elapsed())
        });
    }
    let loaded = inside.press(NORMAL, PRESS).await?;
    let mut last = Duration::ZERO;
    while let Some(closed) = senders.join_next().await {
        last = last.max(closed??);
    }
    let beside = format!("{:.0} beside {:.0} us", loaded.p99_us, quiet.p99_us);
    let binding = Weight::Binding;
    report.at_most(
        "300 half-open senders, others' p99",
        loaded.p99_us / quiet.p99_us,
        "x",
        2.0,
        &beside,
        binding,
    );
    report.at_most(
        "300 half-open senders, all closed after",
        last.as_secs_f64(),
        "s",
        12.0,
        "",
        binding,
    );
    Ok(())
}

/// Large bodies pass through without being kept.
async fn uploads(agent: &Agent, report: &mut Report, inside: &Target) -> anyhow::Result<()> {
    let pids = agent.pids().await?;
    let before = usage::pss_mib(&pids)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut running = JoinSet::new();
    for _ in 0..UPLOADS {
        let mut request = http
            .post(format!(
                "http://{}/api/opencode/session/ses_1/message",
                inside.address
            ))
            .header("origin", format!("http://{}", inside.address))
            .header("content-type", "application/json")
            .body(vec![b' '; UPLOAD_BYTES]);
        for header in &inside.headers {
            let (name, value) = header.split_once(": ").context("no header")?;
            request = request.header(name, value);
        }
        running.spawn(async move {
            let answer = request.send().await?;
            answer.error_for_status()?.bytes().await
        });
    }
    let mut peak = before;
    while !running.is_empty() {
        peak = peak.max(usage::pss_mib(&pids)?);
        tokio::select! {
            Some(done) = running.join_next() => drop(done??),
            () = sleep(Duration::from_millis(5)) => {}
        }
    }
    let beside = format!("{before:.1} MiB before, {peak:.1} at most");
    report.at_most(
        "4 uploads of 10 MiB, memory",
        peak - before,
        "MiB",
        16.0,
        &beside,
        Weight::Binding,
    );
    Ok(())
}
