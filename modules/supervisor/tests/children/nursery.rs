//! A supervisor with a shell script as its child.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use supervisor::{
    Command, End, Gate, Grace, Handle, Phase, Policy, Probe, Program, Refusal, Setup, Sink, Stream,
    Supervisor,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How long anything may take that is not itself measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    let mut look = look;
    async move {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{caller}: waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The program: a script, and what is to be said when the supervisor asks.
pub struct Script {
    pub text: Mutex<String>,
    /// The interpreter; some stories need one that cannot be started.
    pub program: Mutex<PathBuf>,
    /// One port for each start to come; none when empty.
    pub ports: Mutex<Vec<u16>>,
    pub verdict: Mutex<Result<(), Refusal>>,
    pub answers: Mutex<Probe>,
    pub prepared: AtomicU32,
    pub wound_down: AtomicU32,
}

impl Program for Script {
    type Run = u32;

    fn role(&self) -> &'static str {
        "script"
    }

    async fn prepare(&self) -> Result<(Command, u32), Refusal> {
        let number = self.prepared.fetch_add(1, Ordering::SeqCst) + 1;
        let command = Command {
            program: self.program.lock().unwrap().clone(),
            args: vec!["-c".into(), self.text.lock().unwrap().clone().into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            folder: "/".into(),
            port: self.ports.lock().unwrap().pop(),
        };
        Ok((command, number))
    }

    async fn probe(&self, _run: &u32) -> Probe {
        *self.answers.lock().unwrap()
    }

    async fn verify(&self, _run: &u32, _gate: &Gate) -> Result<(), Refusal> {
        self.verdict.lock().unwrap().clone()
    }

    async fn wind_down(&self, _run: &u32) {
        self.wound_down.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts what comes.
#[derive(Default)]
pub struct Counted {
    pub bytes: AtomicU64,
    pub dropped: AtomicU64,
}

impl Sink for Counted {
    fn line(&self, _stream: Stream, line: &str) {
        self.bytes.fetch_add(line.len() as u64 + 1, Ordering::Relaxed);
    }

    fn dropped(&self, _lines: u64, bytes: u64) {
        self.dropped.fetch_add(bytes, Ordering::Relaxed);
    }
}

pub struct Nursery {
    pub script: Arc<Script>,
    pub handle: Handle<u32>,
    pub sink: Arc<Counted>,
    pub records: Arc<tempfile::TempDir>,
    pub ends: mpsc::Receiver<End>,
    pub stop: CancellationToken,
    pub running: JoinHandle<()>,
    /// Held so that the supervisor keeps a policy to watch.
    _policy: watch::Sender<Policy>,
}

/// Real waits, but a minute of health is half a second and a stop has 1 s before it kills.
pub fn policy() -> Policy {
    let grace = Grace {
        wind_down: Duration::from_millis(200),
        term_again: Duration::from_millis(500),
        kill: Duration::from_secs(1),
        give_up: Duration::from_secs(3),
    };
    Policy {
        start_probe_every: Duration::from_millis(5),
        stop: grace,
        quit: grace,
        ..Policy::default().scaled(1.0 / 120.0)
    }
}

impl Nursery {
    pub fn of(script: &str) -> Self {
        Self::with(script, policy(), Arc::new(tempfile::tempdir().unwrap()))
    }

    pub fn with(script: &str, policy: Policy, records: Arc<tempfile::TempDir>) -> Self {
        os::adopt_orphans().unwrap();
        let script = Arc::new(Script {
            text: Mutex::new(script.to_owned()),
            program: Mutex::new("/bin/sh".into()),
            ports: Mutex::default(),
            verdict: Mutex::new(Ok(())),
            answers: Mutex::new(Probe::Good),
            prepared: AtomicU32::new(0),
            wound_down: AtomicU32::new(0),
        });
        let sink = Arc::new(Counted::default());
        let (policy, policy_seen) = watch::channel(policy);
        let (ends_in, ends) = Setup::ends();
        let setup = Setup {
            records: records.path().to_owned(),
            policy: policy_seen,
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
            ends: ends_in,
        };
        let (mut supervisor, handle) = Supervisor::new(Arc::clone(&script), setup);
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { supervisor.run(stop).await }
        });
        Self {
            script,
            handle,
            sink,
            records,
            ends,
            stop,
            running,
            _policy: policy,
        }
    }

    pub fn starts(&self) -> u32 {
        self.script.prepared.load(Ordering::SeqCst)
    }

    pub fn pid(&self) -> u32 {
        self.handle.phase().borrow().pid().unwrap()
    }

    pub fn identity(&self) -> os::Identity {
        os::identify(self.pid()).unwrap()
    }

    pub async fn phase_named(&self, name: &str) -> Phase {
        let mut phase = self.handle.phase();
        let found = tokio::time::timeout(PATIENCE, phase.wait_for(|phase| phase.name() == name)).await;
        found
            .unwrap_or_else(|_late| panic!("never {name}, but {:?}", self.handle.phase().borrow()))
            .unwrap()
            .clone()
    }

    /// Ends everything and looks whether anything is left.
    pub async fn close(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        assert_eq!(
            std::fs::read_dir(self.records.path()).unwrap().count(),
            0,
            "records"
        );
    }
}

/// The living processes whose command line holds `text`.
pub fn named(text: &str) -> Vec<u32> {
    os::processes()
        .unwrap()
        .into_iter()
        .filter(|process| !process.is_over)
        .map(|process| process.identity.pid)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(text))
        })
        .collect()
}

/// A number of seconds nobody else sleeps for, to find one's own processes by.
pub fn odd_sleep() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}{:03}",
        1_000_000 + std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    )
}
