//! The wiring: every module, in order. Read this first.
//!
//! A module can be removed by deleting its folder, its lines in `Cargo.toml` and its lines here.

mod kept;
mod late_door;
mod outside;

use std::sync::Arc;

use autostart::{Autostart, LoginEntry};
use chat::Chat;
use dashboard::{Dashboard, Tails};
use gateway::{Door, Gateway};
use kit::{
    ActError, BoxFuture, Caller, Context, Dirs, Feed, Module, ModuleId, Origin, Reply, SettingsFile, State,
    Told, Verb, VerbSpec,
};
use logs::{Capture, Logs};
use notices::{Notices, Show};
use onboarding::{Login, Onboarding};
use opencode::{Opencode, find::NotFound};
use store::Store;
use tokio::sync::{mpsc, watch};
use tunnel::Tunnel;

use kept::{Output, clean, hide, history, server};
use late_door::LateDoor;
use outside::{access_keys, call, decisions, reached};

use crate::cli::doctor::{Finding, Verdict};

/// Lines of output a card of the dashboard shows.
const TAIL_LINES: usize = 5;

/// Titles of the sessions that are at work.
pub type Busy = Arc<dyn Fn() -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// Makes the feed of a page's header.
pub(crate) type Header = Arc<dyn Fn(&Caller) -> Box<dyn Feed> + Send + Sync>;

/// Everything that was built, before any of it runs.
pub struct Built {
    /// In the order they start; they stop in reverse, so that the gateway takes nothing new while the rest winds down.
    pub modules: Vec<Arc<dyn Module>>,
    /// The way in, for the desktop and the command line.
    pub door: Door,
    /// Who is at work.
    pub busy: Busy,
    /// What the desktop is to show.
    pub shows: mpsc::Receiver<Show>,
}

/// Builds every module. Starts nothing. `unkept` says why nothing is saved, if so: then nobody comes in from outside.
///
/// # Errors
/// What kept a module from being built.
pub fn build(
    cx: &Context,
    store: &Store,
    capture: Capture,
    told: mpsc::Receiver<Told>,
    unkept: watch::Receiver<Option<String>>,
) -> anyhow::Result<Built> {
    sections(&cx.settings);
    let late_door = LateDoor::default();
    let opencode = Opencode::new(
        cx,
        opencode::Parts {
            sink: Arc::new(Output(opencode::ID, capture.sink())),
            hide: hide(&capture),
            clean: clean(&capture),
            store: store.clone(),
        },
    )?;
    let origin = watch::Sender::new(Origin::Closed);
    let tunnel = Tunnel::new(
        cx,
        tunnel::Parts {
            sink: Arc::new(Output("cloudflared", capture.sink())),
            hide: hide(&capture),
            origin: origin.subscribe(),
            objections: vec![opencode.unsafe_server(), unkept],
            is_undecided: opencode.first_look(),
            decisions: decisions(cx),
            reached: Arc::new(|host| Box::pin(reached(host))),
        },
    )?;
    let chat = Chat::new(
        cx,
        store.clone(),
        chat::Parts {
            api: opencode.api(),
            server: server(&opencode, &capture),
            release_memory: os::release_memory,
        },
    )?;
    let dashboard = Dashboard::new(cx, dashboard_parts(capture.clone(), &opencode));
    let logs = Logs::new(cx, capture);
    let away = notices::Away {
        sessions: Arc::new(late_door.clone()),
        call: call(vec![
            Arc::clone(&opencode) as Arc<dyn Module>,
            Arc::clone(&chat) as Arc<dyn Module>,
        ]),
        seen_outside: Arc::new(chat.seen_outside()),
    };
    let (notices, shows) = Notices::new(cx, store.clone(), told, away)?;
    let autostart = match login_entry() {
        Ok(entry) => Some(Autostart::new(entry)),
        Err(error) => {
            tracing::warn!("there is no launch at login: {error:#}");
            None
        }
    };
    let at_login = autostart
        .clone()
        .map(|autostart| Arc::new(AtLogin(autostart)) as _);
    let onboarding = Onboarding::new(
        cx,
        onboarding::Parts {
            passwords: Arc::new(late_door.clone()),
            find: find_opencode(&opencode),
            at_login,
        },
    );
    let mut modules: Vec<Arc<dyn Module>> = vec![
        Arc::clone(&opencode) as Arc<dyn Module>,
        chat,
        dashboard,
        Arc::clone(&tunnel) as Arc<dyn Module>,
        notices,
        logs,
        onboarding,
    ];
    modules.extend(autostart.map(|autostart| autostart as Arc<dyn Module>));
    let gateway = Gateway::new(
        cx,
        store.clone(),
        gateway::Parts {
            modules: modules.clone(),
            upstream: opencode.upstream(),
            event_tap: opencode.event_tap(),
            header: header(cx),
            outside: tunnel.outside(),
            origin,
            fetch_keys: Arc::new(|url| Box::pin(access_keys(url))),
            admits: Arc::new(os::is_of_own_user),
        },
    )?;
    let door = gateway.door();
    late_door.set(door.clone());
    modules.push(gateway);
    Ok(Built {
        modules,
        door,
        busy: busy(opencode),
        shows,
    })
}

/// Makes every section of the settings file known.
pub fn sections(settings: &SettingsFile) {
    settings.section::<opencode::OpencodeSettings>();
    settings.section::<tunnel::TunnelSettings>();
    settings.section::<chat::ChatSettings>();
    settings.section::<gateway::GatewaySettings>();
    settings.section::<gateway::AccessSettings>();
    settings.section::<notices::NoticesSettings>();
    settings.section::<logs::LogSettings>();
    settings.section::<crate::secrets::SecretsSettings>();
}

/// What the parts that need something of the machine say about it.
pub(crate) async fn doctor(cx: &Context, is_running: bool) -> Vec<Finding> {
    let looked = match opencode::doctor::doctor(&cx.settings, &cx.dirs, is_running).await {
        Ok(looked) => looked,
        Err(error) => {
            return vec![Finding::new(
                "opencode",
                Verdict::NeedsUser,
                format!("{error:#}."),
            )];
        }
    };
    let verdict = |verdict| match verdict {
        opencode::doctor::Verdict::Good => Verdict::Well,
        opencode::doctor::Verdict::Remark => Verdict::Lacking,
        opencode::doctor::Verdict::NeedsUser => Verdict::NeedsUser,
    };
    looked
        .into_iter()
        .map(|found| Finding::new(found.topic, verdict(found.verdict), found.text))
        .collect()
}

/// Does a verb on the files alone.
pub type Offline = fn(&Dirs, &Verb) -> Result<Reply, ActError>;

/// A module as the command line knows it.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    /// The word after `nexus`, e.g. `"server"`.
    pub word: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The module behind it.
    pub id: ModuleId,
    /// What can be asked of it, as the module declares.
    pub verbs: &'static [VerbSpec],
    /// Does it while no agent runs, where that makes sense.
    pub offline: Option<Offline>,
}

/// The modules that can be spoken to on the command line.
pub const NOUNS: &[Noun] = &[
    Noun {
        word: "server",
        about: "The opencode server",
        id: ModuleId(opencode::ID),
        verbs: opencode::VERBS,
        offline: None,
    },
    Noun {
        word: "tunnel",
        about: "Remote access",
        id: ModuleId(tunnel::ID),
        verbs: tunnel::VERBS,
        offline: None,
    },
    Noun {
        word: "notices",
        about: "What you were told",
        id: notices::ID,
        verbs: notices::VERBS,
        offline: None,
    },
    Noun {
        word: "autostart",
        about: "Launch at login",
        id: autostart::ID,
        verbs: autostart::VERBS,
        offline: Some(autostart_offline),
    },
];

fn autostart_offline(_dirs: &Dirs, verb: &Verb) -> Result<Reply, ActError> {
    let entry = login_entry().map_err(|error| ActError::Failed(format!("{error:#}")))?;
    autostart::act(&entry, verb)
}

/// The entry that starts this very program with these very folders.
fn login_entry() -> anyhow::Result<LoginEntry> {
    let home = std::env::var_os("NEXUS_HOME").filter(|home| !home.is_empty());
    let home = home.map(std::path::absolute).transpose()?;
    Ok(LoginEntry::new(std::env::current_exe()?, home)?)
}

/// Launch at login for the first-run page.
struct AtLogin(Arc<Autostart>);

impl onboarding::AtLogin for AtLogin {
    fn now(&self) -> BoxFuture<'_, Login> {
        Box::pin(async move {
            // Looks again: the entry is changed by the desktop's own tools too. A failure is in the status.
            drop(self.0.call(Verb::bare("status")).await);
            if self.0.status().borrow().state == State::Running {
                Login::Starts
            } else {
                Login::Waits
            }
        })
    }

    fn make(&self, wish: Login) -> BoxFuture<'_, Result<(), String>> {
        let verb = match wish {
            Login::Starts => "on",
            Login::Waits => "off",
        };
        Box::pin(async move {
            let made = self.0.call(Verb::bare(verb)).await;
            made.map(drop).map_err(|error| format!("{error}."))
        })
    }
}

/// Looks for opencode for the first-run page.
fn find_opencode(opencode: &Arc<Opencode>) -> onboarding::FindOpencode {
    let opencode = Arc::clone(opencode);
    Arc::new(move || {
        let opencode = Arc::clone(&opencode);
        Box::pin(async move {
            match opencode.find().await {
                Ok(found) => onboarding::Found::Usable {
                    path: found.path.display().to_string(),
                    version: found.version.to_string(),
                },
                Err(error) => onboarding::Found::Unusable {
                    command: mending(&error).to_owned(),
                    reason: format!("{error}."),
                },
            }
        })
    })
}

/// A command that mends what keeps opencode from being found.
fn mending(error: &NotFound) -> &'static str {
    match error {
        NotFound::Nowhere(_) | NotFound::Mute { .. } => "npm install -g opencode-ai",
        NotFound::Named { .. } => "nexus settings set opencode.path \"\"",
        NotFound::TooOld { .. } => "opencode upgrade",
    }
}

/// Who would be cut off by an end of the agent.
fn busy(opencode: Arc<Opencode>) -> Busy {
    Arc::new(move || {
        let titles = opencode
            .busy_sessions()
            .into_iter()
            .map(|session| session.title)
            .collect();
        Box::pin(std::future::ready(titles))
    })
}

/// Names the sessions that are at work, as a sentence.
pub(crate) fn still_at_work(titles: &[String]) -> String {
    format!("Still at work: “{}”.", titles.join("”, “"))
}

fn dashboard_parts(capture: Capture, opencode: &Arc<Opencode>) -> dashboard::Parts {
    let changed = capture.changed();
    dashboard::Parts {
        verbs: vec![
            (ModuleId(opencode::ID), opencode::VERBS),
            (ModuleId(tunnel::ID), tunnel::VERBS),
            (notices::ID, notices::VERBS),
            (autostart::ID, autostart::VERBS),
        ],
        tails: Tails {
            read: Arc::new(move |id| capture.tail(id.0, TAIL_LINES)),
            changed,
        },
        history: history(opencode),
    }
}

/// The feed of every page's header.
pub(crate) fn header(cx: &Context) -> Header {
    let overview = cx.overview.clone();
    Arc::new(move |_| Box::new(web::header_feed(overview.clone())))
}
