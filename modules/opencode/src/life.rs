//! The module's run: one supervisor, one event reader, and whatever must follow from what they tell.

mod ends;
mod planning;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context;
use kit::{CancellationToken, Setting};
use supervisor::{Phase, Request};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use planning::MIB;

use crate::{
    ApiError, Events, Opencode, Run, Signal,
    busy::Busy,
    external::{self, Outside},
    history,
    outage::{self, Told},
    planned::{Planned, Wish},
    settings::OpencodeSettings,
    shown::{self, View},
    wire::SessionStatus,
};

/// Folders whose sessions are asked for after a gap in the event stream.
const FOLDERS_ASKED_MAX: usize = 32;
/// How often it is looked whether the running binary was replaced.
const BINARY_LOOK_EVERY: Duration = Duration::from_secs(20);
/// How long the server may take to say what sessions do.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// Lives until `stop`; ends the server before it returns.
pub(crate) async fn run(module: Arc<Opencode>, stop: CancellationToken) -> anyhow::Result<()> {
    // However it ends, nothing is found out after that.
    let _looked = LookIsOver(&module);
    kit_folder(module.program.folder())?;
    let rest = CancellationToken::new();
    // A run that fails leaves nothing behind that works on.
    let _ending = rest.clone().drop_guard();
    let mut tasks = JoinSet::new();
    let served = Arc::clone(&module);
    let serving = stop.clone();
    let supervising = tasks
        .spawn(async move { served.supervisor.lock().await.run(serving).await })
        .id();
    let read = Arc::clone(&module);
    let reading = rest.clone();
    tasks.spawn(async move { read.reader.run(reading).await });
    let outside = Arc::clone(&module);
    let watching = rest.clone();
    tasks.spawn(async move { external::watch(&outside, &outside.outside, watching).await });
    let followed = Arc::clone(&module);
    let following = rest.clone();
    tasks.spawn(async move { Life::new(&followed).follow(following).await });
    if module.settings.get().starts_by_itself() {
        module
            .handle
            .request(Request::Start)
            .await
            .context("the supervisor of opencode ended early")?;
    }
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next_with_id().await {
        match ended {
            Ok((id, ())) if id == supervising => rest.cancel(),
            Ok(_) => {}
            Err(error) => {
                // The supervisor goes on as long as it can: a running server is worth more than its status.
                rest.cancel();
                result = Err(anyhow::Error::new(error).context("a part of the opencode module failed"));
                if !stop.is_cancelled() {
                    tasks.abort_all();
                }
            }
        }
    }
    result
}

/// The server's own working folder: private, and no project, so that it costs nothing to look at.
fn kit_folder(folder: &std::path::Path) -> anyhow::Result<()> {
    kit::files::create_private_folder(folder).with_context(|| format!("could not make {}", folder.display()))
}

/// What was learned beside the loop.
enum Learned {
    /// The configuration can be read, or why not.
    Config(Option<String>),
    /// The version installed over the running one, if one was.
    Replacement(Option<String>),
    /// What the sessions of a folder do.
    Sessions(String, BTreeMap<String, SessionStatus>),
    /// An end is written down, and is to be closed when the server is back.
    Ended(Option<history::Open>),
    /// Nothing.
    Nothing,
}

/// What follows from phases, settings and events.
/// Says so when it goes.
struct LookIsOver<'m>(&'m Opencode);

impl Drop for LookIsOver<'_> {
    fn drop(&mut self) {
        self.0.first_look.send_replace(false);
    }
}

struct Life<'m> {
    module: &'m Opencode,
    /// The same, for what runs beside the loop.
    me: Arc<Opencode>,
    phase: watch::Receiver<Phase>,
    run: watch::Receiver<Option<Run>>,
    setting: Setting<OpencodeSettings>,
    events: Events,
    asking: JoinSet<Learned>,
    told: Told,
    restarts_told: u32,
    /// The settings of the run, or of the last attempt.
    used: OpencodeSettings,
    last_run: Option<Run>,
    config_problem: Option<String>,
    replacement: Option<String>,
    knows_busy: bool,
    /// Whether a server of ours was seen on its way.
    has_begun: bool,
    planned: Option<Planned>,
    outside: watch::Receiver<Option<Outside>>,
    wish: watch::Receiver<Option<Wish>>,
    memory: watch::Receiver<Option<u64>>,
    /// The last end, until the server is back.
    open_end: Option<history::Open>,
    /// The last time the server became healthy.
    back_at: Option<std::time::Instant>,
}

impl<'m> Life<'m> {
    fn new(module: &'m Arc<Opencode>) -> Self {
        Self {
            module,
            me: Arc::clone(module),
            phase: module.handle.phase(),
            run: module.handle.run(),
            setting: module.settings.clone(),
            events: module.api.events(),
            asking: JoinSet::new(),
            told: Told::default(),
            restarts_told: module.handle.restarts(),
            used: module.settings.get(),
            last_run: None,
            config_problem: None,
            replacement: None,
            knows_busy: false,
            has_begun: false,
            planned: None,
            outside: module.outside.subscribe(),
            wish: module.wish.subscribe(),
            memory: module.handle.memory(),
            open_end: None,
            back_at: None,
        }
    }

    async fn follow(&mut self, stop: CancellationToken) {
        self.on_run();
        self.on_phase();
        let mut looks = interval(BINARY_LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let module = self.module;
        let mut ends = module.ends.lock().await;
        loop {
            self.publish();
            let restart_at = self.planned.and_then(|planned| planned.until);
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.run.changed() => if changed.is_ok() { self.on_run() } else { break },
                changed = self.phase.changed() => if changed.is_ok() { self.on_phase() } else { break },
                settings = self.setting.changed() => self.on_settings(settings).await,
                signal = self.events.recv() => self.on_signals(signal).await,
                Some(learned) = self.asking.join_next() => self.on_learned(learned.unwrap_or(Learned::Nothing)),
                Ok(()) = self.outside.changed() => {
                    self.on_run();
                    self.on_phase();
                }
                Ok(()) = self.wish.changed() => self.on_wish(),
                Ok(()) = self.memory.changed() => self.on_memory().await,
                Some(end) = ends.recv() => self.on_end(end),
                () = until(restart_at) => self.restart().await,
                _ = looks.tick() => self.look_at_binary(),
            }
        }
        self.asking.shutdown().await;
        self.on_run();
        self.on_phase();
        self.publish();
    }

    fn on_run(&mut self) {
        let own = self.run.borrow_and_update().clone();
        let run = match &*self.outside.borrow() {
            Some(outside) => outside.run.clone(),
            None => own,
        };
        let upstream = run.as_ref().map(|run| run.upstream.clone());
        let is_new = self.module.upstream.send_if_modified(|held| {
            let is_new = *held != upstream;
            held.clone_from(&upstream);
            is_new
        });
        if !is_new {
            return;
        }
        self.config_problem = None;
        self.replacement = None;
        self.knows_busy = false;
        self.planned = None;
        self.busy(|busy| busy.clear());
        if let Some(run) = run {
            self.used = run.settings.clone();
            self.last_run = Some(run);
            self.knows_busy = true;
            self.check_config();
        }
    }

    fn on_phase(&mut self) {
        let own = self.phase.borrow_and_update().clone();
        self.has_begun |= own != Phase::Stopped;
        // Whoever waits for what is found out about the first server waits no longer than that takes.
        if self.has_begun && own.is_settled() {
            self.module.first_look.send_if_modified(std::mem::take);
        }
        let phase = self.phase();
        if matches!(phase, Phase::Healthy { .. }) {
            let back = *self.back_at.get_or_insert_with(std::time::Instant::now);
            self.close_end(back);
        } else {
            self.back_at = None;
        }
        if let Some(reason) = shown::down_reason(&phase) {
            self.module.api.down_because(&reason);
        }
        let restarts = self.module.handle.restarts();
        let notice = self.told.follow(&phase);
        let was_quick = restarts > self.restarts_told && self.told == Told::Well && phase.cause().is_none();
        self.restarts_told = restarts;
        let notice = notice.or_else(|| was_quick.then(outage::restarted_at_once));
        if let Some(notice) = notice {
            self.module.notices.send(notice);
        }
    }

    /// Where the server stands that is used: ours, or somebody else's.
    fn phase(&self) -> Phase {
        match &*self.outside.borrow() {
            Some(outside) => outside.phase.clone(),
            None => self.phase.borrow().clone(),
        }
    }

    /// Takes what has come, all at once: an answer of 300 tokens a second is one look per batch.
    async fn on_signals(&mut self, first: Signal) {
        let mut next = Some(first);
        while let Some(signal) = next {
            self.on_signal(&signal);
            next = self.events.try_recv();
        }
        if self.planned.is_some() && !self.is_busy() {
            self.restart().await;
        }
    }

    fn on_signal(&mut self, signal: &Signal) {
        match signal {
            Signal::Event { directory, event } => {
                self.busy(|busy| busy.apply(directory, event));
            }
            Signal::Connected { .. } | Signal::Lagged => self.ask_sessions(),
            Signal::Lost => {}
        }
    }

    fn on_learned(&mut self, learned: Learned) {
        match learned {
            Learned::Config(problem) => self.config_problem = problem,
            Learned::Replacement(version) => self.replacement = version,
            Learned::Sessions(folder, statuses) => self.busy(|busy| busy.replace(&folder, &statuses)),
            Learned::Ended(open) => {
                self.open_end = open;
                if let Some(back) = self.back_at {
                    self.close_end(back);
                }
            }
            Learned::Nothing => {}
        }
    }

    /// A server can be healthy and yet refuse every project, because of a configuration it cannot read.
    fn check_config(&mut self) {
        let api = self.module.api();
        let folder = self.module.program.folder().to_string_lossy().into_owned();
        self.asking.spawn(async move {
            match api.paths(&folder).await {
                Err(ApiError::Refused { status: 400, message }) => Learned::Config(Some(message)),
                Ok(_) | Err(_) => Learned::Config(None),
            }
        });
    }

    /// Package managers replace programs while they run. The running one stays; the user is told.
    fn look_at_binary(&mut self) {
        let Some(run) = self.run.borrow().clone() else {
            return;
        };
        let program = Arc::clone(&self.module.program);
        self.asking.spawn(async move {
            let version = program.replacement(&run).await;
            Learned::Replacement(version.map(|version| version.to_string()))
        });
    }

    /// Events were missed: what the sessions do is asked for.
    fn ask_sessions(&mut self) {
        let folders = self.busy(|busy| busy.folders());
        for folder in folders.into_iter().take(FOLDERS_ASKED_MAX) {
            let api = self.module.api();
            self.asking.spawn(async move {
                match timeout(STATUS_TIMEOUT, api.status(&folder)).await {
                    Ok(Ok(statuses)) => Learned::Sessions(folder, statuses),
                    Ok(Err(_)) | Err(_) => Learned::Nothing,
                }
            });
        }
    }

    fn is_busy(&self) -> bool {
        !self.busy(|busy| busy.list()).is_empty()
    }

    fn busy<T>(&self, look: impl FnOnce(&mut Busy) -> T) -> T {
        look(&mut self.module.busy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self) {
        let titles: Vec<String> = self
            .busy(|busy| busy.list())
            .into_iter()
            .map(|session| session.title)
            .collect();
        let view = View {
            phase: self.phase(),
            since: self.since(),
            restarts: self.module.handle.restarts(),
            port: self.last_run.as_ref().map(|run| run.upstream.address.port()),
            version: self.last_run.as_ref().map(|run| run.version.to_string()),
            busy: self.knows_busy.then_some(titles.len()),
            config_problem: self.config_problem.clone(),
            waits: self.planned.map(|planned| planned.sentence(&titles)),
            memory_mib: self.memory.borrow().map(|bytes| bytes / MIB),
            external: self.used.external(),
            replacement: self.replacement.clone(),
            shortcoming: self.module.program.shortcoming(),
        };
        let status = shown::status(&view);
        self.module.status.send_if_modified(|held| {
            let is_new = *held != status;
            if is_new {
                *held = status;
            }
            is_new
        });
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
