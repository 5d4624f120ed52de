//! Hours pass at once here: nothing is really started.

use std::sync::Arc;

use kit::{
    AgentFacts, BoxFuture, Context, Dirs, Module, NoticeSender, Overview, Secret, Secrets, SecretsError,
    SettingsFile, State, Told, Verb,
};
use supervisor::NoSink;
use tokio::sync::mpsc;

use super::*;
use crate::{Decisions, Parts};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn set<'a>(&'a self, _name: &'a str, _secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(std::future::ready(Err(SecretsError::Missing)))
    }

    fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// Remote access of a machine whose guarded port is open at once.
struct Machine {
    module: Arc<Tunnel>,
    told: mpsc::Receiver<Told>,
    origin: watch::Sender<Origin>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    _says: (watch::Sender<bool>, watch::Sender<u64>),
    _folder: tempfile::TempDir,
}

impl Machine {
    fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, settings).unwrap();
        let (notices, told) = NoticeSender::channel();
        let overview = Overview {
            agent: AgentFacts {
                version: "0.1.0",
                pid: 1,
                started_at: SystemTime::UNIX_EPOCH,
                is_headless: true,
                home: String::new(),
            },
            modules: Vec::new(),
        };
        let cx = Context {
            dirs: Arc::new(Dirs::under(folder.path())),
            settings: Arc::new(SettingsFile::open(&file, SystemTime::UNIX_EPOCH)),
            secrets: Arc::new(NoSecrets),
            notices,
            overview: watch::channel(Arc::new(overview)).1,
        };
        kit::files::create_private_folder(&cx.dirs.run).unwrap();
        let origin = watch::Sender::new(Origin::Closed);
        let (undecided, is_undecided) = watch::channel(false);
        let (edits, revision) = watch::channel(0);
        let parts = Parts {
            sink: Arc::new(NoSink),
            hide: Box::new(drop),
            origin: origin.subscribe(),
            objections: Vec::new(),
            is_undecided,
            decisions: Decisions {
                missing: Arc::new(|| None),
                revision,
            },
            reached: Arc::new(|_host| Box::pin(std::future::ready(Err("not tried".to_owned())))),
        };
        let module = Tunnel::new(&cx, parts).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&module).run(stop.clone()));
        Self {
            module,
            told,
            origin,
            stop,
            running,
            _says: (undecided, edits),
            _folder: folder,
        }
    }

    async fn switch_on(&self) {
        let verb = Verb {
            is_awaited: false,
            ..Verb::bare("start")
        };
        self.module.call(verb).await.unwrap();
        let mut wanted = self.module.outside();
        wanted.wait_for(|outside| outside.is_wanted).await.unwrap();
        self.origin.send_replace(Origin::Open(4100));
    }

    /// Waits for less than hours.
    async fn wait_for(&self, state: State) {
        let mut status = self.module.status();
        let is_it = status.wait_for(|status| status.state == state);
        tokio::time::timeout(MINUTE, is_it).await.unwrap().unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_off_by_itself_after_the_hours_that_are_set() {
    for (settings, hours, state) in [
        ("[tunnel]\npath = \"/nowhere/cloudflared\"", 8, State::NeedsAction),
        (
            "[tunnel]\npath = \"/nowhere/cloudflared\"\nauto_off_h = 3",
            3,
            State::NeedsAction,
        ),
        (
            "[tunnel]\nmode = \"manual\"\npublic_host = \"nexus.example.com\"",
            8,
            State::Connected,
        ),
    ] {
        let mut machine = Machine::with(settings);
        machine.switch_on().await;
        machine.wait_for(state).await;
        let wanted = machine.module.outside();
        while machine.told.try_recv().is_ok() {}

        tokio::time::sleep(HOUR * hours - MINUTE).await;
        assert!(wanted.borrow().is_wanted, "{settings}");
        tokio::time::sleep(MINUTE).await;

        machine.wait_for(State::Off).await;
        assert!(!wanted.borrow().is_wanted, "{settings}");
        let mut titles = Vec::new();
        while let Ok(Told::Notice(notice)) = machine.told.try_recv() {
            titles.push(notice.title);
        }
        assert_eq!(titles, ["Remote access is off"], "{settings}");
        machine.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_hours_it_stays_on_and_a_new_start_counts_anew() {
    let machine = Machine::with("[tunnel]\npath = \"/nowhere/cloudflared\"\nauto_off_h = 0");
    machine.switch_on().await;
    tokio::time::sleep(HOUR * 100).await;
    assert!(machine.module.outside().borrow().is_wanted);
    machine.end().await;

    let machine = Machine::with("[tunnel]\npath = \"/nowhere/cloudflared\"");
    machine.switch_on().await;
    tokio::time::sleep(HOUR * 7).await;
    machine.module.call(Verb::bare("stop")).await.unwrap();
    machine.switch_on().await;
    tokio::time::sleep(HOUR * 7).await;
    assert!(machine.module.outside().borrow().is_wanted);
    tokio::time::sleep(HOUR).await;
    machine.wait_for(State::Off).await;
    machine.end().await;
}
