use std::time::SystemTime;

use kit::{
    ActError, AgentFacts, BoxFuture, Entry, ModuleId, ModuleView, NoticeKind, Reply, State, Status, Told,
    Verb,
};
use tokio::task::JoinHandle;

use super::*;
use crate::{control::Failure, desktop::Shown};

/// What was asked of the desktop, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Menu(Menu),
    Notice(String),
    Page(String),
    Browser(String),
}

/// A desktop that only notes.
struct Recording(mpsc::UnboundedSender<Asked>);

impl Recording {
    fn note(&self, asked: Asked) {
        self.0.send(asked).unwrap();
    }
}

impl Desktop for Recording {
    fn show_menu(&self, menu: Menu) {
        self.note(Asked::Menu(menu));
    }

    fn show_notice(&self, notice: Notice) -> BoxFuture<'_, ()> {
        self.note(Asked::Notice(notice.title));
        Box::pin(std::future::ready(()))
    }

    fn remove_notice(&self, key: String) -> BoxFuture<'_, ()> {
        self.note(Asked::Notice(format!("gone: {key}")));
        Box::pin(std::future::ready(()))
    }

    fn show_page<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Shown, Failure>> {
        self.note(Asked::Page(path.to_owned()));
        Box::pin(std::future::ready(Ok(Shown::Window)))
    }

    fn browse<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.note(Asked::Browser(path.to_owned()));
        Box::pin(std::future::ready(Err(Failure::failed("There is no browser."))))
    }
}

/// A module with one switch that cannot be thrown.
struct Stuck(watch::Sender<Status>);

impl Module for Stuck {
    fn id(&self) -> ModuleId {
        ModuleId("stuck")
    }

    fn title(&self) -> &'static str {
        "Stuck"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    fn menu(&self, status: &Status) -> Vec<Entry> {
        vec![Entry::Check {
            text: "Switch".to_owned(),
            action: Action::Call(self.id(), Verb::bare("on")),
            is_on: status.state == State::Running,
        }]
    }

    fn call(&self, _verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(std::future::ready(Err(ActError::Failed(
            "it is stuck".to_owned(),
        ))))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

struct Stage {
    asked: mpsc::UnboundedReceiver<Asked>,
    choices: mpsc::Sender<Action>,
    notices: NoticeSender,
    overview: watch::Sender<Arc<Overview>>,
    stop: CancellationToken,
    driving: JoinHandle<()>,
}

fn overview(state: State) -> Arc<Overview> {
    Arc::new(Overview {
        agent: AgentFacts {
            version: "0.1.0",
            pid: 1,
            started_at: SystemTime::UNIX_EPOCH,
            is_headless: false,
            home: String::new(),
        },
        modules: vec![ModuleView {
            id: ModuleId("stuck"),
            title: "Stuck",
            status: Status::new(state, SystemTime::UNIX_EPOCH),
        }],
    })
}

fn stage(busy: &'static [&'static str]) -> Stage {
    let (noted, asked) = mpsc::unbounded_channel();
    let (choices, chosen) = mpsc::channel(8);
    let (notices, mut told) = NoticeSender::channel();
    let (shows_in, shows) = mpsc::channel(8);
    // Shows everything, as the module between them does by day.
    tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            let show = match told {
                Told::Notice(notice) => Show::Bubble(notice),
                Told::Settled(key) => Show::Remove(key),
            };
            shows_in.send(show).await.unwrap();
        }
    });
    let overview = watch::Sender::new(overview(State::Off));
    let stop = CancellationToken::new();
    let driver = Driver {
        desktop: Arc::new(Recording(noted)),
        modules: vec![Arc::new(Stuck(watch::Sender::new(Status::new(
            State::Off,
            SystemTime::UNIX_EPOCH,
        ))))],
        failures: notices.clone(),
        busy: Arc::new(move || {
            let titles = busy.iter().map(ToString::to_string).collect();
            Box::pin(std::future::ready(titles))
        }),
        stop: stop.clone(),
        asked_to_quit: Mutex::default(),
    };
    let sources = Sources {
        overview: overview.subscribe(),
        shows,
        choices: chosen,
    };
    Stage {
        asked,
        choices,
        notices,
        overview,
        stop,
        driving: tokio::spawn(driver.run(sources)),
    }
}

impl Stage {
    /// The next thing that is no menu.
    async fn next(&mut self) -> Asked {
        loop {
            let asked = self.asked.recv().await.unwrap();
            if !matches!(asked, Asked::Menu(_)) {
                return asked;
            }
        }
    }

    async fn next_menu(&mut self) -> Menu {
        loop {
            if let Asked::Menu(menu) = self.asked.recv().await.unwrap() {
                return menu;
            }
        }
    }

    async fn choose(&self, action: Action) {
        self.choices.send(action).await.unwrap();
    }
}

fn has_mark(menu: &Menu) -> bool {
    menu.entries
        .iter()
        .any(|entry| matches!(entry, Entry::Check { is_on: true, .. }))
}

#[tokio::test(start_paused = true)]
async fn what_is_chosen_is_done_and_what_fails_is_told() {
    let mut stage = stage(&[]);

    stage.choose(Action::Open("/chat".to_owned())).await;
    stage.choose(Action::OpenInBrowser("/chat".to_owned())).await;
    let opened = [stage.next().await, stage.next().await, stage.next().await];
    stage
        .choose(Action::Call(ModuleId("stuck"), Verb::bare("on")))
        .await;
    let failed = stage.next().await;

    let trouble = Asked::Notice("That did not work".to_owned());
    assert_eq!(
        opened,
        [
            Asked::Page("/chat".to_owned()),
            Asked::Browser("/chat".to_owned()),
            trouble.clone()
        ]
    );
    assert_eq!(failed, trouble);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_failed_is_drawn_back() {
    let mut stage = stage(&[]);
    let first = stage.next_menu().await;

    stage
        .choose(Action::Call(ModuleId("stuck"), Verb::bare("on")))
        .await;
    let again = stage.next_menu().await;
    stage.overview.send_replace(overview(State::Running));
    let on = stage.next_menu().await;

    assert_eq!(first, again);
    assert!(!has_mark(&first) && has_mark(&on));
}

#[tokio::test(start_paused = true)]
async fn quit_with_sessions_at_work_has_to_be_chosen_twice() {
    let mut stage = stage(&["Paint the shed"]);

    stage.choose(Action::Quit).await;
    let asked = stage.next().await;
    let ended_at_once = stage.stop.is_cancelled();
    stage.choose(Action::Quit).await;
    stage.stop.cancelled().await;

    assert_eq!(asked, Asked::Notice("Sessions are still at work".to_owned()));
    assert!(!ended_at_once);
    stage.driving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn notices_are_shown_in_order() {
    let mut stage = stage(&[]);
    for title in ["opencode is restarting", "opencode is back"] {
        stage.notices.send(Notice {
            kind: NoticeKind::Server,
            key: "opencode".to_owned(),
            title: title.to_owned(),
            body: String::new(),
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        });
    }

    let shown = [stage.next().await, stage.next().await];

    assert_eq!(
        shown,
        ["opencode is restarting", "opencode is back"].map(|title| Asked::Notice(title.to_owned()))
    );
}
