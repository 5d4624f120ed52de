use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use kit::{AgentFacts, BoxFuture, ModuleId, NoticeSender, State};

use std::time::SystemTime;

use super::*;

type Told = Arc<Mutex<Vec<String>>>;

/// A module that fails as often as it is told to, then lives until it is stopped.
struct Fickle {
    id: &'static str,
    failures_left: AtomicU32,
    panics: bool,
    status: watch::Sender<Status>,
    told: Told,
}

impl Fickle {
    fn new(id: &'static str, failures: u32, told: &Told) -> Arc<Self> {
        Arc::new(Self {
            id,
            failures_left: AtomicU32::new(failures),
            panics: id == "panics",
            status: watch::Sender::new(Status::new(State::Running, SystemTime::UNIX_EPOCH)),
            told: Arc::clone(told),
        })
    }
}

impl Module for Fickle {
    fn id(&self) -> ModuleId {
        ModuleId(self.id)
    }

    fn title(&self) -> &'static str {
        self.id
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let left = self.failures_left.load(Ordering::SeqCst);
            if left > 0 {
                self.failures_left.store(left - 1, Ordering::SeqCst);
                assert!(!self.panics, "as the test wants");
                anyhow::bail!("boom");
            }
            self.told.lock().unwrap().push(format!("{} runs", self.id));
            stop.cancelled().await;
            self.told.lock().unwrap().push(format!("{} stops", self.id));
            Ok(())
        })
    }
}

fn overview() -> watch::Sender<Arc<Overview>> {
    watch::Sender::new(Arc::new(Overview {
        agent: AgentFacts {
            version: "0.1.0",
            pid: 1,
            started_at: SystemTime::UNIX_EPOCH,
            is_headless: true,
            home: String::new(),
        },
        modules: Vec::new(),
    }))
}

async fn until(overview: &mut watch::Receiver<Arc<Overview>>, wanted: &[State]) {
    let all = |overview: &Arc<Overview>| {
        let states: Vec<_> = overview
            .modules
            .iter()
            .map(|module| module.status.state)
            .collect();
        states == wanted
    };
    overview.wait_for(all).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn modules_stop_in_the_reverse_order_of_their_start() {
    let told = Told::default();
    let (notices, _shown) = NoticeSender::channel();
    let modules: Vec<Arc<dyn Module>> = vec![Fickle::new("a", 0, &told), Fickle::new("b", 0, &told)];
    let stop = CancellationToken::new();
    let running = tokio::spawn(Host::new(modules, overview(), notices).run(stop.clone()));
    while told.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }

    stop.cancel();
    running.await.unwrap();

    assert_eq!(told.lock().unwrap()[2..], ["b stops", "a stops"]);
}

fn notice(told: Option<kit::Told>) -> kit::Notice {
    match told {
        Some(kit::Told::Notice(notice)) => notice,
        Some(kit::Told::Settled(_)) | None => panic!("no notice: {told:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_module_is_an_outage_of_that_module_alone() {
    for id in ["fails", "panics"] {
        let told = Told::default();
        let (notices, mut shown) = NoticeSender::channel();
        let modules: Vec<Arc<dyn Module>> = vec![Fickle::new("a", 0, &told), Fickle::new(id, 3, &told)];
        let sender = overview();
        let mut overview = sender.subscribe();
        let stop = CancellationToken::new();
        let began = Instant::now();
        let running = tokio::spawn(Host::new(modules, sender, notices).run(stop.clone()));

        until(&mut overview, &[State::Running, State::Backoff]).await;
        let first = notice(shown.recv().await);
        let second = notice(shown.recv().await);
        until(&mut overview, &[State::Running, State::Running]).await;
        let took = began.elapsed();
        stop.cancel();
        running.await.unwrap();

        assert_eq!(
            (first.title, second.title),
            (format!("{id} failed"), format!("{id} is back"))
        );
        assert_eq!(first.key, second.key);
        // 1 + 2 + 4 s of waiting, then 5 s of health.
        assert_eq!(took.as_secs(), 12);
    }
}
