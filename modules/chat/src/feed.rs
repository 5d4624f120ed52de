//! Open pages, kept true.

mod mirror;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kit::{BoxFuture, Caller, Feed, Frame, Patch};
use tokio::sync::watch;

use crate::{
    desk::Desk,
    shelf::{self, Shelf},
    transcript::{Cursor, Transcript},
    view::{self, Outage},
};
use mirror::Mirror;

/// How soon a page is looked at again when something waits to be shown.
const BEHIND: Duration = Duration::from_millis(250);
/// How soon a session that could not be fetched is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The main page.
pub struct HomeFeed {
    desk: Arc<Desk>,
    caller: Caller,
    shelf: watch::Receiver<u64>,
    outages: watch::Receiver<Option<Outage>>,
    cards: Mirror,
    rest: Mirror,
    told_outage: Option<Outage>,
    /// The menus of models and agents are on the page.
    has_menus: bool,
    is_first: bool,
}

impl HomeFeed {
    /// A page whose state is not known: it is told everything first.
    pub fn new(desk: Arc<Desk>, caller: Caller) -> Self {
        Self {
            caller,
            shelf: desk.shelf_changes(),
            outages: desk.outages(),
            cards: Mirror::cards(),
            rest: Mirror::rows(""),
            told_outage: None,
            has_menus: false,
            is_first: true,
            desk,
        }
    }

    fn changes(&mut self) -> Option<Frame> {
        self.shelf.mark_unchanged();
        self.outages.mark_unchanged();
        let now = SystemTime::now();
        let reach = self.desk.reach(&self.caller);
        let (cards, rest) = shelf::split(reach.cards(self.desk.shelf(Shelf::cards)));
        let mut patches = Vec::new();
        self.cards.show(cards, &self.desk.home, now, &mut patches);
        self.rest.show(rest, &self.desk.home, now, &mut patches);
        tell_outage(&self.desk, &mut self.told_outage, self.is_first, &mut patches);
        let folder = self.desk.project(&reach, "").unwrap_or_default();
        if let (false, Some(catalog)) = (self.has_menus, self.desk.known_catalog(&folder)) {
            self.has_menus = true;
            patches.push(menus(&catalog.for_new(&folder)));
        }
        self.is_first = false;
        (!patches.is_empty()).then_some(Frame {
            cursor: None,
            patches,
        })
    }
}

impl Feed for HomeFeed {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                if let Some(frame) = self.changes() {
                    return Some(frame);
                }
                let reach = self.desk.reach(&self.caller);
                let folder = self.desk.project(&reach, "").unwrap_or_default();
                let is_fetching = !self.has_menus && self.told_outage.is_none() && !folder.is_empty();
                tokio::select! {
                    // Asking wakes the folder up, too: the first message there begins sooner.
                    _catalog = self.desk.catalog(&folder), if is_fetching => {}
                    changed = self.shelf.changed() => changed.ok()?,
                    changed = self.outages.changed() => changed.ok()?,
                }
            }
        })
    }
}

/// One conversation, with the list beside it.
pub struct TalkFeed {
    desk: Arc<Desk>,
    caller: Caller,
    id: String,
    cursor: Option<Cursor>,
    open: Option<Open>,
    shelf: watch::Receiver<u64>,
    outages: watch::Receiver<Option<Outage>>,
    rows: Mirror,
    told_outage: Option<Outage>,
    /// The menus of models and agents are on the page.
    has_menus: bool,
    is_first: bool,
}

struct Open {
    transcript: Arc<Transcript>,
    changes: watch::Receiver<u64>,
}

impl TalkFeed {
    /// A page that stands at `cursor`.
    pub fn new(desk: Arc<Desk>, caller: Caller, id: String, cursor: Option<&str>) -> Self {
        Self {
            caller,
            cursor: cursor.and_then(Cursor::parse),
            open: None,
            shelf: desk.shelf_changes(),
            outages: desk.outages(),
            rows: Mirror::rows(&id),
            told_outage: None,
            has_menus: false,
            is_first: true,
            id,
            desk,
        }
    }

    fn changes(&mut self) -> Option<Frame> {
        self.shelf.mark_unchanged();
        self.outages.mark_unchanged();
        let mut patches = Vec::new();
        let mut cursor = self.cursor;
        if let Some(open) = &mut self.open {
            open.changes.mark_unchanged();
            let (told, at) = open.transcript.since(self.cursor, Instant::now());
            patches = told;
            cursor = Some(at);
        }
        let is_moved = cursor != self.cursor;
        self.cursor = cursor;
        let reach = self.desk.reach(&self.caller);
        let cards = reach.cards(self.desk.shelf(Shelf::cards));
        self.rows
            .show(cards, &self.desk.home, SystemTime::now(), &mut patches);
        tell_outage(&self.desk, &mut self.told_outage, self.is_first, &mut patches);
        self.tell_menus(&mut patches);
        let has_news = !patches.is_empty() || is_moved || self.is_first;
        self.is_first = false;
        has_news.then(|| Frame {
            cursor: cursor.map(Cursor::to_text),
            patches,
        })
    }

    /// The menus come when the server has told what can be chosen, which may take seconds in a new folder.
    fn tell_menus(&mut self, patches: &mut Vec<Patch>) {
        let Some(open) = self.open.as_ref().filter(|_| !self.has_menus) else {
            return;
        };
        let session = open.transcript.look(|conversation| conversation.session.clone());
        let Some(catalog) = self.desk.known_catalog(&session.directory) else {
            return;
        };
        self.has_menus = true;
        let model = catalog.model_of(&session);
        patches.push(menus(&catalog.for_session(&session, &model)));
    }

    /// Waits for anything that may change the page; `None` when the page's session is gone or the agent ends.
    async fn wait(&mut self) -> Option<()> {
        let Some(open) = &mut self.open else {
            return self.fetch().await;
        };
        let is_behind = open.transcript.is_behind();
        let directory = open
            .transcript
            .look(|conversation| conversation.session.directory.clone());
        let is_fetching = !self.has_menus && self.told_outage.is_none();
        tokio::select! {
            _catalog = self.desk.catalog(&directory), if is_fetching => Some(()),
            changed = open.changes.changed() => changed.ok(),
            changed = self.shelf.changed() => changed.ok(),
            changed = self.outages.changed() => changed.ok(),
            () = tokio::time::sleep(BEHIND), if is_behind => Some(()),
        }
    }

    fn may_see(&self, transcript: &Transcript) -> bool {
        let reach = self.desk.reach(&self.caller);
        transcript.look(|conversation| reach.holds(&conversation.session.directory))
    }

    async fn fetch(&mut self) -> Option<()> {
        match self.desk.transcript(&self.id).await {
            Ok(transcript) if !self.may_see(&transcript) => None,
            Ok(transcript) => {
                let changes = transcript.changes();
                self.open = Some(Open { transcript, changes });
                Some(())
            }
            Err(error) if error.is_missing() => None,
            Err(_) => {
                tokio::select! {
                    changed = self.outages.changed() => changed.ok(),
                    () = tokio::time::sleep(RETRY) => Some(()),
                }
            }
        }
    }
}

impl Feed for TalkFeed {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            if self.open.is_none() && self.desk.trouble().is_none() {
                self.fetch().await?;
            }
            loop {
                // The owner may have taken its folder away from those outside.
                if self
                    .open
                    .as_ref()
                    .is_some_and(|open| !self.may_see(&open.transcript))
                {
                    return None;
                }
                if let Some(frame) = self.changes() {
                    return Some(frame);
                }
                self.wait().await?;
            }
        })
    }
}

fn menus(choices: &view::Choices<'_>) -> Patch {
    Patch::Set {
        id: "menus".to_owned(),
        html: view::menus(choices).into_string(),
    }
}

fn tell_outage(desk: &Desk, told: &mut Option<Outage>, is_first: bool, patches: &mut Vec<Patch>) {
    let outage = desk.outage();
    if is_first || *told != outage {
        patches.push(Patch::Set {
            id: "outage".to_owned(),
            html: view::outage(outage.as_ref()).into_string(),
        });
        *told = outage;
    }
}
