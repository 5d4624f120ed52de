//! Fetching: one session's transcript, a page of older messages, what can be chosen.

use std::{sync::Arc, time::Instant};

use opencode::{
    ApiError,
    wire::{Event, Permission, Question, SessionStatus},
};
use serde_json::{Map, Value};

use super::{Catalog, Desk, Slot, follow::UNSEEN_MAX};
use crate::{
    transcript::{Fetched, Transcript},
    view::ModelChoice,
};

/// Messages fetched at once: some screens full.
const PAGE_MESSAGES: usize = 60;
/// Events recorded during a fetch; with more of them the fetch is not worth keeping.
const RECORDED_MAX: usize = 20_000;

impl Desk {
    /// The transcript of a session, fetched if nobody has looked at it lately.
    pub async fn transcript(&self, id: &str) -> Result<Arc<Transcript>, ApiError> {
        if let Some(known) = self.known(id) {
            return Ok(known);
        }
        let _turn = self.loading.lock().await;
        match self.known(id) {
            Some(known) => Ok(known),
            None => self.fetch(id).await,
        }
    }

    /// Fetches a session again, e.g. after the event stream was away.
    pub async fn refetch(&self, id: &str) -> Result<(), ApiError> {
        let _turn = self.loading.lock().await;
        self.fetch(id).await.map(|_transcript| ())
    }

    fn known(&self, id: &str) -> Option<Arc<Transcript>> {
        self.lock().slots.get(id)?.transcript.clone()
    }

    async fn fetch(&self, id: &str) -> Result<Arc<Transcript>, ApiError> {
        // From here on events are recorded: what happens during the fetch is applied to what it brings.
        let since = {
            let mut live = self.lock();
            live.slots.entry(id.to_owned()).or_default().recorded = Some(Vec::new());
            live.shelf.now()
        };
        let fetched = self.gather(id).await;
        let inputs = match &fetched {
            Ok(fetched) => self.inputs_below(fetched).await,
            Err(_) => Vec::new(),
        };
        let mut held = self.lock();
        let live = &mut *held;
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                if let Some(slot) = live.slots.get_mut(id) {
                    slot.recorded = None;
                    if slot.transcript.is_none() {
                        live.slots.remove(id);
                    }
                }
                return Err(error);
            }
        };
        let slot = live.slots.entry(id.to_owned()).or_default();
        let recorded = slot.recorded.take().unwrap_or_default();
        live.shelf.adopt(&fetched.session);
        live.shelf.take_list(vec![fetched.session.clone()], since);
        live.shelf.take_last(id, &fetched.messages, since);
        let transcript = Arc::clone(slot.transcript.get_or_insert_with(|| {
            let session = fetched.session.clone();
            Arc::new(Transcript::new(
                session,
                Arc::clone(&self.highlighter),
                Arc::clone(&self.home),
            ))
        }));
        let streamed = &live.streamed;
        transcript.reconcile(fetched);
        for event in recorded {
            if !matches!(*event, Event::PartDelta(_)) {
                transcript.apply(&event);
            }
        }
        transcript.recall(|part| streamed.get(part));
        for (request, ask) in live.shelf.waiting() {
            if let Some(input) = &ask.input {
                transcript.learn(request, input);
            }
        }
        for (request, input) in &inputs {
            transcript.learn(request, input);
        }
        Ok(transcript)
    }

    async fn gather(&self, id: &str) -> Result<Fetched, ApiError> {
        let (session, page) = tokio::try_join!(
            self.api.session("", id),
            self.api.messages("", id, PAGE_MESSAGES, None)
        )?;
        let directory = session.directory.clone();
        // These need the folder's configuration to be readable; the conversation can be shown without them.
        let (status, permissions, questions, todos) = tokio::join!(
            self.api.status(&directory),
            self.api.permissions(&directory),
            self.api.questions(&directory),
            self.api.todo("", id),
        );
        let (status, permissions, questions) = match (status, permissions, questions) {
            (Ok(mut status), Ok(permissions), Ok(questions)) => {
                let status = status.remove(id).unwrap_or(SessionStatus::Idle);
                (status, permissions, questions)
            }
            _ => self.known_of(id),
        };
        self.learn_askers(&permissions, &questions).await;
        let is_ours = |asker: &str| asker == id || self.shelf(|shelf| shelf.root_of(asker) == id);
        Ok(Fetched {
            status,
            messages: page.messages,
            older: page.older,
            permissions: permissions
                .into_iter()
                .filter(|asked| is_ours(&asked.session_id))
                .collect(),
            questions: questions
                .into_iter()
                .filter(|asked| is_ours(&asked.session_id))
                .collect(),
            todos: todos.unwrap_or_default(),
            session,
        })
    }

    /// What sub-agents' tools were called with that are asked for; those of the session itself are in its messages.
    async fn inputs_below(&self, fetched: &Fetched) -> Vec<(String, Map<String, Value>)> {
        let mut inputs = Vec::new();
        let below = |asked: &&Permission| asked.session_id != fetched.session.id;
        for permission in fetched.permissions.iter().filter(below) {
            if let Some(input) = self.call_of(permission).await {
                inputs.push((permission.id.clone(), input));
            }
        }
        inputs
    }

    /// What is known to be under way in a session, for when its folder does not say.
    fn known_of(&self, id: &str) -> (SessionStatus, Vec<Permission>, Vec<Question>) {
        if let Some(known) = self.known(id) {
            return known.look(|conversation| {
                let permissions = conversation.permissions.values().cloned().collect();
                let questions = conversation.questions.values().cloned().collect();
                (conversation.status.clone(), permissions, questions)
            });
        }
        let is_busy = self.shelf(|shelf| shelf.is_busy(id));
        let status = if is_busy {
            SessionStatus::Busy
        } else {
            SessionStatus::Idle
        };
        (status, Vec::new(), Vec::new())
    }

    /// Finds out whose sub-agents ask.
    pub(super) async fn learn_askers(&self, permissions: &[Permission], questions: &[Question]) {
        let askers = permissions.iter().map(|asked| &asked.session_id);
        for asker in askers.chain(questions.iter().map(|asked| &asked.session_id)) {
            let is_known =
                self.shelf(|shelf| shelf.session(asker).is_some() || shelf.root_of(asker) != asker);
            if is_known {
                continue;
            }
            if let Ok(session) = self.api.session("", asker).await {
                self.lock().shelf.adopt(&session);
            }
        }
    }

    /// The folder a session works in. The server keeps its state per folder: asked in another one, it knows nothing of a
    /// turn.
    pub async fn directory_of(&self, id: &str) -> Result<String, ApiError> {
        match self.shelf(|shelf| shelf.session(id).map(|session| session.directory.clone())) {
            Some(directory) => Ok(directory),
            None => Ok(self.api.session("", id).await?.directory),
        }
    }

    /// Answers a request for permission; `id` is the session on whose page it stands.
    pub async fn reply(
        &self,
        id: &str,
        request: &str,
        reply: opencode::wire::PermissionReply,
        message: Option<&str>,
    ) -> Result<(), ApiError> {
        let root = self.shelf(|shelf| shelf.root_of(id).to_owned());
        let directory = self.directory_of(&root).await?;
        self.api
            .reply_permission(&directory, request, reply, message)
            .await
    }

    /// Fetches the page before the oldest message shown.
    pub async fn earlier(&self, id: &str) -> Result<(), ApiError> {
        let transcript = self.transcript(id).await?;
        let Some(before) = transcript.look(|conversation| conversation.older.clone()) else {
            return Ok(());
        };
        let page = self.api.messages("", id, PAGE_MESSAGES, Some(&before)).await?;
        transcript.extend_back(&page.messages, page.older);
        Ok(())
    }

    /// Applies an event to a slot, and records it while a fetch is under way.
    pub(super) fn record(slot: &mut Slot, event: &Arc<Event>) {
        if let Some(recorded) = &mut slot.recorded {
            recorded.push(Arc::clone(event));
            if recorded.len() > RECORDED_MAX {
                slot.recorded = None;
            }
        }
        if let Some(transcript) = &slot.transcript {
            transcript.apply(event);
        }
    }

    /// What can be chosen in a folder, asked once and kept until the server changes.
    pub async fn catalog(&self, directory: &str) -> Arc<Catalog> {
        if let Some(known) = self.lock().catalogs.get(directory) {
            return Arc::clone(known);
        }
        let (providers, agents) = tokio::join!(self.api.providers(directory), self.api.agents(directory));
        let (providers, agents) = match (providers, agents) {
            (Ok(providers), Ok(agents)) => (providers, agents),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "what can be chosen in a project folder is not known");
                // Kept empty until the server changes: asking again and again would not help.
                let empty = Arc::<Catalog>::default();
                self.lock()
                    .catalogs
                    .insert(directory.to_owned(), Arc::clone(&empty));
                return empty;
            }
        };
        let mut catalog = Catalog {
            agents: agents
                .into_iter()
                .filter(opencode::wire::Agent::is_choosable)
                .map(|agent| agent.name)
                .collect(),
            ..Catalog::default()
        };
        for provider in &providers.providers {
            for model in provider.models.values() {
                catalog.models.push(ModelChoice {
                    value: format!("{}/{}", provider.id, model.id),
                    name: model.name.clone(),
                    vendor: provider.name.clone(),
                });
            }
        }
        let catalog = Arc::new(catalog);
        self.lock()
            .catalogs
            .insert(directory.to_owned(), Arc::clone(&catalog));
        catalog
    }

    /// Gives back what nobody has looked at for a while.
    pub(super) fn drop_unseen(&self, now: Instant) {
        let mut live = self.lock();
        let count = live.slots.len();
        live.slots.retain(|_, slot| {
            let is_used = |transcript: &Arc<Transcript>| {
                transcript.viewers() > 0 || now.saturating_duration_since(transcript.used_at()) < UNSEEN_MAX
            };
            slot.recorded.is_some() || slot.transcript.as_ref().is_some_and(is_used)
        });
        let is_lighter = live.slots.len() < count;
        drop(live);
        if self.highlighter.rest(now) || is_lighter {
            // Freed pieces lie scattered; without this the process would keep them all.
            (self.release_memory)();
        }
    }
}
