//! A long day in short: work, pages, and opencode killed at random, while memory, descriptors and zombies are counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    measure::{Programs, talk},
    report::{Report, Weight},
    rig::Agent,
    usage,
};

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Small requests, five a second as of a script and an open page.
const REQUEST_EVERY: Duration = Duration::from_millis(200);
/// A prompt now and then.
const PROMPT_EVERY: Duration = Duration::from_secs(15);
/// Kills come so far apart, at random.
const KILL_AFTER_S: std::ops::Range<u64> = 20..60;
/// What is warmed up by then no longer counts as growth.
const WARM: Duration = Duration::from_secs(300);
/// Everything that was begun has ended by then, connections that are kept for a while (75 and 90 s) included.
const REST: Duration = Duration::from_secs(100);

/// What is counted of the agent's process.
struct Looked {
    minutes: f64,
    kib: f64,
}

/// Runs for `minutes`.
pub async fn soak(programs: &Programs, report: &mut Report, minutes: u64) -> anyhow::Result<()> {
    let model = fakes::Model::start(0).await?;
    let config = fakes::provider_config(&model.base_url());
    let more = format!(
        "env = {{ OPENCODE_CONFIG_CONTENT = '{config}' }}\nrestart = {{ max_failures = 1000, initial_delay_s = 0, \
         max_delay_s = 1 }}"
    );
    let agent = Agent::start(&programs.nexus(), &programs.opencode, &more).await?;
    agent.healthy().await?;
    let cookie = agent.enter().await?;
    let pid = *agent.pids().await?.last().context("no agent")?;
    let agent = Arc::new(agent);
    let began = Instant::now();
    let length = Duration::from_secs(minutes * 60);
    // One turn before the first count: what is loaded once is no leak.
    talk(&agent, &cookie, "[[tokens:50]]").await?;
    sleep(REST).await;
    let before = usage::descriptors(pid)?;

    let counts = Arc::new(Counts::default());
    let mut work = JoinSet::new();
    work.spawn(requests(Arc::clone(&agent), cookie.clone(), Arc::clone(&counts)));
    work.spawn(prompts(Arc::clone(&agent), cookie.clone(), Arc::clone(&counts)));
    work.spawn(kills(Arc::clone(&agent), Arc::clone(&counts)));
    let mut looks = Vec::new();
    while began.elapsed() < length {
        sleep(LOOK_EVERY).await;
        looks.push(Looked {
            minutes: began.elapsed().as_secs_f64() / 60.0,
            kib: usage::own_kib(pid)?,
        });
    }
    work.shutdown().await;
    agent.healthy().await?;
    sleep(REST).await;

    let last = Arc::into_inner(agent).context("work went on after its end")?;
    say_counts(&counts);
    let after = usage::descriptors(pid)?;
    say_changes(&before, &after);
    let (before, after) = (before.values().sum::<u32>(), after.values().sum::<u32>());
    report.at_most(
        "open descriptors after, beyond before",
        f64::from(after) - f64::from(before),
        "",
        0.0,
        &format!("{before} before, {after} after"),
        Weight::Binding,
    );
    let zombies = f64::from(count_zombies(&last.pids().await?)?);
    report.at_most("zombies", zombies, "", 0.0, "", Weight::Binding);
    let warm = looks
        .iter()
        .filter(|look| look.minutes * 60.0 >= WARM.as_secs_f64().min(length.as_secs_f64() / 4.0));
    let slope = slope(warm.map(|look| (look.minutes, look.kib)).collect());
    let ends = match (looks.first(), looks.last()) {
        (Some(first), Some(last)) => format!("{:.0} KiB at first, {:.0} at last", first.kib, last.kib),
        _ => String::new(),
    };
    report.at_most("memory's slope", slope, "KiB/min", 60.0, &ends, Weight::Binding);
    let lost = counts.kills.load(Ordering::Relaxed) - counts.recovered.load(Ordering::Relaxed);
    report.at_most(
        "kills that were not recovered from",
        lost as f64,
        "",
        0.0,
        "",
        Weight::Binding,
    );
    last.quit().await
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failures: AtomicU64,
    turns: AtomicU64,
    kills: AtomicU64,
    recovered: AtomicU64,
}

fn say_counts(counts: &Counts) {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    crate::say(&format!(
        "{} requests ({} while opencode was away), {} turns, {} kills",
        read(&counts.requests),
        read(&counts.failures),
        read(&counts.turns),
        read(&counts.kills)
    ));
}

async fn requests(agent: Arc<Agent>, cookie: String, counts: Arc<Counts>) {
    let Ok(http) = reqwest::Client::builder().no_proxy().build() else {
        return;
    };
    let paths = [
        "/api/status",
        "/dashboard",
        "/chat",
        "/api/opencode/session",
        "/notices",
    ];
    for path in paths.iter().cycle() {
        let asked = http
            .get(format!("http://{}{path}", agent.address))
            .header("cookie", &cookie)
            .send()
            .await;
        let is_fine = match asked {
            Ok(answer) => answer.status().is_success() && answer.bytes().await.is_ok(),
            Err(_) => false,
        };
        counts.requests.fetch_add(1, Ordering::Relaxed);
        if !is_fine {
            counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        sleep(REQUEST_EVERY).await;
    }
}

/// Turns that are cut off by a kill are part of the day.
async fn prompts(agent: Arc<Agent>, cookie: String, counts: Arc<Counts>) {
    loop {
        if talk(&agent, &cookie, "[[markdown:200]]").await.is_ok() {
            counts.turns.fetch_add(1, Ordering::Relaxed);
        }
        sleep(PROMPT_EVERY).await;
    }
}

async fn kills(agent: Arc<Agent>, counts: Arc<Counts>) {
    loop {
        sleep(Duration::from_secs(rand::random_range(KILL_AFTER_S))).await;
        let Ok(opencode) = agent.healthy().await else {
            continue;
        };
        let Some(pid) = opencode["pid"].as_u64() else {
            continue;
        };
        let killed = tokio::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .await;
        if killed.is_ok_and(|status| status.success()) {
            counts.kills.fetch_add(1, Ordering::Relaxed);
            if agent.healthy().await.is_ok() {
                counts.recovered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Tells one by one what is open now and was not, or no more.
fn say_changes(before: &BTreeMap<String, u32>, after: &BTreeMap<String, u32>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let count = |counts: &BTreeMap<String, u32>| counts.get(name).copied().unwrap_or_default();
        if count(before) != count(after) {
            crate::say(&format!(
                "{name}: {} before, {} after",
                count(before),
                count(after)
            ));
        }
    }
}

fn count_zombies(parents: &[u32]) -> anyhow::Result<u32> {
    let mut count = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = rest.split_whitespace();
        let is_zombie = fields.next() == Some("Z");
        let parent = fields.next().and_then(|parent| parent.parse().ok());
        if is_zombie && parent.is_some_and(|parent| parents.contains(&parent)) {
            count += 1;
        }
    }
    Ok(count)
}

/// The line of least squares through some points: how much it rises per unit.
fn slope(points: Vec<(f64, f64)>) -> f64 {
    let count = points.len() as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
    let (x, y) = (
        mean(&mut points.iter().map(|point| point.0)),
        mean(&mut points.iter().map(|point| point.1)),
    );
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let points = (0..10).map(f64::from).map(|x| (x, 3.0 * x + 7.0)).collect();

        assert!((super::slope(points) - 3.0).abs() < 1e-9);
    }
}
