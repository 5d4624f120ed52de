//! Two hundred event streams at once: nothing lost, nobody late, a reader that stops is cut off, and a restart of the
//! server is one short gap for all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    backend,
    load::Target,
    measure::{Programs, upstream},
    report::{Report, Weight},
    rig::{Agent, Nginx},
    usage,
};

/// As many as the gateway admits, and as a quick tunnel carries at once.
const STREAMS: usize = 200;
/// Of one session.
const PER_SESSION: usize = 16;
/// Of the streams, those that stop reading.
const STOPPED: usize = 20;
/// Small, so that who stops reading is noticed before the kernel has taken much.
const SMALL_BUFFER: u32 = 4096;
/// How long the reference relays the same.
const REFERENCE: Duration = Duration::from_secs(60);
/// Ends an answer that has no length.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// Before whose stream has ended connects again.
const RETURN_AFTER: Duration = Duration::from_millis(200);
/// Until everything flows.
const SETTLE: Duration = Duration::from_secs(3);
/// How long who stops reading is waited for.
const CUT_WAIT: Duration = Duration::from_secs(90);

/// Runs all of it; the first part for `time`.
pub async fn crowd(programs: &Programs, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let more = format!(
        "env = {{ {} = \"50\" }}\nrestart = {{ initial_delay_s = 0, max_delay_s = 1 }}",
        backend::PACE_VARIABLE
    );
    let agent = Agent::start(&programs.nexus(), &own, &more).await?;
    agent.healthy().await?;
    let pids = agent.pids().await?;
    let (address, password) = upstream(&agent).await?;
    let authorization = backend::authorization(&password);

    // The reference first: the same number of streams, each with one of its own behind it.
    let nginx = Nginx::start(address, &authorization).await?;
    let target = Target {
        address: nginx.address,
        path: "/global/event".to_owned(),
        headers: vec![format!("cookie: {}", nginx.cookie)],
    };
    let all = Crowd::gather(vec![target; STREAMS], &Habit::Stay).await?;
    sleep(SETTLE).await;
    let nginx_pids = nginx.pids()?;
    let before = usage::usage(&nginx_pids)?;
    sleep(REFERENCE).await;
    let reference = (usage::usage(&nginx_pids)?.cpu_ms - before.cpu_ms) / REFERENCE.as_secs_f64();
    let theirs = all.leave().await?;
    nginx.quit().await?;

    let targets = targets(&agent).await?;
    let alone = usage::pss_mib(&pids)?;
    let all = Crowd::gather(targets.clone(), &Habit::Stay).await?;
    sleep(SETTLE).await;
    let before = usage::usage(&pids)?;
    sleep(time).await;
    let cpu = (usage::usage(&pids)?.cpu_ms - before.cpu_ms) / time.as_secs_f64();
    let crowded = usage::pss_mib(&pids)?;
    let subscriptions = subscriptions(address, &authorization).await?;
    let ours = all.leave().await?;
    let beside = format!("{} events in {} s", ours.late_us.len(), time.as_secs());
    let binding = Weight::Binding;
    report.at_most("200 streams, events lost", ours.lost, "", 0.0, &beside, binding);
    report.at_most("200 streams, out of order", ours.disordered, "", 0.0, "", binding);
    let lag = format!("nginx {:.1} ms", theirs.p99_ms());
    report.at_most("200 streams, lag p99", ours.p99_ms(), "ms", 100.0, &lag, binding);
    let each = (crowded - alone) * 1024.0 / f64::from(u32::try_from(STREAMS)?);
    let total = format!("{alone:.1} MiB before, {crowded:.1} with them");
    report.at_most("200 streams, memory of each", each, "KiB", 128.0, &total, binding);
    let rates = format!("{cpu:.0} beside nginx {reference:.0} CPU-ms/s");
    report.at_most(
        "200 streams, CPU / nginx's",
        cpu / reference,
        "",
        1.5,
        &rates,
        binding,
    );
    report.at_most(
        "200 streams, subscriptions upstream",
        subscriptions,
        "",
        1.0,
        "",
        binding,
    );

    emptied(&agent).await?;
    stopped_readers(&agent, report, &targets, &ours).await?;
    emptied(&agent).await?;
    restarted(&agent, report, &targets).await?;
    agent.quit().await
}

/// Some stop reading: they are cut off, and nobody else notices.
async fn stopped_readers(
    agent: &Agent,
    report: &mut Report,
    targets: &[Target],
    undisturbed: &Heard,
) -> anyhow::Result<()> {
    let pids = agent.pids().await?;
    let alone = usage::pss_mib(&pids)?;
    let (stopping, reading) = targets.split_at(STOPPED);
    let others = Crowd::gather(reading.to_vec(), &Habit::Stay).await?;
    let stopped = Arc::new(AtomicBool::new(false));
    let frozen = Crowd::gather(stopping.to_vec(), &Habit::Freeze(Arc::clone(&stopped))).await?;
    sleep(SETTLE).await;
    stopped.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let mut peak = alone;
    let left = u64::try_from(targets.len() - STOPPED)?;
    let cut = loop {
        peak = peak.max(usage::pss_mib(&pids)?);
        let streams = agent.status().await?["gateway"]["streams"].as_u64();
        if streams.is_some_and(|streams| streams <= left) {
            break began.elapsed();
        }
        if began.elapsed() > CUT_WAIT {
            bail!("who stops reading was not cut off: {streams:?} streams");
        }
        sleep(Duration::from_millis(500)).await;
    };
    frozen.leave().await?;
    let others = others.leave().await?;
    let binding = Weight::Binding;
    let after = cut.as_secs_f64();
    report.at_most("20 of 200 stop reading, cut after", after, "s", 30.0, "", binding);
    let late = others.p99_ms() / undisturbed.p99_ms();
    let beside = format!("{:.1} beside {:.1} ms", others.p99_ms(), undisturbed.p99_ms());
    report.at_most(
        "20 of 200 stop reading, others' lag p99",
        late,
        "x",
        1.2,
        &beside,
        binding,
    );
    report.at_most(
        "20 of 200 stop reading, others lost",
        others.lost,
        "",
        0.0,
        "",
        binding,
    );
    report.at_most(
        "20 of 200 stop reading, memory",
        peak - alone,
        "MiB",
        20.0,
        "the streams' own included",
        binding,
    );
    Ok(())
}

/// The server is killed: the streams end with it, and everybody who connects again hears the next one.
async fn restarted(agent: &Agent, report: &mut Report, targets: &[Target]) -> anyhow::Result<()> {
    let all = Crowd::gather(targets.to_vec(), &Habit::Return).await?;
    sleep(SETTLE).await;
    let former = agent.healthy().await?["pid"].as_u64().context("no pid")?;
    tokio::process::Command::new("kill")
        .args(["-KILL", &former.to_string()])
        .status()
        .await?;
    let healthy = loop {
        if agent.healthy().await?["pid"].as_u64() != Some(former) {
            break Instant::now();
        }
    };
    let back = all.heard_again(healthy).await?;
    let (address, password) = upstream(agent).await?;
    let subscriptions = subscriptions(address, &backend::authorization(&password)).await?;
    all.leave().await?;
    let binding = Weight::Binding;
    report.at_most(
        "200 streams, all back after a restart",
        back.as_secs_f64(),
        "s",
        5.0,
        "after it was healthy",
        binding,
    );
    report.at_most(
        "200 streams, subscriptions after it",
        subscriptions,
        "",
        1.0,
        "",
        binding,
    );
    Ok(())
}

/// Waits until the gateway has noticed that everybody has left.
async fn emptied(agent: &Agent) -> anyhow::Result<()> {
    let began = Instant::now();
    while agent.status().await?["gateway"]["streams"] != 0 {
        if began.elapsed() > CUT_WAIT {
            bail!("streams are left that nobody reads");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A target for each stream; sessions have room for some each.
async fn targets(agent: &Agent) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    while targets.len() < STREAMS {
        let target = Target {
            address: agent.address,
            path: "/api/opencode/global/event".to_owned(),
            headers: vec![format!("cookie: {}", agent.enter().await?)],
        };
        let room = PER_SESSION.min(STREAMS - targets.len());
        targets.extend(std::iter::repeat_n(target, room));
    }
    Ok(targets)
}

/// How many read the server's events.
async fn subscriptions(address: std::net::SocketAddr, authorization: &str) -> anyhow::Result<f64> {
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .get(format!("http://{address}{}", backend::STREAMS_PATH))
        .header("authorization", authorization)
        .send()
        .await?;
    Ok(answer.text().await?.parse()?)
}

/// What was heard, all readers together.
#[derive(Debug, Default)]
struct Heard {
    lost: f64,
    disordered: f64,
    late_us: Vec<u32>,
}

impl Heard {
    fn p99_ms(&self) -> f64 {
        let mut late = self.late_us.clone();
        late.sort_unstable();
        let at = late.len() * 99 / 100;
        late.get(at).map_or(f64::NAN, |late| f64::from(*late) / 1000.0)
    }
}

/// How a reader reads.
#[derive(Clone)]
enum Habit {
    /// To the last; an end is an error.
    Stay,
    /// Until this becomes true, and then nothing more.
    Freeze(Arc<AtomicBool>),
    /// Whoever's stream ends connects again, as an `EventSource` does.
    Return,
}

/// Readers that read until they are told to leave.
struct Crowd {
    readers: JoinSet<anyhow::Result<Heard>>,
    leaving: watch::Sender<bool>,
    newest: Vec<watch::Receiver<Option<Instant>>>,
}

impl Crowd {
    /// One reader a target.
    async fn gather(targets: Vec<Target>, habit: &Habit) -> anyhow::Result<Self> {
        let leaving = watch::Sender::new(false);
        let (mut readers, mut newest) = (JoinSet::new(), Vec::new());
        for target in targets {
            let (sender, receiver) = watch::channel(None);
            newest.push(receiver);
            let reader = Reader {
                target,
                habit: habit.clone(),
                newest: sender,
                heard: Heard::default(),
            };
            let leaving = leaving.subscribe();
            readers.spawn(reader.read(leaving));
        }
        for newest in &mut newest {
            let heard = timeout(Duration::from_secs(20), newest.wait_for(Option::is_some)).await;
            heard
                .context("a stream is silent")?
                .context("a stream was refused")?;
        }
        Ok(Self {
            readers,
            leaving,
            newest,
        })
    }

    /// How long after `since` the last reader heard something again.
    async fn heard_again(&self, since: Instant) -> anyhow::Result<Duration> {
        let mut last = since;
        for newest in &self.newest {
            let mut newest = newest.clone();
            let heard = newest.wait_for(|at| at.is_some_and(|at| at >= since));
            let heard = timeout(Duration::from_secs(30), heard)
                .await
                .context("a stream stays silent")??;
            last = last.max(heard.unwrap_or(since));
        }
        Ok(last - since)
    }

    async fn leave(mut self) -> anyhow::Result<Heard> {
        self.leaving.send_replace(true);
        let mut all = Heard::default();
        while let Some(heard) = self.readers.join_next().await {
            let heard = heard??;
            all.lost += heard.lost;
            all.disordered += heard.disordered;
            all.late_us.extend(heard.late_us);
        }
        Ok(all)
    }
}

struct Reader {
    target: Target,
    habit: Habit,
    newest: watch::Sender<Option<Instant>>,
    heard: Heard,
}

impl Reader {
    async fn read(mut self, mut leaving: watch::Receiver<bool>) -> anyhow::Result<Heard> {
        loop {
            let is_over = self.read_one(&mut leaving).await?;
            if is_over {
                return Ok(self.heard);
            }
            if !matches!(self.habit, Habit::Return) {
                bail!("a stream ended");
            }
            tokio::select! {
                _ = leaving.wait_for(|leaving| *leaving) => return Ok(self.heard),
                () = sleep(RETURN_AFTER) => {}
            }
        }
    }

    /// Reads one stream: whether everything was heard that there is to hear, or only this stream has ended.
    async fn read_one(&mut self, leaving: &mut watch::Receiver<bool>) -> anyhow::Result<bool> {
        let socket = TcpSocket::new_v4()?;
        if matches!(self.habit, Habit::Freeze(_)) {
            socket.set_recv_buffer_size(SMALL_BUFFER)?;
        }
        let mut stream = socket.connect(self.target.address).await?;
        stream.write_all(self.target.request().as_bytes()).await?;
        let mut buffer = Vec::with_capacity(64 * 1024);
        let mut is_begun = false;
        let mut expected: Option<u64> = None;
        loop {
            if let Habit::Freeze(stopped) = &self.habit
                && stopped.load(Ordering::Relaxed)
            {
                leaving.wait_for(|leaving| *leaving).await?;
                return Ok(true);
            }
            tokio::select! {
                _ = leaving.wait_for(|leaving| *leaving) => return Ok(true),
                read = stream.read_buf(&mut buffer) => if read? == 0 {
                    return Ok(false);
                }
            }
            if !is_begun {
                if !buffer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    continue;
                }
                // While the server is away there is another answer.
                if !buffer.starts_with(b"HTTP/1.1 200 ") {
                    return Ok(false);
                }
                is_begun = true;
            }
            let is_ended = buffer.ends_with(LAST_CHUNK);
            let (events, taken) = backend::events(&buffer);
            buffer.drain(..taken);
            self.take(&events, &mut expected);
            if is_ended {
                return Ok(false);
            }
        }
    }

    fn take(&mut self, events: &[(u64, u64)], expected: &mut Option<u64>) {
        let now = backend::now_ns();
        for (number, at_ns) in events {
            match *expected {
                Some(expected) if *number > expected => self.heard.lost += (number - expected) as f64,
                Some(expected) if *number < expected => self.heard.disordered += 1.0,
                Some(_) | None => {}
            }
            *expected = Some(number + 1);
            let late = now.saturating_sub(*at_ns) / 1000;
            self.heard.late_us.push(u32::try_from(late).unwrap_or(u32::MAX));
            self.newest.send_replace(Some(Instant::now()));
        }
    }
}
