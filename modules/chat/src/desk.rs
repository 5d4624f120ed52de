//! Everything the chat keeps in memory, behind one lock, and how it is fetched and kept true.

mod anew;
mod calls;
mod follow;
mod load;
mod outage;
mod search;
mod tell;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use kit::{BoxFuture, Caller, Listener, NoticeSender, Setting, State, Status};
use opencode::{
    Api,
    wire::{Event, Session},
};
use tokio::sync::{mpsc, watch};

use crate::{
    code::Highlighter,
    notes::Notes,
    outbox::Outbox,
    reach::Reach,
    settings::ChatSettings,
    shelf::Shelf,
    transcript::{Transcript, words::words},
    view::{Choices, ModelChoice, Outage},
};

pub use outage::Server;
pub use search::Wanted;

/// Streamed text kept for parts nobody looks at; more than any one answer, and bounded.
const STREAMED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Jobs that may wait to begin.
const JOBS_MAX: usize = 64;

/// The agent a session begins with.
const FIRST_AGENT: &str = "build";

/// Work that outlives the request that asked for it, e.g. a command that runs as long as its turn.
pub type Job = BoxFuture<'static, ()>;

/// The chat's memory and its hands.
pub struct Desk {
    pub api: Api,
    pub notes: Notes,
    pub outbox: Outbox,
    pub settings: Setting<ChatSettings>,
    pub highlighter: Arc<Highlighter>,
    pub home: Arc<str>,
    notices: NoticeSender,
    release_memory: fn(),
    server: Server,
    /// What viewers were told last.
    outages: watch::Sender<Option<Outage>>,
    live: Mutex<Live>,
    /// Counts changes of the shelf.
    shelf_changed: watch::Sender<u64>,
    status: watch::Sender<Status>,
    /// Work that outlives its request, done beside the following.
    jobs: mpsc::Sender<Job>,
    waiting_jobs: Mutex<Option<mpsc::Receiver<Job>>>,
    /// One load at a time: two viewers of one session wait for one fetch.
    loading: tokio::sync::Mutex<()>,
    /// One folder is asked at a time what is under way in it.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Live {
    shelf: Shelf,
    /// The server what is known comes from, as the event stream counts them.
    server: u64,
    slots: HashMap<String, Slot>,
    streamed: Streamed,
    catalogs: HashMap<String, Arc<Catalog>>,
    /// Sessions to delete, and when.
    leaving: HashMap<String, Instant>,
    /// Counts how often everything was asked for.
    round: u64,
    /// Requests nobody was told of, because somebody looked at their session when they came.
    seen_asks: BTreeSet<String>,
    /// Folders that were asked what is under way in them, again and again, and did not say.
    silent: Vec<String>,
}

/// A session somebody looks at, or will in a moment.
#[derive(Default)]
struct Slot {
    transcript: Option<Arc<Transcript>>,
    /// Events since a fetch began, applied again when it has arrived.
    recorded: Option<Vec<Arc<Event>>>,
}

/// Text of parts that are being written, by part: the server stores it only when the part is finished.
#[derive(Default)]
struct Streamed {
    parts: HashMap<String, (String, String)>,
    bytes: usize,
}

/// What can be chosen in one folder.
#[derive(Debug, Default)]
pub struct Catalog {
    pub models: Vec<ModelChoice>,
    /// Names of the agents a person may choose.
    pub agents: Vec<String>,
}

impl Catalog {
    /// The menus for a session that is begun in `folder`.
    pub fn for_new<'a>(&'a self, folder: &'a str) -> Choices<'a> {
        Choices {
            folder,
            models: &self.models,
            model: "",
            agents: &self.agents,
            agent: FIRST_AGENT,
        }
    }

    /// The menus for a session's next message.
    pub fn for_session<'a>(&'a self, session: &'a Session, model: &'a str) -> Choices<'a> {
        Choices {
            folder: &session.directory,
            models: &self.models,
            model,
            agents: &self.agents,
            agent: session.agent.as_deref().unwrap_or(FIRST_AGENT),
        }
    }

    /// The model of a session's next message, `provider/model`.
    pub fn model_of(&self, session: &Session) -> String {
        match &session.model {
            Some(model) if !model.id.is_empty() => format!("{}/{}", model.provider_id, model.id),
            // Left to the server, which knows what its configuration says.
            Some(_) | None => String::new(),
        }
    }
}

/// What a desk is made of.
pub struct Parts {
    pub api: Api,
    pub notes: Notes,
    pub settings: Setting<ChatSettings>,
    pub notices: NoticeSender,
    pub server: Server,
    /// Gives memory that is free back to the system.
    pub release_memory: fn(),
}

impl Desk {
    /// An empty desk.
    pub fn new(parts: Parts) -> Self {
        let home = std::env::var("HOME")
            .or_else(|_| std::env::var("USERPROFILE"))
            .unwrap_or_default();
        let (jobs, waiting_jobs) = mpsc::channel(JOBS_MAX);
        Self {
            jobs,
            waiting_jobs: Mutex::new(Some(waiting_jobs)),
            api: parts.api,
            notes: parts.notes,
            outbox: Outbox::default(),
            settings: parts.settings,
            highlighter: Arc::default(),
            home: home.into(),
            notices: parts.notices,
            release_memory: parts.release_memory,
            server: parts.server,
            outages: watch::Sender::new(None),
            live: Mutex::default(),
            shelf_changed: watch::Sender::new(0),
            status: watch::Sender::new(Status::new(State::Starting, SystemTime::now())),
            loading: tokio::sync::Mutex::new(()),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// The module's status.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Changes with the shelf.
    pub fn shelf_changes(&self) -> watch::Receiver<u64> {
        self.shelf_changed.subscribe()
    }

    /// Has work done that outlives its request; false when too much waits already.
    pub fn hand_over(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// What is known of a folder's choices without asking.
    pub fn known_catalog(&self, directory: &str) -> Option<Arc<Catalog>> {
        self.lock().catalogs.get(directory).cloned()
    }

    /// Looks at the shelf.
    pub fn shelf<T>(&self, look: impl FnOnce(&Shelf) -> T) -> T {
        look(&self.lock().shelf)
    }

    /// Changes the shelf and tells everybody.
    pub fn change_shelf<T>(&self, change: impl FnOnce(&mut Shelf) -> T) -> T {
        let changed = change(&mut self.lock().shelf);
        self.tell_shelf();
        changed
    }

    /// How far `caller` sees.
    pub fn reach(&self, caller: &Caller) -> Reach {
        self.reach_from(caller.listener)
    }

    /// How far whoever comes in at `listener` sees.
    pub fn reach_from(&self, listener: Listener) -> Reach {
        Reach::from(listener, &self.settings.get().projects)
    }

    /// Folders within `reach` that a new session can be made in, the first one preselected.
    pub fn projects(&self, reach: &Reach) -> Vec<String> {
        let mut folders = self.settings.get().projects;
        for folder in self.shelf(Shelf::folders) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        if folders.is_empty() && !self.home.is_empty() {
            folders.push(self.home.to_string());
        }
        folders.retain(|folder| reach.holds(folder));
        folders
    }

    /// The folder a new session is made in: the one asked for if it is among the [`projects`](Self::projects), the first
    /// of them when none is asked for.
    pub fn project(&self, reach: &Reach, wanted: &str) -> Option<String> {
        let mut projects = self.projects(reach).into_iter();
        projects.find(|folder| wanted.is_empty() || folder == wanted)
    }

    /// What is not known although opencode runs, as a sentence.
    fn silence(&self) -> Option<String> {
        let live = self.lock();
        let folder = live.silent.first()?;
        Some(format!(
            "what goes on in {folder} is not known, because opencode did not say it there; look at its settings file \
             there, or restart opencode"
        ))
    }

    fn tell_shelf(&self) {
        self.shelf_changed.send_modify(|count| *count += 1);
        self.tell_status();
    }

    fn tell_status(&self) {
        let (total, busy) = self.shelf(Shelf::counts);
        // The outage is opencode's and is told there; the chat itself runs, and says what it waits for.
        let reason = self.trouble().or_else(|| self.silence());
        let (waiting, recent) = self.shelf(|shelf| (waiting(shelf), recent(shelf)));
        self.status.send_if_modified(|status| {
            let mut fresh = Status::new(State::Running, status.since);
            if reason.is_none() {
                fresh.facts = vec![
                    kit::Fact("Sessions", total.to_string()),
                    kit::Fact("Busy", busy.to_string()),
                ];
            }
            fresh.reason = reason;
            fresh.details.insert("waiting".to_owned(), waiting);
            fresh.details.insert("recent".to_owned(), recent);
            let is_new = *status != fresh;
            *status = fresh;
            is_new
        });
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // What a panic left half done is fetched again with the next connection.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Recent sessions and open requests travel in the status, so that the tray can be computed from it alone.
const SLOTS_MAX: usize = 5;

fn waiting(shelf: &Shelf) -> serde_json::Value {
    let asks = shelf.waiting().take(SLOTS_MAX).map(|(request, ask)| {
        let root = shelf.root_of(&ask.asker);
        serde_json::json!({
            "request": request,
            "session": root,
            "wants": ask.wants,
            "is_question": request.starts_with("que_"),
            "is_whole": ask.is_whole,
        })
    });
    asks.collect()
}

fn recent(shelf: &Shelf) -> serde_json::Value {
    let cards = shelf.cards().into_iter().take(SLOTS_MAX);
    cards
        .map(|card| serde_json::json!({ "session": card.id, "title": card.title }))
        .collect()
}

impl Streamed {
    fn apply(&mut self, event: &Event) {
        if let Event::PartUpdated(part) = event
            && let Some((text, is_complete)) = words(part)
        {
            if is_complete {
                self.forget(&part.id);
            } else if !self.parts.contains_key(&part.id) {
                self.bytes += text.len();
                let kept = (part.session_id.clone(), text.to_owned());
                self.parts.insert(part.id.clone(), kept);
            }
        }
        if let Event::PartDelta(delta) = event
            && delta.field == "text"
            && self.bytes < STREAMED_BYTES_MAX
            && let Some((_, text)) = self.parts.get_mut(&delta.part_id)
        {
            text.push_str(&delta.delta);
            self.bytes += delta.delta.len();
        }
        if let Event::SessionDeleted(session) = event {
            self.forget_session(&session.id);
        }
    }

    fn get(&self, part_id: &str) -> Option<String> {
        self.parts.get(part_id).map(|(_, text)| text.clone())
    }

    fn forget(&mut self, part_id: &str) {
        if let Some((_, text)) = self.parts.remove(part_id) {
            self.bytes -= text.len();
        }
    }

    fn forget_session(&mut self, session_id: &str) {
        let bytes = &mut self.bytes;
        self.parts.retain(|_, (session, text)| {
            let is_kept = session != session_id;
            if !is_kept {
                *bytes -= text.len();
            }
            is_kept
        });
    }
}
