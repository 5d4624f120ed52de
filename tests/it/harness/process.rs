//! Looking at processes: who belongs to a story, who is still there.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::Command,
};

/// A process id.
pub type Pid = u32;

/// A look at `/proc`.
pub struct Processes;

impl Processes {
    /// Everything alive that was started below `home`: its path stands in their environment or command line.
    ///
    /// This finds grandchildren that left their group and their session too, as long as they kept their environment.
    pub fn below(home: &Path) -> Vec<Pid> {
        let mark = home.to_string_lossy().into_owned();
        let mark = mark.as_bytes();
        let own = std::process::id();
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok())
            .filter(|pid| *pid != own && Self::is_alive(*pid))
            .filter(|pid| {
                ["environ", "cmdline"].iter().any(|file| {
                    fs::read(format!("/proc/{pid}/{file}"))
                        .is_ok_and(|bytes| bytes.windows(mark.len()).any(|window| window == mark))
                })
            })
            .collect()
    }

    /// Whether a process runs; one that has ended and was not collected yet does not.
    pub fn is_alive(pid: Pid) -> bool {
        Self::state(pid).is_some_and(|state| state != 'Z' && state != 'X')
    }

    /// Direct children, in the kernel's order.
    pub fn children(pid: Pid) -> Vec<Pid> {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return Vec::new();
        };
        tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// The command line, blanks between arguments; empty when the process is gone.
    pub fn command(pid: Pid) -> String {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes)
            .replace('\0', " ")
            .trim()
            .to_owned()
    }

    /// What a process has open, e.g. `"/dev/null"` or `"socket:[4711]"`.
    pub fn open(pid: Pid) -> Vec<String> {
        let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return Vec::new();
        };
        folder
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect()
    }

    /// Where a process listens for TCP connections.
    pub fn listening(pid: Pid) -> Vec<SocketAddr> {
        let held = Self::open(pid);
        let listens = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // LISTEN is state 10 (include/net/tcp_states.h).
            let is_its_own = fields[3] == "0A" && held.contains(&format!("socket:[{}]", fields[9]));
            is_its_own.then(|| address(fields[1]))
        };
        ["tcp", "tcp6"]
            .iter()
            .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default())
            .flat_map(|table| table.lines().skip(1).filter_map(listens).collect::<Vec<_>>())
            .collect()
    }

    /// Proportional memory of a process in KiB; 0 when it is gone.
    pub fn pss_kib(pid: Pid) -> u64 {
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok())
            .unwrap_or(0)
    }

    /// Sends a signal by name, e.g. `"KILL"`. A process that is gone already is no failure.
    pub fn signal(pid: Pid, name: &str) {
        let _gone_already = Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
    }

    fn state(pid: Pid) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    }
}

/// `0100007F:1F90`: the address as the machine's own words of 32 bits, the port as a number, all in hexadecimal.
fn address(text: &str) -> SocketAddr {
    let (address, port) = text.split_once(':').unwrap();
    let word = |at: usize| {
        u32::from_str_radix(&address[at..at + 8], 16)
            .unwrap()
            .to_ne_bytes()
    };
    let address = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)))
    } else {
        let bytes = [word(0), word(8), word(16), word(24)].concat();
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()))
    };
    SocketAddr::new(address, u16::from_str_radix(port, 16).unwrap())
}
