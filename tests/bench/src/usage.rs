//! What processes use, as the kernel counts it.

use std::{collections::BTreeMap, fs};

use anyhow::Context;

/// Clock ticks a second in `/proc/*/stat`, the same on every Linux we run on.
const TICKS_PER_S: f64 = 100.0;

/// Time and wake-ups used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time in milliseconds.
    pub cpu_ms: f64,
    /// Times a thread went to wait and was woken.
    pub wakeups: f64,
}

/// Proportional memory of some processes in MiB.
///
/// # Errors
/// When one of them is gone.
pub fn pss_mib(pids: &[u32]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = text
            .lines()
            .find(|line| line.starts_with("Pss:"))
            .context("no Pss")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        sum += kib / 1024.0;
    }
    Ok(sum)
}

/// Memory of a process that no file is behind, in KiB: what grows when something is not given back. Pages of the program
/// itself come and go with other processes that run it.
///
/// # Errors
/// When it is gone.
pub fn own_kib(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Pss_Anon:"))
        .context("no Pss_Anon")?;
    Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
}

/// What some processes have used, all threads.
///
/// # Errors
/// When one of them is gone.
pub fn usage(pids: &[u32]) -> anyhow::Result<Usage> {
    let mut sum = Usage::default();
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after = stat.rsplit_once(')').context("no name")?.1;
        let fields: Vec<&str> = after.split_whitespace().collect();
        for at in [11, 12] {
            let ticks: f64 = fields.get(at).context("too short")?.parse()?;
            sum.cpu_ms += ticks * 1000.0 / TICKS_PER_S;
        }
        // The scheduler counts finer than the clock does.
        let mut exact_ms = 0.0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let folder = task?.path();
            let ran = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            exact_ms += ran
                .split_whitespace()
                .next()
                .and_then(|ns| ns.parse::<f64>().ok())
                .unwrap_or(0.0)
                / 1e6;
            let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
            let switches = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .and_then(|count| count.trim().parse::<f64>().ok());
            sum.wakeups += switches.unwrap_or(0.0);
        }
        if exact_ms > 0.0 {
            let coarse: f64 = [11, 12]
                .iter()
                .filter_map(|at| fields.get(*at)?.parse::<f64>().ok())
                .sum();
            sum.cpu_ms += exact_ms - coarse * 1000.0 / TICKS_PER_S;
        }
    }
    Ok(sum)
}

/// What a process holds open: how many of each. Sockets by their ends, everything else by its name.
///
/// # Errors
/// When it is gone.
pub fn descriptors(pid: u32) -> anyhow::Result<BTreeMap<String, u32>> {
    let mut ends = BTreeMap::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, ours, theirs, state, _, _, _, _, _, inode, ..] = fields[..] {
                let port = |end: &str| {
                    let digits = end.rsplit_once(':').map_or(end, |(_, port)| port);
                    u16::from_str_radix(digits, 16).unwrap_or_default()
                };
                let text = format!("{table} {} to {}, state {state}", port(ours), port(theirs));
                ends.insert(format!("socket:[{inode}]"), text);
            }
        }
    }
    let mut counts = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let name = target.display().to_string();
        let name = match ends.get(&name) {
            Some(ends) => ends.clone(),
            None => match name.split_once(":[") {
                Some((kind, _)) => kind.to_owned(),
                None => name,
            },
        };
        *counts.entry(name).or_default() += 1;
    }
    Ok(counts)
}
