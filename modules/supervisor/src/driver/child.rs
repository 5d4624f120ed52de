//! One running child: started, watched, taken apart.

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    Command, End, Exit, Refusal, Stream,
    output::{drain::Drain, ring::Heard},
    record::Record,
    tree::{MARKER_VARIABLE, Tree},
};

/// How many of its last lines tell why a child ended.
const LAST_WORDS: usize = 3;

/// How many of its last lines a history keeps.
pub(super) const LINES_REMEMBERED: usize = 20;

/// How much of them is quoted.
const LAST_WORDS_CHARS_MAX: usize = 400;

/// How long the last words of a dead child are waited for. They are in the pipe already, unless a descendant keeps
/// it open.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(200);

/// When a program that could not be executed is looked at again.
const RECHECK_PROGRAM: Duration = Duration::from_secs(30);

/// A child from its start until its tree is handed over to be ended.
pub(super) struct Child<R> {
    pub(super) process: tokio::process::Child,
    pub(super) run: R,
    pub(super) tree: Tree,
    pub(super) port: Option<u16>,
    pub(super) drain: Drain,
    began: Instant,
    /// Where its output begins in the ring.
    pub(super) mark: u64,
    pub(super) readers: JoinSet<()>,
    /// Its record, once it is on disk.
    pub(super) recorded: Recorded,
}

/// A record on its way to the disk, or there.
pub(super) enum Recorded {
    Writing(JoinHandle<io::Result<PathBuf>>),
    Written(PathBuf),
    Failed,
}

impl Recorded {
    /// Waits for the disk. A child whose record cannot be written is run all the same: only its clean-up after a crash
    /// of every process of ours suffers.
    pub(super) async fn path(&mut self) -> Option<PathBuf> {
        if let Self::Writing(writing) = self {
            *self = match writing.await {
                Ok(Ok(path)) => Self::Written(path),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the record of a child could not be written");
                    Self::Failed
                }
                Err(_runtime_ends) => Self::Failed,
            };
        }
        match self {
            Self::Written(path) => Some(path.clone()),
            Self::Writing(_) | Self::Failed => None,
        }
    }
}

impl<R> Child<R> {
    /// Starts `command` in a session of its own, with its output drained from the first byte.
    pub(super) fn spawn(
        role: &'static str,
        command: Command,
        run: R,
        drain: Drain,
        records: PathBuf,
    ) -> Result<Self, Refusal> {
        match os::is_program(&command.program) {
            Ok(true) => {}
            Ok(false) => return Err(no_program(&command)),
            Err(error) => return Err(refusal(&command, &error)),
        }
        let marker = format!("{role}.{:032x}", rand::random::<u128>());
        let mut starting = tokio::process::Command::new(&command.program);
        starting
            .args(&command.args)
            .env_clear()
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .env(MARKER_VARIABLE, &marker)
            .current_dir(&command.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Only for the case that the supervisor itself is dropped while it runs.
            .kill_on_drop(true);
        os::isolate(starting.as_std_mut());
        let began = Instant::now();
        let mut process = starting.spawn().map_err(|error| refusal(&command, &error))?;
        let pid = process.id().unwrap_or(0);
        // A child that ended within this moment has no identity any more, and needs none: its number cannot be used
        // again before it is waited for.
        let root = os::identify(pid).unwrap_or(os::Identity { pid, started: 0 });
        let tree = Tree::new(root, &marker);
        let mark = drain
            .published
            .ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .mark();
        let mut readers = JoinSet::new();
        if let Some(pipe) = process.stdout.take() {
            readers.spawn(drain.clone().run(Stream::Out, pipe));
        }
        if let Some(pipe) = process.stderr.take() {
            readers.spawn(drain.clone().run(Stream::Error, pipe));
        }
        let recorded_tree = tree.clone();
        let recorded = tokio::task::spawn_blocking(move || {
            Record::of(role, &recorded_tree, command.port)?.write_blocking(&records)
        });
        Ok(Self {
            process,
            run,
            tree,
            port: command.port,
            drain,
            began,
            mark,
            readers,
            recorded: Recorded::Writing(recorded),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.tree.root.pid
    }

    /// Why it ended, in one sentence, with its last words.
    pub(super) async fn cause(
        &mut self,
        role: &str,
        status: &io::Result<ExitStatus>,
        heard: Heard,
    ) -> String {
        read_out(&mut self.readers).await;
        let words = last_words(&self.drain, self.mark, LAST_WORDS, heard).join(" / ");
        let end = describe(role, status);
        if words.is_empty() {
            end
        } else {
            format!(
                "{end}: {}",
                words.chars().take(LAST_WORDS_CHARS_MAX).collect::<String>()
            )
        }
    }

    /// How it ended, without its last words: they may still be in the pipe.
    pub(super) fn end_of(&self, role: &str, status: &io::Result<ExitStatus>) -> End {
        let exit = match status {
            Ok(status) => match (status.code(), signal_of(*status)) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            },
            Err(_) => Exit::Unknown,
        };
        End {
            at: SystemTime::now(),
            ended: Instant::now(),
            cause: describe(role, status),
            exit,
            ran_for: Some(self.began.elapsed()),
            last_output: vec![],
        }
    }

    /// Up to `count` of the last lines it printed, as far as they have been read.
    pub(super) fn last_words(&self, count: usize) -> Vec<String> {
        last_words(&self.drain, self.mark, count, Heard::Everything)
    }

    /// Whether somebody outside its tree listens on the port it was given.
    pub(super) fn has_lost_port_blocking(&self) -> bool {
        let Some(owner) = self.port.and_then(os::port_owner) else {
            return false;
        };
        // A stranger of another user shows no number, one of ours always does.
        owner
            .pid
            .is_none_or(|pid| !self.tree.glance_blocking().iter().any(|own| own.pid == pid))
    }
}

/// Late words are merely not quoted.
pub(super) async fn read_out(readers: &mut JoinSet<()>) {
    let all_read = async { while readers.join_next().await.is_some() {} };
    let _ = timeout(LAST_WORDS_WAIT, all_read).await;
}

pub(super) fn last_words(drain: &Drain, mark: u64, count: usize, heard: Heard) -> Vec<String> {
    let ring = drain
        .published
        .ring
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    ring.last_words(mark, count, heard)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// How `role` ended, without its words.
pub(super) fn describe(role: &str, status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), signal_of(*status)) {
            (Some(code), _) => format!("{role} ended with exit code {code}"),
            (None, Some(signal)) => format!("{role} was ended by signal {signal}{}", signal_name(signal)),
            (None, None) => format!("{role} ended"),
        },
        Err(error) => format!("{role} could not be waited for: {error}"),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (aborted)",
        9 => " (killed)",
        11 => " (crashed)",
        15 => " (terminated)",
        _ => "",
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// Exhaustion passes by itself; a program that cannot be executed does not.
fn refusal(command: &Command, error: &io::Error) -> Refusal {
    let program = command.program.display();
    if !command.folder.is_dir() {
        return permanent(format!(
            "the folder {} to run in does not exist: make it or choose another",
            command.folder.display()
        ));
    }
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        return permanent(format!(
            "{program} does not exist or needs a loader that is missing: install it or set another path"
        ));
    }
    if kind == io::ErrorKind::PermissionDenied {
        return permanent(format!(
            "{program} may not be executed: make it executable or set another path"
        ));
    }
    if is_exhaustion(error) {
        return Refusal::Exhausted(format!(
            "the system has no room to start {program} at this moment ({error})"
        ));
    }
    if is_exec_format(error) {
        return no_program(command);
    }
    if kind == io::ErrorKind::InvalidInput || kind == io::ErrorKind::IsADirectory {
        return permanent(format!("{program} cannot be started: {error}"));
    }
    Refusal::Transient(format!("{program} could not be started: {error}"))
}

fn no_program(command: &Command) -> Refusal {
    permanent(format!(
        "{} is no program for this machine: install the right one or set another path",
        command.program.display()
    ))
}

fn permanent(reason: String) -> Refusal {
    Refusal::Permanent {
        reason,
        recheck: Some(RECHECK_PROGRAM),
    }
}

/// Too many open files or processes, no memory, a full disk: what passes when others let go.
fn is_exhaustion(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind of their own; they are 24 and 23 on every Unix, 4 is Windows' too many open files.
    let is_out_of_files = match error.raw_os_error() {
        Some(code) if cfg!(windows) => code == 4,
        Some(code) => code == 23 || code == 24,
        None => false,
    };
    is_out_of_files
        || matches!(
            error.kind(),
            io::ErrorKind::OutOfMemory
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
        )
}

/// ENOEXEC on every Unix; ERROR_BAD_EXE_FORMAT on Windows.
fn is_exec_format(error: &io::Error) -> bool {
    let code = if cfg!(windows) { 193 } else { 8 };
    error.raw_os_error() == Some(code)
}

/// Shared by every child of one supervisor.
pub(super) fn drain_of(sink: &Arc<dyn crate::Sink>, published: &Arc<crate::handle::Published>) -> Drain {
    Drain {
        sink: Arc::clone(sink),
        published: Arc::clone(published),
        allowance: Arc::new(std::sync::Mutex::new(crate::output::drain::Allowance::new(
            tokio::time::Instant::now(),
        ))),
    }
}
