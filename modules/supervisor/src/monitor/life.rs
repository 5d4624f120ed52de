//! Whether the agent is started again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use os::Reaped;

use super::Restarts;

/// The doubling ends here.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Exit codes up to here are the program's own answers (done, failed, usage, not running, needs its user): it meant to
/// end. A panic leaves with 101, a crash by a signal.
const MEANT_MAX: i32 = 4;

/// Signals that ask a program to end: hangup, interrupt, terminate.
const ASKED: [i32; 3] = [1, 2, 15];

/// What to do about the agent's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It meant to end, or was asked to: leave with its code.
    Leave(u8),
    /// Start it again after this wait.
    Again(Duration),
    /// It dies too often.
    GiveUp,
}

/// The agent's lives so far.
#[derive(Debug, Default)]
pub(super) struct Lives {
    restarted: VecDeque<Instant>,
}

impl Lives {
    /// Decides after `end` at `now`. `was_asked`: the monitor has passed on a request to end.
    pub(super) fn ended(&mut self, end: Reaped, was_asked: bool, now: Instant, restarts: Restarts) -> Next {
        if let Some(code) = end.code.filter(|&code| was_asked || code <= MEANT_MAX) {
            return Next::Leave(u8::try_from(code).unwrap_or(1));
        }
        if was_asked || end.signal.is_some_and(|signal| ASKED.contains(&signal)) {
            return Next::Leave(0);
        }
        while self
            .restarted
            .front()
            .is_some_and(|&then| now.saturating_duration_since(then) >= restarts.window)
        {
            self.restarted.pop_front();
        }
        let recent = u32::try_from(self.restarted.len()).unwrap_or(u32::MAX);
        if recent >= restarts.max {
            return Next::GiveUp;
        }
        self.restarted.push_back(now);
        Next::Again(match recent {
            0 => Duration::ZERO,
            again => restarts
                .delay
                .saturating_mul(1 << (again - 1).min(31))
                .min(DELAY_MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_signal(signal: i32) -> Reaped {
        Reaped {
            pid: 7,
            code: None,
            signal: Some(signal),
        }
    }

    fn by_code(code: i32) -> Reaped {
        Reaped {
            pid: 7,
            code: Some(code),
            signal: None,
        }
    }

    #[test]
    fn a_killed_agent_comes_back_at_once_then_later_then_not() {
        let mut lives = Lives::default();
        let begin = Instant::now();
        let mut at = |seconds| {
            lives.ended(
                by_signal(9),
                false,
                begin + Duration::from_secs(seconds),
                Restarts::default(),
            )
        };

        assert_eq!(at(0), Next::Again(Duration::ZERO));
        assert_eq!(at(10), Next::Again(Duration::from_secs(1)));
        assert_eq!(at(20), Next::Again(Duration::from_secs(2)));
        assert_eq!(at(30), Next::GiveUp);
        assert_eq!(at(601), Next::Again(Duration::from_secs(2)));
        assert_eq!(at(1_800), Next::Again(Duration::ZERO));
    }

    #[test]
    fn an_agent_that_meant_to_end_stays_ended() {
        let table = [
            (by_code(0), false, Next::Leave(0)),
            (by_code(1), false, Next::Leave(1)),
            (by_code(4), false, Next::Leave(4)),
            (by_code(101), false, Next::Again(Duration::ZERO)),
            (by_code(101), true, Next::Leave(101)),
            (by_signal(15), false, Next::Leave(0)),
            (by_signal(9), true, Next::Leave(0)),
            (by_signal(11), false, Next::Again(Duration::ZERO)),
        ];
        for (end, was_asked, expected) in table {
            let next = Lives::default().ended(end, was_asked, Instant::now(), Restarts::default());
            assert_eq!(next, expected, "{end:?} asked: {was_asked}");
        }
    }
}
