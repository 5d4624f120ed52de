//! What processes have used, and how long the machine has slept.

use std::{mem, time::Duration};

use windows_sys::Win32::{
    Foundation::{FALSE, FILETIME},
    System::{
        ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS},
        SystemInformation::GetTickCount64,
        Threading::{GetProcessTimes, PROCESS_QUERY_LIMITED_INFORMATION},
        WindowsProgramming::QueryUnbiasedInterruptTime,
    },
};

use super::table::open;
use crate::Usage;

/// Ticks of 100 ns, the unit of `FILETIME` and of the interrupt time.
const TICK_NS: u64 = 100;

/// What `pid` has used so far; `None` when there is no such process or it may not be looked at.
pub fn usage(pid: u32) -> Option<Usage> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut times = [FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the handle is open and all places are writable.
    let is_known = unsafe { GetProcessTimes(process.0, created, exited, kernel, user) } != FALSE;
    let size = u32::try_from(mem::size_of::<PROCESS_MEMORY_COUNTERS>()).ok()?;
    // SAFETY: all zeroes is a valid value of this plain struct; the handle is open and the size is the struct's.
    let (is_counted, memory) = unsafe {
        let mut memory: PROCESS_MEMORY_COUNTERS = mem::zeroed();
        memory.cb = size;
        (
            K32GetProcessMemoryInfo(process.0, &raw mut memory, size) != FALSE,
            memory,
        )
    };
    (is_known && is_counted).then(|| Usage {
        cpu: Duration::from_nanos(
            ticks(*kernel)
                .saturating_add(ticks(*user))
                .saturating_mul(TICK_NS),
        ),
        resident_bytes: memory.WorkingSetSize as u64,
        is_stopped: false,
    })
}

/// How long the machine has slept since it was started; compare two readings.
pub fn slept() -> Duration {
    let mut awake = 0;
    // SAFETY: fills the number it is given; the other takes nothing.
    let all = unsafe {
        QueryUnbiasedInterruptTime(&raw mut awake);
        GetTickCount64()
    };
    Duration::from_millis(all).saturating_sub(Duration::from_nanos(awake.saturating_mul(TICK_NS)))
}

fn ticks(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}
