//! Which sessions are at work, as told by the event stream.

use std::collections::BTreeMap;

use crate::wire::{Event, Session, SessionStatus};

/// A session at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusySession {
    /// `ses_…`
    pub id: String,
    /// Its name, or `"a new session"`.
    pub title: String,
    /// Its folder.
    pub directory: String,
}

/// Sessions remembered at most; one that falls out only loses its name.
const NAMES_MAX: usize = 1000;

/// What is known of sessions since the stream was opened.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    at_work: BTreeMap<String, String>,
    names: BTreeMap<String, Name>,
}

#[derive(Debug)]
struct Name {
    title: String,
    is_child: bool,
}

impl Busy {
    /// Takes one event; says whether the answer of [`list`](Self::list) may have changed.
    pub(crate) fn apply(&mut self, directory: &str, event: &Event) -> bool {
        match event {
            Event::SessionCreated(session) | Event::SessionUpdated(session) => {
                self.name(session);
                self.at_work.contains_key(&session.id)
            }
            Event::SessionStatus { session_id, status } => self.set(directory, session_id, status),
            Event::SessionIdle { session_id } => self.at_work.remove(session_id).is_some(),
            Event::SessionDeleted(session) => {
                self.names.remove(&session.id);
                self.at_work.remove(&session.id).is_some()
            }
            Event::InstanceDisposed { directory } => {
                let before = self.at_work.len();
                self.at_work.retain(|_, folder| folder != directory);
                before != self.at_work.len()
            }
            Event::GlobalDisposed => !std::mem::take(&mut self.at_work).is_empty(),
            Event::Connected
            | Event::Heartbeat
            | Event::SessionError { .. }
            | Event::SessionDiff { .. }
            | Event::SessionCompacted { .. }
            | Event::MessageUpdated { .. }
            | Event::MessageRemoved { .. }
            | Event::PartUpdated(_)
            | Event::PartDelta(_)
            | Event::PartRemoved { .. }
            | Event::PermissionAsked(_)
            | Event::PermissionReplied { .. }
            | Event::QuestionAsked(_)
            | Event::QuestionClosed { .. }
            | Event::TodoUpdated { .. }
            | Event::Other { .. } => false,
        }
    }

    fn set(&mut self, directory: &str, id: &str, status: &SessionStatus) -> bool {
        if status.is_busy() {
            self.at_work.insert(id.to_owned(), directory.to_owned()).is_none()
        } else {
            self.at_work.remove(id).is_some()
        }
    }

    fn name(&mut self, session: &Session) {
        if self.names.len() >= NAMES_MAX && !self.names.contains_key(&session.id) {
            let at_work = &self.at_work;
            self.names.retain(|id, _| at_work.contains_key(id));
        }
        let name = Name {
            title: if session.is_unnamed() {
                String::new()
            } else {
                session.title.clone()
            },
            is_child: session.parent_id.is_some(),
        };
        self.names.insert(session.id.clone(), name);
    }

    /// Replaces what is known about one folder by what the server says now.
    pub(crate) fn replace(&mut self, directory: &str, statuses: &BTreeMap<String, SessionStatus>) {
        self.at_work.retain(|_, folder| folder != directory);
        for (id, status) in statuses {
            self.set(directory, id, status);
        }
    }

    /// Folders in which something was at work.
    pub(crate) fn folders(&self) -> Vec<String> {
        let mut folders: Vec<String> = self.at_work.values().cloned().collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// A new server knows nothing of what the old one did.
    pub(crate) fn clear(&mut self) {
        self.at_work.clear();
    }

    /// The sessions at work. Sub-agents work for a session that is listed itself.
    pub(crate) fn list(&self) -> Vec<BusySession> {
        let sessions = self.at_work.iter().filter_map(|(id, directory)| {
            let name = self.names.get(id);
            let title = name
                .map(|name| name.title.as_str())
                .filter(|title| !title.is_empty());
            (!name.is_some_and(|name| name.is_child)).then(|| BusySession {
                id: id.clone(),
                title: title.unwrap_or("a new session").to_owned(),
                directory: directory.clone(),
            })
        });
        sessions.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, title: &str, parent: Option<&str>) -> Event {
        Event::SessionUpdated(Box::new(Session {
            id: id.to_owned(),
            title: title.to_owned(),
            parent_id: parent.map(str::to_owned),
            ..Session::default()
        }))
    }

    fn status(id: &str, status: SessionStatus) -> Event {
        Event::SessionStatus {
            session_id: id.to_owned(),
            status,
        }
    }

    fn titles(busy: &Busy) -> Vec<String> {
        busy.list().into_iter().map(|session| session.title).collect()
    }

    #[test]
    fn sessions_at_work_are_named_and_sub_agents_are_not() {
        let mut busy = Busy::default();

        busy.apply("/p", &session("ses_1", "fix the build", None));
        assert!(busy.apply("/p", &status("ses_1", SessionStatus::Busy)));
        assert!(!busy.apply("/p", &status("ses_1", SessionStatus::Busy)));
        busy.apply("/p", &session("ses_2", "look around", Some("ses_1")));
        busy.apply("/p", &status("ses_2", SessionStatus::Busy));
        busy.apply("/q", &status("ses_3", SessionStatus::Busy));
        assert_eq!(titles(&busy), ["fix the build", "a new session"]);

        busy.apply(
            "/p",
            &Event::SessionIdle {
                session_id: "ses_1".to_owned(),
            },
        );
        busy.apply("/p", &status("ses_2", SessionStatus::Idle));
        assert_eq!(titles(&busy), ["a new session"]);
        assert!(busy.apply("", &Event::GlobalDisposed));
        assert_eq!(titles(&busy), Vec::<String>::new());
    }

    #[test]
    fn what_the_server_says_now_replaces_what_was_heard() {
        let mut busy = Busy::default();
        busy.apply("/p", &status("ses_1", SessionStatus::Busy));
        busy.apply("/q", &status("ses_2", SessionStatus::Busy));
        assert_eq!(busy.folders(), ["/p", "/q"]);

        busy.replace("/p", &[("ses_3".to_owned(), SessionStatus::Busy)].into());

        let ids: Vec<String> = busy.list().into_iter().map(|session| session.id).collect();
        assert_eq!(ids, ["ses_2", "ses_3"]);
    }
}
