//! What the owner of a child tells the supervisor about it.

use std::{ffi::OsString, future::Future, path::PathBuf, time::Duration};

use crate::{Exit, test_factor};

/// A process to start: everything explicit, nothing inherited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Absolute path.
    pub program: PathBuf,
    /// Arguments. Never secrets: anybody can read them.
    pub args: Vec<OsString>,
    /// The complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working folder.
    pub folder: PathBuf,
    /// The loopback port it will listen on, for its record and for naming a conflict.
    pub port: Option<u16>,
}

/// Why a child is not started, or not accepted as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Passes by itself; counts as a failure and is retried with backoff.
    Transient(String),
    /// The system has no room at this moment (descriptors, memory, processes, disk); tried again within a second, and
    /// not held against the child.
    Exhausted(String),
    /// A service it depends on asked for fewer tries, or cannot be reached: the wait begins at `first`, doubles with each
    /// such end in a row, and ends at `longest`. Not held against the child.
    Throttled {
        /// What is the matter with the service, one sentence.
        cause: String,
        /// The first wait.
        first: Duration,
        /// The longest wait.
        longest: Duration,
    },
    /// Stays until a person or the system changes something; looked at again after `recheck`, without a spawn in
    /// between.
    Permanent {
        /// The sentence the user sees.
        reason: String,
        /// How long until [`Program::prepare`] is asked again; `None` waits for a start request.
        recheck: Option<Duration>,
    },
}

impl Refusal {
    /// The same refusal as it is used: with the waits of a test shortened.
    pub fn shortened_for_tests(self) -> Self {
        match self {
            Self::Throttled {
                cause,
                first,
                longest,
            } => Self::Throttled {
                cause,
                first: first.mul_f64(test_factor()),
                longest: longest.mul_f64(test_factor()),
            },
            Self::Transient(_) | Self::Exhausted(_) | Self::Permanent { .. } => self,
        }
    }
}

/// What a health request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// An authenticated answer that says "healthy".
    Good,
    /// Anything else, a timeout included.
    Bad,
}

/// What [`Program::verify`] is given to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The child.
    pub pid: u32,
    /// Every listening socket of the child's process tree.
    pub listening: Vec<std::net::SocketAddr>,
}

/// One kind of child. Implemented by `opencode` and `tunnel`; the driver calls it, one call at a time.
pub trait Program: Send + Sync + 'static {
    /// What one run of the child is known by: its port, password, version.
    type Run: Clone + Send + Sync + 'static;

    /// Role in records, logs and file names, e.g. `"opencode"`.
    fn role(&self) -> &'static str;

    /// Finds the binary, chooses port and password. Called before every spawn, again when the port was lost to somebody
    /// else in between.
    ///
    /// After a crash of a child that was healthy for long this stands between the exit and the next spawn, so it must be
    /// quick when nothing changed: keep what was learned about a binary by its path, size and times.
    fn prepare(&self) -> impl Future<Output = Result<(Command, Self::Run), Refusal>> + Send;

    /// Asks once whether the child works. The driver bounds it: 500 ms while starting, 5 s later.
    fn probe(&self, run: &Self::Run) -> impl Future<Output = Probe> + Send;

    /// Checked once, between the first good probe and "healthy"; a refusal kills the tree. The driver has then already
    /// seen that every listening socket is a loopback one and that the child's port belongs to its own tree.
    fn verify(&self, run: &Self::Run, gate: &Gate) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Told instead of [`verify`](Self::verify) when the driver refuses the child for where it listens.
    fn distrusted(&self, _refusal: &Refusal) {}

    /// What an unasked end of the child means for its next start, where its last lines say more than that it ended:
    /// oldest first, up to 20, without colour codes. `None`: an ordinary failure.
    fn judge(&self, _exit: Exit, _last_output: &[String]) -> Option<Refusal> {
        None
    }

    /// A number that changes whenever the child does something only its owner sees, e.g. bytes on a stream. A child
    /// that does not answer but still does things is busy, not hung.
    fn progress(&self, _run: &Self::Run) -> u64 {
        0
    }

    /// Asks a running child to wind down before it is signalled. The driver bounds it at 1.5 s and goes on whatever
    /// comes of it.
    fn wind_down(&self, run: &Self::Run) -> impl Future<Output = ()> + Send;
}
