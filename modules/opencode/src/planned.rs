//! Restarts that can wait, and what they wait for. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A restart that somebody asked for waits this long for sessions at work.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// Names shown at most of the sessions that are waited for.
const NAMES_MAX: usize = 3;

/// What somebody asked for that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A restart.
    Restart,
}

/// Why a restart is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A person asked for it.
    Asked,
    /// New settings.
    Settings,
    /// The server holds more memory than it may, in MiB.
    Memory(u64),
}

/// A restart to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Planned {
    pub(crate) why: Why,
    /// Then it comes whoever is at work; `None` waits for as long as it takes.
    pub(crate) until: Option<Instant>,
}

impl Planned {
    pub(crate) fn new(why: Why, now: Instant) -> Self {
        let until = match why {
            Why::Asked | Why::Settings => Some(now + WAIT_MAX),
            // Nobody asked for it: no work is cut off for a figure.
            Why::Memory(_) => None,
        };
        Self { why, until }
    }

    /// Whether the one to come stays when `other` is asked for, too: a person's word counts more.
    pub(crate) fn outranks(&self, other: Why) -> bool {
        let rank = |why| match why {
            Why::Memory(_) => 0,
            Why::Settings => 1,
            Why::Asked => 2,
        };
        rank(self.why) > rank(other)
    }

    /// What the status says meanwhile.
    pub(crate) fn sentence(&self, titles: &[String]) -> String {
        let names = names(titles);
        match self.why {
            Why::Asked => format!(
                "Restarts once {names} is done, in ten minutes at the latest. Restart now to not wait."
            ),
            Why::Settings => format!(
                "The new settings count from the next start, which waits for {names}, ten minutes at most. Restart now \
                 to not wait."
            ),
            Why::Memory(mib) => format!(
                "opencode holds {mib} MiB of memory, more than it may. It is restarted once {names} is done; restart now \
                 to not wait."
            ),
        }
    }
}

/// The answer to whoever asked.
pub(crate) fn promise(titles: &[String]) -> String {
    format!(
        "opencode restarts once {} is done, in ten minutes at the latest. `nexus server restart-now` does not wait.",
        names(titles)
    )
}

fn names(titles: &[String]) -> String {
    let shown: Vec<String> = titles
        .iter()
        .take(NAMES_MAX)
        .map(|title| format!("\u{201c}{title}\u{201d}"))
        .collect();
    match titles.len().saturating_sub(NAMES_MAX) {
        0 if shown.is_empty() => "what is at work".to_owned(),
        0 => shown.join(" and "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_are_waited_for_are_named() {
        let titles = |count: usize| (1..=count).map(|n| format!("S{n}")).collect::<Vec<_>>();

        assert_eq!(names(&titles(0)), "what is at work");
        assert_eq!(names(&titles(2)), "“S1” and “S2”");
        assert_eq!(names(&titles(5)), "“S1”, “S2”, “S3” and 2 more");
    }

    #[test]
    fn nobodys_work_is_cut_off_for_memory() {
        let now = Instant::now();

        assert_eq!(Planned::new(Why::Memory(5_000), now).until, None);
        let asked = Planned::new(Why::Asked, now);
        assert_eq!(asked.until, Some(now + WAIT_MAX));
        assert!(asked.outranks(Why::Memory(1)));
        assert!(!asked.outranks(Why::Asked));
    }
}
