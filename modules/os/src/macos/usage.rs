//! What processes have used, and how long the machine has slept.

use std::{mem, time::Duration};

use crate::Usage;

/// What `pid` has used so far; `None` when there is no such process or it may not be looked at.
pub fn usage(pid: u32) -> Option<Usage> {
    let number = i32::try_from(pid).ok()?;
    let size = i32::try_from(mem::size_of::<libc::proc_taskallinfo>()).ok()?;
    // SAFETY: all zeroes is a valid value of this plain C struct.
    let mut details: libc::proc_taskallinfo = unsafe { mem::zeroed() };
    // SAFETY: the buffer is the struct this flavour fills, and its size is given.
    let filled = unsafe {
        libc::proc_pidinfo(
            number,
            libc::PROC_PIDTASKALLINFO,
            0,
            (&raw mut details).cast(),
            size,
        )
    };
    if filled != size {
        return None;
    }
    let task = details.ptinfo;
    Some(Usage {
        // Units of the processor's own clock: close to nanoseconds, and only compared.
        cpu: Duration::from_nanos(task.pti_total_user.saturating_add(task.pti_total_system)),
        resident_bytes: task.pti_resident_size,
        is_stopped: details.pbsd.pbi_status == libc::SSTOP,
    })
}

/// How long the machine has slept since it was started; compare two readings.
pub fn slept() -> Duration {
    let awake = now_on(libc::CLOCK_UPTIME_RAW);
    now_on(libc::CLOCK_MONOTONIC_RAW).saturating_sub(awake)
}

fn now_on(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(3) fills the struct it is given, which lives here.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if failed != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
