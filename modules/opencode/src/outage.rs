//! What the user hears of the server's troubles: one notice per outage, replaced when it is over. Pure.

use kit::{Action, Answer, Audience, Away, ModuleId, Notice, NoticeKind, Verb};
use supervisor::Phase;

use crate::shown::sentence;

/// What was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Told {
    /// Nothing, or that all is well.
    #[default]
    Well,
    /// That it is being restarted.
    Restarting,
    /// That it has not answered for long.
    Silent,
    /// That it was given up for now, or that a person is needed.
    Stuck,
}

impl Told {
    /// Follows the server to its next phase; the notice to send, if there is something new to say.
    ///
    /// `restarts` tells a restart that was too quick to be seen as a phase of its own.
    pub(crate) fn follow(&mut self, phase: &Phase) -> Option<Notice> {
        let (now, title, body) = match phase {
            Phase::Backoff { cause, .. } => (
                Self::Restarting,
                "opencode is restarting",
                format!(
                    "{} It is started again by itself; your conversations are kept.",
                    sentence(cause)
                ),
            ),
            Phase::Degraded { cause, .. } => (
                Self::Stuck,
                "opencode does not stay up",
                format!(
                    "{} It failed several times, so it is only tried every few minutes. Look at the log, or restart it now.",
                    sentence(cause)
                ),
            ),
            Phase::NeedsAction { cause, .. } => (Self::Stuck, "opencode needs you", sentence(cause)),
            Phase::Unresponsive { is_long: true, .. } => (
                Self::Silent,
                "opencode does not answer",
                "It has not answered for a while. It may be busy, so its work is not cut off yet; look at it, or restart it."
                    .to_owned(),
            ),
            Phase::Healthy { .. } if *self != Self::Well => (
                Self::Well,
                "opencode is back",
                "It is running again. A turn that was cut off can be continued in its conversation."
                    .to_owned(),
            ),
            Phase::Stopped => {
                *self = Self::Well;
                return None;
            }
            Phase::Healthy { .. } | Phase::Unresponsive { .. } | Phase::Starting { .. } | Phase::Stopping => {
                return None;
            }
        };
        // The same again is not news, and a further failure of the same outage is not either.
        if *self == now && now != Self::Well {
            return None;
        }
        *self = now;
        Some(Notice {
            answers: now.answers(),
            ..notice(title, body)
        })
    }

    /// What can be done about it on the spot.
    fn answers(self) -> Vec<Answer> {
        let call = |label, verb| Answer {
            label,
            is_grant: false,
            action: Action::Call(ModuleId(crate::ID), Verb::bare(verb)),
        };
        match self {
            Self::Well | Self::Restarting => Vec::new(),
            Self::Silent => vec![call("Restart now", crate::RESTART_NOW)],
            Self::Stuck => vec![
                call("Try again", "start"),
                Answer {
                    label: "Show the log",
                    is_grant: false,
                    action: Action::Open("/logs?source=opencode".to_owned()),
                },
            ],
        }
    }
}

/// It ended and was started again at once, so no phase told it.
pub(crate) fn restarted_at_once() -> Notice {
    notice(
        "opencode was restarted",
        "It ended unexpectedly and was started again at once. A turn that was cut off can be continued in its conversation."
            .to_owned(),
    )
}

/// It holds more memory than it may and cannot be restarted yet.
pub(crate) fn too_big(held_mib: u64, limit_mib: u64) -> Notice {
    notice(
        "opencode needs much memory",
        format!(
            "It holds {held_mib} MiB, more than the {limit_mib} MiB it may. It is restarted once its sessions are done; \
             nothing is cut off."
        ),
    )
}

fn notice(title: &'static str, body: String) -> Notice {
    Notice {
        kind: NoticeKind::Server,
        key: crate::ID.to_owned(),
        title: title.to_owned(),
        body,
        page: "/dashboard".to_owned(),
        answers: Vec::new(),
        away: Some(Away {
            brief: title,
            folder: None,
            audience: Audience::Here,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn backoff(failures: u32) -> Phase {
        Phase::Backoff {
            failures,
            until: SystemTime::UNIX_EPOCH,
            cause: "opencode exited with code 1".to_owned(),
        }
    }

    const STARTING: Phase = Phase::Starting { is_slow: false };
    const HEALTHY: Phase = Phase::Healthy { pid: 1 };

    fn degraded() -> Phase {
        Phase::Degraded {
            cause: "opencode exited with code 1".to_owned(),
            retry_at: None,
        }
    }

    fn titles(phases: &[Phase]) -> Vec<String> {
        let mut told = Told::default();
        phases
            .iter()
            .filter_map(|phase| told.follow(phase))
            .map(|notice| notice.title)
            .collect()
    }

    #[test]
    fn a_crash_loop_ends_in_one_notice_and_its_end_in_another() {
        let loop_of_crashes = [
            STARTING,
            HEALTHY,
            backoff(1),
            STARTING,
            backoff(2),
            STARTING,
            degraded(),
            STARTING,
            degraded(),
            STARTING,
            HEALTHY,
        ];

        assert_eq!(
            titles(&loop_of_crashes),
            [
                "opencode is restarting",
                "opencode does not stay up",
                "opencode is back"
            ]
        );
    }

    #[test]
    fn starting_and_stopping_on_purpose_is_no_news() {
        assert_eq!(
            titles(&[
                STARTING,
                HEALTHY,
                Phase::Stopping,
                Phase::Stopped,
                STARTING,
                HEALTHY
            ]),
            [""; 0]
        );
        assert_eq!(
            titles(&[backoff(1), Phase::Stopped, STARTING, HEALTHY]),
            ["opencode is restarting"]
        );
    }
}
