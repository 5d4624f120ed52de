//! A module, its settings and a model, all of their own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fakes::Model;
use kit::{CancellationToken, Context, Dirs, Module, NoticeSender, Overview, State, Status, Verb};
use opencode::{
    Events, Opencode, Signal,
    wire::{Event, Message, NewSession, PartKind, Prompt, Session},
};
use supervisor::NoSink;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

/// Longest wait for anything: a start under load takes up to 20 s.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The opencode the tests run: named, or where `installers/dev` keeps it.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("NEXUS_TEST_OPENCODE") {
        return named.into();
    }
    let folder =
        |name: &str, below: &str| std::env::var_os(name).map(|found| PathBuf::from(found).join(below));
    let caches = [
        folder("NEXUS_DEV_CACHE", ""),
        Some(PathBuf::from("/var/cache/opencode-nexus-dev")),
        folder("XDG_CACHE_HOME", "opencode-nexus-dev"),
        folder("HOME", ".cache/opencode-nexus-dev"),
    ];
    let mut places = caches
        .into_iter()
        .flatten()
        .map(|cache| cache.join("opencode-1.18.33/bin/opencode"));
    places
        .find(|path| path.exists())
        .expect("no opencode to test with: run `installers/dev setup`, or name one in NEXUS_TEST_OPENCODE")
}

/// Everything one story needs. Ends with it.
pub struct Rig {
    pub home: tempfile::TempDir,
    pub module: Arc<Opencode>,
    pub context: Context,
    secrets: Arc<Kept>,
    pub notices: tokio::sync::mpsc::Receiver<kit::Told>,
    stop: CancellationToken,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    _model: Model,
    _overview: watch::Sender<Arc<Overview>>,
}

/// Secrets in memory.
#[derive(Default)]
struct Kept(std::sync::Mutex<std::collections::BTreeMap<String, kit::Secret>>);

impl kit::Secrets for Kept {
    fn get<'a>(
        &'a self,
        name: &'a str,
    ) -> kit::BoxFuture<'a, Result<Option<kit::Secret>, kit::SecretsError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(name).cloned()) })
    }
    fn set<'a>(
        &'a self,
        name: &'a str,
        secret: kit::Secret,
    ) -> kit::BoxFuture<'a, Result<(), kit::SecretsError>> {
        Box::pin(async move {
            self.0.lock().unwrap().insert(name.to_owned(), secret);
            Ok(())
        })
    }
    fn delete<'a>(&'a self, name: &'a str) -> kit::BoxFuture<'a, Result<(), kit::SecretsError>> {
        Box::pin(async move {
            self.0.lock().unwrap().remove(name);
            Ok(())
        })
    }
    fn names(&self) -> kit::BoxFuture<'_, Result<Vec<String>, kit::SecretsError>> {
        Box::pin(async { Ok(self.0.lock().unwrap().keys().cloned().collect()) })
    }
}

impl Rig {
    /// A module that runs with `settings` (lines of the `[opencode]` table) and starts nothing by itself.
    pub async fn new(binary: &Path, settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let model = Model::start(0).await.unwrap();
        let dirs = Dirs::under(&home.path().join("nexus"));
        dirs.create().unwrap();
        let user = home.path().join("user");
        std::fs::create_dir_all(&user).unwrap();
        std::fs::create_dir_all(home.path().join("project")).unwrap();
        let mut env = fakes::offline_env(&user);
        env.push((
            "OPENCODE_CONFIG_CONTENT".to_owned(),
            fakes::provider_config(&model.base_url()),
        ));
        let env: Vec<String> = env
            .iter()
            .map(|(name, value)| format!("{name} = '{value}'"))
            .collect();
        let file = format!(
            "[opencode]\npath = '{}'\nautostart = false\nask = 'commands_and_edits'\n{settings}\n[opencode.env]\n{}\n",
            binary.display(),
            env.join("\n")
        );
        std::fs::write(dirs.config.join("settings.toml"), file).unwrap();
        let (sender, notices) = NoticeSender::channel();
        let overview = watch::Sender::new(Arc::new(Overview {
            agent: kit::AgentFacts {
                version: "0",
                pid: 0,
                started_at: SystemTime::UNIX_EPOCH,
                is_headless: true,
                home: String::new(),
            },
            modules: Vec::new(),
        }));
        let file = kit::SettingsFile::open(&dirs.config.join("settings.toml"), SystemTime::now());
        let secrets = Arc::new(Kept::default());
        let context = Context {
            settings: Arc::new(file),
            dirs: Arc::new(dirs),
            secrets: Arc::clone(&secrets) as Arc<dyn kit::Secrets>,
            notices: sender,
            overview: overview.subscribe(),
        };
        let parts = opencode::Parts {
            sink: Arc::new(NoSink),
            hide: Box::new(drop),
            clean: Arc::new(str::to_owned),
            store: store::Store::in_memory().unwrap(),
        };
        let module = Opencode::new(&context, parts).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&module).run(stop.clone()));
        Self {
            home,
            module,
            context,
            secrets,
            notices,
            stop,
            running: Some(running),
            _model: model,
            _overview: overview,
        }
    }

    /// With the real opencode, healthy.
    pub async fn started() -> Self {
        let rig = Self::new(&binary(), "").await;
        rig.call("start").await.unwrap();
        rig
    }

    pub fn keep_secret(&self, name: &str, secret: kit::Secret) {
        self.secrets.0.lock().unwrap().insert(name.to_owned(), secret);
    }

    pub fn project(&self) -> String {
        self.home.path().join("project").to_str().unwrap().to_owned()
    }

    pub async fn call(&self, verb: &str) -> Result<kit::Reply, kit::ActError> {
        timeout(PATIENCE, self.module.call(Verb::bare(verb)))
            .await
            .unwrap()
    }

    /// Waits until the status is as wanted.
    pub async fn status(&self, is_wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.module.status();
        let found = timeout(PATIENCE, status.wait_for(is_wanted)).await;
        match found {
            Ok(found) => found.unwrap().clone(),
            Err(_late) => panic!("the status stayed {:?}", self.module.status().borrow()),
        }
    }

    pub async fn state(&self, state: State) -> Status {
        self.status(|status| status.state == state).await
    }

    pub async fn pid(&self) -> u32 {
        let status = self.state(State::Healthy).await;
        u32::try_from(status.details["pid"].as_u64().unwrap()).unwrap()
    }

    /// Events from now on; the stream is open.
    pub async fn events(&self) -> Tale {
        let mut tale = Tale {
            events: self.module.api().events(),
        };
        assert!(matches!(tale.next().await, Signal::Connected { .. }));
        tale
    }

    pub async fn session(&self) -> Session {
        let api = self.module.api();
        api.create_session(&self.project(), &NewSession::default())
            .await
            .unwrap()
    }

    pub async fn prompt(&self, session: &Session, text: &str) {
        let api = self.module.api();
        api.prompt(&session.directory, &session.id, &Prompt::text(text))
            .await
            .unwrap();
    }

    pub async fn messages(&self, session: &Session) -> Vec<Message> {
        let api = self.module.api();
        api.messages(&session.directory, &session.id, 100, None)
            .await
            .unwrap()
            .messages
    }

    /// Ends the module and waits for that.
    pub async fn end(mut self) {
        self.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A story that failed still ends its server: the runtime waits for this task, not the test.
        let pid = self.module.status().borrow().details["pid"].as_u64();
        let identity = pid.and_then(|pid| os::identify(u32::try_from(pid).ok()?));
        if let Some(identity) = identity {
            os::signal(identity, os::Signal::Kill).ok();
        }
        self.stop.cancel();
    }
}

/// Events in order.
pub struct Tale {
    events: Events,
}

impl Tale {
    pub async fn next(&mut self) -> Signal {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("nothing more happened")
    }

    /// Skips to the first event `look` has an answer for.
    pub async fn until<T>(&mut self, look: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            if let Signal::Event { event, .. } = self.next().await
                && let Some(found) = look(&event)
            {
                return found;
            }
        }
    }

    pub async fn idle(&mut self, session: &Session) {
        let is_it = |event: &Event| match event {
            Event::SessionIdle { session_id } => (*session_id == session.id).then_some(()),
            _ => None,
        };
        self.until(is_it).await;
    }
}

/// The words of all text parts of the last message.
pub fn last_text(messages: &[Message]) -> String {
    let parts = &messages.last().unwrap().parts;
    let texts = parts.iter().filter_map(|part| match &part.kind {
        PartKind::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
