//! What processes have used, and how long the machine has slept.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::Usage;

/// What `pid` has used so far; `None` when there is no such process.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(
        &stat,
        rustix::param::clock_ticks_per_second(),
        rustix::param::page_size(),
    )
}

/// How long the machine has been suspended since it was started; compare two readings.
pub fn slept() -> Duration {
    let of = |clock| {
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    // In this order the difference is never too small by the time between the two readings.
    let awake = of(ClockId::Monotonic);
    of(ClockId::Boottime).saturating_sub(awake)
}

/// Fields 3, 14, 15 and 24 of `/proc/PID/stat`.
fn parse(stat: &[u8], ticks_per_second: u64, page_bytes: usize) -> Option<Usage> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after_name..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let pages: u64 = fields.nth(8)?.parse().ok()?;
    let milliseconds = (user + system).saturating_mul(1_000) / ticks_per_second.max(1);
    Some(Usage {
        cpu: Duration::from_millis(milliseconds),
        resident_bytes: pages.saturating_mul(u64::try_from(page_bytes).ok()?),
        is_stopped: matches!(state, "T" | "t"),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_line_of_the_table_is_read_whatever_the_name_holds() {
        let line = b"4711 (a) T 1) T 1 4711 4711 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 9000 1000000 300 18446744073709551615";

        assert_eq!(
            parse(line, 100, 4096),
            Some(Usage {
                cpu: Duration::from_secs(2),
                resident_bytes: 300 * 4096,
                is_stopped: true,
            })
        );
        assert_eq!(parse(b"4711 (x) R 1", 100, 4096), None);
    }

    #[test]
    fn a_stopped_process_is_told_from_a_busy_one() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let before = usage(child.id()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let begun = std::time::Instant::now();
        while !usage(child.id()).unwrap().is_stopped {
            assert!(begun.elapsed() < Duration::from_secs(10), "never stopped");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(!before.is_stopped, "{before:?}");
        assert_eq!(usage(child.id()), None);
        let own = usage(std::process::id()).unwrap();
        assert!(own.resident_bytes > 0 && !own.is_stopped, "{own:?}");
    }

    #[test]
    fn a_machine_that_is_awake_sleeps_no_longer() {
        let before = slept();

        assert!(slept().saturating_sub(before) < Duration::from_secs(1));
    }
}
