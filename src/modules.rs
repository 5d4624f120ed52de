//! The wiring: every module, in order. Read this first.
//!
//! A module can be removed by deleting its folder, its lines in `Cargo.toml` and its lines here.

use std::sync::{Arc, OnceLock};

use autostart::{Autostart, LoginEntry};
use dashboard::{Dashboard, Tails};
use gateway::{Door, Gateway};
use kit::{
    ActError, BoxFuture, Caller, Context, Dirs, Feed, Module, ModuleId, Reply, Secret, SettingsFile, Verb,
    VerbSpec,
};
use logs::{Capture, Logs};
use onboarding::{Onboarding, Passwords};
use store::Store;

use crate::cli::doctor::Finding;

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
}

/// Builds every module. Starts nothing.
///
/// # Errors
/// What kept a module from being built.
pub fn build(cx: &Context, store: &Store, capture: Capture) -> anyhow::Result<Built> {
    sections(&cx.settings);
    let late_door = LateDoor::default();
    let logs = Logs::new(cx, capture.clone());
    let autostart = Autostart::new(login_entry()?);
    let dashboard = Dashboard::new(cx, dashboard_parts(capture));
    let onboarding = Onboarding::new(cx, Arc::new(late_door.clone()), find_opencode());
    let mut modules: Vec<Arc<dyn Module>> = vec![dashboard, logs, onboarding, autostart];
    let gateway = Gateway::new(
        cx,
        store.clone(),
        gateway::Parts {
            modules: modules.clone(),
            upstream: tokio::sync::watch::channel(None).1,
            event_tap: Arc::new(|| Box::pin(futures_util::stream::pending())),
            header: header(cx),
        },
    )?;
    let door = gateway.door();
    late_door.set(door.clone());
    modules.push(gateway);
    Ok(Built {
        modules,
        door,
        busy: Arc::new(|| Box::pin(std::future::ready(Vec::new()))),
    })
}

/// Makes every section of the settings file known.
pub fn sections(settings: &SettingsFile) {
    settings.section::<gateway::GatewaySettings>();
    settings.section::<logs::LogSettings>();
    settings.section::<crate::secrets::SecretsSettings>();
}

/// What the parts that need something of the machine say about it.
pub(crate) async fn doctor(_cx: &Context) -> Vec<Finding> {
    std::future::ready(Vec::new()).await
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
pub const NOUNS: &[Noun] = &[Noun {
    word: "autostart",
    about: "Launch at login",
    id: autostart::ID,
    verbs: autostart::VERBS,
    offline: Some(autostart_offline),
}];

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

/// Looks for opencode for the first-run page.
fn find_opencode() -> onboarding::FindOpencode {
    Arc::new(|| {
        Box::pin(std::future::ready(onboarding::Found::Unusable {
            reason: "It was not looked for.".to_owned(),
            command: String::new(),
        }))
    })
}

fn dashboard_parts(capture: Capture) -> dashboard::Parts {
    let changed = capture.changed();
    dashboard::Parts {
        verbs: vec![(autostart::ID, autostart::VERBS)],
        tails: Tails {
            read: Arc::new(move |id| capture.tail(id.0, TAIL_LINES)),
            changed,
        },
    }
}

/// The feed of every page's header.
pub(crate) fn header(cx: &Context) -> Header {
    let overview = cx.overview.clone();
    Arc::new(move |_| Box::new(web::header_feed(overview.clone())))
}

/// The door for a module that is built before it.
#[derive(Clone, Default)]
struct LateDoor(Arc<OnceLock<Door>>);

impl LateDoor {
    fn set(&self, door: Door) {
        // Set once, in `build`.
        drop(self.0.set(door));
    }
}

impl Passwords for LateDoor {
    fn is_set(&self) -> bool {
        self.0.get().is_some_and(Door::has_password)
    }

    fn suggest(&self) -> String {
        gateway::credential::passphrase().expose().to_owned()
    }

    fn set<'a>(&'a self, caller: &'a Caller, password: Secret) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match self.0.get() {
                Some(door) => door.set_first_password(caller, password).await,
                None => Err("The program is still starting. Try again in a moment.".to_owned()),
            }
        })
    }
}
